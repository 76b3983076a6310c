//! The key-value service: the bootstrap that every connection goes through, and operations on documents.
//!
//! What belongs to a connection is done in order; operations on documents are answered as they are ready, as the real
//! server does once `UnorderedExec` is granted, so a slow one does not hold up the others.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::sleep,
};

use self::{
    frame::{Request, Response, opcode, status},
    scram::Login,
};
use super::{Misbehaviour, Server, Service, topology};

mod documents;
mod frame;
mod scram;

/// Features that the double grants when asked: mutation tokens, extended attributes, extended errors, bucket selection,
/// JSON datatype, unordered execution, flexible frames, collections.
const GRANTED: [u16; 8] = [0x04, 0x06, 0x07, 0x08, 0x0b, 0x0e, 0x10, 0x12];
/// Answers that may wait for the client to read.
const WAITING: usize = 256;
const SCRAM: &[u8] = b"SCRAM-SHA512";
const PLAIN: &[u8] = b"PLAIN";

/// What a connection has come to.
struct Session {
    server: Arc<Server>,
    login: Option<Login>,
    is_authenticated: bool,
    has_bucket: bool,
}

/// An answer on its way.
enum Reply {
    Frame(Vec<u8>),
    /// Half an answer, then the end of the connection.
    Cut(Vec<u8>),
}

/// Serves one connection until it ends.
pub(super) async fn serve<S>(server: Arc<Server>, stream: S, is_authenticated: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut from, mut to) = tokio::io::split(stream);
    let (replies, mut ready) = mpsc::channel(WAITING);
    let mut session = Session { server, login: None, is_authenticated, has_bucket: false };
    let reading = async {
        while let Some(request) = Request::read(&mut from).await? {
            session.take(request, &replies).await;
            if session.server.faults.see(Service::Kv) == Some(Misbehaviour::Silent) {
                return silence(&mut from).await;
            }
        }
        Ok(())
    };
    let writing = async {
        while let Some(reply) = ready.recv().await {
            match reply {
                Reply::Frame(frame) => to.write_all(&frame).await?,
                Reply::Cut(half) => {
                    to.write_all(&half).await?;
                    return to.shutdown().await;
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}

/// Reads and says nothing until the client gives up.
async fn silence(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut sink = [0; 1024];
    while from.read(&mut sink).await? > 0 {}
    Ok(())
}

// === impl Session ===

impl Session {
    async fn take(&mut self, request: Request, replies: &mpsc::Sender<Reply>) {
        let (code, opaque) = (request.opcode, request.opaque);
        let answer = match code {
            opcode::GET | opcode::SET | opcode::ADD | opcode::REPLACE | opcode::DELETE | opcode::GET_COLLECTION_ID => {
                let server = Arc::clone(&self.server);
                let refused = self.refusal();
                let replies = replies.clone();
                tokio::spawn(async move {
                    let reply = operation(&server, refused, &request).await;
                    if let Some(reply) = reply {
                        drop(replies.send(reply).await);
                    }
                });
                return;
            }
            opcode::HELLO => hello(&request),
            opcode::GET_ERROR_MAP => Response::with(topology::error_map()),
            opcode::SASL_LIST_MECHS => Response::with(self.mechanisms()),
            opcode::SASL_AUTH => self.authenticate(&request),
            opcode::SASL_STEP => self.step(&request),
            opcode::SELECT_BUCKET => self.select_bucket(&request),
            opcode::GET_CLUSTER_CONFIG => self.config(),
            opcode::NOOP => Response::of(status::SUCCESS),
            _ => Response::of(status::UNKNOWN_COMMAND),
        };
        if self.server.faults.see(Service::Kv) != Some(Misbehaviour::Silent) {
            drop(replies.send(Reply::Frame(answer.frame(code, opaque))).await);
        }
    }

    /// Why no operation on documents is possible on this connection.
    fn refusal(&self) -> Option<u16> {
        match (self.is_authenticated, self.has_bucket) {
            (true, true) => None,
            (true, false) => Some(status::NO_BUCKET),
            (false, _) => Some(status::NO_ACCESS),
        }
    }

    /// As the client knows them: separated by single spaces, and nothing after the last.
    fn mechanisms(&self) -> &'static str {
        if self.server.topology.tls { "SCRAM-SHA512 PLAIN" } else { "SCRAM-SHA512" }
    }

    fn authenticate(&mut self, request: &Request) -> Response {
        let (user, password) = (&self.server.options.user, &self.server.options.password);
        let message = String::from_utf8_lossy(&request.value);
        match request.key.as_slice() {
            PLAIN if self.server.topology.tls => {
                let is_right = message == format!("\0{user}\0{password}");
                self.decide(is_right.then(String::new))
            }
            SCRAM => match Login::begin(&message, user, password) {
                None => Response::of(status::AUTH_ERROR),
                Some((login, answer)) => {
                    self.login = Some(login);
                    Response { status: status::AUTH_CONTINUE, ..Response::with(answer) }
                }
            },
            _ => Response::of(status::AUTH_ERROR),
        }
    }

    fn step(&mut self, request: &Request) -> Response {
        let message = String::from_utf8_lossy(&request.value);
        let proof = self.login.take().and_then(|login| login.finish(&message));
        self.decide(proof)
    }

    /// Lets the client in, with the server's own proof, or not.
    fn decide(&mut self, proof: Option<String>) -> Response {
        let is_refused = self.server.faults.see(Service::Kv) == Some(Misbehaviour::WrongPassword);
        match proof {
            Some(proof) if !is_refused => {
                self.is_authenticated = true;
                Response::with(proof)
            }
            _ => Response::of(status::AUTH_ERROR),
        }
    }

    fn select_bucket(&mut self, request: &Request) -> Response {
        let is_known = self.is_authenticated && request.key == self.server.options.bucket.as_bytes();
        self.has_bucket = is_known;
        // A bucket that is not there and one that the user may not see look the same, as they do on the real server.
        Response::of(if is_known { status::SUCCESS } else { status::NO_ACCESS })
    }

    fn config(&self) -> Response {
        if !self.is_authenticated {
            return Response::of(status::NO_ACCESS);
        }
        let bucket = self.has_bucket.then_some(self.server.options.bucket.as_str());
        Response { is_json: true, ..Response::with(self.server.topology.config(bucket)) }
    }
}

fn hello(request: &Request) -> Response {
    let asked = request.value.chunks_exact(2).filter_map(|code| code.try_into().ok().map(u16::from_be_bytes));
    let granted: Vec<u8> = asked.filter(|code| GRANTED.contains(code)).flat_map(u16::to_be_bytes).collect();
    Response::with(granted)
}

/// Answers an operation on documents, or does to it what is to go wrong; `None` is silence.
async fn operation(server: &Server, refused: Option<u16>, request: &Request) -> Option<Reply> {
    let _running = server.kv.begin();
    let answer = |response: Response| Some(Reply::Frame(response.frame(request.opcode, request.opaque)));
    if let Some(refused) = refused {
        return answer(Response::of(refused));
    }
    let fault = server.faults.meet(Service::Kv);
    let hidden = match &fault {
        Some(Misbehaviour::MissingCollection(name)) => Some(name.as_str()),
        _ => None,
    };
    match fault {
        Some(Misbehaviour::Silent | Misbehaviour::Stalled { .. }) => return None,
        Some(Misbehaviour::Unavailable) => return answer(Response::of(status::TEMPORARY_FAILURE)),
        Some(Misbehaviour::Overloaded) => return answer(Response::of(status::BUSY)),
        Some(Misbehaviour::RateLimited) => return answer(Response::of(status::RATE_LIMITED)),
        Some(Misbehaviour::Forbidden) => return answer(Response::of(status::NO_ACCESS)),
        Some(Misbehaviour::Slow { call, .. }) => sleep(call).await,
        _ => {}
    }
    let response = documents::operate(server, request, hidden);
    if let Some(Misbehaviour::Cut { .. }) = fault {
        let mut frame = response.frame(request.opcode, request.opaque);
        frame.truncate(frame.len() / 2);
        return Some(Reply::Cut(frame));
    }
    answer(response)
}
