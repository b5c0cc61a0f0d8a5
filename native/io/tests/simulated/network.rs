//! Connections across partitions, crashes and pauses.

use crate::{MINUTE, address, run, world};
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Runtime, SimOptions, SimWorld, Socket};
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

const PORT: u16 = 9000;

/// Lets a node echo on `PORT`; counts received bytes.
fn serve(runtime: &Runtime, node: u32) -> Rc<Cell<usize>> {
    let received = Rc::new(Cell::new(0));
    let count = received.clone();
    let listener = runtime.listen((address(node), PORT).into(), false).unwrap();
    let handle = runtime.clone();
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let count = count.clone();
            handle.spawn(async move {
                while let Ok((buffer, 1..)) = socket.receive(AlignedBuffer::with_capacity(4096)).await {
                    count.set(count.get() + buffer.len());
                    if socket.send(vec![buffer.freeze()]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    received
}

/// Two nodes: 2 echoes, 1 is connected to it.
fn connected(seed: u64, options: SimOptions) -> (SimWorld, Socket, Rc<Cell<usize>>) {
    let world = SimWorld::new(seed, options);
    let received = serve(&world.start_node(2, address(2)), 2);
    let socket = run(&world, 1, |runtime| async move {
        runtime.connect((address(2), PORT).into()).await.unwrap()
    });
    (world, socket, received)
}

async fn exchange(socket: Socket) -> std::io::Result<usize> {
    socket.send(vec![Bytes::from_static(b"ping")]).await?;
    Ok(socket.receive(AlignedBuffer::with_capacity(4096)).await?.1)
}

#[test]
fn a_short_block_only_delays() {
    for (from, to) in [(1, 2), (2, 1)] {
        let (world, socket, received) = connected(1, SimOptions::default());
        world.block(from, to);
        let runtime = world.runtime(1).unwrap();
        let done = Rc::new(Cell::new(false));
        let target = done.clone();
        runtime.spawn(async move { target.set(exchange(socket).await.is_ok()) });
        world.run_for(Duration::from_secs(3));
        assert!(!done.get());
        assert_eq!(received.get() > 0, from == 2, "one direction is open");
        world.unblock(from, to);
        assert!(world.run_until(|| done.get(), Duration::from_secs(3)), "bytes are sent again");
    }
}

#[test]
fn a_long_block_breaks_the_connection() {
    for (from, to) in [(1, 2), (2, 1)] {
        let (world, socket, _) = connected(2, SimOptions::default());
        world.block(from, to);
        let error = run(&world, 1, |_| exchange(socket)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}

#[test]
fn a_connect_across_a_block_times_out() {
    let world = world(3);
    serve(&world.start_node(2, address(2)), 2);
    world.block(2, 1);
    let outcome = run(&world, 1, |runtime| async move {
        runtime.connect((address(2), PORT).into()).await.err()
    });
    assert_eq!(outcome.map(|error| error.kind()), Some(ErrorKind::TimedOut));
    world.unblock_all();
    run(&world, 1, |runtime| async move {
        runtime.connect((address(2), PORT).into()).await.unwrap()
    });
}

#[test]
fn a_stopped_peer_is_seen_and_a_crashed_one_is_not() {
    let (world, socket, _) = connected(4, SimOptions::default());
    world.stop_node(2);
    let ended = run(
        &world,
        1,
        |_| async move { socket.receive(AlignedBuffer::with_capacity(4096)).await },
    );
    assert!(!matches!(ended, Ok((_, 1..))));
    let refused = run(&world, 1, |runtime| async move {
        runtime.connect((address(2), PORT).into()).await.err()
    });
    assert_eq!(
        refused.map(|error| error.kind()),
        Some(ErrorKind::ConnectionRefused),
        "the machine is up"
    );

    let (world, socket, _) = connected(4, SimOptions::default());
    world.crash_node(2);
    let silent = socket.clone();
    let waited = run(&world, 1, |runtime| async move {
        let receive = silent.receive(AlignedBuffer::with_capacity(4096));
        runtime.timeout(Duration::from_secs(50), receive).await.is_err()
    });
    assert!(waited, "a machine without power says nothing");
    let runtime = world.start_node(2, address(2));
    serve(&runtime, 2);
    let error = run(&world, 1, |_| exchange(socket)).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::ConnectionReset,
        "after its restart it knows nothing of the connection"
    );
}

#[test]
fn a_paused_node_answers_later() {
    let (world, socket, received) = connected(5, SimOptions::default());
    world.pause_node(2);
    let runtime = world.runtime(1).unwrap();
    let done = Rc::new(Cell::new(false));
    let target = done.clone();
    runtime.spawn(async move { target.set(exchange(socket).await.is_ok()) });
    world.run_for(MINUTE);
    assert_eq!((done.get(), received.get()), (false, 0));
    world.resume_node(2);
    assert!(world.run_until(|| done.get(), Duration::from_secs(1)));
}

#[test]
fn resets_come_by_chance() {
    let options = SimOptions {
        reset_chance: 0.05,
        ..SimOptions::default()
    };
    let (world, socket, _) = connected(6, options);
    let error = run(&world, 1, |_| async move {
        loop {
            if let Err(error) = exchange(socket.clone()).await {
                return error;
            }
        }
    });
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_slow_receiver_holds_its_sender_back() {
    let world = world(7);
    let server = world.start_node(2, address(2));
    let listener = server.listen((address(2), PORT).into(), false).unwrap();
    let held = Rc::new(RefCell::new(None));
    let target = held.clone();
    server.spawn(async move { *target.borrow_mut() = Some(listener.accept().await.unwrap().0) });
    let sent = Rc::new(Cell::new(0));
    let count = sent.clone();
    let client = world.start_node(1, address(1));
    let runtime = client.clone();
    client.spawn(async move {
        let socket = runtime.connect(SocketAddr::new(address(2), PORT)).await.unwrap();
        loop {
            socket.send(vec![Bytes::from(vec![1; 10_000])]).await.unwrap();
            count.set(count.get() + 10_000);
        }
    });
    world.run_for(MINUTE);
    let (first, socket) = (sent.get(), held.take().unwrap());
    assert!(first < 1_000_000, "only what buffers hold is sent, not {first} bytes");
    world.run(
        &server,
        async move {
            for _ in 0..100 {
                socket.receive(AlignedBuffer::with_capacity(65536)).await.unwrap();
            }
        },
        MINUTE,
    );
    assert!(sent.get() > first);
}
