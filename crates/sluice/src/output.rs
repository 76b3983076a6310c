//! The answer of a command: one report, four formats, and the only place that writes to standard output.

use std::io::{ErrorKind, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::{exit::Exit, failure::Failure};

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
        Format::Table => report.text(),
        Format::Json => serde_json::to_string_pretty(report).map_err(|error| unwritable(&error))?,
        Format::Jsonl => lines(serde_json::to_value(report).map_err(|error| unwritable(&error))?),
        Format::Yaml => serde_saphyr::to_string(report).map_err(|error| unwritable(&error))?,
    };
    let text = text.trim_end();
    Ok(if text.is_empty() { String::new() } else { format!("{text}\n") })
}

/// Writes the answer to standard output.
pub fn answer<R: Report>(report: &R, format: Format) -> Result<(), Failure> {
    write(&render(report, format)?)
}

/// Writes text to standard output as it is. A reader that has gone away, such as `head`, is no failure.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::caused(Exit::Failed, "could not write the answer to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// A table with a heading and without lines, so that it can be cut with `awk` too.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(heading);
    table
}

/// The table's text without the spaces that pad its last column.
pub fn table_text(table: &Table) -> String {
    table
        .to_string()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Ids, names and reasons come from documents and messages: no control character of theirs reaches the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Fruits(Vec<Fruit>);

    #[derive(Serialize)]
    struct Fruit {
        name: &'static str,
        count: Option<u32>,
    }

    impl Report for Fruits {
        fn text(&self) -> String {
            let mut table = table(&["NAME", "COUNT"]);
            for fruit in &self.0 {
                table.add_row([fruit.name.to_owned(), fruit.count.map_or_else(|| "-".into(), |n| n.to_string())]);
            }
            table_text(&table)
        }
    }

    fn fruits() -> Fruits {
        Fruits(vec![Fruit { name: "yes", count: Some(2) }, Fruit { name: "a: b", count: None }])
    }

    #[test]
    fn one_report_has_four_formats() {
        insta::assert_snapshot!(render(&fruits(), Format::Table).unwrap(), @"
        NAME  COUNT
        yes   2
        a: b  -
        ");
        insta::assert_snapshot!(render(&fruits(), Format::Json).unwrap(), @r#"
        [
          {
            "name": "yes",
            "count": 2
          },
          {
            "name": "a: b",
            "count": null
          }
        ]
        "#);
        insta::assert_snapshot!(render(&fruits(), Format::Jsonl).unwrap(), @r#"
        {"name":"yes","count":2}
        {"name":"a: b","count":null}
        "#);
        insta::assert_snapshot!(render(&fruits(), Format::Yaml).unwrap(), @r#"
        - name: "yes"
          count: 2
        - name: "a: b"
          count: null
        "#);
    }
}
