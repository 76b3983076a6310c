//! The checker finds what is planted, and nothing in a sound target.

use pipeline_model::documents::Level;
use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    Violation,
};

use crate::{
    damage::damage,
    driver::{Sync, request, sync},
    target::Target,
    world::{World, fault},
};

on_both! {
    async fn a_sound_target_has_no_violation_at_any_step(target: &Target) {
        let check = || async { assert_eq!(target.store.check_invariants().await.unwrap(), []) };
        check().await;
        let mut world = World::new(3, 4, 2, 2);
        sync(&target.store, &world, PerService).await;
        check().await;

        world.services.remove("s2");
        world.provider("s0", "p1").bundles.remove(0);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken.insert("s1/p0".to_owned());
        run.plan_faults.push(fault(Level::Provider, Some("s1"), Some("p3")));
        run.discover().await;
        check().await;
        for service in run.services().await {
            run.plan(&service).await;
            check().await;
            run.store_service(&service).await;
            check().await;
        }
        run.activate(&"s0".into()).await;
        check().await;
        target.store.abort_run(run.run.run_id, "half").await.unwrap().unwrap();
        check().await;
        sync(&target.store, &World::new(4, 3, 1, 3), WholeRun).await;
        check().await;
    }

    async fn every_planted_violation_is_named(target: &Target) {
        let world = World::new(2, 3, 2, 2);
        let activated = sync(&target.store, &world, WholeRun).await.run.run_id;
        let aborted = Sync::open(&target.store, &world, request(WholeRun)).await;
        target.store.abort_run(aborted.run.run_id, "to have one").await.unwrap().unwrap();
        let id = aborted.run.run_id;
        let one = "WHERE service_id = 's0' AND provider_id = 'p1'";
        let content = "SELECT content_id FROM sluice_provider_content";

        // Each: break, what must be named, mend.
        let cases: [(&str, &str, &str, String); 13] = [
            (
                "I6", "pointer of service `s1`",
                "UPDATE sluice_active_generation SET generation = 0 WHERE service_id = 's1'",
                "UPDATE sluice_active_generation SET generation = 1 WHERE service_id = 's1'".to_owned(),
            ),
            (
                "I6", "content of provider `s0`/`p1`",
                &format!("UPDATE sluice_provider_content SET content_id = content_id - 4294967296 {one}"),
                format!("UPDATE sluice_provider_content SET content_id = content_id + 4294967296 {one}"),
            ),
            (
                "I2", "sluice_provider_version `s0`/`p1`",
                &format!("UPDATE sluice_provider_version SET valid_to = 1 {one}"),
                format!("UPDATE sluice_provider_version SET valid_to = {} {one}", pipeline_store::OPEN),
            ),
            (
                "I5", "sluice_provider_version `s0`/`p1`",
                &format!("UPDATE sluice_provider_version SET valid_from = 2 {one}"),
                format!("UPDATE sluice_provider_version SET valid_from = 1 {one}"),
            ),
            (
                "I5", "sluice_provider_content `s0`/`p1`",
                &format!("UPDATE sluice_provider_content SET valid_to = 2 {one}"),
                format!("UPDATE sluice_provider_content SET valid_to = {} {one}", pipeline_store::OPEN),
            ),
            (
                "I2", "bundles of provider `s0`/`p1`",
                &format!("UPDATE sluice_provider_content SET bundle_count = 3 {one}"),
                format!("UPDATE sluice_provider_content SET bundle_count = 2 {one}"),
            ),
            (
                "I2", "subscription fields of provider `s0`/`p1`",
                &format!("UPDATE sluice_provider_content SET field_count = 5 {one}"),
                format!("UPDATE sluice_provider_content SET field_count = 4 {one}"),
            ),
            (
                "I3", "pointer of service `s1`",
                "UPDATE sluice_active_generation SET generation = 2 WHERE service_id = 's1'",
                "UPDATE sluice_active_generation SET generation = 1 WHERE service_id = 's1'".to_owned(),
            ),
            (
                "I5", "pointer of service `s1`",
                "UPDATE sluice_active_generation SET epoch = 0 WHERE service_id = 's1'",
                "UPDATE sluice_active_generation SET epoch = 1 WHERE service_id = 's1'".to_owned(),
            ),
            (
                "I8", &format!("run `{id}`"),
                &format!("UPDATE sluice_run SET open_slot = 1 WHERE run_id = '{id}'"),
                format!("UPDATE sluice_run SET open_slot = NULL WHERE run_id = '{id}'"),
            ),
            // What a switch would leave behind that did not ask again: a batch, or a plan, that a retry had set back.
            (
                "I1", &format!("run {activated}, service `s0`"),
                "UPDATE sluice_run_batch SET state = 'planned' WHERE service_id = 's0'",
                "UPDATE sluice_run_batch SET state = 'stored' WHERE service_id = 's0'".to_owned(),
            ),
            (
                "I4", &format!("run {activated}, service `s0`"),
                "UPDATE sluice_run_service SET state = 'discovered' WHERE service_id = 's0'",
                "UPDATE sluice_run_service SET state = 'activated' WHERE service_id = 's0'".to_owned(),
            ),
            (
                "I1", "batch of service `s0`/`",
                "UPDATE sluice_run_batch SET stored = 1 WHERE service_id = 's0'",
                "UPDATE sluice_run_batch SET stored = 3 WHERE service_id = 's0'".to_owned(),
            ),
        ];
        for (invariant, subject, plant, mend) in cases {
            damage(target, plant).await;
            let found = target.store.check_invariants().await.unwrap();
            let names = |each: &Violation| each.invariant == invariant && each.subject.starts_with(subject);
            assert!(found.iter().any(names), "{invariant} {subject}: {found:?}");
            damage(target, &mend).await;
            assert_eq!(target.store.check_invariants().await.unwrap(), [], "after {mend}");
        }

        damage(target, "INSERT INTO sluice_content_bundle (content_id, ordinal, bundle_id, attributes) VALUES \
                        (77, 0, 'b', '{}')").await;
        let found = target.store.check_invariants().await.unwrap();
        assert_eq!((found.len(), found[0].subject.as_str()), (1, "sluice_content_bundle, content 77"));
        damage(target, "DELETE FROM sluice_content_bundle WHERE content_id = 77").await;

        damage(target, &format!("DELETE FROM sluice_content_bundle WHERE ordinal = 1 AND content_id IN \
                                 ({content})")).await;
        let found = target.store.check_invariants().await.unwrap();
        assert!(found.iter().filter(|each| each.subject.starts_with("bundles of provider")).count() == 6, "{found:?}");
        assert!(found.iter().filter(|each| each.subject.starts_with("subscription field `")).count() == 12, "{found:?}");
    }

    async fn a_switch_that_is_due_for_minutes_is_named(target: &Target) {
        for mode in [PerService, WholeRun] {
            let world = World::new(2, 2, 1, 1);
            let run = Sync::open(&target.store, &world, request(mode)).await;
            run.discover().await;
            for service in run.services().await {
                run.plan(&service).await;
                run.store_service(&service).await;
            }
            assert_eq!(target.store.check_invariants().await.unwrap(), [], "it was complete just now");
            // The same, an hour ago.
            for (table, column) in [("sluice_run", "started_at_ms"), ("sluice_run_service", "planned_at_ms")] {
                damage(target, &format!("UPDATE {table} SET {column} = {column} - 3600000 WHERE {column} > 0")).await;
            }
            damage(target, "UPDATE sluice_run_batch SET stored_at_ms = stored_at_ms - 3600000").await;
            let found = target.store.check_invariants().await.unwrap();
            assert_eq!(found.iter().map(|each| each.invariant).collect::<Vec<_>>(), ["I7", "I7"], "{found:?}");
            target.store.abort_run(run.run.run_id, "seen").await.unwrap().unwrap();
            assert_eq!(target.store.check_invariants().await.unwrap(), []);
        }
    }
}
