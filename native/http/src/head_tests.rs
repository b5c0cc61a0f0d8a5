//! Heads: sound ones, every known way to smuggle a request past a server, and bytes at random.

use crate::head::{Framing, HEADER_LINES, Head, HeadError, Scan, TARGET_BYTES};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Framing, HeadError> {
    let mut bytes = text.as_bytes().to_vec();
    let end = Scan::default().find_end(&bytes)?.ok_or(HeadError::malformed("incomplete"))?;
    Head::parse(&mut bytes[..end]).map(|head| head.framing)
}

#[test]
fn sound_heads_are_read() {
    let mut bytes =
        b"PUT /b/k?x=1 HTTP/1.1\r\nHost: h\r\nCONTENT-length: 5\r\nX-Amz-Meta-A:  one  two \r\nExpect: 100-Continue\r\n\r\n".to_vec();
    let head = Head::parse(&mut bytes).unwrap();
    assert_eq!((head.method, head.target, head.framing), ("PUT", "/b/k?x=1", Framing::Length(5)));
    assert_eq!(head.header("x-amz-meta-a"), Some("one  two"));
    assert!(head.keep_alive && head.expects_continue);
    assert_eq!(parse("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::None));
    assert_eq!(
        parse("PUT / HTTP/1.1\r\nhost:a\r\ntransfer-encoding: Chunked\r\n\r\n"),
        Ok(Framing::Chunked)
    );
}

#[test]
fn everything_that_smuggles_is_refused() {
    for (head, code) in [
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
            "BadRequest",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "BadRequest",
        ),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: \r\n\r\n", "BadRequest"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "BadRequest",
        ),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length : 1\r\n\r\n", "BadRequest"),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "NotImplemented",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "BadRequest",
        ),
        ("GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n folded\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\nhost: a\n\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: a\nb: c\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx y: a\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\n: a\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "BadRequest"),
        ("GET /  HTTP/1.1\r\nhost: a\r\n\r\n", "BadRequest"),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n", "BadRequest"),
        ("PRI * HTTP/2.0\r\n\r\n", "BadRequest"),
        ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n", "BadRequest"),
        ("GET / HTTP/1.1\r\nhost: a\r\nexpect: tea\r\n\r\n", "ExpectationFailed"),
    ] {
        assert_eq!(parse(head).map_err(|error| error.code), Err(code), "{head:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "k".repeat(TARGET_BYTES));
    assert_eq!(parse(&long).map_err(|error| error.code), Err("InvalidURI"));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(HEADER_LINES));
    assert_eq!(parse(&many), Err(HeadError::TOO_LARGE));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        bytes.extend_from_slice(b"\r\n\r\n");
        if let Ok(Some(end)) = Scan::default().find_end(&bytes) {
            let _ = Head::parse(&mut bytes[..end]);
        }
    }

    /// Lines put together from dangerous pieces: whatever is accepted has one reading of its body's length.
    #[test]
    fn accepted_heads_have_one_framing(lines in proptest::collection::vec(
        ("(content-length|transfer-encoding|Content-Length |x|host|\tx| x)", "(:|: |:\t| : )", "(5|6|chunked|, chunked|5\r|5\n6|\r\n6|x)"), 0..5)) {
        let mut text = "PUT /b/k HTTP/1.1\r\nhost: a\r\n".to_owned();
        for (name, colon, value) in &lines {
            text.push_str(&format!("{name}{colon}{value}\r\n"));
        }
        text.push_str("\r\n");
        if let Ok(framing) = parse(&text) {
            let naming = |wanted: &str| lines.iter().filter(|(name, _, _)| name == wanted).count();
            let expected = match (naming("content-length"), naming("transfer-encoding")) {
                (0, 0) => Framing::None,
                (1, 0) => Framing::Length(lines.iter().find(|(name, _, _)| name == "content-length").unwrap().2.parse().unwrap()),
                (0, 1) => Framing::Chunked,
                other => panic!("accepted {other:?}: {text:?}"),
            };
            prop_assert_eq!(framing, expected);
            prop_assert!(lines.iter().all(|(name, colon, value)| !name.contains([' ', '\t']) && !colon.starts_with(' ') && !value.contains(['\r', '\n'])));
        }
    }

    #[test]
    fn the_end_is_found_however_the_bytes_arrive(cut in 0usize..60, body in proptest::collection::vec(any::<u8>(), 0..20)) {
        let head = b"GET /bucket/key HTTP/1.1\r\nhost: a\r\nrange: bytes=0-1\r\n\r\n";
        let mut bytes = head.to_vec();
        bytes.extend_from_slice(&body);
        let mut scan = Scan::default();
        let cut = cut.min(head.len() - 1);
        prop_assert_eq!(scan.find_end(&bytes[..cut]), Ok(None));
        prop_assert_eq!(scan.find_end(&bytes), Ok(Some(head.len())));
    }
}
