//! Frames cut into pieces anywhere come out whole.

use super::*;
use crate::codec::{Cursor, DecodeError, Wire, Writer};
use crate::frame::{FrameKind, MAX_BULK_BYTES, MAX_HEAD_BYTES};
use openlake_io::EngineKind;

/// A message of any head and bulk.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    head: Vec<u8>,
    bulk: Vec<u8>,
}

impl Wire for Message {
    const MIN_BYTES: usize = 0;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.bytes(&self.head);
        writer.bulk(&Bytes::copy_from_slice(&self.bulk));
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Message, DecodeError> {
        Ok(Message {
            head: cursor.bytes()?.to_vec(),
            bulk: cursor.bulk()?.to_vec(),
        })
    }
}

fn frame(message: &Message) -> Vec<u8> {
    let (mut head, mut bulk) = (Vec::new(), Vec::new());
    message.encode(&mut Writer::new(&mut head, &mut bulk));
    let bulk = bulk.concat();
    let header = Header::encode(1, FrameKind::Request, 1, &head, std::iter::once(&bulk[..]));
    [&header[..], &head, &bulk].concat()
}

/// Numbers that look like chance and replay by their seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
    fn bytes(&mut self) -> Vec<u8> {
        let bound = [1, 100, 5000, 70_000, 300_000][self.below(5)];
        let length = self.below(bound);
        let first = self.below(256);
        (0..length).map(|index| (first + index) as u8).collect()
    }
}

async fn exchange(runtime: &Runtime, seed: u64) {
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let messages: Vec<Message> = (0..40)
        .map(|_| Message {
            head: chance.bytes(),
            bulk: chance.bytes(),
        })
        .collect();
    let mut stream = Bytes::from(messages.iter().flat_map(frame).collect::<Vec<u8>>());
    let listener = runtime.listen(([127, 0, 0, 1], 0).into(), false).expect("a free port");
    let address = listener.local_address().expect("it is bound");
    let (sender, accepted) = futures_util::join!(runtime.connect(address), listener.accept());
    let (sender, (receiver, _)) = (sender.expect("connects"), accepted.expect("accepts"));
    let sending = async {
        while !stream.is_empty() {
            let bound = [2, 40, 3000, 200_000][chance.below(4)];
            let piece = stream.split_to((1 + chance.below(bound)).min(stream.len()));
            sender.send(vec![piece]).await.expect("the other side reads");
            if chance.below(8) == 0 {
                runtime.yield_now().await;
            }
        }
        sender.shutdown();
    };
    let receiving = async {
        let mut incoming = Incoming::new(runtime, &Stream::plain(receiver, Bytes::new()), MAX_HEAD_BYTES, MAX_BULK_BYTES);
        for message in &messages {
            let received = incoming.next().await.expect("a frame").expect("one more");
            let seen: Message = crate::codec::decode_all(incoming.head(&received), received.bulk.clone()).expect("a message");
            assert!(
                seen == *message,
                "head of {}, bulk of {} bytes",
                message.head.len(),
                message.bulk.len()
            );
        }
        assert!(incoming.next().await.expect("a clean end").is_none());
    };
    futures_util::join!(sending, receiving);
}

#[test]
fn frames_cut_anywhere_come_out_whole() {
    let runtime = Runtime::new(EngineKind::Poll).expect("the poll engine runs everywhere");
    let first: u64 = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| runtime.random_u64());
    for seed in first..first.saturating_add(5) {
        runtime.run(exchange(&runtime, seed));
    }
}
