//! How large a schema may be. A text that a registry hands out was written by a stranger, and everything that is done
//! with schemas, from finding a name twice to walking two of them side by side, is meant for what people write.

use super::{Fault, Faults, Parser};
use crate::{
    json::Json,
    schema::{Kind, Node, Place, Type},
};

/// Bytes of a schema's text, with everything that it refers to; a hand-written one has a few thousand.
const MAX_LENGTH: usize = 512 * 1024;

/// Types, fields and symbols of a schema. Each is compared with those beside it.
const MAX_PARTS: usize = 10_000;

/// Types on the longest way from a schema's outermost type through the types it names. Whoever walks a schema goes as
/// deep, on a stack of two megabytes.
const MAX_WAY: usize = 256;

/// The text is short enough to be read at all.
pub(super) fn check_length(text: &str) -> Result<(), Faults> {
    if text.len() <= MAX_LENGTH {
        return Ok(());
    }
    let problem = format!("the text has {} bytes, more than {MAX_LENGTH}", text.len());
    Err(Faults(vec![Fault { place: Place { line: 1, column: 1, length: 1 }, problem }]))
}

// === impl Parser ===

impl<'a> Parser<'a> {
    /// Counts one part more. False beyond the bound, which is a fault once; then nothing more is to be read.
    pub(super) fn has_room(&mut self, at: Json<'a>) -> bool {
        if self.is_full() {
            return false;
        }
        self.parts += 1;
        if self.is_full() {
            self.fault(at, format!("the schema has more than {MAX_PARTS} types, fields and symbols"));
        }
        !self.is_full()
    }

    pub(super) fn is_full(&self) -> bool {
        self.parts > MAX_PARTS
    }

    /// Notes a schema whose types hold each other in too long a chain, though each is written flat.
    pub(super) fn check_depth(&mut self, json: Json<'a>, root: Type) {
        // What holds itself counts once: nobody walks around in a circle.
        let mut ways = vec![None; self.nodes.len()];
        if self.faults.is_empty() && longest(&self.nodes, root, &mut ways) > MAX_WAY {
            self.fault(json, format!("its types hold each other more than {MAX_WAY} levels deep"));
        }
    }
}

/// Types on the longest way down from one. Names are defined before they are used, so what a name stands for has been
/// measured or is being measured; this goes only as deep as the text.
fn longest(nodes: &[Node], of: Type, ways: &mut [Option<usize>]) -> usize {
    match ways.get(of.id) {
        Some(Some(known)) => return *known,
        Some(None) => {}
        None => return 0,
    }
    set(ways, of, 0);
    let below = match nodes.get(of.id).map(|node| &node.kind) {
        Some(Kind::Array(part) | Kind::Map(part)) => longest(nodes, *part, ways),
        Some(Kind::Union(branches)) => branches.iter().map(|branch| longest(nodes, *branch, ways)).max().unwrap_or(0),
        Some(Kind::Record(record)) => {
            record.fields.iter().map(|field| longest(nodes, field.kind, ways)).max().unwrap_or(0)
        }
        Some(Kind::Primitive(_) | Kind::Enum(_) | Kind::Fixed(_)) | None => 0,
    };
    set(ways, of, below + 1);
    below + 1
}

fn set(ways: &mut [Option<usize>], of: Type, way: usize) {
    if let Some(known) = ways.get_mut(of.id) {
        *known = Some(way);
    }
}
