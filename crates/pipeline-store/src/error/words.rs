//! Our own words for what a driver says, and the names in its texts that are safe to repeat.

use std::io;

use mysql_async::DriverError as LoaderError;
use sqlx::{error::DatabaseError, mysql::MySqlDatabaseError};

use super::{TooLarge, numbers};
use crate::migration::steps::mysql_definitions;

/// What stands before the name of a column or key in a server's text.
const BEFORE_NAMES: [&str; 4] = [" for column ", " for key ", "Unknown column ", "Table "];

pub(super) fn of_sqlx(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => of_database(error.as_ref()),
        sqlx::Error::Io(error) => of_link(error),
        sqlx::Error::Encode(error) => match error.downcast_ref::<TooLarge>() {
            Some(too_large) => too_large.to_string(),
            None => "a value cannot be sent".to_owned(),
        },
        sqlx::Error::ColumnNotFound(name) if is_ours(name) => format!("an answer lacks the column `{name}`"),
        sqlx::Error::ColumnNotFound(_) => "an answer lacks a column".to_owned(),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => {
            "an answer holds a value of another type".to_owned()
        }
        sqlx::Error::RowNotFound => "an answer lacks its row".to_owned(),
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::PoolClosed => "the connections are closed".to_owned(),
        sqlx::Error::Tls(_) => "the link could not be encrypted".to_owned(),
        sqlx::Error::Protocol(_) => "the server answered something else than was asked".to_owned(),
        sqlx::Error::WorkerCrashed => "the thread of the database file has ended".to_owned(),
        sqlx::Error::BeginFailed => "the transaction did not begin".to_owned(),
        sqlx::Error::Configuration(_) => "the connection's options cannot be used".to_owned(),
        _ => "the driver failed".to_owned(),
    }
}

pub(crate) fn of_loader(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(error) => of_server(error.code, Some(&error.state), &error.message),
        mysql_async::Error::Io(mysql_async::IoError::Io(error)) => of_link(error),
        #[cfg(feature = "tls")]
        mysql_async::Error::Io(mysql_async::IoError::Tls(_)) => "the link could not be encrypted".to_owned(),
        mysql_async::Error::Driver(LoaderError::FromValue { .. } | LoaderError::FromRow { .. }) => {
            "an answer holds a value of another type".to_owned()
        }
        mysql_async::Error::Driver(LoaderError::ConnectionClosed) => "the connection is closed".to_owned(),
        mysql_async::Error::Driver(_) => "the server answered something else than was asked".to_owned(),
        mysql_async::Error::Url(_) => "the connection's options cannot be used".to_owned(),
        mysql_async::Error::Other(_) => "the driver failed".to_owned(),
    }
}

/// The system's words: a refused connection, a name that does not resolve, an answer that did not come.
fn of_link(error: &io::Error) -> String {
    match error.kind() {
        // Words of a driver, about what it read.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => "the link failed".to_owned(),
        _ => error.to_string(),
    }
}

fn of_database(error: &(dyn DatabaseError + 'static)) -> String {
    match error.try_downcast_ref::<MySqlDatabaseError>() {
        Some(error) => of_server(error.number(), error.code(), error.message()),
        None => of_file(error.code().and_then(|code| code.parse().ok())),
    }
}

/// `error 1406 (22001): a value is too long, column `name``.
pub(super) fn of_server(number: u16, sqlstate: Option<&str>, message: &str) -> String {
    let mut text = format!("error {number}");
    if let Some(sqlstate) = sqlstate.filter(|state| state.chars().all(|it| it.is_ascii_alphanumeric())) {
        text.push_str(&format!(" ({sqlstate})"));
    }
    let meaning = numbers::mysql(number, sqlstate).1;
    if !meaning.is_empty() {
        text.push_str(&format!(": {meaning}"));
    }
    if let Some(name) = name_of_ours(message) {
        text.push_str(&format!(", at `{name}`"));
    }
    text
}

fn of_file(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("SQLite's error {code}: {}", numbers::sqlite(code).1),
        None => numbers::FAILED.to_owned(),
    }
}

/// The name of a table, column or key, when it is one of ours. The last one in the text: values are quoted before names.
fn name_of_ours(message: &str) -> Option<&str> {
    let found = BEFORE_NAMES.iter().filter_map(|before| message.rfind(before).map(|at| (at, before.len())));
    let (at, length) = found.max()?;
    let name = message.get(at + length..)?.split_whitespace().next()?;
    let name = name.trim_matches(['\'', '`']).rsplit('.').next()?.trim_matches(['\'', '`']);
    is_ours(name).then_some(name)
}

fn is_ours(name: &str) -> bool {
    let is_name = !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    is_name && mysql_definitions().any(|text| code_of(text).any(|word| word == name))
}

/// The words of a file of definitions, without those of its comments.
fn code_of(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.flat_map(|line| line.split(|it: char| !it.is_ascii_alphanumeric() && it != '_'))
}

#[cfg(test)]
mod tests {
    use super::of_server;

    #[test]
    fn a_servers_text_is_never_repeated_and_a_name_of_ours_is() {
        for (number, sqlstate, message, shown) in [
            (
                1062,
                "23000",
                "Duplicate entry 'secret' for key 'PRIMARY'",
                "error 1062 (23000): a unique key has the value already, at `PRIMARY`",
            ),
            (
                1062,
                "23000",
                "Duplicate entry 's for key 'secret' for key 'sluice_run.sluice_run_open_slot'",
                "error 1062 (23000): a unique key has the value already, at `sluice_run_open_slot`",
            ),
            (
                1366,
                "22007",
                "Incorrect string value: 'secret' for column `d`.`sluice_content_bundle`.`name` at row 1",
                "error 1366 (22007): a value is of another type than its column, at `name`",
            ),
            (1406, "22001", "Data too long for column 'secret' at row 1", "error 1406 (22001): a value is too long"),
            (
                1146,
                "42S02",
                "Table 'secret.sluice_run' doesn't exist",
                "error 1146 (42S02): no such table, at `sluice_run`",
            ),
            (
                1644,
                "45000",
                "secret stuff about a document",
                "error 1644 (45000): a trigger or procedure refused it (`SIGNAL`)",
            ),
            (9999, "HY000", "secret", "error 9999 (HY000)"),
        ] {
            assert_eq!(of_server(number, Some(sqlstate), message), shown);
        }
    }
}
