//! The kept corpus of the fuzz targets, each file through the function that its target calls.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        // What fails is the last that is named.
        eprintln!("{}", path.display());
        run(&std::fs::read(&path).expect("a file"));
        files += 1;
    }
    assert!(files >= 3, "{files} files in {}", folder.display());
}

macro_rules! replayed {
    ($($target:ident),*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target);
        }
    )*};
}

replayed!(wire, datum, schema, document, envelope, configuration);
