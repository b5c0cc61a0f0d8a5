//! Pages of a scan that are too large for a frame are cut: a shorter page is as true as a long one.

use openlake_drive::{Answer, Covers, ScanRows};

/// The first half of a page's rows (at least one), covering up to the last of them.
pub fn first_half(rows: &ScanRows, dirty: bool) -> Answer {
    let (rows, last) = rows.first((rows.len() / 2).max(1));
    let covers = if rows.is_empty() { Covers::End } else { Covers::UpTo(last) };
    Answer::Page { rows, covers, dirty }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use openlake_drive::{KeyState, ScanRow};

    #[test]
    fn a_cut_page_says_how_far_it_goes() {
        let rows = ["a", "b", "c"].map(|name| ScanRow {
            name: Bytes::from(name),
            state: KeyState::default(),
        });
        let Answer::Page { rows, covers, dirty } = first_half(&rows.into_iter().collect(), true) else {
            panic!("not a page")
        };
        assert_eq!((rows.len(), covers, dirty), (1, Covers::UpTo(Bytes::from("a")), true));
    }
}
