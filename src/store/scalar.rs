//! One typed value: a partition key's, or what a filter compares with.

/// A value of one of the scalar column types. The type itself is the column's; two scalars are only ever compared
/// within one column.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// NULL of any type.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// TINYINT … BIGINT; DATE (days), TIME and TIMESTAMP of every unit (the canonical type's unit since 1970-01-01).
    Int(i64),
    /// UTINYINT … UBIGINT.
    UInt(u64),
    /// FLOAT and DOUBLE.
    Float(f64),
    /// DECIMAL, unscaled.
    Decimal(i128),
    /// VARCHAR.
    Text(std::sync::Arc<str>),
    /// BLOB (filters only) and UUID (16 bytes, as Arrow holds them).
    Bytes(std::sync::Arc<[u8]>),
}
