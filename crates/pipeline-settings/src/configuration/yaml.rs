//! The YAML file as entries with their places.
//!
//! Only what a configuration needs is accepted: one document of nested sections with plain values. Aliases, tags and
//! lists are faults of their own, so that nothing is read differently from how it looks.

use std::{collections::BTreeMap, path::Path};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    Entry, Fault, FaultKind, Origin, Written,
    keys::{Keys, join, listed},
};
use crate::files;

/// The file's entries; what is wrong with its shape or its keys goes to `faults`.
pub(super) fn read(path: &Path, keys: &Keys, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let whole = |problem: String| Fault {
        place: Origin::WholeFile { path: path.to_owned() },
        key: String::new(),
        kind: FaultKind::File,
        problem,
        hint: None,
    };
    let text = match files::read_text(path, files::WRITTEN_BY_HAND) {
        Ok(text) => text,
        Err(source) => {
            faults.push(whole(format!("cannot read the configuration file: {source}")));
            return Vec::new();
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader =
        Reader { path, keys, events: Parser::new_from_str(text), entries: Vec::new(), faults, documents: 0 };
    if let Err(stopped) = reader.stream() {
        let place = reader.place(&Span::empty(*stopped.marker()));
        let problem = format!("not readable as YAML: {}", stopped.info());
        reader.faults.push(Fault { place, key: String::new(), kind: FaultKind::Form, problem, hint: None });
    }
    reader.entries
}

struct Reader<'a> {
    path: &'a Path,
    keys: &'a Keys,
    events: Parser<'a, StrInput<'a>>,
    entries: Vec<Entry>,
    faults: &'a mut Vec<Fault>,
    documents: usize,
}

type Spanned<'a> = (Event<'a>, Span);

// === impl Reader ===

impl<'a> Reader<'a> {
    fn stream(&mut self) -> Result<(), ScanError> {
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        self.fault(FaultKind::Form, &span, "", "a second document", Some("keep one, without `---`"));
                        return Ok(());
                    }
                }
                Event::MappingStart(..) => self.section("")?,
                Event::Scalar(text, ScalarStyle::Plain, ..) if is_nothing(&text) => {}
                other => {
                    let problem = format!("expected sections such as `kafka:`, found {}", name(&other));
                    self.fault(FaultKind::Form, &span, "", &problem, None);
                    self.skip(&other)?;
                }
            }
        }
        Ok(())
    }

    /// The keys of one section, up to its end. As deep as the known sections, never as deep as the file.
    fn section(&mut self, section: &str) -> Result<(), ScanError> {
        let mut first_lines = BTreeMap::new();
        while let Some((event, span)) = self.next()? {
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, ..) => key.into_owned(),
                other => {
                    let problem = format!("expected a key, found {}", name(&other));
                    self.fault(FaultKind::Form, &span, section, &problem, None);
                    self.skip(&other)?;
                    self.skip_next()?;
                    continue;
                }
            };
            let path = join(section, &key);
            if let Some(line) = first_lines.insert(key, span.start.line()) {
                let problem = format!("duplicate key; it is in line {line} already");
                self.fault(FaultKind::DuplicateKey, &span, &path, &problem, Some("keep one of them"));
                self.skip_next()?;
            } else if self.keys.is_section(&path) {
                self.subsection(&path)?;
            } else if self.keys.find(&path).is_some() && !path_is_dotted(section, &path) {
                self.value(path)?;
            } else {
                self.unknown(&span, section, &path);
                self.skip_next()?;
            }
        }
        Ok(())
    }

    fn subsection(&mut self, path: &str) -> Result<(), ScanError> {
        match self.next()? {
            Some((Event::MappingStart(..), _)) => self.section(path),
            Some((Event::Scalar(text, ScalarStyle::Plain, ..), _)) if is_nothing(&text) => Ok(()),
            Some((other, span)) => {
                let problem = format!("expected a section, found {}", name(&other));
                let hint = format!("its keys are {}", listed(self.keys.below(path)));
                self.fault(FaultKind::Form, &span, path, &problem, Some(&hint));
                self.skip(&other)
            }
            None => Ok(()),
        }
    }

    fn value(&mut self, path: String) -> Result<(), ScanError> {
        let Some((event, span)) = self.next()? else { return Ok(()) };
        let written = match &event {
            Event::Scalar(_, _, _, Some(tag)) if !is_text_tag(tag) => {
                self.fault(FaultKind::Form, &span, &path, "tags are not supported here", Some("write the value alone"));
                return Ok(());
            }
            Event::Scalar(text, ScalarStyle::Plain, _, None) => Written::Plain(text.to_string()),
            Event::Scalar(text, ..) => Written::Quoted(text.to_string()),
            Event::Alias(_) => {
                self.fault(
                    FaultKind::Form,
                    &span,
                    &path,
                    "aliases are not supported here",
                    Some("write the value out"),
                );
                return Ok(());
            }
            other => Written::Group(name(other)),
        };
        self.skip(&event)?;
        let place = self.place(&span);
        self.entries.push(Entry { key: path, written, place });
        Ok(())
    }

    fn unknown(&mut self, span: &Span, section: &str, path: &str) {
        let place = self.place(span);
        let mut fault = self.keys.unknown(path, place);
        if path_is_dotted(section, path) && self.keys.find(path).is_some() {
            fault.kind = FaultKind::Form;
            fault.problem = "a key with dots".to_owned();
            fault.hint = Some(format!("write it nested: `{}:`", path.replace('.', ": ")));
        }
        self.faults.push(fault);
    }

    fn next(&mut self) -> Result<Option<Spanned<'a>>, ScanError> {
        self.events.next_event().transpose()
    }

    fn skip_next(&mut self) -> Result<(), ScanError> {
        match self.next()? {
            Some((event, _)) => self.skip(&event),
            None => Ok(()),
        }
    }

    /// Reads to the end of what `event` begins. A counter, not a recursion: the file decides how deep this goes.
    fn skip(&mut self, event: &Event<'_>) -> Result<(), ScanError> {
        let mut depth = usize::from(is_start(event));
        while depth > 0 {
            match self.next()? {
                Some((event, _)) if is_start(&event) => depth += 1,
                Some((Event::MappingEnd | Event::SequenceEnd, _)) => depth -= 1,
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    fn fault(&mut self, kind: FaultKind, span: &Span, key: &str, problem: &str, hint: Option<&str>) {
        let (place, problem, hint) = (self.place(span), problem.to_owned(), hint.map(str::to_owned));
        self.faults.push(Fault { place, key: key.to_owned(), kind, problem, hint });
    }

    fn place(&self, span: &Span) -> Origin {
        // The parser counts lines from 1 and columns from 0.
        Origin::File { path: self.path.to_owned(), line: span.start.line(), column: span.start.col() + 1 }
    }
}

/// What YAML's core schema reads as null.
pub(super) fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_start(event: &Event<'_>) -> bool {
    matches!(event, Event::MappingStart(..) | Event::SequenceStart(..))
}

fn is_text_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix == "str"
}

/// Whether the key itself has a dot, as in `kafka.username: x` at the top.
fn path_is_dotted(section: &str, path: &str) -> bool {
    super::keys::parent(path) != section
}

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::MappingStart(..) => "a section",
        Event::SequenceStart(..) => "a list",
        Event::Alias(_) => "an alias",
        _ => "a single value",
    }
}
