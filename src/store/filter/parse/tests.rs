use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    BooleanArray, Float64Array, Int32Array, ListArray, MapArray, NullArray, StringArray, StringViewArray, StructArray,
    new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{FieldRef, Int32Type, Schema};

use super::*;
use crate::error::ErrorKind;
use crate::store::table::TableName;
use crate::store::types::{json_field, list_of};

fn table() -> Table {
    let fields = vec![
        Field::new("Year", DataType::Int32, false),
        Field::new("class_name", DataType::Utf8, true),
        Field::new("depth", DataType::Float64, true),
        json_field("meta", true),
        Field::new("tags", list_of(Field::new("element", DataType::Utf8, true)), true),
    ];
    Table::new(TableName::parse("images").unwrap(), Arc::new(Schema::new(fields)), vec![0])
}

fn parse_array(array: impl Array + 'static) -> Result<Vec<(usize, Predicate)>> {
    let array: ArrayRef = Arc::new(array);
    let field = Field::new("filters", array.data_type().clone(), true);
    let conditions = conditions(&table(), &array, &field)?;
    Ok(conditions.into_iter().map(|condition| (condition.column, condition.predicate)).collect())
}

fn parse(json: &str) -> Result<Vec<(usize, Predicate)>> {
    parse_array(StringArray::from(vec![json]))
}

fn shown(conditions: Result<Vec<(usize, Predicate)>>) -> String {
    let conditions = conditions.unwrap_or_else(|error| panic!("{error}"));
    let shown: Vec<String> = conditions.iter().map(|(column, predicate)| format!("{column} {predicate:?}")).collect();
    shown.join("; ")
}

fn fail(json: &str) -> String {
    let error = parse(json).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    error.to_string()
}

fn structure(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let (names, arrays): (Vec<&str>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let fields = names.iter().zip(&arrays).map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    StructArray::new(fields.collect::<Vec<_>>().into(), arrays, None)
}

/// A MAP in one row.
fn map(keys: Vec<&str>, values: ArrayRef) -> MapArray {
    let rows = i32::try_from(keys.len()).unwrap();
    let fields = vec![Field::new("key", DataType::Utf8, false), Field::new("value", values.data_type().clone(), true)];
    let entries = StructArray::new(fields.into(), vec![Arc::new(StringArray::from(keys)), values], None);
    let field: FieldRef = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    MapArray::new(field, OffsetBuffer::new(vec![0, rows].into()), entries, None, false)
}

#[test]
fn json_gives_typed_conditions() {
    assert_eq!(shown(parse(r#"{"year": 2024}"#)), "0 Equal(Int(2024))");
    assert_eq!(shown(parse(r#"{"year": "2024"}"#)), "0 Equal(Int(2024))");
    assert_eq!(shown(parse(r#"{"class_name": 7}"#)), r#"1 Equal(Text("7"))"#);
    assert_eq!(shown(parse(r#"{"CLASS_NAME": true}"#)), r#"1 Equal(Text("true"))"#);
    assert_eq!(
        shown(parse(r#"{"depth": {"gte": 1.5, "GT": 1, "lt": 1e2, "lte": 9, "is_null": false}, "year": 1}"#)),
        "2 GreaterOrEqual(Float(1.5)); 2 Greater(Float(1.0)); 2 Less(Float(100.0)); 2 LessOrEqual(Float(9.0)); \
         2 IsNull(false); 0 Equal(Int(1))"
    );
    assert_eq!(shown(parse(r#"{"year": {"in": [3, "1", 3, 2]}}"#)), "0 In([Int(1), Int(2), Int(3)])");
    assert_eq!(shown(parse(r#"{"year": {"in": []}}"#)), "0 In([])");
    assert_eq!(shown(parse(r#"{"meta": "{\"a\": 1}"}"#)), r#"3 Equal(Text("{\"a\": 1}"))"#);
    assert_eq!(shown(parse("{}")), "");
    assert_eq!(shown(parse("null")), "");
}

#[test]
fn a_struct_gives_the_same() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(2), Some(1)])]);
    let argument = structure(vec![
        ("YEAR", Arc::new(structure(vec![("in", Arc::new(list))]))),
        ("class_name", Arc::new(StringViewArray::from(vec!["it's; DROP TABLE x --"]))),
        ("depth", Arc::new(structure(vec![("is_null", Arc::new(BooleanArray::from(vec![true])))]))),
    ]);
    assert_eq!(
        shown(parse_array(argument)),
        r#"0 In([Int(1), Int(2)]); 1 Equal(Text("it's; DROP TABLE x --")); 2 IsNull(true)"#
    );
    let empty = ListArray::new(
        Arc::new(Field::new("element", DataType::Null, true)),
        OffsetBuffer::new(vec![0, 0].into()),
        new_empty_array(&DataType::Null),
        None,
    );
    let argument = structure(vec![("year", Arc::new(structure(vec![("in", Arc::new(empty))])))]);
    assert_eq!(shown(parse_array(argument)), "0 In([])");
}

#[test]
fn a_map_gives_the_same() {
    let values = Arc::new(Int32Array::from(vec![2024, 5]));
    assert_eq!(shown(parse_array(map(vec!["year", "depth"], values))), "0 Equal(Int(2024)); 2 Equal(Float(5.0))");
    // A column named twice in different case: both conditions hold.
    let values = Arc::new(Int32Array::from(vec![1, 2]));
    assert_eq!(shown(parse_array(map(vec!["year", "YEAR"], values))), "0 Equal(Int(1)); 0 Equal(Int(2))");
    let keys_are_numbers = {
        let pair = vec![Field::new("key", DataType::Int32, false), Field::new("value", DataType::Int32, true)];
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let entries = StructArray::new(pair.into(), vec![number.clone(), number], None);
        let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
        MapArray::new(field, OffsetBuffer::new(vec![0, 1].into()), entries, None, false)
    };
    assert!(parse_array(keys_are_numbers).unwrap_err().to_string().contains("must be text, not Int32"));
}

#[test]
fn a_map_of_structs_has_everybodys_operators() {
    let operators = |gte: Vec<Option<i32>>, lt: Vec<Option<i32>>| {
        structure(vec![("gte", Arc::new(Int32Array::from(gte))), ("lt", Arc::new(Int32Array::from(lt)))])
    };
    let argument = map(vec!["year", "depth"], Arc::new(operators(vec![Some(1), None], vec![None, Some(2)])));
    assert_eq!(shown(parse_array(argument)), "0 GreaterOrEqual(Int(1)); 2 Less(Float(2.0))");
    // Nobody gave a value for this operator: the NULL is the user's.
    let argument = map(vec!["year", "depth"], Arc::new(operators(vec![Some(1), Some(2)], vec![None, None])));
    assert!(parse_array(argument).unwrap_err().to_string().contains("compares with NULL (\"lt\")"));
    let argument = map(vec!["year"], Arc::new(operators(vec![Some(1)], vec![None])));
    assert!(parse_array(argument).is_err());
}

#[test]
fn json_typed_values_are_json() {
    let json = |text: &str| -> (Field, ArrayRef) {
        let metadata = HashMap::from([("ARROW:extension:name".to_owned(), "arrow.json".to_owned())]);
        let field = Field::new("year", DataType::Utf8, true).with_metadata(metadata);
        (field, Arc::new(StringArray::from(vec![text])))
    };
    let (field, array) = json(r#"{"gte": 1}"#);
    let argument = StructArray::new(vec![field].into(), vec![array], None);
    assert_eq!(shown(parse_array(argument)), "0 GreaterOrEqual(Int(1))");
    let (field, array) = json(r#"{"year": 1}"#);
    assert_eq!(conditions(&table(), &array, &field).unwrap().len(), 1);
}

#[test]
fn null_is_no_filter() {
    assert_eq!(shown(parse_array(NullArray::new(1))), "");
    assert_eq!(shown(parse_array(StringArray::from(vec![None::<&str>]))), "");
    let argument = structure(vec![("year", Arc::new(Int32Array::from(vec![1])))]);
    assert_eq!(shown(parse_array(StructArray::new_null(argument.fields().clone(), 1))), "");
}

#[test]
fn what_is_no_filter_is_refused() {
    for bad in ["[]", "1", "\"year\"", "true"] {
        assert!(fail(bad).contains("STRUCT, a MAP or a JSON object"), "{bad}");
    }
    for bad in ["", "{year: 1}", "{\"year\": 1", "{} x"] {
        assert!(fail(bad).contains("not valid JSON"), "{bad}");
    }
    assert!(parse_array(Float64Array::from(vec![1.0])).is_err());
    let error = parse(r#"{"yaer": 1}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("Did you mean \"Year\"?"), "{error}");
}

#[test]
fn operators_are_checked() {
    assert_eq!(
        fail(r#"{"depth": {"gtee": 1}}"#),
        "The filter on column \"depth\" of table \"images\" has the unknown operator \"gtee\"!\n\
         Did you mean \"gte\" or \"gt\"? Operators are gte, gt, lte, lt, in, is_null."
    );
    assert!(fail(r#"{"depth": {">=": 1}}"#).ends_with("!\nOperators are gte, gt, lte, lt, in, is_null."));
    assert!(fail(r#"{"depth": {}}"#).contains("has no operator!\nOperators are"));
    for bad in [r#"{"depth": {"gte": [1]}}"#, r#"{"depth": {"lt": {"gt": 1}}}"#] {
        assert!(fail(bad).contains("needs a single value"), "{bad}");
    }
    for bad in [r#"{"depth": {"in": 1}}"#, r#"{"depth": {"in": null}}"#, r#"{"depth": {"in": [[1]]}}"#] {
        assert!(fail(bad).contains("needs a list of values behind \"in\""), "{bad}");
    }
    for bad in [r#"{"depth": {"is_null": null}}"#, r#"{"depth": {"is_null": "x"}}"#, r#"{"depth": {"is_null": []}}"#] {
        assert!(fail(bad).contains("needs true or false"), "{bad}");
    }
    for bad in [r#"{"depth": [1]}"#, r#"{"depth": [{"gt": 1}]}"#] {
        assert!(fail(bad).contains("is a list!\nUse {'in': […]}"), "{bad}");
    }
}

#[test]
fn null_is_compared_with_by_is_null_only() {
    assert!(fail(r#"{"depth": null}"#).contains("= NULL, which no row is!\nUse {is_null: true}"));
    assert!(fail(r#"{"depth": {"gte": null}}"#).contains("compares with NULL (\"gte\")"));
    assert!(fail(r#"{"depth": {"in": [1, null]}}"#).contains("has NULL among the values"));
    let argument = structure(vec![("depth", new_null_array(&DataType::Int32, 1))]);
    assert!(parse_array(argument).unwrap_err().to_string().contains("= NULL"));
}

#[test]
fn a_nested_column_knows_is_null_only() {
    assert_eq!(shown(parse(r#"{"tags": {"is_null": true}}"#)), "4 IsNull(true)");
    for bad in [r#"{"tags": "a"}"#, r#"{"tags": {"gt": "a"}}"#, r#"{"tags": {"in": ["a"]}}"#] {
        assert!(fail(bad).contains("nested type VARCHAR[]!\nA nested column"), "{bad}");
    }
}

#[test]
fn a_value_of_another_type_is_refused() {
    assert!(parse(r#"{"year": "x"}"#).is_err());
    assert!(parse(r#"{"year": {"in": [1, 99999999999]}}"#).is_err());
    assert!(parse(r#"{"year": {"gte": "x"}}"#).is_err());
}
