use proptest::prelude::*;

use super::types::raw_type;
use super::*;

fn base() -> TableDefinition {
    let fields = vec![
        required("id", DataType::Utf8),
        required("Year", DataType::Int32),
        nullable("depth", DataType::Float64),
        nullable("site", DataType::Utf8),
    ];
    definition("images", fields, &["Year", "site"])
}

/// What becomes of the base table.
fn become_(fields: Vec<Field>, keys: &[&str]) -> Result<CreateOutcome> {
    let (_dir, storage) = store(None);
    create_table(&storage, &base()).unwrap();
    let before = file(&storage);
    let result = create_table(&storage, &definition("images", fields, keys));
    if !matches!(result, Ok(CreateOutcome::Extended)) {
        assert_eq!(file(&storage), before);
    }
    result
}

fn with(changes: impl FnOnce(&mut Vec<Field>)) -> Vec<Field> {
    let mut fields = base().schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    changes(&mut fields);
    fields
}

const KEYS: [&str; 2] = ["Year", "site"];

#[test]
fn what_may_change() {
    let unchanged: [fn(&mut Vec<Field>); 4] = [
        |_| {},
        |fields| fields.reverse(),
        |fields| fields[1] = required("yEAR", DataType::Int32),
        |fields| fields[0] = required("id", DataType::LargeUtf8),
    ];
    for change in unchanged {
        assert_eq!(become_(with(change), &KEYS).unwrap(), CreateOutcome::Unchanged);
    }
    assert_eq!(become_(with(|_| {}), &["year", "SITE"]).unwrap(), CreateOutcome::Unchanged);
    let extended: [fn(&mut Vec<Field>); 3] = [
        |fields| fields.insert(0, nullable("new", DataType::Date32)),
        |fields| fields[0] = nullable("id", DataType::Utf8),
        |fields| fields[1] = nullable("Year", DataType::Int32),
    ];
    for change in extended {
        assert_eq!(become_(with(change), &KEYS).unwrap(), CreateOutcome::Extended);
    }
}

#[test]
fn what_may_not_change() {
    type Case = (fn(&mut Vec<Field>), &'static [&'static str], &'static str);
    let refused: [Case; 10] = [
        (|fields| drop(fields.remove(2)), &KEYS, "a column \"depth\", which the new schema leaves out"),
        (
            |fields| fields[2] = nullable("depth", DataType::Float32),
            &KEYS,
            "\"depth\" of table \"images\" is DOUBLE and cannot become FLOAT",
        ),
        (
            |fields| fields[1] = required("year", DataType::Int64),
            &KEYS,
            "\"Year\" of table \"images\" is INTEGER and cannot become BIGINT",
        ),
        (
            |fields| fields[2] = required("depth", DataType::Float64),
            &KEYS,
            "\"depth\" of table \"images\" is nullable and cannot become NOT NULL",
        ),
        (
            |fields| fields.push(required("new", DataType::Int8)),
            &KEYS,
            "\"new\" cannot be added to table \"images\" as NOT NULL",
        ),
        (|fields| fields[2] = nullable("deepness", DataType::Float64), &KEYS, "a column \"depth\""),
        (|_| {}, &["site", "Year"], "partitioned by (Year, site) and cannot be partitioned by (site, Year)"),
        (|_| {}, &["Year"], "cannot be partitioned by (Year)"),
        (|_| {}, &["Year", "site", "depth"], "cannot be partitioned by (Year, site, depth)"),
        (|_| {}, &[], "cannot be partitioned by nothing"),
    ];
    for (change, keys, what) in refused {
        let error = become_(with(change), keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert!(error.to_string().contains(what), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever columns a table begins with and gains: what was there stays as and where it was, what is new comes
    /// behind, saying the same again changes nothing, and there is no way back.
    #[test]
    fn growth_keeps_what_was_there(
        types in prop::collection::vec((raw_type(), any::<bool>()), 1..6),
        added in prop::collection::vec(raw_type(), 0..4),
        rotate in 0usize..10,
    ) {
        let old: Vec<Field> = types
            .into_iter()
            .enumerate()
            .map(|(i, (field, nullable))| field.with_name(format!("c{i}")).with_nullable(nullable))
            .collect();
        let new = added.into_iter().enumerate().map(|(i, field)| field.with_name(format!("n{i}")).with_nullable(true));
        let mut wanted: Vec<Field> = old.iter().cloned().chain(new).collect();
        let added = wanted.len() - old.len();
        let middle = rotate % wanted.len();
        wanted.rotate_left(middle);

        let (_dir, storage) = store(None);
        let (first, second) = (definition("t", old, &[]), definition("t", wanted, &[]));
        prop_assert_eq!(create_table(&storage, &first).unwrap(), CreateOutcome::Created);
        let outcome = create_table(&storage, &second).unwrap();
        prop_assert_eq!(outcome, if added == 0 { CreateOutcome::Unchanged } else { CreateOutcome::Extended });
        prop_assert_eq!(create_table(&storage, &second).unwrap(), CreateOutcome::Unchanged);
        if added > 0 {
            prop_assert_eq!(create_table(&storage, &first).unwrap_err().kind(), ErrorKind::Constraint);
        }
        let table = Registry::load(&storage).unwrap().table("t").unwrap();
        let there = first.schema().fields().len();
        prop_assert_eq!(table.schema().fields().len(), there + added);
        prop_assert_eq!(&table.schema().fields()[..there], &first.schema().fields()[..]);
    }
}
