//! How the rows of content are written: loaded where they can be, else inserted, and why.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mysql_async::{Opts, OptsBuilder};
use pipeline_settings::target_url::Link;
use pipeline_telemetry::run_events::RunEvents;

use super::{IDLE, STATEMENTS, encryption, session};
use crate::{
    Error, Store,
    database::{Loader, Session},
    operation::Operation,
};

/// How rows are written, and what was told of it.
#[derive(Debug)]
pub(super) struct RowWrites {
    way: Way,
    /// Why rows were inserted, as it was told: each reason once in the life of a process.
    told: Mutex<HashSet<&'static str>>,
}

#[derive(Debug)]
enum Way {
    /// As text, over connections of the other driver.
    Load(Arc<Loader>),
    /// By statements, and why.
    Insert(&'static str),
}

/// Why a batch is inserted though rows can be loaded.
const NO_CONNECTION: &str = "the server has no connection left to load them over";

// === impl RowWrites ===

impl RowWrites {
    fn new(way: Way) -> Self {
        Self { way, told: Mutex::default() }
    }

    pub(super) fn insert(why: &'static str) -> Self {
        Self::new(Way::Insert(why))
    }

    /// The same server, account and session for the driver that loads rows.
    pub(super) fn load(
        url: &str,
        link: &Link,
        is_encrypted: bool,
        password: Option<String>,
        silence: Duration,
    ) -> Self {
        let (server, _) = url.split_once('?').unwrap_or((url, ""));
        if link.socket.is_some() {
            return Self::insert("the link to the server is a socket");
        }
        let encryption = match is_encrypted.then(|| encryption::of_loader(link)).transpose() {
            Ok(encryption) => encryption,
            Err(why) => return Self::insert(why),
        };
        let server = server.replacen("mariadb://", "mysql://", 1);
        let Ok(options) = Opts::from_url(&server) else {
            return Self::insert("the driver that loads them does not understand the URL");
        };
        let mut options = OptsBuilder::from_opts(options)
            .init(session::preparation(silence))
            .stmt_cache_size(STATEMENTS)
            // Updates count the rows that they match, as with the other driver.
            .client_found_rows(true)
            // The way that the URL names, which may lead through a proxy, and never a short cut past it.
            .prefer_socket(false)
            // Never less than the other driver has.
            .ssl_opts(encryption);
        if password.is_some() {
            options = options.pass(password);
        }
        Self::new(Way::Load(Arc::new(Loader::new(options, IDLE.min(silence.div_f32(2.0))))))
    }

    pub(super) fn close(&self) {
        if let Way::Load(loader) = &self.way {
            loader.close();
        }
    }

    pub(super) fn release_idle(&self) {
        if let Way::Load(loader) = &self.way {
            loader.release_idle();
        }
    }

    fn tell(&self, why: &'static str) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(why) {
            RunEvents::new().inserted(why);
        }
    }
}

impl Store {
    /// How the bundles stage writes rows, for people.
    pub fn describe_row_writes(&self) -> String {
        match &self.rows.way {
            Way::Load(loader) if !loader.is_refused() => "rows are loaded".to_owned(),
            Way::Load(_) => "rows are inserted: they could not be loaded".to_owned(),
            Way::Insert(why) => format!("rows are inserted: {why}"),
        }
    }

    /// A transaction that rows can be loaded in; none where they are to be inserted.
    pub(crate) async fn begin_loading(&self, operation: Operation) -> Result<Option<Session>, Error> {
        let loader = match &self.rows.way {
            Way::Load(loader) if !loader.is_refused() => loader,
            // Why, was told when it was refused.
            Way::Load(_) => return Ok(None),
            Way::Insert(why) => {
                self.rows.tell(why);
                return Ok(None);
            }
        };
        match self.database.begin_loading(loader, operation).await {
            Ok(session) => Ok(Some(session)),
            // The server answers and has no connection left: the pool's may do, and say better what is wrong.
            Err(Error::Unavailable { source, .. }) if source.is_of_server() => {
                self.rows.tell(NO_CONNECTION);
                Ok(None)
            }
            // The other driver has got in with the same account: this one cannot, and will not be able to.
            Err(error @ (Error::Denied { .. } | Error::Disagreement { .. })) => {
                loader.refuse(&error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
