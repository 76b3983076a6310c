//! Which index a statement walks along, from where, and how far.

use serde_json::{Map, Value};

use super::{
    super::documents::{self, Collection, Sought},
    failure::Failure,
    statement::{Condition, Expression, Select},
};

/// An index that serves the conditions: the one of which most fields are asked for, then one of all keys, then one that
/// at least holds nothing but documents with a field that must be there.
pub(super) fn choose(
    collection: &Collection,
    condition: &Condition,
    arguments: &Map<String, Value>,
) -> Result<Option<(usize, Sought)>, Failure> {
    let Condition::All(conditions) = condition else { return Ok(None) };
    let mut best: Option<(usize, usize, Sought)> = None;
    for (place, entries) in collection.indexes.iter().enumerate() {
        let index = &entries.index;
        if index.state != "online" {
            continue;
        }
        let usable = if index.fields.is_empty() {
            Some(of_keys(conditions, arguments)?)
        } else {
            of_fields(&index.fields, conditions, arguments)?
        };
        if let Some((worth, sought)) = usable
            && best.as_ref().is_none_or(|(most, ..)| worth > *most)
        {
            best = Some((worth, place, sought));
        }
    }
    Ok(best.map(|(_, place, sought)| (place, sought)))
}

/// What to seek in an index of all keys, and what that is worth.
fn of_keys(conditions: &[Condition], arguments: &Map<String, Value>) -> Result<(usize, Sought), Failure> {
    for condition in conditions {
        if let Condition::In(Expression::Id, keys) = condition {
            return Ok((2, Sought::Keys(texts(&value_of(keys, arguments)?))));
        }
    }
    Ok((1, Sought::All))
}

/// What to seek in an index of fields, and what that is worth; `None` if nothing is asked of its leading field.
fn of_fields(
    fields: &[Vec<String>],
    conditions: &[Condition],
    arguments: &Map<String, Value>,
) -> Result<Option<(usize, Sought)>, Failure> {
    let mut prefixes = vec![String::new()];
    let mut matched = 0;
    for path in fields {
        let Some(values) = asked_of(path, conditions, arguments)? else { break };
        let longer = |prefix: &String| values.iter().map(move |value| format!("{prefix}{value}")).collect::<Vec<_>>();
        prefixes = prefixes.iter().flat_map(longer).collect();
        matched += 1;
    }
    if matched > 0 {
        return Ok(Some((2 + matched, Sought::Prefixes(prefixes))));
    }
    let is_present = |condition: &Condition| match condition {
        Condition::Missing(Expression::Field(field), false) => Some(field) == fields.first(),
        _ => false,
    };
    Ok(conditions.iter().any(is_present).then_some((0, Sought::All)))
}

/// The values that a field may have, as they stand in an index.
fn asked_of(
    path: &[String],
    conditions: &[Condition],
    arguments: &Map<String, Value>,
) -> Result<Option<Vec<String>>, Failure> {
    let entry = |value: &Value| documents::ended(&documents::comparable(&value.to_string()));
    for condition in conditions {
        match condition {
            Condition::Equal(Expression::Field(field), value) if path == field => {
                return Ok(Some(vec![entry(&value_of(value, arguments)?)]));
            }
            Condition::In(Expression::Field(field), values) if path == field => {
                let values = value_of(values, arguments)?;
                return Ok(Some(values.as_array().map(|all| all.iter().map(entry).collect()).unwrap_or_default()));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    let mut texts: Vec<String> = all.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

pub(super) fn lower_bound(condition: &Condition, arguments: &Map<String, Value>) -> Result<Option<String>, Failure> {
    let Condition::All(conditions) = condition else { return Ok(None) };
    let mut bound = None;
    for condition in conditions {
        if let Condition::Greater(Expression::Id, value) = condition {
            bound = bound.max(value_of(value, arguments)?.as_str().map(str::to_owned));
        }
    }
    Ok(bound)
}

pub(super) fn limit(select: &Select, arguments: &Map<String, Value>) -> Result<usize, Failure> {
    let Some(limit) = &select.limit else { return Ok(usize::MAX) };
    let value = value_of(limit, arguments)?;
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| Failure::bad_limit(&value.to_string()))
}

/// The value of a literal or a parameter.
pub(super) fn value_of(expression: &Expression, arguments: &Map<String, Value>) -> Result<Value, Failure> {
    match expression {
        Expression::Literal(json) => Ok(serde_json::from_str(json).unwrap_or_default()),
        Expression::Parameter(name) => arguments.get(name).cloned().ok_or_else(|| Failure::missing_argument(name)),
        _ => Ok(Value::Null),
    }
}
