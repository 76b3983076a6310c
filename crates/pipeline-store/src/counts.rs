//! Rows of each level, counted together.

use pipeline_model::documents::Level;
use serde::{Deserialize, Serialize};

/// So many rows of each level: those that readers see, or those that leave their sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Counts {
    /// Of the view `provider_services`.
    pub services: i64,
    /// Of the view `providers`.
    pub providers: i64,
    /// Of the view `bundles`.
    pub bundles: i64,
    /// Of the view `subscription_fields`.
    pub subscription_fields: i64,
}

impl Counts {
    /// From the top of the hierarchy down.
    pub const LEVELS: [Level; 4] = [Level::Service, Level::Provider, Level::Bundle, Level::SubscriptionField];

    /// Rows of one level.
    pub fn of(&self, level: Level) -> i64 {
        match level {
            Level::Service => self.services,
            Level::Provider => self.providers,
            Level::Bundle => self.bundles,
            Level::SubscriptionField => self.subscription_fields,
        }
    }

    /// Whether there is no row of any level.
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
