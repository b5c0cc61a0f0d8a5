//! Conditional requests, over the wire.

use crate::client::Ask;
use crate::objects::{ETAG, put_digits};
use crate::world::{World, with_server};

#[test]
fn conditions_of_reads_are_judged() {
    with_server(async |world: World| {
        put_digits(&world).await;
        for (name, value, status) in [
            ("if-match", ETAG, 200),
            ("if-match", "\"x\"", 412),
            ("if-none-match", ETAG, 304),
            ("if-none-match", "\"x\"", 200),
            ("if-modified-since", "Tue, 14 Nov 2023 22:13:20 GMT", 304),
            ("if-unmodified-since", "Tue, 14 Nov 2023 22:13:19 GMT", 412),
        ] {
            for method in ["GET", "HEAD"] {
                let mut client = world.client().await;
                let answer = client.ask(Ask::new(method, "/bucket/digits").header(name, value)).await;
                assert_eq!(answer.status, status, "{method} {name}: {value}");
                if status == 304 {
                    assert_eq!((answer.header("etag"), answer.header("content-length")), (Some(ETAG), None));
                }
                assert_eq!(
                    client.ask(Ask::new("GET", "/bucket/digits")).await.text(),
                    "0123456789",
                    "the connection goes on"
                );
            }
        }
        let beyond = Ask::new("GET", "/bucket/digits")
            .header("range", "bytes=99-")
            .header("if-none-match", ETAG);
        assert_eq!(world.ask(beyond).await.status, 304);
    });
}

#[test]
fn conditions_of_writes_are_judged() {
    with_server(async |world: World| {
        let absent = || Ask::new("PUT", "/bucket/digits").header("if-none-match", "*").body(b"0123456789");
        assert_eq!(world.ask(absent()).await.status, 200);
        assert_eq!(world.ask(absent()).await.error(), (412, "PreconditionFailed".to_owned()));
        let matching = |etag: &str| Ask::new("PUT", "/bucket/digits").header("if-match", etag).body(b"0123456789");
        assert_eq!(world.ask(matching(ETAG)).await.status, 200);
        for other in [
            "\"x\"",
            "\"781e5e245d69b566979b86e28d23f2c8\"",
            "\"781e5e245d69b566979b86e28d23f2c7-2\"",
        ] {
            assert_eq!(
                world.ask(matching(other)).await.error(),
                (412, "PreconditionFailed".to_owned()),
                "{other}"
            );
        }
        let missing = Ask::new("PUT", "/bucket/missing").header("if-match", ETAG);
        assert_eq!(world.ask(missing).await.error(), (404, "NoSuchKey".to_owned()));
        let large = Ask::new("PUT", "/bucket/digits")
            .header("if-none-match", "*")
            .header("expect", "100-continue")
            .header("content-length", "2000000");
        let mut client = world.client().await;
        client.send(large.payload("UNSIGNED-PAYLOAD").head(&client.signer()).0).await;
        assert_eq!(
            client.read(false).await.error(),
            (412, "PreconditionFailed".to_owned()),
            "judged before the body is sent"
        );
    });
}

#[test]
fn deletes_succeed_for_absent_keys_and_honour_if_match() {
    with_server(async |world: World| {
        put_digits(&world).await;
        let mismatched = Ask::new("DELETE", "/bucket/digits").header("if-match", "\"781e5e245d69b566979b86e28d23f2c8\"");
        assert_eq!(world.ask(mismatched).await.status, 412);
        for tag in [ETAG, "*"] {
            let absent = Ask::new("DELETE", "/bucket/nothere").header("if-match", tag);
            assert_eq!(world.ask(absent).await.error(), (404, "NoSuchKey".to_owned()), "{tag}");
        }
        let any = Ask::new("DELETE", "/bucket/digits").header("if-match", "*");
        assert_eq!(world.ask(any).await.status, 204);
        put_digits(&world).await;
        let mut client = world.client().await;
        for _ in 0..2 {
            let answer = client.ask(Ask::new("DELETE", "/bucket/digits")).await;
            assert_eq!((answer.status, answer.header("content-length")), (204, None));
        }
        assert_eq!(
            world.ask(Ask::new("GET", "/bucket/digits")).await.error(),
            (404, "NoSuchKey".to_owned())
        );
        assert_eq!(
            world.ask(Ask::new("DELETE", "/nothere/k")).await.error(),
            (404, "NoSuchBucket".to_owned())
        );
    });
}
