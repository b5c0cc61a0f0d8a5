//! The life of connections: kept, pipelined, limited, drained.

use crate::client::{Ask, Client};
use crate::world::{World, tables, with_limits, with_server};
use openlake_http::Limits;
use std::time::Duration;

#[test]
fn liveness_needs_no_signature() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        client.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let answer = client.read(false).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"));
        assert!(answer.header("x-amz-request-id").is_some() && answer.header("date").is_some());
        assert_eq!(answer.header("server"), Some("OpenLake"));
    });
}

#[test]
fn connections_are_kept_and_pipelined_requests_wait_their_turn() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let signer = client.signer();
        let mut bytes = Vec::new();
        for number in 0..20 {
            bytes.extend(
                Ask::new("PUT", &format!("/bucket/k{number}"))
                    .body(format!("value {number}").as_bytes())
                    .bytes(&signer),
            );
            bytes.extend(Ask::new("GET", &format!("/bucket/k{number}")).bytes(&signer));
        }
        client.send(bytes).await;
        for number in 0..20 {
            assert_eq!(client.read(false).await.status, 200);
            assert_eq!(client.read(false).await.text(), format!("value {number}"));
        }
        assert_eq!(world.server.counters().connections_total, 1);
    });
}

#[test]
fn connections_close_when_either_side_says_so() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        client.send("GET /-/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        assert_eq!(client.read(false).await.header("connection"), Some("close"));
        assert!(client.is_closed().await);
        let mut client = world.client().await;
        client.send("GET /-/live HTTP/1.0\r\n\r\n").await;
        assert_eq!(client.read(false).await.status, 200);
        assert!(client.is_closed().await);
    });
}

#[test]
fn a_connection_too_many_is_told_so_and_may_ask_for_liveness() {
    with_limits(
        Limits {
            connections: 1,
            ..Limits::default()
        },
        async |world: World| {
            let mut first = world.client().await;
            first.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert_eq!(first.read(false).await.status, 200);
            let mut second = world.client().await;
            let answer = second.ask(Ask::new("GET", "/bucket/k")).await;
            assert_eq!(answer.error(), (503, "SlowDown".to_owned()));
            assert!(second.is_closed().await);
            let mut third = world.client().await;
            third.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert_eq!(third.read(false).await.status, 200);
        },
    );
}

#[test]
fn nothing_is_served_before_open() {
    with_server(async |world: World| {
        let options = openlake_http::ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            tables: tables(Limits::default()),
        };
        let closed = openlake_http::Server::start_over(&world.runtime, world.memory.clone(), world.control.clone(), options).unwrap();
        let mut client = Client::connect(&world.runtime, closed.local_address()).await;
        let answer = client.ask(Ask::new("GET", "/bucket/k")).await;
        assert_eq!(answer.error(), (503, "ServiceUnavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        client.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(client.read(false).await.status, 200);
        closed.open();
        assert_eq!(
            client.ask(Ask::new("GET", "/bucket/k")).await.error(),
            (404, "NoSuchKey".to_owned())
        );
    });
}

#[test]
fn draining_lets_requests_end_and_closes_idle_connections() {
    with_server(async |world: World| {
        let mut idle = world.client().await;
        idle.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(idle.read(false).await.status, 200);
        let mut busy = world.client().await;
        let put = Ask::new("PUT", "/bucket/k").body(b"abcdef");
        let bytes = put.bytes(&busy.signer());
        busy.send(&bytes[..bytes.len() - 3]).await;
        world.runtime.sleep(Duration::from_millis(20)).await;
        let drain = world.server.drain();
        let work = async {
            assert!(idle.is_closed().await);
            busy.send(&bytes[bytes.len() - 3..]).await;
            let answer = busy.read(false).await;
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
            assert!(busy.is_closed().await);
        };
        futures_util::future::join(drain, work).await;
        assert_eq!(world.server.counters().connections, 0);
    });
}

#[test]
fn continue_is_said_only_when_the_body_is_wanted() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let signer = client.signer();
        let put = Ask::new("PUT", "/bucket/k").header("expect", "100-continue").body(b"hello");
        client.send(put.head(&signer).0).await;
        assert_eq!(client.read_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("hello").await;
        assert_eq!(client.read(false).await.status, 200);
        for (target, status, code) in [("/nothere/k", 404, "NoSuchBucket"), ("/.openlake/k", 403, "AccessDenied")] {
            let mut client = world.client().await;
            client
                .send(
                    Ask::new("PUT", target)
                        .header("expect", "100-continue")
                        .body(b"hello")
                        .head(&signer)
                        .0,
                )
                .await;
            let answer = client.read(false).await;
            assert_eq!(answer.error(), (status, code.to_owned()));
            assert_eq!(answer.header("connection"), Some("close"));
        }
    });
}

#[test]
fn an_unwanted_body_is_drained_or_the_connection_closed() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let answer = client.ask(Ask::new("PUT", "/nothere/k").body(&vec![1; 200_000])).await;
        assert_eq!(answer.error(), (404, "NoSuchBucket".to_owned()));
        assert_eq!(
            client.ask(Ask::new("GET", "/bucket/k")).await.error(),
            (404, "NoSuchKey".to_owned())
        );
        let answer = client.ask(Ask::new("PUT", "/nothere/k").body(&vec![1; 3_000_000])).await;
        assert_eq!(answer.error(), (404, "NoSuchBucket".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(client.is_closed().await);
    });
}

#[test]
fn requests_are_counted() {
    with_server(async |world: World| {
        world.ask(Ask::new("PUT", "/bucket/k").body(b"12345")).await;
        world.ask(Ask::new("GET", "/bucket/k")).await;
        world.ask(Ask::new("GET", "/bucket/k")).await;
        world.runtime.sleep(Duration::from_millis(5)).await;
        let counters = world.server.counters();
        let row = |name: &str| {
            counters
                .operations
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, row)| *row)
                .unwrap()
        };
        assert_eq!(row("GetObject")[..4], [2, 0, 0, 10]);
        assert_eq!(row("PutObject")[..4], [1, 0, 5, 0]);
    });
}
