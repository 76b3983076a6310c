use super::*;

#[test]
fn a_session_gives_every_text_exactly() {
    let database = MariaDb::shared().fresh_database();
    let mut session = database.session();
    session.run("CREATE TABLE t (a VARCHAR(40) CHARACTER SET utf8mb4, b BIGINT)");
    session.run("INSERT INTO t VALUES ('tab\\tline\\nemoji 🚰 ', 7), (NULL, -1), ('NULL', NULL), ('', 0)");
    let mut rows = session.exact("t", &["a", "b"]);
    rows.sort();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            vec![None, text("-1")],
            vec![text(""), text("0")],
            vec![text("NULL"), None],
            vec![text("tab\tline\nemoji 🚰 "), text("7")]
        ]
    );
    assert_eq!(session.number("SELECT COUNT(*) FROM t"), 4);
}

#[test]
fn the_loader_cannot_change_tables() {
    let database = MariaDb::shared().fresh_database();
    database.session().run("CREATE TABLE t (a INT)");
    let mut loader = Session::open(&database.loader, &database.name);
    loader.run("INSERT INTO t VALUES (1)");
    let refused = loader.try_rows("DROP TABLE t").expect_err("a table was dropped");
    assert!(refused.contains("command denied"), "{refused}");
}

#[test]
fn an_account_is_read_from_a_url() {
    let account = Account::parse("mysql://root:p@ss@db.example:3307/").expect("a sound URL");
    assert_eq!(account.url("x"), "mysql://root@db.example:3307/x");
    assert_eq!(account.password(), "p@ss");
    assert!(Account::parse("postgres://root@host").is_none());
}
