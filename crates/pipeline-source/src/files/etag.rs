//! What names the content below a provider without parsing it: a digest of its lines.
//!
//! Whoever copied the content keeps the tag, and a later run passes over every provider whose lines have the same one.
//! So the tag covers all that the content is made from: the lines, the field names of the settings, and the version of
//! the mapping.
//!
//! Bundles may stand in any order: an export rarely writes them twice in the same one. The order of subscription fields
//! counts, because a field without a position takes the place where it stands.

use blake3::Hasher;
use pipeline_core::{
    documents::{Etag, MAPPING_VERSION},
    settings::Mapping,
};

use super::collection::Text;

/// What all tags of a folder begin with: a digest of what they cover beside the lines.
#[derive(Clone, Debug)]
pub struct Reading(Hasher);

/// Collects the lines of one provider.
#[derive(Debug)]
pub struct Lines {
    hasher: Hasher,
    bundles: Vec<[u8; 32]>,
    fields: Vec<[u8; 32]>,
    /// A line that is too long is not read to its end and never becomes content.
    whole: bool,
}

impl Reading {
    /// Reading with these field names.
    pub fn with(mapping: &Mapping) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(b"sluice.folder");
        hasher.update(&MAPPING_VERSION.to_le_bytes());
        // Names are texts: they always have a JSON form, and if one had none, tags would cover it less exactly.
        let names = serde_json::to_vec(mapping).unwrap_or_default();
        hasher.update(blake3::hash(&names).as_bytes());
        Self(hasher)
    }

    /// The lines of a provider, none so far.
    pub fn lines(&self) -> Lines {
        Lines { hasher: self.0.clone(), bundles: Vec::new(), fields: Vec::new(), whole: true }
    }
}

impl Lines {
    /// Adds a line of the bundles' file.
    pub fn bundle(&mut self, text: Text<'_>) {
        match text {
            Text::Whole(line) => self.bundles.push(*blake3::hash(line).as_bytes()),
            Text::TooLong(_) => self.whole = false,
        }
    }

    /// Adds a line of the subscription fields' file, in file order.
    pub fn field(&mut self, text: Text<'_>) {
        match text {
            Text::Whole(line) => self.fields.push(*blake3::hash(line).as_bytes()),
            Text::TooLong(_) => self.whole = false,
        }
    }

    /// The tag of these lines.
    pub fn etag(mut self) -> Option<Etag> {
        if !self.whole {
            return None;
        }
        self.bundles.sort_unstable();
        for lines in [&self.bundles, &self.fields] {
            // Each list by its length first, so that no line can pass from one to the other.
            self.hasher.update(&u64::try_from(lines.len()).ok()?.to_le_bytes());
            self.hasher.update(lines.as_flattened());
        }
        Some(Etag(*self.hasher.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::{documents::Etag, settings::Mapping};

    use super::{Reading, Text};

    fn etag(bundles: &[&str], fields: &[&str]) -> Option<Etag> {
        let mut lines = Reading::with(&Mapping::default()).lines();
        bundles.iter().for_each(|line| lines.bundle(Text::Whole(line.as_bytes())));
        fields.iter().for_each(|line| lines.field(Text::Whole(line.as_bytes())));
        lines.etag()
    }

    #[test]
    fn any_difference_that_can_change_the_content_gives_another_tag() {
        let tags = [
            etag(&[], &[]),
            etag(&["a"], &[]),
            etag(&[], &["a"]),
            etag(&["a", "a"], &[]),
            etag(&["a", "b"], &[]),
            etag(&["ab"], &[]),
            etag(&["a"], &["b"]),
            etag(&[], &["a", "b"]),
            etag(&[], &["b", "a"]),
        ];
        for (index, tag) in tags.iter().enumerate() {
            assert!(tag.is_some());
            assert!(!tags.iter().take(index).any(|earlier| earlier == tag), "{index}");
        }
        assert_eq!(etag(&["a", "b"], &["c"]), etag(&["b", "a"], &["c"]), "bundles stand in any order");
    }

    #[test]
    fn other_field_names_give_other_tags_and_a_line_that_is_too_long_gives_none() {
        let mut mapping = Mapping::default();
        mapping.subscription_fields.value = "v".to_owned();
        assert_ne!(Reading::with(&mapping).lines().etag(), etag(&[], &[]));
        let mut lines = Reading::with(&Mapping::default()).lines();
        lines.bundle(Text::TooLong(b"beginning"));
        assert_eq!(lines.etag(), None);
    }
}
