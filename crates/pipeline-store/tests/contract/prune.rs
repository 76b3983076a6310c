//! Forgetting old generations, and nothing else.

use pipeline_model::{documents::format_text, ids::Generation};
use pipeline_store::{ActivationMode::WholeRun, RolledBack};

use crate::{
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

const BY: (&str, &str) = ("ada@desk", "a test");

on_both! {
    async fn what_no_kept_generation_sees_is_deleted_and_the_rest_stays(target: &Target) {
        let worlds = five_generations(target).await;
        let planned = target.store.plan_prune(1).await.unwrap();
        let before = target.count("sluice_content_bundle").await;
        let pruned = target.store.prune(1, BY).await.unwrap();
        assert_eq!(pruned, planned, "the plan says what is done");
        assert_eq!(pruned.kept, [Generation(5)]);
        assert!(pruned.contents > 0 && pruned.providers > 0 && pruned.services > 0, "{pruned:?}");
        assert_eq!(target.count("sluice_content_bundle").await, before - pruned.bundles);
        assert_eq!(Views::read(target).await, worlds[4].views());
        assert_eq!(target.store.check_invariants().await.unwrap(), []);

        let plan = target.store.plan_rollback(&[]).await.unwrap();
        assert_eq!(target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::Done);
        assert_eq!(Views::read(target).await, worlds[3].views());
        let again = target.store.prune(1, BY).await.unwrap();
        assert_eq!((again.contents, again.providers, again.services), (0, 0, 0));

        sync(&target.store, &worlds[0], WholeRun).await;
        assert_eq!(Views::read(target).await, worlds[0].views());
    }

    async fn every_generation_that_is_kept_reads_as_before(target: &Target) {
        let worlds = five_generations(target).await;
        target.store.prune(3, BY).await.unwrap();
        for (generation, world) in [(3, &worlds[2]), (4, &worlds[3]), (5, &worlds[4])] {
            for service in target.store.copied_services(Some(Generation(generation))).await.unwrap() {
                let documents = world.provider_documents(service.service_id.as_str());
                let ids: Vec<_> = documents.into_iter().map(|provider| provider.id).collect();
                let at = service.generation;
                let found = target.store.copied_providers(&service.service_id, at, &ids).await.unwrap();
                for id in ids {
                    let node = &world.services[service.service_id.as_str()].providers[id.as_str()];
                    assert_eq!(found[&id].bundles, node.bundles, "{id} at {generation}");
                }
            }
        }
    }

    async fn a_generation_is_listed_as_whole_until_something_of_it_is_pruned(target: &Target) {
        let worlds = five_generations(target).await;
        let listed = async || -> Vec<(i64, bool, bool)> {
            let kept = target.store.generations().await.unwrap();
            kept.into_iter().map(|each| (each.generation.0, each.whole, each.services_seen > 0)).collect()
        };
        let seen = |generation: i64| (generation, true, generation == 5);
        assert_eq!(listed().await, [5, 4, 3, 2, 1].map(seen));
        target.store.prune(2, BY).await.unwrap();
        let kept = listed().await;
        assert_eq!(kept.iter().filter(|(_, whole, _)| *whole).copied().collect::<Vec<_>>(), [5, 4].map(seen));
        assert!(kept.iter().all(|(generation, whole, seen)| *whole || *generation < 4 && !*seen), "{kept:?}");

        // One that readers go back to stays in the list, though the rest of it is gone.
        let plan = target.store.plan_rollback(&[]).await.unwrap();
        assert_eq!(target.store.roll_back(&plan, "ada@desk", "a test").await.unwrap(), RolledBack::Done);
        sync(&target.store, &worlds[0], WholeRun).await;
        target.store.prune(1, BY).await.unwrap();
        let kept = listed().await;
        assert_eq!(kept[0], (6, true, true));
        assert!(kept[1..].iter().all(|(_, whole, _)| !*whole), "{kept:?}");
        assert!(kept.iter().any(|(generation, _, _)| *generation == 4), "a rollback would show it: {kept:?}");
    }

    async fn nothing_is_deleted_while_a_run_is_open(target: &Target) {
        let worlds = five_generations(target).await;
        let run = Sync::open(&target.store, &worlds[0], request(WholeRun)).await;
        let rows = target.count("sluice_provider_version").await;
        let pruned = target.store.prune(1, BY).await.unwrap();
        assert_eq!((pruned.stopped_by, pruned.contents), (Some(run.run.run_id), 0));
        assert_eq!(target.count("sluice_provider_version").await, rows);
    }
}

/// Each changes a name and a content, and the third removes a service.
async fn five_generations(target: &Target) -> Vec<World> {
    let mut worlds = Vec::new();
    let mut world = World::new(3, 4, 2, 2);
    for number in 0..5 {
        world.provider("s0", "p0").name = Some(format!("name {number}"));
        world.provider("s1", "p1").bundles[0].name = Some(format_text!("name {number}"));
        world.services.get_mut("s0").unwrap().name = Some(format!("name {number}"));
        if number == 2 {
            world.services.remove("s2");
        }
        sync(&target.store, &world, WholeRun).await;
        worlds.push(world.clone());
    }
    worlds
}
