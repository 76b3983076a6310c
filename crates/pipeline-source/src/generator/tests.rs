use pipeline_model::documents::DataType;

use super::*;
use crate::testing::read_all;

fn generator(query: &str) -> Generator {
    Generator::from_query(query).unwrap()
}

#[tokio::test]
async fn the_documents_are_as_many_as_the_url_says() {
    for query in [
        "services=7&providers=50&bundles=3&fields=11&seed=9",
        "services=1&providers=1&bundles=0&fields=0",
        "services=3&providers=2&skew=1&bundles=1&fields=1",
        "services=3&providers=0&skew=1",
        "services=5&providers=0",
        "",
    ] {
        let source = generator(query);
        let all = read_all(&source).await;
        assert_eq!(all.counts(), source.counts().await.unwrap(), "{query}");
        assert_eq!(all.faults(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_same_url_gives_the_same_documents_and_another_seed_gives_others() {
    let read = async |query| read_all(&generator(query)).await;
    let first = read("providers=20&seed=1").await;
    assert_eq!(first, read("seed=1&providers=20").await);
    let other = read("providers=20&seed=2").await;
    assert_eq!(first.counts(), other.counts());
    assert_ne!(first.bundles, other.bundles);
}

#[tokio::test]
async fn a_revision_changes_the_content_of_exactly_the_share_asked_for() {
    let read = async |revision: u64| {
        let query = format!("services=7&providers=400&bundles=1&fields=1&changed_percent=2.5&revision={revision}");
        read_all(&generator(&query)).await
    };
    let changed = |a: &crate::testing::All, b: &crate::testing::All| {
        a.bundles.iter().filter(|(provider, bundles)| b.bundles.get(provider) != Some(bundles)).count()
    };
    let (first, second, third) = (read(1).await, read(2).await, read(3).await);
    assert_eq!(changed(&first, &second), 10);
    assert_eq!(changed(&second, &third), 10);
    assert_eq!(changed(&first, &third), 20);
    assert_eq!((&first.services, &first.providers), (&third.services, &third.providers));
}

#[tokio::test]
async fn a_skewed_source_has_one_large_service_and_one_large_provider() {
    let all = read_all(&generator("services=5&providers=101&bundles=1&fields=0&skew=1")).await;
    let first = documents::service_id(0);
    assert_eq!(all.providers.keys().filter(|(service, _)| *service == first).count(), 51);
    assert_eq!(all.bundles[&(first, documents::provider_id(0))].len(), 20_000);
}

#[tokio::test]
async fn every_type_of_value_and_unknown_fields_occur() {
    let all = read_all(&generator("providers=10&fields=9")).await;
    let fields: Vec<_> = all.bundles.values().flatten().flat_map(|bundle| &bundle.fields).collect();
    for data_type in [DataType::String, DataType::Number, DataType::Boolean, DataType::Null, DataType::Json] {
        assert!(fields.iter().any(|field| field.data_type == data_type), "{data_type:?}");
    }
    assert!(fields.iter().any(|field| field.attributes.as_str() != "{}"));
    for required in [None, Some(true), Some(false)] {
        assert!(fields.iter().any(|field| field.required == required), "{required:?}");
    }
}

#[tokio::test]
async fn ids_that_were_never_generated_have_nothing() {
    let source = generator("services=2&providers=4");
    let nobody = ServiceId::from("service-9999");
    assert_eq!(source.providers(&nobody).count().await, 0);
    let asked = ["provider-0000002", "provider-2", "provider-0000005", "x"].map(ProviderId::from);
    let subtrees = source.subtrees(&documents::service_id(0), &asked).await.unwrap();
    assert!(subtrees.iter().all(|subtree| subtree.content == SubtreeContent::Vanished));
}

#[test]
fn parameters_are_refused_by_name_with_what_was_expected() {
    for (query, expected) in [
        ("sevices=4", "unknown parameter `sevices`: did you mean `services`?"),
        ("latency=4", "did you mean `latency_ms`?"),
        ("services=many", "`services=many`: expected a number up to 1000000"),
        ("services=-1", "`services=-1`"),
        ("seed", "`seed=`"),
        ("skew=2", "expected 0 or 1"),
        ("changed_percent=101", "expected a number from 0 to 100"),
        ("changed_percent=NaN", "expected a number from 0 to 100"),
        ("revision=0", "expected a number from 1"),
        ("seed=1&seed=2", "expected it only once"),
        ("services=0", "at least 1"),
    ] {
        let message = Generator::from_query(query).unwrap_err().to_string();
        assert!(message.contains(expected), "{query}: {message}");
    }
}
