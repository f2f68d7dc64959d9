use super::*;
use crate::store::table_options::OptionTexts;

fn sort_by(columns: &[&str]) -> OptionTexts {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    OptionTexts { sort_by: Some(columns), ..OptionTexts::default() }
}

fn compressed(text: &str) -> OptionTexts {
    OptionTexts { compression: Some(text.to_owned()), ..OptionTexts::default() }
}

fn images(extra: &[Field], options: &OptionTexts) -> TableDefinition {
    let mut fields = vec![
        required("Image_id", DataType::Utf8),
        required("year", DataType::Int64),
        nullable("depth", DataType::Int8),
    ];
    fields.extend_from_slice(extra);
    definition("images", fields, &["year"]).with_options(options.clone()).unwrap()
}

/// The options as a writer gets them, spelt.
fn registered(storage: &Local) -> OptionTexts {
    let registry = Registry::load(storage).unwrap();
    registry.options(&registry.table("images").unwrap()).unwrap().to_texts()
}

#[test]
fn options_given_replace_those_registered() {
    let (_dir, storage) = store(None);
    let register =
        |extra: &[Field], options: &OptionTexts| create_table(&storage, &images(extra, options)).unwrap().as_str();
    assert_eq!(register(&[], &sort_by(&["depth", "image_id desc"])), "created");
    let spelt = sort_by(&["depth", "Image_id DESC"]);
    assert_eq!(registered(&storage), spelt);
    let text = file(&storage);
    for same in [sort_by(&["DEPTH", "IMAGE_ID DESC"]), OptionTexts::default()] {
        assert_eq!(register(&[], &same), "unchanged");
        assert_eq!(file(&storage), text);
    }

    assert_eq!(register(&[], &compressed("ZSTD(9)")), "extended");
    assert_eq!(registered(&storage), compressed("zstd(9)").or(spelt.clone()));
    assert_eq!(register(&[nullable("new", DataType::Boolean)], &OptionTexts::default()), "extended");
    assert_eq!(registered(&storage), compressed("zstd(9)").or(spelt));
    // An empty list takes an option back; without any, the key goes.
    let both = |options| register(&[nullable("new", DataType::Boolean)], &options);
    assert_eq!(both(sort_by(&[])), "extended");
    assert_eq!(json(&storage)["images"]["amplify"], serde_json::json!({"compression": "zstd(9)"}));
    assert_eq!(both(sort_by(&[])), "unchanged");

    // A refused call has changed nothing: neither options nor columns.
    let text = file(&storage);
    let fields = vec![required("Image_id", DataType::Utf8), required("year", DataType::Int64)];
    let shorter = definition("images", fields, &["year"]).with_options(compressed("lz4")).unwrap();
    assert!(create_table(&storage, &shorter).unwrap_err().to_string().contains("\"depth\""));
    assert_eq!(file(&storage), text);
}

#[test]
fn without_options_there_is_no_key() {
    let (_dir, storage) = store(None);
    create_table(&storage, &images(&[], &sort_by(&[]))).unwrap();
    assert_eq!(json(&storage)["images"].get("amplify"), None);
    create_table(&storage, &images(&[], &sort_by(&["depth"]))).unwrap();
    assert_eq!(create_table(&storage, &images(&[], &sort_by(&[]))).unwrap(), CreateOutcome::Extended);
    assert_eq!(json(&storage)["images"].get("amplify"), None);
    assert_eq!(Registry::load(&storage).unwrap().options_json(&name("images")), None);
}

#[test]
fn what_is_not_known_stays() {
    let (_dir, storage) = store(None);
    create_table(&storage, &images(&[], &OptionTexts::default())).unwrap();
    let theirs = serde_json::json!({"later": {"a": [1]}, "sort_by": ["depth"], "compression": null, "z": 2});
    edit(&storage, theirs);
    assert_eq!(registered(&storage), sort_by(&["depth"]));
    let changed = OptionTexts { row_group_rows: Some(5_000), ..sort_by(&[]) };
    create_table(&storage, &images(&[], &changed)).unwrap();
    let expected = serde_json::json!({"later": {"a": [1]}, "z": 2, "row_group_rows": 5_000});
    assert_eq!(json(&storage)["images"]["amplify"], expected);
    assert_eq!(Registry::load(&storage).unwrap().options_json(&name("images")), Some(expected.to_string()));
}

#[test]
fn a_registry_rewritten_without_the_key_has_the_defaults() {
    let (_dir, storage) = store(None);
    create_table(&storage, &images(&[], &compressed("lz4"))).unwrap();
    edit(&storage, Value::Null);
    assert_eq!(registered(&storage), OptionTexts::default());
}

#[test]
fn damaged_options_stop_writers_alone() {
    for damaged in [
        serde_json::json!("zstd"),
        serde_json::json!({"sort_by": "depth"}),
        serde_json::json!({"sort_by": ["gone"]}),
        serde_json::json!({"bloom_filter": ["year"]}),
        serde_json::json!({"compression": "brotli"}),
        serde_json::json!({"row_group_rows": 0.5}),
        serde_json::json!({"row_group_rows": -1}),
    ] {
        let (_dir, storage) = store(None);
        create_table(&storage, &images(&[], &OptionTexts::default())).unwrap();
        edit(&storage, damaged.clone());
        let text = file(&storage);
        let registry = Registry::load(&storage).unwrap();
        let table = registry.table("images").unwrap();
        assert_eq!(create_table(&storage, &images(&[], &OptionTexts::default())).unwrap(), CreateOutcome::Unchanged);
        for error in [
            registry.options(&table).unwrap_err(),
            create_table(&storage, &images(&[], &compressed("lz4"))).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{damaged}");
            let text = error.to_string();
            assert!(text.contains("Table \"images\"") && text.contains("tables.json"), "{text}");
            assert!(text.contains("\"amplify\", are damaged"), "{text}");
        }
        assert_eq!(file(&storage), text);
    }
}

/// Puts `options` into the table's entry, as another program may.
fn edit(storage: &Local, options: Value) {
    storage
        .update(PATH, &mut |bytes| {
            let mut registry: Value = serde_json::from_slice(bytes.unwrap()).unwrap();
            registry["images"]["amplify"] = options.clone();
            Ok(Some(serde_json::to_vec_pretty(&registry).unwrap()))
        })
        .unwrap();
}
