//! What will become of a request that no root stage has taken yet.

use std::time::Duration;

use pipeline_kafka::{
    Position,
    standing::{Standing, standing},
};
use pipeline_settings::settings::Settings;

use crate::text;

/// A request that was acknowledged, and who should take it.
#[derive(Debug)]
pub struct Sent {
    settings: Settings,
    position: Position,
}

// === impl Sent ===

impl Sent {
    /// The request that lies here.
    pub fn new(settings: &Settings, position: Position) -> Self {
        Self { settings: settings.clone(), position }
    }

    /// In words, from what the cluster says now.
    pub async fn outlook(&self) -> String {
        let group = self.settings.kafka.group("root");
        // Without an answer, what is known is where the request lies.
        let standing = standing(&self.settings.kafka, &group, &self.position).await.ok();
        let mut position = self.position.clone();
        position.partition.topic = self.settings.kafka.names().topic(&position.partition.topic);
        outlook(&group, &position, standing, self.settings.run.max_request_age())
    }
}

fn outlook(group: &str, position: &Position, standing: Option<Standing>, max_age: Duration) -> String {
    let Position { partition, offset } = position;
    let place = format!("topic `{}`, partition {}, offset {offset}", partition.topic, partition.number);
    let next = standing.and_then(|standing| standing.next);
    if let Some(next) = next.filter(|next| next > offset) {
        return format!(
            "group `{group}` is past its request ({place}; it reads {next} next) and the run is not in this ledger: does the \
             root stage work on another target?"
        );
    }
    let members = match standing.and_then(|standing| standing.members) {
        None => String::new(),
        Some(0) => format!(" (group `{group}` has no member)"),
        Some(members) => {
            let before =
                next.map_or(String::new(), |next| format!(", {} before it", text::plural(offset - next, "request")));
            let members = text::plural(members, "member");
            format!(" (group `{group}` has {members}{before})")
        }
    };
    format!(
        "no root stage has taken its request{members}. It stays in {place}, and it becomes a run when a root stage comes; \
         unless it is older than {} by then (`run.max_request_age_ms`), when it is refused",
        text::duration(max_age)
    )
}

#[cfg(test)]
mod tests {
    use pipeline_kafka::Partition;

    use super::*;

    fn told(standing: Option<Standing>) -> String {
        let position = Position { partition: Partition { topic: "t".to_owned(), number: 3 }, offset: 17 };
        outlook("sluice-root", &position, standing, Duration::from_secs(86_400))
    }

    #[test]
    fn a_request_that_nobody_took_says_where_it_is_and_until_when_it_counts() {
        let nobody = told(Some(Standing { members: Some(0), next: None }));
        for part in ["has no member", "topic `t`, partition 3, offset 17", "older than 24h 00m"] {
            assert!(nobody.contains(part), "{part}: {nobody}");
        }
        let busy = told(Some(Standing { members: Some(2), next: Some(12) }));
        assert!(busy.contains("2 members, 5 requests before it"), "{busy}");
        assert!(told(None).starts_with("no root stage has taken its request."), "{}", told(None));
    }

    #[test]
    fn a_request_that_was_passed_over_points_to_another_target() {
        let passed = told(Some(Standing { members: Some(1), next: Some(18) }));
        assert!(passed.contains("it reads 18 next") && passed.contains("another target"), "{passed}");
    }
}
