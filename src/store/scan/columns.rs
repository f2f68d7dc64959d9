//! The columns of a scan: what is given out, and how what a file holds becomes that.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Encoding, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::schema::types::SchemaDescriptor;

use crate::error::{Error, ErrorKind, Result};
use crate::store::cast::cast_lossless;
use crate::store::table::{Table, find_field};
use crate::store::types;

/// The schema of what a scan of `columns` (positions in the table) gives out.
///
/// The canonical types, with two differences: every VARCHAR, at every level, is a Utf8View; and every column is
/// nullable, because files may be older than a column, or be written by somebody who does not know the registry.
pub fn output_schema(table: &Table, columns: &[usize]) -> SchemaRef {
    let fields: Fields =
        columns.iter().map(|&column| output_field(table.schema().field(column)).with_nullable(true)).collect();
    Arc::new(Schema::new(fields))
}

/// How a VARCHAR of few different values is given out to those who take it: with its keys and values as the file has
/// them. All batches of one row group share one array of values.
pub fn text_dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

/// A row group's dictionary of at most this size, compressed, is small.
const SMALL_DICTIONARY_MAX_BYTES: u64 = 16 * 1024;

/// `schema`, with dictionaries where `columns` have them.
pub(super) fn schema_of(schema: &SchemaRef, columns: &[ArrayRef]) -> SchemaRef {
    let dictionary = text_dictionary();
    if columns.iter().all(|column| column.data_type() != &dictionary) {
        return schema.clone();
    }
    let field = |(field, column): (&FieldRef, &ArrayRef)| match column.data_type() == &dictionary {
        true => Arc::new(field.as_ref().clone().with_data_type(dictionary.clone())),
        false => field.clone(),
    };
    Arc::new(Schema::new(schema.fields().iter().zip(columns).map(field).collect::<Fields>()))
}

fn output_field(field: &Field) -> Field {
    let child = |field: &FieldRef| Arc::new(output_field(field));
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::List(element) => DataType::List(child(element)),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(child(element), *size),
        DataType::Struct(children) => DataType::Struct(children.iter().map(child).collect()),
        DataType::Map(entries, sorted) => DataType::Map(child(entries), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

/// One registered column that a scan reads, to give it out or to test it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// As registered, in the canonical type.
    pub(super) canonical: Field,
    /// As it is given out.
    pub(super) output: Field,
    /// Whether it may be given out as [`text_dictionary`] instead.
    dictionary: bool,
}

impl Target {
    pub(super) fn new(table: &Table, column: usize, dictionaries: bool) -> Self {
        let canonical = table.schema().field(column).clone();
        let output = output_field(&canonical).with_nullable(true);
        let dictionary = dictionaries && output.data_type() == &DataType::Utf8View;
        Self { canonical, output, dictionary }
    }

    /// The column as it is given out, from what a file holds as `from`.
    ///
    /// # Errors
    /// Where a value cannot be cast without loss, or the type not at all; names column and types, not the file.
    pub(super) fn convert(&self, array: &ArrayRef, from: &Field) -> Result<ArrayRef> {
        let wanted = self.output.data_type();
        if array.data_type() == wanted || (self.dictionary && array.data_type() == &text_dictionary()) {
            return Ok(array.clone());
        }
        if differs_in_names_only(array.data_type(), wanted) {
            return Ok(arrow::compute::cast(array, wanted)?);
        }
        let cast = cast_lossless(array, from, &self.canonical).map_err(|reason| {
            Error::new(
                ErrorKind::Conversion,
                format!(
                    "Column \"{}\" is registered as {} but {} in a file",
                    self.canonical.name(),
                    types::sql_name(&self.canonical),
                    types::canonical(from).map_or_else(|_| from.data_type().to_string(), |from| types::sql_name(&from)),
                ),
            )
            .with_source(reason)
        })?;
        if cast.data_type() == wanted { Ok(cast) } else { Ok(arrow::compute::cast(&cast, wanted)?) }
    }
}

/// Whether two types are the same but for the names of elements and entries, nullability and metadata: Arrow's own
/// cast then only changes labels. The names of a STRUCT's fields are no labels.
fn differs_in_names_only(from: &DataType, to: &DataType) -> bool {
    let same = |from: &FieldRef, to: &FieldRef| {
        from.data_type() == to.data_type() || differs_in_names_only(from.data_type(), to.data_type())
    };
    match (from, to) {
        (DataType::List(from), DataType::List(to)) => same(from, to),
        (DataType::FixedSizeList(from, n), DataType::FixedSizeList(to, m)) => n == m && same(from, to),
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| from.name() == to.name() && same(from, to))
        }
        (DataType::Map(from, _), DataType::Map(to, _)) => match (from.data_type(), to.data_type()) {
            (DataType::Struct(from), DataType::Struct(to)) => {
                from.len() == to.len() && from.iter().zip(to).all(|(from, to)| same(from, to))
            }
            _ => false,
        },
        _ => false,
    }
}

/// What the decoder is told about a file: its own schema, changed only where `targets` are better served by another
/// Arrow form of the same Parquet type.
///
/// Files of one table may differ in types and in nullability: no schema is ever taken from another file.
pub(super) fn reading_schema(
    metadata: Arc<ParquetMetaData>,
    targets: &[Target],
) -> Result<ArrowReaderMetadata, ParquetError> {
    // An embedded Arrow schema that does not fit the file is no reason not to read it.
    let own = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new()).or_else(|_| {
        ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new().with_skip_arrow_metadata(true))
    })?;
    let mut fields: Vec<FieldRef> = own.schema().fields().to_vec();
    let mut changed = false;
    for target in targets {
        let Some(root) = find_root(own.schema(), target.canonical.name()) else { continue };
        let leaf = leaf_of(metadata.file_metadata().schema_descr(), root);
        let is_int96 = leaf.is_some_and(|(_, kind)| kind == PhysicalType::INT96);
        let data_type = match leaf {
            Some((leaf, _)) if target.dictionary && has_small_dictionaries(&metadata, leaf) => text_dictionary(),
            _ => reading_type(fields[root].data_type(), target.canonical.data_type(), is_int96),
        };
        if &data_type != fields[root].data_type() {
            fields[root] = Arc::new(fields[root].as_ref().clone().with_data_type(data_type));
            changed = true;
        }
    }
    if !changed {
        return Ok(own);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, own.schema().metadata().clone()));
    ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(schema)).or(Ok(own))
}

/// Whether a leaf column is text and all its values, in every row group, are keys of a small dictionary. Where a writer
/// gave its dictionary up in the midst of a row group, the decoder would have to build a new one for each batch.
fn has_small_dictionaries(metadata: &ParquetMetaData, leaf: usize) -> bool {
    let is_small = |column: &ColumnChunkMetaData| {
        let starts = column.dictionary_page_offset().zip(u64::try_from(column.data_page_offset()).ok());
        let bytes = starts.and_then(|(dictionary, data)| data.checked_sub(u64::try_from(dictionary).ok()?));
        let only_keys = column
            .page_encoding_stats_mask()
            .is_some_and(|pages| pages.is_only(Encoding::RLE_DICTIONARY) || pages.is_only(Encoding::PLAIN_DICTIONARY));
        only_keys && bytes.is_some_and(|bytes| bytes <= SMALL_DICTIONARY_MAX_BYTES)
    };
    metadata.file_metadata().schema_descr().column(leaf).converted_type() == ConvertedType::UTF8
        && metadata.row_groups().iter().all(|group| group.columns().get(leaf).is_some_and(is_small))
}

/// The position of a registered column among the top-level columns of a file.
pub(super) fn find_root(schema: &Schema, name: &str) -> Option<usize> {
    find_field(schema.fields().iter().map(|field| field.name().as_str()), name)
}

/// The leaf column of a top-level column that is not nested, and its physical type.
pub(super) fn leaf_of(schema: &SchemaDescriptor, root: usize) -> Option<(usize, PhysicalType)> {
    if !schema.root_schema().get_fields().get(root)?.is_primitive() {
        return None;
    }
    let leaf = (0..schema.num_columns()).find(|&leaf| schema.get_column_root_idx(leaf) == root)?;
    let column = schema.column(leaf);
    // A top-level `repeated` primitive is a list without saying so.
    (column.max_rep_level() == 0).then(|| (leaf, column.physical_type()))
}

/// The Arrow form in which to decode what a file holds as `file`, to be given out as `target`.
fn reading_type(file: &DataType, target: &DataType, is_int96: bool) -> DataType {
    let child = |file: &FieldRef, target: &DataType| {
        Arc::new(file.as_ref().clone().with_data_type(reading_type(file.data_type(), target, false)))
    };
    match (file, target) {
        // Views refer to the decoded pages, without a copy of each value.
        (file, DataType::Utf8 | DataType::LargeUtf8) if is_text(file) => DataType::Utf8View,
        // INT96 counts from days before our era; nanoseconds end in 2262.
        (DataType::Timestamp(TimeUnit::Nanosecond, None), DataType::Timestamp(unit, _))
            if is_int96 && unit != &TimeUnit::Nanosecond =>
        {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        (DataType::List(file), DataType::List(target)) => DataType::List(child(file, target.data_type())),
        (DataType::LargeList(file), DataType::List(target)) => DataType::LargeList(child(file, target.data_type())),
        (DataType::FixedSizeList(file, size), DataType::FixedSizeList(target, _)) => {
            DataType::FixedSizeList(child(file, target.data_type()), *size)
        }
        (DataType::Map(file, sorted), DataType::Map(target, _)) => {
            let entries = match (file.data_type(), target.data_type()) {
                (DataType::Struct(file), DataType::Struct(target)) if file.len() == target.len() => DataType::Struct(
                    file.iter().zip(target).map(|(file, target)| child(file, target.data_type())).collect(),
                ),
                (entries, _) => entries.clone(),
            };
            DataType::Map(Arc::new(file.as_ref().clone().with_data_type(entries)), *sorted)
        }
        (DataType::Struct(file), DataType::Struct(target)) => {
            let hinted =
                |file: &FieldRef| match find_field(target.iter().map(|field| field.name().as_str()), file.name()) {
                    Some(position) => child(file, target[position].data_type()),
                    None => file.clone(),
                };
            DataType::Struct(file.iter().map(hinted).collect())
        }
        (file, _) => file.clone(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}
