//! The target: tables, views, rights, whether it can be written to, its clock.

use pipeline_operations::open;
use pipeline_settings::settings::Settings;
use pipeline_store::{Examined, Store};

use super::report::{Check, State};
use crate::{failure::Failure, session, text};

/// Clocks that are farther apart than this make times in reports wrong, and requests older or younger than they are.
const CLOCKS_MS: i64 = 5_000;

/// What was found, and whether a run is open, where that is known.
pub async fn check(settings: &Settings, store: Result<Store, Failure>) -> (Vec<Check>, Option<bool>) {
    if settings.target.url.is_empty() {
        return (store.err().map(|failure| Check::failed("target", &failure)).into_iter().collect(), None);
    }
    let store = match store {
        Ok(store) => store,
        Err(failure) => return (vec![Check::failed("target", &failure)], None),
    };
    if let Err(error) = store.check_migrated().await {
        return (vec![Check::failed("target", &session::store_failure(&error))], None);
    }
    let examined = match store.examine().await {
        Ok(examined) => examined,
        Err(error) => return (vec![Check::failed("target", &session::store_failure(&error))], None),
    };
    let bytes = examined.bytes.map_or_else(String::new, |bytes| format!(", {}", text::bytes(bytes)));
    let found = format!("{}: tables are up to date{bytes}, {}", store.describe(), store.describe_row_writes());
    let mut checks = vec![Check::new("target", State::Ok, found)];
    checks.push(match store.check_views().await {
        Ok(()) => Check::new("views", State::Ok, "all can be read"),
        Err(error) => Check::failed("views", &session::store_failure(&error)),
    });
    checks.extend(rights(&examined));
    checks.push(clock(examined.clock_ahead_ms));
    let is_open = open::run(&store).await.ok().map(|run| run.is_some());
    (checks, is_open)
}

fn rights(examined: &Examined) -> Option<Check> {
    let lacking = examined.lacking.iter().map(|(table, rights)| format!("{} on {table}", rights.join(", ")));
    let lacking: Vec<String> = lacking.collect();
    (!lacking.is_empty()).then(|| {
        let what = format!("this account lacks rights that stages need: {}", lacking.join("; "));
        let hint = "grant SELECT, INSERT, UPDATE and DELETE on the database; who only reads the views does without";
        Check::new("rights", State::NotReady, what).hint(hint)
    })
}

fn clock(ahead_ms: i64) -> Check {
    let apart = text::duration(std::time::Duration::from_millis(ahead_ms.unsigned_abs()));
    let side = if ahead_ms < 0 { "behind" } else { "before" };
    if ahead_ms.abs() < CLOCKS_MS {
        return Check::new("clock", State::Ok, format!("the database's is {apart} {side} this machine's"));
    }
    Check::new("clock", State::AtRisk, format!("the database's is {apart} {side} this machine's"))
        .hint("let both follow a time server: the age of a and times in reports, are wrong by as much")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_seconds_apart_are_at_risk() {
        assert_eq!(clock(-4_999).state, State::Ok);
        assert_eq!(clock(12).detail, "the database's is 12 ms before this machine's");
        let apart = clock(-3_600_000);
        assert_eq!(apart.state, State::AtRisk);
        assert_eq!(apart.detail, "the database's is 1h 00m behind this machine's");
    }
}
