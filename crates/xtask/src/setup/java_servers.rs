//! Kafka and the schema registry, fetched by Maven into a folder named after the project file that asks for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    command,
    failure::{Failure, Outcome},
    say,
};

// Shared with testkit as a file, so that set-up compiles without it.
#[path = "../../../testkit/src/stack/location.rs"]
mod location;

const POM: &str = include_str!("../../../testkit/servers/pom.xml");

/// Puts the servers' files in place unless they are there.
pub fn install() -> Outcome {
    let folder = location::stack_folder(POM);
    if folder.exists() {
        return Ok(());
    }
    say(&format!("fetching Kafka and the schema registry into {} (about 200 MB)", folder.display()));
    let begun = Instant::now();
    let draft = location::cache_folder().join("stack").join(format!("draft-{}", std::process::id()));
    let fetched = fetch(&draft);
    let placed = fetched.and_then(|()| place(&draft, &folder));
    remove(&draft)?;
    placed?;
    say(&format!("Kafka and the schema registry are in place after {} s", begun.elapsed().as_secs()));
    Ok(())
}

fn fetch(draft: &Path) -> Outcome {
    remove(draft)?;
    fs::create_dir_all(draft).map_err(|error| failed("create", draft, &error))?;
    let pom: PathBuf = draft.join("pom.xml");
    fs::write(&pom, POM).map_err(|error| failed("write", &pom, &error))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["-B", "-ntp", "-q", "-Dstyle.color=never", "-f"])
        .arg(&pom)
        .arg(format!("-Dstack.dir={}", draft.display()))
        .arg("package");
    command::run(&mut maven).map_err(|failure| {
        failure.advise(
            "Maven must reach its central repository, or a mirror named in ~/.m2/settings.xml; then run this again",
        )
    })
}

/// One rename: whoever finds the folder finds all of it, also when two set-ups run side by side.
fn place(draft: &Path, folder: &Path) -> Outcome {
    match fs::rename(draft, folder) {
        Ok(()) => Ok(()),
        Err(_) if folder.exists() => Ok(()),
        Err(error) => Err(failed("move into place", draft, &error)),
    }
}

fn remove(draft: &Path) -> Outcome {
    match fs::remove_dir_all(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", draft, &error)),
        _ => Ok(()),
    }
}

fn failed(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("could not {verb} `{}`: {error}", path.display()))
}
