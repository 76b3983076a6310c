//! What was announced again and again, and nobody took: for people.

use pipeline_model::contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered};

use super::{Part, pace::IN_VAIN, undone::movement};
use crate::{Error, database::Session};

/// Rounds of announcements without an effect, when there were enough of them to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InVain {
    services: Option<Rounds>,
    batches: Option<Rounds>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounds {
    times: i64,
    /// How long nothing has moved, in milliseconds.
    still_ms: i64,
}

/// What is announced, who should take it, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    part: Part,
    one: &'static str,
    many: &'static str,
    stage: &'static str,
    topic: &'static str,
}

// === impl InVain ===

impl InVain {
    pub(crate) const REQUEST: Kind =
        Kind { part: Part::Services, one: "request", many: "requests", stage: "root", topic: RunRequested::TOPIC };
    pub(crate) const SERVICES: Kind = Kind {
        part: Part::Services,
        one: "service",
        many: "services",
        stage: "providers",
        topic: ServiceDiscovered::TOPIC,
    };
    pub(crate) const BATCHES: Kind =
        Kind { part: Part::Batches, one: "batch", many: "batches", stage: "bundles", topic: BatchPlanned::TOPIC };

    /// Of an open run. What has moved since it was looked at last is not in vain any more.
    pub(crate) async fn read(session: &mut Session, run_id: &str) -> Result<Self, Error> {
        let now = session.dialect().now_ms();
        let sql = format!(
            "SELECT part, seen, in_vain, {now} - since_ms AS still_ms FROM sluice_run_standstill \
             WHERE run_id = ? AND in_vain >= ?"
        );
        let rows = session.fetch_all(sql, &[run_id.into(), IN_VAIN.into()]).await?;
        let mut found = Vec::new();
        for row in rows.into_iter() {
            let rounds = Rounds { times: row.int("in_vain")?, still_ms: row.int("still_ms")? };
            found.push((row.text("part")?, row.text("seen")?, rounds));
        }
        let mut in_vain = Self::default();
        if found.is_empty() {
            return Ok(in_vain);
        }
        let seen_now = movement(session, run_id).await?;
        for (part, seen, rounds) in found {
            let rounds = Some(rounds).filter(|_| seen == seen_now);
            if part == Part::Services.as_str() {
                in_vain.services = rounds;
            } else {
                in_vain.batches = rounds;
            }
        }
        Ok(in_vain)
    }

    pub(crate) fn of(&self, part: Part) -> Option<Rounds> {
        match part {
            Part::Services => self.services,
            Part::Batches => self.batches,
        }
    }

    /// In words, with what to do next, for so many items of a kind.
    pub(crate) fn reason(&self, kind: Kind, count: i64) -> Option<String> {
        let Rounds { times, still_ms } = self.of(kind.part)?;
        let Kind { stage, topic, .. } = kind;
        let what = if count == 1 { format!("1 {} was", kind.one) } else { format!("{count} {} were", kind.many) };
        let minutes = still_ms / 60_000;
        let time = if minutes > 0 { format!("{minutes} min") } else { format!("{} s", still_ms / 1_000) };
        Some(format!(
            "{what} announced {times} times within {time} and nobody took them: is stage `{stage}` running and ready, on \
             this broker and target, and does topic `{topic}` exist (see: sluice doctor)? It goes on by itself when \
             somebody takes them"
        ))
    }

    #[cfg(test)]
    pub(crate) fn of_parts(parts: &[Part], times: i64, still_ms: i64) -> Self {
        let rounds = |part| parts.contains(&part).then_some(Rounds { times, still_ms });
        Self { services: rounds(Part::Services), batches: rounds(Part::Batches) }
    }
}
