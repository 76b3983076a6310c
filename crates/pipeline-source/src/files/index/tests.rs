use proptest::prelude::*;

use super::*;
use crate::{
    files::{PROVIDER_SERVICES, PROVIDERS},
    testing::folder,
};

const PROVIDER_IDS: [&str; 6] = [r#""p""#, r#""\u0070""#, r#""q""#, r#""r""#, "7", "\"\""];
const SERVICE_IDS: [&str; 5] = [r#""s1""#, r#""s2""#, r#""s3""#, "null", "7"];

/// Two services which both have `p`; `q` is of one of them, `r` of none.
fn hierarchy() -> Hierarchy {
    let providers = "{\"id\":\"p\",\"service_id\":\"s1\"}\n{\"id\":\"p\",\"service_id\":\"s2\"}\n\
        {\"id\":\"q\",\"service_id\":\"s2\"}\n";
    let folder =
        folder(&[(PROVIDER_SERVICES, b"{\"id\":\"s1\"}\n{\"id\":\"s2\"}\n"), (PROVIDERS, providers.as_bytes())]);
    let open = |name| Collection::open(folder.path(), name).unwrap().unwrap();
    Hierarchy::build(&open(PROVIDER_SERVICES), &open(PROVIDERS), &Mapping::default()).unwrap()
}

fn seen(texts: &'static [&'static str]) -> impl Strategy<Value = Seen<'static>> {
    prop_oneof![
        4 => prop::sample::select(texts).prop_map(Seen::Once),
        1 => Just(Seen::Absent),
        1 => Just(Seen::Uncertain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_line_before_named_changes_no_answer(
        lines in prop::collection::vec((seen(&PROVIDER_IDS), seen(&SERVICE_IDS)), 0..40),
    ) {
        let (hierarchy, mut last) = (hierarchy(), Last::default());
        for (provider_id, service_id) in lines {
            let answer = last.or_named(&hierarchy, provider_id, service_id);
            prop_assert_eq!(answer, hierarchy.provider_named(provider_id, service_id));
        }
    }
}

#[test]
fn a_provider_is_found_below_its_service_only() {
    let hierarchy = hierarchy();
    let services = ["s1", "s2"].map(|id| hierarchy.service(id).unwrap());
    let lines = services.map(|service| hierarchy.provider(service, "p").and_then(|p| hierarchy.provider_entry(p)));
    assert_eq!(lines.map(|entry| entry.unwrap().line), [1, 2]);
    assert_eq!(hierarchy.provider(services[0], "q"), None);
    assert_eq!(hierarchy.service("p"), None);
}
