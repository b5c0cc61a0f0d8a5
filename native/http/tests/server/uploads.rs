//! Bodies that keep or break the promises of their heads.

use crate::client::{Ask, hex};
use crate::world::{World, with_server};

#[test]
fn broken_promises_are_refused_and_store_nothing() {
    with_server(async |world: World| {
        let put = || Ask::new("PUT", "/bucket/k").body(b"0123456789");
        let zeros = "0".repeat(64);
        for (ask, code) in [
            (put().payload(&zeros), "XAmzContentSHA256Mismatch"),
            (put().payload("nonsense"), "InvalidArgument"),
            (put().header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
            (put().header("content-md5", "nonsense"), "InvalidDigest"),
            (put().header("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
            (put().header("x-amz-checksum-sha256", "AAAAAA=="), "InvalidRequest"),
            (
                put()
                    .header("x-amz-checksum-crc32", "poTHxg==")
                    .header("x-amz-checksum-crc32c", "AAAAAA=="),
                "InvalidRequest",
            ),
            (put().header("x-amz-sdk-checksum-algorithm", "CRC32"), "InvalidRequest"),
            (put().header("x-amz-trailer", "x-amz-checksum-crc32"), "InvalidRequest"),
            (put().header("x-amz-decoded-content-length", "x"), "InvalidArgument"),
        ] {
            let mut client = world.client().await;
            let answer = client.ask(ask).await;
            assert_eq!(answer.error().1, code);
            assert!(world.memory.0.borrow().objects.is_empty(), "{code}");
            assert_eq!(
                client.ask(Ask::new("HEAD", "/bucket/k")).await.status,
                404,
                "the connection goes on after {code}"
            );
        }
    });
}

#[test]
fn lengths_are_demanded_and_limited() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let (head, _) = Ask::new("PUT", "/bucket/k")
            .payload("UNSIGNED-PAYLOAD")
            .header("content-length", "0")
            .head(&client.signer());
        // The header was signed, so its absence shows first; a PUT that never had one is told what is missing.
        client.send(head.replace("content-length: 0\r\n", "")).await;
        assert_eq!(client.read(false).await.error(), (403, "SignatureDoesNotMatch".to_owned()));
        let chunked = Ask::new("PUT", "/bucket/k")
            .payload("UNSIGNED-PAYLOAD")
            .header("transfer-encoding", "chunked");
        client.send(chunked.head(&client.signer()).0 + "1\r\na\r\n0\r\n\r\n").await;
        let answer = client.read(false).await;
        assert_eq!(answer.error(), (411, "MissingContentLength".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        let mut client = world.client().await;
        let large = Ask::new("PUT", "/bucket/k")
            .payload("UNSIGNED-PAYLOAD")
            .header("content-length", "67108865");
        client.send(large.head(&client.signer()).0).await;
        assert_eq!(client.read(false).await.error(), (400, "EntityTooLarge".to_owned()));
    });
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    with_server(async |world: World| {
        let client = world.client().await;
        let bytes = Ask::new("PUT", "/bucket/k").body(&[1; 100_000]).bytes(&client.signer());
        client.send(&bytes[..50_000]).await;
        client.socket.shutdown();
        while world.server.counters().connections > 0 {
            world.runtime.sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(world.memory.0.borrow().objects.is_empty());
    });
}

#[test]
fn parts_are_stored() {
    with_server(async |world: World| {
        let upload = "ab".repeat(16);
        let part = |upload: &str| {
            Ask::new("PUT", &format!("/bucket/k?partNumber=3&uploadId={upload}"))
                .body(b"123456789")
                .header("x-amz-checksum-crc32", "y/Q5Jg==")
        };
        let answer = world.ask(part(&upload)).await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (200, Some("\"25f9e794323b453885f5181f1b624d0b\""))
        );
        assert_eq!(answer.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
        assert_eq!(world.ask(part(&"cd".repeat(16))).await.error(), (404, "NoSuchUpload".to_owned()));
        assert_eq!(
            world
                .ask(Ask::new("PUT", &format!("/bucket/k?partNumber=0&uploadId={upload}")))
                .await
                .error(),
            (400, "InvalidArgument".to_owned())
        );
    });
}

#[test]
fn presigned_uploads_may_carry_headers_in_their_query() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let signer = client.signer();
        let credential = format!("{}/{}", crate::client::ACCESS_KEY, signer.scope).replace('/', "%2F");
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&x-amz-checksum-crc32=y%2FQ5Jg%3D%3D&x-amz-meta-a=b&x-id=PutObject",
            signer.timestamp
        );
        let canonical = format!("PUT\n/bucket/k\n{query}\nhost:localhost\n\nhost\nUNSIGNED-PAYLOAD");
        let hash = hex(&openlake_checksum::sha256::digest(canonical.as_bytes()));
        let signature = signer.sign(&format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", signer.timestamp, signer.scope));
        let head = |length: usize| {
            format!("PUT /bucket/k?{query}&X-Amz-Signature={signature} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
        };
        client.send(head(9) + "123456789").await;
        assert_eq!(client.read(false).await.status, 200);
        assert_eq!(client.ask(Ask::new("GET", "/bucket/k")).await.header("x-amz-meta-a"), Some("b"));
        client.send(head(9) + "123456780").await;
        assert_eq!(client.read(false).await.error(), (400, "BadDigest".to_owned()));
    });
}

#[test]
fn a_read_that_was_given_up_ends_the_body_instead_of_losing_bytes() {
    with_server(async |world: World| {
        world.memory.0.borrow_mut().gives_up = true;
        let mut client = world.client().await;
        let put = Ask::new("PUT", "/bucket/k").payload("UNSIGNED-PAYLOAD").body(&[1; 5000]);
        client.send(put.head(&client.signer()).0).await;
        world.runtime.sleep(std::time::Duration::from_millis(10)).await;
        client.send(put.body.clone()).await;
        let answer = client.read(false).await;
        assert_eq!(answer.error(), (400, "IncompleteBody".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(world.memory.0.borrow().objects.is_empty());
    });
}
