//! `sluice dlq show`: everything that a person needs to mend one dead letter.

use clap::Args;
use pipeline_core::runtime::header;
use pipeline_kafka as kafka;
use pipeline_kafka::Delivery;
use pipeline_operations::{
    Error,
    letters::{original, run_of},
    message::Message,
};
use pipeline_settings::settings::Settings;
use pipeline_store::{DeadLetter, LetterState, Store};
use serde::Serialize;

use super::part;
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    pages,
    session::{self, Session},
    text,
};

/// Which letter.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sluice dlq show 17
  sluice dlq show 17 -o json | jq .message.record")]
pub struct ShowArgs {
    /// Its number, from `sluice dlq ls`
    #[arg(value_name = "ID")]
    pub id: i64,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// One letter with its message.
#[derive(Debug, Serialize)]
pub struct LetterReport {
    /// What the ledger knows.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Where the run stands, when the ledger has it.
    pub run_state: Option<String>,
    /// The trace in which the message failed.
    pub trace_id: Option<String>,
    /// What the code means.
    pub title: Option<&'static str>,
    /// What to do about it.
    pub remedy: Option<&'static str>,
    /// The message, when its bytes could be had.
    pub message: Option<Message>,
    /// What the letter lacks of the message, and where that is; nothing when the letter is whole.
    pub left_out: Option<String>,
    /// Why the bytes could not be had.
    pub unread: Option<String>,
}

/// Shows a dead letter.
pub async fn run(session: &Session, args: ShowArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    output::answer(&LetterReport::read(&store, &settings, args.id).await?, args.output)
}

// === impl LetterReport ===

impl LetterReport {
    /// Reads row and message. A broker that is away costs the message only: the row says where and why.
    pub async fn read(store: &Store, settings: &Settings, id: i64) -> Result<Self, Failure> {
        let letter = store.dead_letter(id).await?;
        let letter = letter.ok_or_else(|| Error::NoSuchLetter { id, target: store.describe() })?;
        let run = run_of(store, &letter).await?;
        let (delivery, unread) = match kafka::read_at(&settings.kafka, &letter.letter.position()).await {
            Ok(Some(delivery)) => (Some(delivery), None),
            Ok(None) => (None, Some(format!("{} is gone: the topic no longer keeps it", letter.letter))),
            Err(error) => (None, Some(session::kafka_failure(&error).one_line())),
        };
        let of_message = delivery.as_ref().and_then(|delivery| {
            let traceparent = delivery.header(header::TRACEPARENT)?;
            traceparent.split('-').nth(1).map(str::to_owned)
        });
        let message = match &delivery {
            Some(delivery) => Some(Message::read(settings, &letter.source.topic, delivery).await),
            None => None,
        };
        let left_out = match &delivery {
            Some(delivery) => left_out(settings, &letter, delivery).await,
            None => None,
        };
        let page = pages::find(&letter.code);
        Ok(Self {
            run_state: run.map(|run| text::word(&run.state)),
            trace_id: of_message.or_else(|| letter.run_id.map(|id| id.trace_id())),
            title: page.map(|page| page.title),
            remedy: page.map(|page| page.remedy),
            message,
            left_out,
            unread,
            letter,
        })
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let letter = &self.letter;
        let state = match letter.settled_at_ms {
            Some(at) => format!("{} since {}, replays: {}", letter.state.as_str(), text::time(at), letter.replays),
            None => letter.state.as_str().to_owned(),
        };
        let run = match (&letter.run_id, &self.run_state) {
            (Some(id), Some(state)) => format!("{id} ({state})"),
            (Some(id), None) => format!("{id} (not in this ledger)"),
            (None, _) => "the message names none".to_owned(),
        };
        let tries = if letter.attempts == 1 { "1 try".to_owned() } else { format!("{} tries", letter.attempts) };
        let mut rows = vec![
            ("letter", letter.id.to_string()),
            ("state", state),
            ("run", run),
            ("part", part(letter)),
            ("stage", letter.stage.clone()),
            ("failed", format!("{}, given up after {tries}", text::time(letter.first_failed_at_ms))),
            ("message", letter.source.to_string()),
            ("kept at", letter.letter.to_string()),
        ];
        rows.extend(self.trace_id.clone().map(|id| ("trace", id)));
        rows.push(("reason", output::printable(&letter.reason)));
        rows.push((
            "code",
            [Some(letter.code.as_str()), self.title].into_iter().flatten().collect::<Vec<_>>().join(": "),
        ));
        rows.extend(self.remedy.map(|remedy| ("remedy", remedy.to_owned())));
        rows
    }
}

/// What a letter that was too large lacks, and whether it can still be had.
async fn left_out(settings: &Settings, letter: &DeadLetter, delivery: &Delivery) -> Option<String> {
    let words = delivery.header(header::LEFT_OUT)?;
    let place = &letter.source;
    let still = match original(settings, letter, delivery).await {
        Ok(Some(_)) => format!("it is still there, at {place}, and replay takes it from there"),
        Ok(None) => format!("it is gone: {place} is no longer kept"),
        Err(error) => format!("look for it at {place}: {}", session::kafka_failure(&error).one_line()),
    };
    Some(format!("{} (the letter would have been too large); {still}", words.replace(',', ", ")))
}

impl Report for LetterReport {
    fn text(&self) -> String {
        let mut lines: Vec<String> =
            self.rows().into_iter().map(|(name, value)| format!("{name:<10}{value}")).collect();
        if let Some(message) = &self.message {
            lines.push(String::new());
            let key = message
                .key
                .as_deref()
                .map_or_else(|| "no key".to_owned(), |key| format!("key `{}`", output::printable(key)));
            lines.push(format!("Message: {key}, {} bytes", message.size));
            lines.extend(self.left_out.iter().map(|what| format!("  left out: {}", output::printable(what))));
            if let Some(record) = &message.record {
                lines.push(serde_json::to_string_pretty(record).unwrap_or_default());
            }
            if let Some(reason) = &message.undecodable {
                lines.push(format!("  no record: {}", output::printable(reason)));
                lines.push(format!("  bytes: {}", message.bytes.as_deref().unwrap_or_default()));
            }
            lines.push(String::new());
            lines.push("Headers:".to_owned());
            lines.extend(message.headers.iter().map(|header| {
                format!(
                    "  {}: {}",
                    output::printable(&header.name),
                    output::printable(header.value.as_deref().unwrap_or("(null)"))
                )
            }));
        }
        lines.extend(
            self.unread.iter().map(|reason| format!("\nThe message could not be read: {}", output::printable(reason))),
        );
        if self.letter.state == LetterState::Open {
            let id = self.letter.id;
            lines.push(String::new());
            lines.push(format!("When the cause is mended: sluice dlq replay {id}"));
            lines.push(format!("To go on without it:      sluice dlq discard {id} --reason TEXT"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::ids::{BatchNo, RunId};
    use pipeline_operations::message::Header;
    use pipeline_store::Place;

    use super::*;
    use crate::output::{Format, render};

    #[test]
    fn the_text_says_where_why_and_what_to_do_and_nothing_that_a_terminal_obeys() {
        let place = |topic: &str| Place { topic: topic.to_owned(), partition: 3, offset: 42 };
        let run_id = RunId::parse("01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10").unwrap();
        let report = LetterReport {
            letter: DeadLetter {
                id: 17,
                run_id: Some(run_id),
                stage: "bundles".to_owned(),
                service_id: Some("pay\u{1b}[31mments".into()),
                batch_no: Some(BatchNo(2)),
                source: place("sluice.sync.batch-planned.v1"),
                letter: place("sluice.dead-letters.v1"),
                key: Some("payments/2".to_owned()),
                code: "SLUICE-TARGET-004".to_owned(),
                reason: "cannot store batch `payments/2`: the database refuses a value".to_owned(),
                attempts: 1,
                first_failed_at_ms: 0,
                recorded_at_ms: 1,
                state: LetterState::Open,
                settled_at_ms: None,
                replays: 0,
            },
            run_state: Some("running".to_owned()),
            trace_id: Some(run_id.trace_id()),
            title: Some("the database refuses a value"),
            remedy: Some("Raise the bound, then replay."),
            message: Some(Message {
                key: Some("payments/2".to_owned()),
                size: 3,
                headers: vec![Header { name: "origin".to_owned(), value: Some("a\nb".to_owned()) }],
                record: None,
                undecodable: Some("the first byte is 1".to_owned()),
                bytes: Some("010203".to_owned()),
            }),
            left_out: None,
            unread: None,
        };
        insta::assert_snapshot!(render(&report, Format::Table).unwrap(), @r"
        letter    17
        state     open
        run       01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10 (running)
        part      pay\u{1b}[31mments/2
        stage     bundles
        failed    1970-01-01 00:00:00Z, given up after 1 try
        message   sluice.sync.batch-planned.v1[3]@42
        kept at   sluice.dead-letters.v1[3]@42
        trace     01980f6e3c5a7cc19b1e0d2c5e8a4f10
        reason    cannot store batch `payments/2`: the database refuses a value
        code      SLUICE-TARGET-004: the database refuses a value
        remedy    Raise the bound, then replay.

        Message: key `payments/2`, 3 bytes
          no record: the first byte is 1
          bytes: 010203

        Headers:
          origin: a\nb

        When the cause is mended: sluice dlq replay 17
        To go on without it:      sluice dlq discard 17 --reason TEXT
        ");
    }
}
