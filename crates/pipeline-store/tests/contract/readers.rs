//! What readers see while a run goes on.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use pipeline_store::ActivationMode::{self, PerService, WholeRun};

use crate::{
    driver::{Sync, request, sync},
    target::{Target, TextRow},
    world::World,
};

/// One statement, so that it sees one moment: the generations, and the rows of each level.
const WHOLE: &str = "SELECT CAST((SELECT MIN(generation) FROM provider_services) AS CHAR), \
    CAST((SELECT MAX(generation) FROM subscription_fields) AS CHAR), \
    CAST((SELECT COUNT(*) FROM provider_services) AS CHAR), CAST((SELECT COUNT(*) FROM providers) AS CHAR), \
    CAST((SELECT COUNT(*) FROM bundles) AS CHAR), CAST((SELECT COUNT(*) FROM subscription_fields) AS CHAR)";

/// The same for each service.
const EACH: &str = "SELECT s.service_id, CAST(s.generation AS CHAR), \
    CAST((SELECT COUNT(*) FROM providers p WHERE p.service_id = s.service_id) AS CHAR), \
    CAST((SELECT COUNT(*) FROM subscription_fields f WHERE f.service_id = s.service_id) AS CHAR) \
    FROM provider_services s";

on_both! {
    async fn a_reader_of_a_whole_run_sees_all_old_or_all_new(target: &Target) {
        let (old, new) = (World::new(3, 4, 2, 2), World::new(3, 5, 3, 2));
        let seen = poll_during(target, &old, &new, WholeRun, WHOLE).await;
        let row = |cells: [&str; 6]| cells.iter().map(|cell| Some((*cell).to_owned())).collect::<TextRow>();
        let expected = [row(["1", "1", "3", "12", "24", "48"]), row(["2", "2", "3", "15", "45", "90"])];
        assert!(seen.is_subset(&BTreeSet::from(expected.clone())), "{seen:?}");
        assert!(seen.contains(&expected[1]));
    }

    async fn a_reader_of_a_service_sees_it_all_old_or_all_new(target: &Target) {
        let (old, new) = (World::new(3, 4, 2, 2), World::new(3, 5, 3, 2));
        let seen = poll_during(target, &old, &new, PerService, EACH).await;
        let row = |cells: [&str; 4]| cells.iter().map(|cell| Some((*cell).to_owned())).collect::<TextRow>();
        let mut expected = BTreeSet::new();
        for service in ["s0", "s1", "s2"] {
            expected.insert(row([service, "1", "4", "16"]));
            expected.insert(row([service, "2", "5", "30"]));
        }
        assert!(seen.is_subset(&expected), "{seen:?}");
    }
}

/// Reads again and again while the copy goes from old to new; gives the distinct rows seen.
async fn poll_during(
    target: &Target,
    old: &World,
    new: &World,
    mode: ActivationMode,
    sql: &'static str,
) -> BTreeSet<TextRow> {
    sync(&target.store, old, mode).await;
    let done = Arc::new(AtomicBool::new(false));
    let work = async {
        let run = Sync::open(&target.store, new, request(mode)).await;
        run.work().await;
        done.store(true, Ordering::SeqCst);
    };
    let read = async {
        let mut seen = BTreeSet::new();
        loop {
            let last = done.load(Ordering::SeqCst);
            seen.extend(target.rows(sql).await);
            if last {
                return seen;
            }
        }
    };
    futures::future::join(work, read).await.1
}
