//! What the four views hold, and what they should hold according to the source, as rows of exact text.

use futures::TryStreamExt;
use pipeline_model::{
    documents::{Found, Provider, Service, Subtree, SubtreeContent},
    ids::ProviderId,
};
use pipeline_settings::settings;
use pipeline_source::Source;
use testkit::mariadb::Database;

/// One row; NULL is `None`.
pub type Row = Vec<Option<String>>;

/// The rows of the four views, each sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// `provider_services`.
    pub services: Vec<Row>,
    /// `providers`.
    pub providers: Vec<Row>,
    /// `bundles`.
    pub bundles: Vec<Row>,
    /// `subscription_fields`.
    pub fields: Vec<Row>,
}

const SERVICES: [&str; 3] = ["service_id", "name", "attributes"];
const PROVIDERS: [&str; 4] = ["service_id", "provider_id", "name", "attributes"];
const BUNDLES: [&str; 5] = ["service_id", "provider_id", "bundle_id", "name", "attributes"];
const FIELDS: [&str; 10] = [
    "service_id",
    "provider_id",
    "bundle_id",
    "field_id",
    "name",
    "value",
    "data_type",
    "required",
    "position",
    "attributes",
];

/// Providers asked for at once when the source is read.
const CHUNK: usize = 100;

impl Rows {
    /// What readers see now.
    pub fn of_views(database: &Database) -> Self {
        let mut session = database.session();
        let rows = Self {
            services: session.exact("provider_services", &SERVICES),
            providers: session.exact("providers", &PROVIDERS),
            bundles: session.exact("bundles", &BUNDLES),
            fields: session.exact("subscription_fields", &FIELDS),
        };
        rows.sorted()
    }

    /// What readers should see after a run on this source. A fault in it fails the test.
    pub fn of_source(url: &str) -> Self {
        let settings = settings::Source { url: url.to_owned(), ..settings::Source::default() };
        let source = pipeline_source::open(&settings).expect("the source can be opened");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Self::read(source.as_ref())).expect("the source can be read").sorted()
    }

    /// Fails with the first differing rows of each view unless both are equal, row for row and as often.
    #[track_caller]
    pub fn assert_equals(&self, expected: &Self) {
        let views = [
            ("provider_services", &self.services, &expected.services),
            ("providers", &self.providers, &expected.providers),
            ("bundles", &self.bundles, &expected.bundles),
            ("subscription_fields", &self.fields, &expected.fields),
        ];
        let differences: Vec<String> =
            views.iter().filter_map(|(view, found, expected)| difference(view, found, expected)).collect();
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    async fn read(source: &dyn Source) -> Result<Self, pipeline_source::Error> {
        let mut rows = Self::default();
        let services: Vec<Found<Service>> = source.services().try_collect().await?;
        for service in services.into_iter().map(sound) {
            let providers: Vec<Found<Provider>> = source.providers(&service.id).try_collect().await?;
            let mut ids: Vec<ProviderId> = Vec::new();
            for provider in providers.into_iter().map(sound) {
                ids.push(provider.id.clone());
                rows.providers.push(vec![
                    text(&service.id),
                    text(&provider.id),
                    provider.name,
                    text(provider.attributes.as_str()),
                ]);
            }
            for chunk in ids.chunks(CHUNK) {
                for subtree in source.subtrees(&service.id, chunk).await? {
                    rows.add(service.id.as_str(), subtree);
                }
            }
            rows.services.push(vec![text(&service.id), service.name, text(service.attributes.as_str())]);
        }
        Ok(rows)
    }

    fn add(&mut self, service_id: &str, subtree: Subtree) {
        let provider_id = subtree.provider_id;
        let SubtreeContent::Complete(bundles) = subtree.content else {
            panic!("the source has a fault below provider `{provider_id}`: {:?}", subtree.content);
        };
        for bundle in bundles {
            for field in bundle.fields {
                self.fields.push(vec![
                    text(service_id),
                    text(&provider_id),
                    text(&bundle.id),
                    text(&field.id),
                    field.name.map(String::from),
                    field.value.map(String::from),
                    text(field.data_type.as_str()),
                    field.required.map(|required| u8::from(required).to_string()),
                    text(field.position),
                    text(field.attributes.as_str()),
                ]);
            }
            let attributes = text(bundle.attributes.as_str());
            let name = bundle.name.map(String::from);
            self.bundles.push(vec![text(service_id), text(&provider_id), text(&bundle.id), name, attributes]);
        }
    }

    fn sorted(mut self) -> Self {
        for view in [&mut self.services, &mut self.providers, &mut self.bundles, &mut self.fields] {
            view.sort();
        }
        self
    }
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn sound<T>(found: Found<T>) -> T {
    match found {
        Found::Document(document) => document,
        Found::Fault(fault) => panic!("the source has a fault: {fault}"),
    }
}

/// Says how two sorted lists differ, with the first rows that only one has; `None` when they do not.
fn difference(view: &str, found: &[Row], expected: &[Row]) -> Option<String> {
    if found == expected {
        return None;
    }
    let only_in = |these: &[Row], those: &[Row]| -> Vec<String> {
        let only = these.iter().filter(|row| those.binary_search(row).is_err());
        only.take(3).map(|row| format!("{row:?}")).collect()
    };
    Some(format!(
        "`{view}` has {} rows instead of {}\n  not in the source: {:#?}\n  not in the view: {:#?}",
        found.len(),
        expected.len(),
        only_in(found, expected),
        only_in(expected, found)
    ))
}
