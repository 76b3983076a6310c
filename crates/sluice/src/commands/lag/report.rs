//! What `sluice lag` answers.

use std::time::Duration;

use serde::Serialize;

use super::behind::{Behind, PartitionBehind, StageBehind, Trend, Verdict};
use crate::{
    output::{self, Report},
    text,
};

/// Each stage, in the order of the flow.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct LagReport(pub Vec<StageBehind>);

impl Report for LagReport {
    /// A line for each stage, and below it one for each partition in which something waits or was lost.
    fn text(&self) -> String {
        let heading = ["STAGE", "PARTITION", "MESSAGES", "OLDEST", "IN/S", "OUT/S", "TREND", ""];
        let mut table = output::table(&heading);
        for stage in &self.0 {
            let workers =
                stage.members.map(|members| text::plural(i64::try_from(members).unwrap_or(i64::MAX), "worker"));
            table.add_row(row(stage.stage, "all", &stage.behind, &workers.unwrap_or_default()));
            for partition in &stage.partitions {
                if partition.behind.messages > 0 || partition.lost > 0 {
                    table.add_row(row("", &partition.partition.to_string(), &partition.behind, &remark(partition)));
                }
            }
        }
        let lines = self.0.iter().filter_map(danger);
        std::iter::once(output::table_text(&table)).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

fn row(stage: &str, partition: &str, behind: &Behind, remark: &str) -> [String; 8] {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let oldest = match behind.seconds {
        _ if behind.messages == 0 => "-".to_owned(),
        Some(seconds) => text::duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        None => "unknown".to_owned(),
    };
    let trend = match behind.trend {
        None => "-",
        Some(Trend::Growing) => "growing",
        Some(Trend::Steady) => "steady",
        Some(Trend::Shrinking) => "shrinking",
    };
    [
        stage.to_owned(),
        partition.to_owned(),
        text::count(behind.messages),
        oldest,
        rate(behind.rate_in),
        rate(behind.rate_out),
        trend.to_owned(),
        remark.to_owned(),
    ]
}

fn remark(partition: &PartitionBehind) -> String {
    let mut remarks = Vec::new();
    if partition.hot {
        remarks.push("hot".to_owned());
    }
    match partition.verdict {
        Verdict::Fine | Verdict::NoTopic => {}
        Verdict::WouldLose => remarks.push("would lose data".to_owned()),
        Verdict::HasLost => remarks.push(format!("{} lost", text::plural(partition.lost, "message"))),
    }
    remarks.join(", ")
}

/// What is wrong, and what to do.
fn danger(stage: &StageBehind) -> Option<String> {
    let name = stage.stage;
    Some(match stage.verdict {
        Verdict::Fine => return None,
        Verdict::NoTopic => {
            format!("{name}: topic `{}` is not there, or not for this account: sluice topic create", stage.topic)
        }
        Verdict::WouldLose => {
            let bound = match stage.retention_seconds {
                Some(kept) => format!(
                    "the oldest waiting message is older than four fifths of the retention ({}): start or mend the stage, or \
                     raise `retention.ms` of `{}`",
                    text::seconds(kept),
                    stage.topic
                ),
                None => "a partition is almost full, and local mode refuses what is more".to_owned(),
            };
            format!("{name}: would lose data: {bound}")
        }
        Verdict::HasLost => format!(
            "{name}: `{}` took messages away before the group `{}` had passed them; what they were about is announced again \
             while its run is open",
            stage.topic, stage.group
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, render};

    fn behind(messages: i64, seconds: f64) -> Behind {
        let rate = Some(messages as f64 / 2.0);
        Behind { messages, seconds: Some(seconds), rate_in: rate, rate_out: Some(0.0), trend: Some(Trend::Growing) }
    }

    #[test]
    fn people_see_what_waits_where_it_is_hot_and_what_is_in_danger() {
        let partition = |number, messages, hot, lost, verdict| PartitionBehind {
            partition: number,
            behind: behind(messages, 90.0),
            lost,
            hot,
            verdict,
        };
        let stage = |verdict, partitions: Vec<PartitionBehind>| StageBehind {
            stage: "bundles",
            group: "sluice-bundles".to_owned(),
            topic: "sluice.t".to_owned(),
            members: Some(1),
            behind: behind(12, 90.0),
            retention_seconds: Some(100),
            verdict,
            partitions,
        };
        let report = LagReport(vec![
            stage(
                Verdict::WouldLose,
                vec![
                    partition(0, 12, true, 0, Verdict::WouldLose),
                    partition(1, 0, false, 0, Verdict::Fine),
                    partition(2, 0, false, 2, Verdict::HasLost),
                ],
            ),
            StageBehind { members: None, behind: Behind::default(), ..stage(Verdict::NoTopic, Vec::new()) },
        ]);
        insta::assert_snapshot!(render(&report, Format::Table).unwrap(), @"
        STAGE    PARTITION  MESSAGES  OLDEST  IN/S  OUT/S  TREND
        bundles  all        12        1m 30s  6.0   0.0    growing  1 worker
                 0          12        1m 30s  6.0   0.0    growing  hot, would lose data
                 2          0         -       0.0   0.0    growing  2 messages lost
        bundles  all        0         -       -     -      -
        bundles: would lose data: the oldest waiting message is older than four fifths of the retention (1m 40s): start or mend the stage, or raise `retention.ms` of `sluice.t`
        bundles: topic `sluice.t` is not there, or not for this account: sluice topic create
        ");
    }
}
