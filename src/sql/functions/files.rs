//! `amplify_files(table, filters =>, root =>)`: the Parquet files of a table.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::ffi::{BindInput, Bound, Parameter, TableFunction};
use crate::sql::functions::partitions::{key_columns, push_free};
use crate::sql::{arguments, rows};
use crate::store::{plan, scan, types};

/// The function.
#[derive(Debug)]
pub struct Files;

impl TableFunction for Files {
    fn name(&self) -> &'static str {
        "amplify_files"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar(), Parameter::named_any("filters"), Parameter::named_varchar("root")]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let (session, store, table) = arguments::table(input)?;
        let filters = arguments::filters(input, "filters", &table)?;
        let mut fields: Vec<Field> = table.partition_fields().cloned().collect();
        push_free(&mut fields, Field::new("size_bytes", DataType::Int64, true));
        push_free(&mut fields, Field::new("row_count", DataType::Int64, true));
        push_free(&mut fields, Field::new("last_modified", types::timestamptz(), true));
        push_free(&mut fields, Field::new("path", DataType::Utf8, true));
        fields.rotate_right(1); // the path comes first
        let schema = Arc::new(Schema::new(fields));
        rows::bound(&schema.clone(), (1_000, false), move || {
            let files = plan::plan(&store.journal(&table), &table, &filters)?;
            let counts = {
                let metas: Vec<_> = files.iter().map(|file| &file.meta).collect();
                scan::file_row_counts(&store.reading(&table), &metas, session.threads)?
            };
            let paths: StringArray = files.iter().map(|file| Some(store.storage.location(&file.meta.path))).collect();
            let sizes: Int64Array = files.iter().map(|file| file.meta.size as i64).collect();
            let row_counts: Int64Array = counts.iter().map(|&count| count as i64).collect();
            let modified: TimestampMicrosecondArray =
                files.iter().map(|file| Some(file.meta.modified.timestamp_micros())).collect();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(paths)];
            columns.extend(key_columns(&table, files.iter().map(|file| &*file.partition))?);
            columns.push(Arc::new(sizes));
            columns.push(Arc::new(row_counts));
            columns.push(Arc::new(modified.with_timezone(types::UTC)));
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        })
    }
}
