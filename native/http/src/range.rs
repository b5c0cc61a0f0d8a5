//! The Range header (RFC 9110 section 14), as S3 reads it: one range of bytes; anything else means the whole object.

use openlake_object::Range;

/// The range asked for; `None` for no range, several, another unit or a malformed one: all of those are answered with the whole.
pub(crate) fn parse(value: &str) -> Option<Range> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (first, last) {
        ("", last) => number(last).map(Range::Last),
        (first, "") => number(first).map(Range::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range::FromTo(first, last))
        }
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than 64 bits hold are beyond every object.
    Some(text.parse().unwrap_or(u64::MAX))
}

/// (first, length) within an object of `size` bytes; `None`: not satisfiable.
pub(crate) fn resolve(range: Range, size: u64) -> Option<(u64, u64)> {
    let (first, length) = match range {
        Range::FromTo(first, last) => (first, last.min(size.saturating_sub(1)).saturating_sub(first).saturating_add(1)),
        Range::From(first) => (first, size.saturating_sub(first)),
        Range::Last(length) => (size.saturating_sub(length), length.min(size)),
    };
    (first < size && length > 0).then_some((first, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read() {
        for (text, range) in [
            ("bytes=0-0", Some(Range::FromTo(0, 0))),
            ("bytes=5-", Some(Range::From(5))),
            ("bytes=-5", Some(Range::Last(5))),
            ("Bytes=1-99999999999999999999", Some(Range::FromTo(1, u64::MAX))),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes 0-1", None),
            ("lines=0-1", None),
            ("", None),
        ] {
            assert_eq!(parse(text), range, "{text}");
        }
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        assert_eq!(resolve(Range::FromTo(0, 100), 10), Some((0, 10)));
        assert_eq!(resolve(Range::FromTo(9, 9), 10), Some((9, 1)));
        assert_eq!(resolve(Range::FromTo(10, 11), 10), None);
        assert_eq!(resolve(Range::From(3), 10), Some((3, 7)));
        assert_eq!(resolve(Range::From(10), 10), None);
        assert_eq!(resolve(Range::Last(3), 10), Some((7, 3)));
        assert_eq!(resolve(Range::Last(30), 10), Some((0, 10)));
        assert_eq!(resolve(Range::Last(0), 10), None);
        assert_eq!(resolve(Range::From(0), 0), None);
        assert_eq!(resolve(Range::Last(1), 0), None);
    }

    proptest! {
        #[test]
        fn a_resolved_range_lies_within(first in any::<u64>(), last in any::<u64>(), size in any::<u64>()) {
            for range in [Range::FromTo(first, last.max(first)), Range::From(first), Range::Last(first)] {
                if let Some((start, length)) = resolve(range, size) {
                    prop_assert!(length > 0 && start.checked_add(length).is_some_and(|end| end <= size));
                }
            }
        }
        #[test]
        fn any_text_is_read_or_ignored(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
