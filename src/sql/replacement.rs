//! `FROM 'amplify://images'`.

use crate::error::Result;
use crate::ffi::ReplacementScan;
use crate::sql::session::SCHEME;

/// Reads `amplify://<table>` by `amplify_read`, which says what is wrong with a name that is not registered.
#[derive(Debug)]
pub struct AmplifyUrl;

impl ReplacementScan for AmplifyUrl {
    fn replace(&self, name: &str) -> Result<Option<(&'static str, String)>> {
        Ok(name.strip_prefix(SCHEME).map(|table| ("amplify_read", table.to_owned())))
    }
}
