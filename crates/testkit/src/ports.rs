//! Free ports on loopback.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Ports to choose from: below those that the kernel gives to outgoing connections, so that nobody takes one between
/// its choice and its use.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Differs from call to call within a process.
static CALLS: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on at the moment.
pub(crate) fn free() -> u16 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let width = u32::from(RANGE.end - RANGE.start);
    for _ in 0..width {
        let step = u32::from(CALLS.fetch_add(1, Ordering::Relaxed)).wrapping_mul(101);
        let offset = clock.wrapping_add(std::process::id().wrapping_mul(7_919)).wrapping_add(step) % width;
        let port = RANGE.start + u16::try_from(offset).unwrap_or(0);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {RANGE:?} on 127.0.0.1");
}
