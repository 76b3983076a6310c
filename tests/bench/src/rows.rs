//! The copied rows: counted, dumped to files, and loaded from them as fast as the database can.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use testkit::mariadb::{Database, Session};

/// The tables that hold data, the largest first.
pub const TABLES: [&str; 5] = [
    "sluice_content_field",
    "sluice_content_bundle",
    "sluice_provider_content",
    "sluice_provider_version",
    "sluice_provider_service_version",
];

/// The tables that are loaded in parts, by ranges of their content's number.
const LARGE: [&str; 2] = ["sluice_content_bundle", "sluice_content_field"];

/// Connections that load side by side.
pub const CONNECTIONS: usize = 4;

/// Files with all rows of a database, for each connection those that it loads. They are gone in the end.
pub struct Dump {
    folder: PathBuf,
    files: Vec<Vec<(&'static str, PathBuf)>>,
    /// Rows in all files.
    pub rows: i64,
}

/// Rows in the data tables.
pub fn count(session: &mut Session) -> i64 {
    TABLES.iter().map(|table| session.number(&format!("SELECT COUNT(*) FROM {table}"))).sum()
}

// === impl Dump ===

impl Dump {
    /// Writes the rows of a database into a new folder, in the order of the primary keys.
    pub fn write(database: &Database, folder: &Path) -> Self {
        drop(fs::remove_dir_all(folder));
        fs::create_dir_all(folder).expect("a folder can be made");
        let mut session = database.session();
        let first = session.number("SELECT COALESCE(MIN(content_id), 0) FROM sluice_content_bundle");
        let last = session.number("SELECT COALESCE(MAX(content_id), 0) FROM sluice_content_bundle");
        let connections = i64::try_from(CONNECTIONS).expect("a few connections");
        let width = (last - first) / connections + 1;
        let mut files: Vec<Vec<(&'static str, PathBuf)>> = vec![Vec::new(); CONNECTIONS];
        for (part, number) in files.iter_mut().zip(0_i64..) {
            for table in LARGE {
                let from = first + number * width;
                let condition = format!("WHERE content_id >= {from} AND content_id < {}", from + width);
                part.push((table, dump(&mut session, folder, table, number, &condition)));
            }
        }
        let small = TABLES.into_iter().filter(|table| !LARGE.contains(table));
        for (part, table) in files.iter_mut().zip(small) {
            part.push((table, dump(&mut session, folder, table, 0, "")));
        }
        Self { folder: folder.to_owned(), files, rows: count(&mut session) }
    }

    /// Loads all files into empty tables; gives the seconds it took. Fails unless all rows arrived.
    pub fn load(&self, database: &Database) -> f64 {
        let mut sessions: Vec<Session> = self.files.iter().map(|_| database.session()).collect();
        let begun = Instant::now();
        thread::scope(|scope| {
            for (part, session) in self.files.iter().zip(&mut sessions) {
                scope.spawn(move || {
                    for (table, file) in part {
                        let file = file.display();
                        session
                            .run(&format!("LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} CHARACTER SET binary"));
                    }
                });
            }
        });
        let took = begun.elapsed().as_secs_f64();
        assert_eq!(count(&mut database.session()), self.rows, "the floor loads the same rows");
        took
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        // What stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn dump(session: &mut Session, folder: &Path, table: &str, number: i64, condition: &str) -> PathBuf {
    let file = folder.join(format!("{table}-{number}"));
    let path = file.display();
    session.run(&format!("SELECT * FROM {table} {condition} INTO OUTFILE '{path}' CHARACTER SET binary"));
    file
}
