//! Several keys at once. A key that is healed mostly waits: for the bytes of others, and for its record to be durable. Drives make many
//! records durable together, so keys healed side by side cost hardly more time than one.

use crate::heal::Healer;
use crate::heal::pace::MOST_AT_ONCE;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

impl Healer {
    /// Heals keys, begun in their order, as many at once as the pace allows; each of their steps is paced by itself. What became of those
    /// that could not be healed.
    pub async fn heal_each<K, R, F>(&self, keys: impl IntoIterator<Item = K>, heal: impl Fn(K) -> F) -> Vec<R>
    where
        F: Future<Output = Result<(), R>>,
    {
        let mut keys = keys.into_iter();
        let (mut running, mut failed) = (FuturesUnordered::new(), Vec::new());
        loop {
            while running.len() < self.pace.at_once(MOST_AT_ONCE)
                && let Some(key) = keys.next()
            {
                running.push(heal(key));
            }
            match running.next().await {
                Some(result) => failed.extend(result.err()),
                None => return failed,
            }
        }
    }
}
