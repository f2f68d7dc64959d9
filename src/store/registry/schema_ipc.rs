//! `schema_ipc`: base64 of an encapsulated Arrow IPC schema message (continuation marker, length, flatbuffer, padding),
//! the bytes of pyarrow's `schema.serialize()`.

use arrow::datatypes::Schema;
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::{Error, Result};

pub(super) fn decode(text: &str) -> Result<Schema> {
    let damaged = || Error::corrupt("\"schema_ipc\" is damaged");
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| damaged().with_source(error))?;
    try_schema_from_ipc_buffer(&bytes).map_err(|error| damaged().with_source(error))
}

pub(super) fn encode(schema: &Schema) -> Result<String> {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(true);
    let message =
        IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut dictionaries, &options);
    let mut bytes = Vec::new();
    write_message(&mut bytes, message, &options)?;
    Ok(BASE64_STANDARD.encode(bytes))
}
