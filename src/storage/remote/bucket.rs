//! A bucket with its connections and credentials, opened once a process for each configuration.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;

use super::failure::Where;
use super::http::{Connector, Tls, client_options, retry_config};
use super::location::{Location, Provider};
use super::s3::S3Config;
use crate::error::{Error, Result};
use crate::storage::options::{S3Options, Secret};

/// How many buckets are kept open; the one that was not opened for the longest time goes first.
const MAX_OPEN: usize = 32;

static OPEN: Mutex<Vec<(Config, Arc<Bucket>)>> = Mutex::new(Vec::new());

/// An opened bucket. Clones of its `Arc` share connections, credentials and what was found out about the store.
pub struct Bucket {
    pub store: Arc<dyn ObjectStore>,
    /// The same store, for listings page by page.
    pub pages: Arc<dyn PaginatedListStore>,
    /// A client that deletes many objects by one request, where the store may know that.
    pub bulk_deletes: Option<Arc<dyn ObjectStore>>,
    pub place: Where,
    /// Asked before each request where they may have to be fetched, so that their failure is told as such.
    credentials: Option<AwsCredentialProvider>,
    /// By root: whether conditional writes hold there, where it was tried.
    pub conditional: Mutex<HashMap<String, bool>>,
    /// Whether it was tried to delete many objects by one request, and failed.
    pub refuses_bulk_deletes: AtomicBool,
}

/// What tells opened buckets apart.
#[derive(PartialEq, Eq)]
struct Config {
    /// A fork cannot use its parent's connections.
    process: u32,
    bucket_url: String,
    access: Access,
}

#[derive(PartialEq, Eq)]
enum Access {
    S3(S3Config),
    /// Variables of the environment.
    Other(Vec<(String, String)>),
}

impl Bucket {
    /// The bucket of `location`, from those that are open if it is among them. Asks nothing of the store.
    ///
    /// # Errors
    /// `InvalidInput` where options and environment do not fit together.
    pub fn open(location: &Location, options: &S3Options) -> Result<Arc<Self>> {
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let access = match location.provider {
            Provider::S3 => Access::S3(S3Config::new(&location.bucket, options, environment)?),
            Provider::Google => Access::Other(variables(environment, &["GOOGLE_", "SERVICE_ACCOUNT"])),
            Provider::Azure => Access::Other(variables(environment, &["AZURE_", "IDENTITY_"])),
        };
        let config = Config { process: std::process::id(), bucket_url: location.bucket_url.clone(), access };
        let mut open = OPEN.lock().map_err(|_| Error::internal("An earlier opening of a bucket panicked"))?;
        if let Some(at) = open.iter().position(|(known, _)| *known == config) {
            let found = open.remove(at);
            let bucket = found.1.clone();
            open.push(found);
            return Ok(bucket);
        }
        let bucket = Arc::new(Self::connect(location, &config.access)?);
        if open.len() >= MAX_OPEN {
            open.remove(0);
        }
        open.push((config, bucket.clone()));
        Ok(bucket)
    }

    fn connect(location: &Location, access: &Access) -> Result<Self> {
        let failed = |endpoint: &str, error: object_store::Error| {
            let place = Where { provider: location.provider, endpoint: endpoint.to_owned(), secrets: Vec::new() };
            place.failure("open", location, "", &error).with_hint(
                "Check the settings amplify_s3_… and what the environment says of the store; SSL_CERT_FILE names the \
                 certificates where the system has none.",
            )
        };
        match access {
            Access::S3(config) => {
                let mut builder = AmazonS3Builder::new()
                    .with_client_options(client_options(config.tls()))
                    .with_retry(retry_config())
                    .with_http_connector(Connector);
                for (key, value) in &config.values {
                    builder = builder.with_config(*key, value);
                }
                let skips = builder.get_config_value(&AmazonS3ConfigKey::SkipSignature);
                let build = |builder: AmazonS3Builder| builder.build().map_err(|error| failed(&config.endpoint, error));
                let store = build(builder.clone())?;
                let bulk_deletes = builder
                    .with_config(AmazonS3ConfigKey::DisableBulkDelete, "false")
                    .with_credentials(store.credentials().clone());
                let bulk_deletes = Arc::new(build(bulk_deletes)?);
                let credentials = skips.is_none_or(|skips| skips != "true").then(|| store.credentials().clone());
                let place =
                    Where { provider: location.provider, endpoint: config.endpoint.clone(), secrets: config.secrets() };
                Ok(Self { bulk_deletes: Some(bulk_deletes), ..Self::new(store, place, credentials) })
            }
            Access::Other(variables) => {
                let endpoint =
                    if location.provider == Provider::Google { "Google Cloud Storage" } else { "Azure Blob Storage" };
                let secrets = variables
                    .iter()
                    .filter(|(name, _)| ["KEY", "SECRET", "TOKEN", "SAS"].iter().any(|part| name.contains(part)))
                    .map(|(_, value)| Secret::new(value.clone()))
                    .collect();
                let place = Where { provider: location.provider, endpoint: endpoint.to_owned(), secrets };
                let options = client_options(Tls::Always);
                match location.provider {
                    Provider::Google => GoogleCloudStorageBuilder::from_env()
                        .with_bucket_name(&location.bucket)
                        .with_client_options(options)
                        .with_retry(retry_config())
                        .with_http_connector(Connector)
                        .build()
                        .map(|store| Self::new(store, place, None)),
                    Provider::Azure | Provider::S3 => MicrosoftAzureBuilder::from_env()
                        .with_url(&location.bucket_url)
                        .with_client_options(options)
                        .with_retry(retry_config())
                        .with_http_connector(Connector)
                        .build()
                        .map(|store| Self::new(store, place, None)),
                }
                .map_err(|error| failed(endpoint, error))
            }
        }
    }

    fn new(
        store: impl ObjectStore + PaginatedListStore,
        place: Where,
        credentials: Option<AwsCredentialProvider>,
    ) -> Self {
        let store = Arc::new(store);
        Self {
            pages: store.clone(),
            store,
            bulk_deletes: None,
            place,
            credentials,
            conditional: Mutex::default(),
            refuses_bulk_deletes: AtomicBool::new(false),
        }
    }

    /// Has credentials at hand.
    pub async fn authenticate(&self, location: &Location) -> Result<()> {
        let Some(credentials) = &self.credentials else { return Ok(()) };
        let fetched = credentials.get_credential().await;
        fetched.map(drop).map_err(|error| self.place.no_credentials(location, &error))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The variables whose names start so, in order.
fn variables(environment: impl Iterator<Item = (String, String)>, prefixes: &[&str]) -> Vec<(String, String)> {
    let mut variables: Vec<_> =
        environment.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix))).collect();
    variables.sort_unstable();
    variables
}
