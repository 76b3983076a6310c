//! Jaeger, built from its Go module: no package has it.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    command,
    failure::{Failure, Outcome},
    location, say,
};

/// Builds Jaeger unless it is there.
pub fn install() -> Outcome {
    let program = location::jaeger();
    if program.exists() {
        return Ok(());
    }
    if command::find("go").is_none() {
        return Err(
            Failure::new("`go` is missing, which builds Jaeger").advise("install Go 1.24 or later: https://go.dev/dl")
        );
    }
    say("building Jaeger (85 MB, some minutes)");
    let module = format!("github.com/jaegertracing/jaeger@v{}", location::JAEGER);
    command::run(Command::new("go").args(["mod", "download", &module]))?;
    let folder = command::output(Command::new("go").args(["list", "-m", "-f", "{{.Dir}}", &module]))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&folder.stdout).trim());
    let draft = program.with_extension(format!("draft-{}", std::process::id()));
    let mut build = Command::new("go");
    build.env("CGO_ENABLED", "0").arg("build").arg("-C").arg(folder);
    build.args(["-trimpath", "-ldflags", "-s -w", "-o"]).arg(&draft).arg("./cmd/jaeger");
    command::run(&mut build)?;
    fs::rename(&draft, &program)
        .map_err(|error| Failure::new(format!("could not move `{}` into place: {error}", draft.display())))
}
