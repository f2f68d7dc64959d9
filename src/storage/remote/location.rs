//! What a root's URL names: the kind of store, the bucket, and the prefix of every key.

use object_store::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// The kind of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// `s3://`: AWS and all that speak as it does.
    S3,
    /// `gs://`
    Google,
    /// `az://`, `abfss://`
    Azure,
}

/// Whether a URL of this scheme names a root in an object store.
pub fn is_known_scheme(scheme: &str) -> bool {
    Provider::of(scheme).is_some()
}

impl Provider {
    fn of(scheme: &str) -> Option<Self> {
        match scheme.to_lowercase().as_str() {
            "s3" | "s3a" => Some(Self::S3),
            "gs" => Some(Self::Google),
            "az" | "abfss" => Some(Self::Azure),
            _ => None,
        }
    }
}

/// A root in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The kind of store.
    pub provider: Provider,
    /// `s3://bucket`
    pub bucket_url: String,
    /// `bucket`; with Azure's `abfss` the container and its account.
    pub bucket: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Location {
    /// `<scheme>://<bucket>[/<prefix>]`, the prefix taken as it is written: no character stands for another.
    ///
    /// # Errors
    /// `Unsupported` for another scheme, `InvalidInput` for a bucket or prefix that cannot be meant.
    pub fn parse(root: &str) -> Result<Self> {
        let (scheme, rest) = root.split_once("://").unwrap_or(("", root));
        let provider = Provider::of(scheme).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                format!("\"{root}\" cannot be the root of a store: {scheme}:// is not supported!"),
            )
            .with_hint("The root is a local path, or s3://bucket/prefix, gs://…, az://…, abfss://….")
        })?;
        // What stands before an @ may be a password.
        let shown = match rest.split_once('@') {
            Some((_, behind)) if scheme != "abfss" => format!("{scheme}://…@{behind}"),
            _ => root.to_owned(),
        };
        let refuse =
            |why: &str| Error::invalid(format!("\"{}\" cannot be the root of a store: {why}!", shown.escape_debug()));
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let known =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (scheme == "abfss" && c == '@');
        let hint = "For example s3://bucket/prefix.";
        if bucket.is_empty() {
            return Err(refuse("it names no bucket").with_hint(hint));
        }
        if !bucket.chars().all(known) {
            return Err(refuse("no bucket can be called so").with_hint(hint));
        }
        let prefix = prefix.trim_matches('/');
        for segment in prefix.split('/').filter(|_| !prefix.is_empty()) {
            match segment {
                "" => return Err(refuse("a part of its prefix is empty")),
                "." | ".." => return Err(refuse("its prefix holds \".\" or \"..\"")),
                _ if segment.contains(|c: char| c.is_ascii_control()) => {
                    return Err(refuse("its prefix holds a control character"));
                }
                // Some stores take it for a slash.
                _ if segment.contains('\\') => return Err(refuse("its prefix holds a backslash")),
                _ => {}
            }
        }
        Ok(Self {
            provider,
            bucket_url: format!("{scheme}://{bucket}"),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Where `relative` is, in full, as a message shows it.
    pub fn display(&self, relative: &str) -> String {
        let parts = [self.bucket_url.as_str(), &self.prefix, relative];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// The key of a file; nothing that could leave the root.
    pub fn key(&self, relative: &str) -> Result<Path> {
        if relative.is_empty() {
            return Err(Error::internal(format!("No file below {} is named", self.display(""))));
        }
        self.dir_key(relative)
    }

    /// The key of a directory (`""`: the root), without a slash at its end.
    pub fn dir_key(&self, relative: &str) -> Result<Path> {
        let text = match (self.prefix.as_str(), relative) {
            (prefix, "") => prefix.to_owned(),
            ("", relative) => relative.to_owned(),
            (prefix, relative) => format!("{prefix}/{relative}"),
        };
        match Path::parse(&text) {
            Ok(path) if path.as_ref() == text => Ok(path),
            _ => Err(Error::internal(format!("\"{}\" is no path below {}", relative.escape_debug(), self.display("")))),
        }
    }

    /// The path below the root of a key.
    pub fn relative<'a>(&self, key: &'a Path) -> Option<&'a str> {
        let below = key.as_ref().strip_prefix(self.prefix.as_str())?;
        if self.prefix.is_empty() { Some(below) } else { below.strip_prefix('/') }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_taken_as_written() {
        for (root, bucket, prefix) in [
            ("s3://b", "b", ""),
            ("s3://b//", "b", ""),
            ("s3://b/a b/%20+=?#/", "b", "a b/%20+=?#"),
            ("S3://b.c/é", "b.c", "é"),
            ("abfss://c@a.dfs.core.windows.net/x", "c@a.dfs.core.windows.net", "x"),
        ] {
            let location = Location::parse(root).unwrap();
            assert_eq!((location.bucket.as_str(), location.prefix.as_str()), (bucket, prefix), "{root}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for root in
            ["s3://", "s3:///x", "s3://b/a//b", "s3://b/../x", "s3://b/.", "s3://b/a\nb", "s3://b?x/y", "s3://a@b/x"]
        {
            assert_eq!(Location::parse(root).unwrap_err().kind(), ErrorKind::InvalidInput, "{root:?}");
        }
        assert_eq!(Location::parse("ftp://x").unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn keys_and_relative_paths_are_each_other_s_opposite() {
        for root in ["s3://b", "s3://b/p/q"] {
            let location = Location::parse(root).unwrap();
            let key = location.key("t/k=a%2Fb/x.parquet").unwrap();
            assert_eq!(location.relative(&key), Some("t/k=a%2Fb/x.parquet"));
            assert_eq!(location.display("t/x"), format!("{root}/t/x"));
            assert_eq!(location.display(""), root);
            for outside in ["../x", "a//b", "/a", "a/", ".", "a\0", ""] {
                assert!(location.key(outside).is_err(), "{outside:?}");
            }
        }
    }
}
