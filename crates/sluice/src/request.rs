//! What a person asks for, in the words of the command line, and who that person is.

use std::{env, fs, str::FromStr};

use clap::ValueEnum;
use pipeline_model::contracts::Activation;
use pipeline_operations::By;
use pipeline_store::Tolerance;
use serde::Serialize;

/// When readers are switched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// Each service as soon as it is complete.
    #[default]
    PerService,
    /// All services in one transaction, when the whole run is complete.
    WholeRun,
}

/// How many rejected providers do not hold the activation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Tolerate {
    /// None: the first one holds it.
    #[default]
    None,
    /// Up to so many.
    Providers(i64),
    /// Up to so many in a hundred planned ones.
    Percent(f64),
}

/// Who types, and why.
pub fn by(why: &str) -> By {
    By { who: who(), why: why.to_owned() }
}

/// Who types, and with which verb: `ada@desk (sluice run start)`.
pub fn requested_by(verb: &str) -> String {
    format!("{} ({verb})", who())
}

/// Who types: `ada@desk`.
fn who() -> String {
    format!("{}@{}", user(), host())
}

/// By the environment, which `sudo` and schedulers set; else by the account, which has a number where it has no name.
fn user() -> String {
    user_of(["USER", "LOGNAME"].into_iter().filter_map(|name| env::var(name).ok()))
}

fn user_of(named: impl Iterator<Item = String>) -> String {
    named
        .chain(nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name))
        .find(|name| !name.trim().is_empty())
        .unwrap_or_else(|| format!("uid {}", nix::unistd::getuid()))
}

fn host() -> String {
    let from_kernel = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    from_kernel.ok().or_else(|| env::var("HOSTNAME").ok()).unwrap_or_else(|| "localhost".to_owned())
}

// === impl Switch ===

impl From<Switch> for Activation {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::PerService => Self::PerService,
            Switch::WholeRun => Self::WholeRun,
        }
    }
}

// === impl Tolerate ===

impl From<Tolerate> for Tolerance {
    fn from(tolerate: Tolerate) -> Self {
        match tolerate {
            Tolerate::None => Self::default(),
            Tolerate::Providers(number) => Self { max_providers: Some(number), max_percent: None },
            Tolerate::Percent(percent) => Self { max_providers: None, max_percent: Some(percent) },
        }
    }
}

impl FromStr for Tolerate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("`{text}` is none of: none, a number of providers such as 5, a share such as 1%");
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| expected())?;
            return if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(expected()) };
        }
        let number: u32 = text.parse().map_err(|_| expected())?;
        Ok(Self::Providers(i64::from(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_none_a_number_or_a_share() {
        assert_eq!("none".parse(), Ok(Tolerate::None));
        assert_eq!("5".parse(), Ok(Tolerate::Providers(5)));
        assert_eq!("0.5%".parse(), Ok(Tolerate::Percent(0.5)));
        for wrong in ["", "-1", "101%", "NaN%", "many", "%"] {
            assert!(wrong.parse::<Tolerate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn whoever_asks_has_a_name_or_a_number() {
        assert_eq!(user_of(["".to_owned(), "ada".to_owned()].into_iter()), "ada");
        let nameless = user_of(std::iter::empty());
        assert!(!nameless.is_empty() && nameless != "unknown", "{nameless}");
    }
}
