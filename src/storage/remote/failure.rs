//! What went wrong between here and the store, by meaning, with what to check.
//!
//! The errors of object_store are never shown as they are: some stores send keys and signatures back. What is shown is
//! put together from the parts of [`Refusal`] and from what the system says of a connection.

use std::error::Error as StdError;

use http::StatusCode;
use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};

use super::http::is_unconnected;
use super::location::{Location, Provider};
use super::refusal::Refusal;
use crate::error::{Error, ErrorKind};
use crate::storage::options::Secret;

/// What a message about a store says besides what went wrong.
#[derive(Debug)]
pub struct Where {
    pub provider: Provider,
    /// `https://s3.us-east-1.amazonaws.com`, or how else the store is known.
    pub endpoint: String,
    /// Blotted out wherever a store repeats them.
    pub secrets: Vec<Secret>,
}

impl Where {
    /// The error that `error` is, of doing `what` ("read", "list", …) to `path` below `location`.
    pub fn failure(&self, what: &str, location: &Location, path: &str, error: &StoreError) -> Error {
        let place = location.display(path);
        let cause = Cause::of(error);
        if matches!(cause, Cause::NotFound) {
            return Error::new(ErrorKind::NotFound, format!("File \"{place}\" is not there!"));
        }
        let (kind, hint) = self.advice(&cause, location);
        let text = self.blot(&cause.text());
        let error = Error::new(kind, format!("Could not {what} \"{place}\" at {}: {text}!", self.endpoint));
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Nobody says who asks: no keys in the settings or the environment, and none to be had from the machine.
    pub fn no_credentials(&self, location: &Location, error: &StoreError) -> Error {
        let text = self.blot(&Cause::of(error).text());
        Error::new(
            ErrorKind::Io,
            format!("No keys for \"{}\" at {} were found: {text}!", location.bucket_url, self.endpoint),
        )
        .with_hint(format!(
            "{} The environment's web identity and the machine's instance profile were tried too.",
            self.keys_to_check()
        ))
    }

    fn advice(&self, cause: &Cause, location: &Location) -> (ErrorKind, Option<String>) {
        let Cause::Refused(refusal) = cause else {
            return match cause {
                Cause::Unreachable(_) | Cause::Silent(_) => (ErrorKind::Io, Some(self.endpoint_to_check())),
                Cause::BadPath(_) => {
                    (ErrorKind::Corrupt, Some("Delete or rename that object by another program.".to_owned()))
                }
                Cause::Changed => (ErrorKind::Conflict, None),
                Cause::NotFound | Cause::Refused(_) | Cause::Other(_) => (ErrorKind::Io, None),
            };
        };
        let code = refusal.code.as_deref().unwrap_or_default();
        let hint = match (code, refusal.status) {
            ("NoSuchBucket" | "ContainerNotFound", _) => {
                let hint =
                    format!("There is no bucket \"{}\": check its name. {}", location.bucket, self.endpoint_to_check());
                return (ErrorKind::NotFound, Some(hint));
            }
            ("ExpiredToken" | "TokenRefreshRequired" | "InvalidToken", _) => format!(
                "The session token has expired or is not of this store. {} Temporary keys have all three of them.",
                self.keys_to_check()
            ),
            ("", StatusCode::NOT_FOUND) => {
                let store = if self.provider == Provider::S3 { "an S3 store" } else { "such a store" };
                format!("What answers at {} does not look like {store}. {}", self.endpoint, self.endpoint_to_check())
            }
            ("RequestTimeTooSkewed" | "RequestExpired", _) => "Check the clock of this machine.".to_owned(),
            ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) => {
                self.region_to_check(refusal)
            }
            ("KeyTooLongError", _) => {
                return (
                    ErrorKind::InvalidInput,
                    Some("A key of S3 has at most 1,024 bytes, the prefix included.".to_owned()),
                );
            }
            (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                format!("{} They must be allowed to list, read, write and delete there.", self.keys_to_check())
            }
            (_, status) if status.is_redirection() => self.region_to_check(refusal),
            (_, StatusCode::CONFLICT) => return (ErrorKind::Conflict, None),
            (_, status) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                "It was tried several times. Try again later.".to_owned()
            }
            _ => self.endpoint_to_check(),
        };
        (ErrorKind::Io, Some(hint))
    }

    fn keys_to_check(&self) -> &'static str {
        match self.provider {
            Provider::S3 => {
                "Check amplify_s3_access_key, amplify_s3_secret_key and amplify_s3_session_token, or AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the environment."
            }
            Provider::Google => "Check GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS in the environment.",
            Provider::Azure => {
                "Check AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or what else starts with AZURE_, in \
                 the environment."
            }
        }
    }

    fn endpoint_to_check(&self) -> String {
        match self.provider {
            Provider::S3 => "Check amplify_s3_endpoint (or AWS_ENDPOINT_URL in the environment), amplify_s3_use_ssl, \
                amplify_s3_url_style, and the network."
                .to_owned(),
            Provider::Google | Provider::Azure => "Check the root's URL, the environment, and the network.".to_owned(),
        }
    }

    fn region_to_check(&self, refusal: &Refusal) -> String {
        match &refusal.region {
            Some(region) => format!(
                "The bucket is in another region: SET amplify_s3_region = '{region}', or AWS_REGION in the environment."
            ),
            None => "The bucket may be in another region: check amplify_s3_region, or AWS_REGION in the environment. \
                Check amplify_s3_endpoint too."
                .to_owned(),
        }
    }

    fn blot(&self, text: &str) -> String {
        let secrets = self.secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

/// What an error of object_store means.
enum Cause {
    NotFound,
    /// A condition of the request did not hold.
    Changed,
    Refused(Refusal),
    /// No connection; what the system says.
    Unreachable(String),
    /// A connection, but no answer in time, or not all of it.
    Silent(String),
    /// A key in a listing that cannot be a path.
    BadPath(String),
    Other(String),
}

impl Cause {
    fn of(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => return Self::NotFound,
            StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } | StoreError::NotModified { .. } => {
                return Self::Changed;
            }
            StoreError::InvalidPath { source } => return Self::BadPath(source.to_string()),
            _ => {}
        }
        let innermost = chain(error).last().map(ToString::to_string).unwrap_or_default();
        if let Some(refusal) = find::<Refusal>(error) {
            return Self::Refused(refusal.clone());
        }
        match find::<HttpError>(error) {
            Some(http) if is_unconnected(http) => Self::Unreachable(innermost),
            Some(_) => Self::Silent(innermost),
            None => Self::Other(innermost),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NotFound => "it is not there".to_owned(),
            Self::Changed => "it was changed meanwhile".to_owned(),
            Self::Refused(refusal) => refusal.to_string(),
            Self::Unreachable(why) => format!("the store cannot be reached ({why})"),
            Self::Silent(why) => format!("the store did not answer, or not to the end ({why})"),
            Self::BadPath(why) => format!("it holds a key that cannot be part of a store ({why})"),
            Self::Other(why) => why.clone(),
        }
    }
}

/// The typed error inside another, if there is one.
pub fn find<T: StdError + 'static>(error: &StoreError) -> Option<&T> {
    chain(error).find_map(|error| error.downcast_ref::<T>())
}

/// Whether the store cannot be reached, or took too long to answer: it is likely to do the same to the next request.
pub fn is_unanswered(error: &StoreError) -> bool {
    chain(error)
        .filter_map(|error| error.downcast_ref::<HttpError>())
        .any(|http| http.kind() == HttpErrorKind::Timeout || is_unconnected(http))
}

/// An error and what caused it, innermost last.
fn chain(error: &StoreError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| StdError::source(*error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn place() -> Where {
        let secrets = vec![Secret::new("AKIAHUSH"), Secret::new("")];
        Where { provider: Provider::S3, endpoint: "https://s3.example.org".to_owned(), secrets }
    }

    /// The error where a store answers so.
    fn answered(status: u16, body: &str) -> Error {
        let refusal = Refusal::read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes());
        let source = Box::new(HttpError::new(HttpErrorKind::Decode, refusal));
        let location = Location::parse("s3://bucket/p").unwrap();
        place().failure("read", &location, "t/x", &StoreError::Generic { store: "S3", source })
    }

    #[test]
    fn refusals_say_what_to_check() {
        for (status, code, kind, hint) in [
            (403, "InvalidAccessKeyId", ErrorKind::Io, "amplify_s3_access_key"),
            (403, "", ErrorKind::Io, "AWS_SECRET_ACCESS_KEY"),
            (400, "ExpiredToken", ErrorKind::Io, "The session token has expired"),
            (403, "RequestTimeTooSkewed", ErrorKind::Io, "clock"),
            (404, "NoSuchBucket", ErrorKind::NotFound, "There is no bucket \"bucket\""),
            (400, "KeyTooLongError", ErrorKind::InvalidInput, "1,024 bytes"),
            (409, "ConditionalRequestConflict", ErrorKind::Conflict, ""),
            (503, "SlowDown", ErrorKind::Io, "Try again later"),
            (405, "MethodNotAllowed", ErrorKind::Io, "amplify_s3_endpoint"),
            (301, "PermanentRedirect", ErrorKind::Io, "check amplify_s3_region"),
        ] {
            let error = answered(status, &format!("<Error><Code>{code}</Code></Error>"));
            let text = error.to_string();
            assert_eq!(error.kind(), kind, "{text}");
            for part in [hint, code, "\"s3://bucket/p/t/x\" at https://s3.example.org", &status.to_string()] {
                assert!(text.contains(part), "no {part} in {text}");
            }
        }
    }

    #[test]
    fn the_right_region_is_named_where_the_store_says_it() {
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let text = answered(400, body).to_string();
        assert!(text.contains("SET amplify_s3_region = 'eu-west-1'"), "{text}");
    }

    #[test]
    fn keys_that_a_store_repeats_are_blotted_out() {
        let body = "<Error><Code>InvalidAccessKeyId</Code><Message>There is no AKIAHUSH here</Message></Error>";
        let error = answered(403, body);
        assert!(error.to_string().contains("There is no … here"), "{error}");
        assert!(!format!("{error:?}").contains("AKIAHUSH"));
    }
}
