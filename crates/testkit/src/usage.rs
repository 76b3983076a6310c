//! What a process holds at the moment, as the kernel tells it.

use std::{collections::BTreeSet, fs, io, path::Path};

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Open file handles of every kind.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

impl Usage {
    /// Of a process that runs.
    pub fn of(process_id: u32) -> Self {
        let status = read(&format!("/proc/{process_id}/status"));
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no `{name}` of process {process_id}"))
        };
        Self {
            resident_kib: number("VmRSS:"),
            files: handles(process_id).len(),
            threads: usize::try_from(number("Threads:")).expect("a number of threads"),
        }
    }
}

/// Number of TCP connections that a process holds to a port on loopback.
pub fn connections(process_id: u32, port: u16) -> usize {
    let sockets: BTreeSet<String> = handles(process_id).into_iter().collect();
    let table = read(&format!("/proc/{process_id}/net/tcp"));
    // Columns: number, local and remote address in hexadecimal, state (01 is established), …, and in the tenth the inode.
    let holds = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, _, remote, state, _, _, _, _, _, inode, ..] = columns.as_slice() else { return false };
        let to_port = remote.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok()) == Some(port);
        to_port && *state == "01" && sockets.contains(&format!("socket:[{inode}]"))
    };
    table.lines().skip(1).filter(holds).count()
}

/// What the open handles of a process refer to, such as `socket:[4711]`.
fn handles(process_id: u32) -> Vec<String> {
    let folder = format!("/proc/{process_id}/fd");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("could not read `{folder}`: {error}"));
    // One that is closed meanwhile is none.
    let target = |entry: io::Result<fs::DirEntry>| fs::read_link(entry.ok()?.path()).ok();
    entries.filter_map(target).map(|path| path.display().to_string()).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(path)).unwrap_or_else(|error| panic!("could not read `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_counted_while_it_is_open() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let own = std::process::id();
        let streams = [0; 3].map(|_| TcpStream::connect(address).expect("an open connection"));
        assert_eq!(connections(own, address.port()), 3);
        assert!(Usage::of(own).files >= 4);
        assert!(Usage::of(own).threads >= 1 && Usage::of(own).resident_kib > 0);
        drop(streams);
        assert_eq!(connections(own, address.port()), 0);
    }
}
