//! A field of a record has its column: `columns.toml`, beside the schemas, says where each field is kept, and the
//! migrations of every database have that column. So a field cannot be added and then be forgotten on its way to a row.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use pipeline_schema::{Kind, Schema, Severity};
use pipeline_settings::files;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    Error,
    files::SchemaFile,
    policy,
    rules::{COLUMN_MISSING, FIELD_UNMAPPED, MAPPING_STALE},
    verdict::Entry,
};

/// The file's name, in the folder of the schemas.
const FILE: &str = "columns.toml";

/// Where fields are kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Columns {
    /// Folders of SQL files, one for each database, seen from this file.
    migrations: Vec<PathBuf>,
    /// By topic and field.
    records: BTreeMap<String, BTreeMap<String, Spanned<Home>>>,
}

/// Where a field is kept, or why nowhere.
#[derive(Deserialize)]
#[serde(untagged)]
enum Home {
    Column(String),
    Nowhere { none: String },
}

/// `table.column` of everything that migrations make.
type Made = BTreeSet<String>;

/// The findings on the schemas of every folder that has a `columns.toml`.
pub(super) fn check(files: &[SchemaFile]) -> Result<Vec<Entry>, Error> {
    let folders: BTreeSet<&Path> = files.iter().map(|file| super::folder_of(&file.path)).collect();
    let mut entries = Vec::new();
    for folder in folders {
        let path = folder.join(FILE);
        let text = match files::read_text(&path, files::WRITTEN_BY_HAND) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&path, error)),
        };
        let columns: Columns = toml::from_str(&text).map_err(|error| {
            let line = policy::line_of(&text, error.span().map_or(0, |span| span.start));
            Error::Written { place: format!("{}:{line}", path.display()), problem: error.message().to_owned() }
        })?;
        let mut databases = Vec::new();
        for migrations in &columns.migrations {
            databases.push((migrations.display().to_string(), made_in(&folder.join(migrations))?));
        }
        let here: Vec<&SchemaFile> = files.iter().filter(|file| super::folder_of(&file.path) == folder).collect();
        for file in &here {
            entries.extend(of_file(file, &columns, &databases));
        }
        entries.extend(stale(&path, &text, &here, &columns));
    }
    Ok(entries)
}

fn of_file(file: &SchemaFile, columns: &Columns, databases: &[(String, Made)]) -> Vec<Entry> {
    let homes = columns.records.get(topic(file));
    let mut entries = Vec::new();
    let error = |rule, message, advice: &str, place| {
        Entry::plain(&file.subject, &file.path, rule, Severity::Error, message, advice).at(file, place)
    };
    for (field, place) in fields(file) {
        match homes.and_then(|homes| homes.get(&field)).map(Spanned::get_ref) {
            None => {
                let message = format!("nothing says where field `{field}` is kept");
                let advice = "add it to columns.toml beside the schemas: `table.column` with a migration, or \
                              `{ none = \"why\" }`";
                entries.push(error(FIELD_UNMAPPED, message, advice, place));
            }
            Some(Home::Nowhere { none }) if none.trim().is_empty() => {
                let message = format!("nothing says why field `{field}` is not kept");
                entries.push(error(FIELD_UNMAPPED, message, "give the reason in columns.toml", place));
            }
            Some(Home::Nowhere { .. }) => {}
            Some(Home::Column(column)) => {
                for (database, _) in databases.iter().filter(|(_, made)| !made.contains(column)) {
                    let message =
                        format!("field `{field}` is to be kept in `{column}`, which `{database}` never makes");
                    let advice = "add a migration for every database, or correct columns.toml";
                    entries.push(error(COLUMN_MISSING, message, advice, place));
                }
            }
        }
    }
    entries
}

fn stale(path: &Path, text: &str, files: &[&SchemaFile], columns: &Columns) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (record, homes) in &columns.records {
        // Which files were named is the caller's choice, so a record without a file says nothing.
        let Some(file) = files.iter().find(|file| topic(file) == record && file.text.is_some()) else { continue };
        let known: Vec<String> = fields(file).into_iter().map(|(field, _)| field).collect();
        // A file that is no schema has no fields, and a finding of its own.
        for (field, home) in homes.iter().filter(|(field, _)| !known.is_empty() && !known.contains(field)) {
            let message = format!("`{record}` has no field `{field}`");
            let entry = Entry::plain(&file.subject, path, MAPPING_STALE, Severity::Error, message, "remove the line");
            entries.push(Entry { line: policy::line_of(text, home.span().start), ..entry });
        }
    }
    entries
}

fn topic(file: &SchemaFile) -> &str {
    file.subject.strip_suffix("-value").unwrap_or(&file.subject)
}

/// The fields of the outermost record, with their places.
fn fields(file: &SchemaFile) -> Vec<(String, pipeline_schema::Place)> {
    let Some(Ok(schema)) = file.whole().map(Schema::parse) else { return Vec::new() };
    match &schema.node(schema.root()).kind {
        Kind::Record(record) => record.fields.iter().map(|field| (field.name.clone(), field.place)).collect(),
        _ => Vec::new(),
    }
}

// === migrations ===

/// The columns that the SQL files of a folder make, in the order of their names.
fn made_in(folder: &Path) -> Result<Made, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        paths.push(entry.map_err(|error| unreadable(folder, error))?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    let mut made = Made::new();
    for path in paths {
        apply(&files::read_text(&path, files::WRITTEN_BY_HAND).map_err(|error| unreadable(&path, error))?, &mut made);
    }
    Ok(made)
}

/// Reads the statements that make and drop columns; all others are passed over.
fn apply(sql: &str, made: &mut Made) {
    let code: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    for statement in code.split(';') {
        let (head, body) = statement.split_once('(').unwrap_or((statement, ""));
        let words: Vec<String> = head.split_whitespace().map(name).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["create", "table", .., table] => {
                let body = body.rsplit_once(')').map_or(body, |(body, _)| body);
                made.extend(parts(body).filter_map(column).map(|column| format!("{table}.{column}")));
            }
            ["alter", "table", table, ..] => alter(statement, table, made),
            _ => {}
        }
    }
}

fn alter(statement: &str, table: &str, made: &mut Made) {
    for part in parts(statement) {
        let words: Vec<String> = part.split_whitespace().map(name).collect();
        let Some(at) = words.iter().position(|word| word == "column") else { continue };
        let behind = words.iter().skip(at + 1).filter(|word| !["if", "not", "exists"].contains(&word.as_str()));
        let Some(column) = behind.take(1).next() else { continue };
        match words.get(at.wrapping_sub(1)).map(String::as_str) {
            Some("add") => drop(made.insert(format!("{table}.{column}"))),
            Some("drop") => drop(made.remove(&format!("{table}.{column}"))),
            _ => {}
        }
    }
}

/// What stands between the commas that are in no parenthesis.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
}

/// The column that a line of a table defines, unless it is a key or a constraint.
fn column(part: &str) -> Option<String> {
    let first = name(part.split_whitespace().next()?);
    let keywords = ["primary", "unique", "key", "index", "constraint", "check", "foreign", "fulltext"];
    (!keywords.contains(&first.as_str())).then_some(first)
}

fn name(word: &str) -> String {
    word.trim_matches(['`', '"']).to_lowercase()
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn columns_are_read_off_the_statements_that_make_them() {
        let mut made = Made::new();
        apply(
            "-- a, b\nCREATE TABLE IF NOT EXISTS `t` (\n a INT NOT NULL, -- c\n b DECIMAL(9, 2),\n PRIMARY KEY (a, b)\n) x=y;",
            &mut made,
        );
        apply("ALTER TABLE t ADD COLUMN c INT, DROP COLUMN b; CREATE INDEX t_a ON t (a);", &mut made);
        assert_eq!(made.into_iter().collect::<Vec<_>>(), ["t.a", "t.c"]);
    }

    #[test]
    fn a_field_needs_a_column_in_every_database() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("one/1.sql", "CREATE TABLE t (a INT, b INT);");
        write("two/1.sql", "CREATE TABLE t (a INT);");
        let field = |name: &str| format!(r#"{{"name":"{name}","type":"int"}}"#);
        let fields = ["a", "b", "c", "d"].map(field).join(",\n");
        write("r.avsc", &format!("{{\"type\":\"record\",\"name\":\"R\",\"fields\":[\n{fields}]}}"));
        write(
            "columns.toml",
            "migrations = [\"one\", \"two\"]\n[records.r]\na = \"t.a\"\nb = \"t.b\"\nd = { none = \"told only\" }\ne = \"t.a\"",
        );
        let found = check(&files::find(&[folder.path().to_owned()]).unwrap()).unwrap();
        let found: Vec<(&str, usize)> = found.iter().map(|entry| (entry.rule, entry.line)).collect();
        assert_eq!(found, [(COLUMN_MISSING, 3), (FIELD_UNMAPPED, 4), (MAPPING_STALE, 6)]);
    }

    #[test]
    fn every_field_of_this_programs_records_has_its_column() {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
        let found = check(&files::find(&[schemas]).unwrap()).unwrap();
        assert!(found.is_empty(), "{found:#?}");
    }
}
