//! Digests of a range: what two drives compare to see whether they know the same versions, without telling each other all of them.

use crate::core::Core;
use crate::{Answer, Ballot, Covers, Space};
use bytes::{BufMut, Bytes, BytesMut};
use openlake_checksum::Crc64;

/// Rows of one step.
const PAGE_ROWS: u32 = 1024;

impl Core {
    /// The sum of a hash per key over the key and the newest ballot known complete; keys without such a one are left out. So the order
    /// does not matter, and what is still on its way makes no difference for long.
    pub async fn digest(&self, bucket: u64, space: Space, from: Bytes, to: Option<Bytes>) -> Answer {
        let (mut digest, mut keys) = (0_u64, 0_u64);
        let mut from = from;
        loop {
            let (rows, covers) = match self.scan(bucket, space, Bytes::new(), from, PAGE_ROWS).await {
                Answer::Page { rows, covers, .. } => (rows, covers),
                other => return other,
            };
            for row in rows.iter().take_while(|row| to.as_ref().is_none_or(|to| row.name <= &to[..])) {
                if let Some(stable) = row.state.stable {
                    digest = digest.wrapping_add(hash(row.name, stable));
                    keys += 1;
                }
            }
            match covers {
                Covers::UpTo(name) if to.as_ref().is_none_or(|to| name < *to) => {
                    let mut next = BytesMut::from(&name[..]);
                    next.put_u8(0);
                    from = next.freeze();
                }
                _ => return Answer::Digest { digest, keys },
            }
        }
    }
}

fn hash(name: &[u8], ballot: Ballot) -> u64 {
    let mut crc = Crc64::new();
    crc.update(&ballot.to_bytes());
    crc.update(name);
    // A CRC is linear: two changes could cancel out in a sum of them. A multiplication breaks that.
    (crc.finish() ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
