//! What must hold after every fault, asked of views, tables, ledger and topics.

use e2e::rows::Rows;
use pipeline_model::contracts::DEAD_LETTERS;
use testkit::wait;

use crate::world::World;

/// Fails unless the finished run is whole: nothing lost, nothing twice, every proof closed, no dead letter.
///
/// `run_id` must be activated, and the world's source unchanged since its first run.
#[track_caller]
pub fn assert_whole(world: &World, run_id: &str) {
    assert_whole_with_dead_letters(world, run_id, 0);
}

/// As [`assert_whole`], with so many dead letters.
#[track_caller]
pub fn assert_whole_with_dead_letters(world: &World, run_id: &str, dead_letters: i64) {
    assert_nothing_twice(world);
    assert_sound(world, run_id, dead_letters);
}

/// As [`assert_whole`], where the source has changed since the first run, so that the tables hold what readers saw
/// before, too.
#[track_caller]
pub fn assert_whole_after_changes(world: &World, run_id: &str) {
    assert_nothing_left_over(world);
    assert_sound(world, run_id, 0);
}

#[track_caller]
fn assert_sound(world: &World, run_id: &str, dead_letters: i64) {
    Rows::of_views(&world.database).assert_equals(&world.expected);
    assert_ledger_closes(world, run_id);
    // The same by digest, provider for provider, and what else the target promises.
    world.sluice(&["verify"]);
    world.sluice(&["verify", "--invariants"]);
    assert_eq!(world.messenger.count(DEAD_LETTERS), dead_letters, "dead letters");
}

/// Every service of the run is activated once, and what was planned is what was stored.
#[track_caller]
pub fn assert_ledger_closes(world: &World, run_id: &str) {
    let mut session = world.database.session();
    let mut none = |what: &str, sql: &str| assert_eq!(session.number(sql), 0, "{what}");
    none(
        "services that are not activated",
        &format!("SELECT COUNT(*) FROM sluice_run_service WHERE run_id = '{run_id}' AND state <> 'activated'"),
    );
    none(
        "batches that are not stored in full",
        &format!(
            "SELECT COUNT(*) FROM sluice_run_batch WHERE run_id = '{run_id}'
             AND (state <> 'stored' OR stored + unchanged + rejected + skipped <> providers)"
        ),
    );
    none(
        "services whose batches are not those of their plan",
        &format!(
            "SELECT COUNT(*) FROM sluice_run_service s WHERE s.run_id = '{run_id}' AND s.expected_batches <>
             (SELECT COUNT(*) FROM sluice_run_batch b WHERE b.run_id = s.run_id AND b.service_id = s.service_id)"
        ),
    );
    none(
        "runs that are still open",
        "SELECT COUNT(*) FROM sluice_run WHERE open_slot IS NOT NULL OR content_pending <> 0",
    );
    // Announcements follow the activation; a lost one is made up for by a tick.
    wait::until_blocking("every service is announced", wait::PATIENCE, || {
        (session.number("SELECT COUNT(*) FROM sluice_run_service WHERE unannounced = 1") == 0).then_some(())
    });
}

/// The views could hide what the tables hold twice, or hold for nobody.
#[track_caller]
pub fn assert_nothing_twice(world: &World) {
    let mut session = world.database.session();
    for (table, view) in [
        ("sluice_content_bundle", "bundles"),
        ("sluice_content_field", "subscription_fields"),
        ("sluice_provider_version", "providers"),
        ("sluice_provider_content", "providers"),
        ("sluice_provider_service_version", "provider_services"),
    ] {
        let (rows, seen) = (format!("SELECT COUNT(*) FROM {table}"), format!("SELECT COUNT(*) FROM {view}"));
        assert_eq!(session.number(&rows), session.number(&seen), "rows of `{table}` and of the view `{view}`");
    }
}

/// What holds now is what readers see, and every bundle and field belongs to a content that some generation sees.
#[track_caller]
fn assert_nothing_left_over(world: &World) {
    let mut session = world.database.session();
    for (table, view) in [
        ("sluice_provider_version", "providers"),
        ("sluice_provider_content", "providers"),
        ("sluice_provider_service_version", "provider_services"),
    ] {
        let open = format!("SELECT COUNT(*) FROM {table} WHERE valid_to = {}", i64::MAX);
        let seen = format!("SELECT COUNT(*) FROM {view}");
        assert_eq!(
            session.number(&open),
            session.number(&seen),
            "open rows of `{table}` and rows of the view `{view}`"
        );
    }
    for table in ["sluice_content_bundle", "sluice_content_field"] {
        let sql = format!(
            "SELECT COUNT(*) FROM {table} WHERE content_id NOT IN (SELECT content_id FROM sluice_provider_content)"
        );
        assert_eq!(session.number(&sql), 0, "rows of `{table}` that belong to nothing");
    }
}
