//! Where an S3 store is and who asks, from the options and the environment.
//!
//! | what | the call's options, else the environment, else |
//! |---|---|
//! | keys | `access_key`, `secret_key`, `session_token`; `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; web identity, container and instance credentials |
//! | endpoint | `endpoint`; `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; AWS |
//! | region | `region`; `AWS_REGION`, `AWS_DEFAULT_REGION`; `us-east-1` |
//! | URL style | `url_style`; `AWS_VIRTUAL_HOSTED_STYLE_REQUEST`; `path` at an endpoint, `vhost` at AWS |
//!
//! Keys of the options and of the environment are never mixed. Other variables that object_store knows (`AWS_…`) hold
//! as it documents them.

use std::collections::BTreeMap;

use object_store::aws::{AmazonS3ConfigKey as Key, S3ConditionalPut};
use url::Url;

use super::http::Tls;
use crate::error::{Error, Result};
use crate::storage::options::{DEFAULT_REGION, S3Options, Secret, UrlStyle};

/// All that makes a client of a bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Config {
    /// For the builder.
    pub values: Vec<(Key, String)>,
    /// As messages name it.
    pub endpoint: String,
}

/// What must not come from the environment: the root says it, or amplify needs it so.
const IGNORED: [Key; 4] = [Key::Bucket, Key::ConditionalPut, Key::CopyIfNotExists, Key::DisableBulkDelete];
const KEYS: [Key; 4] = [Key::AccessKeyId, Key::SecretAccessKey, Key::Token, Key::SkipSignature];

impl S3Config {
    /// `environment` are the variables of the process.
    ///
    /// # Errors
    /// `InvalidInput` for half a pair of keys, and for an endpoint that is no URL.
    pub fn new(bucket: &str, options: &S3Options, environment: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let environment: BTreeMap<String, String> =
            environment.filter(|(name, value)| name.starts_with("AWS_") && !value.is_empty()).collect();
        let mut values = Vec::new();
        for (name, value) in environment {
            match name.to_ascii_lowercase().parse::<Key>() {
                Ok(key) if !IGNORED.contains(&key) => set(&mut values, key, value),
                _ => {}
            }
        }
        take_keys(&mut values, options)?;

        let region = take(&mut values, Key::Region);
        let default_region = take(&mut values, Key::DefaultRegion);
        let region = options.region.clone().filter(|region| region != DEFAULT_REGION).or(region).or(default_region);
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());

        let general = take(&mut values, Key::Endpoint);
        let endpoint = take(&mut values, Key::S3Endpoint).or(general);
        let endpoint =
            options.endpoint.clone().or(endpoint).map(|text| parse_endpoint(&text, options.use_ssl)).transpose()?;
        let vhost_in_environment = take(&mut values, Key::VirtualHostedStyleRequest).map(|text| text == "true");
        let is_express = values.iter().any(|(key, value)| *key == Key::S3Express && value == "true");
        let vhost = options.url_style.map(|style| style == UrlStyle::Vhost).or(vhost_in_environment);
        // A bucket with dots in its name fits no certificate of AWS.
        let vhost = vhost.unwrap_or(endpoint.is_none() && !bucket.contains('.'));

        let shown = match endpoint {
            None if is_express => format!("AWS, region {region}"),
            endpoint => {
                let endpoint = endpoint.map_or_else(|| aws_endpoint(&region, options.use_ssl), Ok)?;
                let with_bucket = if vhost { add_bucket(&endpoint, bucket)? } else { endpoint.clone() };
                set(&mut values, Key::Endpoint, text(&with_bucket));
                set(&mut values, Key::VirtualHostedStyleRequest, vhost.to_string());
                text(&endpoint)
            }
        };
        for (key, value) in values.iter().map(|(key, value)| (*key, value)).chain([(Key::Region, &region)]) {
            // It would be part of a header or an address. The value may be a secret.
            if value.contains(|c: char| c.is_control()) {
                let name = name_of(key, options);
                return Err(Error::invalid(format!("{name} holds a control character, such as a line break!"))
                    .with_hint("A text that was pasted may end with one. Set it again without."));
            }
        }
        set(&mut values, Key::Region, region);
        set(&mut values, Key::Bucket, bucket.to_owned());
        set(&mut values, Key::ConditionalPut, S3ConditionalPut::ETagMatch.to_string());
        // Not every store knows deletion in bulk, and each object's own failure is wanted: that is for a client of its own.
        set(&mut values, Key::DisableBulkDelete, true.to_string());
        Ok(Self { values, endpoint: shown })
    }

    /// Which encryption the endpoint's scheme asks for.
    pub fn tls(&self) -> Tls {
        let plain = self.values.iter().any(|(key, value)| *key == Key::Endpoint && value.starts_with("http://"));
        let has_keys = self.values.iter().any(|(key, _)| *key == Key::AccessKeyId);
        match (plain, has_keys) {
            (false, _) => Tls::Always,
            (true, false) => Tls::Sometimes,
            (true, true) => Tls::Never,
        }
    }

    /// What no message may hold.
    pub fn secrets(&self) -> Vec<Secret> {
        let secret = |(key, value): &(Key, String)| KEYS.contains(key).then(|| Secret::new(value.clone()));
        self.values.iter().filter(|(key, _)| *key != Key::SkipSignature).filter_map(secret).collect()
    }
}

fn set(values: &mut Vec<(Key, String)>, key: Key, value: String) {
    take(values, key);
    values.push((key, value));
}

fn take(values: &mut Vec<(Key, String)>, key: Key) -> Option<String> {
    let at = values.iter().position(|(known, _)| *known == key)?;
    Some(values.remove(at).1)
}

/// Puts the keys of the options in the place of those of the environment.
fn take_keys(values: &mut Vec<(Key, String)>, options: &S3Options) -> Result<()> {
    match (&options.access_key, &options.secret_key) {
        (None, None) if options.session_token.is_some() => {
            return Err(Error::invalid("amplify_s3_session_token is set, but no keys that it belongs to are!")
                .with_hint("Set amplify_s3_access_key and amplify_s3_secret_key too, or none of the three."));
        }
        (None, None) => return Ok(()),
        (Some(access_key), Some(secret_key)) => {
            for key in KEYS {
                take(values, key);
            }
            set(values, Key::AccessKeyId, access_key.expose().to_owned());
            set(values, Key::SecretAccessKey, secret_key.expose().to_owned());
        }
        (Some(_), None) => return Err(half("amplify_s3_access_key", "amplify_s3_secret_key")),
        (None, Some(_)) => return Err(half("amplify_s3_secret_key", "amplify_s3_access_key")),
    }
    if let Some(token) = &options.session_token {
        set(values, Key::Token, token.expose().to_owned());
    }
    Ok(())
}

/// How who set it calls a value.
fn name_of(key: Key, options: &S3Options) -> String {
    let given = options.access_key.is_some();
    let region_given = options.region.as_ref().is_some_and(|region| region != DEFAULT_REGION);
    match key {
        Key::AccessKeyId if given => "amplify_s3_access_key".to_owned(),
        Key::SecretAccessKey if given => "amplify_s3_secret_key".to_owned(),
        Key::Token if given => "amplify_s3_session_token".to_owned(),
        Key::Region if region_given => "amplify_s3_region".to_owned(),
        Key::Region => "AWS_REGION (or AWS_DEFAULT_REGION) in the environment".to_owned(),
        key => format!("{} in the environment", key.as_ref().to_uppercase()),
    }
}

fn half(given: &str, missing: &str) -> Error {
    Error::invalid(format!("{given} is set, but {missing} is not!"))
        .with_hint("Set both, or none to use the keys of the environment.")
}

fn parse_endpoint(text: &str, use_ssl: bool) -> Result<Url> {
    let scheme = if use_ssl { "https" } else { "http" };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none()
    });
    // Not shown: it might hold a password.
    let has_user = |url: &Url| !url.username().is_empty() || url.password().is_some();
    let hint =
        "For example localhost:9000 or https://minio.example.org; amplify_s3_endpoint or AWS_ENDPOINT_URL says it.";
    match url {
        Some(url) if has_user(&url) => {
            Err(Error::invalid("The endpoint of the S3 store must not hold a user or password!").with_hint(hint))
        }
        Some(url) => Ok(url),
        None if with_scheme.contains('@') => {
            Err(Error::invalid("The endpoint of the S3 store is no URL!").with_hint(hint))
        }
        None => Err(Error::invalid(format!(
            "\"{}\" is no endpoint of an S3 store!",
            text.split('?').next().unwrap_or_default()
        ))
        .with_hint(hint)),
    }
}

fn aws_endpoint(region: &str, use_ssl: bool) -> Result<Url> {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let scheme = if use_ssl { "https" } else { "http" };
    Url::parse(&format!("{scheme}://s3.{region}.{domain}"))
        .map_err(|_| Error::invalid(format!("\"{region}\" is no region of AWS!")).with_hint("Check amplify_s3_region."))
}

/// `https://bucket.host` of `https://host`.
fn add_bucket(endpoint: &Url, bucket: &str) -> Result<Url> {
    let host = endpoint.host_str().unwrap_or_default();
    if host.starts_with(&format!("{bucket}.")) {
        return Ok(endpoint.clone());
    }
    let mut url = endpoint.clone();
    let refuse = || {
        Error::invalid(format!("\"{bucket}\" cannot stand in front of {host} in a URL!"))
            .with_hint("SET amplify_s3_url_style = 'path'.")
    };
    url.set_host(Some(&format!("{bucket}.{host}"))).map_err(|_| refuse())?;
    Ok(url)
}

fn text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn config(bucket: &str, options: &S3Options, environment: &[(&str, &str)]) -> Result<S3Config> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        S3Config::new(bucket, options, environment)
    }

    fn value(config: &S3Config, key: Key) -> Option<&str> {
        config.values.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    fn keys(access: &str, secret: &str) -> S3Options {
        let secret_of = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        S3Options { access_key: secret_of(access), secret_key: secret_of(secret), ..S3Options::default() }
    }

    #[test]
    fn endpoints_come_from_the_options_the_environment_or_aws() {
        let at = |endpoint: &str, style, use_ssl| S3Options {
            endpoint: (!endpoint.is_empty()).then(|| endpoint.to_owned()),
            url_style: style,
            use_ssl,
            ..S3Options::default()
        };
        let environment = [("AWS_ENDPOINT_URL", "http://e:1"), ("AWS_ENDPOINT_URL_S3", "http://s:2/")];
        for (options, environment, bucket, endpoint) in [
            (at("", None, true), &[][..], "b", "https://b.s3.us-east-1.amazonaws.com"),
            (at("", None, false), &[][..], "b", "http://b.s3.us-east-1.amazonaws.com"),
            (at("", None, true), &[][..], "b.c", "https://s3.us-east-1.amazonaws.com"),
            (at("", Some(UrlStyle::Path), true), &[][..], "b", "https://s3.us-east-1.amazonaws.com"),
            (at("h:9000", None, true), &[][..], "b", "https://h:9000"),
            (at("h:9000", None, false), &environment[..], "b", "http://h:9000"),
            (at("http://h:9000/x/", None, true), &[][..], "b", "http://h:9000/x"),
            (at("h", Some(UrlStyle::Vhost), true), &[][..], "b", "https://b.h"),
            (at("b.h", Some(UrlStyle::Vhost), true), &[][..], "b", "https://b.h"),
            (at("", None, true), &environment[..1], "b", "http://e:1"),
            (at("", None, true), &environment[..], "b", "http://s:2"),
        ] {
            let config = config(bucket, &options, environment).unwrap();
            assert_eq!(value(&config, Key::Endpoint), Some(endpoint), "{options:?}");
            assert_eq!(config.tls() != Tls::Always, endpoint.starts_with("http:"), "{options:?}");
        }
    }

    #[test]
    fn endpoints_that_cannot_be_meant_are_refused_without_showing_passwords() {
        for endpoint in ["ftp://h", "http://", "http://user:hush@h", "user:hush@h:x", "h?x=1", "not a host"] {
            let options = S3Options { endpoint: Some(endpoint.to_owned()), ..S3Options::default() };
            let Err(error) = config("b", &options, &[]) else { panic!("{endpoint}") };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(
                !error.to_string().contains("hush") && error.to_string().contains("amplify_s3_endpoint"),
                "{error}"
            );
        }
    }

    #[test]
    fn keys_of_the_options_and_the_environment_are_not_mixed() {
        let environment = [
            ("AWS_ACCESS_KEY_ID", "ea"),
            ("AWS_SECRET_ACCESS_KEY", "es"),
            ("AWS_SESSION_TOKEN", "et"),
            ("AWS_BUCKET", "x"),
        ];
        let own = config("b", &keys("a", "s"), &environment).unwrap();
        assert_eq!(value(&own, Key::AccessKeyId), Some("a"));
        assert_eq!(value(&own, Key::SecretAccessKey), Some("s"));
        assert_eq!(value(&own, Key::Token), None);
        assert_eq!(value(&own, Key::Bucket), Some("b"));
        let of_environment = config("b", &S3Options::default(), &environment).unwrap();
        assert_eq!(value(&of_environment, Key::AccessKeyId), Some("ea"));
        assert_eq!(value(&of_environment, Key::Token), Some("et"));
        for half in [keys("a", ""), keys("", "s")] {
            let Err(error) = config("b", &half, &environment) else { panic!("half a pair") };
            assert!(error.to_string().contains("amplify_s3_secret_key"), "{error}");
        }
        let token = S3Options { session_token: Some(Secret::new("t")), ..S3Options::default() };
        assert!(config("b", &token, &environment).is_err());
        let token = S3Options { session_token: Some(Secret::new("t")), ..keys("a", "s") };
        assert_eq!(value(&config("b", &token, &environment).unwrap(), Key::Token), Some("t"));
    }

    #[test]
    fn the_environment_names_the_region_unless_the_options_do() {
        let environment = [("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-north-1")];
        let region = |region: &str, environment: &[(&str, &str)]| {
            let options = S3Options { region: Some(region.to_owned()), ..S3Options::default() };
            value(&config("b", &options, environment).unwrap(), Key::Region).unwrap().to_owned()
        };
        assert_eq!(region("us-east-1", &[]), "us-east-1");
        assert_eq!(region("us-east-1", &environment[..1]), "eu-west-1");
        assert_eq!(region("us-east-1", &environment), "eu-north-1");
        assert_eq!(region("us-west-2", &environment), "us-west-2");
    }
}
