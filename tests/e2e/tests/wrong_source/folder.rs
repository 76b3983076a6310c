//! A folder of documents, and the ways in which it goes wrong.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fastrand::Rng;

/// A row of a view, by its ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub service: String,
    pub provider: String,
    pub bundle: String,
    pub field: String,
    pub level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Service,
    Provider,
    Bundle,
    Field,
}

/// A line of a file, and the rows that it makes.
#[derive(Clone, Debug)]
struct Line {
    text: Vec<u8>,
    rows: Vec<Row>,
    /// It is still there, and is not what it was.
    mangled: bool,
}

/// The four files.
pub struct Documents {
    files: [Vec<Line>; 4],
    /// Bundles name their services.
    with_service: bool,
}

const NAMES: [&str; 4] = ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl", "subscription_fields.jsonl"];
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Row {
    /// Empty ids are those of levels below the row's own.
    pub fn new(service: &str, provider: &str, bundle: &str, field: &str) -> Self {
        let level = match (provider, bundle, field) {
            ("", _, _) => Level::Service,
            (_, "", _) => Level::Provider,
            (_, _, "") => Level::Bundle,
            _ => Level::Field,
        };
        let [service, provider, bundle, field] = [service, provider, bundle, field].map(str::to_owned);
        Self { service, provider, bundle, field, level }
    }
}

impl Documents {
    pub fn new(rng: &mut Rng) -> Self {
        let (with_service, separate) = (rng.bool(), rng.bool());
        let mut documents = Self { files: Default::default(), with_service };
        for service in 0..rng.usize(1..=4) {
            let service = format!("s{service}");
            documents.line(0, format!(r#"{{"id":"{service}","name":"n"}}"#), vec![Row::new(&service, "", "", "")]);
            for provider in 0..rng.usize(0..=6) {
                let provider = format!("{service}-p{provider}");
                let text = format!(r#"{{"id":"{provider}","service_id":"{service}","name":"n"}}"#);
                documents.line(1, text, vec![Row::new(&service, &provider, "", "")]);
                for bundle in 0..rng.usize(0..=3) {
                    documents.bundle(rng, separate, &service, &provider, &format!("b{bundle}"));
                }
            }
        }
        documents
    }

    fn bundle(&mut self, rng: &mut Rng, separate: bool, service: &str, provider: &str, bundle: &str) {
        let mut rows = vec![Row::new(service, provider, bundle, "")];
        let mut nested = String::new();
        for field in 0..rng.usize(0..=3) {
            let field = format!("f{field}");
            if separate {
                let text = format!(r#"{{"id":"{field}","bundle_id":"{bundle}","provider_id":"{provider}","value":1}}"#);
                self.line(3, text, vec![Row::new(service, provider, bundle, &field)]);
            } else {
                nested.push_str(if nested.is_empty() { "" } else { "," });
                nested.push_str(&format!(r#"{{"name":"{field}","value":1}}"#));
                rows.push(Row::new(service, provider, bundle, &field));
            }
        }
        let of = if self.with_service { format!(r#""service_id":"{service}","#) } else { String::new() };
        let text = format!(
            r#"{{"id":"{bundle}",{of}"provider_id":"{provider}","name":"n","subscription_fields":[{nested}]}}"#
        );
        self.line(2, text, rows);
    }

    fn line(&mut self, file: usize, text: String, rows: Vec<Row>) {
        self.files[file].push(Line { text: text.into_bytes(), rows, mangled: false });
    }

    pub fn write(&self, folder: PathBuf) {
        for (name, lines) in NAMES.iter().zip(&self.files) {
            write(&folder, name, &joined(lines));
        }
    }

    /// Breaks up to three things; gives the rows of lines that are still there in some form that is not theirs.
    pub fn go_wrong(&mut self, rng: &mut Rng, folder: PathBuf) -> BTreeSet<Row> {
        let mut encoded = [None; 4];
        for _ in 0..rng.usize(1..=3) {
            let file = rng.usize(0..4);
            let lines = &mut self.files[file];
            match rng.u8(0..12) {
                0 => lines.clear(),
                1 => lines.truncate(rng.usize(0..=lines.len())),
                2 | 3 => {
                    let share = rng.f64();
                    lines.retain(|_| rng.f64() > share);
                }
                4 => rng.shuffle(lines),
                5 | 6 => cut(rng, lines),
                7 => garble(rng, lines),
                8 => retype(rng, lines),
                9 => encoded[file] = Some(rng.bool()),
                10 => {
                    for line in some(rng, lines) {
                        line.text.splice(0..0, BYTE_ORDER_MARK.iter().copied());
                    }
                }
                _ => {
                    // The end of the file is missing, from the middle of a line on.
                    let left = rng.usize(0..=lines.len());
                    lines.truncate(left);
                    cut_last(rng, lines);
                }
            }
        }
        let mut mangled = BTreeSet::new();
        for (file, lines) in self.files.iter().enumerate() {
            let bytes = joined(lines);
            let bytes = encoded[file].map_or(bytes.clone(), |little| utf16(&bytes, little));
            write(&folder, NAMES[file], &bytes);
            let all = encoded[file].is_some();
            mangled.extend(lines.iter().filter(|line| all || line.mangled).flat_map(|line| line.rows.iter().cloned()));
        }
        mangled
    }
}

/// One line of five.
fn some<'l>(rng: &mut Rng, lines: &'l mut [Line]) -> Vec<&'l mut Line> {
    lines.iter_mut().filter(|_| rng.u8(0..5) == 0).collect()
}

/// Some lines end in their middle.
fn cut(rng: &mut Rng, lines: &mut [Line]) {
    for line in some(rng, lines) {
        cut_line(rng, line);
    }
}

fn cut_last(rng: &mut Rng, lines: &mut [Line]) {
    lines.last_mut().into_iter().for_each(|line| cut_line(rng, line));
}

fn cut_line(rng: &mut Rng, line: &mut Line) {
    let left = rng.usize(1..line.text.len());
    line.text.truncate(left);
    line.mangled = true;
}

/// A byte of some lines is one that no text has.
fn garble(rng: &mut Rng, lines: &mut [Line]) {
    for line in some(rng, lines) {
        let at = rng.usize(0..line.text.len());
        line.text[at] = 0xFF;
        line.mangled = true;
    }
}

/// The ids of some lines are numbers, null, or under another name.
fn retype(rng: &mut Rng, lines: &mut [Line]) {
    for line in some(rng, lines) {
        let Ok(text) = std::str::from_utf8(&line.text) else { continue };
        let name = ["\"id\":", "\"provider_id\":", "\"service_id\":", "\"bundle_id\":"][rng.usize(0..4)];
        let Some(at) = text.find(name) else { continue };
        let value = at + name.len();
        let Some(end) = text[value + 1..].find('"').map(|end| value + 1 + end + 1) else { continue };
        let other = ["17", "null", "[]", "\"\"", "{\"a\":1}"][rng.usize(0..5)];
        let text = match rng.u8(0..3) {
            0 => format!("{}\"renamed\":{}", &text[..at], &text[value..]),
            _ => format!("{}{other}{}", &text[..value], &text[end..]),
        };
        line.text = text.into_bytes();
        line.mangled = true;
    }
}

fn joined(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.text.iter().copied().chain([b'\n'])).collect()
}

/// Without what is not text.
fn utf16(bytes: &[u8], little: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let units = [0xFEFF].into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

/// Elsewhere first, and then in the place of the old one.
fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let temporary = folder.join("written");
    fs::write(&temporary, bytes).unwrap();
    fs::rename(temporary, folder.join(name)).unwrap();
}
