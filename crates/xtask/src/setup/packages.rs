//! The distribution's packages: a database server, Java, Maven, a C compiler, a clock that can be wrong.

use std::{fs, path::Path, process::Command};

use crate::{
    command,
    failure::{Failure, Outcome},
    say,
};

/// The file that keeps Debian's packages from starting their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// "Action forbidden by policy."
const POLICY_TEXT: &str = "#!/bin/sh\nexit 101\n";

/// What a program is for, and the package that has it.
struct Need {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

/// What shows how Sluice is; only the tests of that need it.
const OBSERVERS: [Need; 2] = [
    Need { program: "prometheus", package: "prometheus", purpose: "asking for metrics in tests" },
    Need { program: "promtool", package: "prometheus", purpose: "testing alerts" },
];

const NEEDS: [Need; 11] = [
    Need { program: "mariadbd", package: "mariadb-server", purpose: "the target database of tests" },
    Need { program: "mariadb-install-db", package: "mariadb-server", purpose: "the target database of tests" },
    Need { program: "mariadb", package: "mariadb-client", purpose: "reading the target in tests" },
    Need { program: "java", package: "default-jre-headless", purpose: "Kafka and the schema registry" },
    Need { program: "javac", package: "default-jdk-headless", purpose: "the program that judges schemas in tests" },
    Need { program: "mvn", package: "maven", purpose: "fetching Kafka and the schema registry" },
    Need { program: "cc", package: "build-essential", purpose: "building librdkafka and SQLite" },
    Need { program: "c++", package: "build-essential", purpose: "building librdkafka" },
    Need { program: "faketime", package: "faketime", purpose: "clocks that jump in tests" },
    Need { program: "make", package: "build-essential", purpose: "building librdkafka" },
    Need { program: "pkg-config", package: "pkg-config", purpose: "finding OpenSSL for librdkafka's TLS" },
];

/// A file that says that OpenSSL's headers are there, and the package that has them: they come with no program.
const HEADERS: (&str, &str) = ("/usr/include/openssl/ssl.h", "libssl-dev");

/// Oldest Java that Kafka's broker runs on.
const JAVA: u32 = 17;

/// Installs what shows how Sluice is, where it is missing.
pub fn install_observers() -> Outcome {
    let packages = missing(&OBSERVERS);
    if packages.is_empty() { Ok(()) } else { install_packages(&packages) }
}

/// The packages of programs that are missing.
fn missing(needs: &[Need]) -> Vec<&str> {
    let missing: Vec<&Need> = needs.iter().filter(|need| command::find(need.program).is_none()).collect();
    for need in &missing {
        say(&format!("`{}` is missing: {}", need.program, need.purpose));
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    packages
}

/// Installs the packages of programs that are missing.
pub fn install() -> Outcome {
    let mut packages = missing(&NEEDS);
    let (headers, package) = HEADERS;
    if !Path::new(headers).exists() {
        say(&format!("`{headers}` is missing: building librdkafka with TLS"));
        packages.push(package);
    }
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    check_java()
}

fn install_packages(packages: &[&str]) -> Outcome {
    let by_hand = format!("install these packages by hand and run this again: {}", packages.join(" "));
    if command::find("apt-get").is_none() {
        return Err(Failure::new("programs are missing and this machine has no `apt-get`").advise(by_hand));
    }
    say(&format!("installing {}", packages.join(", ")));
    let without_services = keep_services_down()?;
    let updated = command::run(administrator()?.args(["apt-get", "update", "-qq"]));
    let installed = updated.and_then(|()| {
        command::run(
            administrator()?
                .args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"])
                .arg("--no-install-recommends")
                .args(packages),
        )
    });
    if without_services {
        command::run(administrator()?.args(["rm", "-f", POLICY]))?;
    }
    installed.map_err(|failure| failure.advise(by_hand))
}

/// A freshly installed database server would start itself and hold its port. Says whether the policy is ours.
fn keep_services_down() -> Outcome<bool> {
    if Path::new(POLICY).exists() {
        return Ok(false);
    }
    let draft = std::env::temp_dir().join(format!("sluice-policy-{}", std::process::id()));
    let drafted = fs::write(&draft, POLICY_TEXT);
    drafted.map_err(|error| Failure::new(format!("could not write `{}`: {error}", draft.display())))?;
    command::run(administrator()?.args(["install", "-m", "755"]).arg(&draft).arg(POLICY))?;
    fs::remove_file(&draft)
        .map_err(|error| Failure::new(format!("could not remove `{}`: {error}", draft.display())))?;
    Ok(true)
}

/// The start of a command that needs an administrator's rights: `env` for root, else `sudo`.
fn administrator() -> Outcome<Command> {
    let identity = command::output(Command::new("id").arg("-u"))?;
    if identity.stdout.trim_ascii() == b"0" {
        return Ok(Command::new("env"));
    }
    if command::find("sudo").is_none() {
        let failure = Failure::new("packages are missing, and this user is not root and has no `sudo`");
        return Err(failure.advise("run `cargo xtask setup` once as root"));
    }
    Ok(Command::new("sudo"))
}

fn check_java() -> Outcome {
    let output = command::output(Command::new("java").arg("-version"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match java_version(&text) {
        Some(version) if version >= JAVA => Ok(()),
        _ => Err(Failure::new(format!("`java` is not version {JAVA} or newer: {}", text.lines().next().unwrap_or("")))
            .advise(format!("put a Java {JAVA} or newer first in PATH"))),
    }
}

/// The major version in what `java -version` prints, such as 17 in `openjdk version "17.0.15" 2025-04-15`.
fn java_version(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::java_version;

    #[test]
    fn the_major_version_of_java_is_read() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(java_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(java_version("java version \"1.8.0_402\""), Some(1));
        assert_eq!(java_version("command not found"), None);
    }
}
