//! DuckDB's logical types.

use libduckdb_sys as sys;

use super::text;

/// Which type a [`LogicalType`] is. Parameters (children, width, …) are asked of the type itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are SQL's
pub enum TypeId {
    Boolean,
    TinyInt,
    SmallInt,
    Integer,
    BigInt,
    UTinyInt,
    USmallInt,
    UInteger,
    UBigInt,
    HugeInt,
    UHugeInt,
    Float,
    Double,
    Decimal,
    Varchar,
    Blob,
    Uuid,
    Date,
    Time,
    TimeNs,
    TimeTz,
    TimestampS,
    TimestampMs,
    Timestamp,
    TimestampNs,
    TimestampTz,
    Interval,
    List,
    Array,
    Struct,
    Map,
    Union,
    Enum,
    Bit,
    BigNum,
    Null,
    Any,
    /// A type that this API version does not name, by its number.
    Other(u32),
}

const TYPE_IDS: [(TypeId, sys::DUCKDB_TYPE); 37] = [
    (TypeId::Boolean, sys::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN),
    (TypeId::TinyInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT),
    (TypeId::SmallInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT),
    (TypeId::Integer, sys::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER),
    (TypeId::BigInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT),
    (TypeId::UTinyInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT),
    (TypeId::USmallInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT),
    (TypeId::UInteger, sys::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER),
    (TypeId::UBigInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT),
    (TypeId::HugeInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT),
    (TypeId::UHugeInt, sys::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT),
    (TypeId::Float, sys::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT),
    (TypeId::Double, sys::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE),
    (TypeId::Decimal, sys::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL),
    (TypeId::Varchar, sys::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR),
    (TypeId::Blob, sys::DUCKDB_TYPE_DUCKDB_TYPE_BLOB),
    (TypeId::Uuid, sys::DUCKDB_TYPE_DUCKDB_TYPE_UUID),
    (TypeId::Date, sys::DUCKDB_TYPE_DUCKDB_TYPE_DATE),
    (TypeId::Time, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIME),
    (TypeId::TimeNs, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIME_NS),
    (TypeId::TimeTz, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ),
    (TypeId::TimestampS, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S),
    (TypeId::TimestampMs, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS),
    (TypeId::Timestamp, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP),
    (TypeId::TimestampNs, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS),
    (TypeId::TimestampTz, sys::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ),
    (TypeId::Interval, sys::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL),
    (TypeId::List, sys::DUCKDB_TYPE_DUCKDB_TYPE_LIST),
    (TypeId::Array, sys::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY),
    (TypeId::Struct, sys::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT),
    (TypeId::Map, sys::DUCKDB_TYPE_DUCKDB_TYPE_MAP),
    (TypeId::Union, sys::DUCKDB_TYPE_DUCKDB_TYPE_UNION),
    (TypeId::Enum, sys::DUCKDB_TYPE_DUCKDB_TYPE_ENUM),
    (TypeId::Bit, sys::DUCKDB_TYPE_DUCKDB_TYPE_BIT),
    (TypeId::BigNum, sys::DUCKDB_TYPE_DUCKDB_TYPE_BIGNUM),
    (TypeId::Null, sys::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL),
    (TypeId::Any, sys::DUCKDB_TYPE_DUCKDB_TYPE_ANY),
];

/// An owned logical type.
#[derive(Debug)]
pub struct LogicalType(sys::duckdb_logical_type);

// SAFETY: a logical type is a value of its own that no thread changes after it is made.
unsafe impl Send for LogicalType {}
// SAFETY: as above; every accessor takes it by const reference on DuckDB's side.
unsafe impl Sync for LogicalType {}

impl LogicalType {
    /// A type without parameters.
    pub fn new(id: TypeId) -> Self {
        let number = TYPE_IDS
            .iter()
            .find(|(known, _)| *known == id)
            .map_or(sys::DUCKDB_TYPE_DUCKDB_TYPE_INVALID, |(_, number)| *number);
        // SAFETY: any number is allowed; unknown ones give INVALID.
        Self(unsafe { sys::duckdb_create_logical_type(number) })
    }

    /// DECIMAL(width, scale).
    pub fn decimal(width: u8, scale: u8) -> Self {
        // SAFETY: plain numbers in, an owned type out.
        Self(unsafe { sys::duckdb_create_decimal_type(width, scale) })
    }

    /// `element[]`
    pub fn list(element: &LogicalType) -> Self {
        // SAFETY: a live type, which DuckDB copies.
        Self(unsafe { sys::duckdb_create_list_type(element.0) })
    }

    /// `element[size]`
    pub fn array(element: &LogicalType, size: u64) -> Self {
        // SAFETY: a live type, which DuckDB copies.
        Self(unsafe { sys::duckdb_create_array_type(element.0, size) })
    }

    /// `MAP(key, value)`
    pub fn map(key: &LogicalType, value: &LogicalType) -> Self {
        // SAFETY: live types, which DuckDB copies.
        Self(unsafe { sys::duckdb_create_map_type(key.0, value.0) })
    }

    /// `STRUCT(name type, …)`
    pub fn structure(fields: &[(&str, LogicalType)]) -> Self {
        let names: Vec<_> = fields.iter().map(|(name, _)| text::c_string(name)).collect();
        let mut name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut types: Vec<_> = fields.iter().map(|(_, child)| child.0).collect();
        // SAFETY: both arrays have `fields.len()` elements that live through the call; DuckDB copies them.
        Self(unsafe {
            sys::duckdb_create_struct_type(types.as_mut_ptr(), name_pointers.as_mut_ptr(), fields.len() as u64)
        })
    }

    /// Takes over a type that DuckDB gave away.
    ///
    /// # Safety
    /// `handle` is a live type that nobody else destroys.
    pub(super) unsafe fn from_raw(handle: sys::duckdb_logical_type) -> Self {
        Self(handle)
    }

    pub(super) fn raw(&self) -> sys::duckdb_logical_type {
        self.0
    }

    /// Which type it is.
    pub fn id(&self) -> TypeId {
        // SAFETY: a live type.
        let number = unsafe { sys::duckdb_get_type_id(self.0) };
        TYPE_IDS.iter().find(|(_, known)| *known == number).map_or(TypeId::Other(number), |(id, _)| *id)
    }

    /// The name of a user's or extension's type over it: `JSON`, or `None`.
    pub fn alias(&self) -> Option<String> {
        // SAFETY: a live type; the text is given away.
        let alias = unsafe { text::owned(sys::duckdb_logical_type_get_alias(self.0)) };
        (!alias.is_empty()).then_some(alias)
    }

    /// Width and scale of a DECIMAL.
    pub fn decimal_shape(&self) -> (u8, u8) {
        // SAFETY: a live type; other types than DECIMAL answer 0.
        unsafe { (sys::duckdb_decimal_width(self.0), sys::duckdb_decimal_scale(self.0)) }
    }

    /// The element type of a LIST.
    pub fn list_child(&self) -> Self {
        // SAFETY: a live type; the child is given away.
        Self(unsafe { sys::duckdb_list_type_child_type(self.0) })
    }

    /// The element type and size of an ARRAY.
    pub fn array_child(&self) -> (Self, u64) {
        // SAFETY: a live type; the child is given away.
        unsafe { (Self(sys::duckdb_array_type_child_type(self.0)), sys::duckdb_array_type_array_size(self.0)) }
    }

    /// Key and value type of a MAP.
    pub fn map_children(&self) -> (Self, Self) {
        // SAFETY: a live type; the children are given away.
        unsafe { (Self(sys::duckdb_map_type_key_type(self.0)), Self(sys::duckdb_map_type_value_type(self.0))) }
    }

    /// Names and types of the fields of a STRUCT.
    pub fn struct_children(&self) -> Vec<(String, Self)> {
        // SAFETY: a live type.
        let count = unsafe { sys::duckdb_struct_type_child_count(self.0) };
        (0..count)
            .map(|index| {
                // SAFETY: the index is below the count; name and type are given away.
                unsafe {
                    let name = text::owned(sys::duckdb_struct_type_child_name(self.0, index));
                    (name, Self(sys::duckdb_struct_type_child_type(self.0, index)))
                }
            })
            .collect()
    }
}

impl Drop for LogicalType {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed once.
        unsafe { sys::duckdb_destroy_logical_type(&mut self.0) };
    }
}
