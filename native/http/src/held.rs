//! Bytes that arrived and were not asked for yet: a head under way, the first piece of a body, pipelined requests.

use crate::head::HEAD_BYTES;
use bytes::Bytes;
use openlake_io::AlignedBuffer;

/// First size of the buffer: a head and a body of 4 KiB fit, so that a small PUT is one receive.
const SMALL_BYTES: usize = 8 * 1024;

/// One small buffer that a connection keeps, read from the front and filled at the back.
pub(crate) struct Held {
    buffer: AlignedBuffer,
    /// How much of the buffer was used up.
    start: usize,
}

impl Held {
    pub(crate) fn new() -> Held {
        Held {
            buffer: AlignedBuffer::with_capacity(SMALL_BYTES),
            start: 0,
        }
    }

    /// What was not used yet.
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.as_slice().get(self.start..).unwrap_or_default()
    }

    /// Uses up `length` bytes, at most what is there.
    pub(crate) fn skip(&mut self, length: usize) {
        self.start += length.min(self.unread().len());
    }

    /// Uses up to `limit` bytes, as a copy.
    pub(crate) fn take(&mut self, limit: u64) -> Bytes {
        let unread = self.unread();
        let length = usize::try_from(limit).unwrap_or(usize::MAX).min(unread.len());
        let piece = Bytes::copy_from_slice(unread.get(..length).unwrap_or_default());
        self.skip(length);
        piece
    }

    /// Puts bytes in front of what is unread: they were taken from there, or arrived before it.
    pub(crate) fn give_back(&mut self, bytes: &[u8]) {
        let before = self.start.checked_sub(bytes.len());
        if let Some(before) = before.filter(|before| self.buffer.as_slice().get(*before..self.start) == Some(bytes)) {
            self.start = before;
            return;
        }
        let mut buffer = AlignedBuffer::with_capacity((bytes.len() + self.unread().len()).max(SMALL_BYTES));
        buffer.append(bytes);
        buffer.append(self.unread());
        *self = Held { buffer, start: 0 };
    }

    /// The buffer, with room at its end, to receive into; [`Held::restore`] brings it back. A buffer that never comes back is replaced.
    pub(crate) fn lend(&mut self) -> AlignedBuffer {
        let unread = self.unread().len();
        if unread == 0 && self.buffer.capacity() > 0 {
            self.buffer.set_len(0);
            self.start = 0;
        } else if self.buffer.len() == self.buffer.capacity() {
            // Full: most heads are short, and the others need room for the longest one.
            let capacity = if unread < SMALL_BYTES / 2 {
                SMALL_BYTES
            } else {
                HEAD_BYTES + SMALL_BYTES
            };
            let mut buffer = AlignedBuffer::with_capacity(capacity.max(unread + SMALL_BYTES / 2));
            buffer.append(self.unread());
            *self = Held { buffer, start: 0 };
        }
        std::mem::replace(&mut self.buffer, AlignedBuffer::with_capacity(0))
    }

    /// Takes a lent buffer back.
    pub(crate) fn restore(&mut self, buffer: AlignedBuffer) {
        self.buffer = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        /// Behaves as a queue of bytes, whatever the sizes.
        #[test]
        fn bytes_leave_in_their_order(steps in proptest::collection::vec((0u8..4, 0usize..20_000), 1..40)) {
            let (mut held, mut model) = (Held::new(), VecDeque::new());
            let mut next = 0u8;
            for (step, size) in steps {
                match step {
                    0 => {
                        let mut buffer = held.lend();
                        prop_assert!(buffer.len() < buffer.capacity());
                        for _ in 0..size.min(buffer.capacity() - buffer.len()) {
                            next = next.wrapping_add(1);
                            buffer.append(&[next]);
                            model.push_back(next);
                        }
                        held.restore(buffer);
                    }
                    1 => {
                        let taken = held.take(size as u64);
                        let expected: Vec<u8> = model.drain(..taken.len()).collect();
                        prop_assert_eq!(&taken[..], &expected[..]);
                        let returned = &taken[taken.len() / 2..];
                        held.give_back(returned);
                        returned.iter().rev().for_each(|byte| model.push_front(*byte));
                    }
                    2 => {
                        held.skip(size);
                        model.drain(..size.min(model.len()));
                    }
                    _ => {
                        let bytes = vec![7; size];
                        held.give_back(&bytes);
                        bytes.iter().for_each(|byte| model.push_front(*byte));
                    }
                }
                prop_assert!(held.unread().iter().eq(model.iter()));
            }
        }
    }
}
