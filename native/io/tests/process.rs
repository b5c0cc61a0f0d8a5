//! Runtimes and their process: ends, poison, threads, cores and limits.

use futures_channel::oneshot;
use openlake_io::{AlignedBuffer, EngineKind, Runtime, available_cores, pin_to_core, process_time, raise_open_files, spawn_thread};
use std::cell::Cell;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

/// A runtime of each engine that works here.
fn runtimes() -> Vec<Runtime> {
    let runtimes: Vec<Runtime> = [EngineKind::Uring, EngineKind::Poll]
        .into_iter()
        .filter_map(|kind| Runtime::new(kind).ok())
        .collect();
    assert!(!runtimes.is_empty(), "poll works everywhere");
    runtimes
}

#[test]
fn the_probed_engine_works() {
    let (engine, reason) = Runtime::probe();
    println!("{engine:?}: {reason}");
    assert!(!reason.is_empty());
    assert_eq!(Runtime::new(engine).unwrap().engine(), engine);
    assert!(Runtime::new(EngineKind::Sim).is_err(), "a simulated runtime comes from its world");
}

#[test]
fn shutdown_drops_tasks_and_closes_their_sockets() {
    for runtime in runtimes() {
        let listener = runtime.listen(([127, 0, 0, 1], 0).into(), false).unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_address().unwrap()).unwrap();
        let inner = runtime.clone();
        let started = Rc::new(Cell::new(false));
        let flag = started.clone();
        runtime.spawn(async move {
            let _runtime = inner;
            let (socket, _) = listener.accept().await.unwrap();
            flag.set(true);
            let _ = socket.receive(AlignedBuffer::with_capacity(4096)).await;
            unreachable!("nothing is ever sent");
        });
        runtime.run(async {
            while !started.get() {
                runtime.sleep(Duration::from_millis(1)).await;
            }
        });
        let remote = runtime.remote();
        runtime.shutdown();
        drop(runtime);
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0, "the peer sees the end");
        assert_eq!(Rc::strong_count(&started), 1);
        // Posted too late: dropped, and seen to be dropped.
        let (sender, receiver) = mpsc::channel::<()>();
        remote.post(Box::new(move |_| drop(sender)));
        assert!(receiver.recv().is_err());
    }
}

#[test]
fn a_panic_poisons_the_runtime() {
    for runtime in runtimes() {
        let handle = runtime.clone();
        runtime.spawn(async { panic!("this panic is part of the test") });
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.run(handle.sleep(Duration::from_secs(20)))));
        assert!(outcome.is_err(), "the panic reaches whoever runs the runtime");
        let again = catch_unwind(AssertUnwindSafe(|| runtime.run(async {})));
        let message = *again.unwrap_err().downcast::<&str>().unwrap();
        assert!(message.contains("poisoned"), "{message}");
        let (sender, receiver) = mpsc::channel::<()>();
        runtime.remote().post(Box::new(move |_| drop(sender)));
        assert!(receiver.recv().is_err());
        runtime.shutdown();
    }
}

#[test]
fn tasks_survive_between_runs() {
    for runtime in runtimes() {
        let (sender, receiver) = oneshot::channel();
        let inner = runtime.clone();
        runtime.spawn(async move {
            inner.sleep(Duration::from_millis(2)).await;
            sender.send(1).unwrap();
        });
        runtime.run(async {});
        assert_eq!(runtime.run(receiver), Ok(1));
        runtime.shutdown();
    }
}

#[test]
fn another_thread_wakes_a_sleeping_runtime() {
    for runtime in runtimes() {
        let (sender, receiver) = oneshot::channel();
        let remote = runtime.remote();
        spawn_thread("waker", move || {
            std::thread::sleep(Duration::from_millis(20));
            remote.post(Box::new(move |runtime| {
                let runtime = runtime.clone();
                runtime.clone().spawn(async move {
                    runtime.yield_now().await;
                    sender.send(7).unwrap();
                });
            }));
        })
        .unwrap();
        assert_eq!(runtime.run(receiver), Ok(7));
        let (sender, receiver) = oneshot::channel();
        spawn_thread("sender", move || {
            std::thread::sleep(Duration::from_millis(20));
            sender.send(8).unwrap();
        })
        .unwrap();
        assert_eq!(runtime.run(receiver), Ok(8), "a plain waker crosses threads too");
        runtime.shutdown();
    }
}

#[test]
fn a_connection_moves_between_runtimes_of_two_threads() {
    for first in runtimes() {
        let (sender, moved) = mpsc::channel();
        let engine = first.engine();
        let listener = first.listen(([127, 0, 0, 1], 0).into(), false).unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_address().unwrap()).unwrap();
        first.run(async {
            let (socket, _) = listener.accept().await.unwrap();
            socket.send(vec![b"1"[..].into()]).await.unwrap();
            sender.send(socket.detach().await.unwrap()).unwrap();
        });
        spawn_thread("second", move || {
            let second = Runtime::new(engine).unwrap();
            second.run(async {
                let socket = second.attach(moved.recv().unwrap()).unwrap();
                socket.send(vec![b"2"[..].into()]).await.unwrap();
            });
        })
        .unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"12");
    }
}

#[test]
fn cores_and_limits_are_believable() {
    let cores = available_cores();
    assert!((1..100_000).contains(&cores));
    let (sender, receiver) = mpsc::channel();
    spawn_thread("pinned", move || {
        let outcome = (pin_to_core(1_000_003), available_cores());
        sender.send(outcome).unwrap();
    })
    .unwrap();
    let (pinned, left) = receiver.recv().unwrap();
    if cfg!(target_os = "linux") {
        pinned.unwrap();
        assert_eq!(left, 1, "the index wraps around, and a bound thread has one core");
    }
    assert!(raise_open_files().unwrap() >= 256);
    let before = process_time();
    assert!(process_time() >= before);
}
