//! How much data: the same hierarchy at four sizes.

use std::{fmt, str::FromStr};

/// A size of the generated source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// Seconds, for the tests of this crate.
    Xs,
    /// A tenth of M.
    S,
    /// 40 services, 10,000 providers, 200,000 bundles, 1,000,000 fields.
    M,
    /// Ten times M.
    L,
}

// === impl Size ===

impl Size {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 4] = [Self::Xs, Self::S, Self::M, Self::L];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xs => "XS",
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
        }
    }

    /// Services and providers; each provider has 20 bundles of 5 fields.
    pub fn counts(self) -> (u64, u64) {
        match self {
            Self::Xs => (4, 40),
            Self::S => (40, 1_000),
            Self::M => (40, 10_000),
            Self::L => (40, 100_000),
        }
    }

    /// URL of the generated source in its first revision, or after one percent of its providers changed.
    pub fn source(self, revision: u64) -> String {
        let (services, providers) = self.counts();
        // One percent of very few providers is none.
        let changed = if self == Self::Xs { 10 } else { 1 };
        format!(
            "generator:?services={services}&providers={providers}&bundles=20&fields=5&seed=1&changed_percent={changed}\
             &revision={revision}"
        )
    }

    /// How often something is measured unless told otherwise.
    pub fn rounds(self) -> usize {
        match self {
            Self::Xs | Self::L => 1,
            Self::S => 3,
            Self::M => 5,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|size| size.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("`{text}` is not a size: XS, S, M or L"))
    }
}
