use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;
use crate::{files::BUNDLES, testing::folder};

const ONE: &[u8] = b"{\"id\":\"b1\"}\n";
const OTHER: &[u8] = b"{\"id\":\"b2\"}\n{\"id\":\"b3\"}\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// What is read of a file with these bytes.
fn unpacked(bytes: &[u8], packing: Packing) -> Result<Vec<u8>, Error> {
    let folder = folder(&[(BUNDLES, bytes)]);
    let path: Arc<Path> = folder.path().join(BUNDLES).into();
    let (file, _) = Input::open(&path).unwrap().unwrap();
    let (text, length) = unpack(&file, packing, folder.path())?;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the spool has no name");
    let mut read = vec![0; usize::try_from(length).unwrap()];
    text.read_exact_at(&mut read, 0).unwrap();
    assert_eq!(text.read_at(&mut [0], length).unwrap(), 0);
    Ok(read)
}

fn is_damaged(bytes: &[u8], packing: Packing) -> bool {
    match unpacked(bytes, packing) {
        Ok(_) => false,
        Err(Error::Packed { path, .. }) => path.ends_with(BUNDLES),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn all_members_and_frames_are_read_to_the_end() {
    let all = [ONE, OTHER].concat();
    for (pack, packing) in [(gzip as fn(&[u8]) -> Vec<u8>, Packing::Gzip), (zstd, Packing::Zstd)] {
        assert_eq!(unpacked(&pack(&all), packing).unwrap(), all);
        assert_eq!(unpacked(&[pack(ONE), pack(b""), pack(OTHER)].concat(), packing).unwrap(), all);
        assert_eq!(unpacked(&pack(b""), packing).unwrap(), b"");
    }
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&all)].concat();
    assert_eq!(unpacked(&skippable, Packing::Zstd).unwrap(), all);
    assert_eq!(unpacked(&all, Packing::None).unwrap(), all);
}

#[test]
fn a_stream_that_is_longer_than_any_buffer_is_read_whole() {
    let text: Vec<u8> = (0..400_000_u32).flat_map(|line| format!("{{\"id\":\"b{line}\"}}\n").into_bytes()).collect();
    assert!(text.len() > 20 * CHUNK);
    assert!(unpacked(&gzip(&text), Packing::Gzip).unwrap() == text);
    assert!(unpacked(&zstd(&text), Packing::Zstd).unwrap() == text);
}

#[test]
fn a_stream_that_was_cut_off_anywhere_is_an_error_and_never_a_shorter_one() {
    for (pack, packing) in [(gzip as fn(&[u8]) -> Vec<u8>, Packing::Gzip), (zstd, Packing::Zstd)] {
        let first = pack(ONE);
        let whole = [first.clone(), pack(OTHER)].concat();
        for cut in (0..whole.len()).filter(|cut| *cut != first.len()) {
            assert!(is_damaged(&whole[..cut], packing), "{packing:?} cut off at {cut} of {}", whole.len());
        }
    }
}

#[test]
fn any_changed_byte_of_the_content_and_anything_behind_the_end_is_an_error() {
    for (pack, packing, header) in [(gzip as fn(&[u8]) -> Vec<u8>, Packing::Gzip, 10), (zstd, Packing::Zstd, 6)] {
        let whole = pack(OTHER);
        for place in header..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            // A change that the format gives no meaning to leaves the text as it was.
            assert!(unpacked(&changed, packing).map_or(true, |text| text == OTHER), "{packing:?} changed at {place}");
        }
        for garbage in [&b"x"[..], b"\0\0\0\0", b"{\"id\":\"b4\"}\n", &whole[..3]] {
            assert!(is_damaged(&[&whole, garbage].concat(), packing), "{packing:?} with {garbage:?} behind it");
        }
        assert!(is_damaged(OTHER, packing));
    }
}

#[test]
fn a_folder_that_cannot_take_what_is_unpacked_is_named() {
    let folder = folder(&[(BUNDLES, &gzip(ONE))]);
    let path: Arc<Path> = folder.path().join(BUNDLES).into();
    let (file, _) = Input::open(&path).unwrap().unwrap();
    let nowhere = folder.path().join("nowhere");
    let error = unpack(&file, Packing::Gzip, &nowhere).unwrap_err();
    assert!(matches!(error, Error::Spool { .. }), "{error}");
    assert!(error.to_string().contains("nowhere") && error.to_string().contains("spool_dir"), "{error}");
}

#[test]
fn a_full_disk_is_told_from_a_damaged_file() {
    let folder = folder(&[(BUNDLES, &gzip(ONE))]);
    let path: Arc<Path> = folder.path().join(BUNDLES).into();
    let (file, _) = Input::open(&path).unwrap().unwrap();
    // Writes to it end as on a disk without space.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let error = into_spool(&file, Packing::Gzip, Spool::over(full, &file, folder.path())).unwrap_err();
    let Error::Spool { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
}
