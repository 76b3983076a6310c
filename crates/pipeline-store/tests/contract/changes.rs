//! What a run writes: everything once, then only what changed.

use pipeline_store::{
    ActivationMode::{PerService, WholeRun},
    OPEN,
};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World, new_bundle},
};

on_both! {
    async fn a_first_run_shows_the_source_row_for_row(target: &Target) {
        let world = World::new(3, 7, 4, 5);
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!((progress.providers.planned, progress.providers.stored), (21, 21));
        assert_eq!((progress.bundles_written, progress.fields_written), (84, 420));
        assert_eq!((progress.bundles, progress.subscription_fields), (84, 420));
        assert_eq!(progress.batches.planned, 9);
        let counts = target.store.counts().await.unwrap();
        assert_eq!((counts.services, counts.providers), (3, 21));
        assert_eq!((counts.bundles, counts.subscription_fields), (84, 420));
    }

    async fn an_unchanged_source_writes_no_row(target: &Target) {
        let world = World::new(2, 5, 3, 2);
        sync(&target.store, &world, WholeRun).await;
        let before = versions(target).await;
        let progress = sync(&target.store, &world, WholeRun).await;
        assert_eq!(versions(target).await, before);
        assert_eq!(progress.providers.unchanged, 10);
        assert_eq!((progress.bundles_written, progress.fields_written), (0, 0));
        assert_eq!((progress.bundles, progress.subscription_fields), (30, 60));
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!(target.count("provider_services WHERE generation = 2").await, 2);
    }

    async fn changes_of_each_level_appear_and_nothing_else_is_written(target: &Target) {
        let mut world = World::new(3, 4, 3, 2);
        sync(&target.store, &world, PerService).await;

        world.services.get_mut("s0").unwrap().name = Some("Renamed".to_owned());
        world.provider("s0", "p1").attributes = r#"{"new":1}"#.to_owned();
        world.provider("s1", "p0").bundles[1].name = None;
        world.provider("s1", "p1").bundles[0].fields[1].value = Some("1.500".into());
        world.provider("s1", "p2").bundles.push(new_bundle("zz", 1));
        world.provider("s1", "p3").bundles.remove(0);
        world.provider("s2", "p0").bundles[0].fields.clear();
        let extra = world.provider("s2", "p1").clone();
        world.services.get_mut("s2").unwrap().providers.insert("added".to_owned(), extra);
        world.services.get_mut("s2").unwrap().providers.remove("p3");
        world.services.insert("s9".to_owned(), World::new(1, 1, 1, 1).services["s0"].clone());

        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
        assert_eq!((progress.providers.stored, progress.providers.unchanged), (7, 6));
        assert_eq!(target.count("sluice_provider_service_version WHERE valid_from = 2").await, 2);
        assert_eq!(target.count("sluice_provider_version WHERE valid_from = 2").await, 3);
        assert_eq!(target.count("sluice_provider_content WHERE valid_from = 2").await, 7);
    }

    async fn what_vanishes_at_each_level_vanishes_from_the_views(target: &Target) {
        let mut world = World::new(3, 3, 3, 2);
        sync(&target.store, &world, WholeRun).await;
        world.services.remove("s0");
        world.services.get_mut("s1").unwrap().providers.remove("p0");
        world.provider("s1", "p1").bundles.remove(0);
        world.provider("s1", "p2").bundles[0].fields.remove(0);
        let progress = sync(&target.store, &world, WholeRun).await;
        assert_eq!(progress.services.removed, 1);
        assert_eq!(progress.services.activated, 3);
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_service_that_comes_back_does_not_bring_its_old_providers(target: &Target) {
        let mut world = World::new(2, 3, 2, 1);
        sync(&target.store, &world, PerService).await;
        let mut old = world.services.remove("s0").unwrap();
        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
        for table in ["sluice_provider_service_version", "sluice_provider_version", "sluice_provider_content"] {
            let open = format!("{table} WHERE service_id = 's0' AND valid_to = {OPEN}");
            assert_eq!(target.count(&open).await, 0, "{table}");
        }

        old.providers.remove("p2");
        world.services.insert("s0".to_owned(), old);
        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_provider_that_comes_back_is_seen_again(target: &Target) {
        let full = World::new(1, 3, 2, 1);
        let mut less = full.clone();
        less.services.get_mut("s0").unwrap().providers.remove("p1");
        for world in [&full, &less, &full, &less, &full] {
            sync(&target.store, world, PerService).await;
            assert_eq!(Views::read(target).await, world.views());
        }
    }

    async fn empty_parents_are_kept(target: &Target) {
        let mut world = World::new(2, 2, 2, 0);
        world.services.get_mut("s0").unwrap().providers.clear();
        world.provider("s1", "p0").bundles.clear();
        let progress = sync(&target.store, &world, WholeRun).await;
        assert_eq!(progress.providers.planned, 2);
        assert_eq!(Views::read(target).await, world.views());
        sync(&target.store, &world, PerService).await;
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_run_over_a_part_closes_nothing_outside_it(target: &Target) {
        let mut world = World::new(4, 2, 2, 1);
        sync(&target.store, &world, PerService).await;
        let full = world.clone();
        // Gone from the source: one service inside the part, one outside; and a new one outside.
        world.services.remove("s0");
        world.services.remove("s3");
        world.provider("s1", "p0").bundles.clear();
        world.provider("s2", "p0").bundles.clear();
        world.services.insert("s8".to_owned(), full.services["s0"].clone());

        let mut part = request(WholeRun);
        part.scope = vec!["s0".into(), "s1".into()];
        let sync = Sync::open(&target.store, &world, part).await;
        sync.work().await;
        assert_eq!(sync.progress().await.services.discovered, 2);

        let mut expected = full;
        expected.services.remove("s0");
        expected.provider("s1", "p0").bundles.clear();
        assert_eq!(Views::read(target).await, expected.views());
    }

    async fn a_provider_with_very_many_bundles_is_stored_whole(target: &Target) {
        let mut world = World::new(1, 2, 1, 1);
        world.provider("s0", "p0").bundles = (0..3_300).map(|n| new_bundle(&format!("{n:05}"), 1)).collect();
        let progress = sync(&target.store, &world, PerService).await;
        assert_eq!(progress.bundles_written, 3_301);
        assert_eq!(Views::read(target).await, world.views());
    }
}

/// Every row of the versioned tables.
async fn versions(target: &Target) -> Vec<Vec<crate::target::TextRow>> {
    let mut all = Vec::new();
    for (table, key) in [
        ("sluice_provider_service_version", "service_id"),
        ("sluice_provider_version", "provider_id"),
        ("sluice_provider_content", "provider_id"),
        ("sluice_content_bundle", "content_id"),
        ("sluice_content_field", "content_id"),
    ] {
        let valid = if key == "content_id" { "" } else { ", CAST(valid_from AS CHAR), CAST(valid_to AS CHAR)" };
        all.push(target.rows(&format!("SELECT CAST({key} AS CHAR){valid} FROM {table}")).await);
    }
    all
}
