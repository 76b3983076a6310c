//! What a folder answers: the lines that the index points at, read and mapped.

use std::{borrow::Cow, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use pipeline_model::{
    documents::{
        Bundle, DocumentFault, Etag, FaultCode, Found, Known, Level, Provider, Service, Subtree, SubtreeContent,
    },
    ids::{ProviderId, ServiceId},
};

use super::{
    collection::{Collection, Place, Text},
    etag,
    index::{ALL, Content, Entry, Hierarchy},
    ranges::{Group, Range},
    snapshot::Snapshot,
};
use crate::{Error, json::quoted, mapping::Violation, subtree::Builder};

mod read;
mod unreachable;

pub use unreachable::unreachable;

/// Ranges read by one step of a stream; a range is two MiB at most, or one document.
const RANGES_AT_ONCE: usize = 64;
/// A step ends with the range that passes so many bytes.
const BYTES_AT_ONCE: usize = 512 * 1024;

type Answer<T> = BoxStream<'static, Result<T, Error>>;

/// All services.
pub async fn services(snapshot: Arc<Snapshot>) -> Result<Answer<Found<Service>>, Error> {
    let hierarchy = snapshot.hierarchy().await?;
    let ranges = hierarchy.service_lines.of(ALL).into();
    let each = move |snapshot: &Snapshot, _, place, text: Text<'_>, found: &mut Vec<_>| {
        found.extend(service(snapshot, &hierarchy, place, text));
    };
    Ok(documents(snapshot, ranges, |snapshot| Some(&snapshot.services), each).boxed())
}

/// All providers of a service.
pub async fn providers(snapshot: Arc<Snapshot>, service_id: &ServiceId) -> Result<Answer<Found<Provider>>, Error> {
    let hierarchy = snapshot.hierarchy().await?;
    let Some(number) = hierarchy.service(service_id.as_str()) else { return Ok(stream::empty().boxed()) };
    let ranges = hierarchy.provider_lines.of(number).into();
    let service_id = service_id.clone();
    let each = move |snapshot: &Snapshot, group, place, text: Text<'_>, found: &mut Vec<_>| {
        found.extend(provider(snapshot, &hierarchy, (group, &service_id), place, text));
    };
    Ok(documents(snapshot, ranges, |snapshot| Some(&snapshot.providers), each).boxed())
}

/// What is below these providers.
pub async fn subtrees(
    snapshot: Arc<Snapshot>,
    service_id: ServiceId,
    provider_ids: Vec<ProviderId>,
) -> Result<Vec<Subtree>, Error> {
    read_below(snapshot, service_id, move |reader| provider_ids.into_iter().map(|id| reader.subtree(id)).collect())
        .await
}

/// Those of these providers below which everything has the tag that it is known by.
pub async fn unchanged(
    snapshot: Arc<Snapshot>,
    service_id: ServiceId,
    known: Vec<Known>,
) -> Result<Vec<ProviderId>, Error> {
    let still = |reader: &Reader<'_>, Known { provider_id, etag }| {
        let same = reader.etag(&provider_id)? == Some(etag);
        Ok(same.then_some(provider_id))
    };
    read_below(snapshot, service_id, move |reader| {
        known.into_iter().filter_map(|known| still(reader, known).transpose()).collect()
    })
    .await
}

/// The bundles below a provider that have no fault.
pub async fn sound_bundles(
    snapshot: Arc<Snapshot>,
    service_id: ServiceId,
    provider_id: ProviderId,
) -> Result<Vec<Bundle>, Error> {
    let sound = move |reader: &Reader<'_>| match reader.provider(&provider_id) {
        Some((provider, _)) => Ok(reader.build(provider, &provider_id)?.0.sound()),
        None => Ok(Vec::new()),
    };
    read_below(snapshot, service_id, sound).await
}

/// Reads below the providers of one service, and makes sure that all of it was of one state of the files.
async fn read_below<T: Send + 'static>(
    snapshot: Arc<Snapshot>,
    service_id: ServiceId,
    read: impl FnOnce(&Reader<'_>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let hierarchy = snapshot.hierarchy().await?;
    let content = snapshot.content().await?;
    Arc::clone(&snapshot)
        .run(move || {
            let reader =
                Reader { snapshot: &snapshot, hierarchy: &hierarchy, content: &content, service_id: &service_id };
            let answer = read(&reader)?;
            snapshot.bundles.check_unchanged()?;
            snapshot.fields.iter().try_for_each(Collection::check_unchanged)?;
            Ok(answer)
        })
        .await
}

fn service(snapshot: &Snapshot, hierarchy: &Hierarchy, place: Place, text: Text<'_>) -> Option<Found<Service>> {
    let read = read::service(snapshot, text);
    let id = match &read {
        Ok(service) => Some(service.id.0.clone()),
        Err(_) => read::service_id(text, &snapshot.mapping.provider_services.id).map(Cow::into_owned),
    };
    let number = id.as_deref().and_then(|id| hierarchy.service(id));
    let entry = number.and_then(|number| hierarchy.service_entry(number));
    match (entry.map(|entry| standing(entry, place)), read) {
        (Some(Standing::Repeated), _) => None,
        (Some(Standing::First { repeated_on: Some(line) }), _) => {
            let service_id = ServiceId(id.unwrap_or_default());
            let violation = duplicate(Level::Service, service_id.as_str(), place);
            Some(Found::Fault(violation.at(Place { line, ..place }.to_string(), Some(&service_id), None)))
        }
        (_, Ok(service)) => Some(Found::Document(service)),
        (_, Err(violation)) => {
            let service_id = entry.map(|entry| ServiceId::from(entry.id));
            Some(Found::Fault(violation.at(place.to_string(), service_id.as_ref(), None)))
        }
    }
}

fn provider(
    snapshot: &Snapshot,
    hierarchy: &Hierarchy,
    (service, service_id): (Group, &ServiceId),
    place: Place,
    text: Text<'_>,
) -> Option<Found<Provider>> {
    let read = read::provider(snapshot, text);
    let id = match &read {
        Ok(provider) => Some(provider.id.0.clone()),
        Err(_) => read::id(text, &snapshot.mapping.providers.id).map(Cow::into_owned),
    };
    let number = id.as_deref().and_then(|id| hierarchy.provider(service, id));
    let entry = number.and_then(|number| hierarchy.provider_entry(number));
    match (entry.map(|entry| standing(entry, place)), read) {
        (Some(Standing::Repeated), _) => None,
        (Some(Standing::First { repeated_on: Some(line) }), _) => {
            let again = Place { line, ..place };
            Some(Found::Fault(duplicate_provider(service_id, &ProviderId(id.unwrap_or_default()), place, again)))
        }
        (_, Ok(provider)) => Some(Found::Document(provider)),
        (_, Err(violation)) => {
            let provider_id = entry.map(|entry| ProviderId::from(entry.id));
            Some(Found::Fault(violation.at(place.to_string(), Some(service_id), provider_id.as_ref())))
        }
    }
}

/// Reads what is below the providers of one service.
struct Reader<'s> {
    snapshot: &'s Snapshot,
    hierarchy: &'s Hierarchy,
    content: &'s Content,
    service_id: &'s ServiceId,
}

impl Reader<'_> {
    fn subtree(&self, provider_id: ProviderId) -> Result<Subtree, Error> {
        let Some((provider, entry)) = self.provider(&provider_id) else {
            return Ok(Subtree { provider_id, content: SubtreeContent::Vanished, etag: None });
        };
        if let Some(line) = entry.repeated_on {
            let first = Place { file: self.snapshot.providers.name(), line: entry.line };
            let fault = duplicate_provider(self.service_id, &provider_id, first, Place { line, ..first });
            return Ok(Subtree { provider_id, content: SubtreeContent::Rejected(vec![fault]), etag: None });
        }
        let (builder, tag) = self.build(provider, &provider_id)?;
        let content = builder.finish();
        Ok(Subtree { provider_id, content, etag: tag.etag() })
    }

    /// Everything below a provider as it is read, and its tag.
    fn build<'i>(
        &'i self,
        provider: Group,
        provider_id: &'i ProviderId,
    ) -> Result<(Builder<'i, Place>, etag::Lines), Error> {
        let mut builder = Builder::new(self.service_id, provider_id);
        let mut tag = self.begin_tag(provider);
        self.lines(provider, &mut |line| match line {
            Line::Bundle(place, text) => {
                tag.bundle(text);
                builder.bundle(read::bundle(self.snapshot, text), place);
            }
            Line::Field(place, text) => {
                tag.field(text);
                builder.field(read::field(self.snapshot, text), place);
            }
        })?;
        Ok((builder, tag))
    }

    /// The tag of what is below a provider, without parsing any of it.
    fn etag(&self, provider_id: &ProviderId) -> Result<Option<Etag>, Error> {
        let Some((provider, Entry { repeated_on: None, .. })) = self.provider(provider_id) else { return Ok(None) };
        let mut tag = self.begin_tag(provider);
        self.lines(provider, &mut |line| match line {
            Line::Bundle(_, text) => tag.bundle(text),
            Line::Field(_, text) => tag.field(text),
        })?;
        Ok(tag.etag())
    }

    fn begin_tag(&self, provider: Group) -> etag::Lines {
        let bytes = self.content.bundle_lines.of(provider).iter().filter_map(|range| range.length()).sum();
        self.snapshot.reading.lines(bytes)
    }

    fn provider(&self, id: &ProviderId) -> Option<(Group, Entry<'_>)> {
        let service = self.hierarchy.service(self.service_id.as_str())?;
        let number = self.hierarchy.provider(service, id.as_str())?;
        Some((number, self.hierarchy.provider_entry(number)?))
    }

    /// All lines below a provider, bundles first.
    fn lines(&self, provider: Group, each: &mut dyn FnMut(Line<'_>)) -> Result<(), Error> {
        for range in self.content.bundle_lines.of(provider) {
            self.snapshot.bundles.read(*range, |place, text| each(Line::Bundle(place, text)))?;
        }
        let Some(fields) = &self.snapshot.fields else { return Ok(()) };
        for range in self.content.field_lines.of(provider) {
            fields.read(*range, |place, text| each(Line::Field(place, text)))?;
        }
        Ok(())
    }
}

/// A line below a provider.
enum Line<'b> {
    Bundle(Place, Text<'b>),
    Field(Place, Text<'b>),
}

// === duplicates ===

/// What a line is to the id that it has.
enum Standing {
    /// The first line with it, and the next one if there is one.
    First { repeated_on: Option<u32> },
    /// A later one; the first speaks for it.
    Repeated,
}

fn standing(entry: Entry<'_>, place: Place) -> Standing {
    if entry.line == place.line { Standing::First { repeated_on: entry.repeated_on } } else { Standing::Repeated }
}

fn duplicate_provider(service_id: &ServiceId, provider_id: &ProviderId, first: Place, again: Place) -> DocumentFault {
    let violation = duplicate(Level::Provider, provider_id.as_str(), first);
    violation.at(again.to_string(), Some(service_id), Some(provider_id))
}

fn duplicate(level: Level, id: &str, first: Place) -> Violation {
    let what = level.as_str().replace('_', " ");
    let reason = format!("the {what} {} stands in {first} too", quoted(id));
    Violation { level, document_id: Some(id.to_owned()), code: FaultCode::DuplicateId, reason }
}

// === reading ===

/// The documents in some lines of a file, a few ranges at a time.
fn documents<T: Send + 'static>(
    snapshot: Arc<Snapshot>,
    ranges: Arc<[Range]>,
    file: fn(&Snapshot) -> Option<&Collection>,
    each: impl Fn(&Snapshot, Group, Place, Text<'_>, &mut Vec<T>) + Send + Sync + 'static,
) -> impl Stream<Item = Result<T, Error>> + Send {
    let each = Arc::new(each);
    let step = move |from: usize| {
        let (snapshot, ranges, each) = (Arc::clone(&snapshot), Arc::clone(&ranges), Arc::clone(&each));
        async move {
            let to = from + at_once(ranges.get(from..).unwrap_or_default());
            if to == from {
                return Ok(None);
            }
            let found = Arc::clone(&snapshot).run(move || {
                let mut found = Vec::new();
                let Some(collection) = file(&snapshot) else { return Ok(found) };
                for range in ranges.get(from..to).unwrap_or_default() {
                    collection.read(*range, |place, text| each(&snapshot, range.group(), place, text, &mut found))?;
                }
                collection.check_unchanged()?;
                Ok(found)
            });
            Ok(Some((stream::iter(found.await?.into_iter().map(Ok)), to)))
        }
    };
    stream::try_unfold(0, step).try_flatten()
}

/// How many of these ranges to read in one step.
fn at_once(ranges: &[Range]) -> usize {
    let mut bytes = 0;
    let mut fits = |range: &Range| {
        let fits = bytes < BYTES_AT_ONCE;
        bytes += range.length().unwrap_or_default();
        fits
    };
    ranges.iter().take(RANGES_AT_ONCE).take_while(|range| fits(range)).count()
}
