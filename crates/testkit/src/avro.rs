//! Apache Avro's Java library, which judges what schemas can read.

use std::path::PathBuf;

use crate::stack;

const POM: &str = include_str!("../servers/avro.pom.xml");

/// The class path of the library and what it needs.
pub fn class_path() -> PathBuf {
    stack::installed_by(POM, "Avro's Java library").join("libs").join("*")
}
