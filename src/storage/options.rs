//! How a root is opened.

use std::fmt;

use crate::error::{Result, one_of};

/// What an S3 store is taken to be in where nothing says otherwise.
pub const DEFAULT_REGION: &str = "us-east-1";

/// Ranges of a remote file with at most this much between them are read as one, unless the user says otherwise.
pub const DEFAULT_COALESCE_GAP_BYTES: u64 = 1 << 20;

/// How a root is opened; what is not for its kind of root does not matter to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Local roots: what was answered `Ok` survives a power cut.
    pub durable: bool,
    /// Remote roots: nobody else writes, so that a store without conditional writes will do.
    pub single_writer: bool,
    /// Remote roots: see [`super::Access::coalesce_gap_bytes`].
    pub coalesce_gap_bytes: u64,
    /// S3 roots.
    pub s3: S3Options,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            durable: true,
            single_writer: false,
            coalesce_gap_bytes: DEFAULT_COALESCE_GAP_BYTES,
            s3: S3Options::default(),
        }
    }
}

/// Where an S3 store is and who asks. What is not given is taken from the AWS environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Options {
    /// `host:port` or a URL; `None`: AWS.
    pub endpoint: Option<String>,
    /// [`DEFAULT_REGION`] counts as not given.
    pub region: Option<String>,
    /// Goes with `secret_key`.
    pub access_key: Option<Secret>,
    /// Goes with `access_key`.
    pub secret_key: Option<Secret>,
    /// Of temporary keys.
    pub session_token: Option<Secret>,
    /// For an endpoint that names no scheme, and AWS.
    pub use_ssl: bool,
    /// `None`: `path` where there is an endpoint, else `vhost`.
    pub url_style: Option<UrlStyle>,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            use_ssl: true,
            url_style: None,
        }
    }
}

/// Where the bucket stands in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlStyle {
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    Vhost,
}

impl UrlStyle {
    /// `path` or `vhost`, in whichever case.
    ///
    /// # Errors
    /// `InvalidInput` for anything else; `setting` names it.
    pub fn parse(text: &str, setting: &str) -> Result<Self> {
        one_of(setting, text, &[("path", Self::Path), ("vhost", Self::Vhost)])
    }
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for who has to sign with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let s3 = S3Options { secret_key: Some(Secret::new("hush")), ..S3Options::default() };
        let options = OpenOptions { s3, ..OpenOptions::default() };
        assert!(!format!("{options:?}").contains("hush"));
    }

    #[test]
    fn url_styles_are_named_or_refused() {
        assert_eq!(UrlStyle::parse("VHost", "x").unwrap(), UrlStyle::Vhost);
        let error = UrlStyle::parse("vhosts", "amplify_s3_url_style").unwrap_err().to_string();
        assert!(error.starts_with("amplify_s3_url_style is 'path' or 'vhost', not 'vhosts'!"), "{error}");
        assert!(error.contains("Did you mean \"vhost\"?"), "{error}");
    }
}
