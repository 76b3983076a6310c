//! The store's contract: the same claims, proven on SQLite and on a real MariaDB or MySQL server.
//!
//! The server is the one that `SLUICE_TEST_MYSQL_URL` names (its account may create databases), or a private
//! `mariadbd` that the tests start and end themselves. Without either the tests fail: a claim that was not tried on
//! both is not proven.

/// One test for each database from one async function that takes a `&Target`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($target:ident: &Target) $body:block)*) => {
        mod claims {
            use super::*;
            $($(#[$doc])* pub(super) async fn $name($target: &Target) $body)*
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
#[path = "contract/activation.rs"]
mod activation;
#[path = "contract/changes.rs"]
mod changes;
#[path = "contract/driver.rs"]
mod driver;
#[path = "contract/exactness.rs"]
mod exactness;
#[path = "contract/readers.rs"]
mod readers;
#[path = "contract/redelivery.rs"]
mod redelivery;
#[path = "contract/rejects.rs"]
mod rejects;
#[path = "contract/runs.rs"]
mod runs;
#[path = "contract/schema.rs"]
mod schema;
#[path = "contract/server.rs"]
mod server;
#[path = "contract/target.rs"]
mod target;
#[path = "contract/world.rs"]
mod world;
