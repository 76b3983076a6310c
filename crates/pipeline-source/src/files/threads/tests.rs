use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const SHORT: Duration = Duration::from_millis(40);
const LONG: Duration = Duration::from_secs(600);

fn threads(name: &str, patience: Duration) -> (Threads, Arc<Path>) {
    let folder = Path::new("/of-threads").join(name);
    (Threads::of(&folder, patience), folder.join("bundles.jsonl").into())
}

/// Work that waits until something is sent.
fn stuck(file: &Arc<Path>) -> (Sender<()>, impl FnOnce() -> Result<(), Error> + Send + use<>) {
    let (sender, receiver): (_, Receiver<()>) = channel();
    let file = Arc::clone(file);
    (sender, move || waiting(&file, || receiver.recv().map_err(|_| Error::Clock { skew_ms: 1 })))
}

fn stuck_threads(threads: &Threads) -> u32 {
    locked(&threads.folder.0).stuck
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within ten seconds");
}

#[tokio::test]
async fn a_read_in_vain_is_left_with_the_file_named_and_its_thread_counted_until_it_comes_back() {
    let (threads, file) = threads("left", SHORT);
    let (release, work) = stuck(&file);
    let error = threads.run(Instant::now(), work).await.unwrap_err();
    assert!(matches!(&error, Error::NoAnswer { path, after_ms: 40 } if path.ends_with("bundles.jsonl")), "{error}");
    assert_eq!((stuck_threads(&threads), threads.in_vain()), (1, 1));
    release.send(()).unwrap();
    until(|| stuck_threads(&threads) == 0).await;
}

#[tokio::test]
async fn many_short_reads_may_take_longer_than_one_may() {
    let (threads, file) = threads("long", Duration::from_secs(2));
    let work = move || {
        for _ in 0..60 {
            waiting(&file, || thread::sleep(Duration::from_millis(50)));
        }
        Ok(7)
    };
    assert_eq!(threads.run(Instant::now(), work).await.unwrap(), 7);
}

#[tokio::test]
async fn while_one_finds_out_whether_a_trouble_is_over_the_others_fail_at_once() {
    let (threads, file) = threads("tries", SHORT);
    let (_first, work) = stuck(&file);
    let asked_before = Instant::now();
    threads.run(Instant::now(), work).await.unwrap_err();
    let patient = Threads { patience: LONG, ..threads.clone() };
    let (release, work) = stuck(&file);
    let trying = tokio::spawn(async move { patient.run(Instant::now(), work).await });
    until(|| locked(&threads.folder.0).trying).await;

    let never_runs = || -> Result<(), Error> { panic!("it must not run") };
    assert!(matches!(threads.run(Instant::now(), never_runs).await, Err(Error::NoAnswer { .. })));
    release.send(()).unwrap();
    trying.await.unwrap().unwrap();
    threads.run(Instant::now(), || Ok(())).await.unwrap();

    let (_second, work) = stuck(&file);
    threads.run(Instant::now(), work).await.unwrap_err();
    // Who asked before that was behind it, and shares its failure.
    assert!(matches!(threads.run(asked_before, never_runs).await, Err(Error::NoAnswer { .. })));
    threads.run(Instant::now(), || Ok(())).await.unwrap();
}

#[tokio::test]
async fn the_threads_that_are_stuck_are_bounded() {
    let (threads, file) = threads("bounded", Duration::from_millis(8));
    let mut senders = Vec::new();
    for _ in 0..MOST * 20 {
        let (sender, work) = stuck(&file);
        senders.push(sender);
        threads.run(Instant::now(), work).await.unwrap_err();
    }
    let stuck = stuck_threads(&threads);
    assert!((MOST..MOST + 8).contains(&stuck), "{stuck}");
    drop(senders);
    until(|| stuck_threads(&threads) == 0).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_is_counted_until_its_thread_ends_and_blames_nobody() {
    let (threads, file) = threads("given-up", LONG);
    let (release, work) = stuck(&file);
    let call = threads.clone();
    let call = tokio::spawn(async move { call.run(Instant::now(), work).await });
    until(|| Arc::strong_count(&threads.folder) > 2).await;
    call.abort();
    until(|| stuck_threads(&threads) == 1).await;
    threads.run(Instant::now(), || Ok(())).await.unwrap();
    release.send(()).unwrap();
    until(|| stuck_threads(&threads) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_a_source_leaves_it_too_and_shares_what_is_known_of_the_folder() {
    let (threads, file) = threads("opens", SHORT);
    let (release, work) = stuck(&file);
    assert!(matches!(threads.run_here(&file, work), Err(Error::NoAnswer { .. })));
    let again = Threads::of(Path::new("/of-threads/opens"), SHORT);
    assert_eq!(again.in_vain(), 1);
    release.send(()).unwrap();
    until(|| stuck_threads(&again) == 0).await;
    assert_eq!(again.run_here(&file, || Ok(3)).unwrap(), 3);
    assert!(Threads::of(Path::new("/of-threads/other"), SHORT).run_here(&file, || Ok(4)).is_ok());
}
