//! Servers that ask who comes, and the places where a secret must not be.

use std::{path::Path, sync::Arc};

use pipeline_core::registry::EmbeddedRegistry;
use pipeline_kafka::{Outbound, Producer};
use pipeline_model::contracts::batch_of;
use pipeline_settings::settings;
use secrecy::ExposeSecret as _;
use testkit::{
    couchbase::{CouchbaseDouble, Options},
    kafka::{Listener, SecureKafka},
    mariadb::{Database, MariaDb, Session},
    process::Launch,
    tls::{Authority, Identity, Tls},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

/// A registry behind TLS that wants a token.
pub struct Registry {
    url: String,
    embedded: EmbeddedRegistry,
    _runtime: Runtime,
}

// === impl Registry ===

impl Registry {
    /// Its certificate is the authority's.
    pub fn start(authority: &Authority) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let acceptor = Tls::signed_by(authority).acceptor();
        let (embedded, listener) = runtime.block_on(async {
            let embedded = EmbeddedRegistry::start_guarded("127.0.0.1:0").await.expect("a registry");
            (embedded, TcpListener::bind("127.0.0.1:0").await.expect("a port"))
        });
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let behind: Arc<str> = embedded.url().trim_start_matches("http://").into();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), Arc::clone(&behind));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    if let Ok(mut registry) = TcpStream::connect(&*behind).await {
                        drop(tokio::io::copy_bidirectional(&mut stream, &mut registry).await);
                    }
                });
            }
        });
        Self { url, embedded, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn token(&self) -> String {
        self.embedded.token().expect("a token").expose_secret().to_owned()
    }
}

/// A database on a server of its own that has a certificate of the authority.
pub fn secure_database(authority: &Authority, folder: &Path) -> Database {
    let Identity { certificate, key } = authority.server("127.0.0.1", false);
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    };
    let options = [
        "--local-infile=ON".to_owned(),
        format!("--ssl-cert={}", file("database.pem", &certificate)),
        format!("--ssl-key={}", file("database.key", &key)),
        format!("--ssl-ca={}", file("database-ca.pem", &authority.certificate())),
    ];
    let server = MariaDb::start_with(&options.each_ref().map(String::as_str));
    let database = server.fresh_database();
    // Until the process ends, like the servers that tests share.
    std::mem::forget(server);
    database
}

/// The documents of a generator in a double of Couchbase that speaks TLS alone and asks for this password.
pub fn secure_source(tls: &Tls, generator: &str, password: &str, folder: &Path) -> CouchbaseDouble {
    let documents = folder.join("documents");
    let export = Launch::binary("sluice").env("SLUICE__SOURCE__URL", generator);
    export.args(["source", "export", &documents.display().to_string()]).run().expect_code(0);
    let (folder, password) = (Some(documents), password.to_owned());
    CouchbaseDouble::start(Options { folder, password, tls: Some(tls.clone()), ..Options::default() })
}

/// Puts what is no record on a topic, by the listener that asks nothing; gives a text that shows it.
pub fn spoil(kafka: &SecureKafka, topic: &str) -> String {
    let settings =
        settings::Kafka { bootstrap_servers: kafka.bootstrap(Listener::Plain), ..settings::Kafka::default() };
    let text = "no record";
    let payload = Some(text.as_bytes().to_vec());
    let message = Outbound { topic: topic.to_owned(), key: Some(b"s".to_vec()), payload, headers: Vec::new() };
    let runtime = Runtime::new().expect("a runtime");
    let sent = runtime
        .block_on(async { Producer::new(&settings, batch_of, None).expect("a client").send_all(vec![message]).await });
    sent.expect("the broker takes it");
    text.to_owned()
}

/// What everybody on the machine sees of a process.
pub fn arguments_of(process: u32) -> String {
    let arguments = std::fs::read(format!("/proc/{process}/cmdline")).expect("the process is there");
    String::from_utf8_lossy(&arguments).replace('\0', " ")
}

/// Rows of a table, or the server's refusal.
pub fn count(mut session: Session, table: &str) -> Result<i64, String> {
    let rows = session.try_rows(&format!("SELECT COUNT(*) FROM {table}"))?;
    Ok(rows.first().and_then(|row| row.first()).and_then(|count| count.parse().ok()).unwrap_or_default())
}

/// Every row of the tables in which people's words and messages are kept.
pub fn ledger(database: &Database) -> String {
    let mut session = database.session();
    let tables = ["sluice_run", "sluice_audit", "sluice_dead_letter", "sluice_run_reject", "sluice_target"];
    let rows = tables.map(|table| session.rows(&format!("SELECT * FROM {table}")));
    rows.iter().flatten().flatten().cloned().collect::<Vec<_>>().join("\n")
}

/// The segments of every topic of ours, as the broker has them on its disk.
pub fn messages(kafka: &SecureKafka) -> String {
    let mut text = String::new();
    let mut folders = vec![kafka.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let ours = path.to_string_lossy().contains("sluice.");
            if path.is_dir() {
                folders.push(path);
            } else if ours && path.extension().is_some_and(|it| it == "log") {
                text.push_str(&String::from_utf8_lossy(&std::fs::read(path).expect("a segment")));
            }
        }
    }
    assert!(!text.is_empty(), "messages are not compressed away, and the folder is the broker's");
    text
}
