//! Columns from a JSON Schema object, as Pydantic's `model_json_schema()` prints it.
//!
//! | JSON Schema | column |
//! |---|---|
//! | string | VARCHAR; by format: `date-time` TIMESTAMP WITH TIME ZONE, `date` DATE, `time` TIME, `uuid` UUID, `binary` BLOB |
//! | integer, number, boolean | BIGINT, DOUBLE, BOOLEAN |
//! | `enum` or `const` of strings, integers, … | that type |
//! | object, also one in `$defs` | VARCHAR of JSON text |
//! | array of one type (`items`, or `prefixItems` that agree) | a list |
//! | `anyOf`, `oneOf` of alternatives that come to one type | that type |
//!
//! A column is nullable where `null` is among the alternatives, where it has a default, or where it is not required.
//! Every other format of a string is text in JSON too, and becomes VARCHAR. Refused, with the place in the schema:
//! what says no type (`Any`, a bare `list`), alternatives of different types, `timedelta` (format `duration`: DuckDB's
//! INTERVAL has no column type in a store) and `Decimal`, whose digits the schema does not tell.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::store::types;

/// How many references and alternatives may lie between a column and its type.
const MAX_DEPTH: usize = 64;

/// The columns that the schema describes, in its order.
///
/// # Errors
/// `InvalidInput` where the text is no JSON Schema of an object; `Unsupported`, naming the column and the place in the
/// schema, for what has no column type.
pub fn fields(text: &str) -> Result<Vec<Field>> {
    let root: Value = serde_json::from_str(text)
        .map_err(|error| Error::invalid("The JSON Schema is not valid JSON").with_source(error))?;
    let (properties, object) = properties(&root, &root, 0).ok_or_else(|| {
        Error::invalid("The JSON Schema does not describe an object with properties!")
            .with_hint("Give what a Pydantic model's model_json_schema() returns.")
    })?;
    let required: BTreeSet<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let column = |(name, schema): (&String, &Value)| {
        let path = format!("#/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        let reader = Reader { root: &root, column: name };
        let found = reader.read(&Place { schema, path: path.clone(), depth: 0 })?;
        let optional = found.nullable || schema.get("default").is_some() || !required.contains(name.as_str());
        match found.field {
            Some(field) => Ok(field.with_nullable(optional)),
            None => Err(reader.refuse(&path, "nothing but null", "Give it a type.")),
        }
    };
    properties.iter().map(column).collect()
}

/// The properties of an object, and the object, behind references.
fn properties<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<(&'a Map<String, Value>, &'a Value)> {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        return Some((properties, schema));
    }
    let target = match (schema.get("$ref").and_then(Value::as_str), schema.get("allOf").and_then(Value::as_array)) {
        (Some(reference), _) => root.pointer(reference.strip_prefix('#')?)?,
        (None, Some(parts)) if parts.len() == 1 => &parts[0],
        _ => return None,
    };
    if depth < MAX_DEPTH { properties(root, target, depth + 1) } else { None }
}

/// A schema within the schema.
struct Place<'a> {
    schema: &'a Value,
    /// As a JSON pointer, for messages.
    path: String,
    depth: usize,
}

impl<'a> Place<'a> {
    fn below(&self, schema: &'a Value, step: &str) -> Self {
        Self { schema, path: format!("{}/{step}", self.path), depth: self.depth + 1 }
    }
}

/// A type, if there is one besides null, and whether null is allowed.
struct Found {
    field: Option<Field>,
    nullable: bool,
}

struct Reader<'a> {
    root: &'a Value,
    column: &'a str,
}

impl<'a> Reader<'a> {
    fn read(&self, place: &Place<'a>) -> Result<Found> {
        if place.depth > MAX_DEPTH {
            return Err(self.refuse(&place.path, "a reference to itself", "Give it a type."));
        }
        let get = |key: &str| place.schema.get(key);
        if let Some(reference) = get("$ref") {
            let target = reference.as_str().and_then(|text| text.strip_prefix('#')).and_then(|p| self.root.pointer(p));
            let Some(schema) = target else {
                let hint = "Only references within the schema (\"#/$defs/…\") are followed.";
                return Err(self.refuse(&place.path, &format!("{reference}, which is not there"), hint));
            };
            let path = reference.as_str().unwrap_or_default().to_owned();
            return self.read(&Place { schema, path, depth: place.depth + 1 });
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            match get(key).and_then(Value::as_array) {
                Some(alternatives) if key != "allOf" || alternatives.len() == 1 => {
                    let read = |(index, schema)| self.read(&place.below(schema, &format!("{key}/{index}")));
                    return self.one_of(place, alternatives.iter().enumerate().map(read));
                }
                _ => {}
            }
        }
        match get("type") {
            Some(Value::String(name)) => self.typed(place, name),
            Some(Value::Array(names)) => {
                let read = |name: &Value| self.typed(place, name.as_str().unwrap_or_default());
                self.one_of(place, names.iter().map(read))
            }
            _ => self.listed(place),
        }
    }

    /// What several alternatives come to, if they agree.
    fn one_of(&self, place: &Place<'a>, alternatives: impl Iterator<Item = Result<Found>>) -> Result<Found> {
        let mut all = Found { field: None, nullable: false };
        for found in alternatives {
            let found = found?;
            all.nullable |= found.nullable;
            match (&all.field, found.field) {
                (None, field) => all.field = field,
                (Some(one), Some(other)) if *one != other => return Err(self.disagree(place, one, &other)),
                _ => {}
            }
        }
        Ok(all)
    }

    fn disagree(&self, place: &Place<'a>, one: &Field, other: &Field) -> Error {
        let (one, other) = (types::sql_name(one), types::sql_name(other));
        let hint = if (one.as_str(), other.as_str()) == ("DOUBLE", "VARCHAR") {
            "If it is a Decimal: register the columns as text or as a STRUCT instead, and choose its digits with \
             DECIMAL(p, s)."
        } else {
            "A column has one type."
        };
        self.refuse(&place.path, &format!("{one} or {other}"), hint)
    }

    /// A schema that lists its values instead of naming a type.
    fn listed(&self, place: &Place<'a>) -> Result<Found> {
        let values = match (place.schema.get("const"), place.schema.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => std::slice::from_ref(value),
            (None, Some(values)) => values,
            (None, None) => &[],
        };
        if values.is_empty() {
            return Err(self.refuse(&place.path, "no type", "Give it a type other than Any."));
        }
        let type_name = |value: &Value| match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        self.one_of(place, values.iter().map(|value| self.typed(place, type_name(value))))
    }

    fn typed(&self, place: &Place<'a>, type_name: &str) -> Result<Found> {
        let plain = |data_type| Field::new(self.column, data_type, true);
        let field = match type_name {
            "null" => return Ok(Found { field: None, nullable: true }),
            "string" => self.string(place)?,
            "integer" => plain(DataType::Int64),
            "number" => plain(DataType::Float64),
            "boolean" => plain(DataType::Boolean),
            "object" => types::json_field(self.column, true),
            "array" => self.array(place)?,
            other => {
                return Err(self.refuse(&place.path, &format!("type \"{other}\""), "JSON Schema has no such type."));
            }
        };
        Ok(Found { field: Some(field), nullable: false })
    }

    fn string(&self, place: &Place<'a>) -> Result<Field> {
        let data_type = match place.schema.get("format").and_then(Value::as_str) {
            Some("date-time") => types::timestamptz(),
            Some("date") => DataType::Date32,
            Some("time") => DataType::Time64(TimeUnit::Microsecond),
            Some("uuid") => return Ok(types::uuid_field(self.column, true)),
            Some("binary") => DataType::Binary,
            Some("duration") => {
                let hint = "A store cannot hold intervals: give a number of seconds instead.";
                return Err(self.refuse(&place.path, "format \"duration\"", hint));
            }
            _ => DataType::Utf8,
        };
        Ok(Field::new(self.column, data_type, true))
    }

    fn array(&self, place: &Place<'a>) -> Result<Field> {
        let found = match (place.schema.get("items"), place.schema.get("prefixItems").and_then(Value::as_array)) {
            (_, Some(items)) => {
                let read = |(index, schema)| self.read(&place.below(schema, &format!("prefixItems/{index}")));
                self.one_of(place, items.iter().enumerate().map(read))?
            }
            (Some(items), None) => self.read(&place.below(items, "items"))?,
            (None, None) => Found { field: None, nullable: false },
        };
        match found.field {
            Some(element) => Ok(Field::new(self.column, types::list_of(element), true)),
            None => Err(self.refuse(&place.path, "an array of no type", "Give its elements a type, as in list[str].")),
        }
    }

    fn refuse(&self, path: &str, what: &str, hint: &str) -> Error {
        let message = format!(
            "Column \"{}\" has no column type: the JSON Schema has {what} at {path}!",
            self.column.escape_debug()
        );
        Error::new(ErrorKind::Unsupported, message).with_hint(hint)
    }
}
