//! Asking for a run: one message on the first topic.

use std::time::SystemTime;

use pipeline_kafka::Position;
use pipeline_model::{
    contracts::{Activation, RunRequested},
    ids::{RunId, TargetId},
};
use pipeline_store::{Deed, Tolerance};

use crate::{By, Error, Installation, Operation, open, outbox::Outbox};

/// What is asked for; the rest of the message follows from it.
#[derive(Clone, Debug)]
pub struct Start {
    /// Who asks, as the run shows it.
    pub requested_by: String,
    /// When readers are switched.
    pub activation: Activation,
    /// Services to synchronise; empty means all.
    pub services: Vec<String>,
    /// Providers in one batch.
    pub batch_size: u32,
    /// Rejected providers that do not hold the activation.
    pub tolerance: Tolerance,
}

/// A request for a run.
#[derive(Clone, Debug)]
pub struct Started {
    /// The request.
    pub request: RunRequested,
    /// Where it lies; nothing when it was not sent.
    pub position: Option<Position>,
}

// === impl Start ===

impl Start {
    /// The message to the root stage of this target, with an id of its own.
    pub fn request(&self, target: TargetId) -> RunRequested {
        RunRequested {
            run_id: RunId::new().to_string(),
            requested_by: self.requested_by.clone(),
            requested_at_ms: now_ms(),
            activation: self.activation,
            scope: self.services.clone(),
            batch_size: i32::try_from(self.batch_size).unwrap_or(i32::MAX),
            max_rejected_providers: self.tolerance.max_providers,
            max_rejected_percent: self.tolerance.max_percent,
            target: Some(target.0),
        }
    }
}

impl Operation for Start {
    type Answer = Started;

    /// Refused while a run is open: the root stage would refuse the request too, but later and where nobody looks.
    async fn preview(&self, at: &Installation<'_>) -> Result<Started, Error> {
        open::refuse(at.store).await?;
        Ok(Started { request: self.request(at.store.identity().await?), position: None })
    }

    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Started>, by: &By) -> Result<Started, Error> {
        open::refuse(at.store).await?;
        let request = match shown {
            Some(shown) => shown.request.clone(),
            None => self.request(at.store.identity().await?),
        };
        let position = send(at, &request).await?;
        let subject = request.run_id.as_str();
        let services = match request.scope.len() {
            0 => "all".to_owned(),
            number => number.to_string(),
        };
        let result = format!("a run of {services} services was asked for");
        at.store.audit(&Deed { who: &by.who, what: "run start", subject, why: &by.why, result: &result }).await?;
        Ok(Started { request, position })
    }
}

/// Sends a request; gives where it lies then.
pub(crate) async fn send(at: &Installation<'_>, request: &RunRequested) -> Result<Option<Position>, Error> {
    let outbox = Outbox::prepare(at).await?;
    Ok(outbox.send(vec![outbox.outbound(request)?]).await?.pop())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_what_was_asked_for() {
        let start = Start {
            requested_by: "ada@desk (sluice run start)".to_owned(),
            activation: Activation::WholeRun,
            services: vec!["s1".to_owned()],
            batch_size: 20,
            tolerance: Tolerance { max_providers: None, max_percent: Some(1.0) },
        };
        let message = start.request("t".into());
        assert_eq!((message.activation, message.batch_size), (Activation::WholeRun, 20));
        assert_eq!((message.target.as_deref(), message.scope.as_slice()), (Some("t"), ["s1".to_owned()].as_slice()));
        assert_eq!((message.max_rejected_providers, message.max_rejected_percent), (None, Some(1.0)));
        assert_eq!(message.requested_by, "ada@desk (sluice run start)");
        assert!(RunId::parse(&message.run_id).is_ok());
        assert_ne!(message.run_id, start.request("t".into()).run_id);
    }
}
