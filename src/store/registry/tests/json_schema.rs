use super::super::json_schema::fields;
use super::*;
use crate::store::types::sql_name;

/// See test/data/registry/make_schema.py.
const PYDANTIC: &str = include_str!("../../../../test/data/registry/pydantic.json");

fn shown(text: &str) -> Vec<String> {
    let not_null = |field: &Field| if field.is_nullable() { "" } else { " NOT NULL" };
    let json = |field: &Field| if field.data_type() == &DataType::LargeUtf8 { " (JSON)" } else { "" };
    let show = |field: &Field| format!("{} {}{}{}", field.name(), sql_name(field), json(field), not_null(field));
    fields(text).unwrap().iter().map(show).collect()
}

#[test]
fn reads_what_pydantic_prints() {
    let expected = [
        "image_id VARCHAR NOT NULL",
        "timestamp TIMESTAMP WITH TIME ZONE NOT NULL",
        "day DATE NOT NULL",
        "at TIME NOT NULL",
        "key UUID NOT NULL",
        "blob BLOB NOT NULL",
        "count BIGINT NOT NULL",
        "score DOUBLE NOT NULL",
        "good BOOLEAN NOT NULL",
        "label VARCHAR",
        "depth DOUBLE",
        "unit VARCHAR",
        "box VARCHAR (JSON) NOT NULL",
        "maybe_box VARCHAR (JSON)",
        "described_box VARCHAR (JSON) NOT NULL",
        "extra VARCHAR (JSON) NOT NULL",
        "counts VARCHAR (JSON) NOT NULL",
        "kind VARCHAR NOT NULL",
        "level BIGINT NOT NULL",
        "status VARCHAR NOT NULL",
        "one BIGINT NOT NULL",
        "tags VARCHAR[] NOT NULL",
        "maybe_tags VARCHAR[]",
        "matrix DOUBLE[][] NOT NULL",
        "boxes VARCHAR[] NOT NULL",
        "times TIMESTAMP WITH TIME ZONE[] NOT NULL",
        "names VARCHAR[] NOT NULL",
        "pair DOUBLE[] NOT NULL",
        "shape VARCHAR (JSON) NOT NULL",
        "Path/~Like VARCHAR NOT NULL",
    ];
    assert_eq!(shown(PYDANTIC), expected);
    let boxes = &fields(PYDANTIC).unwrap()[24];
    assert!(matches!(boxes.data_type(), DataType::List(element) if element.data_type() == &DataType::LargeUtf8));
    let all = TableDefinition::new(name("t"), fields(PYDANTIC).unwrap(), &["kind".to_owned()]).unwrap();
    assert_eq!(all.schema().fields().len(), expected.len());
}

#[test]
fn reads_a_model_that_refers_to_itself_and_lists_of_types() {
    let tree = r##"{"$defs": {"T": {"properties": {"x": {"type": ["integer", "null"]}, "kids": {"default": [],
        "items": {"$ref": "#/$defs/T"}, "type": "array"}}, "required": ["x"], "type": "object"}}, "$ref": "#/$defs/T"}"##;
    assert_eq!(shown(tree), ["x BIGINT", "kids VARCHAR[]"]);
}

#[test]
fn refuses_with_the_place() {
    for (schema, place, what) in [
        (r#"{}"#, "#/properties/c", "no type"),
        (r#"true"#, "#/properties/c", "no type"),
        (r#"{"type": "null"}"#, "#/properties/c", "nothing but null"),
        (r#"{"type": "array", "items": {}}"#, "#/properties/c/items", "no type"),
        (r#"{"type": "array"}"#, "#/properties/c", "an array of no type"),
        (
            r#"{"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}"#,
            "#/properties/c",
            "VARCHAR or BIGINT",
        ),
        (r#"{"anyOf": [{"type": "integer"}, {"type": "string"}]}"#, "#/properties/c", "BIGINT or VARCHAR"),
        (r#"{"anyOf": [{"type": "number"}, {"type": "string", "pattern": "x"}]}"#, "#/properties/c", "Decimal"),
        (r#"{"anyOf": [{"type": "null"}, {"type": "date"}]}"#, "#/properties/c/anyOf/1", "type \"date\""),
        (r#"{"type": "string", "format": "duration"}"#, "#/properties/c", "duration"),
        (r##"{"$ref": "#/$defs/None"}"##, "#/properties/c", "which is not there"),
        (r#"{"$ref": "https://example.org/x.json"}"#, "#/properties/c", "which is not there"),
        (r##"{"$ref": "#/properties/c"}"##, "#/properties/c", "a reference to itself"),
        (r#"{"enum": ["a", 1]}"#, "#/properties/c", "VARCHAR or BIGINT"),
        (r#"{"enum": []}"#, "#/properties/c", "no type"),
    ] {
        let text = format!("{{\"type\": \"object\", \"properties\": {{\"c\": {schema}}}, \"required\": [\"c\"]}}");
        let error = fields(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for part in ["Column \"c\"", what, &format!(" at {place}!")] {
            assert!(error.to_string().contains(part), "{schema}: {error}");
        }
    }
    for text in ["", "{", "[]", "{}", r#"{"type": "array", "items": {}}"#, r##"{"$ref": "#"}"##] {
        assert_eq!(fields(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
    }
}
