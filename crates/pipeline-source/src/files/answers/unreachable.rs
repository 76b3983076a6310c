//! The documents that no parent will ask for, and why.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use pipeline_model::{
    documents::{Bundle, DocumentFault, FaultCode, Level, Provider},
    ids::{ProviderId, ServiceId},
};
use pipeline_settings::settings::SubscriptionFieldFields;

use super::{Answer, documents, read};
use crate::{
    Error,
    files::{
        collection::{Place, Text},
        ranges::{AMBIGUOUS, Group},
        snapshot::Snapshot,
    },
    json::quoted,
    mapping::{FieldDocument, Owner, Violation},
};

/// The lines of all files whose parent cannot be read, does not exist, or could be several.
pub async fn unreachable(snapshot: Arc<Snapshot>) -> Result<Answer<DocumentFault>, Error> {
    let content = snapshot.content().await?;
    let hierarchy = snapshot.hierarchy().await?;
    let (provider_lines, bundle_lines) =
        (hierarchy.provider_lines.without_parent(), content.bundle_lines.without_parent());
    let field_lines = content.field_lines.without_parent();
    let providers = documents(Arc::clone(&snapshot), provider_lines.into(), |s| Some(&s.providers), provider);
    let bundles = documents(Arc::clone(&snapshot), bundle_lines.into(), |s| Some(&s.bundles), bundle);
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
    let names = &snapshot.mapping.providers;
    let [id, service] = read::below(text, [&names.id, &names.service_id]);
    let owner = Owner::of(service.id(), id.id(), None);
    let violation = read::provider(snapshot, text).map_or_else(|violation| violation, lost_provider);
    faults.push(fault(violation, place, text, &owner));
}

fn bundle(snapshot: &Snapshot, group: Group, place: Place, text: Text<'_>, faults: &mut Vec<DocumentFault>) {
    let names = &snapshot.mapping.bundles;
    let [_, provider, service] = read::below(text, [&names.id, &names.provider_id, &names.service_id]);
    let owner = Owner::of(service.id(), provider.id(), None);
    let lost = |bundle| vec![lost_bundle(bundle, group, &owner, &names.service_id)];
    let violations = read::bundle(snapshot, text).map_or_else(|violations| violations, lost);
    faults.extend(violations.into_iter().map(|violation| fault(violation, place, text, &owner)));
}

fn field(snapshot: &Snapshot, group: Group, place: Place, text: Text<'_>, faults: &mut Vec<DocumentFault>) {
    let names = &snapshot.mapping.subscription_fields;
    let [bundle, provider, service] = read::owners(text, [&names.bundle_id, &names.provider_id, &names.service_id]);
    let owner = Owner::of(service.id(), provider.id(), bundle.id());
    let lost = |document| lost_field(document, group, names);
    let violation = read::field(snapshot, text).map_or_else(|violation| violation, lost);
    faults.push(fault(violation, place, text, &owner));
}

/// With all that the document says of its owner. A line that is no document, or not read to its end, says nothing: where
/// another line was joined to it, an id may be of two halves, and somebody else's document may follow.
fn fault(violation: Violation, place: Place, text: Text<'_>, owner: &Owner) -> DocumentFault {
    let is_whole = matches!(text, Text::Whole(_)) && violation.code != FaultCode::NotJson;
    violation.of(place.to_string(), if is_whole { owner.clone() } else { Owner::default() })
}

fn lost_provider(provider: Provider) -> Violation {
    let (id, service) = (quoted(provider.id.as_str()), quoted(provider.service_id.as_str()));
    let reason = format!("the provider {id} belongs to the service {service}, which does not exist");
    orphan(Level::Provider, provider.id.0, reason)
}

fn lost_bundle(bundle: Bundle, group: Group, owner: &Owner, service_name: &str) -> Violation {
    let (id, provider) = (quoted(&bundle.id), owner.provider_id.as_ref().map_or("", ProviderId::as_str));
    let provider = quoted(provider);
    if group == AMBIGUOUS {
        let reason = format!("several services have the provider {provider}, and bundle {id} has no `{service_name}`");
        return Violation { code: FaultCode::MissingId, ..orphan(Level::Bundle, bundle.id.into(), reason) };
    }
    let place = of_service(owner.service_id.as_ref().map(ServiceId::as_str));
    let reason = format!("the bundle {id} belongs to the provider {provider}{place}, which does not exist");
    orphan(Level::Bundle, bundle.id.into(), reason)
}

fn lost_field(document: FieldDocument, group: Group, names: &SubscriptionFieldFields) -> Violation {
    let FieldDocument { field, bundle_id, provider_id, service_id, .. } = document;
    let (id, bundle, service) = (quoted(&field.id), quoted(&bundle_id), of_service(service_id.as_deref()));
    let code = if group == AMBIGUOUS { FaultCode::MissingId } else { FaultCode::Orphan };
    let (provider_name, service_name) = (&names.provider_id, &names.service_id);
    let reason = match (group, provider_id) {
        (AMBIGUOUS, None) => {
            format!("several providers{service} have the bundle {bundle}, and field {id} has no `{provider_name}`")
        }
        (AMBIGUOUS, Some(provider)) => {
            let provider = quoted(&provider);
            format!(
                "several services have the provider {provider} with the bundle {bundle}, and field {id} has no \
                 `{service_name}`"
            )
        }
        (_, None) => format!("the field {id} belongs to the bundle {bundle}{service}, which does not exist"),
        (_, Some(provider)) => {
            let provider = format!("{}{service}", quoted(&provider));
            format!("the field {id} belongs to the bundle {bundle} of the provider {provider}, which does not exist")
        }
    };
    Violation { code, ..orphan(Level::SubscriptionField, field.id.into(), reason) }
}

fn of_service(service: Option<&str>) -> String {
    service.map_or(String::new(), |service| format!(" of the service {}", quoted(service)))
}

fn orphan(level: Level, id: String, reason: String) -> Violation {
    Violation { level, document_id: Some(id), code: FaultCode::Orphan, reason }
}
