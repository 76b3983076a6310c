//! The store's contract: the same claims, proven on SQLite and on a real MariaDB or MySQL server.
//!
//! On the server, tables are made by an administrator's account; everything else is done by a loader's, which may only
//! select, insert, update and delete.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

/// One test for each database from one async function that takes a `&Target`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($target:ident: &Target) $body:block)*) => {
        pub(crate) mod claims {
            use super::*;
            $($(#[$doc])* pub(crate) async fn $name($target: &Target) $body)*
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                claims::$name(&Target::sqlite().await).await;
            })*
        }
        mod mysql {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                claims::$name(&Target::mysql().await).await;
            })*
        }
    };
}

#[path = "contract/abort.rs"]
mod abort;
#[path = "contract/accounts.rs"]
mod accounts;
#[path = "contract/activation.rs"]
mod activation;
#[path = "contract/announcing.rs"]
mod announcing;
#[path = "contract/changes.rs"]
mod changes;
#[path = "contract/damage.rs"]
mod damage;
#[path = "contract/dead_letters.rs"]
mod dead_letters;
#[path = "contract/driver.rs"]
mod driver;
#[cfg(feature = "tls")]
#[path = "contract/encryption.rs"]
mod encryption;
#[path = "contract/estimates.rs"]
mod estimates;
#[path = "contract/etags.rs"]
mod etags;
#[path = "contract/exactness.rs"]
mod exactness;
#[path = "contract/former.rs"]
mod former;
#[path = "contract/guard.rs"]
mod guard;
#[path = "contract/invariants.rs"]
mod invariants;
#[path = "contract/loading.rs"]
mod loading;
#[path = "contract/ownership.rs"]
mod ownership;
#[path = "contract/prune.rs"]
mod prune;
#[path = "contract/readback.rs"]
mod readback;
#[path = "contract/readers.rs"]
mod readers;
#[path = "contract/ready.rs"]
mod ready;
#[path = "contract/redelivery.rs"]
mod redelivery;
#[path = "contract/refusals.rs"]
mod refusals;
#[path = "contract/rejects.rs"]
mod rejects;
#[path = "contract/retry.rs"]
mod retry;
#[path = "contract/rollback.rs"]
mod rollback;
#[path = "contract/runs.rs"]
mod runs;
#[path = "contract/scarcity.rs"]
mod scarcity;
#[path = "contract/schema.rs"]
mod schema;
#[path = "contract/sessions.rs"]
mod sessions;
#[path = "contract/source_versions.rs"]
mod source_versions;
#[path = "contract/switch.rs"]
mod switch;
#[path = "contract/target.rs"]
mod target;
#[path = "contract/unreachable.rs"]
mod unreachable;
#[path = "contract/world.rs"]
mod world;
#[path = "contract/writers.rs"]
mod writers;
