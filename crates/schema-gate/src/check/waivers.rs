//! Waivers: leave to break a rule, with a reason and a last day.

use std::collections::BTreeSet;

use pipeline_schema::Severity;

use crate::{
    policy::{Policy, Waiver},
    rules::{WAIVER_EXPIRED, WAIVER_UNUSED},
    verdict::{Entry, Verdict},
};

/// Marks what is waived, and adds a finding for each waiver that has expired and a warning for each that nothing
/// needed. Of waivers for subjects that were not looked at nothing can be said.
pub(super) fn apply<'a>(
    verdict: &mut Verdict,
    policies: impl Iterator<Item = &'a Policy>,
    looked_at: &BTreeSet<&str>,
    today: &str,
) {
    let mut own = Vec::new();
    for policy in policies {
        for waiver in &policy.waivers {
            let mut used = false;
            for entry in &mut verdict.entries {
                if waiver.covers(entry.rule, &entry.subject, &entry.path) {
                    used = true;
                    if !waiver.has_expired(today) {
                        entry.waived = Some(waiver.reason.clone());
                    }
                }
            }
            if waiver.has_expired(today) {
                own.push(expired(policy, waiver));
            } else if !used && looked_at.contains(waiver.subject.as_str()) {
                own.push(unused(policy, waiver));
            }
        }
    }
    verdict.entries.extend(own);
}

fn expired(policy: &Policy, waiver: &Waiver) -> Entry {
    let Waiver { rule, subject, expires, reason, .. } = waiver;
    let message = format!("the waiver of {rule} for `{subject}` expired on {expires} ({reason})");
    let advice = "remove the waiver; where it is still needed, give it a new last day, and say why once more";
    entry(policy, waiver, WAIVER_EXPIRED, Severity::Error, message, advice)
}

fn unused(policy: &Policy, waiver: &Waiver) -> Entry {
    let Waiver { rule, subject, .. } = waiver;
    let message = format!("nothing needs the waiver of {rule} for `{subject}`");
    let advice = "remove it; a waiver that waits for its finding hides the next one";
    entry(policy, waiver, WAIVER_UNUSED, Severity::Warning, message, advice)
}

fn entry(
    policy: &Policy,
    waiver: &Waiver,
    rule: &'static str,
    severity: Severity,
    message: String,
    advice: &'static str,
) -> Entry {
    Entry {
        path: waiver.path.clone().unwrap_or_default(),
        line: waiver.line,
        ..Entry::plain(&waiver.subject, &policy.path.clone().unwrap_or_default(), rule, severity, message, advice)
    }
}
