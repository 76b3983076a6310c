//! One query for each promise that rows alone can break.

use pipeline_model::ids::Generation;

use super::Statement;

/// The versioned tables, and what names a row of theirs.
const VERSIONED: [(&str, &str); 3] = [
    ("sluice_provider_service_version", "NULL"),
    ("sluice_provider_version", "t.provider_id"),
    (CONTENT, "t.provider_id"),
];
const CONTENT: &str = "sluice_provider_content";

/// Whether the run switched the service: then its versions stay, whatever became of the run.
const SWITCHED: &str = "EXISTS (SELECT 1 FROM sluice_run_service s WHERE s.run_id = r.run_id \
     AND s.service_id = t.service_id AND s.state = 'activated')";

pub(super) fn all() -> Vec<Statement> {
    let mut statements = Vec::new();
    for (table, other) in VERSIONED {
        statements.extend(versions(table, other));
    }
    statements.extend(contents());
    statements.extend(pointers());
    statements.extend(ledger());
    statements
}

fn versions(table: &'static str, other: &'static str) -> Vec<Statement> {
    let same_provider =
        if table == "sluice_provider_service_version" { "" } else { "AND u.provider_id = t.provider_id " };
    vec![
        Statement {
            invariant: "I2",
            subject: table,
            sql: format!(
                "SELECT t.service_id AS service, {other} AS other, t.valid_from AS found, u.valid_from AS expected \
                 FROM {table} t JOIN {table} u ON u.service_id = t.service_id {same_provider}\
                 AND u.valid_from > t.valid_from AND u.valid_from < t.valid_to"
            ),
            detail: |one, two| format!("its versions of generations {} and {} overlap", number(one), number(two)),
        },
        Statement {
            invariant: "I2",
            subject: table,
            sql: format!(
                "SELECT t.service_id AS service, {other} AS other, t.valid_from AS found, t.valid_to AS expected \
                 FROM {table} t WHERE t.valid_from >= t.valid_to"
            ),
            detail: |from, to| {
                format!("it is valid from generation {} to {}, which is never", number(from), number(to))
            },
        },
        Statement {
            invariant: "I5",
            subject: table,
            sql: format!(
                "SELECT t.service_id AS service, {other} AS other, t.valid_from AS found, NULL AS expected \
                 FROM {table} t LEFT JOIN sluice_run r ON r.generation = t.valid_from \
                 WHERE r.run_id IS NULL OR (r.state IN ('aborted', 'failed') AND NOT {SWITCHED})"
            ),
            detail: |from, _| {
                format!("a version begins at generation {}, which has no run or was taken back", number(from))
            },
        },
        Statement {
            invariant: "I5",
            subject: table,
            sql: format!(
                "SELECT t.service_id AS service, {other} AS other, t.valid_to AS found, NULL AS expected \
                 FROM {table} t LEFT JOIN sluice_run r ON r.generation = t.valid_to \
                 WHERE t.valid_to <> {open} \
                 AND (r.run_id IS NULL OR (r.state IN ('aborted', 'failed') AND NOT {SWITCHED}))",
                open = crate::OPEN
            ),
            detail: |to, _| format!("a version ends at generation {}, which has no run or was taken back", number(to)),
        },
    ]
}

fn contents() -> Vec<Statement> {
    let counted = |rows: &str, column: &str| {
        format!(
            "SELECT d.service, d.other, d.found, d.expected FROM \
             (SELECT c.service_id AS service, c.provider_id AS other, c.{column} AS expected, \
              (SELECT COUNT(*) FROM {rows} b WHERE b.content_id = c.content_id) AS found \
              FROM sluice_provider_content c) d WHERE d.found <> d.expected"
        )
    };
    vec![
        Statement {
            invariant: "I2",
            subject: "bundles of provider",
            sql: counted("sluice_content_bundle", "bundle_count"),
            detail: |found, expected| format!("{} rows, the ledger counted {}", number(found), number(expected)),
        },
        Statement {
            invariant: "I2",
            subject: "subscription fields of provider",
            sql: counted("sluice_content_field", "field_count"),
            detail: |found, expected| format!("{} rows, the ledger counted {}", number(found), number(expected)),
        },
        Statement {
            invariant: "I2",
            subject: "subscription field",
            sql: "SELECT NULL AS service, f.field_id AS other, f.content_id AS found, f.bundle_ordinal AS expected \
                  FROM sluice_content_field f LEFT JOIN sluice_content_bundle b \
                  ON b.content_id = f.content_id AND b.ordinal = f.bundle_ordinal WHERE b.content_id IS NULL"
                .to_owned(),
            detail: |content, bundle| format!("content {} has no bundle {}", number(content), number(bundle)),
        },
        Statement {
            invariant: "I6",
            subject: "content of provider",
            sql: format!(
                "SELECT c.service_id AS service, c.provider_id AS other, c.content_id AS found, \
                 c.valid_from AS expected FROM sluice_provider_content c \
                 WHERE c.content_id < c.valid_from * {each} OR c.content_id >= (c.valid_from + 1) * {each}",
                each = crate::content::content_id(Generation(1), 0)
            ),
            detail: |content, from| {
                format!(
                    "content {} was not written by generation {}, which it begins with",
                    number(content),
                    number(from)
                )
            },
        },
        Statement {
            invariant: "I2",
            subject: "content of provider",
            sql: "SELECT c.service_id AS service, c.provider_id AS other, c.content_id AS found, NULL AS expected \
                  FROM sluice_provider_content c WHERE c.content_id IN \
                  (SELECT d.content_id FROM sluice_provider_content d GROUP BY d.content_id HAVING COUNT(*) > 1)"
                .to_owned(),
            detail: |content, _| format!("its content {} belongs to another version too", number(content)),
        },
    ]
}

fn pointers() -> Vec<Statement> {
    let astray = |column: &str| {
        format!(
            "SELECT t.service_id AS service, NULL AS other, t.{column} AS found, NULL AS expected \
             FROM sluice_active_generation t WHERE t.{column} <> 0 AND NOT EXISTS (SELECT 1 FROM sluice_run r \
             WHERE r.generation = t.{column} AND {SWITCHED})"
        )
    };
    vec![
        Statement {
            invariant: "I3",
            subject: "pointer of service",
            sql: astray("generation"),
            detail: |found, _| format!("it points to generation {}, which never switched the service", number(found)),
        },
        Statement {
            invariant: "I3",
            subject: "pointer of service",
            sql: astray("previous"),
            detail: |found, _| format!("it came from generation {}, which never switched the service", number(found)),
        },
        // A rollback exchanges the two, a switch moves one into the other.
        Statement {
            invariant: "I6",
            subject: "pointer of service",
            sql: "SELECT a.service_id AS service, NULL AS other, a.generation AS found, MAX(r.generation) AS expected \
                  FROM sluice_active_generation a JOIN sluice_run_service s ON s.service_id = a.service_id \
                  AND s.state = 'activated' JOIN sluice_run r ON r.run_id = s.run_id \
                  GROUP BY a.service_id, a.generation, a.previous \
                  HAVING MAX(r.generation) <> a.generation AND MAX(r.generation) <> COALESCE(a.previous, 0)"
                .to_owned(),
            detail: |found, newest| {
                format!(
                    "it points to generation {} and did not come from {}, the newest of the service",
                    number(found),
                    number(newest)
                )
            },
        },
        Statement {
            invariant: "I5",
            subject: "pointer of service",
            sql: "SELECT a.service_id AS service, NULL AS other, a.epoch AS found, MAX(s.epoch) AS expected \
                  FROM sluice_active_generation a LEFT JOIN sluice_run_service s \
                  ON s.service_id = a.service_id AND s.state = 'activated' \
                  GROUP BY a.service_id, a.epoch HAVING a.epoch < 1 OR a.epoch < COALESCE(MAX(s.epoch), 0)"
                .to_owned(),
            detail: |found, expected| match expected {
                Some(expected) => format!("its epoch is {}, and it has been {expected} already", number(found)),
                None => format!("its epoch is {}, the first is 1", number(found)),
            },
        },
        Statement {
            invariant: "I5",
            subject: "epochs of service",
            sql: "SELECT s.service_id AS service, NULL AS other, r.generation AS found, v.generation AS expected \
                  FROM sluice_run_service s JOIN sluice_run r ON r.run_id = s.run_id \
                  JOIN sluice_run_service u ON u.service_id = s.service_id JOIN sluice_run v ON v.run_id = u.run_id \
                  WHERE s.state = 'activated' AND u.state = 'activated' AND v.generation > r.generation \
                  AND u.epoch <= s.epoch"
                .to_owned(),
            detail: |older, newer| format!("that of generation {} is not before {}'s", number(older), number(newer)),
        },
        Statement {
            invariant: "I4",
            subject: "service",
            sql: "SELECT s.service_id AS service, s.run_id AS other, s.epoch AS found, NULL AS expected \
                  FROM sluice_run_service s LEFT JOIN sluice_active_generation a ON a.service_id = s.service_id \
                  WHERE s.state = 'activated' AND (a.service_id IS NULL OR s.epoch IS NULL)"
                .to_owned(),
            detail: |_, _| "it is activated and has no pointer or no epoch".to_owned(),
        },
    ]
}

fn ledger() -> Vec<Statement> {
    vec![
        Statement {
            invariant: "I8",
            subject: "runs",
            sql: "SELECT NULL AS service, NULL AS other, d.found, 1 AS expected FROM \
                  (SELECT COUNT(*) AS found FROM sluice_run WHERE state = 'running') d WHERE d.found > 1"
                .to_owned(),
            detail: |found, _| format!("{} are open at the same time", number(found)),
        },
        Statement {
            invariant: "I8",
            subject: "run",
            sql:
                "SELECT NULL AS service, r.run_id AS other, r.generation AS found, NULL AS expected FROM sluice_run r \
                  WHERE (r.state = 'running' AND (r.open_slot IS NULL OR r.finished_at_ms IS NOT NULL)) \
                  OR (r.state <> 'running' AND (r.open_slot IS NOT NULL OR r.finished_at_ms IS NULL)) \
                  OR (r.state = 'refused' AND r.generation IS NOT NULL) \
                  OR (r.state <> 'refused' AND r.generation IS NULL) \
                  OR (r.state = 'activated' AND r.discovered = 0)"
                    .to_owned(),
            detail: |_, _| "its state does not agree with its slot, its generation or its times".to_owned(),
        },
        Statement {
            invariant: "I1",
            subject: "batch of service",
            sql: "SELECT b.service_id AS service, b.run_id AS other, \
                  b.stored + b.unchanged + b.rejected + b.skipped AS found, b.providers AS expected \
                  FROM sluice_run_batch b WHERE b.state = 'stored' \
                  AND b.stored + b.unchanged + b.rejected + b.skipped <> b.providers"
                .to_owned(),
            detail: |found, planned| {
                format!("{} providers are accounted for, {} were planned", number(found), number(planned))
            },
        },
        Statement {
            invariant: "I1",
            subject: "plan of service",
            sql: "SELECT d.service, d.other, d.found, d.expected FROM \
                  (SELECT s.service_id AS service, s.run_id AS other, s.expected_batches AS expected, \
                   (SELECT COUNT(*) FROM sluice_run_batch b WHERE b.run_id = s.run_id AND b.service_id = s.service_id) \
                   AS found FROM sluice_run_service s WHERE s.state IN ('planned', 'activated')) d \
                  WHERE d.found <> d.expected OR d.expected IS NULL"
                .to_owned(),
            detail: |found, planned| format!("{} batches in the ledger, {} planned", number(found), number(planned)),
        },
    ]
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
