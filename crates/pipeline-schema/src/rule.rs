//! The rules: a closed list of ids, what each means, and how to make the change safely.
//!
//! Ids are an interface: waivers and people's pipelines name them.

use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

/// What a finding is about.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "`Rule::summary` says what each is")]
pub enum Rule {
    AvroSchemaInvalid,
    AvroSchemaRemoved,
    AvroPastInvalid,
    AvroPastOdd,
    AvroNameChanged,
    AvroTypeChanged,
    AvroTypeNarrowed,
    AvroTypeWidened,
    AvroFieldAddedWithoutDefault,
    AvroFieldRemovedWithoutDefault,
    AvroFieldAliasAmbiguous,
    AvroDefaultNotPortable,
    AvroEnumSymbolAdded,
    AvroEnumSymbolRemoved,
    AvroUnionTypeAdded,
    AvroUnionTypeRemoved,
    AvroFixedSizeChanged,
    AvroDecimalChanged,
    AvroLogicalTypeChanged,
    AvroPrecisionLost,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; the change may go in.
    Warning,
    /// The change must not go in.
    Error,
}

/// Every rule.
pub const RULES: &[Rule] = Rule::VARIANTS;

// === impl Rule ===

impl Rule {
    /// The id.
    pub fn id(self) -> &'static str {
        self.into()
    }

    /// What it finds, in one sentence.
    pub fn summary(self) -> &'static str {
        match self {
            Self::AvroSchemaInvalid => "the file is not a valid Avro schema",
            Self::AvroSchemaRemoved => "a schema file is gone while its subject may still be written and read",
            Self::AvroPastInvalid => "an earlier version is no valid schema, or could not be read",
            Self::AvroPastOdd => "an earlier version has a byte order mark or comments, which only some programs read",
            Self::AvroNameChanged => "a record, an enum or a fixed type has another name",
            Self::AvroTypeChanged => "a type was replaced by one that does not go together with it",
            Self::AvroTypeNarrowed => "a type was replaced by a narrower one",
            Self::AvroTypeWidened => "a type was replaced by a wider one",
            Self::AvroFieldAddedWithoutDefault => "a new field has no default",
            Self::AvroFieldRemovedWithoutDefault => "a field was removed for which earlier versions have no default",
            Self::AvroFieldAliasAmbiguous => "an alias makes a field stand for several fields of an earlier version",
            Self::AvroDefaultNotPortable => "a default that the specification allows, and not every library can use",
            Self::AvroEnumSymbolAdded => "a new symbol is unknown to earlier versions, whose enum has no default",
            Self::AvroEnumSymbolRemoved => "a symbol was removed from an enum without a default",
            Self::AvroUnionTypeAdded => "a union has a type that earlier versions have no place for",
            Self::AvroUnionTypeRemoved => "a type that earlier versions wrote has no place any more",
            Self::AvroFixedSizeChanged => "a fixed type has another size",
            Self::AvroDecimalChanged => "a decimal has another precision or scale",
            Self::AvroLogicalTypeChanged => "data stays readable but means something else",
            Self::AvroPrecisionLost => "large numbers are read as floating point and lose their last digits",
        }
    }

    /// How to make the change safely.
    pub fn advice(self) -> &'static str {
        match self {
            Self::AvroSchemaInvalid => "correct the file; nothing can be said of its compatibility before",
            Self::AvroSchemaRemoved => {
                "keep the file until nobody writes or reads the topic; for a renamed file, keep the old one beside it"
            }
            Self::AvroPastInvalid => {
                "look at the earlier version by eye: what was not compared may break its readers and writers. Where none \
                 is left, waive it"
            }
            Self::AvroPastOdd => "nothing is left to do: it was compared as Java's Avro library reads it",
            Self::AvroNameChanged => {
                "keep the name: an alias helps new readers only, and old readers know nothing of the new name"
            }
            Self::AvroTypeChanged => {
                "add a second field with the new type and a default, write both, and remove the old one when every \
                 reader uses the new one"
            }
            Self::AvroTypeNarrowed => {
                "keep the wider type, or add a second field with the narrower one and a default, and move readers over"
            }
            Self::AvroTypeWidened => {
                "add a second field with the wider type and a default, write both, and remove the old one when every \
                 reader uses the new one"
            }
            Self::AvroFieldAddedWithoutDefault => {
                "give the field a default, such as `\"type\": [\"null\", …], \"default\": null`"
            }
            Self::AvroFieldRemovedWithoutDefault => {
                "keep the field. To be rid of it, give it a default in one version, and remove it in a later one, when \
                 no reader of a version without the default is left (and waive the older versions then)"
            }
            Self::AvroFieldAliasAmbiguous => "remove the alias: it is the name of a field that is there too",
            Self::AvroDefaultNotPortable => {
                "put the default's type first in the union, such as `[\"null\", …]` with null for a default; where the \
                 union is in use already, its order may change"
            }
            Self::AvroEnumSymbolAdded => {
                "first give the enum a `default` and bring that version to every reader, then add the symbol"
            }
            Self::AvroEnumSymbolRemoved => "keep the symbol, or give the enum a `default` that stands in for it",
            Self::AvroUnionTypeAdded => {
                "add a second field with the wider union and a default; a union may grow only for new readers"
            }
            Self::AvroUnionTypeRemoved => "keep the type: messages that were written with it may still be read",
            Self::AvroFixedSizeChanged => "add a second field with a fixed type of another name, and a default",
            Self::AvroDecimalChanged => "add a second field with the new precision and scale, and a default",
            Self::AvroPrecisionLost => {
                "keep the type where numbers may have more than 7 digits for a float, or more than 15 for a double"
            }
            Self::AvroLogicalTypeChanged => {
                "make sure that readers expect it; a second field with a default is safer, because both meanings then \
                 have a name of their own"
            }
        }
    }

    /// Whether a finding keeps the change out.
    pub fn severity(self) -> Severity {
        match self {
            Self::AvroLogicalTypeChanged | Self::AvroPastOdd | Self::AvroPrecisionLost => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_what_a_waiver_writes() {
        for rule in RULES {
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{}\"", rule.id()));
        }
    }
}
