//! A TCP proxy on one link that misbehaves when told to: slow, narrow, cut, refusing, half-open, deaf in one direction,
//! or answering something else than the server would.
//!
//! A client is configured with the proxy's address instead of the server's; the fault is changed while both talk. What
//! a fault holds back is held, not lost, and flows on when the fault is gone: TCP loses no bytes, it only loses
//! connections, and that is what [`Proxy::cut`] does. A broker of Kafka tells its clients an address of its own, so it
//! has to be told the proxy's: see [`Kafka::link`](crate::kafka::Kafka::link).

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::ports;

/// Bytes taken from a connection at once.
const CHUNK: usize = 16 * 1024;
/// Chunks that may be on their way in one direction.
const ON_THE_WAY: usize = 64;
/// Pause before another attempt to listen on a port that is still being let go.
const PAUSE: Duration = Duration::from_millis(10);

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every chunk arrives so much later; the order stays.
    Latency(Duration),
    /// At most so many bytes a second in each direction of each connection.
    Bandwidth(u32),
    /// Nobody listens: new connections are refused. Open ones go on until they are cut.
    Refuse,
    /// New connections are accepted and nobody answers on them; open ones fall silent. The new ones are cut when the
    /// fault ends, since the server never heard of them.
    HalfOpen,
    /// Nothing arrives in this direction any more.
    OneWay(Direction),
    /// Whoever opens a connection and says something gets this answer, then the end; the server hears nothing. Open
    /// connections go on until they are cut.
    Answer(&'static str),
}

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A proxy in front of one server. Dropping it cuts every connection.
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    seen: Arc<Seen>,
}

/// Connections of clients.
#[derive(Debug, Default)]
struct Seen {
    open: AtomicUsize,
    ever: AtomicUsize,
}

/// What the connections watch.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    fault: Fault,
    /// Number of cuts so far: a connection ends when it grows.
    cuts: u64,
}

/// What a listener's connections have in common.
#[derive(Clone)]
struct Link {
    server: SocketAddr,
    state: watch::Receiver<State>,
    seen: Arc<Seen>,
}

/// A listener on a port of its own. A process that another thread starts has, until it becomes another program, what this
/// one had open: also the port that was tried out a moment ago. Then another port is as good.
fn bound() -> (SocketAddr, TcpListener) {
    let mut attempts = 3;
    loop {
        attempts -= 1;
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        // Bound by the standard library: a test that is asynchronous itself may not block on another runtime.
        let listener = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let _inside = runtime().enter();
            TcpListener::from_std(listener)
        });
        match listener {
            Ok(listener) => return (address, listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => panic!("could not listen on {address}: {error}"),
        }
    }
}

// === impl Proxy ===

impl Proxy {
    /// Starts a proxy in front of a server, `127.0.0.1:port`.
    pub fn to(server: &str) -> Self {
        let server = server.parse().unwrap_or_else(|error| panic!("`{server}` is no address: {error}"));
        let (address, listener) = bound();
        let (state, watched) = watch::channel(State::default());
        let seen = Arc::new(Seen::default());
        let link = Link { server, state: watched, seen: Arc::clone(&seen) };
        runtime().spawn(listen(listener, address, link));
        Self { address, state, seen }
    }

    /// The address for clients, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The port of that address.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the fault, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Ends every open connection with a reset, as a crashed server or a firewall does.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Number of connections that clients hold open.
    pub fn connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// Number of connections that were ever accepted.
    pub fn accepted(&self) -> usize {
        self.seen.ever.load(Ordering::SeqCst)
    }
}

/// The thread that all proxies of a process share: a test's own runtime may block.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("fault-proxy").enable_all().build();
        built.unwrap_or_else(|error| panic!("could not start the proxies' runtime: {error}"))
    })
}

/// Takes connections until the proxy is dropped. While the link refuses, nobody listens, so that clients see what they
/// would see of a server that is not there.
async fn listen(mut listener: TcpListener, address: SocketAddr, link: Link) {
    let mut state = link.state.clone();
    loop {
        let refused = state.wait_for(|state| state.fault == Fault::Refuse);
        tokio::select! {
            refused = refused => if refused.is_err() { return },
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection(client, link.clone()));
                }
                continue;
            }
        }
        drop(listener);
        if state.wait_for(|state| state.fault != Fault::Refuse).await.is_err() {
            return;
        }
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => sleep(PAUSE).await,
            }
        };
    }
}

/// One connection, until an end closes it or it is cut.
async fn connection(mut client: TcpStream, link: Link) {
    link.seen.ever.fetch_add(1, Ordering::SeqCst);
    link.seen.open.fetch_add(1, Ordering::SeqCst);
    let cut = until_cut(link.state.clone());
    tokio::pin!(cut);
    let mut state = link.state.clone();
    let fault = state.borrow().fault;
    if let Fault::Answer(text) = fault {
        tokio::select! {
            () = cut => reset(&client),
            answered = answer(&mut client, text) => drop(answered),
        }
    } else if fault == Fault::HalfOpen {
        tokio::select! {
            () = &mut cut => {}
            ended = state.wait_for(|state| state.fault != Fault::HalfOpen) => drop(ended),
        }
        reset(&client);
    } else if let Ok(mut server) = TcpStream::connect(link.server).await {
        let broken = {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let upward = pump(from_client, to_server, Direction::ToServer, state.clone());
            let downward = pump(from_server, to_client, Direction::ToClient, state);
            tokio::select! {
                () = cut => true,
                ended = async { tokio::try_join!(upward, downward) } => ended.is_err(),
            }
        };
        if broken {
            reset(&client);
            reset(&server);
        }
    } else {
        reset(&client);
    }
    link.seen.open.fetch_sub(1, Ordering::SeqCst);
}

/// Answers the first bytes that come, and takes the rest until the client ends too: closing earlier would reset the
/// connection, and the client might never read the answer.
async fn answer(client: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    if client.read(&mut buffer).await? > 0 {
        client.write_all(text.as_bytes()).await?;
        client.shutdown().await?;
        while client.read(&mut buffer).await? > 0 {}
    }
    Ok(())
}

/// Makes the next close of this stream a reset. One that is closed already needs none.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}

/// Returns at the next cut, and when the proxy is gone.
fn until_cut(mut state: watch::Receiver<State>) -> impl Future<Output = ()> {
    let cuts = state.borrow().cuts;
    async move { drop(state.wait_for(|state| state.cuts > cuts).await) }
}

/// Moves one direction's bytes until it is closed; an error is a connection that broke.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let (sender, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let watched = state.clone();
    let taking = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = from.read(&mut buffer).await?;
            let bytes: Vec<u8> = buffer.iter().take(count).copied().collect();
            let latency = if let Fault::Latency(latency) = watched.borrow().fault { latency } else { Duration::ZERO };
            if count == 0 || sender.send((Instant::now() + latency, bytes)).await.is_err() {
                return Ok(());
            }
        }
    };
    let giving = async move {
        while let Some((due, bytes)) = arriving.recv().await {
            sleep_until(due).await;
            let flows = |state: &State| !state.fault.holds(direction);
            let fault = state.wait_for(flows).await.map_err(io::Error::other)?.fault;
            to.write_all(&bytes).await?;
            if let Fault::Bandwidth(bytes_per_second) = fault {
                sleep(Duration::from_secs_f64(bytes.len() as f64 / f64::from(bytes_per_second.max(1)))).await;
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(taking, giving).map(|_: ((), ())| ())
}

// === impl Fault ===

impl Fault {
    fn holds(self, direction: Direction) -> bool {
        self == Self::HalfOpen || self == Self::OneWay(direction)
    }
}

#[cfg(test)]
mod tests;
