//! What a call knows of the session it runs in: the settings, and the store they name.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ffi::{self, ClientContext, ConfigOption, OptionType};
use crate::storage::{self, Storage};
use crate::store::journal::{BatchName, Journal, WithTrash};
use crate::store::registry::Registry;
use crate::store::table::Table;
use crate::store::table_options::TableOptions;
use crate::store::write::{WriteMode, WriteOptions};
use crate::system::System;

const ROOT: &str = "amplify_root";
const FSYNC: &str = "amplify_fsync";

/// Every setting of ours.
pub const SETTINGS: [ConfigOption; 2] = [
    ConfigOption {
        name: ROOT,
        kind: OptionType::Varchar,
        description: "The store that amplify's functions work on: a local path",
    },
    ConfigOption {
        name: FSYNC,
        kind: OptionType::Boolean(true),
        description: "Whether a commit survives a power cut; off is for stores that may be lost",
    },
];

/// The settings of one session, read when a call is bound or begins.
#[derive(Debug, Clone)]
pub struct Session {
    root: Option<String>,
    fsync: bool,
    /// How many threads DuckDB may use for a query.
    pub threads: usize,
    /// DuckDB's memory limit and spill directory, for the queries that we run on the session's behalf.
    pub engine_settings: Vec<(&'static str, String)>,
}

impl Session {
    /// Reads them.
    pub fn read(context: &ClientContext) -> Self {
        let text = |name: &str| context.setting(name).and_then(|value| value.text()).filter(|text| !text.is_empty());
        let threads = text("threads").and_then(|threads| threads.parse().ok()).unwrap_or(1);
        let inherited = ["memory_limit", "temp_directory"];
        let engine_settings = inherited.iter().filter_map(|&name| text(name).map(|value| (name, value))).collect();
        let fsync = text(FSYNC).is_none_or(|fsync| fsync != "false");
        Self { root: text(ROOT), fsync, threads, engine_settings }
    }

    /// How this session writes to a table with these options.
    pub fn write_options(&self, mode: WriteMode, batch: Option<BatchName>, table: TableOptions) -> WriteOptions {
        WriteOptions { batch, table_options: table, ..WriteOptions::new(mode, self.threads) }
    }

    /// Opens the store at `root`, the call's own, or else at the session's.
    pub fn store(&self, root: Option<&str>) -> Result<Store> {
        let root = root.or(self.root.as_deref()).ok_or_else(|| {
            Error::invalid("It is not known which store is meant!").with_hint(
                "Name it for the session: SET amplify_root = '/path/of/the/store'; or for this call: root => '…' \
                 in a table function, {root: '…'} in a procedure, ROOT '…' in COPY.",
            )
        })?;
        Ok(Store { storage: storage::open(root, self.fsync)? })
    }
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
