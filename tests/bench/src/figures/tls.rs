//! What TLS to the database costs: a load over verified links against one in plain text, in turns, on a server of its own.

use std::{fs, path::Path};

use testkit::{
    mariadb::MariaDb,
    tls::{Authority, Identity},
};

use super::{Bench, figure, number, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    rows,
    servers::DATABASE_OPTIONS,
    size::Size,
    statistics::median,
};

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let mariadb = start(&bench.folder);
    let over_tls = format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={}/ca.pem", bench.folder.display());
    let plan = Plan { settings: bench.wanted.settings.clone(), ..Plan::of(&size.source(1)) };
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(size) {
        for (parameters, rates) in [(over_tls.as_str(), &mut on), ("?ssl-mode=DISABLED", &mut off)] {
            let database = bench.servers.migrated_database_of(&mariadb);
            let pipeline = Pipeline::start_in(database, parameters, &bench.servers, &plan);
            let seconds = pipeline.run(&[]).seconds;
            let (loaded, inserted) = (pipeline.rows_written("load_data"), pipeline.rows_written("insert"));
            assert!(loaded > 0.0 && inserted == 0.0, "{parameters}: {loaded} rows were loaded, {inserted} inserted");
            rates.push(number(rows::count(&mut pipeline.database.session())) / seconds);
            pipeline.stop();
        }
    }
    let share = median(&on) / median(&off);
    vec![figure(
        "tls",
        size.name(),
        vec![verdict("of the rate without", share, "", Goal::AtLeast(0.9))],
        vec![Quantity::new("over TLS", "rows/s", on), Quantity::new("in plain text", "rows/s", off)],
    )]
}

/// A server as the others have it, with a certificate for its address; the authority's is in the folder.
fn start(folder: &Path) -> MariaDb {
    let authority = Authority::default();
    let Identity { certificate, key } = authority.server("127.0.0.1", false);
    for (name, text) in [("ca.pem", &authority.certificate()), ("server.pem", &certificate), ("server.key", &key)] {
        fs::write(folder.join(name), text).expect("a file can be made");
    }
    let option = |name: &str, file: &str| format!("--{name}={}", folder.join(file).display());
    let encryption = [option("ssl-ca", "ca.pem"), option("ssl-cert", "server.pem"), option("ssl-key", "server.key")];
    let options: Vec<&str> = DATABASE_OPTIONS.into_iter().chain(encryption.iter().map(String::as_str)).collect();
    MariaDb::start_with(&options)
}
