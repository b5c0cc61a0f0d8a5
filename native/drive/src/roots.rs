//! The region of roots.

use crate::format::{ROOT_BYTES, ROOT_SLOTS, Root};
use crate::home::Region;
use crate::sabotage::{Sabotage, is_planted};
use openlake_io::{AlignedBuffer, Durability};
use std::cell::Cell;
use std::io;

/// Writes roots, slot after slot.
pub(crate) struct Roots {
    region: Region,
    salt: u64,
    last_sequence: Cell<u64>,
}

impl Roots {
    /// Reads all slots; also the valid roots in them, newest first.
    pub async fn open(region: Region, salt: u64) -> (Roots, Vec<Root>) {
        let last_sequence = Cell::new(0);
        let roots = Roots {
            region,
            salt,
            last_sequence,
        };
        let found = roots.read_all().await;
        roots.last_sequence.set(found.first().map_or(0, |root| root.sequence));
        (roots, found)
    }
    /// The valid roots in all slots, newest first.
    pub async fn read_all(&self) -> Vec<Root> {
        let mut found: Vec<Root> = Vec::new();
        for slot in 0..ROOT_SLOTS {
            if let Ok(page) = self.region.read(slot * ROOT_BYTES as u64, ROOT_BYTES).await
                && let Some(root) = Root::decode(page.as_slice(), self.salt)
            {
                found.push(root);
            }
        }
        found.sort_unstable_by_key(|root| std::cmp::Reverse(root.sequence));
        found
    }
    /// Writes `root` into the next slot, durably, under the next sequence.
    pub async fn write(&self, mut root: Root) -> io::Result<()> {
        root.sequence = self.last_sequence.get() + 1;
        self.last_sequence.set(root.sequence);
        let offset = (root.sequence % ROOT_SLOTS) * ROOT_BYTES as u64;
        let page = root.encode(self.salt);
        if is_planted(Sabotage::LazyRoot) {
            let mut buffer = AlignedBuffer::with_capacity(page.len());
            buffer.append(&page);
            return self.region.write(offset, vec![buffer.freeze()], Durability::None).await;
        }
        self.region.write_page(offset, &page).await
    }
}
