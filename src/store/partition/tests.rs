use arrow::datatypes::{DataType, Schema, TimeUnit};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::store::scalar::testing;
use crate::store::table::TableName;
use crate::store::types::{timestamptz, uuid_field};

const SECONDS: i64 = 1_704_164_645; // 2024-01-02 03:04:05

fn key(data_type: DataType) -> Field {
    Field::new("k", data_type, true)
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}

fn read(data_type: DataType, segment: &str) -> Result<Option<Scalar>> {
    decode_segment(&key(data_type), segment)
}

/// What pyarrow 26.0.1 `write_to_dataset(partition_cols=['k'])` made of each value.
fn written_by_pyarrow() -> Vec<(DataType, Scalar, &'static str)> {
    use DataType::*;
    use TimeUnit::*;
    let int = Scalar::Int;
    let float = Scalar::Float;
    vec![
        (Boolean, Scalar::Boolean(true), "true"),
        (Boolean, Scalar::Boolean(false), "false"),
        (Int8, int(-5), "-5"),
        (Int64, int(7), "7"),
        (UInt64, Scalar::UInt(u64::MAX), "18446744073709551615"),
        (Float32, float(0.1f32.into()), "0.1"),
        (Float32, float(123456789f32.into()), "123456790"),
        (Float32, float(f32::MAX.into()), "3.4028235e%2B38"),
        (Float32, float(f32::MIN_POSITIVE.into()), "1.1754944e-38"),
        (Float32, float(1e-7f32.into()), "1e-7"),
        (Float64, float(0.0), "0"),
        (Float64, float(-0.0), "-0"),
        (Float64, float(1.5), "1.5"),
        (Float64, float(2.0), "2"),
        (Float64, float(0.1), "0.1"),
        (Float64, float(0.30000000000000004), "0.30000000000000004"),
        (Float64, float(1e9), "1000000000"),
        (Float64, float(9999999999.5), "9999999999.5"),
        (Float64, float(1e10), "1e%2B10"),
        (Float64, float(12345678901.5), "1.23456789015e%2B10"),
        (Float64, float(1e20), "1e%2B20"),
        (Float64, float(f64::MAX), "1.7976931348623157e%2B308"),
        (Float64, float(5e-324), "5e-324"),
        (Float64, float(1e-6), "0.000001"),
        (Float64, float(1.5e-6), "0.0000015"),
        (Float64, float(9.99e-7), "9.99e-7"),
        (Float64, float(-1e-5), "-0.00001"),
        (Float64, float(f64::INFINITY), "inf"),
        (Float64, float(f64::NEG_INFINITY), "-inf"),
        (Decimal128(10, 2), Scalar::Decimal(150), "1.50"),
        (Decimal128(10, 2), Scalar::Decimal(-5), "-0.05"),
        (Decimal128(10, 2), Scalar::Decimal(0), "0.00"),
        (Decimal128(10, 2), Scalar::Decimal(1234567890), "12345678.90"),
        (Decimal128(10, 0), Scalar::Decimal(7), "7"),
        (Decimal128(10, 6), Scalar::Decimal(0), "0.000000"),
        (Decimal128(10, 6), Scalar::Decimal(1), "0.000001"),
        (Decimal128(10, 7), Scalar::Decimal(0), "0E-7"),
        (Decimal128(38, 10), Scalar::Decimal(-12), "-1.2E-9"),
        (Decimal128(38, 10), Scalar::Decimal(1000), "1.000E-7"),
        (Decimal128(38, 10), Scalar::Decimal(-10000), "-0.0000010000"),
        (Decimal128(38, 37), Scalar::Decimal(1), "1E-37"),
        (Decimal128(38, 37), Scalar::Decimal(15 * 10i128.pow(36)), "1.5000000000000000000000000000000000000"),
        (Date32, int(19_724), "2024-01-02"),
        (Date32, int(-1), "1969-12-31"),
        (Date32, int(-719_162), "0001-01-01"),
        (Date32, int(-719_529), "-0001-12-31"),
        (Date32, int(3_000_000), "10183-09-21"),
        (Timestamp(Second, None), int(SECONDS), "2024-01-02%2003%3A04%3A05"),
        (Timestamp(Millisecond, None), int(SECONDS * 1000 + 678), "2024-01-02%2003%3A04%3A05.678"),
        (Timestamp(Millisecond, None), int(-500), "1969-12-31%2023%3A59%3A59.500"),
        (Timestamp(Microsecond, None), int(SECONDS * 1_000_000), "2024-01-02%2003%3A04%3A05.000000"),
        (Timestamp(Microsecond, None), int(253_402_300_800_000_000), "10000-01-01%2000%3A00%3A00.000000"),
        (Timestamp(Microsecond, None), int(-62_167_219_200_000_001), "-0001-12-31%2023%3A59%3A59.999999"),
        (Timestamp(Nanosecond, None), int(SECONDS * 1_000_000_000), "2024-01-02%2003%3A04%3A05.000000000"),
        (timestamptz(), int(SECONDS * 1_000_000), "2024-01-02%2003%3A04%3A05.000000Z"),
        (timestamptz(), int(-500_000), "1969-12-31%2023%3A59%3A59.500000Z"),
        (Time64(Microsecond), int(11_045_678_000), "03%3A04%3A05.678000"),
        (Time64(Nanosecond), int(11_045_000_000_000), "03%3A04%3A05.000000000"),
        (Binary, Scalar::Bytes(b"\xff/ a".as_slice().into()), "%FF%2F%20a"),
        (Utf8, text("a b"), "a%20b"),
        (Utf8, text("a=b"), "a%3Db"),
        (Utf8, text("a/b"), "a%2Fb"),
        (Utf8, text("100%"), "100%25"),
        (Utf8, text("a%20b"), "a%2520b"),
        (Utf8, text("a+b"), "a%2Bb"),
        (Utf8, text("it's \"q\""), "it%27s%20%22q%22"),
        (Utf8, text("Ünï"), "%C3%9Cn%C3%AF"),
        (Utf8, text("😀"), "%F0%9F%98%80"),
        (Utf8, text(""), ""),
        (Utf8, text("."), "."),
        (Utf8, text(".."), ".."),
        (Utf8, text("a\\b\nc:d"), "a%5Cb%0Ac%3Ad"),
        (Utf8, text("*?<>|,\x7f"), "%2A%3F%3C%3E%7C%2C%7F"),
        (Utf8, text("007"), "007"),
        (Utf8, text("~-_."), "~-_."),
        (LargeUtf8, text("true"), "true"),
    ]
}

#[test]
fn writes_what_pyarrow_writes_and_reads_it_back() {
    for (data_type, value, expected) in written_by_pyarrow() {
        let field = key(data_type);
        let segment = encode_segment(&field, &value).unwrap();
        assert_eq!(segment, format!("k={expected}"), "{value:?}");
        assert_eq!(decode_segment(&field, &segment).unwrap(), Some(value), "{segment}");
    }
    let uuid = uuid_field("k", true);
    let value = Scalar::Bytes((1..=16).collect());
    assert_eq!(encode_segment(&uuid, &value).unwrap(), "k=01020304-0506-0708-090a-0b0c0d0e0f10");
    // pyarrow stops at NUL; what we write comes back.
    assert_eq!(encode_segment(&key(DataType::Utf8), &text("a\0b")).unwrap(), "k=a%00b");
}

#[test]
fn reads_other_spellings() {
    use DataType::*;
    let micros = || Timestamp(TimeUnit::Microsecond, None);
    let instant = || Scalar::Int(SECONDS * 1_000_000);
    for (data_type, spelling, value) in [
        (Int32, "01", Scalar::Int(1)),
        (Int32, "+7.0", Scalar::Int(7)),
        (Boolean, "True", Scalar::Boolean(true)),
        (Boolean, "0", Scalar::Boolean(false)),
        (Float64, "2.0", Scalar::Float(2.0)),
        (Float64, "1E20", Scalar::Float(1e20)),
        (Float64, "nan", Scalar::Float(f64::NAN)),
        (Decimal128(4, 2), "1.5", Scalar::Decimal(150)),
        (Decimal128(4, 2), "001.5000", Scalar::Decimal(150)),
        (Decimal128(4, 0), "1e%2B3", Scalar::Decimal(1000)),
        (Utf8, "caf%c3%a9", text("café")),
        (Utf8, "café au lait=100%", text("café au lait=100%")),
        (Date32, "2024-1-2", Scalar::Int(19_724)),
        (Date32, "2024-01-02 00:00:00", Scalar::Int(19_724)),
        (micros(), "2024-01-02 03:04:05", instant()),
        (micros(), "2024-01-02T03:04:05Z", instant()),
        (micros(), "2024-01-02", Scalar::Int(19_724 * 86_400_000_000)),
        (timestamptz(), "2024-01-02 03%3A04%3A05%2B00", instant()),
        (timestamptz(), "2024-01-02 08:34:05.000 +05:30", instant()),
        (timestamptz(), "2024-01-01T22:04:05-0500", instant()),
        (Timestamp(TimeUnit::Second, None), "2024-01-02 03:04:05.000000", Scalar::Int(SECONDS)),
        (Time64(TimeUnit::Microsecond), "03:04", Scalar::Int(11_040_000_000)),
        (Time64(TimeUnit::Microsecond), "24:00:00", Scalar::Int(86_400_000_000)),
    ] {
        assert_eq!(read(data_type, &format!("k={spelling}")).unwrap(), Some(value), "{spelling}");
    }
    let uuid = decode_segment(&uuid_field("k", true), "k=0102030405060708090A0B0C0D0E0F10").unwrap();
    assert_eq!(uuid, Some(Scalar::Bytes((1..=16).collect())));
}

#[test]
fn the_hive_null_is_read_and_never_written() {
    assert_eq!(read(DataType::Int32, "k=__HIVE_DEFAULT_PARTITION__").unwrap(), Some(Scalar::Null));
    for value in [Scalar::Null, text(HIVE_NULL)] {
        let error = encode_segment(&key(DataType::Utf8), &value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert!(error.to_string().contains("Partition key \"k\""), "{error}");
    }
}

#[test]
fn what_is_no_value_of_the_type_is_an_error_that_names_it() {
    use DataType::*;
    let seconds = || Timestamp(TimeUnit::Second, None);
    for (data_type, spelling) in [
        (Int32, "x"),
        (Int32, ""),
        (Int32, "1.5"),
        (Int8, "128"),
        (UInt8, "-1"),
        (Boolean, "yes?"),
        (Float64, "1,5"),
        (Decimal128(4, 2), "1.505"),
        (Decimal128(4, 2), "100.00"),
        (Decimal128(4, 2), "1e999"),
        (Decimal128(4, 2), "."),
        (Date32, "2024-02-30"),
        (Date32, "24-01-02"),
        (Date32, "20240102"),
        (Date32, "2024-01-02 00:00:01"),
        (seconds(), "2024-01-02 03:04:05.5"),
        (seconds(), "2024-01-02 24:00:00"),
        (seconds(), "2024-01-02 03:04:05 CET"),
        (seconds(), "2024-01-02 03:04:05+é1"),
        (Timestamp(TimeUnit::Nanosecond, None), "9999-01-01 00:00:00"),
        (Time64(TimeUnit::Microsecond), "24:00:01"),
        (Time64(TimeUnit::Microsecond), "03:04:05."),
        (Time64(TimeUnit::Microsecond), "03:60:05"),
        (Utf8, "%FF"),
    ] {
        let error = read(data_type, &format!("k={spelling}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{spelling}");
        assert!(error.to_string().contains(&format!("\"k={spelling}\"")), "{error}");
    }
    let error = read(DataType::Int32, "k=x").unwrap_err().to_string();
    assert_eq!(error, "Directory \"k=x\" holds no value of partition key \"k\" (INTEGER)!");
}

#[test]
fn other_directories_are_not_of_the_key() {
    for segment in ["k", "kk=1", "_registry", "x=1", "=1", "%FF=1"] {
        assert_eq!(read(DataType::Int32, segment).unwrap(), None, "{segment}");
    }
    assert_eq!(read(DataType::Int32, "K=1").unwrap(), Some(Scalar::Int(1)));
}

#[test]
fn key_names_are_kept_but_for_what_would_break_the_path() {
    for (name, expected) in [
        ("a b", "a b=v"),
        ("Ü+", "Ü+=v"),
        ("a=b", "a%3Db=v"),
        ("../x\\y", "..%2Fx%5Cy=v"),
        ("100%", "100%25=v"),
        ("a\n\0", "a%0A%00=v"),
        ("a%20b", "a%2520b=v"),
    ] {
        let field = Field::new(name, DataType::Utf8, true);
        assert_eq!(encode_segment(&field, &text("v")).unwrap(), expected);
        let fully_escaped = format!("{}=v", percent_encode(name.as_bytes(), ESCAPED_IN_VALUES));
        for segment in [expected, &format!("{name}=v"), &fully_escaped] {
            assert_eq!(decode_segment(&field, segment).unwrap(), Some(text("v")), "{segment}");
        }
    }
}

#[test]
fn refuses_what_has_no_name() {
    let refuse = |field: &Field, value: Scalar| {
        let error = encode_segment(field, &value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint, "{error}");
        error.to_string()
    };
    assert_eq!(refuse(&key(DataType::Float64), Scalar::Float(f64::NAN)), "Partition key \"k\" cannot be NaN!");
    let infinite = refuse(&key(timestamptz()), Scalar::Int(i64::MAX));
    assert_eq!(infinite, "Partition key \"k\" cannot be infinity, which is no date of the calendar!");
    assert!(encode_segment(&key(DataType::Utf8), &text(&"x".repeat(253))).is_ok());
    assert!(refuse(&key(DataType::Utf8), text(&"x".repeat(254))).contains("256 bytes"));
    assert!(refuse(&key(DataType::Utf8), text(&"é".repeat(50))).contains("302 bytes"));
    assert!(encode_segment(&key(DataType::Int32), &text("1")).is_err());
}

#[test]
fn a_directory_has_one_level_a_key() {
    let schema = Schema::new(vec![
        Field::new("year", DataType::Int32, false),
        Field::new("x", DataType::Float64, true),
        Field::new("site", DataType::Utf8, false),
    ]);
    let table = Table::new(TableName::parse("images").unwrap(), schema.into(), vec![2, 0]);
    let values = [text("../../victim"), Scalar::Int(2024)];
    assert_eq!(directory(&table, &values).unwrap(), "images/site=..%2F..%2Fvictim/year=2024");
    assert!(directory(&table, &values[..1]).is_err());
    let flat = Table::new(TableName::parse("flat").unwrap(), table.schema().clone(), Vec::new());
    assert_eq!(directory(&flat, &[]).unwrap(), "flat");
}

fn typed_value() -> impl Strategy<Value = (Field, Scalar)> {
    select(testing::fields()).prop_flat_map(|field| {
        let values = testing::value(&field);
        (Just(field), values)
    })
}

proptest! {
    #[test]
    fn every_value_comes_back((field, value) in typed_value()) {
        match encode_segment(&field, &value) {
            Ok(segment) => prop_assert_eq!(decode_segment(&field, &segment).unwrap(), Some(value)),
            Err(error) => {
                let nan = matches!(value, Scalar::Float(value) if value.is_nan());
                prop_assert!(nan || error.to_string().contains("bytes"), "{}", error);
            }
        }
    }

    #[test]
    fn no_value_and_no_name_leaves_its_level(name in any::<String>(), value in any::<String>()) {
        let field = Field::new(name, DataType::Utf8, true);
        if let Ok(segment) = encode_segment(&field, &text(&value)) {
            prop_assert!(!segment.contains(['/', '\\', '\0', '\n']));
            prop_assert!(segment != "." && segment != ".." && segment.len() <= 255);
            prop_assert_eq!(decode_segment(&field, &segment).unwrap(), Some(text(&value)));
        }
    }

    #[test]
    fn no_directory_name_panics(name in "k=\\PC{0,24}", digits in "k=[-+0-9:.eETZ %]{0,24}") {
        for field in testing::fields() {
            for segment in [&name, &digits] {
                if let Ok(value) = decode_segment(&field, segment) {
                    prop_assert!(value.is_some());
                }
            }
        }
    }
}
