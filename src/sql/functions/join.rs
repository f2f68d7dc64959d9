//! `amplify_join(left, right, on, left_filters =>, right_filters =>, side =>, root =>)`: an inner join of two tables.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};

use crate::error::{Error, Result, one_of};
use crate::ffi::{BindInput, Bound, LogicalType, Parameter, TableFunction, TypeId};
use crate::sql::engine::{EngineQuery, quoted};
use crate::sql::functions::read::ReadPlan;
use crate::sql::session::{Session, Store};
use crate::sql::{arguments, rows};
use crate::store::table::Table;
use crate::store::types;

/// The function.
#[derive(Debug)]
pub struct Join;

/// Which columns come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    Both,
    Left,
    Right,
}

impl Select {
    fn parse(text: Option<&str>) -> Result<Self> {
        let choices = [("both", Self::Both), ("left", Self::Left), ("right", Self::Right)];
        text.map_or(Ok(Self::Both), |text| one_of("side", text, &choices))
    }
}

impl TableFunction for Join {
    fn name(&self) -> &'static str {
        "amplify_join"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter::varchar(),
            Parameter::varchar(),
            Parameter::Positional(LogicalType::new(TypeId::Any)),
            Parameter::named_any("left_filters"),
            Parameter::named_any("right_filters"),
            Parameter::named_varchar("side"),
            Parameter::named_varchar("select"),
            Parameter::named_varchar("root"),
        ]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (session, store) = arguments::store(input)?;
        let mut left = side(input, 0, "left", &session, &store)?;
        let mut right = side(input, 1, "right", &session, &store)?;
        let on = input.positional(2).ok_or_else(|| Error::invalid("The join columns must not be NULL!"))?;
        let on = arguments::names(&on, "join columns")?;
        let left_keys = arguments::columns(&left.table, &on, "join columns")?;
        let right_keys = arguments::columns(&right.table, &on, "join columns")?;
        for (&left_key, &right_key) in left_keys.iter().zip(&right_keys) {
            comparable(&left.table, left_key, &right.table, right_key)?;
        }
        // `select` is a reserved word of SQL, which only goes in double quotes: `side` says the same.
        let select = input.named("side").or_else(|| input.named("select"));
        let select = Select::parse(select.and_then(|value| value.text()).as_deref())?;
        let output = output(&left.table, &right.table, &left_keys, &right_keys, select);
        match select {
            Select::Both => {}
            Select::Left => right.columns.clone_from(&right_keys),
            Select::Right => left.columns.clone_from(&left_keys),
        }
        let list: Vec<String> =
            output.iter().map(|(column, name)| format!("{column} AS {}", quoted(name.name()))).collect();
        let conditions: Vec<String> = left_keys
            .iter()
            .zip(&right_keys)
            .map(|(&left_key, &right_key)| {
                format!("{} = {}", reference("l", &left.table, left_key), reference("r", &right.table, right_key))
            })
            .collect();
        let sql = format!(
            "SELECT {} FROM left_side() AS l JOIN right_side() AS r ON {}",
            list.join(", "),
            conditions.join(" AND ")
        );
        let schema = arrow::datatypes::Schema::new(output.into_iter().map(|(_, field)| field).collect::<Vec<_>>());
        Ok(Bound {
            columns: rows::columns(&schema)?,
            cardinality: (left.cardinality().0.max(right.cardinality().0), false),
            function: Box::new(EngineQuery {
                reads: vec![("left_side", left), ("right_side", right)],
                keys: left_keys.into_iter().zip(right_keys).collect(),
                sql,
                session,
            }),
        })
    }
}

fn side(input: &BindInput, position: usize, which: &str, session: &Session, store: &Store) -> Result<ReadPlan> {
    let name = arguments::text(input, position, &format!("{which} table"))?;
    let table = store.table(&name)?;
    let filters = arguments::filters(input, &format!("{which}_filters"), &table)?;
    let columns = (0..table.schema().fields().len()).collect();
    Ok(ReadPlan { store: store.clone(), table, filters, columns, threads: session.threads })
}

fn comparable(left: &Table, left_key: usize, right: &Table, right_key: usize) -> Result<()> {
    let (a, b) = (left.schema().field(left_key), right.schema().field(right_key));
    if types::same_type(a, b) || (a.data_type().is_numeric() && b.data_type().is_numeric()) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Column \"{}\" is {} in \"{}\" and {} in \"{}\": they cannot be joined!",
        a.name(),
        types::sql_name(a),
        left.name(),
        types::sql_name(b),
        right.name()
    )))
}

fn reference(side: &str, table: &Table, column: usize) -> String {
    format!("{side}.{}", quoted(table.schema().field(column).name()))
}

/// The output columns: how SQL refers to each, and its field with its output name.
fn output(
    left: &Arc<Table>,
    right: &Arc<Table>,
    left_keys: &[usize],
    right_keys: &[usize],
    select: Select,
) -> Vec<(String, FieldRef)> {
    let all = |side: &str, table: &Table| -> Vec<(String, FieldRef)> {
        let fields = table.schema().fields().iter().enumerate();
        fields.map(|(column, field)| (reference(side, table, column), field.clone())).collect()
    };
    match select {
        Select::Left => all("l", left),
        Select::Right => all("r", right),
        Select::Both => {
            let (left_all, right_all) = (all("l", left), all("r", right));
            let mut output: Vec<_> = left_keys.iter().map(|&key| left_all[key].clone()).collect();
            output.extend(
                left_all.into_iter().enumerate().filter(|(column, _)| !left_keys.contains(column)).map(|(_, c)| c),
            );
            for (column, (reference, field)) in right_all.into_iter().enumerate() {
                if !right_keys.contains(&column) {
                    let name = free_name(field.name(), &output);
                    output.push((reference, Arc::new(Field::clone(&field).with_name(name))));
                }
            }
            output
        }
    }
}

/// `name`, with `_right` behind it for as long as it is taken.
fn free_name(name: &str, taken: &[(String, FieldRef)]) -> String {
    let mut name = name.to_owned();
    while taken.iter().any(|(_, field)| field.name().to_lowercase() == name.to_lowercase()) {
        name.push_str("_right");
    }
    name
}
