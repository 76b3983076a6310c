//! Free ports on loopback, each given to one user only.
//!
//! A port cannot be held open for a server of another program, so between choice and use it is free for anybody. Two
//! things keep others away: the ports lie below those that the kernel gives to outgoing connections, and every test
//! process holds a lock on a file for each port that it has chosen, so that tests never choose the same. A lock ends
//! with its process, and so do the servers.

use std::{
    fs::{File, TryLockError},
    net::TcpListener,
    path::PathBuf,
    process,
    sync::{Mutex, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Distance from one candidate to the next; it has no factor in common with the length of the range, so that all come.
const STEP: u32 = 101;

/// The locks of this process's ports, and the next candidate.
struct Chosen {
    locks: Vec<File>,
    next: u32,
}

/// A port that nobody listens on and no other test has or will get while this process lives.
pub(crate) fn free() -> u16 {
    static CHOSEN: Mutex<Chosen> = Mutex::new(Chosen { locks: Vec::new(), next: 0 });
    let mut chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    if chosen.locks.is_empty() {
        chosen.next = beginning();
    }
    let width = u32::from(RANGE.end - RANGE.start);
    for _ in 0..width {
        chosen.next = chosen.next.wrapping_add(STEP) % width;
        let port = RANGE.start + u16::try_from(chosen.next).unwrap_or(0);
        let Some(lock) = lock(port) else { continue };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            chosen.locks.push(lock);
            return port;
        }
    }
    panic!("no free port in {RANGE:?} on 127.0.0.1");
}

/// Differs from process to process, so that they seldom try the same.
fn beginning() -> u32 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    clock.wrapping_add(process::id().wrapping_mul(7_919)) % u32::from(RANGE.end - RANGE.start)
}

/// The lock of a port; `None` when another test has it.
fn lock(port: u16) -> Option<File> {
    let path = folder().join(port.to_string());
    let file = File::options().create(true).append(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("could not open `{}`: {error}", path.display()));
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => panic!("could not lock `{}`: {error}", path.display()),
    }
}

/// Lock files stay: removing one that another process has just opened would give a port to both.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join("sluice-tests").join("ports");
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("could not create `{}`: {error}", folder.display()));
        folder
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_while_nobody_listens_yet() {
        let ports: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..50).map(|_| free()).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("ports can be chosen")).collect()
        });
        let distinct: std::collections::BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!(distinct.len(), ports.len());
        assert!(distinct.iter().all(|port| lock(*port).is_none()), "another process could choose one of them");
    }
}
