//! `sluice run trace`: where the time of a run went, from the ledger alone.

use clap::Args;
use pipeline_model::ids::ServiceId;
use pipeline_store::{ServiceTimes, Timeline};
use serde::Serialize;

use super::RunRef;
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::Session,
    text,
};

/// Cells of a bar: the whole run.
const WIDTH: i64 = 40;

/// Which run.
#[derive(Debug, Args)]
#[command(
    after_help = "Each service is discovered, planned (its providers are read), stored batch by batch, and switched. A bar shows
when: ░ until it is planned, ▒ until its first batch is stored, █ until its last one, ▪ until readers see it.
Set `telemetry.trace_url` to see where its trace is in Jaeger.

Examples:
  sluice run trace
  sluice run trace 0198 --services 50
  sluice run trace @latest -o json | jq '.services[0]'"
)]
pub struct TraceArgs {
    /// The run's id
    #[arg(default_value = "@latest")]
    pub run: RunRef,
    /// Show so many services, those that were done last first
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub services: usize,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where the time went. All durations in milliseconds.
#[derive(Debug, Serialize)]
struct RunTrace {
    run_id: String,
    state: &'static str,
    trace_id: String,
    /// Where the trace is shown, when `telemetry.trace_url` says it.
    trace_url: Option<String>,
    /// From the request to the end, or to now.
    total_ms: i64,
    /// From the request until the ledger opened the run: Kafka, and a root stage that had to be there.
    request_ms: i64,
    /// From there until all services were in the ledger.
    discovery_ms: Option<i64>,
    /// All services of the run.
    services_in_all: usize,
    /// Services, those that were done last first.
    services: Vec<ServiceTrace>,
    #[serde(skip)]
    requested_at_ms: i64,
}

/// Where the time of a service went.
#[derive(Debug, Serialize)]
struct ServiceTrace {
    service_id: ServiceId,
    batches: i64,
    /// From its discovery until it was planned: its turn, and its providers read.
    plan_ms: Option<i64>,
    /// From there until its first batch was stored: its turn, and one batch.
    queue_ms: Option<i64>,
    /// From there until its last batch was stored.
    store_ms: Option<i64>,
    /// From there until readers saw it.
    switch_ms: Option<i64>,
    /// What it waits for, when it is not switched.
    waits_for: Option<&'static str>,
    #[serde(skip)]
    times: ServiceTimes,
    #[serde(skip)]
    end_ms: i64,
}

/// Shows where the time went.
pub async fn run(session: &Session, args: TraceArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let run = args.run.find(&store).await?;
    let timeline = store.timeline(run.run_id).await?;
    let Some(timeline) = timeline else {
        return Err(Failure::new(Exit::Failed, format!("run {} is gone from the ledger", run.run_id)));
    };
    output::answer(&RunTrace::of(timeline, args.services, &settings.telemetry.trace_url), args.output)
}

// === impl RunTrace ===

impl RunTrace {
    fn of(timeline: Timeline, most: usize, trace_url: &str) -> Self {
        let Timeline { run, end_ms, discovered_at_ms, services } = timeline;
        let trace_id = run.run_id.trace_id();
        let services_in_all = services.len();
        let mut services: Vec<_> = services.into_iter().map(|times| ServiceTrace::of(times, end_ms)).collect();
        services.sort_by_key(|service| (-service.end_ms, service.service_id.clone()));
        services.truncate(most);
        Self {
            run_id: run.run_id.to_string(),
            state: run.state.as_str(),
            trace_url: (!trace_url.is_empty()).then(|| address(trace_url, &trace_id)),
            trace_id,
            total_ms: between(run.requested_at_ms, end_ms),
            request_ms: between(run.requested_at_ms, run.started_at_ms),
            discovery_ms: discovered_at_ms.map(|discovered| between(run.started_at_ms, discovered)),
            services_in_all,
            services,
            requested_at_ms: run.requested_at_ms,
        }
    }

    /// The bar of a service, over the time of the run.
    fn bar(&self, service: &ServiceTrace) -> String {
        let times = &service.times;
        let cell = |at: i64| (between(self.requested_at_ms, at) * WIDTH / self.total_ms.max(1)).clamp(0, WIDTH);
        let ends = [
            (' ', Some(times.discovered_at_ms)),
            ('░', times.planned_at_ms),
            ('▒', times.first_stored_at_ms),
            ('█', times.stored_at_ms.or(times.first_stored_at_ms.map(|_| service.end_ms))),
            ('▪', times.activated_at_ms),
        ];
        let mut bar = String::new();
        let mut filled = 0;
        for (symbol, end) in ends {
            let Some(end) = end.map(cell) else { continue };
            bar.extend((filled..end).map(|_| symbol));
            filled = filled.max(end);
        }
        bar
    }
}

// === impl ServiceTrace ===

impl ServiceTrace {
    fn of(times: ServiceTimes, run_end_ms: i64) -> Self {
        let ServiceTimes { discovered_at_ms, planned_at_ms, first_stored_at_ms, stored_at_ms, activated_at_ms, .. } =
            times;
        let span = |from: Option<i64>, to: Option<i64>| Some(between(from?, to?));
        // A service whose providers are all unchanged has no batch to wait for.
        let complete = stored_at_ms.or(planned_at_ms.filter(|_| times.batches == 0));
        Self {
            service_id: times.service_id.clone(),
            batches: times.batches,
            plan_ms: span(Some(discovered_at_ms), planned_at_ms),
            queue_ms: span(planned_at_ms, first_stored_at_ms),
            store_ms: span(first_stored_at_ms, stored_at_ms),
            switch_ms: span(complete, activated_at_ms),
            waits_for: match (planned_at_ms, complete, activated_at_ms) {
                (.., Some(_)) => None,
                (None, ..) => Some("its plan"),
                (_, None, _) => Some("its batches"),
                _ => Some("the switch"),
            },
            end_ms: activated_at_ms.unwrap_or(run_end_ms),
            times,
        }
    }
}

impl Report for RunTrace {
    fn text(&self) -> String {
        let ms = |ms: i64| text::duration(std::time::Duration::from_millis(ms.unsigned_abs()));
        let or_dash = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), ms);
        let mut answer = format!(
            "run {} {}, {} from the request\n  request    {}\n  discovery  {}\n",
            self.run_id,
            self.state,
            ms(self.total_ms),
            ms(self.request_ms),
            or_dash(self.discovery_ms),
        );
        let mut table = output::table(&["SERVICE", "BATCHES", "PLAN", "QUEUE", "STORE", "SWITCH", "WHEN"]);
        for service in &self.services {
            let switch =
                service.waits_for.map_or_else(|| or_dash(service.switch_ms), |what| format!("waits for {what}"));
            table.add_row([
                service.service_id.to_string(),
                text::count(service.batches),
                or_dash(service.plan_ms),
                or_dash(service.queue_ms),
                or_dash(service.store_ms),
                switch,
                self.bar(service),
            ]);
        }
        if !self.services.is_empty() {
            answer.push_str(output::table_text(&table).trim_end());
            answer.push('\n');
        }
        let left_out = self.services_in_all.saturating_sub(self.services.len());
        if left_out > 0 {
            let left_out = text::plural(i64::try_from(left_out).unwrap_or(i64::MAX), "service");
            answer.push_str(&format!("{left_out} done earlier: --services {}\n", self.services_in_all));
        }
        match &self.trace_url {
            Some(url) => answer.push_str(&format!("trace {url}\n")),
            None => answer.push_str(&format!("trace {}\n", self.trace_id)),
        }
        answer
    }
}

/// The address of a trace: where the setting has `{trace_id}`, or below it as Jaeger has it.
fn address(trace_url: &str, trace_id: &str) -> String {
    if trace_url.contains("{trace_id}") {
        trace_url.replace("{trace_id}", trace_id)
    } else {
        format!("{}/trace/{trace_id}", trace_url.trim_end_matches('/'))
    }
}

/// Milliseconds; clocks that differ make none.
fn between(from: i64, to: i64) -> i64 {
    to.saturating_sub(from).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(
        id: &str,
        plan: Option<i64>,
        first: Option<i64>,
        stored: Option<i64>,
        switched: Option<i64>,
    ) -> ServiceTimes {
        ServiceTimes {
            service_id: id.into(),
            batches: 4,
            discovered_at_ms: 10_000,
            planned_at_ms: plan,
            first_stored_at_ms: first,
            stored_at_ms: stored,
            activated_at_ms: switched,
        }
    }

    fn trace() -> RunTrace {
        let services = [
            times("quick", Some(11_000), Some(12_000), Some(14_000), Some(15_000)),
            times("slow", Some(20_000), Some(22_000), Some(39_000), Some(40_000)),
            times("stuck", Some(20_000), Some(25_000), None, None),
        ];
        RunTrace {
            run_id: "0198".to_owned(),
            state: "running",
            trace_id: "0198".to_owned(),
            trace_url: Some(address("http://jaeger:16686/", "0198")),
            total_ms: 40_000,
            request_ms: 500,
            discovery_ms: Some(9_500),
            services_in_all: 4,
            services: services.into_iter().map(|times| ServiceTrace::of(times, 40_000)).collect(),
            requested_at_ms: 0,
        }
    }

    #[test]
    fn a_trace_says_where_the_time_went_and_what_is_waited_for() {
        insta::assert_snapshot!(trace().text());
    }

    #[test]
    fn an_address_has_the_trace_where_it_says_or_where_jaeger_has_it() {
        assert_eq!(address("http://tempo/explore?id={trace_id}&x=1", "ab"), "http://tempo/explore?id=ab&x=1");
        assert_eq!(address("http://jaeger:16686", "ab"), "http://jaeger:16686/trace/ab");
    }
}
