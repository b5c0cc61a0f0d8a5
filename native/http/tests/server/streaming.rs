//! aws-chunked uploads in every form, and spoilt ones.

use crate::client::{Answer, Ask, Client, Signer, hex};
use crate::world::{World, with_server};
use openlake_checksum::{Algorithm, Hasher};

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The parts of an aws-chunked upload; each test spoils one.
#[derive(Clone)]
struct Streaming {
    chunks: Vec<Vec<u8>>,
    signed: bool,
    trailer: Option<Algorithm>,
    /// Applied to the coded body.
    spoil: fn(String) -> String,
    announced: Option<usize>,
}

impl Streaming {
    fn new(signed: bool, trailer: Option<Algorithm>) -> Streaming {
        Streaming {
            chunks: vec![vec![b'a'; 8192], vec![b'b'; 70_000], vec![b'c'; 5]],
            signed,
            trailer,
            spoil: |body| body,
            announced: None,
        }
    }
    fn plain(&self) -> Vec<u8> {
        self.chunks.concat()
    }
    /// Head and coded body.
    fn request(&self, signer: &Signer, chunked_transfer: bool) -> (String, Vec<u8>) {
        let form = match (self.signed, self.trailer) {
            (true, None) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (true, Some(_)) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            (false, _) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        };
        let announced = self.announced.unwrap_or(self.plain().len()).to_string();
        let mut ask = Ask::new("PUT", "/bucket/k")
            .payload(form)
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", &announced);
        if let Some(algorithm) = self.trailer {
            ask = ask
                .header("x-amz-trailer", algorithm.header_name())
                .header("x-amz-sdk-checksum-algorithm", algorithm.name());
        }
        // The coded length does not depend on the seed, so a first coding measures it.
        let length = self.coded(signer, &hex(&[0; 32])).len().to_string();
        ask = if chunked_transfer {
            ask.header("transfer-encoding", "chunked")
        } else {
            ask.header("content-length", &length)
        };
        let (head, seed) = ask.head(signer);
        let body = self.coded(signer, &seed);
        if !chunked_transfer {
            return (head, body);
        }
        let mut transferred = Vec::new();
        for piece in body.chunks(10_000) {
            transferred.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
            transferred.extend_from_slice(piece);
            transferred.extend_from_slice(b"\r\n");
        }
        transferred.extend_from_slice(b"0\r\n\r\n");
        (head, transferred)
    }
    fn coded(&self, signer: &Signer, seed: &str) -> Vec<u8> {
        let mut body = String::new();
        let mut previous = seed.to_owned();
        for chunk in self.chunks.iter().chain([&Vec::new()]) {
            body.push_str(&format!("{:x}", chunk.len()));
            if self.signed {
                previous = signer.sign_chunk("PAYLOAD", &previous, &format!("{EMPTY_SHA256}\n"), chunk);
                body.push_str(&format!(";chunk-signature={previous}"));
            }
            body.push_str("\r\n");
            body.push_str(std::str::from_utf8(chunk).unwrap());
            if !chunk.is_empty() {
                body.push_str("\r\n");
            }
        }
        if let Some(algorithm) = self.trailer {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&self.plain());
            let line = format!("{}:{}", algorithm.header_name(), base64(&hasher.finish()));
            body.push_str(&format!("{line}\r\n"));
            if self.signed {
                let signature = signer.sign_chunk("TRAILER", &previous, "", format!("{line}\n").as_bytes());
                body.push_str(&format!("x-amz-trailer-signature:{signature}\r\n"));
            }
        }
        body.push_str("\r\n");
        (self.spoil)(body).into_bytes()
    }
    async fn send(&self, client: &mut Client, chunked_transfer: bool, piece_bytes: usize) -> Answer {
        let (head, body) = self.request(&client.signer(), chunked_transfer);
        client.send(head).await;
        for piece in body.chunks(piece_bytes) {
            client.send(piece).await;
        }
        client.read(false).await
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = (0..3).fold(0u32, |number, place| {
            number << 8 | u32::from(group.get(place).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn every_streaming_form_is_accepted() {
    with_server(async |world: World| {
        let trailers = Algorithm::ALL.map(Some).into_iter().chain([None]);
        for (signed, trailer) in trailers.flat_map(|trailer| [(true, trailer), (false, trailer)]) {
            let streaming = Streaming::new(signed, trailer);
            for (chunked_transfer, piece_bytes) in [(false, usize::MAX), (true, usize::MAX), (false, 7001), (true, 997)] {
                let mut client = world.client().await;
                let answer = streaming.send(&mut client, chunked_transfer, piece_bytes).await;
                assert_eq!(answer.status, 200, "{signed} {trailer:?} {chunked_transfer}: {}", answer.text());
                assert_eq!(answer.header("connection"), None);
                let got = client
                    .ask(Ask::new("GET", "/bucket/k").header("x-amz-checksum-mode", "ENABLED"))
                    .await;
                assert!(got.body == streaming.plain());
                assert_eq!(got.header("content-encoding"), None, "aws-chunked is not stored");
                if let Some(algorithm) = trailer {
                    assert_eq!(got.header(algorithm.header_name()), answer.header(algorithm.header_name()));
                    assert!(got.header(algorithm.header_name()).is_some());
                }
            }
        }
    });
}

#[test]
fn spoilt_streams_are_refused_and_store_nothing() {
    with_server(async |world: World| {
        let signed = Streaming::new(true, Some(Algorithm::Crc32c));
        let unsigned = Streaming::new(false, Some(Algorithm::Crc32c));
        for (name, streaming, code) in [
            (
                "a changed byte",
                Streaming {
                    spoil: |body| body.replacen("aaaa", "aaab", 1),
                    ..signed.clone()
                },
                "SignatureDoesNotMatch",
            ),
            (
                "a changed byte of an unsigned body",
                Streaming {
                    spoil: |body| body.replacen("aaaa", "aaab", 1),
                    ..unsigned.clone()
                },
                "BadDigest",
            ),
            (
                "a changed signature",
                Streaming {
                    spoil: |body| body.replacen("chunk-signature=", "chunk-signature=0", 1).replacen("\r\n", "", 0),
                    ..signed.clone()
                },
                "SignatureDoesNotMatch",
            ),
            (
                "no signature",
                Streaming {
                    spoil: |body| body.replacen("chunk-signature=", "junk-signature=", 1),
                    ..signed.clone()
                },
                "InvalidRequest",
            ),
            (
                "a changed trailer",
                Streaming {
                    spoil: |body| body.replacen("crc32c:", "crc32c:A", 1),
                    ..signed.clone()
                },
                "SignatureDoesNotMatch",
            ),
            (
                "another trailer",
                Streaming {
                    spoil: |body| body.replacen("crc32c:", "crc32:", 1),
                    ..unsigned.clone()
                },
                "MalformedTrailerError",
            ),
            (
                "no trailer signature",
                Streaming {
                    spoil: |body| body.replacen("x-amz-trailer-signature:", "x-amz-trailer-signature:0", 1),
                    ..signed.clone()
                },
                "SignatureDoesNotMatch",
            ),
            (
                "a shorter body than announced",
                Streaming {
                    announced: Some(78_198),
                    ..signed.clone()
                },
                "IncompleteBody",
            ),
            (
                "a longer body than announced",
                Streaming {
                    announced: Some(78_196),
                    ..signed.clone()
                },
                "IncompleteBody",
            ),
            (
                "an absurd chunk",
                Streaming {
                    spoil: |body| body.replacen("2000", "ffffffffffffffff", 1),
                    ..unsigned.clone()
                },
                "IncompleteBody",
            ),
            (
                "a chunk header that never ends",
                Streaming {
                    spoil: |body| body.replacen("2000", &"0".repeat(400), 1),
                    ..unsigned.clone()
                },
                "InvalidRequest",
            ),
            (
                "bytes behind the end",
                Streaming {
                    spoil: |body| body + "x",
                    ..unsigned.clone()
                },
                "InvalidRequest",
            ),
        ] {
            let answer = streaming.send(&mut world.client().await, false, usize::MAX).await;
            assert_eq!(answer.error(), (streaming_status(code), code.to_owned()), "{name}");
            assert!(world.memory.0.borrow().objects.is_empty(), "{name}");
        }
    });
}

fn streaming_status(code: &str) -> u16 {
    openlake_http::error_codes()
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, status)| *status)
        .unwrap_or_default()
}
