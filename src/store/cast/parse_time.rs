//! Text -> DATE, TIME and TIMESTAMP: ISO 8601 as people and programs write it, and as DuckDB prints it.
//!
//! A date is `2024-01-02` (one digit of month or day will do; ` (BC)` may follow), a time `03:04[:05[.123456789]]`, a
//! timestamp a date, then `T` or spaces and a time, then perhaps a zone: `Z`, `UTC`, `+02`, `+0200`, `+02:00`. A
//! timestamp without zone is UTC, whatever the zone of the process; one without time is midnight.

use super::calendar::{INFINITE_DATE, INFINITE_TIMESTAMP, days_of, is_infinite_date, is_infinite_timestamp};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Days since 1970-01-01. A timestamp will do where it is midnight in UTC.
pub(super) fn date(text: &str) -> Option<i32> {
    match infinity(text) {
        Some(true) => Some(INFINITE_DATE),
        Some(false) => Some(-INFINITE_DATE),
        None => {
            let nanos = instant(text)?;
            let per_day = i128::from(SECONDS_PER_DAY * NANOS_PER_SECOND);
            let days = (nanos % per_day == 0).then_some(nanos / per_day)?;
            days.try_into().ok().filter(|days| !is_infinite_date(*days))
        }
    }
}

/// The time of day in units of `nanos_per_unit`, up to 24:00:00 itself; `None` where the unit cannot hold it.
pub(super) fn time(text: &str, nanos_per_unit: i64) -> Option<i64> {
    let mut rest = Rest(text.trim());
    let nanos = rest.time()?;
    (rest.0.is_empty() && nanos % nanos_per_unit == 0).then_some(nanos / nanos_per_unit)
}

/// Units of `nanos_per_unit` since 1970-01-01 00:00 UTC; `None` where the unit cannot hold it exactly.
pub(super) fn timestamp(text: &str, nanos_per_unit: i64) -> Option<i64> {
    match infinity(text) {
        Some(true) => Some(INFINITE_TIMESTAMP),
        Some(false) => Some(-INFINITE_TIMESTAMP),
        None => {
            let nanos = instant(text)?;
            let unit = i128::from(nanos_per_unit);
            let value = (nanos % unit == 0).then_some(nanos / unit)?;
            value.try_into().ok().filter(|value| !is_infinite_timestamp(*value))
        }
    }
}

/// Whether the text is DuckDB's infinity, and if so, the one above.
fn infinity(text: &str) -> Option<bool> {
    let text = text.trim();
    let (above, word) = text.strip_prefix('-').map_or((true, text), |word| (false, word));
    word.eq_ignore_ascii_case("infinity").then_some(above)
}

/// Nanoseconds since 1970-01-01 00:00 UTC.
fn instant(text: &str) -> Option<i128> {
    let mut rest = Rest(text.trim());
    let days = rest.date()?;
    let mut nanos = 0;
    let mut offset = 0;
    if !rest.0.is_empty() {
        if !(rest.skip("T") || rest.skip("t")) {
            rest.some_spaces()?;
        }
        nanos = rest.time().filter(|nanos| *nanos < SECONDS_PER_DAY * NANOS_PER_SECOND)?;
        offset = rest.zone()?;
    }
    let seconds = i128::from(days) * i128::from(SECONDS_PER_DAY) - i128::from(offset);
    rest.0.is_empty().then_some(seconds * i128::from(NANOS_PER_SECOND) + i128::from(nanos))
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, prefix: &str) -> bool {
        match self.0.strip_prefix(prefix) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn some_spaces(&mut self) -> Option<()> {
        let rest = self.0.trim_start_matches(' ');
        (rest.len() < self.0.len()).then(|| self.0 = rest)
    }

    /// All digits that follow.
    fn digits(&mut self) -> &'a str {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.digits();
        (least..=most).contains(&digits.len()).then(|| digits.parse().ok())?
    }

    /// Days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        // Four digits at least: 24-01-02 may be of any century.
        let year: i64 = Some(self.digits()).filter(|year| (4..=12).contains(&year.len()))?.parse().ok()?;
        let month = self.skip("-").then(|| self.number(1, 2))??;
        let day = self.skip("-").then(|| self.number(1, 2))??;
        let year = if self.skip(" (BC)") { (year > 0).then_some(1 - year)? } else { year };
        days_of(year, month, day)
    }

    /// Nanoseconds since midnight, 24:00:00 included.
    fn time(&mut self) -> Option<i64> {
        let hour = i64::from(self.number(1, 2)?);
        let minute = self.skip(":").then(|| self.number(1, 2))??;
        let second = if self.skip(":") { self.number(1, 2)? } else { 0 };
        let fraction = if self.skip(".") { nanos(self.digits())? } else { 0 };
        let within = minute < 60 && second < 60;
        let nanos = (hour * 3_600 + i64::from(minute * 60 + second)) * NANOS_PER_SECOND + fraction;
        (within && nanos <= SECONDS_PER_DAY * NANOS_PER_SECOND).then_some(nanos)
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Option<i64> {
        self.0 = self.0.trim_start_matches(' ');
        if self.0.is_empty() || self.skip("Z") || self.skip("z") || self.skip("UTC") {
            return Some(0);
        }
        let sign = if self.skip("+") { 1 } else { self.skip("-").then_some(-1)? };
        let digits = self.digits();
        let (hours, minutes) = match digits.len() {
            2 if self.skip(":") => (digits, self.digits()),
            2 => (digits, "00"),
            4 => digits.split_at(2),
            _ => return None,
        };
        let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours < 16 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
    }
}

/// The nanoseconds of the digits after a decimal point; `None` where there are none or finer ones.
fn nanos(digits: &str) -> Option<i64> {
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || significant.len() > 9 {
        return None;
    }
    format!("{significant:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MICRO: i64 = 1_000;

    #[test]
    fn reads_what_people_write() {
        let second = 1_704_164_645; // 2024-01-02 03:04:05 UTC
        for (text, value) in [
            ("2024-01-02 03:04:05", second * 1_000_000),
            ("2024-01-02T03:04:05Z", second * 1_000_000),
            ("2024-01-02t03:04:05z", second * 1_000_000),
            (" 2024-1-2  3:4:5 ", second * 1_000_000),
            ("2024-01-02 03:04:05 UTC", second * 1_000_000),
            ("2024-01-02 03:04:05+00", second * 1_000_000),
            ("2024-01-02T05:04:05+02:00", second * 1_000_000),
            ("2024-01-02T05:04:05 +0200", second * 1_000_000),
            ("2024-01-01T22:34:05-04:30", second * 1_000_000),
            ("2024-01-02 03:04:05.5", second * 1_000_000 + 500_000),
            ("2024-01-02 03:04:05.123456000000", second * 1_000_000 + 123_456),
            ("2024-01-02T03:04", (second - 5) * 1_000_000),
            ("2024-01-02", (second - 11_045) * 1_000_000),
            ("1969-12-31 23:59:59.999999", -1),
            ("infinity", i64::MAX),
            ("-Infinity", -i64::MAX),
        ] {
            assert_eq!(timestamp(text, MICRO), Some(value), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "2024",
            "2024-01",
            "24-01-02",
            "2024-02-30",
            "2024-01-02 ",
            "2024-01-02T",
            "2024-01-02 03",
            "2024-01-02 24:00:00",
            "2024-01-02 03:60",
            "2024-01-02 03:04:60",
            "2024-01-02 03:04:05.",
            "2024-01-02 03:04:05.1234567",
            "2024-01-02 03:04:05+2",
            "2024-01-02 03:04:05+24:00",
            "2024-01-02 03:04:05+02:",
            "2024-01-02 03:04:05 CET",
            "2024-01-02 03:04:05x",
            "02/01/2024",
            "300000-01-01 00:00:00",
            "0000-01-01 (BC)",
        ] {
            // White space alone around a date is no harm.
            assert_eq!(timestamp(text, MICRO).is_some(), text == "2024-01-02 ", "{text}");
        }
        assert_eq!(timestamp("2024-01-02 03:04:05.5", NANOS_PER_SECOND), None);
        assert_eq!(timestamp("2263-01-01", 1), None, "nanoseconds end in 2262");
    }

    #[test]
    fn reads_dates_and_times() {
        assert_eq!(date("2024-01-02"), Some(19_724));
        assert_eq!(date("2024-01-02T00:00:00Z"), Some(19_724));
        assert_eq!(date("2024-01-02T02:00:00+02:00"), Some(19_724));
        assert_eq!(date("2024-01-02T00:00:01"), None);
        assert_eq!(date("0001-01-01 (BC)"), date("0000-01-01"));
        assert_eq!(time("24:00:00", MICRO), Some(86_400_000_000));
        assert_eq!(time("24:00:01", MICRO), None);
        assert_eq!(time("01:02:03.000000004", 1), Some(3_723_000_000_004));
        assert_eq!(time("01:02:03.000000004", MICRO), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+0-9:TZ. ]{0,30}|\\PC*") {
            timestamp(&text, 1);
            date(&text);
            time(&text, 1);
        }
    }
}
