//! Rows that are not what a statement ought to give, and rows that do not come.

use pipeline_model::disposition::{Classify, Disposition};
use testkit::couchbase::{Misbehaviour, Service};

use super::*;
use crate::Error;

const ORDER: &str = "META(d).id > $after ORDER BY META(d).id LIMIT $limit";

fn faults<T: std::fmt::Debug>(found: Vec<Found<T>>) -> (usize, Vec<String>) {
    let all = found.len();
    let faults = found.into_iter().filter_map(|found| match found {
        Found::Fault(fault) => Some(fault.to_string()),
        Found::Document(_) => None,
    });
    let faults: Vec<_> = faults.collect();
    (all - faults.len(), faults)
}

/// A double with services whose documents are in `part` and whose keys are in `key`.
fn parts() -> CouchbaseDouble {
    let double = CouchbaseDouble::start(Options::default());
    for (key, document) in [
        ("1", r#"{"key":"1","part":{"id":"s1"},"name":"extra"}"#),
        ("2", r#"{"key":"2","part":"text"}"#),
        ("3", r#"{"key":"3","part":[{"id":"s3"}]}"#),
        ("4", r#"{"key":"4","part":null}"#),
        ("5", r#"{"key":"5"}"#),
        ("6", r#"{"part":{"id":"s6"}}"#),
        ("7", r#"{"key":7,"part":{"id":"s7"}}"#),
        ("8", r#"{"key":"8","part":{"id":"s8"}}"#),
    ] {
        double.set("provider_services", key, document);
    }
    double
}

async fn services(settings: &settings::Source) -> Result<(usize, Vec<String>), Error> {
    open(settings).services().try_collect::<Vec<_>>().await.map(faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_an_unexpected_shape_rejects_its_document_and_no_other() {
    let double = parts();
    let mut settings = settings(&double);
    let select = |id: &str, more: &str| {
        format!(
            "SELECT {id} AS _id, META(d).cas AS _cas, d.`part` AS doc{more} FROM `provider_services` AS d WHERE {ORDER}"
        )
    };
    for page_size in [3, 500] {
        settings.couchbase.page_size = page_size;
        settings.couchbase.statements.provider_services = select("META(d).id", ", d.`name` AS extra");
        let (sound, faults) = services(&settings).await.unwrap();
        assert_eq!((sound, faults.len()), (4, 4), "{faults:#?}");
        for (fault, says) in faults.iter().zip([
            "provider_services/2: the document is a string, not an object",
            "provider_services/3: the document is an array, not an object",
            "provider_services/4: the row has no `doc`",
            "provider_services/5: the row has no `doc`",
        ]) {
            assert!(fault.contains(says), "{fault}");
        }

        settings.couchbase.statements.provider_services = select("d.`key`", "");
        let (sound, mut faults) = services(&settings).await.unwrap();
        // A page that ends without a key begins again behind the last one.
        faults.dedup();
        assert_eq!((sound, faults.len()), (2, 6), "{faults:#?}");
        assert!(faults[4].contains("provider_services/?: the row has no `_id`"), "{faults:#?}");
        assert!(faults[5].contains("provider_services/?: the `_id` of the row is not a text"), "{faults:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_cannot_be_read_page_by_page_is_an_error_and_stops_no_stage() {
    let double = parts();
    let mut settings = settings(&double);
    settings.couchbase.page_size = 3;
    for (statement, says) in [
        ("SELECT d.`part` AS doc FROM `provider_services` AS d WHERE ".to_owned() + ORDER, "no row with a key"),
        (
            "SELECT META(d).id AS _id, d AS doc FROM `provider_services` AS d WHERE META(d).id > \"\" \
             ORDER BY META(d).id LIMIT $limit"
                .to_owned(),
            "do not begin behind `$after`",
        ),
    ] {
        settings.couchbase.statements.provider_services = statement;
        let error = services(&settings).await.unwrap_err();
        assert!(matches!(&error, Error::Row { reason, .. } if reason.contains(says)), "{error}");
        assert_eq!(error.disposition(), Disposition::Retry);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_do_not_say_whose_they_are_reject_all_that_were_asked_for() {
    let (double, _folder) = generated("services=1&providers=2&bundles=1&fields=1&seed=1", Shape::Nested).await;
    let mut settings = settings(&double);
    let own = |collection: &str, field: &str| {
        let key = if collection == "providers" { "id" } else { "provider_id" };
        format!(
            "SELECT META(d).id AS _id, d.`{field}` AS doc FROM `{collection}` AS d \
             WHERE d.`service_id` = $service AND d.`{key}` IN $providers AND {ORDER}"
        )
    };
    let subtrees = async |settings: &settings::Source| {
        let ids = ["provider-0000001", "provider-0000002"].map(ProviderId::from);
        open(settings).subtrees(&ServiceId::from("service-0001"), &ids).await.unwrap()
    };
    settings.couchbase.statements.bundles = own("bundles", "name");
    let read = subtrees(&settings).await;
    settings.couchbase.statements.bundles.clear();
    settings.couchbase.statements.providers_by_id = own("providers", "name");
    for subtree in read.into_iter().chain(subtrees(&settings).await) {
        let faults = rejected(subtree.content);
        assert!(faults[0].contains("(SLUICE-DOCUMENT-003)"), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_documents_than_are_counted_are_an_error_to_try_again() {
    let (double, _folder) = generated("services=1&providers=20&bundles=1&fields=1&seed=1", Shape::Nested).await;
    let source = open(&settings(&double));
    let lost = async || source.unreachable().try_collect::<Vec<_>>().await;
    assert_eq!(lost().await.unwrap(), []);
    double.misbehave(Service::Query, Misbehaviour::Blind);
    let error = lost().await.unwrap_err();
    assert!(matches!(&error, Error::Fewer { read: 0, counted: 20, .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Retry);
    double.heal();
    assert_eq!(lost().await.unwrap(), []);

    // Documents that are gone since they were counted are missed by nobody.
    for key in double.keys("providers") {
        double.remove("providers", &key);
    }
    source.check_read("providers", 0).await.unwrap();
}
