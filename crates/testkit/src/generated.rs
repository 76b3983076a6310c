//! Files of the repository that are made from code.

use std::{fs, path::Path};

/// Holds a generated file of the repository equal to what would be generated; `SLUICE_BLESS=1` writes it.
pub fn assert_in_step(path: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("SLUICE_BLESS").is_some() {
        fs::write(&path, generated).expect("a writable checkout");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "{} is not in step; run `cargo xtask generate`", path.display());
}
