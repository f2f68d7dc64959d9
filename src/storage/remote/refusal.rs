//! A store's answer that says no.

use std::fmt;

use http::{HeaderMap, StatusCode};

/// What a store says when it does not do what it was asked. Of its answer only the parts are kept that hold no key,
/// token or signature: some stores send those back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    /// Of S3's vocabulary: `AccessDenied`, …
    pub code: Option<String>,
    /// What the store says to people.
    pub message: Option<String>,
    /// Where the bucket is, if the store says so.
    pub region: Option<String>,
}

impl Refusal {
    /// Reads an answer.
    pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let region = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            status,
            code: element(&body, "Code").filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric())),
            message: element(&body, "Message"),
            region: region.or_else(|| element(&body, "Region")),
        }
    }

    /// Whether it is `code`.
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_temporary(&self) -> bool {
        match self.status {
            StatusCode::NOT_IMPLEMENTED => false,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => true,
            // S3 says so of a body that came in too slowly.
            StatusCode::BAD_REQUEST => self.is("RequestTimeout"),
            status => status.is_server_error(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " ({})", message.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

/// The text of the first element of this name in a small XML document.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let text = entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character));
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>It isn&#39;t right.</Message>\
        <AWSAccessKeyId>AKIAHUSH</AWSAccessKeyId><SignatureProvided>c0ffee</SignatureProvided></Error>";

    #[test]
    fn says_what_the_store_says_but_no_key_and_no_signature() {
        let refusal = Refusal::read(StatusCode::FORBIDDEN, &HeaderMap::new(), ANSWER.as_bytes());
        assert!(refusal.is("SignatureDoesNotMatch"));
        assert_eq!(refusal.to_string(), "the store answered 403 Forbidden, SignatureDoesNotMatch (It isn't right)");
        assert!(!format!("{refusal:?}").contains("HUSH"));
    }

    #[test]
    fn bodies_that_are_no_error_document_say_nothing() {
        for body in ["", "<html>", "<Code>", "<Code>a b</Code>"] {
            let refusal = Refusal::read(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body.as_bytes());
            assert_eq!(refusal.to_string(), "the store answered 502 Bad Gateway", "{body}");
            assert!(refusal.is_temporary());
        }
    }
}
