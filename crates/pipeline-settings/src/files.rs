//! Files that this program is told the names of, and files that it makes.
//!
//! **What is read is a regular file of a bounded size.** A pipe waits for its writer, a device may never end or do something
//! when it is opened, and `/dev/zero` fills the memory. A shell's `<(command)` is a pipe too, and is refused like the
//! others.
//!
//! **What is made is new and this user's alone.** Where others may write, they can have put a link under the name
//! beforehand, and what is written through it lands in a file of their choice.

use std::{
    fs::{File, FileType, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use nix::fcntl::OFlag;

/// Bytes of a file that a person writes: a configuration, a schema, a policy.
pub const WRITTEN_BY_HAND: u64 = 4 * 1024 * 1024;

/// Bytes of a file with secrets or certificates.
pub const SECRET: u64 = 64 * 1024;

/// The bytes of a regular file that has at most so many. Links are followed.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_many =
        |length: u64| io::Error::other(format!("it has {length} bytes or more, and {limit} are read at most"));
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_many(length));
    }
    let mut bytes = Vec::new();
    // It may have grown since; files of the system have no length and some have no end.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > limit { Err(too_many(length)) } else { Ok(bytes) }
}

/// The same as text.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Opens a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening a device may have effects, so it is asked for what it is first.
    check_regular(std::fs::metadata(path)?.file_type())?;
    let file = without_waiting().open(path)?;
    check_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// A file that was not there before, for this user alone. What has the name already, a link to nowhere included, is an
/// error of kind [`io::ErrorKind::AlreadyExists`].
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// What something is that is no regular file, with its article; `None` for one.
pub fn other_than_file(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a directory"),
        kind if kind.is_fifo() => Some("a named pipe"),
        kind if kind.is_socket() => Some("a socket"),
        kind if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        _ => Some("something else"),
    }
}

/// How a regular file is opened that may have become a pipe since it was looked at: nobody waits for its writer.
pub fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits());
    options
}

fn check_regular(kind: FileType) -> io::Result<()> {
    let Some(found) = other_than_file(kind) else { return Ok(()) };
    let pipe = if kind.is_fifo() {
        ", such as `<(…)` of a shell: write what it gives into a file and name that"
    } else {
        ""
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is no file but {found}{pipe}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "12345").unwrap();
        symlink(path("file"), path("link")).unwrap();
        assert_eq!(read_text(&path("link"), 5).unwrap(), "12345");
        assert!(read(&path("file"), 4).unwrap_err().to_string().contains("5 bytes or more, and 4"));

        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", path("zero")).unwrap();
        let refused = |path: &Path| read(path, 5).unwrap_err().to_string();
        assert!(refused(&path("pipe")).contains("a named pipe, such as `<(…)`"));
        assert!(refused(&path("zero")).contains("a device"));
        assert!(refused(folder.path()).contains("a directory"));
        assert_eq!(read(&path("none"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        // It says that it has no bytes.
        assert!(refused(Path::new("/proc/self/maps")).contains("bytes or more"));
    }

    #[test]
    fn a_file_that_is_made_is_new_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        assert_eq!(create(&link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!target.exists());
        let made = create(&folder.path().join("new")).unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
