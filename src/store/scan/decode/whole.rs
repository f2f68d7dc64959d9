//! A row group of which all rows are wanted: whole column chunks, decompressed with one zstd context a thread.
//!
//! parquet's own readers make two contexts for each column chunk, one to decompress and one that could compress. Small
//! chunks take less time than that. Where rows are left out, parquet's decoder does more than can be done from outside.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Compression;
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::zstd_pages::ZstdPages;
use crate::store::scan::BATCH_ROWS;

/// Decodes all rows of one row group, in the manner of parquet's push decoder: it asks for bytes, gets them, and gives
/// batches of [`BATCH_ROWS`].
#[derive(Debug)]
pub(super) struct WholeGroup {
    file: ArrowReaderMetadata,
    row_group: usize,
    columns: ProjectionMask,
    batches: Option<ParquetRecordBatchReader>,
}

impl WholeGroup {
    pub(super) fn new(file: ArrowReaderMetadata, row_group: usize, columns: ProjectionMask) -> Self {
        Self { file, row_group, columns, batches: None }
    }

    /// The next batch, or the byte ranges of all column chunks where those have not come yet.
    pub(super) fn try_decode(&mut self) -> Result<DecodeResult<RecordBatch>> {
        let Some(batches) = &mut self.batches else {
            let group = self.file.metadata().row_group(self.row_group);
            return Ok(DecodeResult::NeedsData(self.leaves().map(|leaf| range_of(group.column(leaf))).collect()));
        };
        Ok(batches.next().transpose()?.map_or(DecodeResult::Finished, DecodeResult::Data))
    }

    /// Takes what it asked for, in the same order.
    pub(super) fn push(&mut self, answers: Vec<Bytes>) -> Result<()> {
        let mut chunks = vec![None; self.file.parquet_schema().num_columns()];
        for (leaf, bytes) in self.leaves().zip(answers) {
            chunks[leaf] = Some(bytes);
        }
        let group = FetchedGroup { metadata: self.file.metadata(), row_group: self.row_group, chunks };
        let hint = self.file.schema().fields();
        let levels = parquet_to_arrow_field_levels(self.file.parquet_schema(), self.columns.clone(), Some(hint))?;
        self.batches = Some(ParquetRecordBatchReader::try_new_with_row_groups(&levels, &group, BATCH_ROWS, None)?);
        Ok(())
    }

    fn leaves(&self) -> impl Iterator<Item = usize> {
        (0..self.file.parquet_schema().num_columns()).filter(|&leaf| self.columns.leaf_included(leaf))
    }
}

fn range_of(chunk: &ColumnChunkMetaData) -> Range<u64> {
    let (start, length) = chunk.byte_range();
    start..start.saturating_add(length)
}

/// A row group whose column chunks, by leaf column, are in memory.
struct FetchedGroup<'a> {
    metadata: &'a ParquetMetaData,
    row_group: usize,
    chunks: Vec<Option<Bytes>>,
}

impl FetchedGroup<'_> {
    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.row_group)
    }
}

impl RowGroups for FetchedGroup<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>> {
        let bytes = self.chunks.get(leaf).cloned().flatten();
        let bytes = bytes.ok_or_else(|| ParquetError::General(format!("column {leaf} was not fetched")))?;
        let pages = page_reader(self.group().column(leaf), bytes, self.num_rows())?;
        Ok(Box::new(OneChunk(iter::once(Ok(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}

fn page_reader(chunk: &ColumnChunkMetaData, bytes: Bytes, rows: usize) -> Result<Box<dyn PageReader>> {
    let fetched = FetchedChunk { start: range_of(chunk).start, bytes };
    Ok(match chunk.compression() {
        Compression::ZSTD(_) => Box::new(ZstdPages::new(fetched, chunk, rows)?),
        _ => Box::new(SerializedPageReader::new(Arc::new(fetched), chunk, rows, None)?),
    })
}

/// The one column chunk of a column.
struct OneChunk(iter::Once<Result<Box<dyn PageReader>>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl PageIterator for OneChunk {}

/// A column chunk in memory, by its place in the file.
pub(super) struct FetchedChunk {
    start: u64,
    bytes: Bytes,
}

impl FetchedChunk {
    fn from(&self, start: u64) -> Result<Bytes> {
        let skipped = start.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        match skipped.filter(|&skipped| skipped <= self.bytes.len()) {
            Some(skipped) => Ok(self.bytes.slice(skipped..)),
            None => Err(ParquetError::EOF(format!("byte {start} is in no column chunk"))),
        }
    }
}

impl Length for FetchedChunk {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl ChunkReader for FetchedChunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let rest = self.from(start)?;
        if rest.len() < length {
            return Err(ParquetError::EOF(format!("a page of {length} bytes, of which {} are there", rest.len())));
        }
        Ok(rest.slice(..length))
    }
}
