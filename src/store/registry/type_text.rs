//! `schema_fields`: Arrow types as text, as pyarrow prints them (`str(type)`).
//!
//! The text says less than `schema_ipc` does, which is why that one is read first: the names and nullability inside a
//! map are lost, and so is the storage of an extension type. A field of a struct whose name holds `: ` cannot be told
//! from its type; such text is not understood, or understood wrongly, by everybody.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::store::types;

const EXTENSION_NAME: &str = "ARROW:extension:name";
/// How deep types may nest in text that is read.
const MAX_DEPTH: usize = 64;

/// Types that are a word.
const PLAIN: [(&str, DataType); 18] = [
    ("bool", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("halffloat", DataType::Float16),
    ("float", DataType::Float32),
    ("double", DataType::Float64),
    ("string", DataType::Utf8),
    ("large_string", DataType::LargeUtf8),
    ("string_view", DataType::Utf8View),
    ("binary", DataType::Binary),
    ("large_binary", DataType::LargeBinary),
    ("binary_view", DataType::BinaryView),
];

/// Other names of types, as people and older versions write them.
const ALIASES: [(&str, DataType); 6] = [
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("utf8", DataType::Utf8),
    ("large_utf8", DataType::LargeUtf8),
    ("boolean", DataType::Boolean),
];

const UNITS: [(&str, TimeUnit); 4] = [
    ("s", TimeUnit::Second),
    ("ms", TimeUnit::Millisecond),
    ("us", TimeUnit::Microsecond),
    ("ns", TimeUnit::Nanosecond),
];

/// The type of a field that a store can hold, as pyarrow prints it. The field's own name and nullability are no part
/// of it.
pub(super) fn print(field: &Field) -> String {
    if let Some(extension) = extension(field) {
        return format!("extension<{extension}>");
    }
    match field.data_type() {
        DataType::Date32 => "date32[day]".into(),
        DataType::Date64 => "date64[ms]".into(),
        DataType::Time32(unit) => format!("time32[{}]", unit_name(*unit)),
        DataType::Time64(unit) => format!("time64[{}]", unit_name(*unit)),
        DataType::Timestamp(unit, None) => format!("timestamp[{}]", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp[{}, tz={zone}]", unit_name(*unit)),
        DataType::Decimal32(precision, scale) => format!("decimal32({precision}, {scale})"),
        DataType::Decimal64(precision, scale) => format!("decimal64({precision}, {scale})"),
        DataType::Decimal128(precision, scale) => format!("decimal128({precision}, {scale})"),
        DataType::Decimal256(precision, scale) => format!("decimal256({precision}, {scale})"),
        DataType::FixedSizeBinary(size) => format!("fixed_size_binary[{size}]"),
        DataType::Dictionary(indices, values) => {
            let part = |data_type: &DataType| print(&Field::new("", data_type.clone(), true));
            let ordered = i32::from(field.dict_is_ordered() == Some(true));
            format!("dictionary<values={}, indices={}, ordered={ordered}>", part(values), part(indices))
        }
        DataType::List(element) => format!("list<{}>", print_child(element)),
        DataType::LargeList(element) => format!("large_list<{}>", print_child(element)),
        DataType::ListView(element) => format!("list_view<{}>", print_child(element)),
        DataType::LargeListView(element) => format!("large_list_view<{}>", print_child(element)),
        DataType::FixedSizeList(element, size) => format!("fixed_size_list<{}>[{size}]", print_child(element)),
        DataType::Struct(children) => {
            let children: Vec<String> = children.iter().map(|child| print_child(child)).collect();
            format!("struct<{}>", children.join(", "))
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let part = |child: &Field, usual| match child.name().as_str() {
                    name if name == usual => print(child),
                    name => format!("{} ('{name}')", print(child)),
                };
                let sorted = if *sorted { ", keys_sorted" } else { "" };
                format!("map<{}, {}{sorted}>", part(&pair[0], "key"), part(&pair[1], "value"))
            }
            other => other.to_string(),
        },
        other => match PLAIN.iter().find(|(_, plain)| plain == other) {
            Some((name, _)) => (*name).to_owned(),
            None => other.to_string(), // not what a store can hold
        },
    }
}

fn print_child(child: &Field) -> String {
    let not_null = if child.is_nullable() { "" } else { " not null" };
    format!("{}: {}{not_null}", child.name(), print(child))
}

/// The extension types that pyarrow prints as such, of those that a store can hold.
fn extension(field: &Field) -> Option<&str> {
    let name = field.metadata().get(EXTENSION_NAME)?.as_str();
    let fits = match field.data_type() {
        DataType::FixedSizeBinary(16) => name == "arrow.uuid",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => name == "arrow.json",
        DataType::Int8 => name == "arrow.bool8",
        _ => false,
    };
    fits.then_some(name)
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// A nameless, nullable field of the printed type, or `None` where it is not known or a store cannot hold it.
pub(super) fn parse(text: &str) -> Option<Field> {
    let mut cursor = Cursor { rest: text.trim(), depth: 0 };
    let field = cursor.value()?;
    cursor.rest.is_empty().then_some(field)
}

/// What is left of the text.
struct Cursor<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn eaten(&mut self, text: &str) -> bool {
        self.eat(text).is_some()
    }

    /// Everything before `end`, which is passed over.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn value(&mut self) -> Option<Field> {
        self.depth += 1;
        let field = if self.depth <= MAX_DEPTH { self.known() } else { None };
        self.depth -= 1;
        field
    }

    fn known(&mut self) -> Option<Field> {
        let word = self.word();
        if let Some((_, plain)) = PLAIN.iter().chain(&ALIASES).find(|(name, _)| *name == word) {
            return Some(nameless(plain.clone()));
        }
        let data_type = match word {
            "date32" => self.eat("[day]").map(|()| DataType::Date32)?,
            "date64" => self.eat("[ms]").map(|()| DataType::Date64)?,
            "time32" => match self.unit("]")? {
                unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
                _ => return None,
            },
            "time64" => match self.unit("]")? {
                unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time64(unit),
                _ => return None,
            },
            "timestamp" => {
                let inside = self.unit("")?;
                if self.eaten(", tz=") {
                    DataType::Timestamp(inside, Some(self.until("]")?.into()))
                } else {
                    self.eat("]").map(|()| DataType::Timestamp(inside, None))?
                }
            }
            "decimal" | "decimal128" => self.decimal().map(|(p, s)| DataType::Decimal128(p, s))?,
            "decimal32" => self.decimal().map(|(p, s)| DataType::Decimal32(p, s))?,
            "decimal64" => self.decimal().map(|(p, s)| DataType::Decimal64(p, s))?,
            "decimal256" => self.decimal().map(|(p, s)| DataType::Decimal256(p, s))?,
            "fixed_size_binary" => DataType::FixedSizeBinary(self.size()?),
            "list" => DataType::List(self.element()?),
            "large_list" => DataType::LargeList(self.element()?),
            "list_view" => DataType::ListView(self.element()?),
            "large_list_view" => DataType::LargeListView(self.element()?),
            "fixed_size_list" => {
                let element = self.element()?;
                DataType::FixedSizeList(element, self.size()?)
            }
            "struct" => self.children()?,
            "map" => self.map()?,
            "dictionary" => return self.dictionary(),
            "extension" => return self.extension(),
            _ => return None,
        };
        Some(nameless(data_type))
    }

    /// `[us`, and what follows.
    fn unit(&mut self, then: &str) -> Option<TimeUnit> {
        self.eat("[")?;
        let word = self.word();
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == word)?;
        self.eat(then)?;
        Some(*unit)
    }

    /// `(10, 2)`
    fn decimal(&mut self) -> Option<(u8, i8)> {
        self.eat("(")?;
        let precision = self.until(",")?.parse().ok()?;
        Some((precision, self.until(")")?.trim().parse().ok()?))
    }

    /// `[16]`
    fn size(&mut self) -> Option<i32> {
        self.eat("[")?;
        self.until("]")?.parse().ok().filter(|size| *size > 0)
    }

    /// `name: type not null`
    fn child(&mut self) -> Option<Arc<Field>> {
        let name = self.until(": ")?;
        let field = self.value()?;
        let nullable = !self.eaten(" not null");
        Some(Arc::new(field.with_name(name).with_nullable(nullable)))
    }

    /// `<element: type>`
    fn element(&mut self) -> Option<Arc<Field>> {
        self.eat("<")?;
        let child = self.child()?;
        self.eat(">")?;
        Some(child)
    }

    /// `<x: type, y: type>`
    fn children(&mut self) -> Option<DataType> {
        self.eat("<")?;
        let mut children = vec![self.child()?];
        while self.eaten(", ") {
            children.push(self.child()?);
        }
        self.eat(">")?;
        Some(DataType::Struct(children.into()))
    }

    /// `<type, type>`, with `('name')` behind a type whose name is not the usual one.
    fn map(&mut self) -> Option<DataType> {
        self.eat("<")?;
        let key = self.map_part("key")?;
        self.eat(", ")?;
        let value = self.map_part("value")?;
        let sorted = self.eaten(", keys_sorted");
        self.eat(">")?;
        let pair = DataType::Struct(vec![key.with_nullable(false), value].into());
        Some(DataType::Map(Arc::new(Field::new("entries", pair, false)), sorted))
    }

    fn map_part(&mut self, usual: &str) -> Option<Field> {
        let field = self.value()?;
        let name = if self.eaten(" ('") { self.until("')")? } else { usual };
        Some(field.with_name(name))
    }

    /// `<values=string, indices=int32, ordered=0>`
    fn dictionary(&mut self) -> Option<Field> {
        self.eat("<values=")?;
        let values = self.value()?.data_type().clone();
        self.eat(", indices=")?;
        let indices = self.value()?.data_type().clone();
        self.eat(", ordered=")?;
        let ordered = match self.until(">")? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        let data_type = DataType::Dictionary(Box::new(indices.clone()), Box::new(values));
        indices.is_dictionary_key_type().then(|| nameless(data_type).with_dict_is_ordered(ordered))
    }

    /// `<arrow.uuid>`
    fn extension(&mut self) -> Option<Field> {
        self.eat("<")?;
        let name = self.until(">")?;
        let storage = match name {
            "arrow.uuid" => return Some(types::uuid_field("", true)),
            "arrow.json" => DataType::Utf8,
            "arrow.bool8" => DataType::Int8,
            _ => return None,
        };
        let metadata = std::collections::HashMap::from([(EXTENSION_NAME.to_owned(), name.to_owned())]);
        Some(nameless(storage).with_metadata(metadata))
    }
}

fn nameless(data_type: DataType) -> Field {
    Field::new("", data_type, true)
}
