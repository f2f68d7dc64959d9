//! `amplify_restore(table, seq [, options])`: brings back what an overwrite replaced.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};

use crate::error::{Error, Result};
use crate::ffi::{LogicalType, ScalarOutput, Signature, TypeId};
use crate::sql::options::{Options, required_text};
use crate::sql::procedure::Procedure;
use crate::sql::session::Session;
use crate::store::{plan, scan};

const OPTIONS: [&str; 2] = ["root", "single_writer"];

/// The function.
#[derive(Debug, Clone, Copy)]
pub struct Restore;

impl Procedure for Restore {
    const NAME: &'static str = "amplify_restore";
    const RETURNS: TypeId = TypeId::BigInt;

    fn signatures(self) -> Vec<Signature> {
        let required = || vec![LogicalType::new(TypeId::Varchar), LogicalType::new(TypeId::BigInt)];
        let mut with_options = required();
        with_options.push(LogicalType::new(TypeId::Any));
        vec![required(), with_options]
    }

    /// Answers how many rows were brought back.
    fn call(self, session: &Session, arguments: &[(ArrayRef, FieldRef)]) -> Result<ScalarOutput> {
        let name = required_text(arguments, 0, "table")?;
        let seq = arguments
            .get(1)
            .filter(|(array, _)| array.data_type() == &DataType::Int64 && array.is_valid(0))
            .and_then(|(array, _)| u64::try_from(array.as_primitive::<Int64Type>().value(0)).ok())
            .ok_or_else(|| Error::invalid("The commit to restore must be a number that amplify_history shows!"))?;
        let options = Options::of_struct(arguments.get(2), Self::NAME, &OPTIONS)?;
        let store = options.store(session)?;
        let table = store.table(name)?;
        let count = |files: &[_]| {
            let files: Vec<_> = files.iter().collect();
            Ok(scan::file_row_counts(&store.storage, &files, session.threads)?.iter().sum())
        };
        let journal = store.journal(&table);
        let committed = journal.restore(seq, &count, &mut |partitions, snapshot| {
            let directories = partitions.iter().map(String::as_str);
            plan::visible_in_partitions(&journal, &table, snapshot, directories)
        })?;
        Ok(ScalarOutput::BigInt(i64::try_from(committed.rows).unwrap_or(i64::MAX)))
    }
}
