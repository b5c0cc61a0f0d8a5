//! The two ways of writing a second that S3 uses: HTTP dates (`Sun, 06 Nov 1994 08:49:37 GMT`, RFC 9110 section 5.6.7) and the
//! basic ISO form of signatures (`19941106T084937Z`). Both are UTC.

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days since 1970 of a date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse: (year, month, day).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = (month_index + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_index + 2) / 5 + 1)
}

/// Seconds since 1970, if the fields name a real second (a leap second counts as the next one).
fn seconds(year: u64, month: u64, day: u64, hour: u64, minute: u64, second: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year as i64, month as i64, day as i64);
    if day == 0 || civil_from_days(days) != (year as i64, month as i64, day as i64) {
        return None;
    }
    u64::try_from(days)
        .ok()
        .map(|days| days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// An HTTP date of `seconds` since 1970.
pub(crate) fn http_date(seconds: u64) -> String {
    let days = seconds / 86_400;
    let (year, month, day) = civil_from_days(days as i64);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[(month - 1) as usize];
    let mut text = String::with_capacity(29);
    text.push_str(weekday);
    text.push_str(", ");
    push_digits(&mut text, day as u64, 2);
    for part in [" ", month, " "] {
        text.push_str(part);
    }
    push_digits(&mut text, year as u64, 4);
    for (separator, number) in [(' ', seconds / 3600 % 24), (':', seconds / 60 % 60), (':', seconds % 60)] {
        text.push(separator);
        push_digits(&mut text, number, 2);
    }
    text.push_str(" GMT");
    text
}

/// The last `digits` decimal digits of `number`; a reply has its date formatted, and this takes a tenth of what `format!` does.
fn push_digits(text: &mut String, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        text.push(char::from(b'0' + (number / 10_u64.pow(place) % 10) as u8));
    }
}

/// Seconds since 1970 of an HTTP date; the two obsolete forms of RFC 9110 are not read. `None` for anything else.
pub(crate) fn parse_http_date(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(", ")?;
    let mut fields = rest.split(' ');
    let (day, month, year, time, zone) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if zone != "GMT" && zone != "UTC" && zone != "+0000" || fields.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let mut clock = time.split(':').map(|field| number(field, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || day.len() > 2 {
        return None;
    }
    seconds(number(year, 4)?, month, number(day, day.len())?, hour, minute, second)
}

/// Seconds since 1970 of `YYYYMMDDTHHMMSSZ`; `None` for anything else.
pub(crate) fn parse_basic(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(8)?;
    let time = rest.strip_prefix('T')?.strip_suffix('Z')?;
    if time.len() != 6 {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| number(text.get(from..to)?, to - from);
    seconds(
        part(date, 0, 4)?,
        part(date, 4, 6)?,
        part(date, 6, 8)?,
        part(time, 0, 2)?,
        part(time, 2, 4)?,
        part(time, 4, 6)?,
    )
}

/// `YYYYMMDDTHHMMSSZ` of `seconds` since 1970.
pub(crate) fn basic(seconds: u64) -> String {
    let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A number of exactly `digits` decimal digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_of_the_standards_are_read_and_written() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_basic("20130524T000000Z"), Some(1_369_353_600));
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn impossible_dates_are_refused() {
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T250000Z",
            "2013052aT000000Z",
            "€€€€€€€",
        ] {
            assert_eq!(parse_basic(bad), None, "{bad}");
        }
        for bad in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(parse_http_date(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_second_returns(seconds in 0u64..253_402_300_799) {
            prop_assert_eq!(parse_http_date(&http_date(seconds)), Some(seconds));
            prop_assert_eq!(parse_basic(&basic(seconds)), Some(seconds));
        }
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = (parse_basic(&text), parse_http_date(&text));
        }
    }
}
