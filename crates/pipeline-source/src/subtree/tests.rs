use pipeline_settings::settings::{BundleFields, SubscriptionFieldFields};

use super::*;
use crate::mapping;

fn bundle(id: &str, fields: &str) -> Result<Bundle, Vec<Violation>> {
    let document = format!(r#"{{"id":"{id}","provider_id":"p","subscription_fields":[{fields}]}}"#);
    mapping::bundle(document.as_bytes(), &BundleFields::default(), &SubscriptionFieldFields::default())
}

fn field(bundle_id: &str, id: &str) -> Result<FieldDocument, Violation> {
    let document = format!(r#"{{"id":"{id}","bundle_id":"{bundle_id}"}}"#);
    mapping::field(document.as_bytes(), &SubscriptionFieldFields::default())
}

fn built(add: impl FnOnce(&mut Builder<'_, u32>)) -> SubtreeContent {
    let (service, provider) = (ServiceId::from("s"), ProviderId::from("p"));
    let mut builder = Builder::new(&service, &provider);
    add(&mut builder);
    builder.finish()
}

#[test]
fn separate_fields_follow_the_nested_ones_and_all_are_in_order_of_position_and_id() {
    let content = built(|builder| {
        builder.bundle(bundle("b2", r#"{"id":"z","position":1},{"id":"y","position":1},{"id":"x","position":0}"#), 1);
        builder.bundle(bundle("B1", ""), 2);
        builder.field(field("b2", "s1"), 3);
        builder.field(field("b2", "s2"), 4);
    });
    let SubtreeContent::Complete(bundles) = content else { panic!("{content:?}") };
    let ids: Vec<&str> = bundles.iter().map(|bundle| bundle.id.as_str()).collect();
    assert_eq!(ids, ["B1", "b2"]);
    let fields: Vec<_> = bundles[1].fields.iter().map(|field| (field.position, field.id.as_str())).collect();
    assert_eq!(fields, [(0, "x"), (1, "y"), (1, "z"), (3, "s1"), (4, "s2")]);
}

#[test]
fn a_second_bundle_or_field_with_an_id_rejects_the_provider_at_its_place() {
    let content = built(|builder| {
        builder.bundle(bundle("b", r#"{"id":"f"},{"id":"f"}"#), 1);
        builder.bundle(bundle("c", r#"{"id":"f"}"#), 2);
        builder.bundle(bundle("b", ""), 3);
        builder.field(field("c", "f"), 4);
    });
    let SubtreeContent::Rejected(faults) = content else { panic!("{content:?}") };
    let told: Vec<_> = faults.iter().map(|fault| (fault.level, fault.code, fault.place.as_str())).collect();
    let (bundle, field) = (Level::Bundle, Level::SubscriptionField);
    let code = FaultCode::DuplicateId;
    assert_eq!(told, [(bundle, code, "3"), (field, code, "1"), (field, code, "4")]);
}

#[test]
fn bundles_are_told_apart_however_many_there_are() {
    let bundles = FEW as u32 * 2;
    for again in [0, FEW as u32 - 1, FEW as u32, bundles - 1] {
        let content = built(|builder| {
            (0..bundles).for_each(|line| builder.bundle(bundle(&format!("b{line}"), ""), line));
            builder.field(field(&format!("b{again}"), "f"), bundles);
            builder.bundle(bundle(&format!("b{again}"), ""), bundles + 1);
        });
        let SubtreeContent::Rejected(faults) = content else { panic!("{content:?}") };
        let expected = format!("the bundle `b{again}` of this provider stands in {again} too");
        assert_eq!(faults.iter().map(|fault| &fault.reason).collect::<Vec<_>>(), [&expected]);
    }
}

#[test]
fn faults_beyond_the_bound_are_counted() {
    let content = built(|builder| (0..250).for_each(|line| builder.bundle(bundle("", ""), line)));
    let SubtreeContent::Rejected(faults) = content else { panic!("{content:?}") };
    assert_eq!(faults.len(), MAX_FAULTS);
    assert!(faults[99].reason.ends_with("(and 150 more faults below this provider)"), "{}", faults[99]);
}
