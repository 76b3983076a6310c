//! Whether a store knows that its database is there, also when nobody works with it.

use pipeline_model::{
    chain::chain,
    disposition::{Classify, Disposition},
};
use testkit::{
    mariadb::MariaDb,
    proxy::{Fault, Proxy},
};

use crate::target::{Target, connect};

on_both! {
    async fn a_database_that_is_there_is_ready(target: &Target) {
        target.store.ready().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_not_ready_and_is_ready_again_when_it_is_back() {
    let target = Target::mysql().await;
    let (_, rest) = target.url.split_once('@').unwrap();
    let (server, _) = rest.split_once('/').unwrap();
    let address = server.replace("localhost", "127.0.0.1");
    let proxy = Proxy::to(&address);
    let store = connect(&target.url.replace(server, &proxy.address())).await;
    store.ready().await.unwrap();
    for fault in [Fault::Refuse, Fault::HalfOpen] {
        // The pool's connection was at work a moment ago, so that the pool itself would still trust it.
        store.ready().await.unwrap();
        proxy.set(fault);
        proxy.cut();
        let error = store.ready().await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Unavailable, "{error}");
        assert!(error.to_string().contains("could not reach"), "{error}");
        proxy.set(Fault::None);
        store.ready().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_an_account_lacks_are_told_by_table_and_nothing_is_changed() {
    let target = Target::mysql().await;
    let before = target.count("sluice_audit").await;
    let examined = target.store.examine().await.unwrap();
    assert!(examined.lacking.is_empty(), "{examined:?}");
    assert!(examined.bytes.unwrap() > 0 && examined.clock_ahead_ms.abs() < 60_000, "{examined:?}");
    let mut administrator = target.administrator();
    let (database, loader) = (target.url.rsplit_once('/').unwrap().1, "'sluice_loader'@'%'");
    for lacking in ["INSERT", "UPDATE", "DELETE"] {
        let others = ["INSERT", "UPDATE", "DELETE"].into_iter().filter(|right| *right != lacking);
        let others = others.collect::<Vec<_>>().join(", ");
        administrator.run(&format!("REVOKE ALL PRIVILEGES ON {database}.* FROM {loader}"));
        administrator.run(&format!("GRANT SELECT, {others} ON {database}.* TO {loader}"));
        administrator.run(&format!("GRANT {lacking} ON {database}.sluice_content_bundle TO {loader}"));
        let examined = target.another().await.examine().await.unwrap();
        assert!(examined.lacking.values().all(|rights| rights == &[lacking]), "{examined:?}");
        assert!(
            examined.lacking.contains_key("sluice_run") && !examined.lacking.contains_key("sluice_content_bundle"),
            "{examined:?}"
        );
        administrator.run(&format!("REVOKE {lacking} ON {database}.sluice_content_bundle FROM {loader}"));
    }
    assert_eq!(target.count("sluice_audit").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_not_ready() {
    let server = tokio::task::block_in_place(MariaDb::start);
    let target = Target::mysql_on(&server).await;
    let mut administrator = target.administrator();
    target.store.ready().await.unwrap();
    for (lock, unlock, cause) in [
        ("FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES", "lock wait timeout"),
        ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "read-only"),
    ] {
        administrator.run(lock);
        let error = target.store.ready().await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Unavailable, "{error}");
        assert!(chain(&error).contains(cause), "{}", chain(&error));
        if cause == "read-only" {
            let error = target.store.examine().await.unwrap_err();
            assert!(chain(&error).contains(cause), "{}", chain(&error));
        }
        administrator.run(unlock);
        target.store.ready().await.unwrap();
    }
}
