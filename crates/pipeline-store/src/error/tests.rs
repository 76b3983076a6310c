use pipeline_model::disposition::{Classify, Disposition};

use super::{
    Error,
    numbers::{self, Fault},
};
use crate::{
    database::{Value, check_size},
    operation::Operation,
};

#[test]
fn server_numbers_are_judged_before_sqlstates() {
    assert_eq!(numbers::mysql(1213, Some("40001")).0, Fault::Contended);
    assert_eq!(numbers::mysql(1205, Some("HY000")).0, Fault::Unavailable);
    assert_eq!(numbers::mysql(1040, Some("08004")).0, Fault::Unavailable);
    assert_eq!(numbers::mysql(1290, Some("HY000")).0, Fault::Unavailable);
    assert_eq!(numbers::mysql(1045, Some("28000")).0, Fault::Denied);
    assert_eq!(numbers::mysql(1142, Some("42000")).0, Fault::Denied);
    assert_eq!(numbers::mysql(1406, Some("22001")).0, Fault::ValueRefused);
    assert_eq!(numbers::mysql(1146, Some("42S02")).0, Fault::Disagreement);
    assert_eq!(numbers::mysql(1062, Some("23000")).0, Fault::Disagreement);
    assert_eq!(numbers::mysql(9999, Some("08S01")).0, Fault::Unavailable);
    assert_eq!(numbers::mysql(1054, Some("42S22")).0, Fault::Disagreement);
    assert_eq!(numbers::mysql(1064, Some("42000")).0, Fault::Disagreement);
    assert_eq!(numbers::mysql(1364, Some("HY000")).0, Fault::Disagreement);
    assert_eq!(numbers::mysql(1461, Some("42000")).0, Fault::Unavailable);
    assert_eq!(numbers::mysql(4151, Some("HY000")).0, Fault::Denied);
}

#[test]
fn a_statement_that_takes_too_long_is_no_lock() {
    assert_eq!(numbers::mysql(1969, Some("70100")).0, Fault::Ended);
    assert_eq!(numbers::mysql(3024, Some("HY000")).0, Fault::Ended);
    assert_eq!(numbers::mysql(1317, Some("70100")).0, Fault::Ended);
}

#[test]
fn what_nobody_foresaw_is_the_failure_of_one_message() {
    let unforeseen = [(1644, Some("45000")), (1452, Some("23000")), (1105, Some("HY000")), (9999, None)];
    for (number, sqlstate) in unforeseen {
        assert_eq!(numbers::mysql(number, sqlstate).0, Fault::Refused, "{number}");
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
    assert_eq!(numbers::sqlite(5).0, Fault::Contended);
    assert_eq!(numbers::sqlite(517).0, Fault::Contended);
    assert_eq!(numbers::sqlite(10).0, Fault::Unavailable);
    assert_eq!(numbers::sqlite(13).0, Fault::FileFull);
    assert_eq!(numbers::sqlite(1032).0, Fault::FileReadOnly);
    assert_eq!(numbers::sqlite(779).0, Fault::FileDamaged);
    assert_eq!(numbers::sqlite(1555).0, Fault::Disagreement);
    assert_eq!(numbers::sqlite(1299).0, Fault::ValueRefused);
    assert_eq!(numbers::sqlite(1).0, Fault::Disagreement);
    assert_eq!(numbers::sqlite(1811).0, Fault::Refused);
    assert_eq!(numbers::sqlite(12).0, Fault::Refused);
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
