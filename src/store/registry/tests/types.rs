use std::sync::Arc;

use arrow::datatypes::{Schema, TimeUnit};
use proptest::prelude::*;

use super::*;
use crate::store::registry::{schema_ipc, type_text};
use crate::store::types::{canonical, list_of, map_of, same_type, uuid_field};

/// Every type that a store can hold, in every Arrow spelling, as a nameless nullable field.
pub(super) fn raw_type() -> impl Strategy<Value = Field> {
    let plain = |data_type| nullable("", data_type);
    let unit = prop::sample::select(vec![
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ]);
    let words = prop::sample::select(vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int64,
        DataType::UInt16,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::LargeBinary,
        DataType::BinaryView,
        DataType::Date32,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Time64(TimeUnit::Nanosecond),
        DataType::FixedSizeBinary(16),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8)),
    ]);
    let zone = prop::option::of(prop::sample::select(vec!["UTC", "Europe/Oslo", "+01:00"]));
    let leaf = prop_oneof![
        6 => words.prop_map(plain),
        1 => Just(uuid_field("", true)),
        1 => (1u8..=38).prop_map(move |digits| plain(DataType::Decimal128(digits, (digits / 2) as i8))),
        1 => (unit, zone).prop_map(move |(unit, zone)| plain(DataType::Timestamp(unit, zone.map(Into::into)))),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let child = ("[a-zA-Z_ ,<>()äß]{1,8}", inner.clone(), any::<bool>())
            .prop_map(|(name, field, nullable)| Arc::new(field.with_name(name).with_nullable(nullable)));
        prop_oneof![
            child.clone().prop_map(move |child| plain(DataType::List(child))),
            child.clone().prop_map(move |child| plain(DataType::LargeList(child))),
            (child.clone(), 1i32..9).prop_map(move |(child, size)| plain(DataType::FixedSizeList(child, size))),
            prop::collection::vec(child, 1..4).prop_map(move |children| plain(DataType::Struct(children.into()))),
            (inner.clone(), inner).prop_map(move |(key, value)| plain(map_of(Arc::new(key), Arc::new(value)))),
        ]
    })
}

proptest! {
    #[test]
    fn text_says_what_it_was_made_of(field in raw_type()) {
        let text = type_text::print(&field);
        prop_assert_eq!(type_text::parse(&text), Some(field), "{}", text);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "(list<|struct<a: |map<|dictionary<values=|timestamp\\[us|decimal\\(3,|[a-z0-9<>\\[\\](), :=-]){0,12}") {
        if let Some(field) = type_text::parse(&text) {
            prop_assert_eq!(type_text::parse(&type_text::print(&field)), Some(field));
        }
    }

    #[test]
    fn schemas_survive_ipc(types in prop::collection::vec((raw_type(), any::<bool>()), 0..6)) {
        let fields = types.into_iter().enumerate().map(|(i, (f, null))| f.with_name(format!("c{i}")).with_nullable(null));
        let schema = Schema::new(fields.collect::<Vec<_>>()).with_metadata(std::collections::HashMap::from([("k".to_owned(), "v".to_owned())]));
        let decoded = schema_ipc::decode(&schema_ipc::encode(&schema).unwrap()).unwrap();
        prop_assert_eq!(decoded, schema);
    }

    #[test]
    fn damaged_ipc_is_read_without_a_panic(at in 0usize..4096, to in any::<u8>(), cut in 0usize..4096) {
        use base64::Engine;
        use base64::prelude::BASE64_STANDARD;
        let registry: Value = serde_json::from_str(PYARROW).unwrap();
        let mut bytes = BASE64_STANDARD.decode(registry["types"]["schema_ipc"].as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        let _ = schema_ipc::decode(&BASE64_STANDARD.encode(&bytes)).map(|schema| {
            schema.fields().iter().map(|field| canonical(field)).collect::<Vec<_>>()
        });
        prop_assert!(schema_ipc::decode(&BASE64_STANDARD.encode(&bytes[..cut % bytes.len()])).is_err());
    }
}

#[test]
fn text_is_what_pyarrow_prints() {
    let registry: Value = serde_json::from_str(PYARROW).unwrap();
    let entry = &registry["types"];
    let schema = schema_ipc::decode(entry["schema_ipc"].as_str().unwrap()).unwrap();
    let fields = entry["schema_fields"].as_array().unwrap();
    assert_eq!(schema.fields().len(), fields.len());
    assert!(fields.len() > 50);
    for (field, printed) in schema.fields().iter().zip(fields) {
        let text = printed["type"].as_str().unwrap();
        assert_eq!(type_text::print(field), text);
        assert_eq!(field.is_nullable(), printed["nullable"]);
        let parsed = type_text::parse(text).unwrap().with_name(field.name());
        assert!(same_type(&canonical(field).unwrap(), &canonical(&parsed).unwrap()), "{text}");
    }
}

#[test]
fn deep_text_ends_in_an_error() {
    let (open, close) = ("list<a: ".repeat(100_000), ">".repeat(100_000));
    assert_eq!(type_text::parse(&format!("{open}int8{close}")), None);
}

#[test]
fn the_deepest_type_allowed_is_read_back() {
    let lists = |depth| (0..depth).fold(DataType::Int32, |inner, _| list_of(Field::new("e", inner, true)));
    let structs = |depth| {
        (0..depth).fold(DataType::Int32, |inner, _| DataType::Struct(vec![Field::new("a", inner, true)].into()))
    };
    let define = |data_type| {
        TableDefinition::new(TableName::parse("deep").unwrap(), vec![Field::new("c", data_type, true)], &[])
    };
    for allowed in [lists(50), structs(50)] {
        let root = tempfile::tempdir().unwrap();
        let storage = crate::storage::Local::open(root.path(), false).unwrap();
        create_table(&storage, &define(allowed.clone()).unwrap()).unwrap();
        assert_eq!(Registry::load(&storage).unwrap().table("deep").unwrap().schema().field(0).data_type(), &allowed);
    }
    let error = define(lists(51)).unwrap_err().to_string();
    assert!(error.contains("column \"c\" is nested more than 50 levels deep"), "{error}");
}
