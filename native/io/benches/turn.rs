//! What the executor and an engine cost: echoes over loopback, task switches, timers and small file operations, per engine.
//!
//! `cargo bench -p openlake-io`; client and server share one runtime, so an echo is two sends and two receives of one core.

use bytes::Bytes;
use openlake_io::{AlignedBuffer, Durability, EngineKind, OpenOptions, Runtime};
use std::future::Future;
use std::time::{Duration, Instant};

fn main() {
    for engine in [EngineKind::Uring, EngineKind::Poll] {
        let Ok(runtime) = Runtime::new(engine) else { continue };
        println!("{engine:?}");
        measure(
            &runtime,
            "yield to another task and back",
            1_000_000,
            yields(runtime.clone(), 1_000_000),
        );
        measure(&runtime, "sleep that is dropped", 1_000_000, timeouts(runtime.clone(), 1_000_000));
        for connections in [1, 64] {
            let name = format!("echo of 4 KiB, {connections} connections");
            measure(&runtime, &name, 100_000, echoes(runtime.clone(), connections, 100_000, 4096));
        }
        measure(
            &runtime,
            "echo of 64 KiB, 64 connections",
            20_000,
            echoes(runtime.clone(), 64, 20_000, 65536),
        );
        measure(
            &runtime,
            "read of 4 KiB from the page cache, 32 at once",
            200_000,
            reads(runtime.clone(), 32, 200_000),
        );
        runtime.shutdown();
    }
}

fn measure(runtime: &Runtime, name: &str, count: u32, work: impl Future<Output = ()>) {
    let (start, cpu) = (Instant::now(), processor_time());
    runtime.run(work);
    let (wall, cpu) = (start.elapsed() / count, (processor_time() - cpu) / count);
    println!("  {name}: {wall:?} each, {cpu:?} of processor time");
}

fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0))
}

async fn yields(runtime: Runtime, count: u32) {
    let other = runtime.clone();
    runtime.spawn(async move {
        for _ in 0..count / 2 {
            other.yield_now().await;
        }
    });
    for _ in 0..count / 2 {
        runtime.yield_now().await;
    }
}

async fn timeouts(runtime: Runtime, count: u32) {
    for _ in 0..count {
        let _ = runtime.timeout(Duration::from_secs(1), runtime.yield_now()).await;
    }
}

async fn echoes(runtime: Runtime, connections: u32, count: u32, length: usize) {
    let listener = runtime.listen(([127, 0, 0, 1], 0).into(), false).expect("loopback works");
    let address = listener.local_address().expect("it is bound");
    let clients = (0..connections).map(|_| async {
        let (client, server) = futures_util::join!(runtime.connect(address), listener.accept());
        let (client, server) = (client.expect("it listens"), server.expect("it connects").0);
        runtime.spawn(async move {
            while let Ok((buffer, 1..)) = server.receive(AlignedBuffer::with_stale_capacity(65536)).await {
                if server.send(vec![buffer.freeze()]).await.is_err() {
                    return;
                }
            }
        });
        client
    });
    let mut connected = Vec::new();
    for client in clients {
        connected.push(client.await);
    }
    let message = Bytes::from(vec![7; length]);
    let rounds = connected.into_iter().map(|client| {
        let message = message.clone();
        async move {
            for _ in 0..count / connections {
                client.send(vec![message.clone()]).await.expect("the server lives");
                let mut left = length;
                while left > 0 {
                    let (_, count) = client
                        .receive(AlignedBuffer::with_stale_capacity(65536))
                        .await
                        .expect("the server lives");
                    left -= count;
                }
            }
        }
    });
    futures_util::future::join_all(rounds).await;
}

async fn reads(runtime: Runtime, depth: u32, count: u32) {
    let path = std::env::temp_dir().join(format!("openlake-io-bench-{}", std::process::id()));
    let options = OpenOptions {
        write: true,
        create: true,
        buffered: true,
        ..OpenOptions::default()
    };
    let file = runtime.open(&path, &options).expect("the folder for temporary files is writable");
    file.write(0, vec![Bytes::from(vec![1; 1 << 20])], Durability::None)
        .await
        .expect("it can be written");
    let readers = (0..depth).map(|reader| {
        let file = file.clone();
        async move {
            for index in 0..count / depth {
                let offset = u64::from((reader * 7 + index) % 256) * 4096;
                file.read(offset, 4096).await.expect("it can be read");
            }
        }
    });
    futures_util::future::join_all(readers).await;
    runtime.remove(&path).expect("it is ours");
}
