//! What went wrong, in words a user can act on.
//!
//! Every message names the table, column, value or path concerned; a hint says what to do. DuckDB puts its own prefix
//! ("Binder Error: ", …) in front of what is displayed here, so no message starts with one.

use std::fmt;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is: what a caller decides by, where the text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, option or setting that cannot be meant.
    InvalidInput,
    /// A table, column or file that is not there.
    NotFound,
    /// A rule of the registry that the records or the new schema break.
    Constraint,
    /// A value that cannot be cast to its column's type without loss.
    Conversion,
    /// A file or directory of the store that is damaged or does not fit the registry.
    Corrupt,
    /// The file system or object store failed.
    Io,
    /// Another writer was faster, and trying again did not help.
    Conflict,
    /// Given up, because nobody waits for the answer any more.
    Interrupted,
    /// Something amplify does not do.
    Unsupported,
    /// A bug in amplify.
    Internal,
}

/// An error: its kind, what was wrong, what to do about it, and what caused it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` names what was wrong.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// An argument, option or setting that cannot be meant.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A file or directory that is damaged or does not fit the registry.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A bug in amplify.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The file system failed at `path` while doing `what` ("read", "create", …).
    pub fn io(what: &str, path: impl fmt::Display, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("Could not {what} \"{path}\"")).with_source(source)
    }

    /// Adds what to do about it; shown on a line of its own.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause; its text is shown behind the message.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn std::error::Error + 'static))
    }
}

/// An Arrow failure that no rule of ours foresaw.
impl From<arrow::error::ArrowError> for Error {
    fn from(source: arrow::error::ArrowError) -> Self {
        Self::internal("Arrow could not process the data").with_source(source)
    }
}

/// The best few of `candidates` for a misspelt `name`, as a hint: `Did you mean "images"?`.
///
/// Returns `None` where nothing comes close.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let best: Vec<String> = scored.iter().take(3).map(|(_, candidate)| format!("\"{candidate}\"")).collect();
    (!best.is_empty()).then(|| format!("Did you mean {}?", best.join(" or ")))
}

/// [`did_you_mean`], or where nothing comes close all `names`, behind `all` ("The columns are").
pub fn near_or_all<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone, all: &str) -> String {
    did_you_mean(name, names.clone()).unwrap_or_else(|| format!("{all} {}.", names.collect::<Vec<_>>().join(", ")))
}

/// What the word `given` means, in whichever case, by a list of words and meanings; `what` names it in errors.
///
/// # Errors
/// `InvalidInput` for another word.
pub fn one_of<T: Copy>(what: &str, given: &str, choices: &[(&str, T)]) -> Result<T> {
    if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == given.to_lowercase()) {
        return Ok(*meaning);
    }
    let quoted: Vec<String> = choices.iter().map(|(word, _)| format!("'{word}'")).collect();
    let listed = match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    };
    let error = Error::invalid(format!("{what} is {listed}, not '{given}'!"));
    Err(match did_you_mean(given, choices.iter().map(|(word, _)| *word)) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_message_cause_and_hint() {
        let error = Error::invalid("Bad \"x\"").with_source(std::io::Error::other("why")).with_hint("Do y.");
        assert_eq!(error.to_string(), "Bad \"x\": why\nDo y.");
    }

    #[test]
    fn suggests_near_names_only() {
        assert_eq!(did_you_mean("imges", ["images", "bins"]).as_deref(), Some("Did you mean \"images\"?"));
        assert_eq!(did_you_mean("zzz", ["images"]), None);
        assert_eq!(near_or_all("imges", ["images", "bins"].into_iter(), "There are"), "Did you mean \"images\"?");
        assert_eq!(near_or_all("zzz", ["images", "bins"].into_iter(), "There are"), "There are images, bins.");
    }

    #[test]
    fn words_have_a_meaning_or_are_refused() {
        let choices = [("both", 0), ("left", 1), ("right", 2)];
        assert_eq!(one_of("side", "Left", &choices).unwrap(), 1);
        let error = one_of("side", "Rigth", &choices).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "side is 'both', 'left' or 'right', not 'Rigth'!\nDid you mean \"right\"?");
        assert_eq!(one_of("x", "zzz", &choices[..1]).unwrap_err().to_string(), "x is 'both', not 'zzz'!");
    }
}
