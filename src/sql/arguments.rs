//! Arguments of table functions, typed.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ffi::{BindInput, TypeId, Value};
use crate::sql::session::{Session, Store};
use crate::store::filter::Filters;
use crate::store::table::Table;

/// The text at a position.
///
/// # Errors
/// `InvalidInput` where it is NULL; `what` names it.
pub fn text(input: &BindInput, position: usize, what: &str) -> Result<String> {
    input
        .positional(position)
        .and_then(|value| value.text())
        .ok_or_else(|| Error::invalid(format!("The {what} must not be NULL!")))
}

/// The session, and the store that `root =>` or the session's setting names; for one writer alone where a function
/// takes `single_writer =>` and it is true.
pub fn store(input: &BindInput) -> Result<(Session, Store)> {
    let session = Session::read(&input.context);
    let root = input.named("root").and_then(|value| value.text());
    let flag = input.named("single_writer").and_then(|value| value.text());
    let store = session.store(root.as_deref(), flag.is_some_and(|flag| flag == "true"))?;
    Ok((session, store))
}

/// [`store`], and the table of it that the first argument names.
pub fn table(input: &BindInput) -> Result<(Session, Store, Arc<Table>)> {
    let name = text(input, 0, "table")?;
    let (session, store) = store(input)?;
    let table = store.table(&name)?;
    Ok((session, store, table))
}

/// The filters given by `name`, or none.
pub fn filters(input: &BindInput, name: &str, table: &Table) -> Result<Arc<Filters>> {
    match input.named(name) {
        None => Ok(Arc::new(Filters::default())),
        Some(value) => {
            let (array, field) = value.to_arrow()?;
            Filters::parse(table, &array, &field).map(Arc::new)
        }
    }
}

/// A VARCHAR, or a LIST of VARCHAR, as texts; `what` names it in errors.
pub fn names(value: &Value, what: &str) -> Result<Vec<String>> {
    let refuse = || Error::invalid(format!("The {what} must be a VARCHAR or a list of VARCHAR!"));
    match value.logical_type().id() {
        TypeId::Varchar => Ok(value.text().into_iter().collect()),
        TypeId::List => value
            .list_elements()
            .iter()
            .map(|element| {
                if element.is_null() {
                    return Err(Error::invalid(format!("The {what} must not hold NULL!")));
                }
                match element.logical_type().id() {
                    TypeId::Varchar => element.text().ok_or_else(refuse),
                    _ => Err(refuse()),
                }
            })
            .collect(),
        _ => Err(refuse()),
    }
}

/// Positions in the table of columns given by name, without repeats; `what` names the list in errors.
pub fn columns(table: &Table, names: &[String], what: &str) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(names.len());
    for name in names {
        let position = table.column(name)?;
        if positions.contains(&position) {
            return Err(Error::invalid(format!("The {what} name column \"{name}\" twice!")));
        }
        positions.push(position);
    }
    if positions.is_empty() {
        return Err(Error::invalid(format!("The {what} must name at least one column of \"{}\"!", table.name())));
    }
    Ok(positions)
}
