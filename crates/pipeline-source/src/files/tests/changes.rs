//! Who knows the tag of a content is told so, and of everything else gets the content.

use pipeline_core::documents::{Changes, Etag, Known};

use super::*;

const BUNDLE: &str = "{\"id\":\"b1\",\"provider_id\":\"p1\",\"name\":\"old\"}\n";
const OTHER: &str = "{\"id\":\"b2\",\"provider_id\":\"p1\"}\n";

/// What the folder answers to one who knows `p1` by this tag.
async fn ask(folder: &TempDir, etag: Option<Etag>) -> Changes {
    let known = [Known { provider_id: "p1".into(), etag }];
    open(folder.path()).changes(&"s1".into(), &known).await.unwrap()
}

/// The tag of `p1` in a folder with these bundles and fields.
async fn tag(bundles: &str, fields: Option<&str>) -> Option<Etag> {
    let changes = ask(&small(bundles, fields), None).await;
    assert_eq!((changes.read.len(), changes.unchanged.len()), (1, 0));
    changes.read[0].etag
}

#[tokio::test]
async fn the_same_lines_are_not_read_again_and_others_are() {
    let known = tag(&format!("{BUNDLE}{OTHER}"), None).await;
    assert!(known.is_some());

    let elsewhere = "{\"id\":\"b3\",\"provider_id\":\"p2\"}\n";
    let same = small(&format!("{OTHER}\n{elsewhere}{BUNDLE}"), None);
    let changes = ask(&same, known).await;
    assert!(changes.read.is_empty(), "other lines and another order change nothing");
    assert_eq!(changes.unchanged, [Known { provider_id: "p1".into(), etag: known }]);

    let changed = small(&format!("{BUNDLE}{OTHER}").replace("old", "new"), None);
    let changes = ask(&changed, known).await;
    assert!(changes.unchanged.is_empty());
    let [subtree] = &changes.read[..] else { panic!("{changes:?}") };
    assert!(matches!(&subtree.content, SubtreeContent::Complete(bundles) if bundles[0].name.as_deref() == Some("new")));
    assert!(subtree.etag.is_some() && subtree.etag != known);
}

#[tokio::test]
async fn fields_of_a_collection_of_their_own_count_in_their_order() {
    let field = |id: &str| format!("{{\"id\":\"{id}\",\"bundle_id\":\"b1\"}}\n");
    let known = tag(BUNDLE, Some(&format!("{}{}", field("x"), field("y")))).await;
    for fields in [field("x"), format!("{}{}", field("y"), field("x")), String::new()] {
        assert_ne!(tag(BUNDLE, Some(&fields)).await, known, "{fields}");
    }
    let same = small(BUNDLE, Some(&format!("{}{}", field("x"), field("y"))));
    assert_eq!(ask(&same, known).await.unchanged.len(), 1);
}

#[tokio::test]
async fn a_tag_does_not_hide_that_a_provider_is_gone_or_stands_twice() {
    let known = tag(BUNDLE, None).await;
    let folder = small(BUNDLE, None);
    let services = "{\"id\":\"p1\",\"service_id\":\"s1\"}\n";
    fs::write(folder.path().join(PROVIDERS), services.repeat(2)).unwrap();
    let changes = ask(&folder, known).await;
    assert!(matches!(&changes.read[0].content, SubtreeContent::Rejected(_)), "{changes:?}");
    fs::write(folder.path().join(PROVIDERS), services.replace("p1", "p3")).unwrap();
    let changes = ask(&folder, known).await;
    assert_eq!(changes.read[0].content, SubtreeContent::Vanished);
}
