//! How many drives of an erasure set must answer what: the thresholds of protocol.md section 1.
//!
//! Two sets of W drives always share a drive that both wrote, and what they share is enough to decode: W >= k + floor(m/2).

/// An erasure set's thresholds. N = k + m slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    data: u8,
    parity: u8,
}

impl Quorum {
    /// Thresholds of a set of `data` + `parity` slots.
    pub fn new(data: u8, parity: u8) -> Quorum {
        Quorum { data, parity }
    }
    /// k: data shards.
    pub fn data(self) -> usize {
        usize::from(self.data)
    }
    /// m: parity shards.
    pub fn parity(self) -> usize {
        usize::from(self.parity)
    }
    /// N: all slots.
    pub fn slots(self) -> usize {
        self.data() + self.parity()
    }
    /// W: a record held by so many drives at one ballot is complete.
    pub fn write(self) -> usize {
        let slots = self.slots();
        (slots - self.parity().div_ceil(2)).max(slots / 2 + 1)
    }
    /// M: so many answers meet every write quorum.
    pub fn meet(self) -> usize {
        self.slots() - self.write() + 1
    }
    /// R: drives a GET asks first.
    pub fn read(self) -> usize {
        self.data().max(self.meet())
    }
    /// So many of the other drives must know of a drive before it takes over a slot: any two such groups share one, also if both leave out
    /// the other's new drive, and k drives suffice where all others were replaced at once.
    pub fn witnesses(self) -> usize {
        self.data().max(self.slots().div_ceil(2)).min(self.slots().saturating_sub(1))
    }
    /// So many of the other drives are asked whether a drive was replaced: one of them is among any [`Quorum::witnesses`].
    pub fn asked(self) -> usize {
        let others = self.slots().saturating_sub(1);
        (others + 1 - self.witnesses()).min(others)
    }
    /// T: a ballot accepted by fewer drives than this can never have been adopted by anyone. `needed`: shards that give the
    /// version back (1 for tombstones).
    pub fn adoption(self, needed: usize) -> usize {
        needed.max((2 * self.write()).saturating_sub(self.slots()))
    }
}

#[cfg(test)]
mod tests {
    use super::Quorum;

    #[test]
    fn thresholds_are_those_of_the_protocol() {
        // k, m, N, W, R, M, T of data: the table of protocol.md section 1.
        let table = [
            (1, 1, 2, 2, 1, 1, 2),
            (1, 2, 3, 2, 2, 2, 1),
            (2, 1, 3, 2, 2, 2, 2),
            (2, 2, 4, 3, 2, 2, 2),
            (3, 1, 4, 3, 3, 2, 3),
            (4, 1, 5, 4, 4, 2, 4),
            (4, 2, 6, 5, 4, 2, 4),
            (6, 2, 8, 7, 6, 2, 6),
            (6, 3, 9, 7, 6, 3, 6),
            (4, 4, 8, 6, 4, 3, 4),
            (8, 3, 11, 9, 8, 3, 8),
            (8, 4, 12, 10, 8, 3, 8),
            (12, 4, 16, 14, 12, 3, 12),
        ];
        for (k, m, slots, write, read, meet, adoption) in table {
            let quorum = Quorum::new(k, m);
            let found = (
                quorum.slots(),
                quorum.write(),
                quorum.read(),
                quorum.meet(),
                quorum.adoption(quorum.data()),
            );
            assert_eq!(found, (slots, write, read, meet, adoption), "{k}+{m}");
        }
    }

    #[test]
    fn every_write_quorum_keeps_half_the_parity_to_spare_and_meets_every_other() {
        for k in 1..=16u8 {
            for m in 0..=16u8 {
                let quorum = Quorum::new(k, m);
                assert!(2 * quorum.write() > quorum.slots(), "{k}+{m}");
                assert!(quorum.write() >= quorum.data() + quorum.parity() / 2, "{k}+{m}");
                assert!(quorum.write() <= quorum.slots(), "{k}+{m}");
                assert!(quorum.write() + quorum.meet() > quorum.slots(), "{k}+{m}");
            }
        }
    }

    #[test]
    fn two_that_take_over_at_once_share_a_witness_and_whoever_asks_meets_one() {
        for k in 1..=16u8 {
            for m in 0..=16u8 {
                let quorum = Quorum::new(k, m);
                let (slots, witnesses) = (quorum.slots(), quorum.witnesses());
                assert!(
                    2 * witnesses + 2 > slots,
                    "{k}+{m}: of the slots - 2 that neither takes over, both have one"
                );
                assert!(quorum.asked() + witnesses >= slots.min(2 * (slots - 1)), "{k}+{m}");
                assert!(slots == 1 || witnesses >= quorum.meet(), "{k}+{m}");
                assert!(
                    k < m || slots - witnesses <= usize::from(m.max(1)),
                    "{k}+{m}: m may be replaced at once"
                );
            }
        }
    }
}
