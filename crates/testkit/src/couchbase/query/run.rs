//! What a statement gives: the server's choice of an index, and rows one by one.
//!
//! Keys are taken from the index in portions and documents are read as their rows are due. So a document that is removed
//! in between is left out and one that is changed is given as it is now, as on the real server.

use std::{
    collections::VecDeque,
    sync::RwLock,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json, value::RawValue};

use super::{
    super::documents::{self, Bucket, Collection, Document, Sought},
    failure::Failure,
    plan::{choose, limit, lower_bound, value_of},
    statement::{Condition, Expression, Select},
};

/// Keys that are taken from an index at once.
const PORTION: usize = 1000;

/// A statement on its way.
#[derive(Debug)]
pub(super) enum Rows {
    /// Rows that are known.
    Known(VecDeque<String>),
    Scan(Box<Scan>),
}

/// A walk along an index.
#[derive(Debug)]
pub(super) struct Scan {
    keyspace: Keyspace,
    select: Select,
    arguments: Map<String, Value>,
    index: usize,
    sought: Sought,
    after: Option<String>,
    /// Rows that may still come.
    remaining: usize,
    portion: VecDeque<String>,
    is_over: bool,
}

/// A collection by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Keyspace {
    pub bucket: String,
    pub scope: String,
    pub collection: String,
}

/// A document, or what else a row is made of.
struct Subject<'a> {
    key: &'a str,
    cas: u64,
    text: &'a str,
}

// === impl Rows ===

impl Rows {
    /// The next row as JSON.
    pub fn next(&mut self, bucket: &RwLock<Bucket>) -> Result<Option<String>, Failure> {
        match self {
            Self::Known(rows) => Ok(rows.pop_front()),
            Self::Scan(scan) => scan.next(&bucket.read().expect("nobody panics while documents change")),
        }
    }

    /// The one row of a `SELECT` without `FROM`.
    pub fn constant(select: &Select, arguments: &Map<String, Value>) -> Result<Self, Failure> {
        let subject = Subject { key: "", cas: 0, text: "{}" };
        Ok(Self::Known(VecDeque::from([subject.row(select, arguments)?])))
    }

    /// The rows of `system:indexes`.
    pub fn indexes(
        bucket: &Bucket,
        bucket_name: &str,
        select: &Select,
        arguments: &Map<String, Value>,
    ) -> Result<Self, Failure> {
        let mut rows = VecDeque::new();
        for (scope, name, collection) in bucket.collections() {
            for entries in &collection.indexes {
                let quoted =
                    |path: &Vec<String>| path.iter().map(|part| format!("`{part}`")).collect::<Vec<_>>().join(".");
                let fields: Vec<String> = entries.index.fields.iter().map(quoted).collect();
                let mut index = json!({
                    "bucket_id": bucket_name,
                    "datastore_id": "http://127.0.0.1:8091",
                    "id": format!("{scope}.{name}.{}", entries.index.name),
                    "index_key": fields,
                    "keyspace_id": name,
                    "name": entries.index.name,
                    "namespace_id": "default",
                    "scope_id": scope,
                    "state": entries.index.state,
                    "using": "gsi",
                });
                if let (true, Some(index)) = (fields.is_empty(), index.as_object_mut()) {
                    index.insert("is_primary".to_owned(), Value::Bool(true));
                }
                let text = index.to_string();
                let subject = Subject { key: &entries.index.name, cas: 0, text: &text };
                if subject.meets(&select.condition, arguments)? {
                    rows.push_back(subject.row(select, arguments)?);
                }
            }
        }
        Ok(Self::Known(rows))
    }
}

// === impl Scan ===

impl Scan {
    /// Chooses an index; error 4000 if none serves the conditions.
    pub fn plan(
        bucket: &Bucket,
        keyspace: Keyspace,
        select: Select,
        arguments: Map<String, Value>,
    ) -> Result<Self, Failure> {
        let Keyspace { bucket: name, scope, collection } = &keyspace;
        let found = bucket.collection(scope, collection).ok_or_else(|| keyspace.missing())?;
        let choice = choose(found, &select.condition, &arguments)?;
        let (index, sought) = choice.ok_or_else(|| Failure::no_index(name, scope, collection))?;
        let remaining = limit(&select, &arguments)?;
        let after = lower_bound(&select.condition, &arguments)?;
        let portion = VecDeque::new();
        let mut scan = Self { keyspace, select, arguments, index, sought, after, remaining, portion, is_over: false };
        scan.portion = scan.take_portion(found);
        Ok(scan)
    }

    /// The name of the chosen index.
    pub fn index_name(&self, bucket: &Bucket) -> String {
        let collection = bucket.collection(&self.keyspace.scope, &self.keyspace.collection);
        let entries = collection.and_then(|collection| collection.indexes.get(self.index));
        entries.map(|entries| entries.index.name.clone()).unwrap_or_default()
    }

    fn next(&mut self, bucket: &Bucket) -> Result<Option<String>, Failure> {
        if self.is_over || self.remaining == 0 {
            return Ok(None);
        }
        let found = bucket.collection(&self.keyspace.scope, &self.keyspace.collection);
        let collection = found.ok_or_else(|| self.keyspace.missing())?;
        if self.select.projection.iter().any(|(expression, _)| expression.is_aggregate()) {
            self.is_over = true;
            return self.aggregate(collection).map(Some);
        }
        while let Some(key) = self.next_key(collection) {
            let Some(document) = collection.documents.get(&key) else { continue };
            let text = document.shown();
            let subject = Subject { key: &key, cas: document.cas, text: &text };
            if subject.meets(&self.select.condition, &self.arguments)? {
                self.remaining -= 1;
                return subject.row(&self.select, &self.arguments).map(Some);
            }
        }
        self.is_over = true;
        Ok(None)
    }

    /// The one row of `COUNT(*)` and `SUM(ARRAY_LENGTH(…))`.
    fn aggregate(&mut self, collection: &Collection) -> Result<String, Failure> {
        let (mut count, mut lengths) = (0_u64, vec![None::<u64>; self.select.projection.len()]);
        while let Some(key) = self.next_key(collection) {
            let Some(document) = collection.documents.get(&key) else { continue };
            let text = document.shown();
            let subject = Subject { key: &key, cas: document.cas, text: &text };
            if !subject.meets(&self.select.condition, &self.arguments)? {
                continue;
            }
            count += 1;
            for ((expression, _), sum) in self.select.projection.iter().zip(&mut lengths) {
                if let Expression::SumOfLengths(path) = expression {
                    let list = documents::field(&text, path);
                    let list =
                        list.and_then(|list| serde_json::from_str::<Vec<&RawValue>>(&list).ok().map(|list| list.len()));
                    // A sum over nothing is null, as on the server.
                    *sum = list.map(|length| sum.unwrap_or(0) + length as u64).or(*sum);
                }
            }
        }
        let mut row = Map::new();
        for ((expression, name), sum) in self.select.projection.iter().zip(lengths) {
            let value = if *expression == Expression::Count { Some(count) } else { sum };
            row.insert(name.clone(), value.into());
        }
        Ok(Value::Object(row).to_string())
    }

    fn next_key(&mut self, collection: &Collection) -> Option<String> {
        if self.portion.is_empty() {
            self.portion = self.take_portion(collection);
        }
        self.portion.pop_front()
    }

    fn take_portion(&mut self, collection: &Collection) -> VecDeque<String> {
        let keys = collection.keys(self.index, &self.sought, self.after.as_deref(), PORTION.min(self.remaining));
        if let Some(last) = keys.last() {
            self.after = Some(last.clone());
        }
        keys.into()
    }
}

// === impl Keyspace ===

impl Keyspace {
    /// `bucket.scope.collection`.
    pub fn path(&self) -> String {
        format!("{}.{}.{}", self.bucket, self.scope, self.collection)
    }

    fn missing(&self) -> Failure {
        Failure::no_keyspace(&self.path())
    }
}

// === impl Document ===

impl Document {
    /// What a query shows: the text as it was stored, and of what is not JSON only how long it is.
    fn shown(&self) -> String {
        if self.is_json { self.text.to_string() } else { format!("\"<binary ({} b)>\"", self.text.len()) }
    }
}

// === impl Subject ===

impl Subject<'_> {
    fn meets(&self, condition: &Condition, arguments: &Map<String, Value>) -> Result<bool, Failure> {
        Ok(match condition {
            Condition::All(conditions) => {
                for condition in conditions {
                    if !self.meets(condition, arguments)? {
                        return Ok(false);
                    }
                }
                true
            }
            Condition::Any(conditions) => {
                for condition in conditions {
                    if self.meets(condition, arguments)? {
                        return Ok(true);
                    }
                }
                false
            }
            Condition::Greater(left, right) => {
                let text = |json: Option<String>| json.and_then(|json| serde_json::from_str::<String>(&json).ok());
                let (left, right) = (text(self.value(left, arguments)?), text(self.value(right, arguments)?));
                left.zip(right).is_some_and(|(left, right)| left > right)
            }
            Condition::Equal(left, right) => {
                let (left, right) = (self.value(left, arguments)?, self.value(right, arguments)?);
                left.zip(right).is_some_and(|(left, right)| equal(&left, &right))
            }
            Condition::In(left, right) => {
                let Some(left) = self.value(left, arguments)? else { return Ok(false) };
                let values = value_of(right, arguments)?;
                values.as_array().is_some_and(|values| values.iter().any(|value| equal(&left, &value.to_string())))
            }
            Condition::Missing(expression, is_missing) => self.value(expression, arguments)?.is_none() == *is_missing,
        })
    }

    fn row(&self, select: &Select, arguments: &Map<String, Value>) -> Result<String, Failure> {
        let mut members = Vec::new();
        for (expression, name) in &select.projection {
            if *expression == Expression::Star {
                let inner = self.text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                members.extend(inner.map(str::trim).filter(|inner| !inner.is_empty()).map(str::to_owned));
            } else if let Some(value) = self.value(expression, arguments)? {
                members.push(format!("{}:{value}", Value::from(name.as_str())));
            }
        }
        Ok(format!("{{{}}}", members.join(",")))
    }

    /// JSON text, or `None` if the value is missing.
    fn value(&self, expression: &Expression, arguments: &Map<String, Value>) -> Result<Option<String>, Failure> {
        Ok(match expression {
            Expression::Id => Some(Value::from(self.key).to_string()),
            Expression::Cas => Some(self.cas.to_string()),
            Expression::Document => Some(self.text.to_owned()),
            Expression::Field(path) => documents::field(self.text, path),
            Expression::NowMillis => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                Some(now.to_string())
            }
            Expression::Star | Expression::Count | Expression::SumOfLengths(_) => None,
            Expression::Literal(_) | Expression::Parameter(_) => Some(value_of(expression, arguments)?.to_string()),
        })
    }
}

/// Neither null nor anything else equals null.
fn equal(left: &str, right: &str) -> bool {
    left != "null" && right != "null" && documents::comparable(left) == documents::comparable(right)
}
