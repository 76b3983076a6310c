//! The documents that no parent will ask for, and why.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use pipeline_core::{
    documents::{Bundle, DocumentFault, FaultCode, Level, Provider},
    ids::ServiceId,
    settings::BundleFields,
};

use super::{Answer, documents, read};
use crate::{
    Error,
    files::{
        collection::{Place, Text},
        index::Hierarchy,
        ranges::{AMBIGUOUS, Group},
        snapshot::Snapshot,
    },
    json::quoted,
    mapping::{FieldDocument, Violation},
};

/// The lines of all files whose parent cannot be read, does not exist, or could be several.
pub async fn unreachable(snapshot: Arc<Snapshot>) -> Result<Answer<DocumentFault>, Error> {
    let content = snapshot.content().await?;
    let hierarchy = snapshot.hierarchy().await?;
    let (provider_lines, bundle_lines) =
        (hierarchy.provider_lines.without_parent(), content.bundle_lines.without_parent());
    let field_lines = content.field_lines.without_parent();
    let providers = documents(Arc::clone(&snapshot), provider_lines.into(), |s| Some(&s.providers), provider);
    let bundles = documents(Arc::clone(&snapshot), bundle_lines.into(), |s| Some(&s.bundles), {
        let hierarchy = Arc::clone(&hierarchy);
        move |snapshot: &Snapshot, group, place, text: Text<'_>, faults: &mut Vec<_>| {
            bundle(snapshot, &hierarchy, group, place, text, faults);
        }
    });
    let fields = documents(snapshot, field_lines.into(), |s| s.fields.as_ref(), field);
    Ok(chained(providers, chained(bundles, fields)).boxed())
}

fn chained<T>(
    first: impl Stream<Item = T> + Send,
    second: impl Stream<Item = T> + Send,
) -> impl Stream<Item = T> + Send {
    stream::iter([first.left_stream(), second.right_stream()]).flatten()
}

fn provider(snapshot: &Snapshot, _: Group, place: Place, text: Text<'_>, faults: &mut Vec<DocumentFault>) {
    let violation = read::provider(snapshot, text).map_or_else(|violation| violation, lost_provider);
    faults.push(violation.at(place.to_string(), None, None));
}

fn bundle(
    snapshot: &Snapshot,
    hierarchy: &Hierarchy,
    group: Group,
    place: Place,
    text: Text<'_>,
    faults: &mut Vec<DocumentFault>,
) {
    let names = &snapshot.mapping.bundles;
    let lost = |bundle| vec![lost_bundle(bundle, group, names, text)];
    let violations = read::bundle(snapshot, text).map_or_else(|violations| violations, lost);
    let service_id = read::id(text, &names.service_id).filter(|id| hierarchy.service(id).is_some());
    let service_id = service_id.map(|id| ServiceId(id.into_owned()));
    let at = |violation: Violation| violation.at(place.to_string(), service_id.as_ref(), None);
    faults.extend(violations.into_iter().map(at));
}

fn field(snapshot: &Snapshot, group: Group, place: Place, text: Text<'_>, faults: &mut Vec<DocumentFault>) {
    let lost = |document| lost_field(document, group, &snapshot.mapping.subscription_fields.provider_id);
    let violation = read::field(snapshot, text).map_or_else(|violation| violation, lost);
    faults.push(violation.at(place.to_string(), None, None));
}

fn lost_provider(provider: Provider) -> Violation {
    let (id, service) = (quoted(provider.id.as_str()), quoted(provider.service_id.as_str()));
    let reason = format!("the provider {id} belongs to the service {service}, which does not exist");
    orphan(Level::Provider, provider.id.0, reason)
}

/// The ids that such a bundle names are those on its line.
fn lost_bundle(bundle: Bundle, group: Group, names: &BundleFields, text: Text<'_>) -> Violation {
    let named = |name: &str| read::id(text, name).as_deref().map(quoted);
    let (id, provider) = (quoted(&bundle.id), named(&names.provider_id).unwrap_or_default());
    if group == AMBIGUOUS {
        let service_name = &names.service_id;
        let reason = format!("several services have the provider {provider}, and bundle {id} has no `{service_name}`");
        return Violation { code: FaultCode::MissingId, ..orphan(Level::Bundle, bundle.id.into(), reason) };
    }
    let place = named(&names.service_id).map_or(String::new(), |service| format!(" of the service {service}"));
    let reason = format!("the bundle {id} belongs to the provider {provider}{place}, which does not exist");
    orphan(Level::Bundle, bundle.id.into(), reason)
}

fn lost_field(document: FieldDocument, group: Group, provider_name: &str) -> Violation {
    let FieldDocument { field, bundle_id, provider_id, .. } = document;
    let (id, bundle) = (quoted(&field.id), quoted(&bundle_id));
    let code = if group == AMBIGUOUS { FaultCode::MissingId } else { FaultCode::Orphan };
    let reason = match (group, provider_id) {
        (AMBIGUOUS, None) => {
            format!("several providers have the bundle {bundle}, and field {id} has no `{provider_name}`")
        }
        (AMBIGUOUS, Some(provider)) => {
            let provider = quoted(&provider);
            format!("several services have the provider {provider} with the bundle {bundle} of field {id}")
        }
        (_, None) => format!("the field {id} belongs to the bundle {bundle}, which does not exist"),
        (_, Some(provider)) => {
            let provider = quoted(&provider);
            format!("the field {id} belongs to the bundle {bundle} of the provider {provider}, which does not exist")
        }
    };
    Violation { code, ..orphan(Level::SubscriptionField, field.id.into(), reason) }
}

fn orphan(level: Level, id: String, reason: String) -> Violation {
    Violation { level, document_id: Some(id), code: FaultCode::Orphan, reason }
}
