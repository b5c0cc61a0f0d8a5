//! Reads, deletes and simple writes of objects.

use crate::client::{Answer, Ask};
use crate::world::{World, with_server};
use bytes::Bytes;
use openlake_object::StoreError;

pub const ETAG: &str = "\"781e5e245d69b566979b86e28d23f2c7\"";

pub async fn put_digits(world: &World) -> Answer {
    world.ask(Ask::new("PUT", "/bucket/digits").body(b"0123456789")).await
}

#[test]
fn what_was_put_is_got() {
    with_server(async |world: World| {
        let put = Ask::new("PUT", "/bucket/digits")
            .header("content-type", "text/plain")
            .header("cache-control", "max-age=60")
            .header("content-encoding", "gzip")
            .header("x-amz-meta-colour", "käse")
            .header("x-amz-checksum-crc32", "poTHxg==")
            .body(b"0123456789");
        let answer = world.ask(put).await;
        assert_eq!((answer.status, answer.header("etag")), (200, Some(ETAG)), "{}", answer.text());
        assert_eq!(answer.header("x-amz-checksum-crc32"), Some("poTHxg=="));
        for method in ["GET", "HEAD"] {
            let answer = world
                .ask(Ask::new(method, "/bucket/digits").header("x-amz-checksum-mode", "ENABLED"))
                .await;
            assert_eq!(answer.text(), if method == "GET" { "0123456789" } else { "" });
            for (name, value) in [
                ("etag", ETAG),
                ("content-length", "10"),
                ("content-type", "text/plain"),
                ("cache-control", "max-age=60"),
                ("content-encoding", "gzip"),
                ("x-amz-meta-colour", "käse"),
                ("x-amz-checksum-crc32", "poTHxg=="),
                ("x-amz-checksum-type", "FULL_OBJECT"),
                ("last-modified", "Tue, 14 Nov 2023 22:13:20 GMT"),
                ("accept-ranges", "bytes"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{method} {name}");
            }
        }
        let answer = world.ask(Ask::new("GET", "/bucket/digits")).await;
        assert_eq!(answer.header("x-amz-checksum-crc32"), None);
    });
}

#[test]
fn odd_keys_are_distinct_objects() {
    with_server(async |world: World| {
        let keys = ["../x", "a//b", "a/", "a", "%2E%2E/y", "b%20c", "b%2Bc", "%E2%82%AC", "%25zz"];
        for key in keys {
            // Signed as the server must read it: decoded once, encoded once.
            let target = format!("/bucket/{}", key.replace("%2E", "."));
            assert_eq!(world.ask(Ask::new("PUT", &target).body(key.as_bytes())).await.status, 200, "{key}");
        }
        assert_eq!(world.memory.0.borrow().objects.len(), keys.len());
        for key in keys {
            let target = format!("/bucket/{}", key.replace("%2E", "."));
            assert_eq!(world.ask(Ask::new("GET", &target)).await.text(), key);
        }
    });
}

#[test]
fn ranges_are_served() {
    with_server(async |world: World| {
        put_digits(&world).await;
        for (range, status, body, content_range) in [
            ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
            ("bytes=8-", 206, "89", Some("bytes 8-9/10")),
            ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
            ("bytes=0-99", 206, "0123456789", Some("bytes 0-9/10")),
            ("bytes=0-1,3-4", 200, "0123456789", None),
            ("bytes=4-2", 200, "0123456789", None),
            ("lines=1-2", 200, "0123456789", None),
        ] {
            let answer = world.ask(Ask::new("GET", "/bucket/digits").header("range", range)).await;
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.header("content-range")),
                (status, body, content_range),
                "{range}"
            );
            let head = world.ask(Ask::new("HEAD", "/bucket/digits").header("range", range)).await;
            assert_eq!((head.status, head.header("content-range")), (status, content_range), "{range}");
            assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
        }
        for range in ["bytes=10-", "bytes=-0"] {
            let answer = world.ask(Ask::new("GET", "/bucket/digits").header("range", range)).await;
            assert_eq!(answer.error(), (416, "InvalidRange".to_owned()), "{range}");
            assert_eq!(answer.header("content-range"), Some("bytes */10"));
        }
        let other = Ask::new("GET", "/bucket/digits")
            .header("range", "bytes=1-1")
            .header("if-range", "\"other\"");
        assert_eq!(world.ask(other).await.text(), "0123456789");
        let same = Ask::new("GET", "/bucket/digits")
            .header("range", "bytes=1-1")
            .header("if-range", ETAG);
        assert_eq!(world.ask(same).await.text(), "1");
    });
}

#[test]
fn part_one_of_a_plain_object_is_the_object() {
    with_server(async |world: World| {
        put_digits(&world).await;
        let answer = world.ask(Ask::new("GET", "/bucket/digits?partNumber=1")).await;
        assert_eq!((answer.status, answer.header("content-range")), (206, Some("bytes 0-9/10")));
        assert_eq!(
            world.ask(Ask::new("GET", "/bucket/digits?partNumber=2")).await.error(),
            (416, "InvalidPartNumber".to_owned())
        );
        world.ask(Ask::new("PUT", "/bucket/empty")).await;
        let answer = world.ask(Ask::new("GET", "/bucket/empty?partNumber=1")).await;
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("0")));
        assert_eq!(
            world
                .ask(Ask::new("GET", "/bucket/empty").header("range", "bytes=0-0"))
                .await
                .status,
            416
        );
    });
}

#[test]
fn errors_are_told_in_s3s_form() {
    with_server(async |world: World| {
        let answer = world.ask(Ask::new("GET", "/bucket/a%26%3Cb%3E")).await;
        let id = answer.header("x-amz-request-id").unwrap_or_default();
        let expected = format!(
            "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Resource>/bucket/a%26%3Cb%3E</Resource><RequestId>{id}</RequestId></Error>"
        );
        assert_eq!((answer.text(), answer.header("content-type")), (expected, Some("application/xml")));
        let answer = world.ask(Ask::new("HEAD", "/bucket/missing")).await;
        assert_eq!((answer.status, answer.header("content-length")), (404, Some("0")));
        for (failure, status, code) in [
            (StoreError::Unavailable("2 of 4".to_owned()), 503, "ServiceUnavailable"),
            (StoreError::Unknown("lost".to_owned()), 503, "ServiceUnavailable"),
            (StoreError::ConditionalConflict, 409, "ConditionalRequestConflict"),
            (StoreError::Full, 507, "InsufficientStorage"),
        ] {
            world.memory.0.borrow_mut().failure = Some(failure.clone());
            let answer = world.ask(Ask::new("PUT", "/bucket/k").body(b"1")).await;
            assert_eq!(answer.error(), (status, code.to_owned()));
            assert_eq!(answer.header("retry-after"), (status == 503).then_some("1"));
            assert_eq!(answer.text().contains("unknown"), matches!(failure, StoreError::Unknown(_)));
        }
    });
}

#[test]
fn response_headers_may_be_overridden() {
    with_server(async |world: World| {
        put_digits(&world).await;
        let answer = world
            .ask(Ask::new(
                "GET",
                "/bucket/digits?response-content-disposition=inline&response-content-type=text%2Fhtml&x-id=GetObject",
            ))
            .await;
        assert_eq!(
            (answer.header("content-type"), answer.header("content-disposition")),
            (Some("text/html"), Some("inline"))
        );
        let answer = world
            .ask(Ask::new("GET", "/bucket/digits?response-content-type=a%0D%0Aset-cookie%3A%20b"))
            .await;
        assert_eq!(answer.error(), (400, "InvalidArgument".to_owned()));
        assert_eq!(
            world.ask(Ask::new("GET", "/bucket/digits")).await.header("content-type"),
            Some("binary/octet-stream")
        );
    });
}

#[test]
fn large_bodies_pass_in_pieces_and_a_broken_one_closes() {
    with_server(async |world: World| {
        let body: Vec<u8> = (0..5_000_001u32)
            .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let put = Ask::new("PUT", "/bucket/large").body(&body);
        let mut client = world.client().await;
        assert_eq!(client.ask(put).await.status, 200);
        for piece_bytes in [0, 1000, 131_072, 1_048_576] {
            world.memory.0.borrow_mut().piece_bytes = piece_bytes;
            assert!(client.ask(Ask::new("GET", "/bucket/large")).await.body == body, "{piece_bytes}");
        }
        world.memory.0.borrow_mut().break_after = Some(2_097_152);
        let answer = client.ask(Ask::new("GET", "/bucket/large")).await;
        assert_eq!((answer.status, answer.body.len()), (200, 2_097_152));
        assert!(client.is_closed().await);
        world.memory.0.borrow_mut().break_after = Some(0);
        assert_eq!(
            world.ask(Ask::new("GET", "/bucket/large")).await.status,
            503,
            "told while nothing was sent"
        );
    });
}

#[test]
fn what_is_not_built_is_refused() {
    with_server(async |world: World| {
        for (name, value) in [
            ("x-amz-tagging", "a=b"),
            ("x-amz-acl", "public-read"),
            ("x-amz-server-side-encryption", "AES256"),
            ("if-modified-since", "x"),
        ] {
            let answer = world.ask(Ask::new("PUT", "/bucket/k").header(name, value).body(b"1")).await;
            assert_eq!(answer.error(), (501, "NotImplemented".to_owned()), "{name}");
        }
        assert!(world.memory.0.borrow().objects.is_empty());
        let key = Bytes::from_static(b"k");
        world
            .ask(
                Ask::new("PUT", "/bucket/k")
                    .header("x-amz-acl", "private")
                    .header("x-amz-storage-class", "STANDARD")
                    .body(b"1"),
            )
            .await;
        assert!(world.memory.0.borrow().objects.contains_key(&(7, key)));
    });
}
