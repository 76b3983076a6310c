//! What names the content below a provider without parsing it: a digest of its lines.
//!
//! Whoever copied the content keeps the tag, and a later run passes over every provider whose lines have the same one.
//! So the tag covers all that the content is made from: the lines, the field names of the settings, and the version of
//! the mapping.
//!
//! Bundles may stand in any order: an export rarely writes them twice in the same one. The order of subscription fields
//! counts, because a field without a position takes the place where it stands.

use blake3::Hasher;
use pipeline_model::documents::{Etag, MAPPING_VERSION};
use pipeline_settings::settings::Mapping;

use super::collection::Text;

/// What all tags of a folder begin with: a digest of what they cover beside the lines.
#[derive(Clone, Debug)]
pub struct Reading(Hasher);

/// Collects the lines of one provider.
#[derive(Debug)]
pub struct Lines {
    hasher: Hasher,
    bundles: Bundles,
    fields: Vec<[u8; 32]>,
    /// A line that is too long is not read to its end and never becomes content.
    whole: bool,
}

/// Lines that may stand in any order.
#[derive(Debug)]
enum Bundles {
    /// Of most providers all lines are kept until they can be put in order: one digest of them all is several times
    /// cheaper than one of each.
    Texts { joined: Vec<u8>, ends: Vec<usize> },
    /// Of a provider with more than [`KEPT`] bytes.
    Digests(Vec<[u8; 32]>),
}

/// Bytes of lines that are kept.
const KEPT: usize = 256 * 1024;

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

    /// The lines of a provider whose bundles have so many bytes, line ends included; none so far.
    pub fn lines(&self, bytes: usize) -> Lines {
        let bundles = if bytes > KEPT {
            Bundles::Digests(Vec::new())
        } else {
            Bundles::Texts { joined: Vec::with_capacity(bytes), ends: Vec::new() }
        };
        Lines { hasher: self.0.clone(), bundles, fields: Vec::new(), whole: true }
    }
}

impl Lines {
    /// Adds a line of the bundles' file.
    pub fn bundle(&mut self, text: Text<'_>) {
        match text {
            Text::Whole(line) => self.bundles.add(line),
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
    pub fn etag(self) -> Option<Etag> {
        let Self { mut hasher, bundles, fields, whole } = self;
        if !whole {
            return None;
        }
        bundles.hash(&mut hasher)?;
        hash_digests(&mut hasher, &fields)?;
        Some(Etag(*hasher.finalize().as_bytes()))
    }
}

impl Bundles {
    fn add(&mut self, line: &[u8]) {
        match self {
            Self::Texts { joined, ends } => {
                joined.extend_from_slice(line);
                ends.push(joined.len());
            }
            Self::Digests(digests) => digests.push(*blake3::hash(line).as_bytes()),
        }
    }

    /// Always by how many there are first, and each text by its length, so that no byte can pass from one to another.
    fn hash(self, hasher: &mut Hasher) -> Option<()> {
        match self {
            Self::Texts { joined, ends } => {
                let starts = [0].into_iter().chain(ends.iter().copied());
                let mut lines: Vec<&[u8]> =
                    starts.zip(&ends).filter_map(|(start, end)| joined.get(start..*end)).collect();
                lines.sort_unstable();
                let mut ordered = Vec::with_capacity(joined.len() + (lines.len() + 1) * size_of::<u64>());
                ordered.extend(u64::try_from(lines.len()).ok()?.to_le_bytes());
                for line in lines {
                    ordered.extend(u64::try_from(line.len()).ok()?.to_le_bytes());
                    ordered.extend_from_slice(line);
                }
                hasher.update(b"texts").update(&ordered);
            }
            Self::Digests(mut digests) => {
                digests.sort_unstable();
                hasher.update(b"lines");
                hash_digests(hasher, &digests)?;
            }
        }
        Some(())
    }
}

fn hash_digests(hasher: &mut Hasher, digests: &[[u8; 32]]) -> Option<()> {
    hasher.update(&u64::try_from(digests.len()).ok()?.to_le_bytes()).update(digests.as_flattened());
    Some(())
}

#[cfg(test)]
mod tests {
    use pipeline_model::documents::Etag;
    use pipeline_settings::settings::Mapping;

    use super::{KEPT, Reading, Text};

    fn tag(bytes: usize, bundles: &[&str], fields: &[&str]) -> Option<Etag> {
        let mut lines = Reading::with(&Mapping::default()).lines(bytes);
        bundles.iter().for_each(|line| lines.bundle(Text::Whole(line.as_bytes())));
        fields.iter().for_each(|line| lines.field(Text::Whole(line.as_bytes())));
        lines.etag()
    }

    #[test]
    fn any_difference_that_can_change_the_content_gives_another_tag() {
        let many = KEPT + 1;
        let of = |bytes| {
            [
                tag(bytes, &[], &[]),
                tag(bytes, &["a"], &[]),
                tag(bytes, &[], &["a"]),
                tag(bytes, &["a", "a"], &[]),
                tag(bytes, &["a", "b"], &[]),
                tag(bytes, &["ab"], &[]),
                tag(bytes, &["", "ab"], &[]),
                tag(bytes, &["a"], &["b"]),
                tag(bytes, &[], &["a", "b"]),
                tag(bytes, &[], &["b", "a"]),
            ]
        };
        let tags = [of(0), of(many)].concat();
        for (index, tag) in tags.iter().enumerate() {
            assert!(tag.is_some());
            assert!(!tags.iter().take(index).any(|earlier| earlier == tag), "{index}");
        }
        for bytes in [0, many] {
            let (one, other) = (tag(bytes, &["a", "b"], &["c"]), tag(bytes, &["b", "a"], &["c"]));
            assert_eq!(one, other, "bundles stand in any order");
        }
    }

    #[test]
    fn other_field_names_give_other_tags_and_a_line_that_is_too_long_gives_none() {
        let mut mapping = Mapping::default();
        mapping.subscription_fields.value = "v".to_owned();
        assert_ne!(Reading::with(&mapping).lines(0).etag(), tag(0, &[], &[]));
        let mut lines = Reading::with(&Mapping::default()).lines(0);
        lines.bundle(Text::TooLong(b"beginning"));
        assert_eq!(lines.etag(), None);
    }
}
