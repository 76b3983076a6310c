//! Where the caches are: shared with testkit as a file, so that set-up compiles without it.

#[path = "../../testkit/src/stack/location.rs"]
mod shared;

pub use shared::{JAEGER, cache_folder, jaeger, stack_folder};
