use super::{Kind, count, provider, service};
use crate::{CopiedProvider, CopiedService, digest};
use pipeline_model::{
    documents::{Attributes, Bundle, DataType, Provider, Service, SubscriptionField},
    ids::Generation,
};

fn field(id: &str) -> SubscriptionField {
    SubscriptionField {
        id: id.into(),
        name: None,
        value: Some("1.50".into()),
        data_type: DataType::Number,
        required: Some(true),
        position: 0,
        attributes: Attributes::empty(),
    }
}

fn bundle(id: &str) -> Bundle {
    Bundle {
        id: id.into(),
        name: Some("B".into()),
        attributes: Attributes::empty(),
        source_cas: None,
        fields: vec![field("f1"), field("f2")],
    }
}

fn document() -> Provider {
    Provider {
        service_id: "s".into(),
        id: "p".into(),
        name: Some("P".to_owned()),
        attributes: Attributes::empty(),
        source_cas: None,
    }
}

/// A provider as it would be copied.
fn copy(bundles: &[Bundle]) -> CopiedProvider {
    CopiedProvider {
        provider_id: "p".into(),
        name: Some("P".to_owned()),
        attributes: Attributes::empty(),
        digest: digest::of_row(Some("P"), &Attributes::empty()).to_vec(),
        content_id: 1,
        content_digest: digest::of(bundles).to_vec(),
        counted: count(bundles),
        bundles: bundles.to_vec(),
        damage: Vec::new(),
    }
}

/// What is found after a change to the copy: kind, path, what.
fn found(change: impl FnOnce(&mut CopiedProvider)) -> Vec<(Kind, String, String)> {
    let bundles = [bundle("b1"), bundle("b2")];
    let mut copied = copy(&bundles);
    change(&mut copied);
    let differences = provider(&"s".into(), &document(), &bundles, &copied);
    differences.into_iter().map(|each| (each.kind, each.path(), each.what.unwrap_or_default())).collect()
}

fn one(kind: Kind, path: &str, what: &str) -> Vec<(Kind, String, String)> {
    vec![(kind, path.to_owned(), what.to_owned())]
}

#[test]
fn a_faithful_copy_has_no_difference() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn every_planted_difference_is_named_with_its_place() {
    let changed = |what: &str| one(Kind::Changed, "s/p/b1/f2", what);
    let f2 = |copied: &mut CopiedProvider, change: fn(&mut SubscriptionField)| change(&mut copied.bundles[0].fields[1]);
    assert_eq!(
        found(|copied| f2(copied, |field| field.value = Some("1.5".into()))),
        changed(r#"value: source "1.50", copy "1.5""#)
    );
    assert_eq!(found(|copied| f2(copied, |field| field.value = None)), changed(r#"value: source "1.50", copy none"#));
    assert_eq!(
        found(|copied| f2(copied, |field| field.data_type = DataType::String)),
        changed(r#"data_type: source "number", copy "string""#)
    );
    assert_eq!(
        found(|copied| f2(copied, |field| field.required = None)),
        changed(r#"required: source "true", copy none"#)
    );
    assert_eq!(found(|copied| f2(copied, |field| field.position = 7)), changed(r#"position: source "0", copy "7""#));
    assert_eq!(
        found(|copied| copied.bundles[1].name = None),
        one(Kind::Changed, "s/p/b2", r#"name: source "B", copy none"#)
    );
    assert_eq!(found(|copied| copied.name = None), one(Kind::Changed, "s/p", r#"name: source "P", copy none"#));
}

#[test]
fn rows_that_are_missing_or_extra_are_named_and_the_count_is_damaged() {
    let kinds = |found: Vec<(Kind, String, String)>| -> Vec<(Kind, String)> {
        found.into_iter().map(|(kind, path, _)| (kind, path)).collect()
    };
    assert_eq!(
        kinds(found(|copied| drop(copied.bundles.remove(0)))),
        [(Kind::Damaged, "s/p".to_owned()), (Kind::Missing, "s/p/b1".to_owned())]
    );
    assert_eq!(
        kinds(found(|copied| copied.bundles[1].fields.push(field("f9")))),
        [(Kind::Damaged, "s/p".to_owned()), (Kind::Extra, "s/p/b2/f9".to_owned())]
    );
    assert_eq!(
        kinds(found(|copied| {
            copied.bundles.push(bundle("b3"));
            copied.counted = count(&copied.bundles);
        })),
        [(Kind::Extra, "s/p/b3".to_owned())]
    );
}

#[test]
fn an_order_or_a_stored_digest_that_is_wrong_is_found_too() {
    assert_eq!(
        found(|copied| copied.bundles.reverse()),
        one(Kind::Changed, "s/p", "the bundles or fields are the same in another order")
    );
    let stale = one(Kind::Damaged, "s/p", "the rows are right and the digest stored for them is not");
    assert_eq!(found(|copied| copied.content_digest = vec![0; 32]), stale);
    assert_eq!(found(|copied| copied.digest = vec![0; 32]), stale);
}

#[test]
fn what_a_document_says_cannot_write_on_the_terminal() {
    let copied = CopiedService {
        service_id: "s".into(),
        generation: Generation(1),
        name: Some("\u{1b}[2J".to_owned()),
        attributes: Attributes::empty(),
        digest: Vec::new(),
    };
    let document = Service { id: "s".into(), name: None, attributes: Attributes::empty(), source_cas: None };
    let what = service(&document, &copied).remove(0).what.unwrap();
    assert_eq!(what, r#"name: source none, copy "\u001b[2J""#);
}
