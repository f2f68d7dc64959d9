//! Footers: what a Parquet file says about itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMask, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};

use super::cache::{self, Key, Known};
use super::fetch::{FileSource, TailGuess};
use crate::error::Result;

/// What a file ends with: the length of its footer, and four letters.
const FOOTER_END_BYTES: u64 = 8;

/// The footer of a file, and what else is known of it.
#[derive(Debug)]
pub(super) struct Footer {
    known: Known,
    /// What the cache knows the file by; `None` where it is not to be remembered.
    key: Option<Key>,
}

/// The parts of a page index that are known: for some row groups, of the columns that are tested, bounds and places
/// of pages; of those that are read, places.
#[derive(Debug, Clone, Default)]
pub(super) struct Coverage {
    pub(super) row_groups: BTreeSet<usize>,
    pub(super) to_test: BTreeSet<usize>,
    pub(super) to_read: BTreeSet<usize>,
}

impl Coverage {
    fn contains(&self, other: &Self) -> bool {
        other.row_groups.is_subset(&self.row_groups)
            && other.to_test.is_subset(&self.to_test)
            && other.to_read.is_subset(&self.to_read)
    }

    fn with(mut self, other: &Self) -> Self {
        self.row_groups.extend(&other.row_groups);
        self.to_test.extend(&other.to_test);
        self.to_read.extend(&other.to_read);
        self
    }
}

impl Footer {
    /// The footer of a file: as it was read before, or else as [`Footer::read`] reads it.
    pub(super) fn of(source: &mut FileSource, guess: &TailGuess, whole: bool) -> Result<Self> {
        let key = Key::of(source.location(), source.meta());
        if let Some(known) = key.as_ref().and_then(cache::look_up) {
            return Ok(Self { known, key });
        }
        Self::read(source, guess, whole, key)
    }

    /// Reads the footer, and remembers it as `key`. With `whole`, a small file is brought into memory as a whole.
    pub(super) fn read(source: &mut FileSource, guess: &TailGuess, whole: bool, key: Option<Key>) -> Result<Self> {
        if whole {
            source.read_whole_if_small()?;
        }
        if !source.is_whole() {
            source.read_tail(guess.bytes(source.access()))?;
        }
        let footer = Arc::new(read_footer(source, guess)?);
        let bytes = footer.memory_size() as u64;
        let footer = Self { known: Known { footer, index: None, bytes }, key };
        footer.remember();
        Ok(footer)
    }

    /// Without page indexes.
    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.known.footer
    }

    /// The footer with (at least) some parts of the page index, where the file has them.
    pub(super) fn with_page_index(
        &mut self,
        source: &mut FileSource,
        guess: &TailGuess,
        wanted: &Coverage,
    ) -> Result<ParquetMetaData> {
        let footer = self.known.footer.as_ref().clone();
        if let Some((covered, index)) = &self.known.index
            && covered.contains(wanted)
        {
            return Ok(footer.into_builder().set_page_index(Some(index.clone())).build());
        }
        source.read_whole_if_small()?;
        let covered = self.known.index.take().map(|(covered, _)| covered).unwrap_or_default().with(wanted);
        let indexed = read_page_index(source, guess, footer, &covered)?;
        if let Some(index) = indexed.page_index() {
            self.known.bytes = indexed.memory_size() as u64;
            self.known.index = Some((covered, index.clone()));
            self.remember();
        }
        Ok(indexed)
    }

    fn remember(&self) {
        if let Some(key) = &self.key {
            cache::remember(key.clone(), self.known.clone());
        }
    }
}

fn read_footer(source: &FileSource, guess: &TailGuess) -> Result<ParquetMetaData> {
    let size = source.meta().size;
    let (range, bytes) = source.tail();
    let end = (bytes.len() as u64).checked_sub(FOOTER_END_BYTES);
    if let Some(length) = end.and_then(|at| bytes.get(at as usize..)?.get(..4))
        && let Ok(length) = <[u8; 4]>::try_from(length)
    {
        guess.learn(u64::from(u32::from_le_bytes(length)) + FOOTER_END_BYTES);
    }
    let decoder = || {
        let mut decoder = ParquetMetaDataPushDecoder::try_new(size)?.with_page_index_policy(PageIndexPolicy::Skip);
        decoder.push_range(range, bytes)?;
        Ok(decoder)
    };
    drive(source, guess, decoder().map_err(|error: ParquetError| source.corrupt(error))?)
}

fn read_page_index(
    source: &FileSource,
    guess: &TailGuess,
    footer: ParquetMetaData,
    wanted: &Coverage,
) -> Result<ParquetMetaData> {
    let row_groups = || wanted.row_groups.iter().copied();
    let mask =
        |columns: &BTreeSet<usize>| ColumnChunkMask::row_groups_and_columns(row_groups(), columns.iter().copied());
    let decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(source.meta().size, footer)
        .map_err(|error| source.corrupt(error))?
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_column_index_mask(mask(&wanted.to_test))
        .with_offset_index_mask(mask(&wanted.to_read));
    drive(source, guess, decoder)
}

fn drive(source: &FileSource, guess: &TailGuess, mut decoder: ParquetMetaDataPushDecoder) -> Result<ParquetMetaData> {
    loop {
        match decoder.try_decode().map_err(|error| source.corrupt(error))? {
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::NeedsData(ranges) => {
                for range in &ranges {
                    guess.learn(source.meta().size.saturating_sub(range.start));
                }
                let answers: Vec<Bytes> = source.fetch(&ranges)?;
                decoder.push_ranges(ranges, answers).map_err(|error| source.corrupt(error))?;
            }
            DecodeResult::Finished => return Err(source.corrupt("it has no footer")),
        }
    }
}
