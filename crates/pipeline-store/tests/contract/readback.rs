//! The copy as documents again.

use pipeline_compare::digest;
use pipeline_model::ids::Generation;
use pipeline_store::ActivationMode::WholeRun;

use crate::{damage::damage, driver::sync, target::Target, world::World};

on_both! {
    async fn the_copy_reads_back_as_the_documents_it_was_made_from(target: &Target) {
        let old = World::new(2, 7, 2, 2);
        sync(&target.store, &old, WholeRun).await;
        let mut new = old.clone();
        new.provider("s0", "p1").bundles.remove(0);
        new.services.remove("s1");
        sync(&target.store, &new, WholeRun).await;

        for (world, generation) in [(&new, None), (&new, Some(Generation(2))), (&old, Some(Generation(1)))] {
            let services = target.store.copied_services(generation).await.unwrap();
            let ids: Vec<_> = services.iter().map(|service| service.service_id.as_str()).collect();
            assert_eq!(ids, world.services.keys().map(String::as_str).collect::<Vec<_>>());
            for (service, document) in services.iter().zip(world.service_documents()) {
                assert_eq!((&service.name, &service.attributes), (&document.name, &document.attributes));
                assert_eq!(service.digest, digest::of_row(document.name.as_deref(), &document.attributes));
                let id = &service.service_id;
                let mut pages = Vec::new();
                while let Some(page) = Some(
                    target.store.copied_provider_ids(id, service.generation, pages.last(), 3).await.unwrap(),
                )
                .filter(|page| !page.is_empty())
                {
                    pages.extend(page);
                }
                let documents = world.provider_documents(id.as_str());
                assert_eq!(pages, documents.iter().map(|provider| provider.id.clone()).collect::<Vec<_>>());
                let found = target.store.copied_providers(id, service.generation, &pages).await.unwrap();
                for document in documents {
                    let copied = &found[&document.id];
                    let bundles = &world.services[id.as_str()].providers[document.id.as_str()].bundles;
                    assert_eq!((&copied.name, &copied.attributes), (&document.name, &document.attributes));
                    assert_eq!(&copied.bundles, bundles);
                    assert_eq!(copied.content_digest, digest::of(&copied.bundles));
                    assert!(copied.damage.is_empty(), "{:?}", copied.damage);
                }
            }
        }
    }

    async fn only_providers_with_a_new_or_ended_version_count_as_changed(target: &Target) {
        let old = World::new(1, 5, 2, 1);
        sync(&target.store, &old, WholeRun).await;
        let mut new = old.clone();
        new.provider("s0", "p1").bundles.remove(0);
        new.provider("s0", "p2").name = None;
        new.services.get_mut("s0").unwrap().providers.remove("p3");
        sync(&target.store, &new, WholeRun).await;
        let between = |older, newer| async move {
            target.store.providers_changed_between(&"s0".into(), Generation(older), Generation(newer)).await.unwrap()
        };
        assert_eq!(between(1, 2).await, ["p1".into(), "p2".into(), "p3".into()]);
        assert_eq!(between(0, 1).await.len(), 5);
        assert_eq!(between(2, 2).await, []);
    }

    async fn a_damaged_row_shows_although_its_digest_does_not(target: &Target) {
        let world = World::new(1, 1, 2, 2);
        sync(&target.store, &world, WholeRun).await;
        damage(target, "UPDATE sluice_content_field SET value = '9' WHERE bundle_ordinal = 0 AND ordinal = 0").await;
        damage(target, "UPDATE sluice_content_field SET data_type = 'odd' WHERE bundle_ordinal = 0 \
                        AND ordinal = 1").await;
        damage(target, "DELETE FROM sluice_content_bundle WHERE ordinal = 1").await;
        let found = target.store.copied_providers(&"s0".into(), Generation(1), &["p0".into()]).await.unwrap();
        let copied = &found[&"p0".into()];
        assert_ne!(copied.content_digest, digest::of(&copied.bundles));
        assert_eq!(copied.bundles[0].fields[0].value.as_deref(), Some("9"));
        assert_eq!(copied.damage.len(), 3, "{:?}", copied.damage);
        assert_eq!(copied.counted, (2, 4));
    }
}
