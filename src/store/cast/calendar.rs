//! Days since 1970-01-01 <-> year, month, day, over every date DuckDB has (to the year 5,881,580: chrono ends at 262,142).

/// The date DuckDB reads as infinity; its negative is minus infinity.
pub(super) const INFINITE_DATE: i32 = i32::MAX;
/// The timestamp, of any unit, that DuckDB reads as infinity; its negative is minus infinity.
pub(super) const INFINITE_TIMESTAMP: i64 = i64::MAX;

/// Whether DuckDB reads the date as infinite.
pub(super) fn is_infinite_date(days: i32) -> bool {
    days == INFINITE_DATE || days == -INFINITE_DATE
}

/// Whether DuckDB reads the timestamp as infinite.
pub(super) fn is_infinite_timestamp(value: i64) -> bool {
    value == INFINITE_TIMESTAMP || value == -INFINITE_TIMESTAMP
}

const DAYS_PER_ERA: i64 = 146_097; // 400 years
const DAYS_TO_1970: i64 = 719_468; // from 0000-03-01

/// The day of a date of the proleptic Gregorian calendar, or `None` where it has no such date.
/// Years count astronomically: 0 is 1 BC.
pub(super) fn days_of(year: i64, month: u32, day: u32) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era_year = year.rem_euclid(400);
    let era_day =
        era_year * 365 + era_year / 4 - era_year / 100 + (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day)
            - 1;
    Some(year.div_euclid(400) * DAYS_PER_ERA + era_day - DAYS_TO_1970)
}

/// Year, month and day of a day since 1970-01-01.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let era_day = days.rem_euclid(DAYS_PER_ERA);
    let era_year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / (DAYS_PER_ERA - 1)) / 365;
    let year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    let march_month = (5 * year_day + 2) / 153;
    let day = year_day - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = days.div_euclid(DAYS_PER_ERA) * 400 + era_year + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_chrono_where_that_reaches(days in -90_000_000i32..90_000_000) {
            let date = NaiveDate::from_epoch_days(days).unwrap();
            let parts = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            prop_assert_eq!(date_of(i64::from(days)), parts);
            prop_assert_eq!(days_of(parts.0, date.month(), date.day()), Some(i64::from(days)));
        }

        #[test]
        fn every_day_comes_back(days in any::<i32>()) {
            let (year, month, day) = date_of(i64::from(days));
            prop_assert_eq!(days_of(year, month as u32, day as u32), Some(i64::from(days)));
        }
    }

    #[test]
    fn refuses_days_no_month_has() {
        for (year, month, day) in
            [(2023, 2, 29), (1900, 2, 29), (2024, 0, 1), (2024, 13, 1), (2024, 4, 31), (2024, 1, 0)]
        {
            assert_eq!(days_of(year, month, day), None, "{year}-{month}-{day}");
        }
        assert_eq!(days_of(2000, 2, 29), Some(11_016));
    }
}
