//! What a call knows of the session it runs in: the settings, and the store they name.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ffi::{self, ClientContext, ConfigOption, OptionType};
use crate::storage::{
    self, DEFAULT_COALESCE_GAP_BYTES, DEFAULT_REGION, OpenOptions, S3Options, Secret, Storage, UrlStyle,
};
use crate::store::journal::{BatchName, Journal, WithTrash};
use crate::store::registry::Registry;
use crate::store::scan::{DEFAULT_FOOTER_CACHE_BYTES, set_footer_cache_bytes};
use crate::store::table::Table;
use crate::store::table_options::TableOptions;
use crate::store::write::{WriteMode, WriteOptions};
use crate::system::System;

const ROOT: &str = "amplify_root";
const FSYNC: &str = "amplify_fsync";
const ENDPOINT: &str = "amplify_s3_endpoint";
const REGION: &str = "amplify_s3_region";
const ACCESS_KEY: &str = "amplify_s3_access_key";
const SECRET_KEY: &str = "amplify_s3_secret_key";
const SESSION_TOKEN: &str = "amplify_s3_session_token";
const USE_SSL: &str = "amplify_s3_use_ssl";
const URL_STYLE: &str = "amplify_s3_url_style";
const COALESCE_GAP: &str = "amplify_coalesce_gap_bytes";
const FOOTER_CACHE: &str = "amplify_footer_cache_bytes";

/// Every setting of ours.
pub const SETTINGS: [ConfigOption; 11] = [
    varchar(ROOT, "The store that amplify's functions work on: a local path, or s3://bucket/prefix"),
    option(
        FSYNC,
        OptionType::Boolean(true),
        "Whether a commit survives a power cut; off is for stores that may be lost",
    ),
    varchar(ENDPOINT, "host:port or URL of an S3-compatible store; none: AWS_ENDPOINT_URL, else AWS"),
    option(REGION, OptionType::Text(DEFAULT_REGION), "The region of the bucket; the default gives way to AWS_REGION"),
    varchar(
        ACCESS_KEY,
        "The access key of the S3 store; none: that of the environment (better: this setting is shown)",
    ),
    varchar(
        SECRET_KEY,
        "The secret key of the S3 store; none: that of the environment (better: this setting is shown)",
    ),
    varchar(SESSION_TOKEN, "The session token of temporary keys; none: that of the environment"),
    option(
        USE_SSL,
        OptionType::Boolean(true),
        "Whether the S3 store is spoken to by TLS where the endpoint names no scheme",
    ),
    varchar(URL_STYLE, "path or vhost: where the bucket stands in a URL; none: path where an endpoint is set"),
    option(
        COALESCE_GAP,
        OptionType::BigInt(DEFAULT_COALESCE_GAP_BYTES as i64),
        "Parts of a remote file with at most so many bytes between them are read in one request",
    ),
    option(
        FOOTER_CACHE,
        OptionType::BigInt(DEFAULT_FOOTER_CACHE_BYTES as i64),
        "What the process may keep of Parquet footers in memory, all sessions together; 0 turns it off",
    ),
];

const fn option(name: &'static str, kind: OptionType, description: &'static str) -> ConfigOption {
    ConfigOption { name, kind, description }
}

const fn varchar(name: &'static str, description: &'static str) -> ConfigOption {
    option(name, OptionType::Varchar, description)
}

/// The settings of one session, read when a call is bound or begins.
#[derive(Debug, Clone)]
pub struct Session {
    root: Option<String>,
    fsync: bool,
    s3: S3Options,
    /// As it was set; what it means is found out where a store is opened.
    url_style: Option<String>,
    coalesce_gap: Option<String>,
    footer_cache: Option<String>,
    /// How many threads DuckDB may use for a query.
    pub threads: usize,
    /// DuckDB's memory limit and spill directory, for the queries that we run on the session's behalf.
    pub engine_settings: Vec<(&'static str, String)>,
}

impl Session {
    /// Reads them.
    pub fn read(context: &ClientContext) -> Self {
        let text = |name: &str| context.setting(name).and_then(|value| value.text()).filter(|text| !text.is_empty());
        let is_on = |name: &str| text(name).is_none_or(|flag| flag != "false");
        let secret = |name: &str| text(name).map(Secret::new);
        let threads = text("threads").and_then(|threads| threads.parse().ok()).unwrap_or(1);
        let inherited = ["memory_limit", "temp_directory"];
        let engine_settings = inherited.iter().filter_map(|&name| text(name).map(|value| (name, value))).collect();
        let s3 = S3Options {
            endpoint: text(ENDPOINT),
            region: text(REGION),
            access_key: secret(ACCESS_KEY),
            secret_key: secret(SECRET_KEY),
            session_token: secret(SESSION_TOKEN),
            use_ssl: is_on(USE_SSL),
            url_style: None,
        };
        Self {
            root: text(ROOT),
            fsync: is_on(FSYNC),
            s3,
            url_style: text(URL_STYLE),
            coalesce_gap: text(COALESCE_GAP),
            footer_cache: text(FOOTER_CACHE),
            threads,
            engine_settings,
        }
    }

    /// How this session writes to a table with these options.
    pub fn write_options(&self, mode: WriteMode, batch: Option<BatchName>, table: TableOptions) -> WriteOptions {
        WriteOptions { batch, table_options: table, ..WriteOptions::new(mode, self.threads) }
    }

    /// Opens the store at `root`, the call's own, or else at the session's. With `single_writer` the user says that
    /// nobody else writes to it.
    pub fn store(&self, root: Option<&str>, single_writer: bool) -> Result<Store> {
        let root = root.or(self.root.as_deref()).ok_or_else(|| {
            Error::invalid("It is not known which store is meant!").with_hint(
                "Name it for the session: SET amplify_root = '/path/of/the/store', or 's3://bucket/prefix'; or for this \
                 call: root => '…' in a table function, {root: '…'} in a procedure, ROOT '…' in COPY.",
            )
        })?;
        Ok(Store { storage: storage::open(root, &self.open_options(single_writer)?)? })
    }

    fn open_options(&self, single_writer: bool) -> Result<OpenOptions> {
        let url_style = self.url_style.as_deref().map(|text| UrlStyle::parse(text, URL_STYLE)).transpose()?;
        let gap = bytes(COALESCE_GAP, self.coalesce_gap.as_deref())?;
        if let Some(footer_cache) = bytes(FOOTER_CACHE, self.footer_cache.as_deref())? {
            set_footer_cache_bytes(footer_cache);
        }
        Ok(OpenOptions {
            durable: self.fsync,
            single_writer,
            coalesce_gap_bytes: gap.unwrap_or(DEFAULT_COALESCE_GAP_BYTES),
            s3: S3Options { url_style, ..self.s3.clone() },
        })
    }
}

/// A setting that is a number of bytes.
fn bytes(name: &str, text: Option<&str>) -> Result<Option<u64>> {
    let refuse = |text: &str| Error::invalid(format!("{name} is a number of bytes, not {text}!"));
    text.map(|text| text.parse().map_err(|_| refuse(text))).transpose()
}

/// An opened store.
#[derive(Debug, Clone)]
pub struct Store {
    /// Its bytes.
    pub storage: Arc<dyn Storage>,
}

impl Store {
    /// What is registered, as of now.
    pub fn registry(&self) -> Result<Registry> {
        Registry::load(self.storage.as_ref())
    }

    /// The journal of a table.
    pub fn journal(&self, table: &Table) -> Journal {
        let environment = Arc::new(System::new(format!("DuckDB {}", ffi::library_version())));
        Journal::new(self.storage.clone(), table.name().clone(), environment)
    }

    /// The bytes as a scan of the table reads them: a file that an overwrite moves meanwhile is found in the trash.
    pub fn reading(&self, table: &Table) -> Arc<dyn Storage> {
        Arc::new(WithTrash::new(self.storage.clone(), table.name().clone()))
    }

    /// A registered table. `name` may be written as in FROM: `amplify://images`.
    pub fn table(&self, name: &str) -> Result<Arc<Table>> {
        self.registry()?.table(strip_scheme(name)).map(Arc::new)
    }

    /// [`Store::table`], and how its files are written.
    pub fn table_to_write(&self, name: &str) -> Result<(Arc<Table>, TableOptions)> {
        let registry = self.registry()?;
        let table = registry.table(strip_scheme(name))?;
        let options = registry.options(&table)?;
        Ok((Arc::new(table), options))
    }
}

/// What names tables of ours in FROM and TO.
pub const SCHEME: &str = "amplify://";

/// `images` of `amplify://images`; other names as they are.
pub fn strip_scheme(name: &str) -> &str {
    name.strip_prefix(SCHEME).unwrap_or(name)
}
