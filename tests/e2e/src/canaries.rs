//! Secrets that are in use in a test, and must be readable nowhere.

use std::collections::BTreeSet;

use testkit::process::Ended;

/// The secrets of a test, and how many texts were searched for them.
#[derive(Default)]
pub struct Canaries {
    secrets: BTreeSet<String>,
    searched: usize,
}

// === impl Canaries ===

impl Canaries {
    /// One more secret.
    pub fn add(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() > 8, "a secret that could be found by chance: {secret}");
        self.secrets.insert(secret);
    }

    /// Fails when a text holds one of them, with the line that does.
    #[track_caller]
    pub fn search(&mut self, place: &str, text: &str) {
        self.searched += 1;
        for secret in &self.secrets {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{place} shows the secret `{secret}`: {}", line.unwrap_or_default());
        }
    }

    /// The same for everything that a process wrote.
    #[track_caller]
    pub fn search_ended(&mut self, place: &str, ended: &Ended) {
        self.search(place, &ended.stdout);
        self.search(place, &ended.stderr);
    }

    /// Texts that were searched.
    pub fn searched(&self) -> usize {
        self.searched
    }
}
