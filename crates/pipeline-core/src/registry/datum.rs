//! Proof that bytes are exactly one datum of a schema, before anything is decoded.
//!
//! Avro carries lengths inside the data, and the decoder that follows believes them: it would allocate what a damaged
//! length says, give `null` for a datum that ends in the middle of a union, and ignore what comes after the datum. So
//! the bytes are walked once without building anything, every length is held against what is left, and only a whole
//! datum is decoded. The walk costs a small part of the decoding.

use std::collections::HashMap;

use apache_avro::{
    Schema,
    schema::{DecimalSchema, FixedSchema, InnerDecimalSchema, Name, NamespaceRef, UuidSchema},
};

#[cfg(test)]
mod tests;

/// Nesting that a datum may have. Recursive schemas would otherwise let a message choose how deep the decoder recurses.
const MAX_DEPTH: usize = 64;

/// Items that arrays and maps may hold beyond one for each byte; only items without any bytes, such as nulls, need it.
const SPARE_ITEMS: u64 = 1_024;

/// The layout of a schema's data: what is needed to find where a datum ends.
#[derive(Debug)]
pub struct Layout {
    nodes: Vec<Node>,
    root: usize,
}

/// Why bytes are not a datum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end before the datum does.
    #[error("the data ends in the middle of a value")]
    Truncated,
    /// Bytes follow the datum.
    #[error("{bytes} bytes follow the end of the data")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A length, a count or a choice that no writer writes.
    #[error("the data is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
}

/// One type of the schema; other types are named by their place in [`Layout::nodes`].
#[derive(Debug)]
enum Node {
    Empty,
    Varint,
    Fixed(usize),
    Prefixed,
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<usize>),
}

// === impl Layout ===

impl Layout {
    /// The layout of what `schema` writes; the error says which name is not defined in it.
    pub fn of(schema: &Schema) -> Result<Self, String> {
        let mut builder = Builder { nodes: Vec::new(), names: HashMap::new() };
        let root = builder.add(schema, None)?;
        Ok(Self { nodes: builder.nodes, root })
    }

    /// Succeeds only when `datum` is one whole datum and nothing else.
    pub fn check(&self, datum: &[u8]) -> Result<(), Fault> {
        let items = (datum.len() as u64).saturating_add(SPARE_ITEMS);
        let mut walk = Walk { layout: self, rest: datum, items };
        walk.value(self.root, 0)?;
        match walk.rest.len() {
            0 => Ok(()),
            bytes => Err(Fault::Trailing { bytes }),
        }
    }
}

// === impl Builder ===

struct Builder {
    nodes: Vec<Node>,
    names: HashMap<Name, usize>,
}

impl Builder {
    fn add(&mut self, schema: &Schema, namespace: NamespaceRef<'_>) -> Result<usize, String> {
        let node = match schema {
            Schema::Null => Node::Empty,
            Schema::Boolean => Node::Fixed(1),
            Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Node::Varint,
            Schema::Float => Node::Fixed(4),
            Schema::Double => Node::Fixed(8),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes | UuidSchema::String)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. }) => Node::Prefixed,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed))
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
                return Ok(self.add_fixed(fixed, namespace));
            }
            Schema::Enum(schema) => {
                let place = self.push(Node::Varint);
                self.names.insert(schema.name.fully_qualified_name(namespace).into_owned(), place);
                return Ok(place);
            }
            Schema::Array(schema) => Node::Array(self.add(&schema.items, namespace)?),
            Schema::Map(schema) => Node::Map(self.add(&schema.types, namespace)?),
            Schema::Union(schema) => {
                let branches = schema.variants().iter().map(|branch| self.add(branch, namespace));
                Node::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(schema) => {
                let name = schema.name.fully_qualified_name(namespace).into_owned();
                // The place is taken before the fields, so that a field may refer to its own record.
                let place = self.push(Node::Empty);
                self.names.insert(name.clone(), place);
                let fields = schema.fields.iter().map(|field| self.add(&field.schema, name.namespace()));
                let fields = fields.collect::<Result<_, _>>()?;
                if let Some(node) = self.nodes.get_mut(place) {
                    *node = Node::Record(fields);
                }
                return Ok(place);
            }
            Schema::Ref { name } => {
                let name = name.fully_qualified_name(namespace);
                return self.names.get(name.as_ref()).copied().ok_or_else(|| format!("`{name}` is not defined"));
            }
        };
        Ok(self.push(node))
    }

    fn add_fixed(&mut self, fixed: &FixedSchema, namespace: NamespaceRef<'_>) -> usize {
        let place = self.push(Node::Fixed(fixed.size));
        self.names.insert(fixed.name.fully_qualified_name(namespace).into_owned(), place);
        place
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

// === impl Walk ===

struct Walk<'a> {
    layout: &'a Layout,
    rest: &'a [u8],
    /// Items of arrays and maps that may still come.
    items: u64,
}

impl Walk<'_> {
    fn value(&mut self, place: usize, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Damaged { what: "it is nested too deeply" });
        }
        let layout = self.layout;
        match layout.nodes.get(place) {
            None | Some(Node::Empty) => Ok(()),
            Some(Node::Varint) => self.varint().map(|_| ()),
            Some(Node::Fixed(size)) => self.skip(*size),
            Some(Node::Prefixed) => self.prefixed(),
            Some(Node::Array(items)) => self.blocks(|walk| walk.value(*items, depth + 1)),
            Some(Node::Map(values)) => self.blocks(|walk| {
                walk.prefixed()?;
                walk.value(*values, depth + 1)
            }),
            Some(Node::Union(branches)) => {
                let choice = usize::try_from(self.varint()?).ok().and_then(|choice| branches.get(choice));
                let branch = choice.ok_or(Fault::Damaged { what: "it chooses a branch that its union lacks" })?;
                self.value(*branch, depth + 1)
            }
            Some(Node::Record(fields)) => fields.iter().try_for_each(|field| self.value(*field, depth + 1)),
        }
    }

    /// Arrays and maps come in blocks, each with its count; a negative count is followed by the block's size.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            let count = self.varint()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.varint()?;
            }
            let count = count.unsigned_abs();
            self.items =
                self.items.checked_sub(count).ok_or(Fault::Damaged { what: "it counts more items than it has" })?;
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    fn prefixed(&mut self) -> Result<(), Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| Fault::Damaged { what: "a length is negative" })?;
        self.skip(length)
    }

    fn skip(&mut self, length: usize) -> Result<(), Fault> {
        self.rest = self.rest.get(length..).ok_or(Fault::Truncated)?;
        Ok(())
    }

    /// A number of at most 64 bits in groups of seven, lowest first, zigzag.
    fn varint(&mut self) -> Result<i64, Fault> {
        let mut bits = 0_u64;
        for group in 0..10 {
            let (byte, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
            self.rest = rest;
            bits |= u64::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(Fault::Damaged { what: "a number has more than 64 bits" })
    }
}
