//! The parameters of the generator, as they stand in its URL.

use crate::Error;

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Provider services.
    pub services: u64,
    /// Providers of all services together.
    pub providers: u64,
    /// Bundles of each provider.
    pub bundles: u64,
    /// Subscription fields of each bundle.
    pub fields: u64,
    /// Other seeds give other texts and numbers, in the same hierarchy.
    pub seed: u64,
    /// Whether the first service has half of all providers, and the first provider
    /// [`super::BUNDLES_OF_THE_LARGEST`] bundles.
    pub skew: bool,
    /// Milliseconds that each answer takes.
    pub latency_ms: u64,
    /// Share of the providers whose content changes from one revision to the next, in percent.
    pub changed_percent: f64,
    /// State of the source, from 1.
    pub revision: u64,
}

const NAMES: [&str; 9] =
    ["services", "providers", "bundles", "fields", "seed", "skew", "latency_ms", "changed_percent", "revision"];

// === impl Parameters ===

impl Default for Parameters {
    fn default() -> Self {
        Self {
            services: 4,
            providers: 40,
            bundles: 5,
            fields: 5,
            seed: 1,
            skew: false,
            latency_ms: 0,
            changed_percent: 1.0,
            revision: 1,
        }
    }
}

impl Parameters {
    /// Reads `services=40&providers=10000`.
    pub fn parse(query: &str) -> Result<Self, Error> {
        let mut parameters = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let Some(known) = NAMES.into_iter().find(|known| *known == name) else {
                return Err(Error::UnknownParameter { name: name.to_owned(), nearest: nearest(name) });
            };
            if seen.contains(&known) {
                return Err(Error::Parameter { name: known, value: value.to_owned(), expected: "it only once" });
            }
            seen.push(known);
            parameters.set(known, value)?;
        }
        if parameters.services == 0 && parameters.providers > 0 {
            let expected = "at least 1, because every provider belongs to a service";
            return Err(Error::Parameter { name: "services", value: "0".to_owned(), expected });
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), Error> {
        match name {
            "services" => self.services = number(name, value, (0, 1_000_000), "a number up to 1000000")?,
            "providers" => self.providers = number(name, value, (0, 100_000_000), "a number up to 100000000")?,
            "bundles" => self.bundles = number(name, value, (0, 1_000_000), "a number up to 1000000")?,
            "fields" => self.fields = number(name, value, (0, 10_000), "a number up to 10000")?,
            "seed" => self.seed = number(name, value, (0, u64::MAX), "a number of 64 bits")?,
            "skew" => self.skew = number(name, value, (0, 1), "0 or 1")? == 1,
            "latency_ms" => self.latency_ms = number(name, value, (0, 60_000), "milliseconds up to 60000")?,
            "changed_percent" => self.changed_percent = percent(name, value)?,
            _ => self.revision = number("revision", value, (1, 1_000), "a number from 1 to 1000")?,
        }
        Ok(())
    }

    /// The revision in which a provider's content changed last.
    pub(super) fn version_of(&self, provider: u64) -> u64 {
        (2..=self.revision).rev().find(|revision| self.changes(provider, *revision)).unwrap_or(1)
    }

    /// Whether a provider is among the share that changes with a revision: exactly that share, spread evenly, and
    /// others in the next revision.
    fn changes(&self, provider: u64, revision: u64) -> bool {
        let turned = (provider + revision * 7_919) % self.providers.max(1);
        self.changed_up_to(turned + 1) > self.changed_up_to(turned)
    }

    #[expect(clippy::cast_precision_loss, reason = "providers are far fewer than 2^53")]
    fn changed_up_to(&self, providers: u64) -> f64 {
        (providers as f64 * self.changed_percent / 100.0).floor()
    }
}

fn number(name: &'static str, value: &str, (from, to): (u64, u64), expected: &'static str) -> Result<u64, Error> {
    let plain = value.parse().ok().filter(|number| (from..=to).contains(number));
    plain.ok_or_else(|| Error::Parameter { name, value: value.to_owned(), expected })
}

fn percent(name: &'static str, value: &str) -> Result<f64, Error> {
    let plain = value.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    plain.ok_or_else(|| Error::Parameter { name, value: value.to_owned(), expected: "a number from 0 to 100" })
}

fn nearest(name: &str) -> &'static str {
    let alike = |known: &&str| strsim::damerau_levenshtein(name, known);
    NAMES.into_iter().min_by_key(alike).unwrap_or("services")
}
