//! Bytes that nobody would write on purpose.

use proptest::prelude::*;

use super::*;

/// Lines that are nearly right, so that every way through the code is taken.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let id =
        prop_oneof![Just("\"a\""), Just("\"b\""), Just("\"\""), Just("1"), Just("null"), Just("[{}]"), Just("1e999")];
    let key = prop_oneof![
        Just("id"),
        Just("service_id"),
        Just("provider_id"),
        Just("bundle_id"),
        Just("name"),
        Just("position"),
        Just("subscription_fields"),
    ];
    let members = prop::collection::vec((key, id), 0..6);
    let object = members.prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(key, id)| format!("\"{key}\":{id}")).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    });
    let cut = (object.clone(), any::<prop::sample::Index>())
        .prop_map(|(object, at)| object.get(..at.index(object.len())).unwrap_or_default().to_vec());
    prop_oneof![4 => object, 1 => cut, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..12).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_and_every_answer_ends(files in [file(), file(), file(), file()]) {
        let names = [PROVIDER_SERVICES, PROVIDERS, BUNDLES, SUBSCRIPTION_FIELDS];
        let files: Vec<_> = names.into_iter().zip(files.iter().map(Vec::as_slice)).collect();
        let folder = folder(&files);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let first = runtime.block_on(read(&folder));
        prop_assert_eq!(&first, &runtime.block_on(read(&folder)));
    }
}
