//! The steps from an empty database to the schema that this program was built for.

/// A step from one version of the schema to the next.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) mysql: &'static str,
    pub(super) sqlite: &'static str,
}

/// The step of a file in `migrations/mysql` and one of the same name in `migrations/sqlite`.
macro_rules! step {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            mysql: include_str!(concat!("../../migrations/mysql/", $name, ".sql")),
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
        }
    };
}

pub(super) const MIGRATIONS: &[Migration] = &[
    step!(1, "0001_ledger_and_rows"),
    step!(2, "0002_dead_letters_and_audit"),
    step!(3, "0003_source_versions"),
    step!(4, "0004_entity_tags"),
    step!(5, "0005_removals"),
    step!(6, "0006_set_back"),
    step!(7, "0007_announced_again"),
    step!(8, "0008_target_identity"),
    step!(9, "0009_one_prefix"),
    step!(10, "0010_kept_generations"),
    step!(11, "0011_ends_told"),
    step!(12, "0012_estimates"),
];

/// The version that this program was built for.
pub(super) const NEEDED: i64 = 12;

/// The statements of all migrations of MySQL and MariaDB, one text for each.
pub(crate) fn mysql_definitions() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.mysql)
}
