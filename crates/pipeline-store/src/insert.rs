//! Many rows in few statements.
//!
//! Rows are collected up to a bound and inserted by statements of 2ⁿ rows, largest first, so that a table has seven
//! different statements and a connection prepares each of them once. Preparing the rest of each collection for one
//! time would be simpler, and was forty times slower on small changes: the driver sends a close after such a statement
//! without waiting for the execution's packet to be acknowledged, and the two small writes meet Nagle's algorithm and
//! the server's delayed acknowledgement, 40 ms each time.

use std::borrow::Cow;

use crate::{
    Error,
    database::{Session, Value},
};

/// Rows of one statement at most. The server builds an object for each placeholder, each time: while those of a statement
/// fit its processor's cache, a row costs half of what it costs in a statement of 1,024 rows (decision 008).
pub const ROWS: usize = 64;
/// Bytes collected, at most; and at most a quarter of what the server accepts.
const BYTES: usize = 4 * 1024 * 1024;

/// Collects rows of `N` columns and inserts them.
pub(crate) struct Insert<'v, const N: usize> {
    into: Cow<'static, str>,
    values: Vec<Value<'v>>,
    bytes: usize,
    max_rows: usize,
    max_bytes: usize,
    inserted: u64,
}

impl<'v, const N: usize> Insert<'v, N> {
    /// `into` is the statement up to its rows: `INSERT INTO t (a, b)`.
    pub(crate) fn new(session: &Session, packet_limit: usize, into: impl Into<Cow<'static, str>>) -> Self {
        Self {
            into: into.into(),
            values: Vec::new(),
            bytes: 0,
            max_rows: ROWS.min(largest_power_of_two(session.dialect().max_placeholders().checked_div(N).unwrap_or(1))),
            max_bytes: BYTES.min(packet_limit / 4),
            inserted: 0,
        }
    }

    /// Adds a row; may insert those before it.
    pub(crate) async fn row(&mut self, session: &mut Session, row: [Value<'v>; N]) -> Result<(), Error> {
        let bytes: usize = row.iter().map(Value::size).sum();
        if self.rows() > 0 && self.bytes.saturating_add(bytes) > self.max_bytes {
            self.flush(session).await?;
        }
        self.values.extend(row);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.rows() >= self.max_rows {
            self.flush(session).await?;
        }
        Ok(())
    }

    /// Inserts what is left; gives the number of all rows inserted.
    pub(crate) async fn finish(mut self, session: &mut Session) -> Result<u64, Error> {
        self.flush(session).await?;
        Ok(self.inserted)
    }

    fn rows(&self) -> usize {
        self.values.len().checked_div(N).unwrap_or(0)
    }

    async fn flush(&mut self, session: &mut Session) -> Result<(), Error> {
        let row = format!("({})", placeholders(N));
        let mut left = self.values.as_slice();
        while let Some(rows) = left.len().checked_div(N).filter(|rows| *rows > 0) {
            let rows = largest_power_of_two(rows);
            let (chunk, rest) = left.split_at(rows.saturating_mul(N));
            let sql = format!("{} VALUES {}", self.into, vec![row.as_str(); rows].join(","));
            self.inserted = self.inserted.saturating_add(session.execute(sql, chunk).await?);
            left = rest;
        }
        self.values.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// The largest power of two that is not larger; 1 for 0.
fn largest_power_of_two(number: usize) -> usize {
    1 << number.checked_ilog2().unwrap_or(0)
}

/// `?,?,?`
pub(crate) fn placeholders(count: usize) -> String {
    vec!["?"; count].join(",")
}

/// Ids in one `IN` list.
pub const IN_LIST: usize = 256;

/// The placeholders and values of an `IN` list of 1 to [`IN_LIST`] ids. The list is filled up to a power of two with
/// its last id, which changes nothing in the answer and keeps the number of different statements small.
pub(crate) fn in_list<'v>(ids: &[&'v str]) -> (String, Vec<Value<'v>>) {
    let length = ids.len().next_power_of_two();
    let mut values: Vec<Value<'v>> = ids.iter().map(|id| Value::Text(id)).collect();
    let filler = values.last().copied().unwrap_or(Value::Null);
    values.resize(length, filler);
    (placeholders(length), values)
}

#[cfg(test)]
mod tests {
    use super::{in_list, largest_power_of_two, placeholders};

    #[test]
    fn an_in_list_is_filled_up_to_a_power_of_two() {
        let (marks, values) = in_list(&["a", "b", "c"]);
        assert_eq!(marks, placeholders(4));
        assert_eq!(values, ["a".into(), "b".into(), "c".into(), "c".into()]);
    }

    #[test]
    fn rows_are_cut_into_powers_of_two() {
        let largest: Vec<_> = [1, 2, 3, 4, 1_023, 1_024].into_iter().map(largest_power_of_two).collect();
        assert_eq!(largest, [1, 2, 2, 4, 512, 1_024]);
    }
}
