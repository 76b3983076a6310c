//! What the definitions make, read from their own text: there is no second list to keep.

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    Index,
    View,
    /// Nothing that Sluice makes, such as a sequence.
    Other,
}

/// A name that a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Columns of a table; the table of an index; the tables that a view reads.
    pub(crate) parts: Vec<String>,
}

/// The heads of statements about views, up to the name.
const VIEW_HEADS: [&str; 3] = ["CREATE OR REPLACE VIEW ", "CREATE VIEW ", "DROP VIEW IF EXISTS "];

/// Tables that had another name before version 9: the former one, and that of today.
pub(super) const FORMER: [(&str, &str); 14] = [
    ("sync_run", "sluice_run"),
    ("sync_ordinals", "sluice_run_ordinals"),
    ("sync_service", "sluice_run_service"),
    ("sync_batch", "sluice_run_batch"),
    ("sync_reject", "sluice_run_reject"),
    ("sync_standstill", "sluice_run_standstill"),
    ("sync_dead_letter", "sluice_dead_letter"),
    ("sync_audit", "sluice_audit"),
    ("active_generation", "sluice_active_generation"),
    ("provider_service", "sluice_provider_service_version"),
    ("provider", "sluice_provider_version"),
    ("provider_content", "sluice_provider_content"),
    ("bundle", "sluice_content_bundle"),
    ("subscription_field", "sluice_content_field"),
];

// === impl Kind ===

impl Kind {
    /// With its article, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Index => "an index",
            Self::View => "a view",
            Self::Other => "neither table nor view",
        }
    }
}

// === impl Made ===

impl Made {
    /// What a statement makes; nothing when it only changes what is there.
    pub(crate) fn by(statement: &str) -> Option<Self> {
        if let Some(rest) = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
            return Some(Self { kind: Kind::Table, name: first_word(rest)?, parts: columns(statement) });
        }
        if let Some(rest) = statement.strip_prefix("CREATE INDEX IF NOT EXISTS ") {
            return Some(Self { kind: Kind::Index, name: first_word(rest)?, parts: after(rest, &["ON"]) });
        }
        let [replace, create, _] = VIEW_HEADS;
        let rest = statement.strip_prefix(replace).or_else(|| statement.strip_prefix(create))?;
        Some(Self { kind: Kind::View, name: first_word(rest)?, parts: after(rest, &["FROM", "JOIN"]) })
    }
}

/// The former name of a table.
pub(super) fn former(table: &str) -> Option<&'static str> {
    FORMER.iter().find(|(_, to)| *to == table).map(|(from, _)| *from)
}

/// A statement with the prefix before the name of the view that it is about, if it is about one.
pub(super) fn with_prefix(statement: String, prefix: &str) -> String {
    for head in VIEW_HEADS {
        if let Some(rest) = statement.strip_prefix(head) {
            return format!("{head}{prefix}{rest}");
        }
    }
    statement
}

/// Text as words of letters, digits and underscores.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').filter(|word| !word.is_empty())
}

fn first_word(text: &str) -> Option<String> {
    words(text).next().map(str::to_owned)
}

/// The words that follow one of these.
fn after(text: &str, keywords: &[&str]) -> Vec<String> {
    words(text)
        .zip(words(text).skip(1))
        .filter(|(keyword, _)| keywords.contains(keyword))
        .map(|(_, word)| word.to_owned())
        .collect()
}

/// Our definitions have a line for each column, which begins with its name, in small letters; keys begin in capitals.
fn columns(statement: &str) -> Vec<String> {
    let lines = statement.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    lines.filter(|word| word.starts_with(|it: char| it.is_ascii_lowercase())).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Made, with_prefix};

    fn made(kind: Kind, name: &str, parts: &[&str]) -> Option<Made> {
        Some(Made { kind, name: name.to_owned(), parts: parts.iter().map(|part| (*part).to_owned()).collect() })
    }

    #[test]
    fn what_a_statement_makes_is_read_from_it() {
        let table =
            "CREATE TABLE IF NOT EXISTS t (\n    a BIGINT NOT NULL,\n    b TEXT,\n    PRIMARY KEY (a)\n) STRICT";
        assert_eq!(Made::by(table), made(Kind::Table, "t", &["a", "b"]));
        let index = "CREATE INDEX IF NOT EXISTS t_b ON t (b)";
        assert_eq!(Made::by(index), made(Kind::Index, "t_b", &["t"]));
        for head in ["CREATE VIEW", "CREATE OR REPLACE VIEW"] {
            let view = format!("{head} v AS\nSELECT t.a FROM t\nJOIN u\n    ON u.a = t.a");
            assert_eq!(Made::by(&view), made(Kind::View, "v", &["t", "u"]));
        }
        assert_eq!(Made::by("ALTER TABLE t ADD COLUMN c BIGINT NULL"), None);
        assert_eq!(Made::by("DROP VIEW IF EXISTS v"), None);
    }

    #[test]
    fn a_prefix_stands_before_views_and_nothing_else() {
        for (before, after) in [
            ("CREATE VIEW v AS SELECT a FROM t", "CREATE VIEW x_v AS SELECT a FROM t"),
            ("CREATE OR REPLACE VIEW v AS SELECT a FROM t", "CREATE OR REPLACE VIEW x_v AS SELECT a FROM t"),
            ("DROP VIEW IF EXISTS v", "DROP VIEW IF EXISTS x_v"),
            ("CREATE TABLE IF NOT EXISTS t (a INTEGER)", "CREATE TABLE IF NOT EXISTS t (a INTEGER)"),
        ] {
            assert_eq!(with_prefix(before.to_owned(), "x_"), after);
        }
    }
}
