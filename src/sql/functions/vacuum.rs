//! `amplify_vacuum(table, older_than =>, dry_run =>, root =>, single_writer =>)`: recovers dead writers, empties the trash, trims.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNanoType, IntervalUnit, Schema};
use arrow::record_batch::RecordBatch;
use chrono::Duration;

use crate::error::{Error, Result};
use crate::ffi::{BindInput, Bound, LogicalType, Parameter, TableFunction, TypeId, Value};
use crate::sql::{arguments, rows};

/// How long replaced files are kept unless the user says otherwise.
const KEEP_TRASH: Duration = Duration::days(7);

/// The function.
#[derive(Debug)]
pub struct Vacuum;

impl TableFunction for Vacuum {
    fn name(&self) -> &'static str {
        "amplify_vacuum"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![
            Parameter::varchar(),
            Parameter::Named("older_than", LogicalType::new(TypeId::Interval)),
            Parameter::Named("dry_run", LogicalType::new(TypeId::Boolean)),
            Parameter::named_varchar("root"),
            Parameter::Named("single_writer", LogicalType::new(TypeId::Boolean)),
        ]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (_, store, table) = arguments::table(input)?;
        let older_than = input.named("older_than").map_or(Ok(KEEP_TRASH), |interval| duration(&interval))?;
        let dry_run = input.named("dry_run").and_then(|flag| flag.text()).is_none_or(|flag| flag != "false");
        let schema = Arc::new(Schema::new(vec![
            Field::new("action", DataType::Utf8, true),
            Field::new("path", DataType::Utf8, true),
            Field::new("size_bytes", DataType::Int64, true),
        ]));
        rows::bound(&schema.clone(), (100, false), move || {
            let actions = store.journal(&table).vacuum(older_than, dry_run)?;
            let names: StringArray = actions.iter().map(|action| Some(action.action)).collect();
            let paths: StringArray = actions.iter().map(|action| Some(store.storage.location(&action.path))).collect();
            let sizes: Int64Array = actions.iter().map(|action| action.size_bytes as i64).collect();
            Ok(RecordBatch::try_new(schema.clone(), vec![Arc::new(names), Arc::new(paths), Arc::new(sizes)])?)
        })
    }
}

/// An INTERVAL as a span of time; a month is 30 days, as DuckDB compares them.
fn duration(interval: &Value) -> Result<Duration> {
    let refuse = || Error::invalid("older_than must be an INTERVAL that is not negative!");
    let (array, _) = interval.to_arrow()?;
    if array.data_type() != &DataType::Interval(IntervalUnit::MonthDayNano) || array.is_null(0) {
        return Err(refuse());
    }
    let parts = array.as_primitive::<IntervalMonthDayNanoType>().value(0);
    let days = i64::from(parts.months) * 30 + i64::from(parts.days);
    let span = Duration::days(days) + Duration::nanoseconds(parts.nanoseconds);
    if span < Duration::zero() { Err(refuse()) } else { Ok(span) }
}
