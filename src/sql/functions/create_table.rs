//! `amplify_create_table(table, schema [, partition_by [, options]])`: registers a table, or adds columns to it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::convert;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::{LogicalType, ScalarOutput, Signature, TypeId};
use crate::sql::engine::quoted;
use crate::sql::options::{Options, optional_names, required_text, text_of};
use crate::sql::procedure::Procedure;
use crate::sql::session::Session;
use crate::store::registry::{self, TableDefinition, json_schema};
use crate::store::table::TableName;
use crate::store::table_options::OptionTexts;

const OPTIONS: [&str; 6] = ["sort_by", "bloom_filter", "compression", "row_group_rows", "root", "single_writer"];

/// The function.
#[derive(Debug, Clone, Copy)]
pub struct CreateTable;

impl Procedure for CreateTable {
    const NAME: &'static str = "amplify_create_table";
    const RETURNS: TypeId = TypeId::Varchar;

    fn signatures(self) -> Vec<Signature> {
        let varchar = || LogicalType::new(TypeId::Varchar);
        let any = || LogicalType::new(TypeId::Any);
        let names = || LogicalType::list(&varchar());
        vec![vec![varchar(), any()], vec![varchar(), any(), names()], vec![varchar(), any(), names(), any()]]
    }

    fn call(self, session: &Session, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput> {
        let name = TableName::parse(required_text(arguments, 0, "table")?)?;
        let schema = arguments.get(1).ok_or_else(|| Error::internal("The schema is missing"))?;
        let options = Options::of_struct(arguments.get(3), Self::NAME, &OPTIONS)?;
        let partition_by = optional_names(arguments.get(2), "partition_by")?;
        let definition = TableDefinition::new(name, fields(schema)?, &partition_by)?;
        let definition = definition.with_options(option_texts(&options)?)?;
        let store = options.store(session)?;
        let outcome = registry::create_table(store.storage.as_ref(), &definition)?;
        Ok(ScalarOutput::Varchar(outcome.as_str().to_owned()))
    }
}

fn option_texts(options: &Options) -> Result<OptionTexts> {
    Ok(OptionTexts {
        sort_by: options.names("sort_by")?,
        bloom_filter: options.names("bloom_filter")?,
        compression: options.text("compression")?.map(str::to_owned),
        row_group_rows: options.integer("row_group_rows")?,
    })
}

/// The columns that the argument describes, in whichever of the three forms.
fn fields((array, _): &(ArrayRef, FieldRef)) -> Result<Vec<Field>> {
    let refuse = || {
        Error::invalid("The schema must be a STRUCT of column and type, a list of columns, or a JSON Schema!")
            .with_hint("For example {image_id: 'VARCHAR NOT NULL', depth: 'DOUBLE'}.")
    };
    if let Some(text) = text_of(array) {
        return if text.trim_start().starts_with('{') {
            json_schema::fields(text)
        } else {
            convert::parse_column_list(text)
        };
    }
    match array.data_type() {
        DataType::Struct(columns) if array.is_valid(0) => {
            let mut texts = Vec::with_capacity(columns.len());
            for (column, kind) in columns.iter().zip(array.as_struct().columns()) {
                let kind = text_of(kind).ok_or_else(|| {
                    Error::invalid(format!("The type of column \"{}\" must be text!", column.name()))
                        .with_hint("For example {depth: 'DOUBLE'}.")
                })?;
                texts.push((column.name().as_str(), kind));
            }
            columns_of(&texts)
        }
        _ => Err(refuse()),
    }
}

/// The columns of the STRUCT form: parsed together, or, where that does not come out as the names say, one by one, to
/// find out whose type is to blame.
fn columns_of(texts: &[(&str, &str)]) -> Result<Vec<Field>> {
    let list: Vec<String> = texts.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
    if let Ok(fields) = convert::parse_column_list(&list.join(",\n"))
        && fields.iter().map(|field| field.name().as_str()).eq(texts.iter().map(|(name, _)| *name))
    {
        return Ok(fields);
    }
    texts.iter().map(|(name, kind)| column_of(name, kind)).collect()
}

/// One column of the STRUCT form. The text must be a type, perhaps with NOT NULL, and not make other columns.
fn column_of(name: &str, kind: &str) -> Result<Field> {
    let refuse = || {
        Error::invalid(format!("\"{}\" is no type for column \"{name}\"!", kind.trim()))
            .with_hint("For example 'VARCHAR NOT NULL' or 'DOUBLE'.")
    };
    let columns = convert::parse_column_list(&format!("{} {kind}", quoted(name)))
        .map_err(|error| if error.kind() == ErrorKind::Unsupported { error } else { refuse().with_source(error) })?;
    match <[Field; 1]>::try_from(columns) {
        Ok([field]) if field.name() == name => Ok(field),
        _ => Err(refuse()),
    }
}
