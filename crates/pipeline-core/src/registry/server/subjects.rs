//! What the embedded registry knows, and its rules; no HTTP here.

use std::collections::{BTreeMap, HashMap};

use pipeline_schema::{Library, Schema};
use serde_json::{Value, json};

use crate::registry::{
    client::Reference,
    compatibility::{Level, conflicts},
};

/// The schemas, the subjects with their versions, and the levels.
#[derive(Debug)]
pub(super) struct Subjects {
    /// A schema's id is its place, counted from 1.
    schemas: Vec<Stored>,
    ids: HashMap<Offered, u32>,
    /// The ids of a subject's versions; a version's number is its place, counted from 1. A deleted one leaves a hole, so
    /// that no number is given twice.
    subjects: BTreeMap<String, Vec<Option<u32>>>,
    levels: BTreeMap<String, Level>,
    level: Level,
}

#[derive(Debug)]
struct Stored {
    offered: Offered,
    schema: Schema,
}

/// A schema as it comes in: what tells schemas apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Offered {
    pub(super) text: String,
    pub(super) references: Vec<Reference>,
}

/// One version of a subject.
pub(super) struct Found {
    pub(super) id: u32,
    pub(super) version: u32,
    pub(super) offered: Offered,
}

/// No, with the registry's error code: an HTTP status, with two more digits where it says more.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u32,
    pub(super) message: String,
}

// === impl Subjects ===

impl Default for Subjects {
    fn default() -> Self {
        Self {
            schemas: Vec::new(),
            ids: HashMap::new(),
            subjects: BTreeMap::new(),
            levels: BTreeMap::new(),
            level: Level::Backward,
        }
    }
}

impl Subjects {
    pub(super) fn names(&self) -> Vec<&str> {
        self.subjects.keys().map(String::as_str).collect()
    }

    pub(super) fn versions(&self, subject: &str) -> Result<Vec<u32>, Refusal> {
        Ok(self.history(subject)?.iter().map(|(version, _)| *version).collect())
    }

    pub(super) fn version(&self, subject: &str, version: &str) -> Result<Found, Refusal> {
        let history = self.history(subject)?;
        let number = match version {
            "latest" | "-1" => history.last().map(|(version, _)| *version),
            number => number.parse().ok(),
        };
        let number = number.ok_or_else(|| Refusal::new(42202, format!("`{version}` is not a version")))?;
        self.subjects
            .get(subject)
            .and_then(|ids| place(number).and_then(|place| ids.get(place)))
            .and_then(|id| self.found((*id)?, number))
            .ok_or_else(|| Refusal::new(40402, format!("subject `{subject}` has no version {number}")))
    }

    pub(super) fn by_id(&self, id: &str) -> Result<Value, Refusal> {
        let stored = id.parse().ok().and_then(|id| self.stored(id));
        stored
            .map(|stored| stored.offered.described([]))
            .ok_or_else(|| Refusal::new(40403, format!("no schema has id {id}")))
    }

    /// The version that is exactly this schema.
    pub(super) fn lookup(&self, subject: &str, offered: &Offered) -> Result<Found, Refusal> {
        let (offered, _) = self.parse(offered)?;
        self.history(subject)?;
        self.find(subject, &offered)
            .ok_or_else(|| Refusal::new(40403, format!("the schema is not registered under `{subject}`")))
    }

    /// The schema's id; a new version of the subject unless it has the schema already.
    pub(super) fn register(&mut self, subject: &str, offered: &Offered) -> Result<u32, Refusal> {
        let (offered, schema) = self.parse(offered)?;
        if let Some(found) = self.find(subject, &offered) {
            return Ok(found.id);
        }
        let history = self.history(subject).unwrap_or_default();
        let reasons = conflicts(&schema, &history, self.level(Some(subject)));
        if !reasons.is_empty() {
            let message = format!("the schema is incompatible with `{subject}`: {}", reasons.join("; "));
            return Err(Refusal::new(409, message));
        }
        let id = self.ids.get(&offered).copied().unwrap_or_else(|| {
            self.schemas.push(Stored { offered: offered.clone(), schema });
            number(self.schemas.len())
        });
        self.ids.insert(offered, id);
        self.subjects.entry(subject.to_owned()).or_default().push(Some(id));
        Ok(id)
    }

    /// Forgets that the subject had this version; the schema keeps its id. Gives the version's number.
    pub(super) fn delete(&mut self, subject: &str, version: &str) -> Result<u32, Refusal> {
        let number = self.version(subject, version)?.version;
        let hole = self.subjects.get_mut(subject).zip(place(number)).and_then(|(ids, place)| ids.get_mut(place));
        if let Some(id) = hole {
            *id = None;
        }
        Ok(number)
    }

    /// Why the schema may not follow the subject's versions, or one of them.
    pub(super) fn check(
        &self,
        subject: &str,
        version: Option<&str>,
        offered: &Offered,
    ) -> Result<Vec<String>, Refusal> {
        let (_, schema) = self.parse(offered)?;
        let only = version.map(|version| self.version(subject, version)).transpose()?;
        let history = self.history(subject).unwrap_or_default();
        let asked = |(version, _): &(u32, &Schema)| only.as_ref().is_none_or(|only| only.version == *version);
        let history: Vec<(u32, &Schema)> = history.into_iter().filter(asked).collect();
        Ok(conflicts(&schema, &history, self.level(Some(subject))))
    }

    /// The level that counts for a subject, or the registry's.
    pub(super) fn level(&self, subject: Option<&str>) -> Level {
        subject.and_then(|subject| self.own_level(subject)).unwrap_or(self.level)
    }

    pub(super) fn own_level(&self, subject: &str) -> Option<Level> {
        self.levels.get(subject).copied()
    }

    pub(super) fn set_level(&mut self, subject: Option<&str>, level: &str) -> Result<Level, Refusal> {
        let level: Level = level.parse().map_err(|error| Refusal::new(42203, format!("{error}")))?;
        match subject {
            Some(subject) => {
                self.levels.insert(subject.to_owned(), level);
            }
            None => self.level = level,
        }
        Ok(level)
    }

    fn history(&self, subject: &str) -> Result<Vec<(u32, &Schema)>, Refusal> {
        let ids = self.subjects.get(subject);
        let ids = ids.ok_or_else(|| Refusal::new(40401, format!("there is no subject `{subject}`")))?;
        let numbered = ids.iter().zip(1..);
        Ok(numbered.filter_map(|(id, version)| Some((version, &self.stored((*id)?)?.schema))).collect())
    }

    fn find(&self, subject: &str, offered: &Offered) -> Option<Found> {
        let id = *self.ids.get(offered)?;
        let index = self.subjects.get(subject)?.iter().position(|known| *known == Some(id))?;
        self.found(id, number(index + 1))
    }

    fn found(&self, id: u32, version: u32) -> Option<Found> {
        Some(Found { id, version, offered: self.stored(id)?.offered.clone() })
    }

    /// The schema, and what is kept of it: its text as compact JSON. The parsing canonical form would not do, for it
    /// drops the defaults, and a default is what makes a change compatible.
    fn parse(&self, offered: &Offered) -> Result<(Offered, Schema), Refusal> {
        let invalid = |reason: String| Refusal::new(42201, format!("the schema is not valid Avro: {reason}"));
        let (mut asked, mut texts) = (offered.references.clone(), Vec::new());
        // What is registered refers to what was registered before, so this ends.
        while let Some(Reference { name, subject, version }) = asked.pop() {
            let found = self.version(&subject, &version.to_string());
            let found = found.map_err(|refusal| invalid(format!("it refers to `{name}`, and {}", refusal.message)))?;
            asked.extend(found.offered.references);
            texts.push(found.offered.text);
        }
        let whole = Library::new(texts.iter().map(String::as_str)).complete(&offered.text);
        let schema = Schema::parse(whole.as_ref().map_or(&offered.text, |whole| &whole.text));
        let schema = schema.map_err(|faults| invalid(faults.to_string()))?;
        let text = serde_json::from_str::<Value>(&offered.text);
        let text = text.map_or_else(|_| offered.text.clone(), |json| json.to_string());
        Ok((Offered { text, references: offered.references.clone() }, schema))
    }

    fn stored(&self, id: u32) -> Option<&Stored> {
        place(id).and_then(|place| self.schemas.get(place))
    }
}

fn place(number: u32) -> Option<usize> {
    number.checked_sub(1).and_then(|place| usize::try_from(place).ok())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

// === impl Found ===

impl Found {
    pub(super) fn described(&self, subject: &str) -> Value {
        let place = [("subject", json!(subject)), ("version", json!(self.version)), ("id", json!(self.id))];
        self.offered.described(place)
    }
}

// === impl Offered ===

impl Offered {
    /// As the API gives it, with more members.
    fn described<const N: usize>(&self, more: [(&str, Value); N]) -> Value {
        let mut members = vec![("schema", json!(self.text))];
        if !self.references.is_empty() {
            members.push(("references", json!(self.references)));
        }
        members.into_iter().chain(more).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn status(&self) -> u16 {
        let status = if self.code >= 10_000 { self.code / 100 } else { self.code };
        u16::try_from(status).unwrap_or(500)
    }
}
