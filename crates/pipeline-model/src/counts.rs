//! What there is of each level, counted together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::documents::Level;

/// So many documents of each level in a source, or so many rows: those that readers see, or those that leave their sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// Provider services.
    pub services: i64,
    /// Providers.
    pub providers: i64,
    /// Bundles.
    pub bundles: i64,
    /// Subscription fields, nested ones and those in a collection of their own.
    pub subscription_fields: i64,
}

impl Counts {
    /// From the top of the hierarchy down.
    pub const LEVELS: [Level; 4] = [Level::Service, Level::Provider, Level::Bundle, Level::SubscriptionField];

    /// Those of one level.
    pub fn of(&self, level: Level) -> i64 {
        match level {
            Level::Service => self.services,
            Level::Provider => self.providers,
            Level::Bundle => self.bundles,
            Level::SubscriptionField => self.subscription_fields,
        }
    }

    /// Whether there is nothing of any level.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, i64::saturating_add)
    }

    /// What is left without the other, at least none of each level.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.with(other, |own, other| own.saturating_sub(other).max(0))
    }

    fn with(self, other: Self, combine: fn(i64, i64) -> i64) -> Self {
        Self {
            services: combine(self.services, other.services),
            providers: combine(self.providers, other.providers),
            bundles: combine(self.bundles, other.bundles),
            subscription_fields: combine(self.subscription_fields, other.subscription_fields),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { services, providers, bundles, subscription_fields } = self;
        write!(
            f,
            "{services} services, {providers} providers, {bundles} bundles, {subscription_fields} subscription fields"
        )
    }
}
