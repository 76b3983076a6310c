//! Messages that were given up: what the ledger keeps of them, what they hold, and what giving them up for good does.

use std::time::{Duration, SystemTime};

use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::RunId,
    letter::GivenUp,
    place::{Partition, Position},
};
use pipeline_store::{
    ActivationMode::{self, PerService, WholeRun},
    DeadLetter, Deed, Discarded, LetterFilter, LetterState, Outcome, RunState, Store,
};

use crate::{
    damage::damage,
    driver::{Sync, request, sync},
    target::Target,
    world::{Views, World},
};

const DEED: Deed<'static> =
    Deed { who: "ada@desk", what: "dlq discard", subject: "1", why: "gone for good", result: "" };

fn at(topic: &str, offset: i64) -> Position {
    Position { partition: Partition { topic: topic.to_owned(), number: 3 }, offset }
}

/// A message of `topic` at `offset` is given up, and its letter lies at the same offset.
pub async fn give_up(store: &Store, run: RunId, topic: &str, offset: i64, key: &str) -> DeadLetter {
    give_up_at(store, run, topic, offset, key, SystemTime::now()).await
}

async fn give_up_at(
    store: &Store,
    run: RunId,
    topic: &str,
    offset: i64,
    key: &str,
    first_failed_at: SystemTime,
) -> DeadLetter {
    let letter = GivenUp {
        run_id: Some(&run.to_string()),
        source: &at(topic, offset),
        dead_letter: &at("sluice.dead-letters.v1", offset),
        key: Some(key),
        code: "SLUICE-TARGET-004",
        reason: "cannot store batch: the database refuses a value",
        attempts: 1,
        first_failed_at,
    };
    store.record_dead_letter("bundles", &letter).await.unwrap();
    let all = store.dead_letters(&LetterFilter::default(), 1_000).await.unwrap();
    all.into_iter().find(|found| found.source.topic == topic && found.source.offset == offset).unwrap()
}

on_both! {
    async fn a_letter_is_kept_once_with_what_its_key_says(target: &Target) {
        let run = RunId::new();
        let first = give_up(&target.store, run, BatchPlanned::TOPIC, 7, "pay/ments/2").await;
        let again = give_up(&target.store, run, BatchPlanned::TOPIC, 7, "pay/ments/2").await;
        assert_eq!((first.id, first.state), (again.id, LetterState::Open));
        assert_eq!(target.count("sluice_dead_letter").await, 1);
        assert_eq!(first.run_id, Some(run));
        assert_eq!(first.service_id.as_ref().map(|id| id.as_str()), Some("pay/ments"));
        assert_eq!(first.batch_no.map(|batch| batch.0), Some(2));
        assert_eq!((first.source.position(), first.attempts), (at(BatchPlanned::TOPIC, 7), 1));
    }

    async fn a_message_that_names_no_run_is_kept_too(target: &Target) {
        let letter = GivenUp {
            run_id: Some("not a run"),
            source: &at(RunRequested::TOPIC, 1),
            dead_letter: &at("sluice.dead-letters.v1", 1),
            key: None,
            code: "SLUICE-MESSAGE-001",
            reason: "",
            attempts: 1,
            first_failed_at: SystemTime::now(),
        };
        target.store.record_dead_letter("root", &letter).await.unwrap();
        target.store.record_dead_letter("root", &letter).await.unwrap();
        let letters = target.store.dead_letters(&LetterFilter::default(), 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].run_id, &letters[0].key), (None, &None));
    }

    async fn a_replayed_letter_that_fails_again_is_open_again(target: &Target) {
        let run = RunId::new();
        let letter = give_up(&target.store, run, BatchPlanned::TOPIC, 7, "s/0").await;
        assert!(target.store.mark_replayed(letter.id, &DEED).await.unwrap());
        let before = SystemTime::now() - Duration::from_secs(60);
        let same = give_up_at(&target.store, run, BatchPlanned::TOPIC, 7, "s/0", before).await;
        assert_eq!((same.state, same.replays), (LetterState::Replayed, 1));
        let after = SystemTime::now() + Duration::from_secs(60);
        let failed = give_up_at(&target.store, run, BatchPlanned::TOPIC, 7, "s/0", after).await;
        assert_eq!((failed.id, failed.state, failed.replays), (letter.id, LetterState::Open, 1));
        assert!(!target.store.mark_replayed(999, &DEED).await.unwrap());
    }

    async fn a_topic_that_was_made_anew_replaces_the_letters_of_the_old_one(target: &Target) {
        let old = give_up(&target.store, RunId::new(), BatchPlanned::TOPIC, 7, "s/0").await;
        target.store.mark_replayed(old.id, &DEED).await.unwrap();
        let run = RunId::new();
        let new = give_up(&target.store, run, BatchPlanned::TOPIC, 7, "s/0").await;
        assert_eq!((new.run_id, new.state, new.replays), (Some(run), LetterState::Open, 0));
        assert_eq!(target.count("sluice_dead_letter").await, 1);
    }

    async fn a_letter_with_a_former_code_is_found_under_both_names_and_told_under_todays(target: &Target) {
        let old = give_up(&target.store, RunId::new(), BatchPlanned::TOPIC, 1, "s/0").await;
        damage(target, "UPDATE sluice_dead_letter SET code = 'SLUICE-STORE-004'").await;
        let new = give_up(&target.store, RunId::new(), BatchPlanned::TOPIC, 2, "s/0").await;
        for code in ["SLUICE-STORE-004", "SLUICE-TARGET-004"] {
            let filter = LetterFilter { code: Some(code.to_owned()), ..LetterFilter::default() };
            let found = target.store.dead_letters(&filter, 10).await.unwrap();
            let found: Vec<_> = found.iter().map(|letter| (letter.id, letter.code.as_str())).collect();
            assert_eq!(found, [(old.id, "SLUICE-TARGET-004"), (new.id, "SLUICE-TARGET-004")], "{code}");
        }
    }

    async fn every_part_of_a_filter_must_hold(target: &Target) {
        let (run, other) = (RunId::new(), RunId::new());
        let first = give_up(&target.store, run, BatchPlanned::TOPIC, 1, "s/0").await;
        let second = give_up(&target.store, other, BatchPlanned::TOPIC, 2, "s/1").await;
        let third = give_up(&target.store, run, ServiceDiscovered::TOPIC, 3, "s").await;
        target.store.mark_replayed(third.id, &DEED).await.unwrap();
        let any = LetterFilter::default();
        let now = third.recorded_at_ms + 1;
        for (filter, expected) in [
            (any.clone(), vec![first.id, second.id, third.id]),
            (LetterFilter { run_id: Some(run), ..any.clone() }, vec![first.id, third.id]),
            (LetterFilter { state: Some(LetterState::Open), ..any.clone() }, vec![first.id, second.id]),
            (LetterFilter { ids: vec![second.id, third.id, 999], ..any.clone() }, vec![second.id, third.id]),
            (LetterFilter { stage: Some("root".to_owned()), ..any.clone() }, vec![]),
            (LetterFilter { code: Some("SLUICE-TARGET-004".to_owned()), run_id: Some(other), ..any.clone() }, vec![second.id]),
            (LetterFilter { recorded_before_ms: Some(first.recorded_at_ms), ..any.clone() }, vec![]),
            (LetterFilter { recorded_before_ms: Some(now), ..any.clone() }, vec![first.id, second.id, third.id]),
        ] {
            let found: Vec<i64> =
                target.store.dead_letters(&filter, 10).await.unwrap().iter().map(|letter| letter.id).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
        assert_eq!(target.store.dead_letters(&any, 2).await.unwrap().len(), 2);
        assert_eq!(target.store.dead_letter(second.id).await.unwrap(), Some(second));
    }

    async fn a_run_that_only_letters_hold_says_so(target: &Target) {
        let world = World::new(2, 4, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        let id = run.run.run_id;
        let letter = give_up(&target.store, id, RunRequested::TOPIC, 0, &id.to_string()).await;
        assert!(run.progress().await.held.unwrap().contains(&format!("dlq show {}", letter.id)));
        run.discover().await;
        assert_eq!(run.progress().await.held, None);
        run.plan(&"s0".into()).await;
        let plan = give_up(&target.store, id, ServiceDiscovered::TOPIC, 1, "s1").await;
        assert_eq!(run.progress().await.held, None, "the batches of s0 can still be stored");
        let batches = run.batches(&"s0".into()).await;
        let batch = give_up(&target.store, id, BatchPlanned::TOPIC, 2, "s0/1").await;
        give_up(&target.store, id, BatchPlanned::TOPIC, 3, "s0/1").await;
        assert_eq!(run.progress().await.held, None, "batch 0 of s0 can still be stored");
        let (key, subtrees) = batches.into_iter().next().unwrap();
        target.store.store_batch(&key, subtrees).await.unwrap();
        let held = run.progress().await.held.unwrap();
        assert!(held.starts_with("2 dead letters hold"), "{held}");
        assert!(held.contains(&format!("dlq show {}", plan.id.min(batch.id))), "{held}");
        target.store.mark_replayed(plan.id, &DEED).await.unwrap();
        assert_eq!(run.progress().await.held, None, "s1 is on its way again");
    }

    async fn a_discarded_batch_lets_its_run_end_and_keeps_what_readers_had(target: &Target) {
        for mode in [PerService, WholeRun] {
            discard_a_batch(target, mode).await;
        }
    }

    async fn discarded_providers_do_not_use_up_the_tolerance_and_hide_no_other_reject(target: &Target) {
        let world = World::new(1, 6, 1, 1);
        let mut run = Sync::open(&target.store, &world, request(PerService)).await;
        run.broken = ["s0/p0".to_owned()].into();
        run.discover().await;
        let service = "s0".into();
        run.plan(&service).await;
        let letter = give_up(&target.store, run.run.run_id, BatchPlanned::TOPIC, 1, "s0/1").await;
        assert_eq!(discard(target, &letter).await, Discarded::Batch { providers: 3 });
        let (key, subtrees) = run.batches(&service).await.into_iter().next().unwrap();
        target.store.store_batch(&key, subtrees).await.unwrap();
        let progress = run.progress().await;
        assert_eq!(progress.providers.rejected, 4);
        assert!(progress.held.unwrap().contains("1 of 6 providers are rejected"));
        assert!(matches!(run.activate(&service).await, Outcome::NotYet(_)));
    }

    async fn a_discarded_service_is_closed_as_it_was(target: &Target) {
        let old = World::new(2, 2, 1, 1);
        sync(&target.store, &old, PerService).await;
        let new = World::new(2, 3, 2, 1);
        let run = Sync::open(&target.store, &new, request(WholeRun)).await;
        run.discover().await;
        run.plan(&"s0".into()).await;
        run.store_service(&"s0".into()).await;
        let letter = give_up(&target.store, run.run.run_id, ServiceDiscovered::TOPIC, 1, "s1").await;
        assert!(run.progress().await.held.is_some());
        assert_eq!(discard(target, &letter).await, Discarded::Plan);
        assert!(matches!(run.activate(&"s1".into()).await, Outcome::Activated(_)));
        assert_eq!(run.progress().await.run.state, RunState::Activated);
        let mut expected = new.clone();
        // The service's own row was written before the letter; what is below it is what was there.
        expected.services.get_mut("s1").unwrap().providers = old.services["s1"].providers.clone();
        assert_eq!(Views::read(target).await, expected.views());
        assert_eq!(target.store.rejects(run.run.run_id, 10).await.unwrap()[0].code, "SLUICE-STAGE-002");
        assert_eq!(target.store.check_invariants().await.unwrap(), []);
    }

    async fn only_what_waits_for_a_letter_is_changed_by_discarding_it(target: &Target) {
        let world = World::new(1, 2, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        let id = run.run.run_id;
        let whole = give_up(&target.store, id, RunRequested::TOPIC, 0, &id.to_string()).await;
        assert_eq!(discard(target, &whole).await, Discarded::Undiscovered);
        run.load().await;
        let stored = give_up(&target.store, id, BatchPlanned::TOPIC, 1, "s0/0").await;
        let planned = give_up(&target.store, id, ServiceDiscovered::TOPIC, 2, "s0").await;
        let foreign = give_up(&target.store, id, BatchPlanned::TOPIC, 3, "nobody/9").await;
        let other = give_up(&target.store, RunId::new(), BatchPlanned::TOPIC, 4, "s0/0").await;
        for letter in [&stored, &planned, &foreign, &other, &whole] {
            assert_eq!(discard(target, letter).await, Discarded::Nothing);
            let letter = target.store.dead_letter(letter.id).await.unwrap().unwrap();
            assert_eq!(letter.state, LetterState::Discarded);
            assert_eq!(discard(target, &letter).await, Discarded::NotOpen);
        }
        assert_eq!(target.count("sluice_run_reject").await, 0);
        assert_eq!(target.store.audits(100).await.unwrap().len(), 5, "one for each letter that was discarded");
        run.activate(&"s0".into()).await;
        assert_eq!(Views::read(target).await, world.views());
    }

    async fn a_letter_that_an_older_program_waived_is_discarded(target: &Target) {
        let run = target.store.open_run(&request(PerService)).await.unwrap().run_id;
        let letter = give_up(&target.store, run, BatchPlanned::TOPIC, 0, "s/0").await;
        damage(target, "UPDATE sluice_dead_letter SET state = 'waived'").await;
        let discarded = LetterFilter { state: Some(LetterState::Discarded), ..LetterFilter::default() };
        let found = target.store.dead_letters(&discarded, 10).await.unwrap();
        assert_eq!(found, [DeadLetter { state: LetterState::Discarded, ..letter }]);
        let open = LetterFilter { state: Some(LetterState::Open), ..LetterFilter::default() };
        assert_eq!(target.store.dead_letters(&open, 10).await.unwrap(), []);
    }

    async fn a_retried_run_takes_its_letters_and_discards_back(target: &Target) {
        let world = World::new(1, 6, 1, 1);
        let run = Sync::open(&target.store, &world, request(PerService)).await;
        run.discover().await;
        let service = "s0".into();
        run.plan(&service).await;
        let discarded = give_up(&target.store, run.run.run_id, BatchPlanned::TOPIC, 0, "s0/0").await;
        let open = give_up(&target.store, run.run.run_id, BatchPlanned::TOPIC, 1, "s0/1").await;
        discard(target, &discarded).await;
        assert!(run.progress().await.held.is_some());
        let retried = target.store.retry_run(run.run.run_id, ("ada@desk", "mended")).await.unwrap().unwrap();
        assert_eq!(retried.batches, 1);
        let state = async || target.store.dead_letter(open.id).await.unwrap().unwrap().state;
        assert_eq!(state().await, LetterState::Open, "nothing has been produced yet");
        assert_eq!(target.store.announced_again(run.run.run_id, &[open.id, discarded.id, 999]).await.unwrap(), 1);
        assert_eq!(run.progress().await.held, None, "both batches are on their way again");
        assert_eq!(state().await, LetterState::Replayed);
        run.store_service(&service).await;
        assert!(matches!(run.activate(&service).await, Outcome::Activated(_)));
        let progress = run.progress().await;
        assert_eq!((progress.providers.stored, progress.providers.rejected), (6, 0));
    }

    async fn deeds_are_listed_newest_first(target: &Target) {
        target.store.audit(&Deed { result: "done", ..DEED }).await.unwrap();
        target.store.audit(&Deed { what: "run abort", ..DEED }).await.unwrap();
        let audits = target.store.audits(1).await.unwrap();
        assert_eq!((audits.len(), audits[0].what.as_str(), audits[0].why.as_str()), (1, "run abort", "gone for good"));
        assert_eq!(target.store.audits(10).await.unwrap()[1].result, "done");
    }
}

/// Discards a letter, after a rehearsal that has to say the same and change nothing.
async fn discard(target: &Target, letter: &DeadLetter) -> Discarded {
    let rehearsed = target.store.rehearse_discard(&[letter.clone(), letter.clone()], &DEED).await.unwrap();
    assert_eq!(target.store.rehearse_discard(&[letter.clone(), letter.clone()], &DEED).await.unwrap(), rehearsed);
    let discarded = target.store.discard(letter, &DEED).await.unwrap();
    let closes = matches!(discarded, Discarded::Batch { .. } | Discarded::Plan);
    assert_eq!(rehearsed, [discarded, if closes { Discarded::Nothing } else { discarded }]);
    discarded
}

async fn discard_a_batch(target: &Target, mode: ActivationMode) {
    let mut old = World::new(2, 4, 1, 1);
    sync(&target.store, &old, mode).await;
    let new = World::new(2, 4, 2, 1);
    let run = Sync::open(&target.store, &new, request(mode)).await;
    run.discover().await;
    for service in run.services().await {
        run.plan(&service).await;
    }
    run.store_service(&"s0".into()).await;
    let mut batches = run.batches(&"s1".into()).await;
    let (lost, subtrees) = batches.pop().unwrap();
    for (key, subtrees) in batches {
        target.store.store_batch(&key, subtrees).await.unwrap();
    }
    let key = format!("s1/{}", lost.batch_no);
    let letter = give_up(&target.store, run.run.run_id, BatchPlanned::TOPIC, lost.generation.0, &key).await;
    run.activate(&"s0".into()).await;
    assert!(run.progress().await.held.is_some());

    assert_eq!(discard(target, &letter).await, Discarded::Batch { providers: 1 });
    let progress = run.progress().await;
    assert_eq!((progress.held, progress.providers.rejected), (None, 1));
    // The message that comes late after all finds the batch closed.
    let Some(late) = target.store.store_batch(&lost, subtrees).await.unwrap() else { panic!("no answer") };
    assert_eq!((late.rejected, late.stored, late.bundles), (1, 0, 1));
    assert!(matches!(run.activate(&"s1".into()).await, Outcome::Activated(_)));
    let progress = run.progress().await;
    assert_eq!(progress.run.state, RunState::Activated);

    let kept = old.provider("s1", "p3").clone();
    let mut expected = new.clone();
    *expected.provider("s1", "p3") = kept;
    assert_eq!(Views::read(target).await, expected.views());
    let counts = target.store.counts().await.unwrap();
    assert_eq!((progress.bundles, progress.subscription_fields), (counts.bundles, counts.subscription_fields));
    let rejects = target.store.rejects(run.run.run_id, 10).await.unwrap();
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].reason.contains("ada@desk: gone for good"), "{}", rejects[0].reason);
    assert_eq!(target.store.check_invariants().await.unwrap(), []);
    let audit = &target.store.audits(1).await.unwrap()[0];
    assert!(audit.result.contains("1 providers keep"), "{}", audit.result);
}
