use std::sync::Arc;

use super::*;
use crate::store::types::{json_field, timestamptz, uuid_field};

fn images(extra: Vec<Field>) -> TableDefinition {
    let mut fields = vec![
        required("image_id", DataType::Utf8),
        required("instrument", DataType::Utf8),
        required("year", DataType::Int64),
        required("timestamp", timestamptz()),
        nullable("depth", DataType::Float64),
        nullable("metadata", DataType::Utf8),
    ];
    fields.extend(extra);
    definition("images", fields, &["instrument", "year"])
}

#[test]
fn creates_once() {
    let (_dir, storage) = store(None);
    let wanted = images(vec![uuid_field("u", true), json_field("j", true)]);
    assert_eq!(create_table(&storage, &wanted).unwrap().as_str(), "created");
    let text = file(&storage);
    assert!(text.starts_with("{\n  \"images\": {\n    \"schema_ipc\": \"/////"), "{text}");
    assert_eq!(create_table(&storage, &wanted).unwrap().as_str(), "unchanged");
    assert_eq!(file(&storage), text);

    let table = Registry::load(&storage).unwrap().table("images").unwrap();
    assert_eq!(table.schema().as_ref(), wanted.schema());
    assert_eq!(table.partition_by(), [1, 2]);
    let entry = &json(&storage)["images"];
    let keys: Vec<&String> = entry.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["schema_ipc", "columns", "schema_fields", "partition_by"]);
    assert_eq!(entry["columns"][7], "j");
    assert_eq!(entry["partition_by"], serde_json::json!(["instrument", "year"]));
    let uuid = serde_json::json!({"name": "u", "type": "extension<arrow.uuid>", "nullable": true});
    assert_eq!(entry["schema_fields"][6], uuid);

    create_table(&storage, &definition("flat", vec![nullable("a", DataType::Int8)], &[])).unwrap();
    assert_eq!(json(&storage)["flat"]["partition_by"], Value::Null);
}

#[test]
fn extends_what_the_python_library_wrote() {
    let (_dir, storage) = store(Some(PYARROW));
    let before = json(&storage);
    assert_eq!(create_table(&storage, &images(Vec::new())).unwrap(), CreateOutcome::Unchanged);
    assert_eq!(file(&storage), PYARROW);

    let wanted = images(vec![nullable("score", DataType::Float32)]);
    assert_eq!(create_table(&storage, &wanted).unwrap(), CreateOutcome::Extended);
    let after = json(&storage);
    // Every other entry, known or not, is as it was and where it was.
    let order = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&after), order(&before));
    for other in order(&before).iter().filter(|name| *name != "images") {
        assert_eq!(after[other], before[other], "{other}");
    }
    assert_eq!(after["images"]["owner"], before["images"]["owner"]);
    assert!(file(&storage).contains("2019.5"));
    // So are the columns that were there, in the types they were registered with.
    let entry = Entry::read(after["images"].as_object().unwrap()).unwrap();
    let entry::Columns::Typed(raw) = entry.columns else { panic!("types were written") };
    assert_eq!(raw.field(5).data_type(), &DataType::LargeUtf8);
    assert_eq!(raw.field(6), &nullable("score", DataType::Float32));
    assert_eq!(raw.metadata.get("source").map(String::as_str), Some("pydantic"));
    assert_eq!(after["images"]["schema_fields"][5]["type"], "large_string");
    assert_eq!(after["images"]["columns"][6], "score");
}

#[test]
fn extending_an_older_generation_writes_all_of_them() {
    let (_dir, storage) = store(Some(PYARROW));
    let mut fields: Vec<Field> = Registry::load(&storage)
        .unwrap()
        .table("bins")
        .unwrap()
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let bins = |fields: &[Field]| definition("bins", fields.to_vec(), &["day"]);
    assert_eq!(create_table(&storage, &bins(&fields)).unwrap(), CreateOutcome::Unchanged);
    fields.push(nullable("new", DataType::Boolean));
    assert_eq!(create_table(&storage, &bins(&fields)).unwrap(), CreateOutcome::Extended);
    let entry = &json(&storage)["bins"];
    assert!(entry["schema_ipc"].is_string() && entry["columns"].as_array().unwrap().len() == 7);
    assert_eq!(entry["partition_by"], serde_json::json!(["day"]));
    assert_eq!(Registry::load(&storage).unwrap().table("bins").unwrap().schema().field(6), &fields[6]);
}

#[test]
fn a_table_without_types_is_registered_again() {
    let (_dir, storage) = store(Some(PYARROW));
    let id = required("ID", DataType::Utf8);
    let error = create_table(&storage, &definition("names", vec![id.clone()], &[])).unwrap_err();
    assert!(error.to_string().contains("column \"score\""), "{error}");
    let fields = vec![nullable("score", DataType::Float64), id];
    assert_eq!(create_table(&storage, &definition("names", fields, &[])).unwrap(), CreateOutcome::Extended);
    let table = Registry::load(&storage).unwrap().table("names").unwrap();
    let expected = [required("id", DataType::Utf8), nullable("score", DataType::Float64)];
    assert_eq!(table.schema().fields().iter().map(|field| field.as_ref().clone()).collect::<Vec<_>>(), expected);
}

#[test]
fn names_must_be_free() {
    let (_dir, storage) = store(Some(r#"{"version": {"major": 1}, "flag": true}"#));
    let fields = || vec![nullable("a", DataType::Int8)];
    for taken in ["version", "flag"] {
        let error = create_table(&storage, &definition(taken, fields(), &[])).unwrap_err();
        assert!(error.to_string().contains("that is not a table"), "{error}");
    }
    create_table(&storage, &definition("images", fields(), &[])).unwrap();
    let error = create_table(&storage, &definition("Images", fields(), &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("\"Images\"") && error.to_string().contains("\"images\""), "{error}");
    assert_eq!(json(&storage)["flag"], true);
}

#[test]
fn no_table_is_lost_to_another() {
    let (dir, _) = store(None);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let dir = dir.path();
            scope.spawn(move || {
                let storage = Local::open(dir, false).unwrap();
                for round in 0..4 {
                    let fields = vec![nullable("a", DataType::Int8), nullable(&format!("c{thread}"), DataType::Int8)];
                    let own = definition(&format!("t{thread}_{round}"), fields, &[]);
                    assert_eq!(create_table(&storage, &own).unwrap(), CreateOutcome::Created);
                    // One of the threads wins; the others find it there.
                    let shared = definition(&format!("shared{round}"), vec![nullable("a", DataType::Int8)], &[]);
                    create_table(&storage, &shared).unwrap();
                }
            });
        }
    });
    let storage = Local::open(dir.path(), false).unwrap();
    assert_eq!(Registry::load(&storage).unwrap().table_names().count(), 8 * 4 + 4);
}

#[test]
fn refuses_what_cannot_be_a_table() {
    let point = DataType::Struct(vec![nullable("x", DataType::Int32)].into());
    let list = DataType::List(Arc::new(nullable("element", DataType::Int32)));
    let a = || nullable("a", DataType::Int32);
    for (fields, keys, what) in [
        (vec![], vec![], "at least one column"),
        (vec![nullable("", DataType::Int32)], vec![], "Column 1 has no name"),
        (vec![nullable("a\0", DataType::Int32)], vec![], "NUL"),
        (vec![a(), nullable("A", DataType::Int8)], vec![], "\"A\" is there twice!\n\"a\" and \"A\""),
        (vec![a(), nullable("Ä", DataType::Int8), nullable("ä", DataType::Int8)], vec![], "\"ä\" is there twice"),
        (vec![nullable("d", DataType::Duration(arrow::datatypes::TimeUnit::Second))], vec![], "Column \"d\""),
        (vec![a(), nullable("year", DataType::Int32)], vec!["yaer"], "Did you mean \"year\""),
        (vec![a(), nullable("b", DataType::Int32)], vec!["zz"], "The columns are a, b."),
        (vec![a(), nullable("b", DataType::Int32)], vec!["a", "A"], "\"A\" is there twice"),
        (vec![a()], vec!["a"], "Every column of table \"t\""),
        (vec![a(), nullable("p", point)], vec!["p"], "STRUCT(x INTEGER)"),
        (vec![a(), nullable("l", list)], vec!["l"], "INTEGER[]"),
        (vec![a(), nullable("b", DataType::LargeBinary)], vec!["b"], "BLOB"),
        (vec![a(), nullable("_k", DataType::Int8)], vec!["_k"], "\"_k\" cannot be a partition key"),
        (vec![a(), nullable(".k", DataType::Int8)], vec![".k"], "\".k\" cannot be"),
        (vec![a(), nullable("../k", DataType::Int8)], vec!["../k"], "\"../k\" cannot be"),
        (vec![a(), nullable("x/../k", DataType::Int8)], vec!["x/../k"], "\"x/../k\" cannot be"),
        (vec![a(), nullable("k=v", DataType::Int8)], vec!["k=v"], "\"k=v\" cannot be"),
    ] {
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        let error = TableDefinition::new(name("t"), fields, &keys).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    definition(
        "t",
        vec![a(), uuid_field("u", false), nullable("Day of year", DataType::Date32)],
        &["u", "day OF year"],
    );
}
