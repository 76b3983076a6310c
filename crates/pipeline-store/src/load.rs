//! Many rows in one statement, as text: what `LOAD DATA` reads.
//!
//! A statement has no placeholders, no plan and one answer, whatever the number of its rows. That makes a row cheaper
//! for both sides than in an insert, and one statement of a dozen inserts.
//!
//! The server does not refuse what it cannot take, as it would in an insert: a value that does not fit is changed, a
//! row whose key is there already is left out, and both are only warned of, since the client cannot be stopped in the
//! middle of its answer. So a statement counts only when all rows came in without a warning. Otherwise the caller
//! begins anew with inserts, which succeed or say what is wrong.

use bytes::{BufMut as _, BytesMut};

use crate::{
    Error,
    database::{Loaded, Session, Value},
};

/// Bytes of rows collected for one statement, about.
pub const TEXT: usize = 64 * 1024;

/// Why rows were not written.
pub(crate) enum Unwritten {
    /// The server did not take them as they are; inserts will say why.
    NotLoaded,
    /// The transaction failed.
    Failed(Error),
}

impl From<Error> for Unwritten {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Collects rows and loads them.
pub(crate) struct Load {
    sql: String,
    text: BytesMut,
    collected: u64,
    loaded: u64,
}

impl Load {
    pub(crate) fn new(table: &str, columns: &str) -> Self {
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table} CHARACTER SET utf8mb4 \
             FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns})"
        );
        // With room for the row that makes it full, so that ordinary rows never move what is there.
        Self { sql, text: BytesMut::with_capacity(TEXT + TEXT / 8), collected: 0, loaded: 0 }
    }

    /// Adds a row; may load those before it.
    pub(crate) async fn row(&mut self, session: &mut Session, row: &[Value<'_>]) -> Result<(), Unwritten> {
        write_row(&mut self.text, row)?;
        self.collected = self.collected.saturating_add(1);
        if self.text.len() >= TEXT {
            self.flush(session).await?;
        }
        Ok(())
    }

    /// Loads what is left; gives the number of all rows.
    pub(crate) async fn finish(mut self, session: &mut Session) -> Result<u64, Unwritten> {
        self.flush(session).await?;
        Ok(self.loaded)
    }

    async fn flush(&mut self, session: &mut Session) -> Result<(), Unwritten> {
        if self.collected == 0 {
            return Ok(());
        }
        match session.load(&self.sql, self.text.split().freeze(), self.collected).await? {
            Loaded::All => {
                self.loaded = self.loaded.saturating_add(self.collected);
                self.collected = 0;
                Ok(())
            }
            Loaded::NotAll => Err(Unwritten::NotLoaded),
        }
    }
}

/// One line: values between tabs, `\N` for null. Bytes that are no text have no spelling here.
fn write_row(text: &mut BytesMut, row: &[Value<'_>]) -> Result<(), Unwritten> {
    let mut numbers = itoa::Buffer::new();
    for (place, value) in row.iter().enumerate() {
        if place > 0 {
            text.put_u8(b'\t');
        }
        match value {
            Value::Int(value) => text.put_slice(numbers.format(*value).as_bytes()),
            Value::Real(value) => text.put_slice(value.to_string().as_bytes()),
            Value::Text(value) => write_escaped(text, value.as_bytes()),
            Value::Bytes(_) => return Err(Unwritten::NotLoaded),
            Value::Null => text.put_slice(b"\\N"),
        }
    }
    text.put_u8(b'\n');
    Ok(())
}

/// Puts a backslash before what would otherwise end the value, and before a backslash.
fn write_escaped(text: &mut BytesMut, mut value: &[u8]) {
    text.reserve(value.len());
    while let Some((plain, special, rest)) = split_at_special(value) {
        text.put_slice(plain);
        text.put_slice(special);
        value = rest;
    }
    text.put_slice(value);
}

fn split_at_special(value: &[u8]) -> Option<(&[u8], &'static [u8], &[u8])> {
    let place = memchr::memchr3(b'\\', b'\t', b'\n', value)?;
    let (plain, rest) = value.split_at_checked(place)?;
    let (special, rest) = rest.split_first()?;
    let special: &[u8] = match special {
        b'\t' => b"\\t",
        b'\n' => b"\\n",
        _ => b"\\\\",
    };
    Some((plain, special, rest))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Unwritten, write_row};
    use crate::database::Value;

    #[test]
    fn a_row_is_one_line_whatever_its_values_hold() {
        let mut text = BytesMut::new();
        let row = [Value::Int(-7), Value::Text("a\tb\nc\\d"), Value::Null, Value::Text("\\N"), "".into()];
        assert!(write_row(&mut text, &row).is_ok());
        assert_eq!(text, "-7\ta\\tb\\nc\\\\d\t\\N\t\\\\N\t\n");
        assert!(matches!(write_row(&mut text, &[Value::Bytes(b"\xff")]), Err(Unwritten::NotLoaded)));
    }
}
