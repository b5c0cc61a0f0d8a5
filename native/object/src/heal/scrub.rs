//! Reading what a drive holds, to find damaged blocks before a client does. The drive notes the keys of those it finds itself.

use crate::heal::Healer;
use openlake_drive::{Answer, Key, Kind, Request, ScanRow, Space};

/// Blocks of a bulk shard read at once.
const BLOCKS_A_READ: u32 = 8;

impl Healer {
    /// Reads the newest shard of every row.
    pub async fn scrub(&self, (bucket, space): (u64, Space), rows: &[ScanRow]) {
        for row in rows {
            let Some(head) = row.state.records.first() else { continue };
            if head.kind == Kind::Tombstone || head.payload_size == 0 {
                continue;
            }
            let (mut first, mut damaged, mut bytes) = (0, 0, 0);
            loop {
                let request = Request::Blocks {
                    key: Key {
                        bucket,
                        space,
                        name: row.name.clone(),
                    },
                    write_id: head.write_id,
                    first,
                    count: BLOCKS_A_READ,
                };
                self.pace.note_own(1);
                let Answer::Blocks(shard) = self.pace.step(self.drive.handle(request)).await else {
                    break;
                };
                damaged += shard.blocks.iter().filter(|block| block.is_none()).count() as u64;
                bytes += shard.blocks.iter().flatten().map(|block| block.bytes.len() as u64).sum::<u64>();
                if head.inline || (shard.blocks.len() as u32) < BLOCKS_A_READ {
                    break;
                }
                first += BLOCKS_A_READ;
            }
            self.told(|status| {
                status.scrub_objects += 1;
                status.scrub_bytes += bytes;
                status.scrub_damaged += damaged;
            });
        }
    }
}
