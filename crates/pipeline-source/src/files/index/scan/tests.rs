use proptest::prelude::*;

use super::in_parts;
use crate::{
    files::{
        BUNDLES,
        collection::{Collection, Place, Text},
        ranges::Group,
    },
    testing::folder,
};

/// What the ranges of three groups hold, as `group number text`, and how many lines each part has seen.
fn lines_of_groups(file: &Collection, most: u64) -> (Vec<String>, Vec<u32>) {
    let group = |seen: &mut u32, line: &[u8]| {
        *seen += 1;
        Group::from(line[0] % 3)
    };
    let (ranges, seen) = in_parts(file, most, || 0, group).unwrap();
    let mut lines = Vec::new();
    for range in [0, 1, 2].into_iter().flat_map(|group| ranges.of(group)) {
        let each = |place: Place, text: Text<'_>| match text {
            Text::Whole(text) => lines.push(format!("{} {} {text:?}", range.group(), place.line)),
            Text::TooLong(_) => panic!("no line is"),
        };
        file.read(*range, each).unwrap();
    }
    (lines, seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_in_parts_is_the_file(
        lines in prop::collection::vec("[a-f]{1,3}|[a-f]{20,60}|[ ]{0,2}", 0..40),
        mark in any::<bool>(),
        line_end in any::<bool>(),
        most in 1_u64..9,
    ) {
        let mut text = lines.join("\n");
        text.insert_str(0, if mark { "\u{FEFF}" } else { "" });
        text.push_str(if line_end { "\n" } else { "" });
        let folder = folder(&[(BUNDLES, text.as_bytes())]);
        let file = Collection::open(folder.path(), BUNDLES).unwrap().unwrap();

        let parts = file.parts(most).unwrap();
        prop_assert!(!parts.is_empty() && parts.len() as u64 <= most);
        prop_assert_eq!((parts[0].start, parts[parts.len() - 1].end), (0, u64::MAX));
        prop_assert!(parts.windows(2).all(|two| two[0].end == two[1].start));
        prop_assert!(parts.iter().all(|part| part.start < part.end));
        for part in &parts[1..] {
            prop_assert_eq!(text.as_bytes()[part.start as usize - 1], b'\n');
        }

        let (in_parts, seen) = lines_of_groups(&file, most);
        let (at_once, all) = lines_of_groups(&file, 1);
        prop_assert_eq!(in_parts, at_once);
        prop_assert_eq!(seen.len(), parts.len());
        prop_assert_eq!(seen.iter().sum::<u32>(), all[0]);
    }
}
