//! `amplify_history(table, root =>)`: the commits of a table that its journal still holds.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, ListBuilder, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::{arguments, rows};
use crate::store::journal::Record;
use crate::store::types;

/// The function.
#[derive(Debug)]
pub struct History;

impl TableFunction for History {
    fn name(&self) -> &'static str {
        "amplify_history"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar(), Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (_, store, table) = arguments::table(input)?;
        let schema = Arc::new(Schema::new(vec![
            Field::new("seq", DataType::Int64, true),
            Field::new("committed_at", types::timestamptz(), true),
            Field::new("kind", DataType::Utf8, true),
            Field::new("txid", DataType::Utf8, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("file_count", DataType::Int64, true),
            Field::new("size_bytes", DataType::Int64, true),
            Field::new("partitions", types::list_of(Field::new("element", DataType::Utf8, true)), true),
            Field::new("batch", DataType::Utf8, true),
            Field::new("writer", DataType::Struct(writer_fields()), true),
        ]));
        rows::bound(&schema.clone(), (100, false), move || {
            Ok(RecordBatch::try_new(schema.clone(), columns(&store.journal(&table).history()?))?)
        })
    }
}

fn writer_fields() -> Fields {
    Fields::from(vec![
        Field::new("host", DataType::Utf8, true),
        Field::new("pid", DataType::Int64, true),
        Field::new("engine", DataType::Utf8, true),
    ])
}

fn columns(commits: &[(u64, Arc<Record>)]) -> Vec<ArrayRef> {
    let records = || commits.iter().map(|(_, record)| record.as_ref());
    let numbers = |number: fn(&Record) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter(records().map(|r| number(r) as i64)))
    };
    let seqs: Int64Array = commits.iter().map(|(seq, _)| *seq as i64).collect();
    let times: TimestampMicrosecondArray = records().map(|record| Some(record.at.timestamp_micros())).collect();
    let kinds: StringArray = records().map(|record| Some(record.kind.as_str())).collect();
    let txids: StringArray = records().map(|record| Some(&record.txid)).collect();
    let element = Field::new("element", DataType::Utf8, true);
    let mut partitions = ListBuilder::new(StringBuilder::new()).with_field(element);
    for record in records() {
        for partition in &record.partitions {
            partitions.values().append_value(partition);
        }
        partitions.append(true);
    }
    let batches: StringArray = records().map(|record| record.batch.as_deref()).collect();
    let writers = || records().map(|record| record.writer.as_ref());
    let hosts: StringArray = writers().map(|writer| writer.map(|writer| &writer.host)).collect();
    let pids: Int64Array = writers().map(|writer| writer.map(|writer| i64::from(writer.pid))).collect();
    let engines: StringArray = writers().map(|writer| writer.map(|writer| &writer.engine)).collect();
    let nulls = hosts.nulls().cloned();
    let parts: Vec<ArrayRef> = vec![Arc::new(hosts), Arc::new(pids), Arc::new(engines)];
    vec![
        Arc::new(seqs),
        Arc::new(times.with_timezone(types::UTC)),
        Arc::new(kinds),
        Arc::new(txids),
        numbers(|record| record.rows),
        numbers(|record| record.files.len() as u64),
        numbers(|record| record.bytes),
        Arc::new(partitions.finish()),
        Arc::new(batches),
        Arc::new(StructArray::new(writer_fields(), parts, nulls)),
    ]
}
