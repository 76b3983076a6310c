//! The answer of a command: one report, four formats, and the only place that writes to the terminal.
//!
//! Most of what is shown, somebody else wrote: ids and reasons of documents, who asked for a run, a registry's words. So
//! nothing leaves for people without [`printable`]: cells and fields are made so one by one, and what a text is put
//! together of is held to it once more as a whole ([`shown`]), where line breaks and colours are this program's own. What
//! leaves for programs, as JSON or YAML, stays exact.

use std::{
    ffi::OsString,
    fmt,
    io::{ErrorKind, Write},
};

use clap::ValueEnum;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use pipeline_settings::printable::is_printable;
pub use pipeline_settings::printable::printable;
use serde::Serialize;
use serde_json::Value;

use crate::{exit::Exit, failure::Failure};

#[cfg(test)]
mod tests;

/// Shape of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON document per line, for each item of a list.
    Jsonl,
    /// One YAML document.
    Yaml,
}

// === impl Format ===

impl Format {
    /// Whether programs read it: they get errors as JSON too.
    pub fn is_for_programs(self) -> bool {
        self != Self::Table
    }
}

/// The format that a command line asks for, also when it cannot be parsed: the last of its `-o` and `--output`.
pub fn asked_for(arguments: impl IntoIterator<Item = OsString>) -> Format {
    let mut format = Format::default();
    let mut awaited = false;
    for argument in arguments {
        let Some(text) = argument.to_str() else { continue };
        let value = match text {
            "--" => break,
            "-o" | "--output" => None,
            _ if awaited => Some(text),
            _ => text.strip_prefix("--output=").or_else(|| text.strip_prefix("-o")),
        };
        awaited = matches!(text, "-o" | "--output");
        if let Some(value) = value {
            // What this command does not know is its parser's to refuse.
            format = Format::from_str(value.trim_start_matches('='), false).unwrap_or_default();
        }
    }
    format
}

/// The flag of every command that answers.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct OutputArgs {
    /// Shape of the answer on standard output
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
}

/// Something that can be answered. The serialised form is an interface; the text is for people and may change.
pub trait Report: Serialize {
    /// The text for people.
    fn text(&self) -> String;
}

/// The answer in the format asked for, with a newline at its end unless it is empty.
pub fn render<R: Report>(report: &R, format: Format) -> Result<String, Failure> {
    let text = match format {
        Format::Table => shown(&report.text()),
        Format::Json => serde_json::to_string_pretty(report).map_err(|error| unwritable(&error))?,
        Format::Jsonl => lines(serde_json::to_value(report).map_err(|error| unwritable(&error))?),
        Format::Yaml => serde_saphyr::to_string(report).map_err(|error| unwritable(&error))?,
    };
    let text = text.trim_end();
    Ok(if text.is_empty() { String::new() } else { format!("{text}\n") })
}

/// Writes the answer to standard output.
pub fn answer<R: Report>(report: &R, output: OutputArgs) -> Result<Exit, Failure> {
    write(&render(report, output.output)?)
}

/// Writes text to standard output as it is. A reader that has gone away, such as `head`, is no failure.
pub fn write(text: &str) -> Result<Exit, Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::caused(Exit::Failed, "could not write the answer to standard output", &error))
        }
        _ => Ok(Exit::Ok),
    }
}

/// A line for people, on standard error.
pub fn say(text: fmt::Arguments<'_>) {
    anstream::eprintln!("{}", shown(&text.to_string()));
}

/// The same, and the cursor stays behind it.
pub fn ask(text: fmt::Arguments<'_>) {
    anstream::eprint!("{}", shown(&text.to_string()));
}

/// A line for programs, on standard error.
pub fn say_exactly(text: &str) {
    eprintln!("{text}");
}

/// A table with a heading and without lines, so that it can be cut with `awk` too. A cell is one line, whatever it says.
pub struct Table(comfy_table::Table);

/// An empty table.
pub fn table(heading: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading);
    Table(table)
}

impl Table {
    /// Adds a row.
    pub fn add_row<T: fmt::Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.add_row(cells.into_iter().map(|cell| printable(&cell.to_string())));
    }

    /// Puts the numbers of some columns below each other.
    pub fn align_right(&mut self, columns: std::ops::Range<usize>) {
        let (first, count) = (columns.start, columns.len());
        for column in self.0.column_iter_mut().skip(first).take(count) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table's text without the spaces that pad its last column.
pub fn table_text(table: &Table) -> String {
    table
        .0
        .to_string()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A text of several lines and colours for the terminal, without anything else that steers one.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let style = style_at(rest);
        if style > 0 {
            let (own, after) = rest.split_at(style);
            shown.push_str(own);
            rest = after;
            continue;
        }
        if character == '\n' || is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
        rest = rest.split_at(character.len_utf8()).1;
    }
    shown
}

/// Bytes of the style that a text begins with, as `anstyle` writes it.
fn style_at(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if parameters.as_bytes().get(length) == Some(&b'm') { length + 3 } else { 0 }
}

fn lines(value: Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(|item| format!("{item}\n")).collect(),
        single => format!("{single}\n"),
    }
}

fn unwritable(error: &dyn std::error::Error) -> Failure {
    Failure::caused(Exit::Failed, "cannot write the answer in this format", error)
}
