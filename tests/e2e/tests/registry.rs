//! A real registry and the embedded one do the same for the client.
#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

use futures::future::join_all;
use pipeline_core::registry::{EmbeddedRegistry, Error, Level, Registered, Registry, SchemaId};
use pipeline_model::{contracts, ids::RunId};
use pipeline_settings::settings::SchemaRegistry;
use testkit::registry::Registry as RealRegistry;

const INT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const TEXT: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

#[tokio::test]
async fn the_embedded_registry_keeps_the_promises_of_a_registry() {
    let embedded = EmbeddedRegistry::start("127.0.0.1:0").await.unwrap();
    keeps_the_promises_of_a_registry(&client(embedded.url())).await;
    embedded.shutdown().await;
}

#[tokio::test]
async fn a_real_registry_keeps_the_promises_of_a_registry() {
    keeps_the_promises_of_a_registry(&client(&RealRegistry::shared().url())).await;
}

#[tokio::test]
async fn a_schema_that_several_register_at_once_is_registered_once() {
    let registry = client(&RealRegistry::shared().url());
    let subject = contracts::subject(&format!("race-{}", RunId::new()));
    let registered = join_all((0..8).map(|_| registry.register(&subject, INT))).await;
    let ids: Vec<SchemaId> = registered.into_iter().map(|registered| registered.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(registry.versions(&subject).await.unwrap(), [1]);
}

fn client(url: &str) -> Registry {
    Registry::new(&SchemaRegistry { url: url.to_owned(), ..Default::default() }).unwrap()
}

/// What any registry has to do for us.
async fn keeps_the_promises_of_a_registry(registry: &Registry) {
    registry.ping().await.unwrap();
    // A name of its own: deleting a subject does not make a real registry forget it.
    let subject = contracts::subject(&format!("client-test-{}", RunId::new()));
    assert_eq!(registry.lookup(&subject, INT).await.unwrap(), None);
    assert_eq!(registry.versions(&subject).await.unwrap(), [0; 0]);
    assert_eq!(registry.version(&subject, None).await.unwrap(), None);
    assert!(registry.check_compatible(&subject, INT).await.unwrap().compatible);

    registry.set_level(&subject, Level::FullTransitive).await.unwrap();
    let first = registry.register(&subject, INT).await.unwrap();
    assert!(!first.already && first.version == 1);
    let again = registry.register(&subject, &INT.replace(',', " ,\n ")).await.unwrap();
    assert_eq!(again, Registered { already: true, ..first });
    assert_eq!(registry.lookup(&subject, INT).await.unwrap(), Some(first.id));
    assert_eq!(registry.lookup(&subject, TEXT).await.unwrap(), None);
    assert_eq!(registry.level(&subject).await.unwrap(), Level::FullTransitive);
    assert_eq!(registry.versions(&subject).await.unwrap(), [1]);
    assert_eq!(registry.version(&subject, None).await.unwrap().unwrap().id, first.id);
    assert_eq!(registry.version(&subject, Some(7)).await.unwrap(), None);
    assert!(registry.subjects().await.unwrap().contains(&subject));
    assert!(registry.by_id(first.id).await.unwrap().schema.canonical_form().contains("int"));

    let opinion = registry.check_compatible(&subject, TEXT).await.unwrap();
    assert!(!opinion.compatible && !opinion.messages.is_empty(), "{opinion:?}");
    let refused = registry.register(&subject, TEXT).await.unwrap_err();
    assert!(matches!(&refused, Error::Incompatible { .. }), "{refused}");
    let invalid = registry.register(&subject, r#"{"type":"nope"}"#).await.unwrap_err();
    assert!(matches!(&invalid, Error::InvalidSchema { .. }), "{invalid}");
    let unknown = registry.by_id(SchemaId(4_000_000)).await.unwrap_err();
    assert!(matches!(&unknown, Error::UnknownId { .. }), "{unknown}");
}
