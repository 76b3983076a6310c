//! One document as a line of a file.

use pipeline_model::documents::{Attributes, DataType, SubscriptionField};
use pipeline_settings::settings::SubscriptionFieldFields;

/// A JSON object on its way to a file.
pub(super) struct Line {
    text: String,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { text: String::from("{") }
    }

    /// A subscription field, behind whatever says whose it is.
    pub(super) fn field(self, field: &SubscriptionField, names: &SubscriptionFieldFields) -> Self {
        let SubscriptionField { id, name, value, data_type, required, position, attributes } = field;
        let line = self.text(&names.id, id).optional_text(&names.name, name.as_deref());
        let line = match (value, data_type) {
            (None, _) => line,
            (Some(value), DataType::String) => line.text(&names.value, value),
            (Some(value), _) => line.raw(&names.value, value),
        };
        let line = match required {
            None => line,
            Some(required) => line.raw(&names.required, &required.to_string()),
        };
        line.raw(&names.position, &position.to_string()).rest(attributes)
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, &serde_json::Value::from(value).to_string())
    }

    pub(super) fn optional_text(self, key: &str, value: Option<&str>) -> Self {
        match value {
            None => self,
            Some(value) => self.text(key, value),
        }
    }

    pub(super) fn raw(mut self, key: &str, value: &str) -> Self {
        self.comma();
        let key = serde_json::Value::from(key);
        self.text.push_str(&format!("{key}:{value}"));
        self
    }

    pub(super) fn rest(mut self, attributes: &Attributes) -> Self {
        let members = attributes.as_str().trim_start_matches('{').strip_suffix('}').unwrap_or_default();
        if !members.is_empty() {
            self.comma();
            self.text.push_str(members);
        }
        self
    }

    fn comma(&mut self) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}
