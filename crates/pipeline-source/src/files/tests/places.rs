//! What has the name of a source file and is none, does not answer, or is compressed.

use std::{os::unix::net::UnixListener, path::PathBuf, time::Duration};

use flate2::{Compression, write::GzEncoder};
use nix::{sys::stat::Mode, unistd::mkfifo};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const BUNDLE: &str = "{\"id\":\"b1\",\"provider_id\":\"p1\"}\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// Fails as something that another file in the place would mend.
async fn refused(source: &Folder) -> Error {
    let error = source.counts().await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Unavailable, "{error}");
    // Whether a compressed file is sound is seen by who reads it.
    let is_seen_by_all = !matches!(error, Error::Packed { .. });
    assert_eq!(source.ready().await.err().map(|error| error.code()), is_seen_by_all.then(|| error.code()));
    error
}

/// A folder whose bundles' file is what `put` makes of its path.
fn with(put: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let folder = small("", None);
    let path = folder.path().join(BUNDLES);
    fs::remove_file(&path).unwrap();
    put(&path);
    (folder, path)
}

#[tokio::test]
async fn what_is_no_regular_file_is_named_and_never_waited_for_and_a_file_in_its_place_heals_it() {
    let pipe: fn(&Path) = |path| mkfifo(path, Mode::S_IRWXU).unwrap();
    let socket: fn(&Path) = |path| drop(UnixListener::bind(path).unwrap());
    let device: fn(&Path) = |path| std::os::unix::fs::symlink("/dev/null", path).unwrap();
    let directory: fn(&Path) = |path| fs::create_dir(path).unwrap();
    let kinds = [(pipe, "a named pipe"), (socket, "a socket"), (device, "a device"), (directory, "a directory")];
    for (put, kind) in kinds {
        let (folder, path) = with(put);
        let source = open(folder.path());
        let error = refused(&source).await;
        assert!(
            matches!(&error, Error::NotAFile { path, found } if path.ends_with(BUNDLES) && *found == kind),
            "{error}"
        );

        if path.is_dir() {
            fs::remove_dir(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        fs::write(&path, BUNDLE).unwrap();
        assert_eq!(read_all(&source).await.counts().bundles, 1, "{kind}");

        // The same again, in the place of a file that was read already.
        fs::remove_file(&path).unwrap();
        put(&path);
        assert!(matches!(refused(&source).await, Error::NotAFile { .. }));
    }
}

#[tokio::test]
async fn links_that_lead_round_in_circles_or_nowhere_are_errors_and_one_to_a_file_is_a_file() {
    let (folder, path) = with(|path| std::os::unix::fs::symlink(path, path).unwrap());
    let source = open(folder.path());
    let error = refused(&source).await;
    assert!(matches!(&error, Error::Read { path, .. } if path.ends_with(BUNDLES)), "{error}");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(folder.path().join("kept"), &path).unwrap();
    assert!(matches!(refused(&source).await, Error::MissingFile { .. }));
    fs::write(folder.path().join("kept"), BUNDLE).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 1);
}

#[tokio::test]
async fn a_folder_may_go_and_come_back() {
    let folder = small(BUNDLE, None);
    let (here, away) = (folder.path().join("here"), folder.path().join("away"));
    fs::create_dir(&here).unwrap();
    for name in [PROVIDER_SERVICES, PROVIDERS, BUNDLES] {
        fs::copy(folder.path().join(name), here.join(name)).unwrap();
    }
    let source = open(&here);
    assert_eq!(source.counts().await.unwrap().bundles, 1);
    fs::rename(&here, &away).unwrap();
    assert!(matches!(refused(&source).await, Error::MissingFile { .. }));
    fs::write(&here, "a file").unwrap();
    assert!(matches!(refused(&source).await, Error::Read { .. }));
    fs::remove_file(&here).unwrap();
    fs::rename(&away, &here).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 1);
}

// === files that do not answer ===

/// Holds up every read of a file until it is dropped.
struct HeldUp(String);

impl HeldUp {
    fn file(path: &Path) -> Self {
        let point = format!("source::read {}", path.display());
        fail::cfg(&point, "pause").unwrap();
        Self(point)
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        fail::remove(&self.0);
    }
}

fn impatient(folder: &Path) -> Folder {
    open_with(folder, settings::Source { read_timeout_ms: 100, ..settings::Source::default() })
}

#[tokio::test]
async fn a_file_that_does_not_answer_fails_every_call_and_the_folder_heals_when_it_does() {
    let folder = small(BUNDLE, None);
    let path = folder.path().join(BUNDLES);
    let source = impatient(folder.path());
    assert_eq!(source.counts().await.unwrap().bundles, 1);
    for _ in 0..2 {
        let held_up = HeldUp::file(&path);
        let error = refused(&source).await;
        assert!(matches!(&error, Error::NoAnswer { path, .. } if path.ends_with(BUNDLES)), "{error}");
        // Many calls at once end too, and none waits for the other's time.
        let calls = futures::future::join_all((0..50).map(|_| source.counts()));
        assert!(calls.await.iter().all(Result::is_err));
        drop(held_up);
        assert_eq!(source.counts().await.unwrap().bundles, 1);
    }
}

#[tokio::test]
async fn a_file_put_in_the_place_of_one_that_never_answers_heals_the_folder() {
    let folder = small(BUNDLE, None);
    let path = folder.path().join(BUNDLES);
    std::os::unix::fs::symlink(folder.path().join("of-a-dead-server"), folder.path().join("link")).unwrap();
    fs::rename(&path, folder.path().join("of-a-dead-server")).unwrap();
    fs::rename(folder.path().join("link"), &path).unwrap();
    // The read of an open file hangs, as on a mount whose server went away after it was opened.
    let source = impatient(folder.path());
    let snapshot = source.snapshot().await.unwrap();
    let held_up = HeldUp::file(&path);
    assert!(matches!(snapshot.content().await, Err(Error::NoAnswer { .. })));
    drop(held_up);
    fs::remove_file(&path).unwrap();
    fs::write(&path, [BUNDLE, "{\"id\":\"b2\",\"provider_id\":\"p1\"}\n"].concat()).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_does_not_answer_is_not_waited_for_when_it_is_opened() {
    let folder = small(BUNDLE, None);
    let settings = settings::Source {
        url: format!("file://{}", folder.path().display()),
        read_timeout_ms: 100,
        ..settings::Source::default()
    };
    let held_up = HeldUp::file(folder.path());
    for _ in 0..3 {
        let error = crate::open(&settings).err().unwrap();
        assert!(matches!(error, Error::NoAnswer { .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Unavailable);
    }
    drop(held_up);
    assert_eq!(crate::open(&settings).unwrap().counts().await.unwrap().bundles, 1);
}

// === compressed files ===

#[tokio::test]
async fn compressed_files_give_the_same_documents_and_tags_as_plain_ones() {
    let source = Generator::from_query("services=3&providers=30&bundles=4&fields=9&seed=3").unwrap();
    let plain = tempfile::tempdir().unwrap();
    to_folder(&source, plain.path(), Shape::Separate).await.unwrap();
    let expected = read_all(&open(plain.path())).await;
    let (service, ids): (ServiceId, Vec<ProviderId>) = {
        let service = expected.services.keys().next().unwrap().clone();
        (
            service.clone(),
            expected.providers.keys().filter(|(id, _)| *id == service).map(|(_, id)| id.clone()).collect(),
        )
    };
    let tags = open(plain.path()).subtrees(&service, &ids).await.unwrap();
    for (pack, ending) in [(gzip as fn(&[u8]) -> Vec<u8>, "gz"), (zstd, "zst")] {
        let packed = tempfile::tempdir().unwrap();
        for name in [PROVIDER_SERVICES, PROVIDERS, BUNDLES, SUBSCRIPTION_FIELDS] {
            let text = fs::read(plain.path().join(name)).unwrap();
            fs::write(packed.path().join(format!("{name}.{ending}")), pack(&text)).unwrap();
        }
        let source = open(packed.path());
        assert_eq!(read_all(&source).await, expected);
        assert_eq!(source.counts().await.unwrap(), expected.counts());
        assert_eq!(source.subtrees(&service, &ids).await.unwrap(), tags);
        let known = tags.iter().map(|tag| Known { provider_id: tag.provider_id.clone(), etag: tag.etag.unwrap() });
        assert_eq!(source.unchanged(&service, known.collect()).await.unwrap(), ids);
    }
}

#[tokio::test]
async fn places_name_the_file_that_is_there() {
    let folder = small("", None);
    fs::remove_file(folder.path().join(BUNDLES)).unwrap();
    fs::remove_file(folder.path().join(PROVIDERS)).unwrap();
    fs::write(folder.path().join("bundles.jsonl.gz"), gzip([BUNDLE, "{\"id\":"].concat().as_bytes())).unwrap();
    let providers = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n{\"id\":\"p1\",\"service_id\":\"s1\"}\n";
    fs::write(folder.path().join("providers.jsonl.zst"), zstd(providers.as_bytes())).unwrap();
    let source = open(folder.path());
    let all = read_all(&source).await;
    assert_eq!(
        all.faults(),
        ["providers.jsonl.zst:2 DuplicateId provider s1/p1/p1", "unreachable bundles.jsonl.gz:2 NotJson bundle ?/?/?"]
    );
    let subtrees = source.subtrees(&"s1".into(), &["p1".into()]).await.unwrap();
    let SubtreeContent::Rejected(faults) = &subtrees[0].content else { panic!("{subtrees:?}") };
    assert!(faults[0].reason.contains("providers.jsonl.zst:1"), "{}", faults[0].reason);
}

#[tokio::test]
async fn a_compressed_file_is_read_anew_when_it_changes_or_becomes_a_plain_one() {
    let folder = small(BUNDLE, None);
    let (plain, packed) = (folder.path().join(BUNDLES), folder.path().join("bundles.jsonl.gz"));
    let source = open(folder.path());
    assert_eq!(source.counts().await.unwrap().bundles, 1);
    fs::write(&packed, gzip(b"")).unwrap();
    let error = refused(&source).await;
    assert!(matches!(&error, Error::TwoFiles { one: BUNDLES, other: "bundles.jsonl.gz", .. }), "{error}");
    fs::remove_file(&plain).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 0);
    fs::write(&packed, gzip(BUNDLE.as_bytes())).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 1);
    fs::rename(&packed, folder.path().join("bundles.jsonl.zst")).unwrap();
    let error = refused(&source).await;
    assert!(matches!(&error, Error::Packed { path, .. } if path.ends_with("bundles.jsonl.zst")), "{error}");
    fs::write(folder.path().join("bundles.jsonl.zst"), zstd(BUNDLE.as_bytes())).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 1);
}

#[tokio::test]
async fn a_compressed_file_that_was_cut_off_or_is_empty_is_an_error_and_never_a_shorter_file() {
    let folder = small("", None);
    fs::remove_file(folder.path().join(BUNDLES)).unwrap();
    let whole = gzip(BUNDLE.repeat(1_000).as_bytes());
    for cut in [0, 5, whole.len() / 2, whole.len() - 1] {
        fs::write(folder.path().join("bundles.jsonl.gz"), &whole[..cut]).unwrap();
        let error = open(folder.path()).counts().await.unwrap_err();
        assert!(matches!(error, Error::Packed { .. }), "{cut}: {error}");
    }
}

#[tokio::test]
async fn what_is_unpacked_goes_where_the_settings_say() {
    let folder = small("", None);
    fs::rename(folder.path().join(BUNDLES), folder.path().join("unused")).unwrap();
    fs::write(folder.path().join("bundles.jsonl.gz"), gzip(BUNDLE.as_bytes())).unwrap();
    let spool = folder.path().join("spool");
    let settings = settings::Source { spool_dir: Some(spool.clone()), ..settings::Source::default() };
    let source = open_with(folder.path(), settings);
    let error = source.counts().await.unwrap_err();
    assert!(matches!(&error, Error::Spool { folder, .. } if Path::new(folder) == spool), "{error}");
    fs::create_dir(&spool).unwrap();
    assert_eq!(source.counts().await.unwrap().bundles, 1);
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0, "it has no name");
}

#[tokio::test]
async fn a_compressed_file_is_unpacked_for_longer_than_one_read_may_take() {
    let folder = small("", None);
    fs::remove_file(folder.path().join(BUNDLES)).unwrap();
    // Does not compress, so it is read in several pieces.
    let text: String = (0..60_000_u64)
        .map(|n| {
            format!(
                "{{\"id\":\"b{n}\",\"provider_id\":\"p1\",\"x\":\"{:x}\"}}\n",
                n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            )
        })
        .collect();
    let path = folder.path().join("bundles.jsonl.gz");
    fs::write(&path, gzip(text.as_bytes())).unwrap();
    let point = format!("source::read {}", path.display());
    fail::cfg(&point, "sleep(120)").unwrap();
    let source = open_with(folder.path(), settings::Source { read_timeout_ms: 1_000, ..settings::Source::default() });
    let begun = std::time::Instant::now();
    assert_eq!(source.counts().await.unwrap().bundles, 60_000);
    let took = begun.elapsed();
    fail::remove(&point);
    assert!(took > Duration::from_millis(1_000), "the test must take longer than one read may: {took:?}");
}
