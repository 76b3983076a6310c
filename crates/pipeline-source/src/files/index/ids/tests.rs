use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Ids that often share a beginning, are a part of another, or are equal.
fn ids() -> impl Strategy<Value = Vec<(Group, String)>> {
    let id = prop_oneof![
        "[ab]{1,3}",
        Just("p".to_owned()),
        Just("p-0".to_owned()),
        Just("p-00".to_owned()),
        Just("é🥝".to_owned()),
        Just("\0".to_owned()),
        Just("x".repeat(1_020)),
    ];
    prop::collection::vec((0..4_u32, id), 0..60)
}

fn built(ids: &[(Group, String)]) -> Ids {
    let mut builder = IdsBuilder::default();
    for ((parent, id), line) in ids.iter().zip(1..) {
        builder.add(*parent, id, line).unwrap();
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_answers_like_a_map_of_the_ids(ids in ids(), unknown in "[abp]{0,2}") {
        let mut lines: HashMap<(Group, &str), Vec<u32>> = HashMap::new();
        for ((parent, id), line) in ids.iter().zip(1..) {
            lines.entry((*parent, id.as_str())).or_default().push(line);
        }
        let table = built(&ids);
        prop_assert_eq!(table.len(), lines.len());
        for id in ids.iter().map(|(_, id)| id.as_str()).chain([unknown.as_str()]) {
            let parents: Vec<Group> = (0..5).filter(|parent| lines.contains_key(&(*parent, id))).collect();
            for parent in 0..5 {
                let entry = table.find(parent, id).and_then(|number| table.entry(number));
                let expected = lines.get(&(parent, id)).map(|lines| {
                    Entry { id, line: lines[0], repeated_on: lines.get(1).copied() }
                });
                prop_assert_eq!(entry, expected);
            }
            let alone = match parents[..] {
                [] => ORPHAN,
                [only] => table.find(only, id).unwrap(),
                _ => AMBIGUOUS,
            };
            prop_assert_eq!(table.find_alone(id), alone);
            for parent in &parents {
                prop_assert_eq!(table.is_shared(table.find(*parent, id).unwrap()), parents.len() > 1);
            }
        }
    }
}

#[test]
fn no_number_but_those_of_the_table_is_known() {
    let table = built(&[(0, "a".to_owned()), (1, "a".to_owned())]);
    for number in [2, LAST, AMBIGUOUS, ORPHAN, Group::MAX] {
        assert_eq!(table.entry(number), None);
        assert!(!table.is_shared(number));
    }
    assert!(table.is_shared(0) && table.is_shared(1));
}

#[test]
fn an_id_costs_its_text_and_sixteen_bytes() {
    let ids: Vec<_> = (0..1_000).map(|number| (0, format!("provider-{number:07}"))).collect();
    assert_eq!(built(&ids).memory(), 1_000 * ("provider-0000000".len() + 16));
}
