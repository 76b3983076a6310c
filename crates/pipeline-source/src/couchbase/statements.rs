//! The statements that are sent, made of the collections and the field names, or taken from the settings.
//!
//! Each of them reads a page: the documents behind a key, in the order of keys. Paging by key and not by offset costs
//! the same on every page and neither repeats nor skips a document when others come or go. The document is selected as
//! `d AS doc`: with `d.*` its own field `id` would take the place of the key. Statements are read-only, and what
//! varies is a parameter, so the server plans each of them once.

use pipeline_settings::settings::{self, Children};

use super::address::is_name;
use crate::Error;

/// A statement with what is needed to say what it was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text.
    pub text: String,
    /// The collection that it reads; empty for none.
    pub collection: String,
    /// Fields that an index must have, in order, before the key; without quotes.
    pub index: Vec<String>,
}

/// All statements of a source.
#[derive(Clone, Debug)]
pub struct Statements {
    /// All provider services.
    pub services: Statement,
    /// The providers of a service.
    pub providers: Statement,
    /// Some providers of a service.
    pub providers_by_id: Statement,
    /// The bundles of some providers.
    pub bundles: Statement,
    /// The subscription fields of some providers; `None` when they are nested.
    pub fields: Option<Statement>,
    /// All documents of each collection, without a condition.
    pub everything: Everything,
}

/// Statements that read whole collections.
#[derive(Clone, Debug)]
pub struct Everything {
    /// Providers.
    pub providers: Statement,
    /// Bundles.
    pub bundles: Statement,
    /// Subscription fields.
    pub fields: Option<Statement>,
}

/// Asks the server for its time.
pub const CLOCK: &str = "SELECT NOW_MILLIS() AS now";

impl Statements {
    /// Makes or takes them; names with characters that no cluster allows are refused.
    pub fn new(source: &settings::Source) -> Result<Self, Error> {
        let settings::Source { mapping, couchbase, .. } = source;
        let settings::Collections { provider_services, providers, bundles, subscription_fields } =
            &couchbase.collections;
        for name in [provider_services, providers, bundles, subscription_fields] {
            if !name.chars().all(is_name) {
                let reason = format!("`{name}` is no name of a collection");
                return Err(Error::Setting { key: "source.couchbase.collections", reason });
            }
        }
        let (own, provider_names) = (&couchbase.statements, &mapping.providers);
        let has_fields = !subscription_fields.is_empty();
        // A child need not name its service, so it is asked for by its provider alone; one that names another service
        // is passed over when it is read.
        let of_providers = |collection: &str, provider: &str| page(collection, &[(provider, "IN $providers")]);
        let by_id = [(provider_names.service_id.as_str(), "= $service"), (&provider_names.id, "IN $providers")];
        let fields = of_providers(subscription_fields, &mapping.subscription_fields.provider_id);
        Ok(Self {
            services: page(provider_services, &[]).or(&own.provider_services),
            providers: page(providers, &[(&provider_names.service_id, "= $service")]).or(&own.providers),
            providers_by_id: page(providers, &by_id).or(&own.providers_by_id),
            bundles: of_providers(bundles, &mapping.bundles.provider_id).or(&own.bundles),
            fields: has_fields.then(|| fields.or(&own.subscription_fields)),
            everything: Everything {
                providers: everything(providers),
                bundles: everything(bundles),
                fields: has_fields.then(|| everything(subscription_fields)),
            },
        })
    }

    /// Those that a source of these settings sends.
    pub fn in_use(&self, settings: &settings::Couchbase) -> Vec<&Statement> {
        let mut all = vec![&self.services, &self.providers, &self.providers_by_id];
        if settings.children == Children::Statement {
            all.push(&self.bundles);
            all.extend(&self.fields);
        }
        if settings.find_unreachable {
            all.push(&self.everything.providers);
            if settings.children == Children::Statement {
                all.push(&self.everything.bundles);
                all.extend(&self.everything.fields);
            }
        }
        all
    }
}

impl Statement {
    /// Whether it uses a parameter, such as `$service`.
    pub fn uses(&self, parameter: &str) -> bool {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        self.text.split(|c| !is_word(c)).any(|word| word == parameter)
    }

    /// The statement that makes an index for it.
    pub fn create_index(&self) -> String {
        let Self { collection, index, .. } = self;
        let keys: String = index.iter().map(|name| format!("{}, ", quoted(name))).collect();
        let name: String = index.iter().fold(format!("sluice_{collection}"), |name, field| name + "_by_" + field);
        let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("CREATE INDEX {} ON {}({keys}META().id)", quoted(&name), quoted(collection))
    }

    fn or(self, own: &str) -> Self {
        if own.trim().is_empty() { self } else { Self { text: own.trim().to_owned(), ..self } }
    }
}

/// All documents of a collection.
pub fn everything(collection: &str) -> Statement {
    page(collection, &[])
}

/// How many documents of a collection stand behind a key.
pub fn count(collection: &str) -> Statement {
    let text = format!("SELECT COUNT(*) AS n FROM {} AS d WHERE META(d).id > $after", quoted(collection));
    Statement { text, collection: collection.to_owned(), index: Vec::new() }
}

/// The same of documents that are there, which are all read for it: an index may list others for some time that were
/// deleted or have expired.
pub fn count_exactly(collection: &str) -> Statement {
    let text = format!("SELECT COUNT(META(d).cas) AS n FROM {} AS d WHERE META(d).id > $after", quoted(collection));
    Statement { text, collection: collection.to_owned(), index: Vec::new() }
}

/// How many providers of a service stand behind a key; `None` for a statement of the settings, whose condition is not
/// known.
pub fn count_like(page: &Statement) -> Option<Statement> {
    let condition = page.text.strip_prefix(SELECT)?.strip_suffix(ORDER)?;
    Some(Statement { text: format!("SELECT COUNT(*) AS n{condition}"), ..page.clone() })
}

/// How many elements the lists of a collection have.
pub fn count_nested(collection: &str, list: &str) -> Statement {
    let (from, list) = (quoted(collection), quoted(list));
    let text = format!("SELECT SUM(ARRAY_LENGTH(d.{list})) AS n FROM {from} AS d WHERE META(d).id > $after");
    Statement { text, collection: collection.to_owned(), index: Vec::new() }
}

const SELECT: &str = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc";
const ORDER: &str = " ORDER BY META(d).id LIMIT $limit";

fn page(collection: &str, conditions: &[(&str, &str)]) -> Statement {
    let condition = |(field, is): &(&str, &str)| format!("d.{} {is} AND ", quoted(field));
    let (from, condition) = (quoted(collection), conditions.iter().map(condition).collect::<String>());
    Statement {
        text: format!("{SELECT} FROM {from} AS d WHERE {condition}META(d).id > $after{ORDER}"),
        collection: collection.to_owned(),
        index: conditions.iter().map(|(field, _)| (*field).to_owned()).collect(),
    }
}

/// A name between backticks; one in the name is doubled.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_fields() -> settings::Source {
        let mut source = settings::Source::default();
        source.couchbase.collections.subscription_fields = "subscription_fields".to_owned();
        source
    }

    #[test]
    fn statements_name_fields_and_collections_in_quotes_and_page_by_key() {
        let mut source = with_fields();
        source.mapping.providers.service_id = "of`service".to_owned();
        let statements = Statements::new(&source).unwrap();
        assert_eq!(
            statements.providers.text,
            "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM `providers` AS d \
             WHERE d.`of``service` = $service AND META(d).id > $after ORDER BY META(d).id LIMIT $limit"
        );
        assert_eq!(
            count_like(&statements.providers).unwrap().text,
            "SELECT COUNT(*) AS n FROM `providers` AS d WHERE d.`of``service` = $service AND META(d).id > $after"
        );
        assert!(statements.bundles.uses("$providers") && !statements.bundles.uses("$provider"));
    }

    #[test]
    fn the_indexes_that_are_deployed_are_those_that_the_statements_need() {
        let source = with_fields();
        let statements = Statements::new(&source).unwrap();
        let mut needed: Vec<_> =
            statements.in_use(&source.couchbase).into_iter().map(|used| used.create_index() + ";").collect();
        let deployed = std::fs::read_to_string("../../deploy/couchbase/indexes.sql").unwrap();
        let made = deployed.lines().filter(|line| line.starts_with("CREATE"));
        let mut deployed: Vec<_> = made.map(str::to_owned).collect();
        needed.sort();
        deployed.sort();
        assert_eq!(deployed, needed);
    }
}
