//! The store without DuckDB: prints how many rows each table of a store has.
//!
//! ```text
//! cargo run --profile quick --example count_rows /data/store
//! ```

use std::sync::Arc;

use amplify::error::{Error, Result};
use amplify::storage::{self, OpenOptions};
use amplify::store::filter::Filters;
use amplify::store::journal::Journal;
use amplify::store::registry::Registry;
use amplify::store::{plan, scan};
use amplify::system::System;

fn main() -> Result<()> {
    let root = std::env::args().nth(1).ok_or_else(|| Error::invalid("Say which store: count_rows ROOT"))?;
    let storage = storage::open(&root, &OpenOptions::default())?;
    for (name, table) in Registry::load(storage.as_ref())?.tables() {
        let table = Arc::new(table?);
        let journal = Journal::new(storage.clone(), name.clone(), Arc::new(System::new("count_rows")));
        let filters = Arc::new(Filters::default());
        let files = plan::plan(&journal, &table, &filters)?;
        println!("{name}: {} rows", scan::count(&storage, &table, &filters, files, 2)?);
    }
    Ok(())
}
