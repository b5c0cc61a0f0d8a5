//! Clocks, timers and chance.

use crate::Place;
use openlake_io::Elapsed;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) async fn timers_fire_in_order(place: Place) {
    let fired = Rc::new(RefCell::new(Vec::new()));
    let start = place.runtime.now();
    for (index, milliseconds) in [30, 10, 20, 10].into_iter().enumerate() {
        let (fired, runtime) = (fired.clone(), place.runtime.clone());
        place.runtime.spawn(async move {
            let deadline = start.after(Duration::from_millis(milliseconds));
            runtime.sleep_until(deadline).await;
            assert!(runtime.now() >= deadline);
            fired.borrow_mut().push(index);
        });
    }
    while fired.borrow().len() < 4 {
        place.runtime.sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*fired.borrow(), [1, 3, 2, 0]);
}

pub(crate) async fn timeout_elapses_and_drops(place: Place) {
    struct Flag(Rc<RefCell<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            *self.0.borrow_mut() = true;
        }
    }
    let dropped = Rc::new(RefCell::new(false));
    let flag = Flag(dropped.clone());
    let never = async move {
        let _flag = flag;
        std::future::pending::<()>().await;
    };
    assert_eq!(place.runtime.timeout(Duration::from_millis(5), never).await, Err(Elapsed));
    assert!(*dropped.borrow());
}

pub(crate) async fn timeout_passes_a_result(place: Place) {
    let runtime = place.runtime.clone();
    let soon = async move {
        runtime.sleep(Duration::from_millis(1)).await;
        7
    };
    assert_eq!(place.runtime.timeout(Duration::from_secs(30), soon).await, Ok(7));
    assert_eq!(place.runtime.timeout(Duration::ZERO, async { 8 }).await, Ok(8));
}

pub(crate) async fn time_goes_forward(place: Place) {
    let (start, wall) = (place.runtime.now(), place.runtime.wall_ms());
    assert!(wall > 1_577_836_800_000, "the wall clock is past the year 2020");
    place.runtime.sleep(Duration::from_millis(3)).await;
    let end = place.runtime.now();
    assert!(end.since(start) >= Duration::from_millis(3));
    assert_eq!(start.since(end), Duration::ZERO);
    assert_eq!(start.after(end.since(start)), end);
}

pub(crate) async fn random_bytes_differ(place: Place) {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        assert!(seen.insert(place.runtime.random_u64()));
    }
    let mut bytes = vec![0; 1000];
    place.runtime.fill_random(&mut bytes);
    assert!(bytes.iter().filter(|byte| **byte == 0).count() < 100);
}
