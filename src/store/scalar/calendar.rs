//! Days, clocks and Arrow's time units as text: what display and partition directories share.

use arrow::datatypes::TimeUnit;
use chrono::{Datelike, NaiveDate};

pub(in crate::store) const SECONDS_PER_DAY: i64 = 86_400;
pub(in crate::store) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// How many of the unit make a second.
pub(in crate::store) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS_PER_SECOND,
    }
}

/// How many decimals of a second the unit has.
pub(in crate::store) fn fraction_digits(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// A timestamp as days since 1970-01-01 and the time in that day, both in `unit`.
pub(in crate::store) fn split_timestamp(value: i64, unit: TimeUnit) -> (i64, i64) {
    let per_day = SECONDS_PER_DAY * per_second(unit);
    (value.div_euclid(per_day), value.rem_euclid(per_day))
}

/// The date that is `days` after 1970-01-01, or `None` some 262,000 years from here.
pub(in crate::store) fn date(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(days).ok()?)
}

/// `2024-01-02`; the year has four digits or more and a sign only before year 0.
pub(in crate::store) fn date_text(date: NaiveDate) -> String {
    let sign = if date.year() < 0 { "-" } else { "" };
    format!("{sign}{:04}-{:02}-{:02}", date.year().unsigned_abs(), date.month(), date.day())
}

/// `03:04:05.678000`: a time of day in `unit`, with all the decimals the unit has.
pub(in crate::store) fn clock_text(time: i64, unit: TimeUnit) -> String {
    let (seconds, fraction) = (time.div_euclid(per_second(unit)), time.rem_euclid(per_second(unit)));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match fraction_digits(unit) {
        0 => clock,
        digits => format!("{clock}.{fraction:0digits$}"),
    }
}
