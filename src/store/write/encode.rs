//! Rows -> the encoded columns of a row group.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::FileMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, SchemaDescPtr};

use super::encoding::{LeafEncoding, suitable};
use super::sort::Order;
use crate::error::{Error, ErrorKind, Result};
use crate::store::table::Table;
use crate::store::table_options::TableOptions;
use crate::store::types::storage_field;

/// The columns of one row group, encoded and compressed.
#[derive(Debug)]
pub(super) struct EncodedRowGroup {
    pub(super) chunks: Vec<ArrowColumnChunk>,
    pub(super) properties: WriterPropertiesPtr,
}

/// Encodes rows of one table's data columns.
#[derive(Debug)]
pub(super) struct Encoder {
    table: Arc<Table>,
    /// The columns as they are in the files.
    schema: SchemaRef,
    parquet_schema: SchemaDescPtr,
    properties: WriterProperties,
    is_zstd: bool,
    /// What rows are sorted by before they are encoded.
    order: Order,
    /// Leaf columns with a bloom filter.
    bloom_filters: Vec<ColumnPath>,
    factories: Mutex<HashMap<Layout, Arc<Factory>>>,
}

/// What is decided for each row group by its rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Layout {
    /// Whether Snappy takes the place of zstd.
    fast: bool,
    /// By leaf column.
    encodings: Vec<LeafEncoding>,
    /// How many values bloom filters are made for, rounded up; parquet makes them smaller where fewer are distinct.
    bloom_values: u64,
}

/// Makes the column writers of a layout.
#[derive(Debug)]
struct Factory {
    writers: ArrowRowGroupWriterFactory,
    properties: WriterPropertiesPtr,
}

impl Encoder {
    /// Below this, a row group is compressed with Snappy where it would be with zstd: every column of it would need a
    /// zstd context of its own, and to set that up takes longer (on virtual machines above all) than all the rest.
    const ZSTD_ROWS: usize = 1024;
    /// Rows of a page. As many as a batch of a scan, so that a page is decoded into one batch and a selective read
    /// decompresses little: against parquet's 20,000, point lookups took half the time, files 4 % more space.
    const PAGE_ROWS: usize = 8192;
    /// Below this, looking for the best encodings takes longer than it saves.
    const ENCODED_ROWS: usize = 256;
    /// A table of many columns could have as many layouts as row groups.
    const KEPT_FACTORIES: usize = 64;
    /// How often a bloom filter may send a reader to a row group without the value.
    const BLOOM_FALSE_POSITIVES: f64 = 0.01;

    /// `data_schema`: the table's columns but for the partition keys, in canonical types.
    pub(super) fn new(table: &Arc<Table>, data_schema: &Schema, options: &TableOptions) -> Result<Self> {
        let unfit = |source: ParquetError| {
            Error::internal(format!("Table \"{}\" does not fit into Parquet", table.name())).with_source(source)
        };
        let fields: Vec<_> = data_schema.fields().iter().map(|field| storage_field(field)).collect();
        let schema = Arc::new(Schema::new(fields));
        let parquet_schema = Arc::new(ArrowSchemaConverter::new().convert(&schema).map_err(unfit)?);
        let order = Order::new(&options.sort_by, data_schema)?;
        let compression = options.compression.unwrap_or_default().to_parquet();
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_data_page_row_count_limit(Self::PAGE_ROWS)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_sorting_columns(order.sorting_columns(&options.sort_by, &parquet_schema)?)
            .build();
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let bloom_filters = options.bloom_filter.iter().map(|column| ColumnPath::new(vec![column.clone()])).collect();
        Ok(Self {
            table: table.clone(),
            schema,
            parquet_schema,
            properties,
            is_zstd: matches!(compression, Compression::ZSTD(_)),
            order,
            bloom_filters,
            factories: Mutex::default(),
        })
    }

    /// The table's name.
    pub(super) fn table(&self) -> &str {
        self.table.name().as_str()
    }

    /// What the rows of a row group are to be sorted by.
    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    /// The files' columns.
    pub(super) fn parquet_schema(&self) -> &SchemaDescPtr {
        &self.parquet_schema
    }

    /// What a file says of itself, besides its row groups.
    pub(super) fn file_metadata(&self) -> FileMetaData {
        let properties = &self.properties;
        FileMetaData::new(
            properties.writer_version().as_num(),
            0,
            Some(properties.created_by().to_owned()),
            properties.key_value_metadata().cloned(),
            self.parquet_schema.clone(),
            None,
        )
    }

    /// [`Encoder::file_metadata`] without what is the same in every file.
    pub(super) fn bare_file_metadata(&self) -> FileMetaData {
        let version = self.properties.writer_version().as_num();
        FileMetaData::new(version, 0, None, None, self.parquet_schema.clone(), None)
    }

    /// Encodes `rows` as one row group.
    pub(super) fn encode(&self, rows: RecordBatch) -> Result<EncodedRowGroup> {
        let (_, columns, count) = rows.into_parts();
        let fields = self.schema.fields();
        let columns = columns
            .into_iter()
            .zip(fields)
            .map(|(column, field)| self.to_stored_type(column, field.name(), field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let encodings = if count < Self::ENCODED_ROWS {
            vec![LeafEncoding::Plain; self.parquet_schema.num_columns()]
        } else {
            suitable(&columns)?
        };
        let bloom_values = if self.bloom_filters.is_empty() { 0 } else { (count as u64).next_power_of_two() };
        let layout = Layout { fast: count < Self::ZSTD_ROWS && self.is_zstd, encodings, bloom_values };
        let failed = |source: ParquetError| {
            Error::internal(format!("Could not encode records of table \"{}\"", self.table())).with_source(source)
        };
        let factory = self.factory(layout).map_err(failed)?;
        let mut writers = factory.writers.create_column_writers(0).map_err(failed)?.into_iter();
        let mut chunks = Vec::with_capacity(writers.len());
        for (column, field) in columns.into_iter().zip(fields) {
            for (leaf, mut writer) in compute_leaves(field, &column).map_err(failed)?.iter().zip(&mut writers) {
                writer.write(leaf).map_err(failed)?;
                chunks.push(writer.close().map_err(failed)?);
            }
        }
        Ok(EncodedRowGroup { chunks, properties: factory.properties.clone() })
    }

    /// Parquet has no seconds.
    fn to_stored_type(&self, column: ArrayRef, name: &str, stored: &DataType) -> Result<ArrayRef> {
        if column.data_type() == stored {
            return Ok(column);
        }
        let exact = CastOptions { safe: false, ..CastOptions::default() };
        cast_with_options(&column, stored, &exact).map_err(|source| {
            let table = self.table();
            let message = format!("Column \"{name}\" of table \"{table}\" has a timestamp too far away to be stored");
            Error::new(ErrorKind::Conversion, message)
                .with_source(source)
                .with_hint("Parquet keeps seconds as milliseconds: infinity and years beyond 292 million do not fit.")
        })
    }

    fn factory(&self, layout: Layout) -> Result<Arc<Factory>, ParquetError> {
        let mut factories = self.factories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(factory) = factories.get(&layout) {
            return Ok(factory.clone());
        }
        let mut properties = self.properties.clone().into_builder();
        if layout.fast {
            properties = properties.set_compression(Compression::SNAPPY);
        }
        for column in &self.bloom_filters {
            properties = properties
                .set_column_bloom_filter_fpp(column.clone(), Self::BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(column.clone(), layout.bloom_values);
        }
        for (column, encoding) in self.parquet_schema.columns().iter().zip(&layout.encodings) {
            let (column, dictionary) = (column.path().clone(), *encoding == LeafEncoding::Dictionary);
            properties = properties.set_column_dictionary_enabled(column.clone(), dictionary);
            if *encoding == LeafEncoding::Delta {
                properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
            }
        }
        let properties = Arc::new(properties.build());
        // A factory takes what it needs from a file, which need not be the one that is written.
        let root = self.parquet_schema.root_schema_ptr();
        let file = SerializedFileWriter::new(std::io::sink(), root, properties.clone())?;
        let writers = ArrowRowGroupWriterFactory::new(&file, self.schema.clone());
        let factory = Arc::new(Factory { writers, properties });
        if factories.len() >= Self::KEPT_FACTORIES {
            factories.clear();
        }
        factories.insert(layout, factory.clone());
        Ok(factory)
    }
}
