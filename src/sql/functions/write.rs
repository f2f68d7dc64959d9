//! `amplify_write(table, records [, overwrite | options])`: writes records, all of them in one commit.

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, FieldRef};
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::ffi::{LogicalType, ScalarOutput, Signature, TypeId};
use crate::sql::options::{Options, flag_of, required_text, text_of};
use crate::sql::procedure::Procedure;
use crate::sql::session::Session;
use crate::store::journal::BatchName;
use crate::store::records::{self, RecordMapping, UnknownColumns};
use crate::store::table::Table;
use crate::store::write::{TableWriter, WriteMode};

const OPTIONS: [&str; 5] = ["overwrite", "unknown_columns", "batch", "root", "single_writer"];

/// The function.
#[derive(Debug, Clone, Copy)]
pub struct Write;

impl Procedure for Write {
    const NAME: &'static str = "amplify_write";
    const RETURNS: TypeId = TypeId::BigInt;

    fn signatures(self) -> Vec<Signature> {
        let varchar = || LogicalType::new(TypeId::Varchar);
        let any = || LogicalType::new(TypeId::Any);
        vec![vec![varchar(), any()], vec![varchar(), any(), any()]]
    }

    fn call(self, session: &Session, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput> {
        let name = required_text(arguments, 0, "table")?;
        let (overwrite, options) = match arguments.get(2) {
            Some((array, field)) if flag_of(array, field).is_some() => {
                (flag_of(array, field) == Some(true), Options::default())
            }
            argument => {
                let options = Options::of_struct(argument, Self::NAME, &OPTIONS)?;
                (options.flag("overwrite")?, options)
            }
        };
        let mode = if overwrite { WriteMode::Overwrite } else { WriteMode::Append };
        let store = options.store(session)?;
        let (table, table_options) = store.table_to_write(name)?;
        let records = arguments.get(1).ok_or_else(|| Error::internal("The records are missing"))?;
        let batch = batch(&table, records, options.unknown_columns()?)?;
        let once = options.text("batch")?.map(BatchName::parse).transpose()?;
        let journal = store.journal(&table);
        let write_options = session.write_options(mode, once, table_options);
        let mut writer = TableWriter::begin(journal, table, write_options)?;
        if let Some(batch) = batch {
            writer.push(&batch)?;
        }
        let rows = writer.finish()?.rows;
        Ok(ScalarOutput::BigInt(i64::try_from(rows).unwrap_or(i64::MAX)))
    }
}

/// The records as columns of the table; `None` where there are none.
fn batch(table: &Table, (array, _): &(ArrayRef, FieldRef), unknown: UnknownColumns) -> Result<Option<RecordBatch>> {
    let refuse = || {
        Error::invalid(format!(
            "The records for \"{}\" must be a list of STRUCT, one STRUCT, or JSON text!",
            table.name()
        ))
        .with_hint("For example [{image_id: 'D20130526T095207_IFCB013_00002', year: 2013}].")
    };
    if array.data_type() == &DataType::Null || array.is_null(0) {
        return Err(Error::invalid(format!("The records for \"{}\" are NULL!", table.name()))
            .with_hint("An empty list writes nothing."));
    }
    if let Some(text) = text_of(array) {
        return some(records::records_from_json(table, text, unknown)?);
    }
    match array.data_type() {
        DataType::Struct(_) => some(of_structs(table, array.as_struct(), unknown)?),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(0);
            match list.data_type() {
                _ if list.is_empty() => Ok(None),
                DataType::Struct(_) => some(of_structs(table, list.as_struct(), unknown)?),
                DataType::Utf8 => {
                    let lines: Option<Vec<&str>> = list.as_string::<i32>().iter().collect();
                    let lines = lines.ok_or_else(|| Error::invalid("A record is NULL!"))?;
                    some(records::records_from_json(table, &lines.join("\n"), unknown)?)
                }
                _ => Err(refuse()),
            }
        }
        _ => Err(refuse()),
    }
}

fn some(batch: RecordBatch) -> Result<Option<RecordBatch>> {
    Ok((batch.num_rows() > 0).then_some(batch))
}

fn of_structs(table: &Table, records: &StructArray, unknown: UnknownColumns) -> Result<RecordBatch> {
    RecordMapping::by_name(table, records.fields(), unknown)?.apply_struct(records)
}
