//! One call that all cores work on together.

use crate::data_core::{self, Serving};
use crate::engine::Shared;
use crate::queue::{Completion, Failure, Payload};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

/// Runs `work` on every core that lives; `completion` ends when all are done, with the first failure if there was one.
pub fn on_every_core<Work, Outcome>(shared: &Shared, completion: Completion, work: Work)
where
    Work: Fn(Serving) -> Outcome + Clone + Send + 'static,
    Outcome: Future<Output = Result<(), Failure>> + 'static,
{
    let together = Arc::new(Together {
        results: Mutex::default(),
        cores: shared.cores().len(),
        completion: Some(completion),
    });
    shared.post_all(|_core| {
        let (together, work) = (together.clone(), work.clone());
        Box::new(move |runtime| {
            let Some(serving) = data_core::serving() else { return };
            runtime.spawn(async move {
                let result = work(serving).await;
                together.results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            });
        })
    });
}

/// One call on all cores. Ends when the last core lets go of it, whether it did its work or died.
struct Together {
    results: Mutex<Vec<Result<(), Failure>>>,
    cores: usize,
    completion: Option<Completion>,
}

impl Drop for Together {
    fn drop(&mut self) {
        let results = std::mem::take(&mut *self.results.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(completion) = self.completion.take() else { return };
        // Without an answer of each core, letting the completion go says that one has stopped.
        if let Some(failure) = results.iter().find_map(|result| result.as_ref().err()) {
            completion.finish(Err(failure.clone()));
        } else if results.len() == self.cores {
            completion.finish(Ok(Payload::Nothing));
        }
    }
}
