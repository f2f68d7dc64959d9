//! How pages of Parquet files are compressed.

use std::fmt;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use crate::error::{Error, Result, did_you_mean};

/// A compression that every reader of Parquet knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Of this level.
    Zstd(ZstdLevel),
    /// Fast, and larger files.
    Snappy,
    /// Parquet's LZ4_RAW.
    Lz4,
    /// Of this level.
    Gzip(GzipLevel),
    /// As it is.
    Uncompressed,
}

impl Codec {
    const NAMES: [&str; 5] = ["zstd", "snappy", "lz4", "gzip", "uncompressed"];
    const GZIP_LEVEL: i32 = 6;
    /// Parquet data that is written once and read over local disks and networks alike gains little from more.
    const ZSTD_LEVEL: i32 = 1;

    /// `zstd`, `snappy`, `lz4`, `gzip` or `uncompressed`; the first and `gzip` with a level, too: `zstd(9)`. Case does
    /// not matter.
    ///
    /// # Errors
    /// Naming the text, where it is none of these or has a level that does not exist.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_lowercase();
        let (name, level) = match lower.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, level)) => (name.trim(), Some(level.trim())),
            None => (lower.as_str(), None),
        };
        let refuse = |what: &str| Error::invalid(format!("Option \"compression\" is '{text}', which {what}!"));
        let number = |default: i32, most: i32| match level {
            None => Ok(default),
            Some(level) => level.parse().ok().filter(|level| (1..=most).contains(level)).ok_or_else(|| {
                refuse("is a level that does not exist").with_hint(format!("{name} has the levels 1 to {most}."))
            }),
        };
        let outside = |error| refuse("is a level that does not exist").with_source(error);
        let codec = match name {
            "zstd" => {
                Self::Zstd(number(Self::ZSTD_LEVEL, 22).and_then(|level| ZstdLevel::try_new(level).map_err(outside))?)
            }
            "gzip" => {
                let level = number(Self::GZIP_LEVEL, 9)?.cast_unsigned();
                Self::Gzip(GzipLevel::try_new(level).map_err(outside)?)
            }
            "snappy" => Self::Snappy,
            "lz4" => Self::Lz4,
            "uncompressed" => Self::Uncompressed,
            _ => {
                let hint = did_you_mean(name, Self::NAMES)
                    .unwrap_or_else(|| format!("There are {}, and levels as in zstd(9).", Self::NAMES.join(", ")));
                return Err(refuse("is no compression").with_hint(hint));
            }
        };
        match codec {
            Self::Snappy | Self::Lz4 | Self::Uncompressed if level.is_some() => {
                Err(refuse("has no levels").with_hint(format!("Write '{name}'; zstd and gzip have levels.")))
            }
            _ => Ok(codec),
        }
    }

    /// In Parquet's terms.
    pub fn to_parquet(self) -> Compression {
        match self {
            Self::Zstd(level) => Compression::ZSTD(level),
            Self::Snappy => Compression::SNAPPY,
            Self::Lz4 => Compression::LZ4_RAW,
            Self::Gzip(level) => Compression::GZIP(level),
            Self::Uncompressed => Compression::UNCOMPRESSED,
        }
    }
}

/// The one spelling, which [`Codec::parse`] reads.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd(level) if level.compression_level() == Self::ZSTD_LEVEL => f.write_str("zstd"),
            Self::Zstd(level) => write!(f, "zstd({})", level.compression_level()),
            Self::Gzip(level) if level.compression_level().cast_signed() == Self::GZIP_LEVEL => f.write_str("gzip"),
            Self::Gzip(level) => write!(f, "gzip({})", level.compression_level()),
            Self::Snappy => f.write_str("snappy"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Uncompressed => f.write_str("uncompressed"),
        }
    }
}

impl Default for Codec {
    /// zstd, fast.
    fn default() -> Self {
        Self::Zstd(ZstdLevel::try_new(Self::ZSTD_LEVEL).unwrap_or_default())
    }
}
