//! Queries over reads of ours that DuckDB's own engine runs: joins and DISTINCT.
//!
//! A table function of the C API cannot become a query plan of the session that calls it. The query runs in a private
//! in-memory database instead, with the session's memory limit and threads, where each read is a table function
//! without arguments. Its chunks are handed over as they come.

use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::ffi::{
    BatchReader, BindInput, Bound, BoundFunction, OutputBatch, Parameter, PrivateDatabase, QueryResult, TableFunction,
    TableScan,
};
use crate::sql::functions::read::ReadPlan;
use crate::sql::membership::{self, PlannedRead};
use crate::sql::rows;
use crate::sql::session::Session;

/// A query over reads: in `sql` each is called by its name, `left_side()`.
#[derive(Debug, Clone)]
pub struct EngineQuery {
    /// The reads and what they are called.
    pub reads: Vec<(&'static str, ReadPlan)>,
    /// Where there are two reads, columns (positions in each table) in which a row of the one must equal its partner in
    /// the other to matter at all.
    pub keys: Vec<(usize, usize)>,
    /// One SELECT.
    pub sql: String,
    /// Whose limits hold.
    pub session: Session,
}

/// A name as SQL takes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl EngineQuery {
    fn start(&self, projection: &[usize]) -> Result<Running> {
        let threads = self.session.threads.to_string();
        let mut settings = vec![("threads", threads.as_str())];
        settings.extend(self.session.engine_settings.iter().map(|(name, value)| (*name, value.as_str())));
        let mut reads = Vec::with_capacity(self.reads.len());
        for (_, read) in &self.reads {
            reads.push(PlannedRead::new(read.clone())?);
        }
        if let [left, right] = reads.as_mut_slice() {
            membership::push_keys(left, right, &self.keys)?;
        }
        let mut database = PrivateDatabase::open(&settings)?;
        let loader = database.loader()?;
        for ((name, _), read) in self.reads.iter().zip(reads) {
            loader.table_function(Side { name, read })?;
        }
        drop(loader);
        let positions: Vec<String> = projection.iter().map(|column| format!("#{}", column + 1)).collect();
        let sql = format!("SELECT {} FROM ({})", positions.join(", "), self.sql);
        let result = database.query(&sql)?;
        Ok(Running { result, _database: database, finished: false })
    }
}

impl BoundFunction for EngineQuery {
    fn open(&self, projection: &[usize]) -> Result<Box<dyn TableScan>> {
        let running = Arc::new(Mutex::new(self.start(projection)?));
        Ok(Box::new(EngineScan { running, threads: self.session.threads }))
    }
}

/// The stream of rows, dropped before the database that makes them.
struct Running {
    result: QueryResult,
    _database: PrivateDatabase,
    /// The end, or an error, has come.
    finished: bool,
}

struct EngineScan {
    running: Arc<Mutex<Running>>,
    threads: usize,
}

impl TableScan for EngineScan {
    /// The threads take turns. With a single reader, a client's own thread would spin while DuckDB has another one read,
    /// and take the core that the private database needs.
    fn max_threads(&self) -> usize {
        self.threads
    }

    fn reader(&self) -> Result<Box<dyn BatchReader>> {
        Ok(Box::new(EngineReader { running: self.running.clone() }))
    }
}

struct EngineReader {
    running: Arc<Mutex<Running>>,
}

impl BatchReader for EngineReader {
    fn next(&mut self) -> Result<Option<OutputBatch>> {
        let mut running = self.running.lock().map_err(|_| Error::internal("An earlier reader failed"))?;
        if running.finished {
            return Ok(None);
        }
        let next = running.result.next_chunk();
        running.finished = !matches!(next, Ok(Some(_)));
        Ok(next?.map(OutputBatch::Chunk))
    }
}

/// One read, as a table function of the private database.
struct Side {
    name: &'static str,
    read: PlannedRead,
}

impl TableFunction for Side {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn bind(&self, _input: &BindInput) -> Result<Bound> {
        Ok(Bound {
            columns: rows::columns(&self.read.read.schema())?,
            cardinality: self.read.cardinality(),
            function: Box::new(self.read.clone()),
        })
    }
}

impl BoundFunction for PlannedRead {
    fn open(&self, projection: &[usize]) -> Result<Box<dyn TableScan>> {
        match &self.rows {
            Some(rows) => self.read.open_rows(projection, rows.clone()),
            None => self.read.open_files(projection, self.files.clone()),
        }
    }
}
