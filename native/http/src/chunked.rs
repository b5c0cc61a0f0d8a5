//! Chunked bodies: HTTP's own transfer coding and AWS's aws-chunked share one grammar, so one decoder reads both.
//!
//! ```text
//! chunk    size in hex, [";" extension], CRLF, data, CRLF        extension of AWS: chunk-signature=64 hex digits
//! last     "0", [";" extension], CRLF, { trailer line, CRLF }, CRLF
//! ```
//!
//! minio-go ends a trailer line with an LF of its own in front of the CRLF; S3 takes that, and so does this.
//!
//! It holds at most one line; data passes through as slices of what came in. Sources: RFC 9112 section 7.1; AWS, "Transferring Payload
//! in Multiple Chunks" and "... with trailing headers".

use crate::encoding::hex_digit;
use bytes::{Buf, Bytes};

/// Longest chunk header: 16 digits, `;chunk-signature=` and 64 digits are 97.
const HEADER_BYTES: usize = 256;
/// Longest trailer line; a checksum or a signature needs at most 93.
const TRAILER_BYTES: usize = 1024;
/// Most trailer lines.
const TRAILER_LINES: u32 = 8;

/// What comes out, in order: `Chunk`, `Data` of it in pieces, `ChunkEnd`; at last `Chunk` of size 0, `Trailer`s, `End`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A chunk starts; the text behind `;`.
    Chunk {
        size: u64,
        extension: String,
    },
    Data(Bytes),
    /// All bytes of the chunk were seen.
    ChunkEnd,
    /// A line behind the last chunk, without its end.
    Trailer(String),
    End,
    /// The input is used up.
    Starved,
}

/// The bytes do not follow the grammar; the text says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Data(u64),
    /// The CRLF behind data.
    DataEnd,
    Trailer(u32),
    Done,
}

/// The decoder; feed it with `next` until it is starved.
pub(crate) struct ChunkDecoder {
    state: State,
    line: Vec<u8>,
}

impl ChunkDecoder {
    /// At the start of a body.
    pub(crate) fn new() -> ChunkDecoder {
        ChunkDecoder {
            state: State::Header,
            line: Vec::new(),
        }
    }

    /// Takes bytes from the front of `input` and says what they were. After `End` nothing is taken any more.
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<Event, Malformed> {
        match self.state {
            State::Header => {
                if !self.take_line(input, HEADER_BYTES, "A chunk header is longer than 256 bytes.", false)? {
                    return Ok(Event::Starved);
                }
                let (size, extension) = parse_header(&self.line)?;
                self.line.clear();
                self.state = if size == 0 { State::Trailer(0) } else { State::Data(size) };
                Ok(Event::Chunk { size, extension })
            }
            State::Data(_) if input.is_empty() => Ok(Event::Starved),
            State::Data(left) => {
                let taken = input.split_to(usize::try_from(left).unwrap_or(usize::MAX).min(input.len()));
                let left = left - taken.len() as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                Ok(Event::Data(taken))
            }
            State::DataEnd => {
                if !self.take_line(input, 2, "A chunk is longer than its header says.", false)? {
                    return Ok(Event::Starved);
                }
                if !self.line.is_empty() {
                    return Err(Malformed("A chunk is longer than its header says."));
                }
                self.state = State::Header;
                Ok(Event::ChunkEnd)
            }
            State::Trailer(lines) => {
                if !self.take_line(input, TRAILER_BYTES, "A trailer line is longer than 1024 bytes.", true)? {
                    return Ok(Event::Starved);
                }
                if self.line.is_empty() {
                    self.state = State::Done;
                    return Ok(Event::End);
                }
                if lines == TRAILER_LINES {
                    return Err(Malformed("There are more than 8 trailer lines."));
                }
                self.state = State::Trailer(lines + 1);
                String::from_utf8(std::mem::take(&mut self.line))
                    .map(Event::Trailer)
                    .map_err(|_| Malformed("A trailer line is not UTF-8."))
            }
            State::Done => Ok(Event::End),
        }
    }

    /// Collects a line up to CRLF into `self.line` (without it). `twice`: the line may end in LF CRLF. False: more input is needed.
    fn take_line(&mut self, input: &mut Bytes, limit: usize, too_long: &'static str, twice: bool) -> Result<bool, Malformed> {
        while input.has_remaining() {
            let byte = input.get_u8();
            match (byte, self.line.last()) {
                (b'\n', Some(b'\r')) => {
                    self.line.pop();
                    self.line.pop_if(|last| *last == b'\n');
                    return Ok(true);
                }
                (b'\r', Some(b'\n')) => self.line.push(byte),
                (b'\n', Some(last)) if twice && *last != b'\n' => self.line.push(byte),
                (b'\n', _) | (_, Some(b'\n')) => return Err(Malformed("A chunk line ends in LF without CR.")),
                (_, Some(b'\r')) => return Err(Malformed("A CR in a chunk line is not followed by LF.")),
                _ if self.line.len() >= limit => return Err(Malformed(too_long)),
                _ => self.line.push(byte),
            }
        }
        Ok(false)
    }
}

/// Size and extension of a chunk header line.
fn parse_header(line: &[u8]) -> Result<(u64, String), Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed("A chunk header is not text."))?;
    let (digits, extension) = line.split_once(';').unwrap_or((line, ""));
    if digits.is_empty() || digits.len() > 16 {
        return Err(Malformed("A chunk size must have 1 to 16 hex digits."));
    }
    let mut size = 0u64;
    for digit in digits.bytes() {
        size = size << 4 | u64::from(hex_digit(digit).ok_or(Malformed("A chunk size is not hexadecimal."))?);
    }
    Ok((size, extension.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All events of pieces fed one after the other, data joined per chunk.
    fn decode(pieces: &[&[u8]]) -> Result<Vec<Event>, Malformed> {
        let (mut decoder, mut events) = (ChunkDecoder::new(), Vec::new());
        for piece in pieces {
            let mut input = Bytes::copy_from_slice(piece);
            loop {
                match (decoder.next(&mut input)?, events.last_mut()) {
                    (Event::Starved, _) => break,
                    (Event::End, Some(Event::End)) => break,
                    (Event::Data(more), Some(Event::Data(data))) => *data = [data.as_ref(), &more].concat().into(),
                    (event, _) => events.push(event),
                }
            }
        }
        Ok(events)
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bad in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\na\r\n",
            " 1\r\na\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "11111111111111111\r\n",
            "0\r\na: b\rc\r\n",
            "0x1\r\n",
            "1 \r\n",
            "1\n\r\na\r\n",
            "1\r\na\n\r\n",
            "0\n\r\n\r\n",
            "0\r\na:b\nc:d\r\n\r\n",
            "0\r\na:b\n\n\r\n\r\n",
            "0\r\n\n\r\n",
        ] {
            assert!(decode(&[bad.as_bytes()]).is_err(), "{bad:?}");
        }
        assert!(decode(&[format!("1;{}\r\n", "e".repeat(300)).as_bytes()]).is_err());
        assert!(decode(&[format!("0\r\n{}\r\n", "a: b\r\n".repeat(9)).as_bytes()]).is_err());
    }

    #[test]
    fn trailers_of_minio_go_are_read() {
        let chunk = |extension: &str| Event::Chunk {
            size: 0,
            extension: extension.to_owned(),
        };
        let trailer = |line: &str| Event::Trailer(line.to_owned());
        let unsigned = b"0\r\nx-amz-checksum-crc32c:4waSgw==\n\r\n\r\n";
        let signed = b"0;chunk-signature=ab\r\nx-amz-checksum-crc32c:4waSgw==\n\r\nx-amz-trailer-signature:cd\r\n\r\n";
        for cut in 0..unsigned.len() {
            let (one, two) = unsigned.split_at(cut);
            let expected = vec![chunk(""), trailer("x-amz-checksum-crc32c:4waSgw=="), Event::End];
            assert_eq!(decode(&[one, two]), Ok(expected), "cut at {cut}");
        }
        let expected = vec![
            chunk("chunk-signature=ab"),
            trailer("x-amz-checksum-crc32c:4waSgw=="),
            trailer("x-amz-trailer-signature:cd"),
            Event::End,
        ];
        assert_eq!(decode(&[signed]), Ok(expected));
    }

    #[test]
    fn nothing_behind_the_end_is_taken() {
        let mut input = Bytes::from_static(b"0\r\n\r\nGET /");
        let mut decoder = ChunkDecoder::new();
        assert_eq!(
            decoder.next(&mut input),
            Ok(Event::Chunk {
                size: 0,
                extension: String::new()
            })
        );
        assert_eq!(decoder.next(&mut input), Ok(Event::End));
        assert_eq!(decoder.next(&mut input), Ok(Event::End));
        assert_eq!(input, "GET /");
    }

    proptest! {
        #[test]
        fn any_cutting_of_a_stream_decodes_equal(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            trailers in proptest::collection::vec("[a-z]{1,8}:[a-z]{1,8}", 0..3),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut stream = Vec::new();
            for chunk in &chunks {
                stream.extend_from_slice(format!("{:x};chunk-signature=abc\r\n", chunk.len()).as_bytes());
                stream.extend_from_slice(chunk);
                stream.extend_from_slice(b"\r\n");
            }
            stream.extend_from_slice(b"0;chunk-signature=def\r\n");
            for trailer in &trailers {
                stream.extend_from_slice(trailer.as_bytes());
                stream.extend_from_slice(b"\r\n");
            }
            stream.extend_from_slice(b"\r\n");
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
            places.sort_unstable();
            let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let events = decode(&pieces).unwrap();
            prop_assert_eq!(&events, &decode(&[&stream]).unwrap());
            let data: Vec<&[u8]> = events.iter().filter_map(|event| match event { Event::Data(data) => Some(data.as_ref()), _ => None }).collect();
            prop_assert_eq!(data, chunks.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let lines: Vec<&String> = events.iter().filter_map(|event| match event { Event::Trailer(line) => Some(line), _ => None }).collect();
            prop_assert_eq!(lines, trailers.iter().collect::<Vec<_>>());
            prop_assert_eq!(events.last(), Some(&Event::End));
        }

        #[test]
        fn any_bytes_are_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&[&bytes]);
        }
    }
}
