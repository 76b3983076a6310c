//! Kafka, the schema registry, Avro's Java library and what Sluice is measured against, fetched by Maven, each set into a folder named after
//! the project file that asks for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    command,
    failure::{Failure, Outcome},
    location, say,
};

/// Programs that one project file fetches together.
struct Servers {
    what: &'static str,
    size: &'static str,
    pom: &'static str,
}

const SERVERS: Servers = Servers {
    what: "Kafka and the schema registry",
    size: "200 MB",
    pom: include_str!("../../../testkit/servers/pom.xml"),
};

const AVRO: Servers = Servers {
    what: "the files of Apache Avro's Java library",
    size: "4 MB",
    pom: include_str!("../../../testkit/servers/avro.pom.xml"),
};

const PEERS: Servers = Servers {
    what: "Kafka Connect and the JDBC sink",
    size: "100 MB",
    pom: include_str!("../../../testkit/servers/peers.pom.xml"),
};

/// Puts the files of the servers that tests start, and of the library that judges schemas, in place unless they are
/// there.
pub fn install() -> Outcome {
    SERVERS.install()?;
    AVRO.install()
}

/// As [`install`], for what only the benchmark needs.
pub fn install_peers() -> Outcome {
    PEERS.install()
}

impl Servers {
    fn install(&self) -> Outcome {
        let folder = location::stack_folder(self.pom);
        if folder.exists() {
            return Ok(());
        }
        say(&format!("fetching {} into {} (about {})", self.what, folder.display(), self.size));
        let begun = Instant::now();
        let draft = location::cache_folder().join("stack").join(format!("draft-{}", std::process::id()));
        let fetched = fetch(self.pom, &draft);
        let placed = fetched.and_then(|()| place(&draft, &folder));
        remove(&draft)?;
        placed?;
        say(&format!("{} are in place after {} s", self.what, begun.elapsed().as_secs()));
        Ok(())
    }
}

fn fetch(pom: &str, draft: &Path) -> Outcome {
    remove(draft)?;
    fs::create_dir_all(draft).map_err(|error| failed("create", draft, &error))?;
    let file: PathBuf = draft.join("pom.xml");
    fs::write(&file, pom).map_err(|error| failed("write", &file, &error))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["-B", "-ntp", "-q", "-Dstyle.color=never", "-f"])
        .arg(&file)
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
