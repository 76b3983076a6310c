//! Where servers are kept that are no packages. Set-up includes this file too, so that both always agree.

use std::path::PathBuf;

/// Folder of Sluice's caches: `SLUICE_CACHE`, else `~/.cache/sluice`.
pub fn cache_folder() -> PathBuf {
    let named = std::env::var_os("SLUICE_CACHE").filter(|name| !name.is_empty());
    named.map_or_else(|| home().join(".cache").join("sluice"), PathBuf::from)
}

/// Folder of the servers that this project file asks for; a changed file has another folder.
pub fn stack_folder(pom: &str) -> PathBuf {
    cache_folder().join("stack").join(format!("{:016x}", fnv1a(pom.as_bytes())))
}

/// The version of Jaeger that tests send spans to.
pub const JAEGER: &str = "1.76.0";

/// Jaeger's program.
pub fn jaeger() -> PathBuf {
    cache_folder().join("stack").join(format!("jaeger-{JAEGER}"))
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The FNV-1a hash: short, and the same in every build, which the standard library's hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
