//! A column list as in CREATE TABLE, parsed by DuckDB itself.

use arrow::array::{Array, AsArray};
use arrow::datatypes::Field;

use super::types;
use crate::error::{Error, Result};
use crate::ffi::{ChunkFormat, PrivateDatabase, QueryResult};

/// The columns of `text` (`a BIGINT NOT NULL, b VARCHAR[]`): names, canonical types, NOT NULL.
///
/// The text is SQL of the user's. It is run in a private database that can reach no file and no network, as one
/// CREATE TABLE statement, and thrown away with it.
///
/// # Errors
/// DuckDB's own message where the text is no column list; an error for DEFAULT, CHECK, keys and the like, which a
/// registry cannot keep; `Unsupported` for a type that a store cannot hold.
pub fn parse_column_list(text: &str) -> Result<Vec<Field>> {
    let refuse = |what: &str| {
        Error::invalid(format!("{what} cannot be kept in the registry: \"{}\"", text.trim()))
            .with_hint("A column is a name, a type and perhaps NOT NULL.")
    };
    let mut database = PrivateDatabase::open(&[("threads", "1"), ("enable_external_access", "false")])?;
    run(&mut database, &format!("CREATE TABLE amplify_columns (\n{text}\n)")).map_err(|error| {
        Error::invalid(format!("\"{}\" is no list of columns", text.trim()))
            .with_source(error)
            .with_hint("Write it as in CREATE TABLE: 'image_id VARCHAR NOT NULL, depth DOUBLE'.")
    })?;
    let constraints = "SELECT constraint_type FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'";
    if let Some(constraint) = texts(&mut database, constraints)?.into_iter().next() {
        return Err(refuse(&constraint));
    }
    let columns = |what: &str, condition: &str| {
        format!(
            "SELECT {what} FROM duckdb_columns() WHERE table_name = 'amplify_columns' AND {condition} \
             ORDER BY column_index"
        )
    };
    let defaults = texts(&mut database, &columns("column_name", "column_default IS NOT NULL"))?;
    if let Some(column) = defaults.first() {
        return Err(refuse(&format!("A default or generated value of \"{column}\"")));
    }
    // DuckDB tells of a collation nowhere but in the table's SQL, where names that need it are quoted.
    let sql = "SELECT regexp_replace(sql, '\"([^\"]|\"\")*\"', '', 'g') FROM duckdb_tables()";
    if texts(&mut database, sql)?.iter().any(|sql| sql.contains(" COLLATE ")) {
        return Err(refuse("COLLATE"));
    }
    let required = texts(&mut database, &columns("column_name", "NOT is_nullable"))?;
    let type_names = texts(&mut database, &columns("data_type", "true"))?;
    let parsed = database.query("SELECT * FROM amplify_columns")?.columns();
    parsed
        .into_iter()
        .zip(type_names)
        .map(|((name, kind), type_name)| {
            Ok(types::field(&name, &kind, &type_name)?.with_nullable(!required.contains(&name)))
        })
        .collect()
}

/// Runs a statement to its end.
fn run(database: &mut PrivateDatabase, sql: &str) -> Result<()> {
    let mut result = database.query(sql)?;
    while result.next_chunk()?.is_some() {}
    Ok(())
}

/// The rows of a query that gives one VARCHAR.
fn texts(database: &mut PrivateDatabase, sql: &str) -> Result<Vec<String>> {
    let mut result: QueryResult = database.query(sql)?;
    let columns = result.columns();
    let named: Vec<_> = columns.iter().map(|(name, kind)| (name.as_str(), kind)).collect();
    let format = ChunkFormat::new(&named)?;
    let mut rows = Vec::new();
    while let Some(chunk) = result.next_chunk()? {
        for column in format.read_chunk(&chunk)? {
            let column = column.as_string_opt::<i32>().ok_or_else(|| Error::internal("VARCHAR expected"))?;
            rows.extend((0..column.len()).map(|row| column.value(row).to_owned()));
        }
    }
    Ok(rows)
}
