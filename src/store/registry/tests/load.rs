use arrow::datatypes::TimeUnit;

use super::*;
use crate::store::types::{sql_name, timestamptz};

#[test]
fn reads_what_the_python_library_wrote() {
    let (_dir, storage) = store(Some(PYARROW));
    let registry = Registry::load(&storage).unwrap();
    let names: Vec<String> = registry.table_names().map(|name| name.to_string()).collect();
    assert_eq!(names, ["images", "types", "bins", "names"]);

    let images = registry.table("images").unwrap();
    let columns: Vec<String> = images
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{} {}{}", field.name(), sql_name(field), if field.is_nullable() { "" } else { "!" }))
        .collect();
    let expected = [
        "image_id VARCHAR!",
        "instrument VARCHAR!",
        "year BIGINT!",
        "timestamp TIMESTAMP WITH TIME ZONE!",
        "depth DOUBLE",
        "metadata VARCHAR",
    ];
    assert_eq!(columns, expected);
    assert_eq!(images.schema().field(5).data_type(), &DataType::LargeUtf8);
    assert_eq!(images.partition_by(), [1, 2]);
}

#[test]
fn reads_the_older_generations() {
    let (_dir, storage) = store(Some(PYARROW));
    let registry = Registry::load(&storage).unwrap();
    let bins = registry.table("bins").unwrap();
    let expected = [
        required("bin_id", DataType::Utf8),
        nullable("day", DataType::Date32),
        nullable("taken", timestamptz()),
        nullable("local", DataType::Timestamp(TimeUnit::Microsecond, None)),
        nullable("score", DataType::Float32),
        nullable("extra", DataType::LargeUtf8),
    ];
    assert_eq!(bins.schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>(), expected);
    assert_eq!(bins.partition_by(), [1]);

    let error = registry.table("names").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    for part in ["Table \"names\"", "_registry/tables.json", "no types", "Register it again"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn lists_tables_beside_damaged_ones() {
    let (_dir, storage) = store(Some(PYARROW));
    let registry = Registry::load(&storage).unwrap();
    let listed: Vec<(String, bool)> =
        registry.tables().map(|(name, table)| (name.to_string(), table.is_ok())).collect();
    let expected = [("images", true), ("types", true), ("bins", true), ("names", false)];
    assert_eq!(listed, expected.map(|(name, ok)| (name.to_owned(), ok)));
}

#[test]
fn names_are_found_whatever_their_case_and_missed_with_a_hint() {
    let (dir, storage) = store(None);
    let none = Registry::load(&storage).unwrap().table("images").unwrap_err();
    assert_eq!(none.kind(), ErrorKind::NotFound);
    assert_eq!(
        none.to_string(),
        format!(
            "Table \"images\" is not registered in {}!\n\
             No table is registered there; create one with amplify_create_table.",
            dir.path().display()
        )
    );
    let (_dir, storage) = store(Some(PYARROW));
    let registry = Registry::load(&storage).unwrap();
    assert_eq!(registry.table("IMAGES").unwrap().name().as_str(), "images");
    let error = registry.table("imges").unwrap_err().to_string();
    assert!(error.ends_with("!\nDid you mean \"images\"?"), "{error}");
    let error = registry.table("zzz").unwrap_err().to_string();
    assert!(error.ends_with("\nRegistered there: \"images\", \"types\", \"bins\", \"names\"."), "{error}");
}

#[test]
fn an_entry_that_could_leave_the_root_is_no_table() {
    let (_dir, storage) = store(Some(PYARROW));
    let registry = Registry::load(&storage).unwrap();
    assert!(registry.entries.contains_key("../escape"));
    assert_eq!(registry.table("../escape").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_torn_or_foreign_file_is_never_empty() {
    for text in ["", "{", "[]", "null", "7", "\u{feff}{}", &PYARROW[..PYARROW.len() - 9], "{}{}"] {
        let (_dir, storage) = store(Some(text));
        let error = Registry::load(&storage).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("_registry/tables.json\" is not a registry"), "{error}");
        let wanted = definition("t", vec![nullable("a", DataType::Int32)], &[]);
        assert_eq!(create_table(&storage, &wanted).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(file(&storage), text);
    }
}

#[test]
fn a_damaged_entry_is_told_and_stops_no_other_table() {
    let good = r#""good": {"schema_fields": [{"name": "a", "type": "int32", "nullable": false}]}"#;
    for (entry, what) in [
        (r#"{"schema_ipc": 7}"#, "\"schema_ipc\" is not a string"),
        (r#"{"schema_ipc": "?"}"#, "\"schema_ipc\" is damaged"),
        (r#"{"schema_ipc": "AAAA"}"#, "\"schema_ipc\" is damaged"),
        // An authoritative schema that is damaged is not made up for by the legacy one.
        (
            r#"{"schema_ipc": "/////+AB", "schema_fields": [{"name": "a", "type": "int8"}]}"#,
            "\"schema_ipc\" is damaged",
        ),
        (r#"{"schema_fields": {}}"#, "\"schema_fields\" is not a list"),
        (r#"{"schema_fields": [{"name": "a"}]}"#, "{\"name\":\"a\"}"),
        (r#"{"schema_fields": [{"name": "a", "type": "int8", "nullable": "no"}]}"#, "\"no\""),
        (r#"{"columns": [1]}"#, "\"columns\" is not a list of names"),
        (r#"{"columns": null}"#, "no columns"),
        (
            r#"{"schema_fields": [{"name": "a", "type": "int8"}], "partition_by": "a"}"#,
            "\"partition_by\" is not a list",
        ),
        (r#"{"schema_fields": [{"name": "a", "type": "int8"}], "partition_by": ["b"]}"#, "\"b\" is not a column"),
        (r#"{"schema_fields": [{"name": "a", "type": "int8"}, {"name": "a", "type": "int8"}]}"#, "there twice"),
    ] {
        let text = format!("{{\"bad\": {entry}, {good}}}");
        let (_dir, storage) = store(Some(&text));
        let registry = Registry::load(&storage).unwrap();
        assert_eq!(registry.table("good").unwrap().schema().fields().len(), 1);
        let error = registry.table("bad").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        for part in ["Table \"bad\"", "_registry/tables.json", what] {
            assert!(error.to_string().contains(part), "{what}: {error}");
        }

        let wanted = definition("bad", vec![nullable("z", DataType::Int32)], &[]);
        assert!(create_table(&storage, &wanted).is_err(), "{what}");
        assert_eq!(file(&storage), text);
        create_table(&storage, &definition("new", vec![nullable("a", DataType::Int32)], &[])).unwrap();
        assert_eq!(json(&storage)["bad"], serde_json::from_str::<Value>(entry).unwrap());
    }
}

#[test]
fn a_type_that_a_store_cannot_hold_is_named() {
    for type_name in ["duration[us]", "month_day_nano_interval", "list<item: null>", "int33", "time32[us]"] {
        let text = format!(r#"{{"t": {{"schema_fields": [{{"name": "age", "type": "{type_name}"}}]}}}}"#);
        let (_dir, storage) = store(Some(&text));
        let error = Registry::load(&storage).unwrap().table("t").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for part in ["Table \"t\"", "Column \"age\"", type_name] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
