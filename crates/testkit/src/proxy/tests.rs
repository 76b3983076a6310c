use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener as Listener, TcpStream as Stream},
    thread,
    time::Instant,
};

use super::*;
use crate::wait;

/// A server that sends back what it gets; gives its address.
fn echo() -> String {
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut back = stream.try_clone().expect("a second handle");
                std::io::copy(&mut &stream, &mut back).unwrap_or_default();
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> Stream {
    let stream = Stream::connect(proxy.address()).expect("the proxy listens");
    stream.set_read_timeout(Some(wait::PATIENCE)).expect("a time-out can be set");
    stream
}

fn ask(stream: &mut Stream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text)?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Whether a question stays without an answer while others get theirs; the question is on its way afterwards.
fn is_silent(stream: &mut Stream) -> bool {
    stream.write_all(b"x").expect("the kernel takes one byte");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out can be set");
    let outcome = stream.read(&mut [0]);
    stream.set_read_timeout(Some(wait::PATIENCE)).expect("a time-out can be set");
    outcome.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn bytes_pass_in_both_directions_and_an_end_is_passed_on() {
    let proxy = Proxy::to(&echo());
    let mut stream = connect(&proxy);
    let text: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    assert_eq!(ask(&mut stream, &text).expect("an answer"), text);
    assert_eq!(proxy.connections(), 1);
    stream.shutdown(std::net::Shutdown::Write).expect("an open stream");
    assert_eq!(stream.read(&mut [0]).expect("an end"), 0);
    wait::until_blocking("the connection is gone", wait::PATIENCE, || (proxy.connections() == 0).then_some(()));
}

#[test]
fn latency_delays_and_bandwidth_narrows() {
    let proxy = Proxy::to(&echo());
    let mut stream = connect(&proxy);
    proxy.set(Fault::Latency(Duration::from_millis(40)));
    let begun = Instant::now();
    ask(&mut stream, b"hello").expect("an answer");
    // There and back; a lower bound is no race.
    assert!(begun.elapsed() >= Duration::from_millis(80));
    proxy.set(Fault::Bandwidth(100_000));
    let begun = Instant::now();
    ask(&mut stream, &[7; 2 * CHUNK]).expect("an answer");
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_cut_resets_open_connections_and_new_ones_work() {
    let proxy = Proxy::to(&echo());
    let mut stream = connect(&proxy);
    ask(&mut stream, b"hello").expect("an answer");
    proxy.cut();
    let error = stream.read(&mut [0]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(ask(&mut connect(&proxy), b"again").expect("an answer"), b"again");
}

#[test]
fn a_refusing_link_refuses_new_connections_keeps_open_ones_and_listens_again() {
    let proxy = Proxy::to(&echo());
    let mut stream = connect(&proxy);
    ask(&mut stream, b"hello").expect("an answer");
    proxy.set(Fault::Refuse);
    wait::until_blocking("connections are refused", wait::PATIENCE, || {
        Stream::connect(proxy.address()).err().filter(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    ask(&mut stream, b"still").expect("an answer");
    proxy.set(Fault::None);
    wait::until_blocking("the proxy listens", wait::PATIENCE, || Stream::connect(proxy.address()).ok());
}

#[test]
fn a_half_open_link_is_silent_then_open_connections_go_on_and_new_ones_are_reset() {
    let proxy = Proxy::to(&echo());
    let mut known = connect(&proxy);
    ask(&mut known, b"hello").expect("an answer");
    proxy.set(Fault::HalfOpen);
    let mut unknown = connect(&proxy);
    assert!(is_silent(&mut known) && is_silent(&mut unknown));
    proxy.set(Fault::None);
    let mut answer = [0];
    known.read_exact(&mut answer).expect("what was held arrives");
    assert_eq!(&answer, b"x");
    assert_eq!(unknown.read(&mut answer).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}

#[test]
fn one_direction_can_be_deaf() {
    let proxy = Proxy::to(&echo());
    for direction in [Direction::ToServer, Direction::ToClient] {
        let mut stream = connect(&proxy);
        ask(&mut stream, b"hello").expect("an answer");
        proxy.set(Fault::OneWay(direction));
        assert!(is_silent(&mut stream));
        proxy.set(Fault::None);
        stream.read_exact(&mut [0]).expect("what was held arrives");
    }
}

#[test]
fn a_link_can_answer_instead_of_the_server_to_new_connections_only() {
    let proxy = Proxy::to(&echo());
    let mut known = connect(&proxy);
    ask(&mut known, b"hello").expect("an answer");
    proxy.set(Fault::Answer("nonsense"));
    let mut stream = connect(&proxy);
    stream.write_all(b"hello").expect("an open stream");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end");
    assert_eq!(answer, "nonsense");
    assert_eq!(ask(&mut known, b"still").expect("an answer"), b"still");
    assert_eq!(proxy.accepted(), 2);
    proxy.set(Fault::None);
    assert_eq!(ask(&mut connect(&proxy), b"again").expect("an answer"), b"again");
}
