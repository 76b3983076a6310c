//! Rights and accounts as docs/security.md gives them.

use testkit::mariadb::{Account, Database, Session};

/// The password of each account of the database.
pub const PASSWORD: &str = "canary-of-the-database";

/// What a principal may read, or write.
pub struct Rights {
    /// Who.
    pub principal: String,
    /// `Read` or `Write`.
    pub operation: &'static str,
    /// `--topic` or `--group`, and its name.
    pub resources: Vec<(&'static str, String)>,
}

fn section(title: &str) -> String {
    let page = include_str!("../../../../docs/security.md");
    let (_, section) = page.split_once(&format!("\n## {title}\n")).expect("the section");
    section.split_once("\n## ").map_or(section, |(section, _)| section).to_owned()
}

/// Every row of the table of principals; what people do, `operator` does.
pub fn rights(operator: &str) -> Vec<Rights> {
    let page = section("Least rights: Kafka");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).map(str::to_owned).collect::<Vec<String>>());
    let named = |cell: &str, kind: &'static str| -> Vec<(&'static str, String)> {
        cell.split('`').skip(1).step_by(2).map(|name| (kind, name.to_owned())).collect()
    };
    let mut rights = Vec::new();
    for row in rows.filter(|row| row.first().is_some_and(|first| first != "principal")) {
        let [who, read, write, group] = row.as_slice() else { continue };
        let principal = if who.starts_with("who ") { operator.to_owned() } else { who.clone() };
        let reads = [named(read, "--topic"), named(group, "--group")].concat();
        for (operation, resources) in [("Read", reads), ("Write", named(write, "--topic"))] {
            if !resources.is_empty() {
                rights.push(Rights { principal: principal.clone(), operation, resources });
            }
        }
    }
    assert_eq!(rights.len(), 11, "four stages and who mends read and write; who starts runs writes");
    rights
}

/// The statements of the page for a database of this name: before the migration, and after it.
pub fn sql(database: &str) -> [String; 2] {
    let section = section("Least rights: the database");
    let blocks = section.split("```sql\n").skip(1).map(|block| block.split_once("```").expect("an end").0);
    let named = |block: &str| {
        // The test has made the database already.
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("CREATE DATABASE")).collect();
        lines.join("\n").replace('…', PASSWORD).replace(" sluice.", &format!(" {database}."))
    };
    let blocks: Vec<String> = blocks.map(named).take(2).collect();
    blocks.try_into().expect("two blocks")
}

/// The URL of an account, without a password.
pub fn url(database: &Database, account: &str) -> String {
    let (host, port) = database.administrator.address();
    format!("mysql://{account}@{host}:{port}/{}", database.name)
}

/// A session of one of the page's accounts, over TLS.
pub fn session(database: &Database, account: &str) -> Session {
    let (host, port) = database.administrator.address();
    Session::open(&Account::encrypted(host, port, account, PASSWORD), &database.name)
}
