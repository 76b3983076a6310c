//! A schema against its history: what may not go in, where, whom it breaks, and what to do instead.

use serde::Serialize;

use crate::{
    Mismatch, Problem,
    level::{Direction, Level},
    resolution::walk,
    rule::Rule,
    schema::{Kind, Place, Schema},
};

mod own;
#[cfg(test)]
mod tests;

/// A version that came before.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// What people call it: `version 3`, a commit, a file.
    pub label: &'a str,
    /// The schema.
    pub schema: &'a Schema,
}

/// One reason why a schema may not follow its history, or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub rule: Rule,
    /// The way from the root record, such as `RunRequested.scope[]`.
    pub path: String,
    /// Where in the new schema.
    pub place: Place,
    /// What was found.
    pub message: String,
    /// Who breaks.
    pub breaks: Vec<Direction>,
    /// The versions that the new schema does not go together with, oldest first.
    pub versions: Vec<String>,
}

/// Everything that speaks against `new` as the successor of `history` (oldest first) under `level`, in the order of
/// the file; the same finding on several versions is one.
pub fn check(new: &Schema, history: &[Past<'_>], level: Level) -> Vec<Finding> {
    let mut findings: Vec<Finding> = if level == Level::None { Vec::new() } else { own::findings(new) };
    if let Some(newest) = history.last() {
        // What was so before is not news.
        let known = own::findings(newest.schema);
        findings.retain(|finding| !known.iter().any(|known| known.is_same_as(finding)));
    }
    for past in level.relevant(history) {
        for direction in [Direction::Backward, Direction::Forward] {
            if !level.asks(direction) {
                continue;
            }
            let (writer, reader) = match direction {
                Direction::Backward => (past.schema, new),
                Direction::Forward => (new, past.schema),
            };
            // An alias of ours is there to be used.
            let found = walk(writer, reader).into_iter();
            for mismatch in found.filter(|found| !matches!(found.problem, Problem::Alias { .. })) {
                add(&mut findings, finding(new, mismatch, direction), direction, past.label);
            }
        }
    }
    findings.sort_by_key(|finding| (finding.place, finding.rule));
    findings
}

fn add(findings: &mut Vec<Finding>, found: Finding, direction: Direction, version: &str) {
    let same = |known: &&mut Finding| {
        (known.rule, &known.path, known.place) == (found.rule, &found.path, found.place)
            && (known.message == found.message || known.breaks != [direction])
    };
    let known = match findings.iter_mut().find(same) {
        Some(known) => known,
        None => {
            findings.push(found);
            let Some(added) = findings.last_mut() else { return };
            added
        }
    };
    if !known.breaks.contains(&direction) {
        known.breaks.push(direction);
    }
    if !known.versions.iter().any(|known| known == version) {
        known.versions.push(version.to_owned());
    }
}

fn finding(new: &Schema, mismatch: Mismatch, direction: Direction) -> Finding {
    let place = match direction {
        Direction::Backward => mismatch.reader,
        Direction::Forward => mismatch.writer,
    };
    let path = format!("{}{}", root_name(new), mismatch.path);
    let path = path.strip_prefix('.').map_or(path.clone(), str::to_owned);
    let (rule, message) = judge(mismatch.problem, direction);
    Finding { rule, path, place, message, breaks: Vec::new(), versions: Vec::new() }
}

/// The rule that a problem breaks, told from the new schema's side.
fn judge(problem: Problem, direction: Direction) -> (Rule, String) {
    let backward = direction == Direction::Backward;
    match problem {
        Problem::Type { writer, reader, narrower } => {
            let (old, new) = if backward { (writer, reader) } else { (reader, writer) };
            let rule = match (narrower, backward) {
                (false, _) => Rule::AvroTypeChanged,
                (true, true) => Rule::AvroTypeNarrowed,
                (true, false) => Rule::AvroTypeWidened,
            };
            (rule, format!("the type was `{old}` and is `{new}`"))
        }
        Problem::Name { writer, reader } => {
            let (old, new) = if backward { (writer, reader) } else { (reader, writer) };
            (Rule::AvroNameChanged, format!("`{old}` is called `{new}`"))
        }
        Problem::Size { writer, reader } => {
            let (old, new) = if backward { (writer, reader) } else { (reader, writer) };
            (Rule::AvroFixedSizeChanged, format!("the size was {old} bytes and is {new}"))
        }
        Problem::Decimal { writer, reader } => {
            let (old, new) = if backward { (writer, reader) } else { (reader, writer) };
            (Rule::AvroDecimalChanged, format!("the type was `{old}` and is `{new}`"))
        }
        Problem::Meaning { writer, reader } => {
            let (old, new) = if backward { (writer, reader) } else { (reader, writer) };
            (Rule::AvroLogicalTypeChanged, format!("the type was `{old}` and is `{new}`"))
        }
        Problem::NotText { writer, reader } => {
            let (old, new) = if backward { (&writer, &reader) } else { (&reader, &writer) };
            let rule = if backward { Rule::AvroTypeNarrowed } else { Rule::AvroTypeWidened };
            let parting = "the specification and registries let it be read as text, and decoders fail on bytes that are \
                           none, or replace them";
            (rule, format!("the type was `{old}` and is `{new}`: {parting}"))
        }
        Problem::Namespace { writer, reader } => {
            let (old, new) = if backward { (&writer, &reader) } else { (&reader, &writer) };
            let parting = "the specification and registries compare the names without their namespaces, and Java's \
                           library does not in a union";
            (Rule::AvroNameChanged, format!("`{old}` is called `{new}`: {parting}"))
        }
        Problem::Rounded { writer, reader } => {
            let message = format!("`{writer}` is read as `{reader}`, which has not digits enough for every number");
            (Rule::AvroPrecisionLost, message)
        }
        Problem::Default { field } if backward => {
            (Rule::AvroFieldAddedWithoutDefault, format!("field `{field}` is new and has no default"))
        }
        Problem::Default { field } => (
            Rule::AvroFieldRemovedWithoutDefault,
            format!("field `{field}` is gone, and earlier versions have no default for it"),
        ),
        Problem::UnportableDefault { field, why } if backward => {
            (Rule::AvroDefaultNotPortable, own::message(&field, why))
        }
        Problem::UnportableDefault { field, why } => (
            Rule::AvroDefaultNotPortable,
            format!("field `{field}` is gone, and its default in earlier versions {}", why.as_str()),
        ),
        Problem::AliasElsewhere { field, written } => {
            let parting =
                "registries follow the alias, and Java's library does in a record of the same whole name only";
            (Rule::AvroNameChanged, format!("field `{written}` is read as `{field}` by an alias: {parting}"))
        }
        Problem::Ambiguous { field, matches } => {
            let whose = if backward { "an earlier version" } else { "this version" };
            let message = format!("field `{field}` stands for several fields of {whose}: {}", matches.join(", "));
            (Rule::AvroFieldAliasAmbiguous, message)
        }
        Problem::Taken { field, by } => {
            let whose = if backward { "earlier versions" } else { "this version" };
            let message = format!("field `{field}` of {whose} is taken for `{by}`, which has it for an alias");
            (Rule::AvroFieldAliasAmbiguous, message)
        }
        Problem::Alias { field, written } => {
            (Rule::AvroNameChanged, format!("field `{written}` is read as `{field}`, by an alias"))
        }
        Problem::Symbol { symbol } if backward => {
            (Rule::AvroEnumSymbolRemoved, format!("symbol `{symbol}` is gone, and the enum has no default"))
        }
        Problem::Symbol { symbol } => (
            Rule::AvroEnumSymbolAdded,
            format!("symbol `{symbol}` is new, and the enum of earlier versions has no default"),
        ),
        Problem::Branch { branch, reader } if backward => {
            (Rule::AvroUnionTypeRemoved, format!("`{branch}` has no place in `{reader}` any more"))
        }
        Problem::TooFar => {
            (Rule::AvroTypeChanged, "the types hold each other too deeply to be compared with each other".to_owned())
        }
        Problem::Branch { branch, reader } => {
            (Rule::AvroUnionTypeAdded, format!("`{branch}` has no place in `{reader}` of earlier versions"))
        }
    }
}

/// What paths begin with: the simple name of the outermost record.
fn root_name(schema: &Schema) -> String {
    match schema.node(schema.root()).kind.names() {
        Some((name, _)) => name.simple().to_owned(),
        None => match schema.node(schema.root()).kind {
            Kind::Union(_) => "union".to_owned(),
            _ => schema.describe(schema.root()),
        },
    }
}

// === impl Finding ===

impl Finding {
    /// Whether another finding says the same of the same path.
    fn is_same_as(&self, other: &Self) -> bool {
        (self.rule, &self.path, &self.message) == (other.rule, &other.path, &other.message)
    }

    /// Who breaks, in a sentence about the new schema and its earlier versions.
    pub fn breakage(&self) -> &'static str {
        match self.breaks.as_slice() {
            [] if self.rule == Rule::AvroFieldAliasAmbiguous => {
                "some libraries refuse the schema, and others lose a field"
            }
            [] => "a reader that needs the default fails, or puts something else there",
            _ if self.rule == Rule::AvroPrecisionLost => "nobody fails, and some numbers are not what they were",
            _ if self.rule == Rule::AvroLogicalTypeChanged => "nobody fails, and everybody misunderstands",
            [Direction::Backward] => "a new reader cannot read what was written before",
            [Direction::Forward] => "an old reader cannot read what is written now",
            _ => "old and new cannot read each other",
        }
    }
}
