//! Values as each driver wants them, and whether they fit into what a server accepts.

use mysql_async::{Params, Value as MySqlValue};
use sqlx::{Arguments, Encode, Type, mysql::MySqlArguments, sqlite::SqliteArguments};

use super::Value;
use crate::error::TooLarge;

pub(crate) fn check_size(values: &[Value<'_>], limit: usize) -> Result<(), TooLarge> {
    let bytes = size(values);
    if bytes > limit { Err(TooLarge { bytes, limit }) } else { Ok(()) }
}

fn size(values: &[Value<'_>]) -> usize {
    // Each has its type, and a bit that says whether it is null.
    values.iter().map(|value| value.size().saturating_add(3)).sum()
}

pub(super) fn mysql_arguments(values: &[Value<'_>]) -> Result<MySqlArguments, sqlx::Error> {
    arguments(values, size(values))
}

pub(super) fn sqlite_arguments(values: &[Value<'_>]) -> Result<SqliteArguments, sqlx::Error> {
    arguments(values, 0)
}

/// For either database of the one driver, which copies values into a buffer of so many bytes or keeps them one by one.
fn arguments<'q, A: Arguments>(values: &[Value<'q>], bytes: usize) -> Result<A, sqlx::Error>
where
    i64: Encode<'q, A::Database> + Type<A::Database>,
    f64: Encode<'q, A::Database> + Type<A::Database>,
    &'q str: Encode<'q, A::Database> + Type<A::Database>,
    &'q [u8]: Encode<'q, A::Database> + Type<A::Database>,
    Option<i64>: Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    arguments.reserve(values.len(), bytes);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(*value),
            Value::Real(value) => arguments.add(*value),
            Value::Text(value) => arguments.add(*value),
            Value::Bytes(value) => arguments.add(*value),
            Value::Null => arguments.add(None::<i64>),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// For the driver that loads rows, which takes values of its own.
pub(super) fn parameters(values: &[Value<'_>]) -> Params {
    let own = |value: &Value<'_>| match value {
        Value::Int(value) => MySqlValue::Int(*value),
        Value::Real(value) => MySqlValue::Double(*value),
        Value::Text(value) => MySqlValue::Bytes(value.as_bytes().to_vec()),
        Value::Bytes(value) => MySqlValue::Bytes(value.to_vec()),
        Value::Null => MySqlValue::NULL,
    };
    match values {
        [] => Params::Empty,
        values => Params::Positional(values.iter().map(own).collect()),
    }
}
