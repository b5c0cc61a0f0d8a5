//! Which erasure set a key lives in: weighted rendezvous hashing over all sets.
//!
//! Every set draws a number for the key; the highest wins. A new set therefore takes over just the keys it wins, and no key moves
//! between old sets. The same function exists in TypeScript; `test/fixtures/placement.json` keeps both equal.
//!
//! h = FNV-1a-64 over the bucket id (8 bytes, little-endian) and the key; a set's draw is mix = finalize(h XOR splitmix64(id + 1)) with
//! splitmix64's finalizer. Equal weights: the highest mix wins, ties go to the lower id. Otherwise the highest of
//! -weight / ln(((mix >> 11) + 0.5) / 2^53) wins (Thaler and Ravishankar; logarithmic weights after Schindelhauer and Schomaker).

use openlake_peer::SetLayout;

/// Position in `sets` of the set that holds `key` of `bucket`; `None` without sets.
pub fn place(bucket: u64, key: &[u8], sets: &[SetLayout]) -> Option<usize> {
    let first = sets.first()?;
    if sets.len() == 1 {
        return Some(0);
    }
    let hash = fnv1a(bucket, key);
    let draw = |set: &SetLayout| finalize(hash ^ splitmix64(u64::from(set.id) + 1));
    let equal = sets.iter().all(|set| set.weight == first.weight);
    let mut best = 0;
    let mut best_mix = draw(first);
    let mut best_score = if equal { 0.0 } else { score(first.weight, best_mix) };
    for (position, set) in sets.iter().enumerate().skip(1) {
        let mix = draw(set);
        let score = if equal { 0.0 } else { score(set.weight, mix) };
        let lower_id = sets.get(best).is_some_and(|best| set.id < best.id);
        let wins = if equal {
            mix > best_mix || (mix == best_mix && lower_id)
        } else {
            score > best_score || (score == best_score && lower_id)
        };
        if wins {
            (best, best_mix, best_score) = (position, mix, score);
        }
    }
    Some(best)
}

fn fnv1a(bucket: u64, key: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bucket.to_le_bytes().iter().chain(key) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

fn splitmix64(seed: u64) -> u64 {
    finalize(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn finalize(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn score(weight: u32, mix: u64) -> f64 {
    let unit = ((mix >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -f64::from(weight) / unit.ln()
}

#[cfg(test)]
mod tests {
    use super::place;
    use openlake_peer::SetLayout;

    fn set(id: u32, weight: u32) -> SetLayout {
        SetLayout {
            id,
            data: 2,
            parity: 2,
            weight,
            slots: Vec::new(),
        }
    }

    /// Value of `"name":` up to the next of `,}]`, without quotes.
    fn field<'text>(text: &'text str, name: &str) -> &'text str {
        let from = text.find(&format!("\"{name}\":")).expect("field") + name.len() + 3;
        let rest = &text[from..];
        rest[..rest.find([',', '}', ']']).expect("end")].trim_matches('"')
    }

    #[test]
    fn agrees_with_the_golden_vectors_shared_with_typescript() {
        let text = include_str!("../../../test/fixtures/placement.json");
        let mut vectors = 0;
        for line in text.lines().map(str::trim).filter(|line| line.starts_with('{')) {
            let hex = field(line, "keyHex");
            let key: Vec<u8> = (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex"))
                .collect();
            let list = &line[line.find('[').expect("sets")..line.find(']').expect("sets") + 1];
            let sets: Vec<SetLayout> = list
                .split('{')
                .skip(1)
                .map(|text| {
                    set(
                        field(text, "id").parse().expect("id"),
                        field(text, "weight").parse().expect("weight"),
                    )
                })
                .collect();
            let bucket: u64 = field(line, "bucketId").parse().expect("bucket");
            let expected: u32 = field(line, "expectedSetId").parse().expect("expected");
            let placed = place(bucket, &key, &sets).map(|position| sets[position].id);
            assert_eq!(placed, Some(expected), "{line}");
            vectors += 1;
        }
        assert!(vectors > 5, "only {vectors} vectors");
    }

    #[test]
    fn a_new_set_takes_its_share_and_moves_nothing_else() {
        let old: Vec<SetLayout> = (0..4).map(|id| set(id, 100)).collect();
        let new: Vec<SetLayout> = (0..5).map(|id| set(id, 100)).collect();
        let mut moved = 0;
        for n in 0..10_000u32 {
            let key = n.to_string();
            let (before, after) = (place(7, key.as_bytes(), &old), place(7, key.as_bytes(), &new));
            assert!(after == before || after == Some(4));
            moved += u32::from(after == Some(4));
        }
        assert!((1_700..2_300).contains(&moved), "{moved} of 10,000 moved to the fifth set");
    }

    #[test]
    fn weights_are_shares() {
        let sets = [set(0, 100), set(1, 300)];
        let heavy = (0..10_000u32)
            .filter(|n| place(1, n.to_string().as_bytes(), &sets) == Some(1))
            .count();
        assert!(
            (7_200..7_800).contains(&heavy),
            "{heavy} of 10,000 in the set with three quarters of the weight"
        );
    }
}
