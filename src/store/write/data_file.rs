//! One Parquet file, written a row group at a time, that costs little while it waits for the next one.
//!
//! parquet's own file writer keeps a buffer and the decoded metadata of every row group, some 10 KB each. With
//! thousands of files open, that is more than their rows. Here a file at rest keeps each row group's metadata in the
//! form it will have in the footer, compact Thrift, and nothing else; the row groups themselves are spliced in and the
//! footer is written by parquet's code.

use std::any::Any;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::bloom_filter::Sbbf;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::page_index::{PageIndexBuilder, PageIndexProvider};
use parquet::file::metadata::{
    FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::writer::{SerializedRowGroupWriter, TrackedWrite};

use super::encode::{EncodedRowGroup, Encoder};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::FileWriter;

const MAGIC: &[u8] = b"PAR1";

/// A file that takes row groups.
pub(super) struct DataFile {
    writer: Box<dyn FileWriter>,
    size: u64,
    row_groups: Vec<RowGroup>,
}

/// Metadata of a row group that is in the file.
enum RowGroup {
    Decoded(Box<RowGroupMetaData>, Arc<dyn PageIndexProvider>),
    /// A file of its own, with a footer but without data.
    AtRest(Bytes),
}

impl std::fmt::Debug for DataFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFile").field("size", &self.size).finish_non_exhaustive()
    }
}

impl DataFile {
    pub(super) fn new(writer: Box<dyn FileWriter>) -> Self {
        Self { writer, size: 0, row_groups: Vec::new() }
    }

    /// Bytes written so far; the footer is not.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// What the metadata of row groups at rest takes.
    pub(super) fn footer_bytes(&self) -> usize {
        let bytes = |row_group: &RowGroup| match row_group {
            RowGroup::Decoded(..) => 0,
            RowGroup::AtRest(bytes) => bytes.len() + size_of::<RowGroup>(),
        };
        self.row_groups.iter().map(bytes).sum()
    }

    pub(super) fn append(&mut self, row_group: EncodedRowGroup, encoder: &Encoder) -> Result<()> {
        self.try_append(row_group, encoder).map_err(|source| failed(encoder, source))
    }

    /// Makes the file as small as can be in memory until the next row group comes.
    pub(super) fn rest(&mut self, encoder: &Encoder) -> Result<()> {
        self.try_rest(encoder).map_err(|source| failed(encoder, source))
    }

    /// Writes the footer. The file is whole then, but does not appear before the writer is told to finish.
    pub(super) fn finish(self, encoder: &Encoder) -> Result<Box<dyn FileWriter>> {
        self.try_finish(encoder).map_err(|source| failed(encoder, source))
    }

    fn try_append(&mut self, row_group: EncodedRowGroup, encoder: &Encoder) -> ParquetResult<()> {
        let ordinal = i32::try_from(self.row_groups.len())?;
        let mut output = resume(&mut self.writer, self.size)?;
        if self.size == 0 {
            output.write_all(MAGIC)?;
        }
        let mut closed = None;
        let mut writer = SerializedRowGroupWriter::new(
            encoder.parquet_schema().clone(),
            row_group.properties,
            &mut output,
            ordinal,
            Some(Box::new(|output, mut metadata, bloom_filters, column_indexes, offset_indexes| {
                write_bloom_filters(output, bloom_filters, &mut metadata)?;
                closed = Some((metadata, page_index(column_indexes, offset_indexes)));
                Ok(())
            })),
        );
        for chunk in row_group.chunks {
            chunk.append_to_row_group(&mut writer)?;
        }
        writer.close()?;
        output.flush()?;
        self.size = output.bytes_written() as u64;
        let (metadata, page_index) =
            closed.ok_or_else(|| ParquetError::General("a row group was closed without metadata".to_owned()))?;
        self.row_groups.push(RowGroup::Decoded(Box::new(metadata), page_index));
        Ok(())
    }

    fn try_rest(&mut self, encoder: &Encoder) -> ParquetResult<()> {
        for row_group in &mut self.row_groups {
            if let RowGroup::Decoded(metadata, page_index) = row_group {
                let file = footer(vec![metadata.as_ref().clone()], page_index.clone(), encoder.bare_file_metadata());
                let mut bytes = Vec::new();
                ParquetMetaDataWriter::new(&mut bytes, &file).with_write_path_in_schema(false).finish()?;
                bytes.shrink_to_fit();
                *row_group = RowGroup::AtRest(bytes.into());
            }
        }
        self.writer.flush()?;
        Ok(())
    }

    fn try_finish(mut self, encoder: &Encoder) -> ParquetResult<Box<dyn FileWriter>> {
        let mut row_groups = Vec::with_capacity(self.row_groups.len());
        let mut page_indexes = Vec::with_capacity(self.row_groups.len());
        for row_group in self.row_groups {
            let (metadata, page_index) = match row_group {
                RowGroup::Decoded(metadata, page_index) => (*metadata, page_index),
                RowGroup::AtRest(bytes) => decode(&bytes, encoder)?,
            };
            row_groups.push(metadata);
            page_indexes.push(page_index);
        }
        let file = footer(row_groups, Arc::new(PageIndexes(page_indexes)), encoder.file_metadata());
        // Not into the file at once: the metadata writer leaves the end to a buffer's drop, which keeps errors quiet.
        let mut bytes = Vec::new();
        ParquetMetaDataWriter::new_with_tracked(resume(&mut bytes, self.size)?, &file).finish()?;
        self.writer.write_all(&bytes)?;
        self.writer.flush()?;
        Ok(self.writer)
    }
}

/// The metadata of a file with these row groups.
fn footer(
    row_groups: Vec<RowGroupMetaData>,
    page_index: Arc<dyn PageIndexProvider>,
    file: FileMetaData,
) -> ParquetMetaData {
    ParquetMetaDataBuilder::new(file).set_row_groups(row_groups).set_page_index(Some(page_index)).build()
}

/// The one row group of a footer that [`DataFile::rest`] wrote.
fn decode(bytes: &Bytes, encoder: &Encoder) -> ParquetResult<(RowGroupMetaData, Arc<dyn PageIndexProvider>)> {
    let options =
        ParquetMetaDataOptions::new().with_schema(encoder.parquet_schema().clone()).with_encoding_stats_as_mask(false);
    let metadata = ParquetMetaDataReader::new()
        .with_metadata_options(Some(options))
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(bytes)?;
    let page_index = metadata.page_index().cloned();
    let row_group = metadata.into_builder().take_row_groups().pop();
    row_group.zip(page_index).ok_or_else(|| ParquetError::General("a row group's metadata is lost".to_owned()))
}

/// Puts the bloom filters of a row group behind it, and where they are into its metadata.
fn write_bloom_filters(
    output: &mut TrackedWrite<impl Write>,
    bloom_filters: Vec<Option<Sbbf>>,
    row_group: &mut RowGroupMetaData,
) -> ParquetResult<()> {
    for (column, bloom_filter) in row_group.columns_mut().iter_mut().zip(bloom_filters) {
        let Some(bloom_filter) = bloom_filter else { continue };
        let start = output.bytes_written();
        bloom_filter.write(&mut *output)?;
        *column = column
            .clone()
            .into_builder()
            .set_bloom_filter_offset(Some(i64::try_from(start)?))
            .set_bloom_filter_length(Some(i32::try_from(output.bytes_written() - start)?))
            .build()?;
    }
    Ok(())
}

/// The page index of one row group, from what its columns brought.
fn page_index(
    column_indexes: Vec<Option<ColumnIndexMetaData>>,
    offset_indexes: Vec<Option<OffsetIndexMetaData>>,
) -> Arc<dyn PageIndexProvider> {
    let mut builder = PageIndexBuilder::new(1, column_indexes.len());
    for (column, index) in column_indexes.into_iter().enumerate() {
        if let Some(index) = index {
            builder.put_column_index(index, 0, column);
        }
    }
    for (column, index) in offset_indexes.into_iter().enumerate() {
        if let Some(index) = index {
            builder.put_offset_index(index, 0, column);
        }
    }
    Arc::new(builder.build())
}

/// Page indexes of single row groups as that of a file.
#[derive(Debug)]
struct PageIndexes(Vec<Arc<dyn PageIndexProvider>>);

impl PageIndexProvider for PageIndexes {
    fn has_offset_indexes(&self) -> bool {
        self.0.iter().any(|row_group| row_group.has_offset_indexes())
    }

    fn has_column_indexes(&self) -> bool {
        self.0.iter().any(|row_group| row_group.has_column_indexes())
    }

    fn column_index(&self, row_group: usize, column: usize) -> Option<&ColumnIndexMetaData> {
        self.0.get(row_group)?.column_index(0, column)
    }

    fn offset_index(&self, row_group: usize, column: usize) -> Option<&OffsetIndexMetaData> {
        self.0.get(row_group)?.offset_index(0, column)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `writer` as parquet wants it, at position `size` of the file.
///
/// A `TrackedWrite` counts from 0 and cannot be told otherwise; what it is fed to come to the right position goes
/// nowhere.
fn resume<W: Write>(writer: &mut W, size: u64) -> io::Result<TrackedWrite<Resumed<'_, W>>> {
    let mut output = TrackedWrite::new(Resumed { skip: size, writer });
    io::copy(&mut io::Read::take(Zeros, size), &mut output)?;
    output.flush()?;
    Ok(output)
}

/// An endless source of nothing in particular, in pieces too large to be buffered.
struct Zeros;

impl io::Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }
}

/// A writer behind the first `skip` bytes, which are dropped.
struct Resumed<'a, W> {
    skip: u64,
    writer: &'a mut W,
}

impl<W: Write> Write for Resumed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.skip == 0 {
            return self.writer.write(bytes);
        }
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        Ok(skipped as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // the file's own writer is flushed when it comes to rest
    }
}

/// What parquet or the storage below it reported.
fn failed(encoder: &Encoder, source: ParquetError) -> Error {
    // What was wrapped on its way through parquet is shown as it was.
    let source = match source {
        ParquetError::External(source) => source,
        source => source.into(),
    };
    Error::new(ErrorKind::Io, format!("Could not write a data file of table \"{}\"", encoder.table()))
        .with_source(source)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::record_batch::RecordBatch;

    use super::super::test_storage::Shared;
    use super::*;
    use crate::storage::Storage;
    use crate::store::table::{Table, TableName};
    use crate::store::table_options::TableOptions;

    /// A file of three row groups.
    fn file(rests: bool) -> Bytes {
        let schema = Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("size", DataType::Float64, false),
        ]));
        let table = Arc::new(Table::new(TableName::parse("t").unwrap(), schema.clone(), vec![]));
        let encoder = Encoder::new(&table, &schema, &TableOptions::default()).unwrap();
        let storage = Shared::default();
        let mut file = DataFile::new(storage.create("f").unwrap());
        for start in [0, 50_000, 60_000] {
            let rows = start..start + 30_000;
            let names = rows.clone().map(|row| (row % 3 != 0).then(|| format!("name {}", row % 1000)));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter(names)),
                Arc::new(Float64Array::from_iter_values(rows.map(|row| f64::from(row).sqrt()))),
            ];
            let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
            file.append(encoder.encode(batch).unwrap(), &encoder).unwrap();
            if rests {
                file.rest(&encoder).unwrap();
            }
            assert_eq!(file.footer_bytes() > 0, rests);
        }
        file.finish(&encoder).unwrap().finish().unwrap();
        storage.0.bytes("f")
    }

    #[test]
    fn a_rest_does_not_change_the_file() {
        assert!(file(true) == file(false));
    }

    #[test]
    fn offsets_count_from_the_beginning_of_the_file() {
        let bytes = file(true);
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .parse_and_finish(&bytes)
            .unwrap();
        let index = metadata.page_index().unwrap();
        let mut end = MAGIC.len() as u64;
        for (group, row_group) in metadata.row_groups().iter().enumerate() {
            assert_eq!(row_group.ordinal(), Some(group as i32));
            for (number, column) in row_group.columns().iter().enumerate() {
                let (start, length) = column.byte_range();
                assert_eq!(start, end);
                end = start + length;
                let pages = index.offset_index(group, number).unwrap().page_locations();
                let firsts: Vec<_> = pages.iter().map(|page| page.first_row_index).collect();
                assert_eq!(firsts, [0, 8192, 16384, 24576], "a page is a batch of a scan");
                assert_eq!(pages[0].offset, column.data_page_offset());
                let last = pages.last().unwrap();
                assert_eq!((last.offset + i64::from(last.compressed_page_size)) as u64, end);
                assert_eq!(index.column_index(group, number).unwrap().num_pages() as usize, pages.len());
            }
        }
    }
}
