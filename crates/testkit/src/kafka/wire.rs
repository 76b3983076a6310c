//! Two questions in Kafka's own protocol that tests need and pipelines do not: which replicas a partition has, and that
//! everything in it be deleted. One connection and one answer each; field by field as the protocol's guide has them
//! (`Metadata` version 1, `DeleteRecords` version 0).

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

const METADATA: i16 = 3;
const DELETE_RECORDS: i16 = 21;

/// How long a broker may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// "Up to the high watermark", in place of an offset.
const EVERYTHING: i64 = -1;

/// Where a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Its number.
    pub number: i32,
    /// Node id of the broker that takes its messages; -1 while there is none.
    pub leader: i32,
    /// Node ids of the brokers that should have it.
    pub replicas: Vec<i32>,
    /// Node ids of those that have all of it.
    pub in_sync: Vec<i32>,
}

/// The partitions of a topic, by number, as a broker at `address` sees them.
///
/// # Errors
/// When the broker does not answer, or does not know the topic.
pub fn partitions(address: &str, topic: &str) -> io::Result<Vec<PartitionState>> {
    Ok(metadata(address, topic)?.1)
}

/// Deletes everything that a topic of a cluster holds, as retention would; `address` is any of its brokers.
///
/// # Errors
/// When a broker does not answer, or refuses.
pub fn empty(address: &str, topic: &str) -> io::Result<()> {
    let (brokers, partitions) = metadata(address, topic)?;
    for partition in partitions {
        let leader = brokers.iter().find(|(node, _)| *node == partition.leader);
        let (_, leader) = leader.ok_or_else(|| io::Error::other("a partition without a leader"))?;
        let mut request = Vec::new();
        put_array(&mut request, 1);
        put_text(&mut request, topic);
        put_array(&mut request, 1);
        request.extend(partition.number.to_be_bytes());
        request.extend(EVERYTHING.to_be_bytes());
        request.extend(10_000_i32.to_be_bytes());
        let mut answer = ask(leader, DELETE_RECORDS, 0, &request)?;
        // How long it throttles, then one topic by name with one partition by number, and the first offset left in it.
        answer.int()?;
        answer.list_head()?;
        answer.text()?;
        answer.list_head()?;
        answer.int()?;
        answer.long()?;
        succeeded(answer.short()?)?;
    }
    Ok(())
}

/// Node id and address of a broker.
type Broker = (i32, String);

/// The cluster's brokers, and the partitions of a topic.
fn metadata(address: &str, topic: &str) -> io::Result<(Vec<Broker>, Vec<PartitionState>)> {
    let mut request = Vec::new();
    put_array(&mut request, 1);
    put_text(&mut request, topic);
    let mut answer = ask(address, METADATA, 1, &request)?;
    let brokers = answer.list(|answer| {
        let (node, host, port) = (answer.int()?, answer.text()?, answer.int()?);
        answer.text()?;
        Ok((node, format!("{host}:{port}")))
    })?;
    answer.int()?;
    let topics = answer.list(|answer| {
        succeeded(answer.short()?)?;
        answer.text()?;
        answer.byte()?;
        answer.list(|answer| {
            // A partition without a leader is an error of its own here, and a state for whoever asks.
            answer.short()?;
            let (number, leader) = (answer.int()?, answer.int()?);
            Ok(PartitionState {
                number,
                leader,
                replicas: answer.list(Answer::int)?,
                in_sync: answer.list(Answer::int)?,
            })
        })
    })?;
    let mut partitions: Vec<PartitionState> = topics.into_iter().flatten().collect();
    partitions.sort_by_key(|partition| partition.number);
    Ok((brokers, partitions))
}

fn ask(address: &str, what: i16, version: i16, body: &[u8]) -> io::Result<Answer> {
    let mut request = Vec::new();
    request.extend(what.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    put_text(&mut request, "testkit");
    request.extend(body);
    let address = address.parse().map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&length(request.len()).to_be_bytes())?;
    stream.write_all(&request)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut bytes = vec![0; usize::try_from(i32::from_be_bytes(size)).map_err(io::Error::other)?];
    stream.read_exact(&mut bytes)?;
    let mut answer = Answer { bytes, at: 0 };
    // The number of the question.
    answer.int()?;
    Ok(answer)
}

fn succeeded(code: i16) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::other(format!("the broker answered with error {code}"))) }
}

fn put_array(request: &mut Vec<u8>, count: usize) {
    request.extend(length(count).to_be_bytes());
}

fn put_text(request: &mut Vec<u8>, text: &str) {
    request.extend(i16::try_from(text.len()).expect("a short text").to_be_bytes());
    request.extend(text.as_bytes());
}

fn length(count: usize) -> i32 {
    i32::try_from(count).expect("a small number")
}

/// The bytes of an answer, read from the front.
struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

// === impl Answer ===

impl Answer {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        self.at += N;
        taken.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> io::Result<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn int(&mut self) -> io::Result<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> io::Result<i64> {
        self.take().map(i64::from_be_bytes)
    }

    /// Empty for none.
    fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.short()?).unwrap_or(0);
        (0..length)
            .map(|_| self.byte())
            .collect::<io::Result<Vec<u8>>>()
            .map(|bytes| String::from_utf8_lossy(&bytes).into())
    }

    /// How many items follow.
    fn list_head(&mut self) -> io::Result<i32> {
        self.int().map(|count| count.max(0))
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        (0..self.list_head()?).map(|_| item(self)).collect()
    }
}
