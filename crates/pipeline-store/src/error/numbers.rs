//! The servers' error numbers: what kind of fault each is, and our words for it.

use Fault::{
    Contended, Denied, Disagreement, Ended, FileDamaged, FileFull, FileNotOpened, FileReadOnly, NotADatabase, Refused,
    Unavailable, ValueRefused,
};

/// The kinds of fault that a statement can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Unavailable,
    Contended,
    Ended,
    ValueRefused,
    Refused,
    Denied,
    Disagreement,
    FileFull,
    FileReadOnly,
    FileNotOpened,
    NotADatabase,
    FileDamaged,
}

/// A unique key has the value already.
pub(super) const DUPLICATES: [u16; 4] = [1022, 1062, 1169, 1586];

/// Error numbers of MySQL and MariaDB; where both use a number, they mean the same. The words are empty where the kind
/// says it all. What is not listed is judged by the class of its SQLSTATE, and what that does not tell is the failure of
/// this statement alone: a trigger's or a plug-in's refusal, a foreign key that somebody added, an error of a later
/// release. It must not stop a stage, whose other messages have nothing to do with it.
pub(super) fn mysql(number: u16, sqlstate: Option<&str>) -> (Fault, &'static str) {
    match number {
        // Somebody sits on a row or a table for longer than any of our transactions takes, such as a worker that was
        // frozen inside one, or a backup that locks all tables. The message did nothing wrong and must not use up its
        // attempts on it.
        1205 => (Unavailable, "lock wait timeout"),
        1213 => (Contended, "deadlock"),
        // Record changed since read, table definition changed, prepared statement to be made again, NOWAIT refused.
        1020 | 1412 | 1615 | 3572 => (Contended, ""),
        // No answer is to come, as when our own patience is over.
        1317 => (Ended, "the statement was interrupted"),
        1969 | 3024 => (Ended, "the statement took longer than the server allows"),
        // Of the server, a user, a resource.
        1040 | 1203 | 1226 => (Unavailable, "too many connections"),
        1053 => (Unavailable, "the server is shutting down"),
        1927 | 4031 => (Unavailable, "the server has ended the connection"),
        // Connection aborted, network, host blocked, no thread for a connection, offline mode.
        1152 | 1184 | 1158..=1161 | 1129 | 1135 | 3032 => (Unavailable, ""),
        1036 | 1290 | 1792 | 1836 => (Unavailable, "the server is read-only"),
        1021 | 1114 => (Unavailable, "there is no space left"),
        1461 => (Unavailable, "the server keeps no more prepared statements"),
        1049 => (Unavailable, "no such database"),
        // Storage engine error, out of memory (three kinds), no more transactions.
        1030 | 1037 | 1038 | 1041 | 1637 => (Unavailable, ""),
        // Database, user, password-less, host, insecure transport, password to be changed or expired, account locked.
        1044 | 1045 | 1698 | 1130 | 3159 | 1820 | 1862 | 3118 | 3955 | 4151 => (Denied, "access denied"),
        // Table, column, special, routine.
        1142 | 1143 | 1227 | 1370 => (Denied, "the account lacks a privilege"),
        1264 | 1690 => (ValueRefused, "a number is out of range"),
        1292 | 1366 => (ValueRefused, "a value is of another type than its column"),
        1265 => (ValueRefused, "a value does not fit its column"),
        1300 => (ValueRefused, "a text is not UTF-8"),
        1406 => (ValueRefused, "a value is too long"),
        1048 => (ValueRefused, "a column has no value"),
        1153 => (ValueRefused, "a statement is larger than `max_allowed_packet`"),
        3819 | 4025 => (ValueRefused, "a CHECK of the table does not hold"),
        // Every key is guarded by the ledger, so a duplicate is a broken promise, not a bad value.
        number if DUPLICATES.contains(&number) => (Disagreement, "a unique key has the value already"),
        // One without a default that we do not know.
        1364 => (Disagreement, "a column has no value"),
        1356 => (Disagreement, "a view may not read its tables, or one is missing"),
        1054 => (Disagreement, "no such column"),
        1064 => (Disagreement, "a statement that the server does not understand"),
        1146 => (Disagreement, "no such table"),
        1449 => (Refused, "the account that a view belongs to does not exist"),
        1644 => (Refused, "a trigger or procedure refused it (`SIGNAL`)"),
        _ => (of_class(sqlstate.and_then(|state| state.get(..2))), ""),
    }
}

fn of_class(class: Option<&str>) -> Fault {
    match class {
        Some("08") => Unavailable,
        Some("40") => Contended,
        Some("22") => ValueRefused,
        Some("28") => Denied,
        // Syntax, and tables and columns that are not there; numbers of columns; what the server cannot do. The tables
        // are not those that this program was built for, so that no message can succeed, and dead letters of all of
        // them would only hide it.
        Some("42" | "21" | "0A") => Disagreement,
        _ => Refused,
    }
}

/// SQLite's extended result codes; the low byte is the primary code. Its texts quote names only, but a trigger's do not
/// have to.
pub(super) fn sqlite(code: i32) -> (Fault, &'static str) {
    const UNIQUE: i32 = 2067;
    const PRIMARY_KEY: i32 = 1555;
    const TRIGGER: i32 = 1811;
    const CONSTRAINT: &str = "a constraint or trigger of the table does not allow it";
    match (code, code & 0xff) {
        (UNIQUE | PRIMARY_KEY, _) => (Disagreement, CONSTRAINT),
        (TRIGGER, _) => (Refused, CONSTRAINT),
        (_, 19) => (ValueRefused, CONSTRAINT),
        // ERROR: also a table or column that is not there.
        (_, 1) => (Disagreement, "a statement that the file's tables do not fit"),
        (_, 5 | 6) => (Contended, "the file is locked by another writer"),
        (_, 7) => (Unavailable, "out of memory"),
        (_, 8) => (FileReadOnly, "the file is read-only"),
        (_, 10) => (Unavailable, "the disk failed"),
        (_, 11) => (FileDamaged, "the file is damaged"),
        (_, 13) => (FileFull, "there is no space left"),
        (_, 14) => (FileNotOpened, "the file cannot be opened"),
        (_, 18) => (ValueRefused, "a value is too large"),
        (_, 20) => (ValueRefused, "a value is of another type than its column"),
        (_, 26) => (NotADatabase, "the file is not a database"),
        (_, primary) => {
            let fault = match primary {
                21 | 25 => Disagreement, // MISUSE, RANGE
                9 => Contended,          // INTERRUPT
                15 => Unavailable,       // PROTOCOL
                3 | 23 => Denied,        // PERM, AUTH
                _ => Refused,
            };
            (fault, FAILED)
        }
    }
}

/// Of SQLite, when there is nothing more to say.
pub(super) const FAILED: &str = "the database failed";
