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
    let mut rights = Vec::new();
    for row in rows.filter(|row| row.len() == 4 && row[0] != "principal") {
        let principal = if row[0].starts_with("who ") { operator.to_owned() } else { row[0].clone() };
        let named = |cell: &str, kind: &'static str| -> Vec<(&'static str, String)> {
            cell.split('`').skip(1).step_by(2).map(|name| (kind, name.to_owned())).collect()
        };
        let reads = [named(&row[1], "--topic"), named(&row[3], "--group")].concat();
        for (operation, resources) in [("Read", reads), ("Write", named(&row[2], "--topic"))] {
            if !resources.is_empty() {
                rights.push(Rights { principal: principal.clone(), operation, resources });
            }
        }
    }
    assert_eq!(rights.len(), 11, "four stages and who mends read and write; who starts runs writes");
    rights
}

/// The statements of the page for a database of this name: before the migration, after it, between upgrades.
pub fn sql(database: &str) -> Vec<String> {
    let section = section("Least rights: the database");
    let blocks = section.split("```sql\n").skip(1).map(|block| block.split_once("```").expect("an end").0);
    let named = |block: &str| {
        // The test has made the database already.
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("CREATE DATABASE")).collect();
        lines.join("\n").replace('…', PASSWORD).replace(" sluice.", &format!(" {database}."))
    };
    blocks.map(named).collect()
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
