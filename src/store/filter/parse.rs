//! From what a user gave to typed conditions.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field};

use super::argument::Operand;
use super::{Condition, Predicate};
use crate::error::{Error, Result, did_you_mean};
use crate::store::cast::cast_lossless;
use crate::store::scalar::Scalar;
use crate::store::table::Table;
use crate::store::types::{is_json, is_nested, sql_name};

const OPERATORS: [&str; 6] = ["gte", "gt", "lte", "lt", "in", "is_null"];

/// The conditions in row 0 of `argument`; see [`super::Filters::parse`].
pub(super) fn conditions(table: &Table, argument: &ArrayRef, field: &Field) -> Result<Vec<Condition>> {
    let entries = match Operand::of_argument(argument, field)? {
        Operand::Null => return Ok(Vec::new()),
        Operand::Object(entries) => entries,
        Operand::Value(_, _) | Operand::List(_, _) | Operand::NestedList => {
            return Err(Error::invalid("The filters must be a STRUCT, a MAP or a JSON object!")
                .with_hint("Give conditions by column, as in {year: 2024, depth: {gte: 10}}."));
        }
    };
    let mut conditions = Vec::new();
    for (name, operand) in entries {
        let column = table.column(&name)?;
        let target = Target { table, field: table.schema().field(column) };
        let predicates = target.predicates(operand)?;
        conditions.extend(predicates.into_iter().map(|predicate| Condition { column, predicate }));
    }
    Ok(conditions)
}

/// The column that a condition is on.
struct Target<'a> {
    table: &'a Table,
    field: &'a Field,
}

impl Target<'_> {
    /// What must hold of the column: a value, or operators with theirs.
    fn predicates(&self, operand: Operand) -> Result<Vec<Predicate>> {
        match operand {
            Operand::Value(value, field) => Ok(vec![Predicate::Equal(self.value(&value, &field)?)]),
            Operand::Null => Err(self
                .error("cannot be = NULL, which no row is")
                .with_hint("Use {is_null: true} for the rows without a value, {is_null: false} for the others.")),
            Operand::List(_, _) | Operand::NestedList => {
                Err(self.error("is a list").with_hint("Use {'in': […]} for the rows with one of several values."))
            }
            Operand::Object(operators) if operators.is_empty() => {
                Err(self.error("has no operator").with_hint(format!("Operators are {}.", OPERATORS.join(", "))))
            }
            Operand::Object(operators) => {
                operators.into_iter().map(|(operator, operand)| self.predicate(&operator, operand)).collect()
            }
        }
    }

    fn predicate(&self, operator: &str, operand: Operand) -> Result<Predicate> {
        let compare: fn(Scalar) -> Predicate = match operator.to_ascii_lowercase().as_str() {
            "gte" => Predicate::GreaterOrEqual,
            "gt" => Predicate::Greater,
            "lte" => Predicate::LessOrEqual,
            "lt" => Predicate::Less,
            "in" => return self.membership(operand),
            "is_null" => return self.is_null(operand),
            _ => return Err(self.unknown_operator(operator)),
        };
        match operand {
            Operand::Value(value, field) => self.value(&value, &field).map(compare),
            Operand::Null => Err(self
                .error(&format!("compares with NULL (\"{operator}\"), which matches no row"))
                .with_hint("Leave the operator out, or use {is_null: true} for the rows without a value.")),
            _ => Err(self.error(&format!("needs a single value behind \"{operator}\""))),
        }
    }

    fn membership(&self, operand: Operand) -> Result<Predicate> {
        let (values, field) = match operand {
            Operand::List(values, field) if !is_nested(field.data_type()) => (values, field),
            _ => {
                return Err(self
                    .error("needs a list of values behind \"in\"")
                    .with_hint("Give one, as in {'in': ['a', 'b']}; [] matches nothing."));
            }
        };
        if values.logical_null_count() > 0 {
            return Err(self
                .error("has NULL among the values behind \"in\", which matches no row")
                .with_hint("Leave NULL out; {is_null: true} finds the rows without a value."));
        }
        let mut scalars = self.values(&values, &field)?;
        scalars.sort();
        scalars.dedup();
        Ok(Predicate::In(scalars))
    }

    fn is_null(&self, operand: Operand) -> Result<Predicate> {
        let wanted = match operand {
            Operand::Value(value, field) => {
                let boolean = Field::new("is_null", DataType::Boolean, true);
                cast_lossless(&value, &field, &boolean).ok().map(|value| Scalar::from_array(&value, 0)).transpose()?
            }
            _ => None,
        };
        match wanted {
            Some(Scalar::Boolean(wanted)) => Ok(Predicate::IsNull(wanted)),
            _ => Err(self.error("needs true or false behind \"is_null\"")),
        }
    }

    /// The one row of `array` as a value of the column.
    fn value(&self, array: &ArrayRef, from: &Field) -> Result<Scalar> {
        let value = self.values(array, from)?.pop();
        value.ok_or_else(|| self.error("has no value"))
    }

    /// The rows of `array`, none of them NULL, as values of the column.
    fn values(&self, array: &ArrayRef, from: &Field) -> Result<Vec<Scalar>> {
        if is_nested(self.field.data_type()) {
            let type_name = sql_name(self.field);
            return Err(self
                .error(&format!("compares values of the nested type {type_name}"))
                .with_hint("A nested column can only be filtered with is_null."));
        }
        if array.is_empty() {
            return Ok(Vec::new()); // DuckDB's [] has elements of no type
        }
        let from = from.clone().with_name(self.field.name());
        // Text that is looked for in JSON text is text, not a value to be made JSON.
        let data_type = if is_json(self.field) { DataType::Utf8 } else { self.field.data_type().clone() };
        let to = self.field.clone().with_nullable(true).with_data_type(data_type);
        let cast = cast_lossless(array, &from, &to)?;
        let values = (0..cast.len()).map(|row| match Scalar::from_array(&cast, row)? {
            Scalar::Null => Err(self.error(&format!("has a value that is NULL as {}", sql_name(self.field)))),
            value => Ok(value),
        });
        values.collect()
    }

    fn unknown_operator(&self, operator: &str) -> Error {
        let list = format!("Operators are {}.", OPERATORS.join(", "));
        let hint = match did_you_mean(operator, OPERATORS) {
            Some(near) => format!("{near} {list}"),
            None => list,
        };
        self.error(&format!("has the unknown operator \"{operator}\"")).with_hint(hint)
    }

    /// `The filter on column "depth" of table "images" … !`
    fn error(&self, problem: &str) -> Error {
        let (column, table) = (self.field.name(), self.table.name());
        Error::invalid(format!("The filter on column \"{column}\" of table \"{table}\" {problem}!"))
    }
}

#[cfg(test)]
mod tests;
