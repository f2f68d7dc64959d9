//! Single values: arguments, settings, and constants for a column.

use std::ffi::c_char;

use arrow::array::AsArray;
use libduckdb_sys as sys;

use super::logical_type::{LogicalType, TypeId};
use super::text;

/// An owned DuckDB value, never the NULL pointer.
#[derive(Debug)]
pub struct Value(sys::duckdb_value);

// SAFETY: a value is immutable and owned; no thread-bound state is behind it.
unsafe impl Send for Value {}
// SAFETY: as above.
unsafe impl Sync for Value {}

impl Value {
    /// Takes over a value that DuckDB gave away; `None` for the NULL pointer (no such argument).
    ///
    /// # Safety
    /// `handle` is NULL or a live value that nobody else destroys.
    pub(super) unsafe fn from_raw(handle: sys::duckdb_value) -> Option<Self> {
        (!handle.is_null()).then_some(Self(handle))
    }

    pub(super) fn raw(&self) -> sys::duckdb_value {
        self.0
    }

    /// Whether it is SQL NULL.
    pub fn is_null(&self) -> bool {
        // SAFETY: a live value.
        unsafe { sys::duckdb_is_null_value(self.0) }
    }

    /// The value's own type.
    pub fn logical_type(&self) -> LogicalType {
        // SAFETY: a live value. The type is borrowed from it (duckdb.h: "should not be destroyed"), so it is copied
        // by way of a list of it, whose child is given away.
        unsafe {
            let borrowed = sys::duckdb_get_value_type(self.0);
            LogicalType::from_raw(sys::duckdb_create_list_type(borrowed)).list_child()
        }
    }

    /// The value as text, `None` for NULL.
    pub fn text(&self) -> Option<String> {
        if self.is_null() {
            return None;
        }
        if self.logical_type().id() == TypeId::Varchar {
            // By way of Arrow: as a C string it would end at the first NUL, and mean something else.
            let (array, _) = self.to_arrow().ok()?;
            return array.as_string_opt::<i32>().map(|text| text.value(0).to_owned());
        }
        // SAFETY: a live value; the text is given away.
        Some(unsafe { text::owned(sys::duckdb_get_varchar(self.0)) })
    }

    /// The fields of a STRUCT value, in order.
    pub fn struct_fields(&self) -> Vec<(String, Value)> {
        let children = self.logical_type().struct_children();
        children
            .into_iter()
            .enumerate()
            .filter_map(|(index, (name, _))| {
                // SAFETY: the index is below the field count of this STRUCT; the child is given away.
                let child = unsafe { Value::from_raw(sys::duckdb_get_struct_child(self.0, index as u64)) };
                child.map(|child| (name, child))
            })
            .collect()
    }

    /// The elements of a LIST value.
    pub fn list_elements(&self) -> Vec<Value> {
        // SAFETY: a live value; the children are given away. Other types than LIST have size 0.
        unsafe {
            (0..sys::duckdb_get_list_size(self.0))
                .filter_map(|index| Value::from_raw(sys::duckdb_get_list_child(self.0, index)))
                .collect()
        }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_value(&mut self.0) };
    }
}

/// Constructors, one a type that a partition key can have. Units are those of the type's name.
impl Value {
    #[allow(missing_docs)]
    pub fn null() -> Self {
        // SAFETY: an owned value out.
        Self(unsafe { sys::duckdb_create_null_value() })
    }

    #[allow(missing_docs)]
    pub fn varchar(value: &str) -> Self {
        // SAFETY: pointer and length are of one live str.
        Self(unsafe { sys::duckdb_create_varchar_length(value.as_ptr().cast::<c_char>(), value.len() as u64) })
    }

    #[allow(missing_docs)]
    pub fn uuid(bytes: [u8; 16]) -> Self {
        let value = u128::from_be_bytes(bytes);
        let halves = sys::duckdb_uhugeint { lower: value as u64, upper: (value >> 64) as u64 };
        // SAFETY: plain numbers in, an owned value out.
        Self(unsafe { sys::duckdb_create_uuid(halves) })
    }

    #[allow(missing_docs)]
    pub fn decimal(unscaled: i128, width: u8, scale: u8) -> Self {
        let value = sys::duckdb_hugeint { lower: unscaled as u64, upper: (unscaled >> 64) as i64 };
        // SAFETY: plain numbers in, an owned value out.
        Self(unsafe { sys::duckdb_create_decimal(sys::duckdb_decimal { width, scale, value }) })
    }
}

macro_rules! constructors {
    ($($name:ident($argument:ty) = $create:ident($wrap:expr)),+ $(,)?) => {
        impl Value {
            $(
                #[allow(missing_docs)]
                pub fn $name(value: $argument) -> Self {
                    // SAFETY: a plain number in, an owned value out.
                    Self(unsafe { sys::$create($wrap(value)) })
                }
            )+
        }
    };
}

constructors! {
    boolean(bool) = duckdb_create_bool(std::convert::identity),
    tinyint(i8) = duckdb_create_int8(std::convert::identity),
    smallint(i16) = duckdb_create_int16(std::convert::identity),
    integer(i32) = duckdb_create_int32(std::convert::identity),
    bigint(i64) = duckdb_create_int64(std::convert::identity),
    utinyint(u8) = duckdb_create_uint8(std::convert::identity),
    usmallint(u16) = duckdb_create_uint16(std::convert::identity),
    uinteger(u32) = duckdb_create_uint32(std::convert::identity),
    ubigint(u64) = duckdb_create_uint64(std::convert::identity),
    float(f32) = duckdb_create_float(std::convert::identity),
    double(f64) = duckdb_create_double(std::convert::identity),
    date(i32) = duckdb_create_date(|days| sys::duckdb_date { days }),
    time(i64) = duckdb_create_time(|micros| sys::duckdb_time { micros }),
    time_ns(i64) = duckdb_create_time_ns(|nanos| sys::duckdb_time_ns { nanos }),
    timestamp_s(i64) = duckdb_create_timestamp_s(|seconds| sys::duckdb_timestamp_s { seconds }),
    timestamp_ms(i64) = duckdb_create_timestamp_ms(|millis| sys::duckdb_timestamp_ms { millis }),
    timestamp(i64) = duckdb_create_timestamp(|micros| sys::duckdb_timestamp { micros }),
    timestamp_ns(i64) = duckdb_create_timestamp_ns(|nanos| sys::duckdb_timestamp_ns { nanos }),
    timestamp_tz(i64) = duckdb_create_timestamp_tz(|micros| sys::duckdb_timestamp { micros }),
}
