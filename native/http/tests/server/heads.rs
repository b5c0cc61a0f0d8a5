//! Heads that are malformed, slow, cut or spoilt.

use crate::client::Ask;
use crate::world::{World, with_limits, with_server};
use openlake_http::Limits;
use std::time::Duration;

#[test]
fn heads_may_arrive_byte_by_byte() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        for byte in Ask::new("PUT", "/bucket/k").body(b"xyz").bytes(&client.signer()) {
            client.send([byte]).await;
            world.runtime.yield_now().await;
        }
        assert_eq!(client.read(false).await.status, 200);
    });
}

#[test]
fn malformed_heads_are_answered_and_closed() {
    // A short limit makes the sweep frequent, which also ends the wait for what else such a client sends.
    with_limits(
        Limits {
            head_timeout_ms: 400,
            ..Limits::default()
        },
        async |world: World| {
            let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "k".repeat(9000));
            let huge = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "v".repeat(20_000));
            for (head, status, code) in [
                (
                    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                    400,
                    "BadRequest",
                ),
                (
                    "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
                    400,
                    "BadRequest",
                ),
                ("GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n\r\n", 400, "BadRequest"),
                ("GET / HTTP/1.1\r\nhost: a\rb\r\n\r\n", 400, "BadRequest"),
                ("GET / HTTP/1.1\nhost: a\n\n", 400, "BadRequest"),
                ("\0\0\0\0", 400, "BadRequest"),
                ("GET / HTTP/1.1\r\n\r\n", 400, "BadRequest"),
                ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "BadRequest"),
                ("GET / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n", 417, "ExpectationFailed"),
                (long.as_str(), 400, "InvalidURI"),
                (huge.as_str(), 400, "RequestHeaderSectionTooLarge"),
            ] {
                let mut client = world.client().await;
                client.send(format!("{head}GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n")).await;
                let answer = client.read(false).await;
                assert_eq!(answer.error(), (status, code.to_owned()), "{:?}", head.get(..80));
                assert_eq!(answer.header("connection"), Some("close"));
                assert!(client.is_closed().await, "{:?}", head.get(..80));
            }
        },
    );
}

#[test]
fn unsigned_and_unreadable_requests_are_refused() {
    with_server(async |world: World| {
        for (head, status, code) in [
            ("GET /bucket/k HTTP/1.1\r\nhost: a\r\n\r\n", 403, "AccessDenied"),
            ("GET /bucket/k HTTP/1.0\r\n\r\n", 403, "AccessDenied"),
            ("GET /.openlake/cluster HTTP/1.1\r\nhost: a\r\n\r\n", 403, "AccessDenied"),
            ("GET /bucket/%zz HTTP/1.1\r\nhost: a\r\n\r\n", 400, "InvalidURI"),
            ("GET /bucket/%ff HTTP/1.1\r\nhost: a\r\n\r\n", 400, "InvalidURI"),
            ("GET /bucket/k?x=%z HTTP/1.1\r\nhost: a\r\n\r\n", 400, "InvalidURI"),
        ] {
            let mut client = world.client().await;
            client.send(head).await;
            let answer = client.read(false).await;
            assert_eq!(answer.error(), (status, code.to_owned()), "{head:?}");
            assert!(answer.text().contains(answer.header("x-amz-request-id").unwrap()));
        }
    });
}

#[test]
fn slow_heads_get_408_and_idle_connections_close() {
    let limits = Limits {
        head_timeout_ms: 80,
        idle_timeout_ms: 160,
        ..Limits::default()
    };
    with_limits(limits, async |world: World| {
        let mut client = world.client().await;
        client.send("GET /-/live HT").await;
        assert!(client.read_head().await.starts_with("HTTP/1.1 408 "));
        assert!(client.is_closed().await);
        let mut client = world.client().await;
        assert!(client.is_closed().await);
    });
}

#[test]
fn garbage_never_stops_the_server() {
    with_limits(
        Limits {
            head_timeout_ms: 40,
            idle_timeout_ms: 40,
            ..Limits::default()
        },
        async |world: World| {
            let seed = world.runtime.random_u64();
            println!("seed {seed}");
            let mut state = seed | 1;
            let mut next = |bound: usize| {
                // xorshift64 (Marsaglia, 2003)
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % bound as u64) as usize
            };
            const PIECES: [&str; 16] = [
                "GET ",
                "PUT ",
                "/bucket/k",
                " HTTP/1.1\r\n",
                "host: a\r\n",
                "\r\n",
                "\n",
                "\r",
                "content-length: 5\r\n",
                "transfer-encoding: chunked\r\n",
                "authorization: AWS4-HMAC-SHA256 Credential=",
                "?X-Amz-Signature=a&X-Amz-Algorithm=",
                "5\r\nabcde\r\n",
                "%",
                "\0",
                "expect: 100-continue\r\n",
            ];
            for _ in 0..60 {
                let mut client = world.client().await;
                let text: String = (0..next(12)).map(|_| PIECES[next(PIECES.len())]).collect();
                client.send(text).await;
                let _ = world.runtime.timeout(Duration::from_millis(4), client.is_closed()).await;
            }
            let mut client = world.client().await;
            client.send("GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n").await;
            assert_eq!(client.read(false).await.status, 200);
        },
    );
}
