//! The stages: does each have a worker, and what waits for it?

use std::time::Duration;

use pipeline_core::runtime::header;
use pipeline_kafka::{
    Partition, Position, read_at,
    survey::{self, Group},
};
use pipeline_model::{
    contracts::{BatchPlanned, Confirmed, Message, RunRequested, ServiceDiscovered},
    ids::RunId,
};
use pipeline_settings::settings::Settings;

use super::report::{Check, State};
use crate::{session, text};

/// A request that waits for longer is not just on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stage is called here, its group's word, and the topic that it reads.
pub(crate) const STAGES: [(&str, &str, &str); 4] = [
    ("stage-root", "root", RunRequested::TOPIC),
    ("stage-providers", "providers", ServiceDiscovered::TOPIC),
    ("stage-bundles", "bundles", BatchPlanned::TOPIC),
    ("stage-activator", "activator", Confirmed::TOPIC),
];

/// One line for each stage; `is_open` says whether a run needs them, where that is known.
pub async fn check(settings: &Settings, is_open: Option<bool>) -> Vec<Check> {
    let asked = STAGES.map(async |(stage, word, topic)| {
        match survey::group(&settings.kafka, &settings.kafka.group(word), topic).await {
            Ok(group) => {
                let age = if word == "root" { oldest(settings, &group).await } else { None };
                of_group(stage, &group, is_open, age, settings.run.max_request_age())
            }
            Err(error) => Check::failed(stage, &session::kafka_failure(&error)),
        }
    });
    futures::future::join_all(asked).await
}

/// How long ago the first request that waits was made, by its run's id; nothing when none waits, or it cannot be read.
async fn oldest(settings: &Settings, group: &Group) -> Option<Duration> {
    let (number, offset) = group.first_waiting?;
    let partition = Partition { topic: RunRequested::TOPIC.to_owned(), number };
    let delivery = read_at(&settings.kafka, &Position { partition, offset }).await.ok()??;
    let made_at_ms = RunId::parse(delivery.header(header::RUN_ID)?).ok()?.made_at_ms()?;
    Some(Duration::from_millis(u64::try_from(text::now_ms() - made_at_ms).unwrap_or_default()))
}

fn of_group(
    stage: &'static str,
    group: &Group,
    is_open: Option<bool>,
    oldest: Option<Duration>,
    max_age: Duration,
) -> Check {
    let workers = match group.members {
        Some(members) => text::plural(members, "worker"),
        None => "workers unknown".to_owned(),
    };
    let Some(waiting) = group.waiting else {
        let found = format!("group `{}` is not visible to this account", group.name);
        return Check::new(stage, State::NotSet, found)
            .hint("give it `Describe` on the group and its topic; if it has that, is the group's coordinator away?");
    };
    let mut found = format!("group `{}`: {workers}, {} waiting", group.name, text::plural(waiting, "message"));
    if let Some(age) = oldest {
        found.push_str(&format!(", the first for {}", text::duration(age)));
    }
    let is_needed = waiting > 0 || is_open == Some(true);
    if oldest.is_some_and(|age| age > max_age) {
        let hint = "it is refused when a root stage sees it (`run.max_request_age_ms`): ask again, `sluice run start`";
        return Check::new(stage, State::AtRisk, found).hint(hint);
    }
    match (group.members, oldest) {
        (Some(0), _) if is_needed => {
            let hint = format!("start {stage}; if it is started, its log and /readyz say what keeps it");
            Check::new(stage, State::NotReady, found).hint(hint)
        }
        (Some(0), _) => Check::new(stage, State::NotSet, found).hint(format!("start {stage} before you start a run")),
        (_, Some(age)) if age > PATIENCE => {
            let hint = "a worker is there and does not take it: look at /readyz and the log of the root stage";
            Check::new(stage, State::NotReady, found).hint(hint)
        }
        _ => Check::new(stage, State::Ok, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: usize, waiting: i64, is_open: bool, oldest: Option<u64>) -> Check {
        let group = Group { name: "g".to_owned(), members: Some(members), waiting: Some(waiting), first_waiting: None };
        let day = Duration::from_secs(86_400);
        of_group("stage-root", &group, Some(is_open), oldest.map(Duration::from_secs), day)
    }

    #[test]
    fn a_stage_without_workers_is_a_fault_when_something_needs_it() {
        assert_eq!(of(0, 0, false, None).state, State::NotSet);
        assert_eq!(of(0, 0, true, None).state, State::NotReady);
        let waiting = of(0, 2, false, Some(180));
        assert_eq!(waiting.state, State::NotReady);
        assert_eq!(waiting.detail, "group `g`: 0 workers, 2 messages waiting, the first for 3m 00s");
        assert!(waiting.hint.unwrap().contains("start stage-root"));
        assert_eq!(of(2, 7, true, None).state, State::Ok);
        let hidden = Group { name: "g".to_owned(), members: None, waiting: None, first_waiting: None };
        let hidden = of_group("stage-root", &hidden, Some(true), None, Duration::from_secs(1));
        assert!(hidden.state == State::NotSet && hidden.hint.unwrap().contains("`Describe`"));
    }

    #[test]
    fn a_request_that_nobody_takes_is_told_with_its_age() {
        assert_eq!(of(1, 1, false, Some(5)).state, State::Ok);
        assert_eq!(of(1, 1, false, Some(61)).state, State::NotReady);
        let old = of(1, 1, false, Some(90_000));
        assert_eq!(old.state, State::AtRisk);
        assert!(old.hint.unwrap().contains("run.max_request_age_ms"));
    }
}
