//! The workspace as cargo sees it, reduced to what the layer rules need.

use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::{
    command,
    failure::{Failure, Outcome},
};

/// A crate of this workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// The crate's name.
    pub name: String,
    /// It lies under `tests/`: nobody depends on it, and it may use everything.
    pub is_test: bool,
    /// What its manifest names, of this workspace or not.
    pub dependencies: Vec<Dependency>,
}

/// A dependency as a manifest names it.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The dependency's package name.
    pub name: String,
    /// It is a development dependency.
    pub development: bool,
}

/// The members of this workspace.
pub fn members() -> Outcome<Vec<Member>> {
    let metadata = read()?;
    let tests = command::root().join("tests");
    let member = |package: cargo_metadata::Package| Member {
        name: package.name.to_string(),
        is_test: package.manifest_path.as_std_path().starts_with(&tests),
        dependencies: package
            .dependencies
            .into_iter()
            .map(|dependency| Dependency {
                name: dependency.name,
                development: dependency.kind == DependencyKind::Development,
            })
            .collect(),
    };
    Ok(metadata.packages.into_iter().map(member).collect())
}

/// Where cargo puts what it builds.
pub fn target_folder() -> Outcome<PathBuf> {
    Ok(read()?.target_directory.into_std_path_buf())
}

fn read() -> Outcome<Metadata> {
    MetadataCommand::new()
        .manifest_path(command::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| Failure::new(format!("could not read the workspace: {error}")))
}
