//! Sources that went wrong at random: lines removed, files cut, emptied, re-encoded and out of order.
//!
//! Each case copies a sound folder, breaks it, and runs again. Whatever was broken: what leaves the views is counted in
//! the run, never more of it than the guard lets go, and no line that is still there in some mangled form takes away
//! what it said the day before.
//!
//! The stages are called one after the other, without messages, on SQLite. `SLUICE_SOURCE_CASES=n` draws more cases,
//! `SLUICE_SOURCE_SEED=s` repeats one.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "wrong_source/folder.rs"]
mod folder;
#[path = "wrong_source/line.rs"]
mod line;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use fastrand::Rng;
use pipeline_settings::settings::MaxRemoved;
use pipeline_store::{Counts, Progress, RunState, Tolerance};

use folder::{Documents, Level, Row};
use line::Line;

/// Cases of one call of the test; what the promise is made for.
const CASES: u64 = 2_000;
/// Small, as the folders are.
const BOUNDS: MaxRemoved = MaxRemoved { percent: 20, services: 1, providers: 2, bundles: 3, subscription_fields: 6 };

/// How often something of interest happened; a test in which it never does proves nothing.
#[derive(Default)]
struct Seen {
    activated: AtomicU64,
    held: AtomicU64,
    failed: AtomicU64,
    removed: AtomicU64,
    protected: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_source_that_went_wrong_takes_nothing_away_unseen_or_beyond_the_bound() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let migrated = line::migrated().await;
    let seeds = match number("SLUICE_SOURCE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SLUICE_SOURCE_CASES").unwrap_or(CASES),
    };
    let (next, seen) = (AtomicU64::new(seeds.start), Seen::default());
    let work = || async {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            case(seed, &migrated, &seen).await;
        }
    };
    futures::join!(work(), work(), work(), work());
    if seeds.end - seeds.start >= CASES {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Seen { activated, held, failed, removed, protected } = &seen;
        for (what, often) in [
            ("activated", of(activated)),
            ("held", of(held)),
            ("failed", of(failed)),
            ("took rows away", of(removed)),
            ("kept what a mangled line said", of(protected)),
        ] {
            println!("{often} runs {what}");
            assert!(often >= CASES / 50, "only {often} runs {what}");
        }
    }
}

async fn case(seed: u64, migrated: &std::path::Path, seen: &Seen) {
    let mut rng = Rng::with_seed(seed);
    let context = format!("repeat with SLUICE_SOURCE_SEED={seed}");
    let mut documents = Documents::new(&mut rng);
    let line = Line::start(migrated, seed).await;
    documents.write(line.folder());
    let first = line.run(false, Tolerance::default(), BOUNDS).await;
    assert_eq!(first.run.state, RunState::Activated, "{context}: {first:?}");
    let before = line.rows().await;

    let mangled = documents.go_wrong(&mut rng, line.folder());
    let tolerance = match rng.u8(0..3) {
        0 => Tolerance { max_providers: None, max_percent: Some(100.0) },
        _ => Tolerance::default(),
    };
    let whole_run = rng.bool();
    let progress = line.run(whole_run, tolerance, BOUNDS).await;
    let after = line.rows().await;
    let gone: BTreeSet<Row> = before.difference(&after).cloned().collect();
    nothing_unseen(&progress, &gone, &context);
    nothing_beyond_the_bound(&before, &gone, &context);
    nothing_for_want_of_a_line(&mangled, &gone, &context);

    let count = |counter: &AtomicU64, when: bool| {
        counter.fetch_add(u64::from(when), Ordering::Relaxed);
    };
    count(&seen.activated, progress.run.state == RunState::Activated);
    count(&seen.held, progress.exceeded.is_some());
    count(&seen.failed, progress.run.state == RunState::Failed);
    count(&seen.removed, !gone.is_empty());
    count(&seen.protected, !mangled.is_empty() && progress.run.state == RunState::Activated);

    if progress.run.state != RunState::Running {
        return line.stop().await;
    }
    if progress.exceeded.is_some() && rng.bool() {
        line.accept(&progress).await;
        let accepted = line.rows().await;
        let gone: BTreeSet<Row> = before.difference(&accepted).cloned().collect();
        nothing_unseen(&line.progress(&progress).await, &gone, &context);
        nothing_for_want_of_a_line(&mangled, &gone, &context);
    } else {
        line.abort(&progress).await;
        assert_eq!(line.rows().await, after, "{context}: an abort changes nothing for readers");
    }
    assert_eq!(line.violations().await, [], "{context}");
    line.stop().await;
}

/// Every row that left is counted; when everything is switched, no more is counted than left.
fn nothing_unseen(progress: &Progress, gone: &BTreeSet<Row>, context: &str) {
    let counts = counts(gone.iter());
    let switched = progress.run.state == RunState::Activated;
    for level in Counts::LEVELS {
        let (gone, counted) = (counts.of(level), progress.removed.of(level));
        assert!(gone <= counted, "{context}: {gone} rows are gone and {counted} counted: {progress:#?}");
        assert!(!switched || gone == counted, "{context}: {counted} rows count as gone and {gone} are: {progress:#?}");
    }
}

/// No service, and not all together, has lost more than may go.
fn nothing_beyond_the_bound(before: &BTreeSet<Row>, gone: &BTreeSet<Row>, context: &str) {
    let services: BTreeSet<&str> = before.iter().map(|row| row.service.as_str()).collect();
    let bound = |level, visible: i64| {
        let number = match level {
            pipeline_model::documents::Level::Service => BOUNDS.services,
            pipeline_model::documents::Level::Provider => BOUNDS.providers,
            pipeline_model::documents::Level::Bundle => BOUNDS.bundles,
            pipeline_model::documents::Level::SubscriptionField => BOUNDS.subscription_fields,
        };
        i64::from(number).max(visible / 5)
    };
    for service in services {
        let of = |rows: &BTreeSet<Row>| counts(rows.iter().filter(|row| row.service == service));
        let (visible, lost) = (of(before), of(gone));
        for level in Counts::LEVELS {
            let (visible, lost) = (visible.of(level), lost.of(level));
            assert!(lost <= bound(level, visible), "{context}: `{service}` lost {lost} of {visible} rows of {level:?}");
        }
    }
    let (visible, lost) = (counts(before.iter()), counts(gone.iter()));
    for level in Counts::LEVELS {
        let (visible, lost) = (visible.of(level), lost.of(level));
        assert!(lost <= bound(level, visible), "{context}: {lost} of {visible} rows of {level:?} are gone in all");
        assert!(lost == 0 || lost < visible, "{context}: the last row of {level:?} is gone");
    }
}

/// What a line said that is still there, in whatever form, is still there.
fn nothing_for_want_of_a_line(mangled: &BTreeSet<Row>, gone: &BTreeSet<Row>, context: &str) {
    let lost: Vec<&Row> = mangled.intersection(gone).collect();
    assert!(lost.is_empty(), "{context}: gone for want of a line that can be read: {lost:#?}");
}

fn counts<'r>(rows: impl Iterator<Item = &'r Row>) -> Counts {
    rows.fold(Counts::default(), |sum, row| {
        sum.plus(match row.level {
            Level::Service => Counts { services: 1, ..Counts::default() },
            Level::Provider => Counts { providers: 1, ..Counts::default() },
            Level::Bundle => Counts { bundles: 1, ..Counts::default() },
            Level::Field => Counts { subscription_fields: 1, ..Counts::default() },
        })
    })
}
