//! The servers start, answer, and end with their test process.

use testkit::{http, stack::Stack};

#[test]
fn all_servers_start_side_by_side_and_answer() {
    let stack = Stack::shared();
    let registry = stack.registry.url();
    let (address, api) = registry.trim_start_matches("http://").split_once('/').expect("an URL with a path");
    let answer = http::get(address, &format!("/{api}/subjects")).expect("the registry answers");
    assert_eq!((answer.status, answer.body.as_str()), (200, "[]"));
    assert!(std::net::TcpStream::connect(stack.kafka.bootstrap()).is_ok());
    let database = stack.mariadb.fresh_database();
    assert_eq!(database.session().number("SELECT 1"), 1);
}
