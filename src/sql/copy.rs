//! `COPY (SELECT …) TO 'amplify://images' (FORMAT amplify)`.

use std::path::Path;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::error::{Error, Result, one_of};
use crate::ffi::{ClientContext, CopyBindInput, CopyFunction, CopySink, CopyTarget};
use crate::sql::options::Options;
use crate::sql::session::{SCHEME, Session, Store, strip_scheme};
use crate::store::journal::BatchName;
use crate::store::records::{RecordMapping, UnknownColumns};
use crate::store::write::{TableWriter, WriteMode};

const OPTIONS: [&str; 6] = ["mode", "columns", "unknown_columns", "batch", "root", "single_writer"];

/// The COPY format.
#[derive(Debug)]
pub struct Copy;

impl CopyFunction for Copy {
    fn name(&self) -> &'static str {
        "amplify"
    }

    fn bind(&self, input: CopyBindInput) -> Result<Box<dyn CopyTarget>> {
        let mut values: Vec<(String, ArrayRef, FieldRef)> = Vec::new();
        for (name, value) in input.options {
            let Some(value) = value else {
                return Err(Error::invalid(format!("Option {name} of COPY needs a value!")));
            };
            let (array, field) = value.to_arrow()?;
            values.push((name, array, field));
        }
        let options = Options::check(values.into_iter(), "COPY (FORMAT amplify)", &OPTIONS)?;
        Ok(Box::new(CopyRequest {
            source: input.columns,
            mode: mode(options.text("mode")?)?,
            columns: options.names("columns")?,
            unknown: options.unknown_columns()?,
            batch: options.text("batch")?.map(BatchName::parse).transpose()?,
            root: options.text("root")?.map(str::to_owned),
            single_writer: options.flag("single_writer")?,
        }))
    }
}

fn mode(text: Option<&str>) -> Result<WriteMode> {
    let choices = [("append", WriteMode::Append), ("overwrite", WriteMode::Overwrite)];
    text.map_or(Ok(WriteMode::Append), |text| one_of("Option MODE", text, &choices))
}

#[derive(Debug)]
struct CopyRequest {
    source: Vec<FieldRef>,
    mode: WriteMode,
    columns: Option<Vec<String>>,
    unknown: UnknownColumns,
    batch: Option<BatchName>,
    root: Option<String>,
    single_writer: bool,
}

impl CopyTarget for CopyRequest {
    fn open(&self, path: &str, context: &ClientContext) -> Result<Box<dyn CopySink>> {
        let session = Session::read(context);
        let store = session.store(self.root.as_deref(), self.single_writer)?;
        let name = table_name(path, &store)?;
        let (table, table_options) = store.table_to_write(&name)?;
        let (mapping, shape) = match (&self.columns, self.source.as_slice()) {
            (Some(names), source) => {
                if names.len() != source.len() {
                    return Err(Error::invalid(format!(
                        "COLUMNS names {} columns, but the query gives {}!",
                        names.len(),
                        source.len()
                    )));
                }
                let named: Vec<FieldRef> =
                    source.iter().zip(names).map(|(field, name)| Field::clone(field).with_name(name).into()).collect();
                (RecordMapping::by_name(&table, &named, self.unknown)?, Shape::Columns)
            }
            (None, source) => match source.first().map(|field| field.data_type()) {
                Some(DataType::Struct(fields)) if source.len() == 1 => {
                    (RecordMapping::by_name(&table, fields, self.unknown)?, Shape::Struct)
                }
                _ => (RecordMapping::by_position(&table, source)?, Shape::Columns),
            },
        };
        let options = session.write_options(self.mode, self.batch.clone(), table_options);
        let writer = TableWriter::begin(store.journal(&table), table, options)?;
        Ok(Box::new(Sink { mapping, shape, writer }))
    }
}

/// How rows arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One array a column.
    Columns,
    /// One STRUCT, whose fields are the columns.
    Struct,
}

struct Sink {
    mapping: RecordMapping,
    shape: Shape,
    writer: TableWriter,
}

impl CopySink for Sink {
    fn write(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let batch = match self.shape {
            Shape::Columns => self.mapping.apply(columns, rows)?,
            Shape::Struct => {
                let records = columns.first().ok_or_else(|| Error::internal("COPY gave no column"))?;
                self.mapping.apply_struct(records.as_struct())?
            }
        };
        self.writer.push(&batch)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.finish().map(drop)
    }
}

/// The table that the text behind TO means.
///
/// DuckDB makes paths of its own where it takes the target for a file: those are told apart and explained here, for
/// otherwise rows would go to a table that nobody named.
fn table_name(path: &str, store: &Store) -> Result<String> {
    if path.starts_with(SCHEME) {
        let name = strip_scheme(path);
        if name.contains('/') {
            return Err(made_up(path));
        }
        return refuse_temporary(name, store);
    }
    if path.contains(['/', '\\']) {
        return Err(made_up(path));
    }
    if let Some(target) = path.strip_prefix("tmp_") {
        let shadowed = Path::new(target).exists() && store.registry()?.table(target).is_ok();
        if shadowed {
            return Err(Error::invalid(format!(
                "A file called \"{target}\" is in the working directory, and DuckDB takes COPY … TO '{target}' for it!"
            ))
            .with_hint(format!("Write TO '{SCHEME}{target}' instead.")));
        }
    }
    refuse_temporary(path, store)
}

/// `name`, unless it may be the temporary name that DuckDB makes of another table's: it would rename the "file" at the
/// end, and the rows would be in the wrong table.
fn refuse_temporary(name: &str, store: &Store) -> Result<String> {
    match name.strip_prefix("tmp_") {
        Some(target) if store.registry()?.table(target).is_ok() => Err(Error::invalid(format!(
            "It is not known whether table \"{name}\" is meant, or \"{target}\" by a temporary name!"
        ))
        .with_hint(format!(
            "DuckDB makes tmp_{target} of {target} where USE_TMP_FILE is set, or a file of that name is in the working \
             directory. Write to \"{target}\" without it; to \"{name}\" with amplify_write."
        ))),
        _ => Ok(name.to_owned()),
    }
}

fn made_up(path: &str) -> Error {
    Error::invalid(format!("\"{path}\" is no table!")).with_hint(
        "Write TO 'amplify://images'. PARTITION_BY, PER_THREAD_OUTPUT and FILE_SIZE_BYTES are not for FORMAT amplify: \
         the registry knows the partition keys.",
    )
}
