use std::sync::Arc;

use arrow::datatypes::Schema;

use super::*;
use crate::store::table::TableName;
use crate::store::types::{list_of, timestamptz, uuid_field};

fn table() -> Table {
    let fields = vec![
        Field::new("image_id", DataType::Utf8, false),
        Field::new("timestamp", timestamptz(), false),
        Field::new("depth", DataType::Float64, true),
        Field::new("good", DataType::Boolean, true),
        Field::new("tags", list_of(Field::new("element", DataType::Utf8, true)), true),
        Field::new("year", DataType::Int32, false),
        Field::new("sort desc", DataType::Int32, true),
        uuid_field("u", true),
    ];
    Table::new(TableName::parse("images").unwrap(), Arc::new(Schema::new(fields)), vec![5])
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn resolve(texts: &OptionTexts) -> Result<TableOptions> {
    TableOptions::resolve(texts, &table())
}

#[test]
fn options_have_one_spelling() {
    let given = OptionTexts {
        sort_by: names(&["TIMESTAMP desc", "image_id  ASC", "depth", "sort desc"]),
        bloom_filter: names(&["Image_ID", "u", "timestamp"]),
        compression: Some(" ZSTD( 9 )".to_owned()),
        row_group_rows: Some(1_000_000),
    };
    let spelt = OptionTexts {
        sort_by: names(&["timestamp DESC", "image_id", "depth", "sort desc"]),
        bloom_filter: names(&["image_id", "u", "timestamp"]),
        compression: Some("zstd(9)".to_owned()),
        row_group_rows: Some(1_000_000),
    };
    let options = resolve(&given).unwrap();
    assert_eq!(options.to_texts(), spelt);
    assert_eq!(resolve(&spelt).unwrap(), options);
    let nothing = OptionTexts { sort_by: Some(vec![]), bloom_filter: Some(vec![]), ..OptionTexts::default() };
    assert_eq!(resolve(&nothing).unwrap(), TableOptions::default());
    assert_eq!(TableOptions::default().to_texts(), OptionTexts::default());
}

#[test]
fn what_is_not_given_is_kept() {
    let stored = OptionTexts { sort_by: names(&["a"]), compression: Some("lz4".to_owned()), ..OptionTexts::default() };
    let given = OptionTexts { sort_by: Some(vec![]), row_group_rows: Some(5), ..OptionTexts::default() };
    let expected = OptionTexts { compression: Some("lz4".to_owned()), ..given.clone() };
    assert_eq!(given.or(stored), expected);
}

#[test]
fn columns_must_fit() {
    let sort = |columns: &[&str]| OptionTexts { sort_by: names(columns), ..OptionTexts::default() };
    let bloom = |columns: &[&str]| OptionTexts { bloom_filter: names(columns), ..OptionTexts::default() };
    for (texts, what) in [
        (sort(&["timestmp"]), "Option \"sort_by\" names \"timestmp\", which is not a column of table \"images\"!"),
        (sort(&["timestmp desc"]), "Did you mean \"timestamp\""),
        (sort(&["zzz"]), "The columns are image_id, timestamp,"),
        (sort(&["year"]), "\"year\", which is a partition key!"),
        (sort(&["tags"]), "column \"tags\", which is VARCHAR[]!"),
        (sort(&["depth", "DEPTH desc"]), "names column \"DEPTH\" twice!"),
        (bloom(&["imageid"]), "Did you mean \"image_id\""),
        (bloom(&["year"]), "\"year\", which is a partition key!"),
        (bloom(&["tags"]), "column \"tags\", which is VARCHAR[]!"),
        (bloom(&["depth"]), "column \"depth\", which is DOUBLE!"),
        (bloom(&["good"]), "column \"good\", which is BOOLEAN!"),
        (bloom(&["u", "U"]), "names column \"U\" twice!"),
        (bloom(&["timestamp desc"]), "\"timestamp desc\", which is not a column"),
    ] {
        let error = resolve(&texts).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn numbers_and_names_must_exist() {
    for rows in [i64::MIN, -1, 0, 999, 10_000_001] {
        let error = resolve(&OptionTexts { row_group_rows: Some(rows), ..OptionTexts::default() }).unwrap_err();
        assert!(error.to_string().contains(&format!("between 1000 and 10000000, not {rows}!")), "{error}");
    }
    for (text, what) in [
        ("zst", "Did you mean \"zstd\""),
        ("brotli", "There are zstd, snappy, lz4, gzip, uncompressed"),
        ("", "'', which is no compression!"),
        ("zstd(23)", "zstd has the levels 1 to 22."),
        ("zstd(0)", "'zstd(0)', which is a level that does not exist!"),
        ("zstd()", "a level that does not exist"),
        ("gzip(10)", "gzip has the levels 1 to 9."),
        ("snappy(1)", "'snappy(1)', which has no levels!"),
        ("zstd 9", "is no compression"),
    ] {
        let error = Codec::parse(text).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn codecs_are_read_as_they_are_spelt() {
    for text in ["zstd", "zstd(9)", "zstd(22)", "snappy", "lz4", "gzip", "gzip(9)", "uncompressed"] {
        assert_eq!(Codec::parse(text).unwrap().to_string(), text);
        assert_eq!(Codec::parse(&text.to_uppercase()).unwrap().to_string(), text);
    }
    assert_eq!(Codec::parse("zstd(1)").unwrap(), Codec::default());
}
