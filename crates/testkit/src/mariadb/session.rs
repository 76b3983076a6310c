//! A session of the `mariadb` client, kept open: SQL in, rows of text out, without a driver in the tests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::Account;

/// Row that ends each answer; no view holds it.
const END: &str = "end of the answer 5b1f0c";

/// An open session. One statement at a time; a statement that fails fails the test.
pub struct Session {
    client: Child,
    statements: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Session {
    /// Opens a session in `database`; an empty name is none.
    pub fn open(account: &Account, database: &str) -> Self {
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--protocol=tcp", "--batch", "--skip-column-names", "--unbuffered", "--quick"])
            .args(["--default-character-set=utf8mb4", "--max-allowed-packet=1G"])
            .arg("--local-infile=1")
            .arg(format!("--host={}", account.host))
            .arg(format!("--port={}", account.port))
            .arg(format!("--user={}", account.user))
            .args(account.encrypted.then_some("--ssl"))
            .args((!database.is_empty()).then_some(database))
            // Not as an argument: process lists are read by others.
            .env("MYSQL_PWD", &account.password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("could not start `mariadb`: {error}; `cargo xtask setup` installs what tests need")
            });
        let statements = client.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(client.stdout.take().expect("stdout is piped"));
        Self { client, statements, answers }
    }

    /// Runs statements, separated by semicolons, whose answers do not matter.
    pub fn run(&mut self, sql: &str) {
        self.rows(sql);
    }

    /// The rows that a query gives. Cells are as the client prints them: NULL is `NULL`, control characters are
    /// escaped. See [`Session::exact`] where that is not enough.
    pub fn rows(&mut self, sql: &str) -> Vec<Vec<String>> {
        self.try_rows(sql).unwrap_or_else(|complaint| panic!("`{sql}` failed: {complaint}"))
    }

    /// As [`Session::rows`], for a query that may fail. The session is over after a failure, which gives the server's
    /// complaint.
    pub fn try_rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let sent = write!(self.statements, "{sql};\nSELECT '{END}';\n").and_then(|()| self.statements.flush());
        let mut rows = Vec::new();
        let mut line = String::new();
        while sent.is_ok() {
            line.clear();
            let read = self.answers.read_line(&mut line).unwrap_or(0);
            let row = line.trim_end_matches('\n');
            match row {
                END => return Ok(rows),
                _ if read == 0 => break,
                _ => rows.push(row.split('\t').map(str::to_owned).collect()),
            }
        }
        Err(self.complaint())
    }

    /// The first cell of the first row, as a number.
    pub fn number(&mut self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        let cell = rows.first().and_then(|row| row.first()).and_then(|cell| cell.parse().ok());
        cell.unwrap_or_else(|| panic!("`{sql}` gave no number but {rows:?}"))
    }

    /// All rows of a table or view, columns as named, every text exact and NULL as `None`.
    pub fn exact(&mut self, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let cells: Vec<String> =
            columns.iter().map(|column| format!("IFNULL(HEX(CONVERT({column} USING utf8mb4)), '-')")).collect();
        let rows = self.rows(&format!("SELECT {} FROM {table}", cells.join(", ")));
        rows.iter().map(|row| row.iter().map(|cell| from_hex(cell)).collect()).collect()
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut errors) = self.client.stderr.take() {
            // What was read before a failure is all that there is to tell.
            drop(errors.read_to_string(&mut text));
        }
        text
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A client that has ended already is as good.
        drop(self.client.kill());
        drop(self.client.wait());
    }
}

/// The text behind hexadecimal digits; `-` is NULL.
fn from_hex(cell: &str) -> Option<String> {
    if cell == "-" {
        return None;
    }
    let digits: Vec<u32> = cell.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let bytes = digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit)));
    let bytes: Vec<u8> = bytes.map(|byte| byte.expect("two digits are a byte")).collect();
    Some(String::from_utf8(bytes).unwrap_or_else(|_| panic!("a cell that is not UTF-8: {cell}")))
}
