//! Which target this is, and whether a request for a run is meant for it.
//!
//! Two installations can read the same topics by mistake: a test system with production's addresses, a second one that
//! only took other names for its groups. Without an identity, each request would change both copies. The identity lies in
//! the target itself, not in the settings, so that nobody has to keep it and nobody can mistype it.
//!
//! Two installations on one target would replace each other's copy, each by a run that nobody could object to. So a target
//! belongs to the installation whose root stage worked on it first.

use pipeline_model::ids::TargetId;

use crate::{Error, Store, operation::Operation};

impl Store {
    /// The identity of the target, made when its tables were.
    pub async fn identity(&self) -> Result<TargetId, Error> {
        let mut session = self.database.session(Operation::new("read the identity of", self.describe())).await?;
        let row = session.fetch_one("SELECT identity FROM sluice_target WHERE slot = 1", &[]).await?;
        row.text("identity").map(TargetId)
    }

    /// Takes the target for an installation, by the first word of its topics. The same one may come as often as it likes.
    ///
    /// # Errors
    /// [`Error::OtherInstallation`] when the target belongs to another one.
    pub async fn claim(&self, installation: &str) -> Result<(), Error> {
        let mut session = self.database.session(Operation::new("claim", self.describe())).await?;
        // Of two that come at the same time, one changes the row, and both read what it says then.
        let take = "UPDATE sluice_target SET installation = ? WHERE slot = 1 AND installation IS NULL";
        let read = "SELECT installation FROM sluice_target WHERE slot = 1";
        let mut owner = session.fetch_one(read, &[]).await?.optional_text("installation")?;
        if owner.is_none() {
            session.execute(take, &[installation.into()]).await?;
            owner = session.fetch_one(read, &[]).await?.optional_text("installation")?;
        }
        match owner {
            Some(owner) if owner != installation => {
                let this = installation.to_owned();
                Err(Error::OtherInstallation { target: self.describe(), owner, this })
            }
            _ => Ok(()),
        }
    }
}

/// Why a request is not for this target, if it says so. One that names no target, as older requesters send it, is for
/// whoever reads it.
pub fn meant_for_another(meant: Option<&str>, this: &TargetId) -> Option<String> {
    let other = meant.filter(|meant| *meant != this.as_str())?;
    Some(format!("the request is meant for the target `{other}`, and this one is `{this}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_refused_only_when_it_names_another_target() {
        let this = TargetId::from("a");
        assert_eq!(meant_for_another(None, &this), None);
        assert_eq!(meant_for_another(Some("a"), &this), None);
        let reason = meant_for_another(Some("b"), &this).unwrap();
        assert!(reason.contains("`b`") && reason.contains("`a`"), "{reason}");
        assert!(meant_for_another(Some(""), &this).is_some());
    }
}
