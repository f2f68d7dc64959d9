//! What a commit record and a pending marker hold.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::environment::Writer;

/// What a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Adds files.
    Append,
    /// Adds files, and replaces the visible ones of the same partitions.
    Overwrite,
    /// Gives up the write of its txid.
    Abort,
}

impl Kind {
    /// As in the record and in `amplify_history`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Overwrite => "overwrite",
            Self::Abort => "abort",
        }
    }
}

/// A commit record. Paths are below the table's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose write it is.
    pub txid: String,
    /// What it does.
    pub kind: Kind,
    /// The files it adds.
    #[serde(default)]
    pub files: Vec<String>,
    /// The files it replaces.
    #[serde(default)]
    pub replaces: Vec<String>,
    /// The directories of the partitions that it writes to; `""` is a table without keys.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// Rows in `files`.
    #[serde(default)]
    pub rows: u64,
    /// Size of `files`.
    #[serde(default)]
    pub bytes: u64,
    /// When it was written, by the writer's clock.
    #[serde(with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The batch that it is the only commit of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
}

/// A pending marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Whose write it is.
    pub txid: String,
    /// When it began, by the writer's clock.
    #[serde(with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// Who writes.
    pub writer: Writer,
}

/// The JSON text of a record or marker.
pub fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::internal("A journal record cannot be written").with_source(error))
}

/// A record or marker; `location` names the file in an error.
pub fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8], location: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::corrupt(format!("The journal file \"{location}\" is damaged"))
            .with_source(error)
            .with_hint("It is never ignored: it may say which files are visible. Restore it from a backup.")
    })
}

/// Times as text, as chrono's own serde support would write them, without that feature: it would have every Arrow crate
/// built for it.
mod rfc3339 {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc()).map_err(D::Error::custom)
    }
}
