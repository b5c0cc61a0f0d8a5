//! Tasks: order, wakes from everywhere, and work posted by other threads.

use crate::Place;
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use openlake_io::EngineKind;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

pub(crate) async fn tasks_run_in_order_of_their_start(place: Place) {
    let order = Rc::new(RefCell::new(Vec::new()));
    for index in 0..100 {
        let order = order.clone();
        place.runtime.spawn(async move { order.borrow_mut().push(index) });
    }
    place.runtime.yield_now().await;
    assert_eq!(*order.borrow(), (0..100).collect::<Vec<_>>());
}

pub(crate) async fn yield_lets_others_run(place: Place) {
    let count = Rc::new(Cell::new(0));
    let (other, runtime) = (count.clone(), place.runtime.clone());
    place.runtime.spawn(async move {
        for _ in 0..10 {
            other.set(other.get() + 1);
            runtime.yield_now().await;
        }
    });
    for expected in 1..=10 {
        place.runtime.yield_now().await;
        assert_eq!(count.get(), expected);
    }
}

pub(crate) async fn a_thousand_tasks_meet(place: Place) {
    let (sender, mut receiver) = mpsc::unbounded();
    for index in 0..1000u64 {
        let (sender, runtime) = (sender.clone(), place.runtime.clone());
        place.runtime.spawn(async move {
            runtime.sleep(Duration::from_micros(index % 10 * 100)).await;
            runtime.yield_now().await;
            sender.unbounded_send(index).unwrap();
        });
    }
    drop(sender);
    let mut sum = 0;
    while let Some(index) = receiver.next().await {
        sum += index;
    }
    assert_eq!(sum, 999 * 1000 / 2);
}

pub(crate) async fn a_channel_wakes_a_task(place: Place) {
    let (sender, receiver) = oneshot::channel();
    let runtime = place.runtime.clone();
    place.runtime.spawn(async move {
        runtime.sleep(Duration::from_millis(1)).await;
        sender.send(5).unwrap();
    });
    assert_eq!(receiver.await, Ok(5));
}

pub(crate) async fn a_post_runs_on_the_runtime(place: Place) {
    let remote = place.runtime.remote();
    let (sender, mut receiver) = mpsc::unbounded();
    let simulated = place.runtime.engine() == EngineKind::Sim;
    let post: Box<dyn FnOnce() + Send> = Box::new(move || {
        for index in 0..100 {
            let sender = sender.clone();
            remote.post(Box::new(move |runtime| {
                let task = async move { sender.unbounded_send(index).unwrap() };
                runtime.spawn(task);
            }));
            if !simulated && index % 10 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    if simulated {
        post();
    } else {
        std::thread::spawn(post);
    }
    let mut seen = Vec::new();
    while let Some(index) = receiver.next().await {
        seen.push(index);
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

pub(crate) async fn spawn_inside_a_task(place: Place) {
    let (sender, receiver) = oneshot::channel();
    let runtime = place.runtime.clone();
    place.runtime.spawn(async move {
        let inner = runtime.clone();
        runtime.spawn(async move {
            inner.sleep(Duration::from_millis(1)).await;
            sender.send(inner.engine()).unwrap();
        });
    });
    assert_eq!(receiver.await, Ok(place.runtime.engine()));
}
