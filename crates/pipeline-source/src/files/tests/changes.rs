//! Who knows the tag of a content is told whether it still holds.

use pipeline_model::documents::{Etag, Known};

use super::*;

const BUNDLE: &str = "{\"id\":\"b1\",\"provider_id\":\"p1\",\"name\":\"old\"}\n";
const OTHER: &str = "{\"id\":\"b2\",\"provider_id\":\"p1\"}\n";

/// Whether the folder says that `p1` is unchanged to one who knows it by this tag.
async fn is_unchanged(folder: &TempDir, etag: Etag) -> bool {
    let known = Known { provider_id: "p1".into(), etag };
    let unchanged = open(folder.path()).unchanged(&"s1".into(), vec![known]).await.unwrap();
    assert!(unchanged.iter().all(|id| id.as_str() == "p1") && unchanged.len() <= 1, "{unchanged:?}");
    !unchanged.is_empty()
}

/// `p1` of the folder.
async fn subtree(folder: &TempDir) -> Subtree {
    let mut subtrees = open(folder.path()).subtrees(&"s1".into(), &["p1".into()]).await.unwrap();
    assert_eq!(subtrees.len(), 1);
    subtrees.remove(0)
}

/// The tag of `p1` in a folder with these bundles and fields.
async fn tag(bundles: &str, fields: Option<&str>) -> Etag {
    subtree(&small(bundles, fields)).await.etag.unwrap()
}

#[tokio::test]
async fn the_same_lines_have_the_same_tag_and_others_have_not() {
    let known = tag(&format!("{BUNDLE}{OTHER}"), None).await;

    let elsewhere = "{\"id\":\"b3\",\"provider_id\":\"p2\"}\n";
    let same = small(&format!("{OTHER}\n{elsewhere}{BUNDLE}"), None);
    assert!(is_unchanged(&same, known).await, "other lines and another order change nothing");
    assert_eq!(subtree(&same).await.etag, Some(known));

    let changed = small(&format!("{BUNDLE}{OTHER}").replace("old", "new"), None);
    assert!(!is_unchanged(&changed, known).await);
    let Subtree { content, etag, .. } = subtree(&changed).await;
    assert!(matches!(&content, SubtreeContent::Complete(bundles) if bundles[0].name.as_deref() == Some("new")));
    assert!(etag.is_some() && etag != Some(known));
}

#[tokio::test]
async fn fields_of_a_collection_of_their_own_count_in_their_order() {
    let field = |id: &str| format!("{{\"id\":\"{id}\",\"bundle_id\":\"b1\"}}\n");
    let known = tag(BUNDLE, Some(&format!("{}{}", field("x"), field("y")))).await;
    for fields in [field("x"), format!("{}{}", field("y"), field("x")), String::new()] {
        assert_ne!(tag(BUNDLE, Some(&fields)).await, known, "{fields}");
    }
    let same = small(BUNDLE, Some(&format!("{}{}", field("x"), field("y"))));
    assert!(is_unchanged(&same, known).await);
}

#[tokio::test]
async fn a_tag_does_not_hide_that_a_provider_is_gone_or_stands_twice() {
    let known = tag(BUNDLE, None).await;
    let folder = small(BUNDLE, None);
    let services = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n";
    fs::write(folder.path().join(PROVIDERS), services.repeat(2)).unwrap();
    assert!(!is_unchanged(&folder, known).await);
    assert!(matches!(subtree(&folder).await.content, SubtreeContent::Rejected(_)));
    fs::write(folder.path().join(PROVIDERS), services.replace("p1", "p3")).unwrap();
    assert!(!is_unchanged(&folder, known).await);
    assert_eq!(subtree(&folder).await.content, SubtreeContent::Vanished);
}
