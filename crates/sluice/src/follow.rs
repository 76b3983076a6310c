//! Following a run in the ledger until it ends, is held, or time is up.
//!
//! The ledger is polled, because it is the truth: messages may be lost or late, what it says is not. An outage of the
//! target in the middle of a wait is waited out for a while before it becomes the answer.

use std::time::{Duration, Instant};

use pipeline_model::ids::RunId;
use pipeline_store::{
    LetterFilter, LetterState, Progress, Run, RunState, Store,
    estimate::{Earlier, Estimate},
};

use crate::{
    exit::Exit,
    failure::Failure,
    outlook::Sent,
    progress::{Model, Snapshot, View},
    session,
    skew::Skew,
    text,
};

/// How often the ledger is asked. Progress is cheap to read, and people notice half a second.
const INTERVAL: Duration = Duration::from_millis(300);
/// How long the target may be away in the middle of a wait.
const OUTAGE: Duration = Duration::from_secs(30);
/// After so long without a trace of the run in the ledger, a person should hear what may be wrong.
const NOT_TAKEN: Duration = Duration::from_secs(5);
/// A run of which nothing has changed for so long may have nobody who works on it.
const STILL: Duration = Duration::from_secs(60);

/// A run that has ended, or that only people can help on.
#[derive(Debug)]
pub struct Followed {
    /// The ledger's last word.
    pub progress: Progress,
    /// How long each stage was seen at work.
    pub durations: [Option<Duration>; 4],
}

/// How a run ended, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Readers see the new generation, and no document was rejected.
    Activated,
    /// It finished, or is held, with rejects.
    WithRejects,
    /// Aborted, failed or refused.
    NotActivated,
}

/// What to follow.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The run.
    pub run_id: RunId,
    /// Its request, when that was sent just now.
    pub sent: Option<&'a Sent>,
    /// How long at most.
    pub timeout: Option<Duration>,
    /// How unevenly batches wait, where somebody asks.
    pub skew: Option<&'a Skew>,
}

/// When a run will end; what earlier runs took is read once.
#[derive(Default)]
struct Expected {
    earlier: Option<Vec<Earlier>>,
}

/// When a run was seen to change.
struct Changes {
    last: Snapshot,
    at: Instant,
}

/// Polls until the run ends or is held, and shows every view on the way.
///
/// # Errors
/// Exit 10 when the time is up; 75 when it is up and no root stage has taken the request, and when the target is away
/// for too long.
pub async fn follow(
    store: &Store,
    watched: Watched<'_>,
    mut show: impl FnMut(Duration, &View),
) -> Result<Followed, Failure> {
    let Watched { run_id, timeout, .. } = watched;
    let start = Instant::now();
    let mut model = Model::default();
    let mut last_answer = start;
    let mut warned = false;
    let mut changes: Option<Changes> = None;
    let mut expected = Expected::default();
    loop {
        match store.progress(run_id).await {
            Ok(Some(progress)) => {
                last_answer = Instant::now();
                let seen = Snapshot::from(&progress);
                let estimate = expected.of(store, &progress.run, watched.skew.map_or(1.0, Skew::now)).await;
                show(start.elapsed(), &model.observe(start.elapsed(), &seen, &estimate));
                if changes.as_ref().is_none_or(|changes| changes.last != seen) {
                    changes = Some(Changes { last: seen, at: last_answer });
                }
                if Ending::of(progress.run.state, progress.held.is_some(), false).is_some() {
                    return Ok(Followed { progress, durations: model.durations() });
                }
            }
            Ok(None) => {
                last_answer = Instant::now();
                let requested = Snapshot { state: "requested".to_owned(), ..Snapshot::default() };
                show(start.elapsed(), &model.observe(start.elapsed(), &requested, &Estimate::default()));
                if let Some(failure) = dead_request(store, run_id).await {
                    return Err(failure);
                }
                if start.elapsed() > NOT_TAKEN && !warned {
                    warned = true;
                    session::note(format_args!("run {run_id} is not in the ledger yet: {}", watched.outlook().await));
                }
            }
            Err(error) => {
                let failure = session::store_failure(&error);
                if failure.exit != Exit::Unreachable || last_answer.elapsed() > OUTAGE {
                    return Err(failure);
                }
            }
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            let still = changes.map(|changes| changes.at.elapsed());
            return Err(timed_out(watched, still, start.elapsed()).await);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A request that the root stage gave up will never become a run by itself.
async fn dead_request(store: &Store, run_id: RunId) -> Option<Failure> {
    let filter = LetterFilter { run_id: Some(run_id), state: Some(LetterState::Open), ..LetterFilter::default() };
    // An outage shows at the next look at the run.
    let letter = store.dead_letters(&filter, 1).await.ok()?.pop()?;
    let what = format!("run {run_id} is not in the ledger: its request is dead letter {}", letter.id);
    Some(Failure::new(Exit::Rejects, what).hint(format!("see why: sluice dlq show {}", letter.id)))
}

/// `still` is how long the run has been seen without a change; `None` when it was never seen.
async fn timed_out(watched: Watched<'_>, still: Option<Duration>, elapsed: Duration) -> Failure {
    let run_id = watched.run_id;
    let elapsed = text::duration(elapsed);
    let Some(still) = still else {
        let exit = if watched.sent.is_some() { Exit::Unreachable } else { Exit::NotReady };
        let what = format!("run {run_id} is still not in the ledger after {elapsed}: {}", watched.outlook().await);
        let failure = Failure::new(exit, what);
        return failure.hint("check that the root stage runs, on this broker and target (sluice doctor)");
    };
    let failure = Failure::new(Exit::NotReady, format!("run {run_id} has not ended after {elapsed}"));
    if still < STILL {
        return failure.hint(format!("it goes on; wait again: sluice run wait {run_id}"));
    }
    failure.hint(format!(
        "nothing of it has changed for {}: are all stages running and ready (their /readyz says what they lack)? \
         wait again: sluice run wait {run_id}",
        text::duration(still)
    ))
}

// === impl Expected ===

impl Expected {
    /// Unknown when the target is away; that shows at the next look at the run.
    async fn of(&mut self, store: &Store, run: &Run, skew: f64) -> Estimate {
        if self.earlier.is_none() {
            self.earlier = store.earlier_runs(run).await.ok();
        }
        store.estimate(run, self.earlier.as_deref().unwrap_or_default(), skew).await.unwrap_or_default()
    }
}

// === impl Watched ===

impl Watched<'_> {
    async fn outlook(&self) -> String {
        match self.sent {
            Some(sent) => sent.outlook().await,
            None => {
                "is its id right (sluice run ls), and does the root stage run, on this broker and target?".to_owned()
            }
        }
    }
}

// === impl Ending ===

impl Ending {
    /// How a run in this state ended, or `None` while it goes on. `held`: only people can help it on; `rejected`: there are
    /// rejects of any kind, also such as hold nobody.
    pub fn of(state: RunState, held: bool, rejected: bool) -> Option<Self> {
        match state {
            RunState::Held => Some(Self::WithRejects),
            RunState::Running => held.then_some(Self::WithRejects),
            RunState::Activated if rejected => Some(Self::WithRejects),
            RunState::Activated => Some(Self::Activated),
            RunState::Aborted | RunState::Failed | RunState::Refused => Some(Self::NotActivated),
        }
    }

    /// The exit code of a command that waited for the run.
    pub fn exit(self) -> Exit {
        match self {
            Self::Activated => Exit::Ok,
            Self::WithRejects => Exit::Rejects,
            Self::NotActivated => Exit::Failed,
        }
    }
}
