//! Threads that wait for a disk, and how to leave one that waits in vain.
//!
//! A read of a network mount whose server is gone may never come back, and nothing ends it from outside. So a call does
//! not wait for its thread but for what the thread does: whatever may block is noted with its file and the time when it
//! began ([`waiting`]), and when one such thing has taken `source.read_timeout_ms`, the call fails with
//! [`Error::NoAnswer`] and leaves the thread behind. A pass over a large file is many short reads and may take as long
//! as it takes.
//!
//! What is left behind is bounded. After a read in vain, one call at a time tries again and the others fail at once,
//! until one is answered; and where [`MOST`] threads of a folder have not come back, the pauses between two tries double.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::Error;

#[cfg(test)]
mod tests;

/// Threads of one folder that may be stuck before tries become rare.
const MOST: u32 = 16;
/// How often the pause between two tries is doubled at most.
const DOUBLINGS: u32 = 16;
/// Looks at what a thread does in one time-out.
const LOOKS: u32 = 4;

/// The threads that read one folder. All sources of this process that read the folder share what is known of it.
#[derive(Clone, Debug)]
pub struct Threads {
    folder: Arc<Folder>,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Folder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Threads that were left and have not come back.
    stuck: u32,
    /// Reads in vain, ever.
    in_vain: u64,
    /// The last read in vain, until another one is answered.
    trouble: Option<Trouble>,
    /// Somebody finds out whether it is over.
    trying: bool,
}

#[derive(Clone, Debug)]
struct Trouble {
    file: Arc<Path>,
    since: Instant,
}

/// What a thread, and those that it started, wait for.
#[derive(Debug, Default)]
pub struct Waits(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    operations: BTreeMap<u64, (Arc<Path>, Instant)>,
}

/// Whoever waits for a thread. Dropped before the thread has come back, it leaves one more that is stuck.
struct Watch {
    folder: Arc<Folder>,
    ended: Arc<Mutex<Ended>>,
    /// This is the one that finds out whether a trouble is over.
    tries: bool,
}

/// The thread. Dropped when it has come back.
struct Running {
    folder: Arc<Folder>,
    ended: Arc<Mutex<Ended>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ended {
    #[default]
    No,
    Left,
    Yes,
}

thread_local! {
    static WAITS: RefCell<Option<Arc<Waits>>> = const { RefCell::new(None) };
}

static FOLDERS: LazyLock<Mutex<HashMap<PathBuf, Weak<Folder>>>> = LazyLock::new(Mutex::default);

// === what a thread waits for ===

/// Does what may block on a file, under the eyes of whoever waits for this thread.
pub fn waiting<T>(file: &Arc<Path>, operation: impl FnOnce() -> T) -> T {
    let Some(waits) = current() else { return operation() };
    let number = waits.begin(file);
    held_up(file);
    let result = operation();
    waits.end(number);
    result
}

/// What this thread waits for, to be handed to the threads that it starts.
pub fn current() -> Option<Arc<Waits>> {
    WAITS.with_borrow(Clone::clone)
}

/// Works as a part of what another thread does.
pub fn on_behalf_of<T>(waits: Option<Arc<Waits>>, work: impl FnOnce() -> T) -> T {
    let before = WAITS.replace(waits);
    let result = work();
    WAITS.set(before);
    result
}

/// A place where a test may hold a read up for as long as it likes.
#[cfg(any(test, feature = "failpoints"))]
fn held_up(file: &Path) {
    fail::fail_point!("source::read");
    fail::fail_point!(&format!("source::read {}", file.display()));
}

#[cfg(not(any(test, feature = "failpoints")))]
#[inline(always)]
fn held_up(_file: &Path) {}

impl Waits {
    fn begin(&self, file: &Arc<Path>) -> u64 {
        let mut open = locked(&self.0);
        open.begun += 1;
        let number = open.begun;
        open.operations.insert(number, (Arc::clone(file), Instant::now()));
        number
    }

    fn end(&self, number: u64) {
        locked(&self.0).operations.remove(&number);
    }

    /// The file that has been waited for at least so long.
    fn in_vain(&self, patience: Duration) -> Option<Arc<Path>> {
        let open = locked(&self.0);
        let (file, since) = open.operations.first_key_value()?.1;
        (since.elapsed() >= patience).then(|| Arc::clone(file))
    }
}

// === impl Threads ===

impl Threads {
    /// The threads that read this folder; each thing that they wait for may take so long.
    pub fn of(folder: &Path, patience: Duration) -> Self {
        let mut folders = locked(&FOLDERS);
        folders.retain(|_, known| known.strong_count() > 0);
        let known = folders.get(folder).and_then(Weak::upgrade);
        let shared = known.unwrap_or_default();
        folders.insert(folder.to_owned(), Arc::downgrade(&shared));
        Self { folder: shared, patience }
    }

    /// How many reads were in vain so far: files that were open then are better opened anew.
    pub fn in_vain(&self) -> u64 {
        locked(&self.folder.0).in_vain
    }

    /// Works on a thread that may wait, and comes back with the answer or when the thread waits in vain. Who was behind
    /// another call when that failed, since it asked before then, shares its failure.
    pub async fn run<T: Send + 'static>(
        &self,
        asked: Instant,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (watch, waits) = (self.begin(asked)?, Arc::new(Waits::default()));
        let mut thread = tokio::task::spawn_blocking(watch.thread(&waits, work));
        loop {
            tokio::select! {
                answer = &mut thread => {
                    watch.came_back();
                    return answer.map_err(|source| Error::Stopped { source })?;
                }
                () = tokio::time::sleep(self.pause()) => self.check(&waits)?,
            }
        }
    }

    /// The same for who cannot wait otherwise, such as whoever opens a source.
    pub fn run_here<T: Send + 'static>(
        &self,
        folder: &Path,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (watch, waits) = (self.begin(Instant::now())?, Arc::new(Waits::default()));
        let (answer, answered) = mpsc::sync_channel(1);
        let work = watch.thread(&waits, work);
        // Who has left hears no answer.
        let started = thread::Builder::new().spawn(move || answer.send(work()).unwrap_or_default());
        started.map_err(Error::read(folder))?;
        let wait = || {
            loop {
                match answered.recv_timeout(self.pause()) {
                    Ok(answer) => {
                        watch.came_back();
                        return answer;
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => self.check(&waits)?,
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        let ended = std::io::Error::other("the thread that read ended without an answer");
                        return Err(Error::read(folder)(ended));
                    }
                }
            }
        };
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            // The other tasks of this thread go on meanwhile.
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }

    fn pause(&self) -> Duration {
        self.patience / LOOKS
    }

    fn check(&self, waits: &Waits) -> Result<(), Error> {
        let Some(file) = waits.in_vain(self.patience) else { return Ok(()) };
        let mut state = locked(&self.folder.0);
        state.in_vain += 1;
        state.trouble = Some(Trouble { file: Arc::clone(&file), since: Instant::now() });
        Err(self.no_answer(&file))
    }

    /// Lets a call begin, unless it would most likely add to those that are stuck.
    fn begin(&self, asked: Instant) -> Result<Watch, Error> {
        let mut state = locked(&self.folder.0);
        let tries = state.trouble.is_some();
        if let Some(Trouble { file, since }) = &state.trouble {
            let doublings = state.stuck.checked_sub(MOST).map(|more| more.min(DOUBLINGS));
            let pause = doublings.map_or(Duration::ZERO, |doublings| self.patience.saturating_mul(1 << doublings));
            if state.trying || asked < *since || since.elapsed() < pause {
                return Err(self.no_answer(file));
            }
            state.trying = true;
        }
        Ok(Watch { folder: Arc::clone(&self.folder), ended: Arc::default(), tries })
    }

    fn no_answer(&self, file: &Path) -> Error {
        let after_ms = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        Error::NoAnswer { path: file.display().to_string(), after_ms }
    }
}

// === impl Watch ===

impl Watch {
    /// The work as a thread does it.
    fn thread<T, W>(&self, waits: &Arc<Waits>, work: W) -> impl FnOnce() -> Result<T, Error> + Send + use<T, W>
    where
        W: FnOnce() -> Result<T, Error> + Send,
    {
        let running = Running { folder: Arc::clone(&self.folder), ended: Arc::clone(&self.ended) };
        let waits = Arc::clone(waits);
        move || {
            let _running = running;
            on_behalf_of(Some(waits), work)
        }
    }

    /// The disk has answered, whatever it said.
    fn came_back(&self) {
        locked(&self.folder.0).trouble = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut ended = locked(&self.ended);
        let mut state = locked(&self.folder.0);
        if self.tries {
            state.trying = false;
        }
        if *ended == Ended::No {
            *ended = Ended::Left;
            state.stuck = state.stuck.saturating_add(1);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *locked(&self.ended), Ended::Yes);
        if before == Ended::Left {
            let mut state = locked(&self.folder.0);
            state.stuck = state.stuck.saturating_sub(1);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
