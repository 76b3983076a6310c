//! What an operator wants to know before the first run: is the cluster there, may we read, does an index serve every
//! statement, and is it the same time on both sides.

use std::time::{SystemTime, UNIX_EPOCH};

use pipeline_settings::settings::{self, Children};

use super::{
    Couchbase,
    page::Parameters,
    statements::{CLOCK, Statement},
};
use crate::{Error, Finding};

/// A difference of clocks that is worth a word: certificates, tokens and logs are judged by them.
const CLOCK_SKEW_MS: i64 = 5_000;
/// A key that nobody has: asking for it shows that reading by key is allowed.
const NOBODYS_KEY: &str = "sluice::doctor";

impl Couchbase {
    /// Looks at everything; what cannot be judged because something before it is missing is left out.
    pub async fn examine(&self) -> Vec<Finding> {
        if let Err(error) = self.reader.connection.get().await {
            return vec![Finding::new("source", Err(error))];
        }
        let mut findings = vec![self.query_service().await];
        if findings.iter().any(|finding| finding.result.is_err()) {
            return findings;
        }
        let asked = self.statements.in_use(self.settings());
        let before = findings.len();
        for statement in &asked {
            // One finding for each thing to be done: statements that lack the same index say so once.
            if let Err(error) = self.try_statement(statement).await
                && !findings.iter().any(|finding| says_the_same(finding, &error))
            {
                findings.push(Finding::new("documents", Err(error)));
            }
        }
        if findings.len() == before {
            let statements = asked.len();
            let detail = format!("collections are there, {statements} statements have their indexes");
            findings.push(Finding::new("documents", Ok(detail)));
        }
        if findings.iter().all(|finding| finding.result.is_ok()) {
            findings.push(self.counted().await);
        }
        if self.settings().children == Children::Keys {
            findings.push(self.reading_by_key().await);
        }
        findings
    }

    /// What the collections hold by their indexes, without reading a document.
    async fn counted(&self) -> Finding {
        let settings::Collections { provider_services, providers, bundles, subscription_fields } =
            &self.settings().collections;
        let collections = [provider_services, providers, bundles, subscription_fields];
        let mut said = Vec::new();
        for collection in collections.into_iter().filter(|name| !name.is_empty()) {
            match self.count_all(collection).await {
                Ok(count) => said.push(format!("{count} in `{collection}`")),
                Err(error) => return Finding::new("counts", Err(error)),
            }
        }
        Finding::new("counts", Ok(said.join(", ")))
    }

    async fn query_service(&self) -> Finding {
        let result = self.reader.now(CLOCK).await.and_then(|theirs| {
            let address = self.reader.connection.address();
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of this millennium")]
            let skew_ms = theirs as i64 - now_ms();
            if skew_ms.abs() > CLOCK_SKEW_MS {
                return Err(Error::Clock { skew_ms });
            }
            let tls = if address.tls { "TLS" } else { "no TLS" };
            let (hosts, user) = (&address.hosts, self.reader.connection.user());
            Ok(format!("{hosts}: `{}.{}` as {user}, {tls}, clocks agree", address.bucket, address.scope))
        });
        Finding::new("source", result)
    }

    async fn try_statement(&self, statement: &Statement) -> Result<(), Error> {
        let parameters = Parameters { service: Some(""), providers: Some(&[]) };
        self.reader.page(statement, parameters, "", 1).await.map(drop)
    }

    async fn reading_by_key(&self) -> Finding {
        let collection = &self.settings().collections.bundles;
        let read = self.reader.by_keys(collection, vec![NOBODYS_KEY.to_owned()]).await;
        Finding::new("keys", read.map(|_| format!("`{collection}` can be read by key")))
    }
}

fn says_the_same(finding: &Finding, error: &Error) -> bool {
    finding.result.as_ref().is_err_and(|known| known.to_string() == error.to_string())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
