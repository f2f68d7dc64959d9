//! The options of a procedure (`{overwrite: true, root: '…'}`) and of COPY: named values, checked against a list.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};

use crate::error::{Error, Result, near_or_all, one_of};
use crate::sql::session::{Session, Store};
use crate::store::cast::cast_lossless;
use crate::store::records::UnknownColumns;

/// Named values, each an array of one row.
#[derive(Debug, Default)]
pub struct Options {
    values: Vec<(String, ArrayRef, FieldRef)>,
}

impl Options {
    /// The fields of a STRUCT argument of the procedure `of`. NULL, or none at all, is no options.
    ///
    /// # Errors
    /// `InvalidInput` for an option that is not among `known`, and where the argument is no STRUCT.
    pub fn of_struct(argument: Option<&(ArrayRef, FieldRef)>, of: &str, known: &[&str]) -> Result<Self> {
        let Some((array, _)) = argument else { return Ok(Self::default()) };
        match array.data_type() {
            DataType::Null => Ok(Self::default()),
            _ if array.is_null(0) => Ok(Self::default()),
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                Self::check(
                    fields
                        .iter()
                        .zip(columns)
                        .map(|(field, column)| (field.name().clone(), column.clone(), field.clone())),
                    of,
                    known,
                )
            }
            _ => Err(Error::invalid(format!("The options of {of} must be a STRUCT!"))
                .with_hint(format!("For example {{{}: …}}.", known.join(": …, ")))),
        }
    }

    /// Options given as names and values.
    ///
    /// # Errors
    /// `InvalidInput` for one that is not among `known`, or given twice.
    pub fn check(values: impl Iterator<Item = (String, ArrayRef, FieldRef)>, of: &str, known: &[&str]) -> Result<Self> {
        let mut checked: Vec<(String, ArrayRef, FieldRef)> = Vec::new();
        for (name, value, field) in values {
            let name = name.to_lowercase();
            if !known.contains(&name.as_str()) {
                let hint = near_or_all(&name, known.iter().copied(), "The options are");
                return Err(Error::invalid(format!("{of} has no option \"{name}\"!")).with_hint(hint));
            }
            if checked.iter().any(|(earlier, ..)| *earlier == name) {
                return Err(Error::invalid(format!("Option \"{name}\" of {of} is given twice!")));
            }
            checked.push((name, value, field));
        }
        Ok(Self { values: checked })
    }

    fn get(&self, name: &str) -> Option<(&ArrayRef, &Field)> {
        let (_, value, field) = self.values.iter().find(|(known, ..)| known == name)?;
        (value.data_type() != &DataType::Null && value.is_valid(0)).then_some((value, field.as_ref()))
    }

    /// A VARCHAR option; `None` where it is not given or NULL.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let refuse = || Error::invalid(format!("Option \"{name}\" must be a VARCHAR!"));
        self.get(name).map(|(value, _)| text_of(value).ok_or_else(refuse)).transpose()
    }

    /// A BOOLEAN option, `false` where it is not given. NULL is refused: what it means is not safe to guess.
    pub fn flag(&self, name: &str) -> Result<bool> {
        let refuse = || Error::invalid(format!("Option \"{name}\" must be true or false!"));
        match self.values.iter().find(|(known, ..)| known == name) {
            None => Ok(false),
            Some((_, value, field)) => flag_of(value, field).ok_or_else(refuse),
        }
    }

    /// A whole number; `None` where it is not given or NULL.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        let bigint = Field::new(name, DataType::Int64, true);
        let refuse = || Error::invalid(format!("Option \"{name}\" must be a whole number!"));
        let Some((value, field)) = self.get(name) else { return Ok(None) };
        let number = cast_lossless(value, field, &bigint).ok().filter(|_| text_of(value).is_none());
        number.map(|number| number.as_primitive::<Int64Type>().value(0)).map(Some).ok_or_else(refuse)
    }

    /// An option that is a list of VARCHAR, or one VARCHAR.
    pub fn names(&self, name: &str) -> Result<Option<Vec<String>>> {
        let refuse = || Error::invalid(format!("Option \"{name}\" must be a list of VARCHAR!"));
        let Some((value, _)) = self.get(name) else { return Ok(None) };
        if let Some(text) = text_of(value) {
            return Ok(Some(vec![text.to_owned()]));
        }
        let list = value.as_list_opt::<i32>().ok_or_else(refuse)?.value(0);
        let names: Option<Vec<String>> =
            (0..list.len()).map(|row| text_of(&list.slice(row, 1)).map(str::to_owned)).collect();
        names.map(Some).ok_or_else(refuse)
    }

    /// The store that the options `root` and `single_writer` mean, where it is not the session's.
    pub fn store(&self, session: &Session) -> Result<Store> {
        session.store(self.text("root")?, self.flag("single_writer")?)
    }

    /// The option `unknown_columns`: 'error' or 'drop'.
    pub fn unknown_columns(&self) -> Result<UnknownColumns> {
        let choices = [("error", UnknownColumns::Error), ("drop", UnknownColumns::Drop)];
        let text = self.text("unknown_columns")?;
        text.map_or(Ok(UnknownColumns::Error), |text| one_of("Option \"unknown_columns\"", text, &choices))
    }
}

/// The truth of an array of one row, in whichever form DuckDB hands BOOLEAN over; `None` where it is none or NULL.
pub fn flag_of(array: &ArrayRef, field: &Field) -> Option<bool> {
    let boolean = Field::new(field.name(), DataType::Boolean, true);
    let is_boolean = array.data_type() == &DataType::Boolean || field.extension_type_name() == Some("arrow.bool8");
    if !is_boolean || array.len() != 1 || array.is_null(0) {
        return None;
    }
    cast_lossless(array, field, &boolean).ok().map(|flag| flag.as_boolean().value(0))
}

/// The text of an array of one row; `None` where it is no text or NULL.
pub fn text_of(array: &ArrayRef) -> Option<&str> {
    if array.len() != 1 || array.is_null(0) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(0)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(0)),
        DataType::Utf8View => Some(array.as_string_view().value(0)),
        _ => None,
    }
}

/// The text of a procedure's argument at `position`; `what` names it in errors.
pub fn required_text<'a>(arguments: &'a [(ArrayRef, FieldRef)], position: usize, what: &str) -> Result<&'a str> {
    arguments
        .get(position)
        .and_then(|(array, _)| text_of(array))
        .ok_or_else(|| Error::invalid(format!("The {what} must not be NULL!")))
}

/// The names in a procedure's argument that is a LIST of VARCHAR; none where it is NULL or missing.
pub fn optional_names(argument: Option<&(ArrayRef, FieldRef)>, what: &str) -> Result<Vec<String>> {
    let Some((array, field)) = argument else { return Ok(Vec::new()) };
    let options = Options { values: vec![(what.to_owned(), array.clone(), field.clone())] };
    Ok(options.names(what)?.unwrap_or_default())
}
