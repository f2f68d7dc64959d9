//! Times, dates and zones.

use arrow::array::*;
use arrow::datatypes::{DataType, TimeUnit};

use super::{cast_to, printed, refused, text, timestamp_type};
use crate::store::types::timestamptz;

#[test]
fn timestamps_change_unit_only_exactly() {
    let seconds = || TimestampSecondArray::from(vec![Some(5), None, Some(-5)]);
    let cast = cast_to(seconds(), timestamp_type(TimeUnit::Nanosecond)).unwrap();
    assert_eq!(
        cast.as_primitive(),
        &TimestampNanosecondArray::from(vec![Some(5_000_000_000), None, Some(-5_000_000_000)])
    );
    assert!(cast_to(TimestampMillisecondArray::from(vec![-5_000]), timestamp_type(TimeUnit::Second)).is_ok());
    assert_eq!(
        refused(TimestampMicrosecondArray::from(vec![1_704_164_645_500_000]), timestamp_type(TimeUnit::Second)),
        "Column \"c\": value 2024-01-02 03:04:05.5 cannot be cast to TIMESTAMP_S without loss!"
    );
    refused(TimestampSecondArray::from(vec![i64::MAX - 1]), timestamp_type(TimeUnit::Microsecond));
    refused(TimestampNanosecondArray::from(vec![1]), timestamptz());
}

#[test]
fn time_zones_keep_the_instant() {
    let oslo = TimestampMillisecondArray::from(vec![1_500]).with_timezone("Europe/Oslo");
    let cast = cast_to(oslo, timestamptz()).unwrap();
    assert_eq!(cast.as_primitive(), &TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC"));
    let naive = cast_to(
        cast.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().clone(),
        timestamp_type(TimeUnit::Microsecond),
    )
    .unwrap();
    assert_eq!(naive.as_primitive(), &TimestampMicrosecondArray::from(vec![1_500_000]));
    let cast = cast_to(text(&["2024-01-02 03:04:05", "2024-01-02T05:04:05+02:00"]), timestamptz()).unwrap();
    let units = cast.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
    assert_eq!(units.values(), &[1_704_164_645_000_000, 1_704_164_645_000_000]);
}

#[test]
fn infinity_stays_infinite() {
    let infinite = || TimestampMicrosecondArray::from(vec![i64::MAX, -i64::MAX]);
    let cast = cast_to(infinite(), timestamptz()).unwrap();
    assert_eq!(cast.as_primitive(), &infinite().with_timezone("UTC"));
    let cast = cast_to(infinite(), DataType::Date32).unwrap();
    assert_eq!(cast.as_primitive(), &Date32Array::from(vec![i32::MAX, -i32::MAX]));
    let cast = cast_to(Date32Array::from(vec![i32::MAX, -i32::MAX]), timestamp_type(TimeUnit::Second)).unwrap();
    assert_eq!(cast.as_primitive(), &TimestampSecondArray::from(vec![i64::MAX, -i64::MAX]));
    assert_eq!(printed(infinite()), ["infinity", "-infinity"]);
}

#[test]
fn dates() {
    let midnight = 19_724 * 86_400_000_000;
    let cast = cast_to(TimestampMicrosecondArray::from(vec![midnight, -86_400_000_000]), DataType::Date32).unwrap();
    assert_eq!(cast.as_primitive(), &Date32Array::from(vec![19_724, -1]));
    let message = refused(TimestampMicrosecondArray::from(vec![midnight + 1]), DataType::Date32);
    assert_eq!(message, "Column \"c\": value 2024-01-02 00:00:00.000001 cannot be cast to DATE without loss!");
    let cast = cast_to(Date32Array::from(vec![19_724]), timestamptz()).unwrap();
    assert_eq!(cast.as_primitive(), &TimestampMicrosecondArray::from(vec![midnight]).with_timezone("UTC"));
    refused(Date32Array::from(vec![200_000]), timestamp_type(TimeUnit::Nanosecond));
    let cast = cast_to(Date64Array::from(vec![86_400_000]), DataType::Date32).unwrap();
    assert_eq!(cast.as_primitive(), &Date32Array::from(vec![1]));
    refused(Date64Array::from(vec![86_400_001]), DataType::Date32);
}

#[test]
fn times() {
    let cast = cast_to(Time32MillisecondArray::from(vec![1_500]), DataType::Time64(TimeUnit::Nanosecond)).unwrap();
    assert_eq!(cast.as_primitive(), &Time64NanosecondArray::from(vec![1_500_000_000]));
    let message = refused(Time64NanosecondArray::from(vec![1]), DataType::Time64(TimeUnit::Microsecond));
    assert_eq!(message, "Column \"c\": value 00:00:00.000000001 cannot be cast to TIME without loss!");
    let cast = cast_to(text(&["01:02:03.5"]), DataType::Time64(TimeUnit::Microsecond)).unwrap();
    assert_eq!(cast.as_primitive(), &Time64MicrosecondArray::from(vec![3_723_500_000]));
    refused(TimestampSecondArray::from(vec![0]), DataType::Time64(TimeUnit::Microsecond));
}
