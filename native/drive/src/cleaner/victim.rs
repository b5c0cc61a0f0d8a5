//! Which segment to clean: cost and benefit, as in log-structured filesystems (Rosenblum and Ousterhout, 1992). Pure.

/// A segment of the log that might be cleaned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub segment: u32,
    pub generation: u64,
    pub live_bytes: u64,
    /// Segments that the log has opened since: what has survived many of them will likely live on.
    pub age: u64,
}

/// The candidate with the highest (1 - u) x age / (1 + u), where u is its share of live bytes: what is gained, for how long, by what
/// it costs to read and write. `None` when in all of them more than `packed_percent` lives.
pub(crate) fn best(candidates: impl Iterator<Item = Candidate>, segment_bytes: u64, packed_percent: u64) -> Option<Candidate> {
    candidates
        .filter(|candidate| candidate.live_bytes * 100 <= segment_bytes * packed_percent)
        .max_by(|left, right| worth(left, segment_bytes).total_cmp(&worth(right, segment_bytes)))
}

fn worth(candidate: &Candidate, segment_bytes: u64) -> f64 {
    let share = candidate.live_bytes as f64 / segment_bytes as f64;
    (1.0 - share) * candidate.age.max(1) as f64 / (1.0 + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(segment: u32, live_bytes: u64, age: u64) -> Candidate {
        Candidate {
            segment,
            generation: 1,
            live_bytes,
            age,
        }
    }

    #[test]
    fn the_emptiest_of_equal_age_and_the_oldest_of_equal_share_win() {
        let chosen = |candidates: &[Candidate]| best(candidates.iter().copied(), 100, 85).map(|best| best.segment);
        assert_eq!(chosen(&[candidate(1, 50, 3), candidate(2, 20, 3), candidate(3, 80, 3)]), Some(2));
        assert_eq!(chosen(&[candidate(1, 50, 3), candidate(2, 50, 9)]), Some(2));
        assert_eq!(chosen(&[candidate(1, 86, 9)]), None);
        assert_eq!(best([candidate(1, 86, 9)].into_iter(), 100, 92).map(|best| best.segment), Some(1));
    }
}
