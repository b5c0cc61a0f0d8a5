//! Owned memory aligned to 4 KiB, as direct I/O needs it; frozen, it becomes cheap shared [`bytes::Bytes`].

use crate::recycling;
use bytes::Bytes;

/// Alignment and granularity of direct I/O, in bytes.
pub const ALIGNMENT_BYTES: usize = 4096;

/// A growable-once buffer whose memory starts at a 4 KiB boundary. `len` bytes are held, of `capacity`.
pub struct AlignedBuffer {
    /// Up to one alignment longer than the capacity, so that an aligned start lies inside.
    bytes: Vec<u8>,
    start: usize,
    capacity: usize,
    length: usize,
}

impl AlignedBuffer {
    /// A zero-filled buffer of `capacity` bytes (rounded up to 4 KiB) with length 0.
    pub fn with_capacity(capacity: usize) -> AlignedBuffer {
        let capacity = capacity.next_multiple_of(ALIGNMENT_BYTES);
        match AlignedBuffer::recycled(capacity) {
            Some(mut buffer) => {
                buffer.spare_mut().fill(0);
                buffer
            }
            None => AlignedBuffer::fresh(capacity),
        }
    }

    /// As [`AlignedBuffer::with_capacity`], but the room may show bytes of earlier buffers: cheaper where it is about to be filled,
    /// as by a read or a receive.
    pub fn with_stale_capacity(capacity: usize) -> AlignedBuffer {
        let capacity = capacity.next_multiple_of(ALIGNMENT_BYTES);
        AlignedBuffer::recycled(capacity).unwrap_or_else(|| AlignedBuffer::fresh(capacity))
    }

    fn recycled(capacity: usize) -> Option<AlignedBuffer> {
        recycling::take(capacity + ALIGNMENT_BYTES).map(|bytes| AlignedBuffer::over(bytes, capacity))
    }

    fn fresh(capacity: usize) -> AlignedBuffer {
        let length = if capacity == 0 { 0 } else { capacity + ALIGNMENT_BYTES };
        AlignedBuffer::over(vec![0; length], capacity)
    }

    /// `bytes` has room for an aligned start and the capacity behind it, or both are empty.
    fn over(bytes: Vec<u8>, capacity: usize) -> AlignedBuffer {
        let start = if capacity == 0 {
            0
        } else {
            bytes.as_ptr().addr().wrapping_neg() % ALIGNMENT_BYTES
        };
        recycling::note(bytes.len() as i64);
        AlignedBuffer {
            bytes,
            start,
            capacity,
            length: 0,
        }
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True when no bytes are held.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes the memory has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets the number of held bytes; all memory is initialised, so any length up to the capacity is valid.
    pub fn set_len(&mut self, length: usize) {
        self.length = length.min(self.capacity);
    }

    /// The held bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }

    /// The held bytes, writable.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }

    /// The room behind the held bytes, writable (and initialised); [`AlignedBuffer::set_len`] makes what was put there held.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start + self.length..self.start + self.capacity]
    }

    /// Makes the next `count` bytes held, as zeros; as many as there is room for.
    pub fn extend_zeroed(&mut self, count: usize) {
        let count = count.min(self.capacity - self.length);
        self.spare_mut()[..count].fill(0);
        self.length += count;
    }

    /// Copies as much of `source` behind the held bytes as fits; returns how much that was.
    pub fn append(&mut self, source: &[u8]) -> usize {
        let room = self.spare_mut();
        let count = source.len().min(room.len());
        room[..count].copy_from_slice(&source[..count]);
        self.length += count;
        count
    }

    /// Turns the held bytes into shared immutable bytes without copying.
    pub fn freeze(self) -> Bytes {
        if self.is_empty() {
            return Bytes::new();
        }
        Bytes::from_owner(Frozen(self))
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        recycling::note(-(self.bytes.len() as i64));
        recycling::give(std::mem::take(&mut self.bytes));
    }
}

impl std::fmt::Debug for AlignedBuffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AlignedBuffer({} of {} bytes)", self.length, self.capacity)
    }
}

/// Keeps the memory of a frozen buffer alive.
struct Frozen(AlignedBuffer);

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_zero() {
        for capacity in [1, 4095, 4096, 4097, 1 << 20] {
            let mut buffer = AlignedBuffer::with_capacity(capacity);
            assert_eq!(buffer.capacity() % ALIGNMENT_BYTES, 0);
            assert!(buffer.capacity() >= capacity && buffer.is_empty());
            buffer.set_len(usize::MAX);
            assert_eq!(buffer.len(), buffer.capacity());
            assert_eq!(buffer.as_slice().as_ptr().addr() % ALIGNMENT_BYTES, 0);
            assert!(buffer.as_slice().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn append_stops_at_the_capacity_and_freeze_keeps_the_memory() {
        let mut buffer = AlignedBuffer::with_capacity(4096);
        assert_eq!(buffer.append(&[7; 4000]), 4000);
        assert_eq!(buffer.append(&[8; 4000]), 96);
        let address = buffer.as_slice().as_ptr();
        let bytes = buffer.freeze();
        assert_eq!(bytes.as_ptr(), address);
        assert_eq!((bytes.len(), bytes[3999], bytes[4000]), (4096, 7, 8));
    }

    #[test]
    fn a_recycled_buffer_is_zero_again_unless_stale_bytes_are_welcome() {
        let mut first = AlignedBuffer::with_capacity(8192);
        first.append(&[9; 8192]);
        let address = first.as_slice().as_ptr();
        drop(first.freeze());
        let mut second = AlignedBuffer::with_stale_capacity(8000);
        assert_eq!(second.spare_mut().as_ptr(), address, "the memory is used again");
        assert!(second.is_empty() && second.spare_mut().iter().all(|byte| *byte == 9));
        drop(second);
        let mut third = AlignedBuffer::with_capacity(8192);
        assert!(third.spare_mut().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn an_empty_buffer_works() {
        let mut buffer = AlignedBuffer::with_capacity(0);
        assert_eq!(buffer.append(&[1]), 0);
        assert!(buffer.freeze().is_empty());
    }
}
