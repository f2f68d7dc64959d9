//! Pages of a column chunk that is compressed by zstd.

use std::cell::RefCell;
use std::io::{Cursor, Read};

use bytes::Bytes;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;

/// A page's size is a 32-bit number in its header.
const PAGE_MAX_BYTES: u64 = i32::MAX as u64;

thread_local! {
    /// To make one takes longer than to decompress a small page: it asks the processor what it can do, which on a virtual
    /// machine the host answers.
    static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses the pages that a reader finds. That reader takes them for uncompressed.
pub(super) struct ZstdPages<R: ChunkReader> {
    stored: SerializedPageReader<R>,
}

impl<R: ChunkReader> ZstdPages<R> {
    pub(super) fn new(stored: SerializedPageReader<R>) -> Self {
        Self { stored }
    }
}

impl<R: ChunkReader + 'static> PageReader for ZstdPages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.stored.get_next_page()?.map(decompressed).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.stored.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.stored.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.stored.take_deferred_dictionary()?.map(decompressed).transpose()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.stored.at_record_boundary()
    }
}

impl<R: ChunkReader + 'static> Iterator for ZstdPages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn decompressed(mut page: Page) -> Result<Page> {
    match &mut page {
        Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = decompress(buf, 0)?,
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
            let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
            *buf = decompress(buf, usize::try_from(levels)?)?;
        }
        Page::DataPageV2 { .. } => {}
    }
    Ok(page)
}

/// The page that is stored as `stored`: its first `plain_bytes` as they are, the rest decompressed.
fn decompress(stored: &[u8], plain_bytes: usize) -> Result<Bytes> {
    let Some((plain, frames)) = stored.split_at_checked(plain_bytes) else {
        return Err(damaged("its levels end after it"));
    };
    // A page of nothing but NULLs may have no values, not even a frame of none.
    if frames.is_empty() {
        return Ok(Bytes::copy_from_slice(plain));
    }
    match Decompressor::upper_bound(frames) {
        Some(size) if size as u64 <= PAGE_MAX_BYTES => all_at_once(plain, frames, size),
        Some(size) => Err(damaged(&format!("it claims to have {size} bytes"))),
        None => piece_by_piece(plain, frames),
    }
}

fn all_at_once(plain: &[u8], frames: &[u8], size: usize) -> Result<Bytes> {
    let mut page = Vec::with_capacity(plain.len() + size);
    page.extend_from_slice(plain);
    let mut rest = Cursor::new(&mut page);
    rest.set_position(plain.len() as u64);
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(Decompressor::new()?),
        };
        context.decompress_to_buffer(frames, &mut rest)
    })?;
    Ok(page.into())
}

/// Of frames that do not say how much is in them, as those who compress a stream write them.
fn piece_by_piece(plain: &[u8], frames: &[u8]) -> Result<Bytes> {
    let mut page = plain.to_vec();
    let read = zstd::Decoder::with_buffer(frames)?.take(PAGE_MAX_BYTES + 1).read_to_end(&mut page)?;
    if read as u64 > PAGE_MAX_BYTES {
        return Err(damaged("it has more bytes than a page can have"));
    }
    Ok(page.into())
}

fn damaged(why: &str) -> ParquetError {
    ParquetError::General(format!("a page makes no sense: {why}"))
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
        assert_eq!(decompress(&stored, 6).unwrap(), [b"levels", VALUES].concat());
        assert_eq!(decompress(b"levels", 6).unwrap(), b"levels".as_slice());
        assert_eq!(decompress(b"", 0).unwrap(), b"".as_slice());
    }

    #[test]
    fn frames_may_be_several_and_need_not_say_their_size() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.write_all(VALUES).unwrap();
        let stream = encoder.finish().unwrap();
        assert_eq!(Decompressor::upper_bound(&stream), None);
        for (stored, times) in [
            (stream.clone(), 1),
            ([frame(), frame()].concat(), 2),
            ([stream.clone(), stream.clone()].concat(), 2),
            ([frame(), stream].concat(), 2),
        ] {
            assert_eq!(decompress(&stored, 0).unwrap(), VALUES.repeat(times));
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_and_spoils_nothing() {
        let whole = frame();
        let mut wrong = whole.clone();
        wrong[5] ^= 0xff;
        // A frame that claims 2^62 bytes: magic number, a single segment with a size of eight bytes.
        let bomb = [[0x28, 0xb5, 0x2f, 0xfd, 0xe0].as_slice(), &(1_u64 << 62).to_le_bytes(), &[1, 0, 0]].concat();
        for stored in [&whole[..whole.len() - 3], &whole[..3], b"no frame", &bomb] {
            decompress(stored, 0).unwrap_err();
        }
        drop(decompress(&wrong, 0));
        decompress(b"", 1).unwrap_err();
        assert_eq!(decompress(&whole, 0).unwrap(), VALUES, "by the same context");
    }
}
