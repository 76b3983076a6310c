//! Room on this machine, where this configuration makes files. A server's disk cannot be asked by SQL.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use percent_encoding::percent_decode_str;
use pipeline_settings::settings::Settings;

use super::report::{Check, State};
use crate::text;

/// Less is not much for files of a source that are unpacked, or for a copy in a file.
const LITTLE: u64 = 1 << 30;

/// Free space of each folder.
pub fn check(settings: &Settings) -> Check {
    let free = folders(settings).into_iter().map(|folder| {
        let free = statvfs(&folder).map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        (folder, free.ok())
    });
    judge(&free.collect::<Vec<_>>())
}

fn folders(settings: &Settings) -> Vec<PathBuf> {
    let spool = settings.source.spool_dir.clone().unwrap_or_else(std::env::temp_dir);
    let file = settings.target.url.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or_default());
    let file = file.map(|file| percent_decode_str(file).decode_utf8_lossy().into_owned());
    let folder = file.as_deref().and_then(|file| Path::new(file).parent()).map(Path::to_owned);
    [Some(spool), folder.filter(|folder| !folder.as_os_str().is_empty())].into_iter().flatten().collect()
}

fn judge(free: &[(PathBuf, Option<u64>)]) -> Check {
    let told = free.iter().map(|(folder, free)| match free {
        Some(free) => {
            format!("`{}` has {} free", folder.display(), text::bytes(*free))
        }
        None => format!("`{}` cannot be looked at", folder.display()),
    });
    let told = told.collect::<Vec<_>>().join(", ");
    if free.iter().all(|(_, free)| free.is_some_and(|free| free >= LITTLE)) {
        return Check::new("disk", State::Ok, told);
    }
    Check::new("disk", State::AtRisk, told)
        .hint("free some space, or name another folder: `source.spool_dir`, `target.url`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_nearly_full_or_not_there_is_at_risk() {
        let of = |free| judge(&[(PathBuf::from("/tmp"), free)]);
        assert_eq!(of(Some(LITTLE)).state, State::Ok);
        assert_eq!(of(Some(LITTLE - 1)).state, State::AtRisk);
        assert_eq!(of(None).detail, "`/tmp` cannot be looked at");
        let mut settings = Settings::default();
        settings.target.url = "sqlite:///my%20data/copy.db?mode=ro".to_owned();
        assert_eq!(folders(&settings).last(), Some(&PathBuf::from("/my data")));
    }
}
