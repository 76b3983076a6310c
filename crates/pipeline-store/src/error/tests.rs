use pipeline_model::disposition::{Classify, Disposition};

use super::{
    Error,
    fault::{Fault, mysql_fault, sqlite_fault},
};
use crate::{
    database::{Value, check_size},
    operation::Operation,
};

#[test]
fn server_numbers_are_judged_before_sqlstates() {
    assert_eq!(mysql_fault(1213, Some("40001")), Fault::Contended);
    assert_eq!(mysql_fault(1205, Some("HY000")), Fault::Unavailable);
    assert_eq!(mysql_fault(1040, Some("08004")), Fault::Unavailable);
    assert_eq!(mysql_fault(1290, Some("HY000")), Fault::Unavailable);
    assert_eq!(mysql_fault(1045, Some("28000")), Fault::Denied);
    assert_eq!(mysql_fault(1142, Some("42000")), Fault::Denied);
    assert_eq!(mysql_fault(1406, Some("22001")), Fault::ValueRefused);
    assert_eq!(mysql_fault(1146, Some("42S02")), Fault::Disagreement);
    assert_eq!(mysql_fault(1062, Some("23000")), Fault::Disagreement);
    assert_eq!(mysql_fault(9999, Some("08S01")), Fault::Unavailable);
    assert_eq!(mysql_fault(1054, Some("42S22")), Fault::Disagreement);
    assert_eq!(mysql_fault(1064, Some("42000")), Fault::Disagreement);
    assert_eq!(mysql_fault(1364, Some("HY000")), Fault::Disagreement);
    assert_eq!(mysql_fault(1461, Some("42000")), Fault::Unavailable);
    assert_eq!(mysql_fault(4151, Some("HY000")), Fault::Denied);
}

#[test]
fn a_statement_that_takes_too_long_is_no_lock() {
    assert_eq!(mysql_fault(1969, Some("70100")), Fault::Ended);
    assert_eq!(mysql_fault(3024, Some("HY000")), Fault::Ended);
    assert_eq!(mysql_fault(1317, Some("70100")), Fault::Ended);
}

#[test]
fn what_nobody_foresaw_is_the_failure_of_one_message() {
    let unforeseen = [(1644, Some("45000")), (1452, Some("23000")), (1105, Some("HY000")), (9999, None)];
    for (number, sqlstate) in unforeseen {
        assert_eq!(mysql_fault(number, sqlstate), Fault::Refused, "{number}");
    }
    let operation = Operation::new("store batch", "r/s/0");
    let refusal = mysql_async::Error::Server(mysql_async::ServerError {
        code: 1644,
        message: "a secret".to_owned(),
        state: "45000".to_owned(),
    });
    let error = Error::statement(&operation, refusal);
    assert_eq!((error.disposition(), error.code()), (Disposition::Retry, "SLUICE-TARGET-019"));
    assert_eq!(
        pipeline_model::chain::chain(&error),
        "could not store batch `r/s/0`: the database refuses the \
        statement: error 1644 (45000): a trigger or procedure refused it (`SIGNAL`)"
    );
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[test]
fn sqlite_extended_codes_are_judged_by_their_primary_code() {
    assert_eq!(sqlite_fault(5), Fault::Contended);
    assert_eq!(sqlite_fault(517), Fault::Contended);
    assert_eq!(sqlite_fault(10), Fault::Unavailable);
    assert_eq!(sqlite_fault(13), Fault::FileFull);
    assert_eq!(sqlite_fault(1032), Fault::FileReadOnly);
    assert_eq!(sqlite_fault(779), Fault::FileDamaged);
    assert_eq!(sqlite_fault(1555), Fault::Disagreement);
    assert_eq!(sqlite_fault(1299), Fault::ValueRefused);
    assert_eq!(sqlite_fault(1), Fault::Disagreement);
    assert_eq!(sqlite_fault(1811), Fault::Refused);
    assert_eq!(sqlite_fault(12), Fault::Refused);
}

#[tokio::test]
async fn a_file_without_space_to_grow_is_an_outage_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("copy.db").display());
    let mut file = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (a); PRAGMA max_page_count = 4").execute(&mut file).await.unwrap();
    let full = sqlx::raw_sql("INSERT INTO t VALUES (zeroblob(100000))").execute(&mut file).await.unwrap_err();
    let error = Error::statement(&Operation::new("store batch", "r/s/0"), full);
    assert_eq!((error.disposition(), error.code()), (Disposition::Unavailable, "SLUICE-TARGET-014"));
    assert!(error.to_string().contains("no space left"), "{error}");
}

#[test]
fn a_commit_without_an_answer_is_unknown_and_uses_up_no_attempt() {
    let operation = Operation::new("store batch", "r/s/0");
    let cut = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
    let error = Error::commit(&operation, cut);
    assert!(matches!(error, Error::CommitUnknown { .. }));
    assert_eq!(error.disposition(), Disposition::Unavailable);
}

#[test]
fn values_larger_than_a_packet_are_refused_before_they_are_sent() {
    let text = "x".repeat(1_000);
    let values = [Value::Text(&text)];
    assert!(check_size(&values, 2_000).is_ok());
    let refused = check_size(&values, 1_000).err().unwrap();
    let error = Error::statement(&Operation::new("store batch", "r/s/0"), sqlx::Error::Encode(Box::new(refused)));
    assert_eq!((error.disposition(), error.code()), (Disposition::Reject, "SLUICE-TARGET-004"));
}
