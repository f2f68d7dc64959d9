//! Functions that panic in a callback of every kind, so that a test can show that no panic reaches DuckDB.
//!
//! Only in a build with the feature `panic-probe`, which the tests make for themselves and nobody ships.

#![allow(clippy::panic)]

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::FieldRef;

use crate::error::Result;
use crate::ffi::{
    BatchReader, BindInput, Bound, BoundFunction, ClientContext, CopyBindInput, CopyFunction, CopySink, CopyTarget,
    Loader, LogicalType, OutputBatch, Parameter, ReplacementScan, ScalarCall, ScalarFunction, ScalarOutput, Signature,
    TableFunction, TableScan, TypeId,
};
use crate::sql::arguments;
use crate::sql::options::required_text;

/// Registers the probes.
pub fn register(loader: &Loader) -> Result<()> {
    loader.table_function(TableProbe)?;
    loader.scalar_function(ScalarProbe)?;
    loader.copy_function(CopyProbe)?;
    loader.replacement_scan(NameProbe);
    Ok(())
}

/// Panics where `stage` is the one at hand.
fn reach(stage: &str, here: &str) {
    if stage == here {
        panic!("probe in {here}");
    }
}

/// `amplify_panic(stage)`: `bind`, `open`, `reader`, `next`, `drop_reader`, `drop_scan`.
struct TableProbe;

impl TableFunction for TableProbe {
    fn name(&self) -> &'static str {
        "amplify_panic"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::varchar()]
    }

    fn bind(&self, input: &BindInput) -> Result<Bound> {
        let stage: Arc<str> = arguments::text(input, 0, "stage")?.into();
        reach(&stage, "bind");
        let columns = vec![("stage".to_owned(), LogicalType::new(TypeId::Varchar))];
        Ok(Bound { columns, cardinality: (0, true), function: Box::new(Stage(stage)) })
    }
}

#[derive(Clone)]
struct Stage(Arc<str>);

impl BoundFunction for Stage {
    fn open(&self, _projection: &[usize]) -> Result<Box<dyn TableScan>> {
        reach(&self.0, "open");
        Ok(Box::new(ProbeScan(self.clone())))
    }
}

struct ProbeScan(Stage);

impl TableScan for ProbeScan {
    fn reader(&self) -> Result<Box<dyn BatchReader>> {
        reach(&self.0.0, "reader");
        Ok(Box::new(ProbeReader(self.0.clone())))
    }
}

impl Drop for ProbeScan {
    fn drop(&mut self) {
        reach(&self.0.0, "drop_scan");
    }
}

struct ProbeReader(Stage);

impl BatchReader for ProbeReader {
    fn next(&mut self) -> Result<Option<OutputBatch>> {
        reach(&self.0.0, "next");
        Ok(None)
    }
}

impl Drop for ProbeReader {
    fn drop(&mut self) {
        reach(&self.0.0, "drop_reader");
    }
}

/// `amplify_panic_call(stage)`: `call`; it panics in its init where the session's root is `open`.
struct ScalarProbe;

impl ScalarFunction for ScalarProbe {
    fn name(&self) -> &'static str {
        "amplify_panic_call"
    }

    fn signatures(&self) -> Vec<Signature> {
        vec![vec![LogicalType::new(TypeId::Varchar)]]
    }

    fn returns(&self) -> TypeId {
        TypeId::BigInt
    }

    fn open(&self, context: &ClientContext) -> Result<Box<dyn ScalarCall>> {
        let root = context.setting("amplify_root").and_then(|value| value.text()).unwrap_or_default();
        reach(&root, "open");
        Ok(Box::new(ProbeCall))
    }
}

struct ProbeCall;

impl ScalarCall for ProbeCall {
    fn call(&self, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput> {
        reach(required_text(arguments, 0, "stage")?, "call");
        Ok(ScalarOutput::BigInt(0))
    }
}

/// `(FORMAT amplify_panic, STAGE '…')`: `bind`, `open`, `write`, `finish`, `drop_sink`.
struct CopyProbe;

impl CopyFunction for CopyProbe {
    fn name(&self) -> &'static str {
        "amplify_panic"
    }

    fn bind(&self, input: CopyBindInput) -> Result<Box<dyn CopyTarget>> {
        let stage = input.options.into_iter().find_map(|(_, value)| value.and_then(|value| value.text()));
        let stage: Arc<str> = stage.unwrap_or_default().into();
        reach(&stage, "bind");
        Ok(Box::new(Stage(stage)))
    }
}

impl CopyTarget for Stage {
    fn open(&self, _path: &str, _context: &ClientContext) -> Result<Box<dyn CopySink>> {
        reach(&self.0, "open");
        Ok(Box::new(ProbeSink(self.clone())))
    }
}

struct ProbeSink(Stage);

impl CopySink for ProbeSink {
    fn write(&mut self, _columns: &[ArrayRef], _rows: usize) -> Result<()> {
        reach(&self.0.0, "write");
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        reach(&self.0.0, "finish");
        Ok(())
    }
}

impl Drop for ProbeSink {
    fn drop(&mut self) {
        reach(&self.0.0, "drop_sink");
    }
}

/// `FROM 'amplify-panic://x'`.
struct NameProbe;

impl ReplacementScan for NameProbe {
    fn replace(&self, name: &str) -> Result<Option<(&'static str, String)>> {
        reach(if name.starts_with("amplify-panic://") { "name" } else { "" }, "name");
        Ok(None)
    }
}
