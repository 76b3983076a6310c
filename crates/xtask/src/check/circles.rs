//! No file of a crate stands in a circle of imports with more than its own parent module.
//!
//! A file knows another one when it names something that is made there, in a `use` or by a path. What a module only passes
//! on is looked up where it is made. A file may know its parent and be known by it; whoever is in a larger circle can be
//! read, moved and tested only together with all the others in it. Tests may know whatever they like.

use std::collections::{BTreeMap, BTreeSet};

use names::Names;

use super::{sources, verdict};
use crate::failure::{Failure, Outcome};

mod names;

/// A crate of test doubles is as entangled as the servers that it plays.
const EXEMPT: [&str; 1] = ["testkit"];

/// How often a name is passed on, at most.
const MOST_HOPS: usize = 16;

/// A file by its place below its crate: `["commands", "run"]`; the root has no words.
type Module = Vec<String>;

/// The files of a crate, and what each names.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, Names>,
}

/// Checks every crate of this repository.
pub fn check() -> Outcome {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for file in sources::rust_files()? {
        let Some((name, module)) = place(&file.path) else { continue };
        let unreadable = |error| Failure::new(format!("could not read `{}`: {error}", file.path));
        let names = Names::of(&file.text).map_err(unreadable)?;
        crates.entry(name.to_owned()).or_default().files.insert(module, names);
    }
    let found = crates.iter().filter(|(name, _)| !EXEMPT.contains(&name.as_str())).filter_map(|(name, files)| {
        let circle = files.circle()?;
        Some(format!("`{name}` has a circle: {}", circle.iter().map(shown).collect::<Vec<_>>().join(" -> ")))
    });
    verdict(&found.collect::<Vec<_>>())
}

/// The crate and the module of a file under `crates/NAME/src`; none for tests.
fn place(path: &str) -> Option<(&str, Module)> {
    let (name, inside) = path.strip_prefix("crates/")?.split_once("/src/")?;
    let mut module: Module = inside.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if module.iter().any(|word| word == "tests") {
        return None;
    }
    if module == ["lib"] || module == ["main"] {
        module.clear();
    }
    Some((name, module))
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("::") }
}

// === impl Crate ===

impl Crate {
    /// A circle of files, if there is one; its first file is its last one too.
    fn circle(&self) -> Option<Vec<Module>> {
        let known: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.keys().map(|module| (module, self.known_by(module))).collect();
        let mut done = BTreeSet::new();
        known.keys().find_map(|module| visit(module, &known, &mut Vec::new(), &mut done))
    }

    /// The other files that a file knows, but for its parent.
    fn known_by<'a>(&'a self, module: &'a Module) -> BTreeSet<&'a Module> {
        let named = self.files.get(module).into_iter().flat_map(|names| &names.named);
        let found = named.filter_map(|path| self.resolve(module, path, 0));
        found.filter(|found| *found != module && !is_parent(found, module)).collect()
    }

    /// The file in which a path ends; none when it leads out of the crate.
    fn resolve<'a>(&'a self, from: &Module, path: &[String], hops: usize) -> Option<&'a Module> {
        let (mut at, mut rest) = self.start(from, path)?;
        while let [word, after @ ..] = rest {
            let below: Module = at.iter().chain([word]).cloned().collect();
            if self.files.contains_key(&below) {
                (at, rest) = (below, after);
                continue;
            }
            let passed_on = self.files.get(&at).and_then(|names| names.imported.get(word));
            return match passed_on.filter(|_| hops < MOST_HOPS) {
                Some(elsewhere) => {
                    let path: Vec<String> = elsewhere.iter().chain(after).cloned().collect();
                    self.resolve(&at, &path, hops + 1)
                }
                None => self.key(&at),
            };
        }
        self.key(&at)
    }

    /// Where a path begins, and what is left of it.
    fn start<'p>(&self, from: &Module, path: &'p [String]) -> Option<(Module, &'p [String])> {
        let [first, rest @ ..] = path else { return None };
        match first.as_str() {
            "crate" => Some((Module::new(), rest)),
            "self" => Some((from.clone(), rest)),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                Some((from.get(..from.len().checked_sub(ups)?)?.to_vec(), path.get(ups..)?))
            }
            child => {
                let below: Module = from.iter().map(String::as_str).chain([child]).map(str::to_owned).collect();
                self.files.contains_key(&below).then_some((below, rest))
            }
        }
    }

    fn key(&self, module: &Module) -> Option<&Module> {
        self.files.get_key_value(module).map(|(key, _)| key)
    }
}

fn is_parent(parent: &Module, child: &Module) -> bool {
    child.len() == parent.len() + 1 && child.starts_with(parent)
}

/// Goes along what files know; gives the way round when it comes back to one that it came by.
fn visit<'a>(
    module: &'a Module,
    known: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
    way: &mut Vec<&'a Module>,
    done: &mut BTreeSet<&'a Module>,
) -> Option<Vec<Module>> {
    if let Some(begin) = way.iter().position(|passed| *passed == module) {
        let round = way.iter().skip(begin).copied().chain([module]);
        return Some(round.cloned().collect());
    }
    if !done.insert(module) {
        return None;
    }
    way.push(module);
    let next = known.get(module).into_iter().flatten();
    let found = next.copied().find_map(|next| visit(next, known, way, done));
    way.pop();
    found
}

#[cfg(test)]
mod tests;
