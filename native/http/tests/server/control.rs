//! Requests that go up to the control plane.

use crate::client::Ask;
use crate::world::{World, with_server};

#[test]
fn control_requests_go_up_whole() {
    with_server(async |world: World| {
        let mut client = world.client().await;
        let answer = client
            .ask(
                Ask::new("POST", "/bucket/a%20key?uploads&x-id=Create")
                    .header("content-type", "text/xml")
                    .body(b"<Body/>"),
            )
            .await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "<Answer/>"));
        assert_eq!(
            (answer.header("content-type"), answer.header("content-length")),
            (Some("application/xml"), Some("9"))
        );
        let asked = world.control.asked.borrow_mut().pop().unwrap();
        assert_eq!(
            (asked.method.as_str(), asked.bucket.as_deref(), asked.key.as_deref()),
            ("POST", Some("bucket"), Some("a key"))
        );
        let query: Vec<(&str, &str)> = asked.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(query, [("uploads", ""), ("x-id", "Create")]);
        assert_eq!(
            (&asked.body[..], asked.access_key.as_str()),
            (&b"<Body/>"[..], crate::client::ACCESS_KEY)
        );
        assert!(asked.headers.contains(&("content-type".to_owned(), "text/xml".to_owned())));
        assert_eq!(answer.header("x-amz-request-id"), Some(asked.request_id.as_str()));
        let head = client.ask(Ask::new("HEAD", "/bucket")).await;
        assert_eq!((head.status, head.header("content-length")), (200, Some("999")));
        assert_eq!(client.ask(Ask::new("GET", "/")).await.status, 200, "the connection goes on");
    });
}

#[test]
fn unknown_sub_resources_never_become_plain_operations() {
    with_server(async |world: World| {
        world.ask(Ask::new("PUT", "/bucket/k").body(b"kept")).await;
        for (method, target) in [
            ("PUT", "/bucket/k?tagging"),
            ("PUT", "/bucket/k?acl"),
            ("DELETE", "/bucket/k?tagging"),
            ("DELETE", "/bucket/k?uploadId=abababababababababababababababab"),
            ("DELETE", "/bucket/k?versionId=null"),
            ("GET", "/bucket/k?uploadId=abababababababababababababababab"),
            ("GET", "/bucket/k?invented"),
            ("PATCH", "/bucket/k"),
        ] {
            assert_eq!(world.ask(Ask::new(method, target)).await.text(), "<Answer/>", "{method} {target}");
        }
        let copy = Ask::new("PUT", "/bucket/k").header("x-amz-copy-source", "/bucket/other");
        assert_eq!(world.ask(copy).await.text(), "<Answer/>");
        assert_eq!(world.control.asked.borrow().len(), 9);
        assert_eq!(world.ask(Ask::new("GET", "/bucket/k")).await.text(), "kept");
    });
}

#[test]
fn bodies_of_control_requests_are_verified_and_bounded() {
    with_server(async |world: World| {
        let post = || Ask::new("POST", "/bucket?delete").body(b"123456789");
        let long = vec![b'x'; 5000];
        for (ask, code) in [
            (post().payload(&"0".repeat(64)), "XAmzContentSHA256Mismatch"),
            (post().header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
            (post().header("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
            (post().body(&long), "MaxMessageLengthExceeded"),
        ] {
            assert_eq!(world.ask(ask).await.error().1, code);
        }
        assert!(world.control.asked.borrow().is_empty());
        assert_eq!(world.ask(post().header("x-amz-checksum-crc32", "y/Q5Jg==")).await.status, 200);
        let streaming = post()
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "9")
            .header("x-amz-trailer", "x-amz-checksum-crc32");
        let streaming = streaming.header("transfer-encoding", "chunked");
        let coded = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        let mut client = world.client().await;
        client
            .send(format!(
                "{}{:x}\r\n{coded}\r\n0\r\n\r\n",
                streaming.head(&client.signer()).0,
                coded.len()
            ))
            .await;
        assert_eq!(client.read(false).await.status, 200);
        assert_eq!(world.control.asked.borrow().last().unwrap().body, "123456789");
    });
}
