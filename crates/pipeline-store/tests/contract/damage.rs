//! Changes behind the store's back.

use sqlx::{AssertSqlSafe, Connection, mysql::MySqlConnection, sqlite::SqliteConnection};

use crate::target::Target;

/// Runs a statement that must change at least one row.
pub async fn damage(target: &Target, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    let rows = if target.url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(&target.url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
    } else {
        let mut connection = MySqlConnection::connect(&target.url).await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
    };
    assert!(rows > 0, "nothing was damaged");
}
