//! Pages of a column chunk that is compressed by zstd.

use std::cell::RefCell;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use bytes::buf::Reader;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

use super::whole::FetchedChunk;

thread_local! {
    /// To make one takes longer than to decompress a small page: it asks the processor what it can do, which on a virtual
    /// machine the host answers.
    static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The pages of one column chunk, decompressed.
///
/// parquet's reader finds them, and is told that they are not compressed. It does not say how large a page should become,
/// which is in the header that it reads: so that is noted while it does.
pub(super) struct ZstdPages {
    stored: SerializedPageReader<Observed>,
    size: Arc<PageSize>,
}

impl ZstdPages {
    pub(super) fn new(bytes: FetchedChunk, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self> {
        let size = Arc::<PageSize>::default();
        let observed = Arc::new(Observed { bytes, size: size.clone() });
        let chunk = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        Ok(Self { stored: SerializedPageReader::new(observed, &chunk, rows, None)?, size })
    }
}

// A dictionary that was skipped could not be asked for later: the size that is known is that of the last header.
impl PageReader for ZstdPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(page) = self.stored.get_next_page()? else { return Ok(None) };
        decompressed(page, self.size.get()?).map(Some)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.stored.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.stored.at_record_boundary()
    }
}

impl Iterator for ZstdPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn decompressed(mut page: Page, size: usize) -> Result<Page> {
    match &mut page {
        Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = decompress(buf, 0, size)?,
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
            let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
            *buf = decompress(buf, usize::try_from(levels)?, size)?;
        }
        Page::DataPageV2 { .. } => {}
    }
    Ok(page)
}

/// The page of `size` bytes that is stored as `stored`: its first `plain_bytes` as they are, the rest compressed.
fn decompress(stored: &[u8], plain_bytes: usize, size: usize) -> Result<Bytes> {
    let Some((plain, frames)) = stored.split_at_checked(plain_bytes).filter(|_| plain_bytes <= size) else {
        return Err(damaged("its levels are longer than it is"));
    };
    let mut page = Vec::with_capacity(size);
    page.extend_from_slice(plain);
    // A page of nothing but NULLs has no values, be it in a frame of none or in no frame.
    if page.len() < size {
        let mut rest = Cursor::new(&mut page);
        rest.set_position(plain.len() as u64);
        CONTEXT.with_borrow_mut(|context| {
            let context = match context {
                Some(context) => context,
                None => context.insert(Decompressor::new()?),
            };
            context.decompress_to_buffer(frames, &mut rest)
        })?;
    }
    if page.len() != size {
        return Err(damaged(&format!("it has {} bytes in place of {size}", page.len())));
    }
    Ok(page.into())
}

fn damaged(why: &str) -> ParquetError {
    ParquetError::General(format!("a page makes no sense: {why}"))
}

/// How large the page is whose header was read last, uncompressed; in bytes.
#[derive(Debug)]
struct PageSize(AtomicU32);

impl PageSize {
    const UNKNOWN: u32 = u32::MAX;

    fn get(&self) -> Result<usize> {
        match self.0.load(Ordering::Relaxed) {
            Self::UNKNOWN => Err(damaged("its header does not begin with its kind and size")),
            size => Ok(usize::try_from(size)?),
        }
    }

    fn note(&self, header: &[u8]) {
        self.0.store(uncompressed_size(header).unwrap_or(Self::UNKNOWN), Ordering::Relaxed);
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(AtomicU32::new(Self::UNKNOWN))
    }
}

/// The second field of a page header, in Thrift's compact protocol. The first two are never left out, and have always been
/// written in the order of their numbers: each is a byte that says "the next field, an i32" and a zigzag varint.
fn uncompressed_size(header: &[u8]) -> Option<u32> {
    const NEXT_IS_I32: u8 = 0x15;
    let (_kind, rest) = varint(header.strip_prefix(&[NEXT_IS_I32])?)?;
    let (zigzag, _) = varint(rest.strip_prefix(&[NEXT_IS_I32])?)?;
    (zigzag & 1 == 0).then_some(zigzag >> 1)
}

/// A number of at most 32 bits, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (position, byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()?, &bytes[position + 1..]));
        }
    }
    None
}

/// Bytes of which those that are read in a stream are page headers.
struct Observed {
    bytes: FetchedChunk,
    size: Arc<PageSize>,
}

impl Length for Observed {
    fn len(&self) -> u64 {
        self.bytes.len()
    }
}

impl ChunkReader for Observed {
    type T = HeaderReader;

    fn get_read(&self, start: u64) -> Result<HeaderReader> {
        Ok(HeaderReader { rest: self.bytes.get_read(start)?, unread: Some(self.size.clone()) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.bytes.get_bytes(start, length)
    }
}

/// Notes the size as soon as it is read: a header that was looked at before is not read again, but asked for.
struct HeaderReader {
    rest: Reader<Bytes>,
    unread: Option<Arc<PageSize>>,
}

impl Read for HeaderReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Some(size) = self.unread.take() {
            size.note(self.rest.get_ref());
        }
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const VALUES: &[u8] = b"IFCB103 IFCB103 IFCB103 IFCB104";

    fn frame() -> Vec<u8> {
        zstd::bulk::compress(VALUES, 1).unwrap()
    }

    #[test]
    fn what_is_not_compressed_stays() {
        let stored = [b"levels".as_slice(), &frame()].concat();
        assert_eq!(decompress(&stored, 6, 6 + VALUES.len()).unwrap(), [b"levels", VALUES].concat());
        assert_eq!(decompress(b"levels", 6, 6).unwrap(), b"levels".as_slice());
        assert_eq!(decompress(b"", 0, 0).unwrap(), b"".as_slice());
        assert_eq!(decompress(&zstd::bulk::compress(b"", 1).unwrap(), 0, 0).unwrap(), b"".as_slice());
    }

    #[test]
    fn frames_may_be_several_and_need_not_say_their_size() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(VALUES).unwrap();
        let stream = encoder.finish().unwrap();
        for (stored, times) in [
            (stream.clone(), 1),
            ([frame(), frame()].concat(), 2),
            ([stream.clone(), stream.clone()].concat(), 2),
            ([frame(), stream].concat(), 2),
        ] {
            assert_eq!(decompress(&stored, 0, times * VALUES.len()).unwrap(), VALUES.repeat(times));
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_and_spoils_nothing() {
        let whole = frame();
        // A frame that claims 2^62 bytes: magic number, a single segment with a size of eight bytes.
        let bomb = [[0x28, 0xb5, 0x2f, 0xfd, 0xe0].as_slice(), &(1_u64 << 62).to_le_bytes(), &[1, 0, 0]].concat();
        for stored in [&whole[..whole.len() - 3], &whole[..3], b"no frame", &bomb, b""] {
            decompress(stored, 0, VALUES.len()).unwrap_err();
        }
        for size in [VALUES.len() - 1, VALUES.len() + 1, 2 * VALUES.len()] {
            decompress(&whole, 0, size).unwrap_err();
        }
        decompress(&whole, whole.len() + 1, 2 * VALUES.len()).unwrap_err();
        decompress(&whole, 5, 4).unwrap_err();
        assert_eq!(decompress(&whole, 0, VALUES.len()).unwrap(), VALUES, "by the same context");
    }

    #[test]
    fn the_size_is_the_second_field_of_a_header() {
        assert_eq!(uncompressed_size(&[0x15, 0x00, 0x15, 0x0e, 0x15]), Some(7));
        assert_eq!(uncompressed_size(&[0x15, 0x06, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f]), Some(i32::MAX as u32));
        // Negative, longer than 32 bits, cut off, another field, another type.
        for header in [
            [0x15, 0x00, 0x15, 0x0d, 0x15, 0x00].as_slice(),
            &[0x15, 0x00, 0x15, 0xff, 0xff, 0xff, 0xff, 0x1f],
            &[0x15, 0x00, 0x15, 0xfe, 0xff],
            &[0x15, 0x00, 0x25, 0x0e],
            &[0x15, 0x00, 0x16, 0x0e],
            &[0x25, 0x00, 0x15, 0x0e],
            &[],
        ] {
            assert_eq!(uncompressed_size(header), None, "{header:?}");
        }
    }
}
