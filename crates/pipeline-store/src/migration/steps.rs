//! The steps from an empty database to the schema that this program was built for.

/// A step from one version of the schema to the next.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) mysql: &'static str,
    pub(super) sqlite: &'static str,
}

pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        mysql: include_str!("../../migrations/mysql/0001_ledger_and_rows.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_ledger_and_rows.sql"),
    },
    Migration {
        version: 2,
        mysql: include_str!("../../migrations/mysql/0002_dead_letters_and_audit.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_dead_letters_and_audit.sql"),
    },
    Migration {
        version: 3,
        mysql: include_str!("../../migrations/mysql/0003_source_versions.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_source_versions.sql"),
    },
    Migration {
        version: 4,
        mysql: include_str!("../../migrations/mysql/0004_entity_tags.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_entity_tags.sql"),
    },
    Migration {
        version: 5,
        mysql: include_str!("../../migrations/mysql/0005_removals.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_removals.sql"),
    },
    Migration {
        version: 6,
        mysql: include_str!("../../migrations/mysql/0006_set_back.sql"),
        sqlite: include_str!("../../migrations/sqlite/0006_set_back.sql"),
    },
    Migration {
        version: 7,
        mysql: include_str!("../../migrations/mysql/0007_announced_again.sql"),
        sqlite: include_str!("../../migrations/sqlite/0007_announced_again.sql"),
    },
    Migration {
        version: 8,
        mysql: include_str!("../../migrations/mysql/0008_target_identity.sql"),
        sqlite: include_str!("../../migrations/sqlite/0008_target_identity.sql"),
    },
];

/// The version that this program was built for.
pub(super) const NEEDED: i64 = 8;

/// The statements of all migrations of MySQL and MariaDB, one text for each.
pub(crate) fn mysql_definitions() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().map(|migration| migration.mysql)
}
