//! The double is held against the official client: what that one sees is what the double does.
#![expect(clippy::expect_used, clippy::panic, reason = "test code: a panic is how a test fails")]

use std::{future::Future, sync::Arc, time::Duration};

use couchbase::{
    authenticator::PasswordAuthenticator,
    cluster::Cluster,
    collection::Collection,
    error::{Error, ErrorKind},
    options::{cluster_options::ClusterOptions, query_options::QueryOptions},
    results::query_results::QueryStatus,
    retry::{RetryAction, RetryReason, RetryRequest, RetryStrategy},
    scope::Scope,
};
use futures::StreamExt;
use serde_json::{Value, value::RawValue};
use testkit::couchbase::{CouchbaseDouble, Options};

mod faults;
mod reading;
mod secure;

/// What a client is given before a test calls it hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a client is given before a test takes it for granted that no answer will come.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// The pages that a full read of a collection is made of.
const PAGE: &str = "SELECT META(d).id AS _id, META(d).cas AS _cas, d AS doc FROM `providers` AS d \
                    WHERE META(d).id > $last ORDER BY META(d).id LIMIT $limit";

/// Shows errors at once that the client would try again.
#[derive(Debug)]
struct Never;

impl RetryStrategy for Never {
    fn retry_after(&self, _request: &RetryRequest, _reason: &RetryReason) -> Option<RetryAction> {
        None
    }
}

/// What came of a query.
#[derive(Debug)]
struct Outcome {
    rows: Vec<Box<RawValue>>,
    /// The error that took the place of a row.
    error: Option<Error>,
    /// The status that the server gave at the end.
    status: Option<QueryStatus>,
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("hung: {what}"))
}

/// A client of the double with its user.
async fn client(double: &CouchbaseDouble) -> Cluster {
    let Options { user, password, .. } = double.options();
    let options = ClusterOptions::new(PasswordAuthenticator::new(user, password).into());
    within("connecting", Cluster::connect(double.connection_string(), options)).await.expect("a connection")
}

fn scope(cluster: &Cluster, double: &CouchbaseDouble) -> Scope {
    cluster.bucket(&double.options().bucket).scope(&double.options().scope)
}

fn collection(cluster: &Cluster, double: &CouchbaseDouble, name: &str) -> Collection {
    scope(cluster, double).collection(name)
}

/// Options with arguments.
fn arguments(arguments: &[(&str, Value)]) -> QueryOptions {
    let add = |options: QueryOptions, (name, value): &(&str, Value)| {
        options.add_named_parameter(*name, value).expect("an argument")
    };
    arguments.iter().fold(QueryOptions::new().read_only(true), add)
}

/// Arguments of [`PAGE`].
fn page(last: &str, limit: usize) -> QueryOptions {
    arguments(&[("last", last.into()), ("limit", limit.into())])
}

/// A query, and its rows to the end.
async fn query(scope: &Scope, statement: &str, options: QueryOptions) -> Result<Outcome, Error> {
    let mut result = within(statement, scope.query(statement, options)).await?;
    let mut outcome = Outcome { rows: Vec::new(), error: None, status: None };
    {
        let mut rows = std::pin::pin!(result.rows::<Box<RawValue>>());
        while let Some(row) = within(statement, rows.next()).await {
            match row {
                Ok(row) => outcome.rows.push(row),
                Err(error) => {
                    outcome.error = Some(error);
                    break;
                }
            }
        }
    }
    outcome.status = result.metadata().ok().map(|metadata| metadata.status);
    Ok(outcome)
}

/// A double with so many providers, `p-00000` and up, in service `s-0` or `s-1`.
fn with_providers(count: usize) -> CouchbaseDouble {
    let double = CouchbaseDouble::start(Options::default());
    for number in 0..count {
        let json = format!("{{\"id\":\"p-{number:05}\",\"service_id\":\"s-{}\",\"rank\":{number}.0}}", number % 2);
        double.set("providers", &format!("p-{number:05}"), &json);
    }
    double
}
