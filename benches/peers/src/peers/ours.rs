//! websocket-proto, through `Endpoint` and its default configuration.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, Read as _};

use bytes::Bytes;
use tokio::net::TcpStream;
use websocket_proto::deflate::{self, Compression};
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received};
use websocket_proto::handshake::{Accept, ServerConfig};
use websocket_proto::{Connection, Outbound, random_keys};

use super::{Decoder, Deflate, Encoder, Peer, Scenario, Takeover, never};
use crate::memory::Memory;
use crate::payload::Seen;
use crate::results::OURS;
use crate::serve::epoll;
use crate::serve::on_tokio::{self, Outcome};
use crate::serve::{OURS_EPOLL, Server};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: OURS,
    decoder: |shape, source| Box::new(Ours { endpoint: endpoint(shape.role), memory: source }),
    encoder: |role, sink| Box::new((role, Ours { endpoint: endpoint(role), memory: sink })),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: Some(Deflate { level: 6, decoder: deflate_decoder, encoder: deflate_encoder }),
    servers: &[
        Server { name: OURS, run: |listener| on_tokio::run(listener, echo) },
        Server { name: OURS_EPOLL, run: |listener| epoll::run(listener, Epoll::new) },
    ],
};

struct Ours {
    endpoint: Endpoint,
    memory: Memory,
}

pub fn endpoint(role: Role) -> Endpoint {
    let config = Config::default();
    let connection = match role {
        Role::Server => Connection::server(&config.connection),
        Role::Client => Connection::client(&config.connection, random_keys),
    };
    Endpoint::new(connection, &config)
}

impl Decoder for Ours {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        let Self { endpoint, memory } = self;
        let mut left = messages;
        while left > 0 {
            match endpoint.next().expect("valid") {
                Some(Received { message, .. }) => {
                    seen.take(message.as_bytes());
                    left -= 1;
                }
                None => {
                    let count = memory.fill(endpoint.read_buf());
                    endpoint.advance_read(count);
                }
            }
        }
    }
}

/// Whether not all of a payload is to be queued: a server can write it from where it lies, a client
/// can mask it in steps.
pub fn is_large(len: usize, role: Role) -> bool {
    match role {
        Role::Server => len >= 4 * 1024,
        Role::Client => len > 512 * 1024,
    }
}

impl Encoder for (Role, Ours) {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        let (role, Ours { endpoint, memory }) = self;
        for _ in 0..messages {
            let payload = black_box(payload);
            if is_large(payload.len(), *role) {
                endpoint.send_through(payload, |chunks| memory.put_all(chunks)).expect("open");
            } else {
                endpoint.send(payload).expect("open");
            }
        }
        if endpoint.queued() > 0 {
            let written = memory.put_all(endpoint.chunks());
            endpoint.advance_write(written);
        }
    }
}

/// The loop of the crate's README.
async fn echo(stream: TcpStream) -> Outcome {
    let accepting = websocket_proto::tokio::accept(stream, ServerConfig::default()).await?;
    let (mut ws, _) = accepting.accept(&Accept::new(), &Config::default()).await?;
    while let Some(Received { message, mut out }) = ws.next().await? {
        out.feed(message)?;
    }
    Ok(())
}

/// The loop of `examples/mio.rs`, without what the protocol does on errors and deadlines.
struct Epoll {
    endpoint: Box<Endpoint>,
}

impl Epoll {
    fn new() -> Self {
        Self { endpoint: Box::new(endpoint(Role::Server)) }
    }

    /// Says whether all that was queued has gone.
    fn flush(&mut self, stream: &mut mio::net::TcpStream) -> io::Result<bool> {
        Ok(epoll::ready(self.endpoint.write_to(stream))?.is_some())
    }
}

thread_local! {
    /// As `shared` for the others.
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
}

impl epoll::Connection for Epoll {
    fn ready(&mut self, stream: &mut mio::net::TcpStream, _: &mut Vec<u8>) -> io::Result<()> {
        while self.flush(stream)? {
            BUFFERS.with_borrow_mut(|buffers| buffers.lend_to(&mut self.endpoint));
            let room = self.endpoint.read_buf();
            let len = room.len();
            let count = epoll::ready(stream.read(room))?;
            self.endpoint.advance_read(count.unwrap_or(0));
            while let Some(Received { message, mut out }) =
                self.endpoint.next().map_err(io::Error::other)?
            {
                out.feed(message).map_err(io::Error::other)?;
            }
            self.flush(stream)?;
            BUFFERS.with_borrow_mut(|buffers| buffers.take_back(&mut self.endpoint));
            match count {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(count) if count == len => {}
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// About what is written at once, in bytes.
const WRITE: usize = 16 * 1024;

impl Ours {
    fn flush(&mut self) {
        let written = self.memory.put_all(self.endpoint.chunks());
        self.endpoint.advance_write(written);
    }
}

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ours = Ours { endpoint: endpoint(Role::Client), memory: pipe };
    for _ in 0..count {
        ours.endpoint.send(black_box(text)).expect("open");
        if ours.endpoint.queued() > WRITE {
            ours.flush();
        }
    }
    ours.flush();
}

fn bounce(pipe: Memory, count: usize) {
    let mut ours = Ours { endpoint: endpoint(Role::Server), memory: pipe };
    let mut left = count;
    while left > 0 {
        match ours.endpoint.next().expect("valid") {
            Some(Received { message, mut out }) => {
                out.feed(message).expect("open");
                left -= 1;
            }
            None => {
                ours.flush();
                let read = ours.memory.fill(ours.endpoint.read_buf());
                ours.endpoint.advance_read(read);
            }
        }
    }
    ours.flush();
}

fn with_deflate(role: Role, takeover: Takeover, memory: Memory) -> Ours {
    let mut config = Config::default();
    let mut deflate = deflate::Config::default();
    deflate.level = 6; // as the others
    config.deflate = Some(deflate);
    let connection = match role {
        Role::Server => Connection::server(&config.connection),
        Role::Client => Connection::client(&config.connection, random_keys),
    };
    let params = match takeover {
        Takeover::On => "permessage-deflate",
        Takeover::Off => {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        }
    };
    let params: deflate::Params = params.parse().expect("valid");
    Ours { endpoint: Endpoint::with_deflate(connection, &config, params), memory }
}

fn deflate_decoder(takeover: Takeover, memory: Memory) -> Option<Box<dyn Decoder>> {
    Some(Box::new(with_deflate(Role::Server, takeover, memory)))
}

fn deflate_encoder(takeover: Takeover, memory: Memory) -> Option<Box<dyn Encoder>> {
    Some(Box::new(Compressing(with_deflate(Role::Server, takeover, memory))))
}

struct Compressing(Ours);

impl Encoder for Compressing {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        let Ours { endpoint, memory } = &mut self.0;
        for _ in 0..messages {
            // The others compress whatever they are given.
            let message = Outbound::from(black_box(payload)).compression(Compression::Always);
            endpoint.send(message).expect("open");
        }
        let written = memory.put_all(endpoint.chunks());
        endpoint.advance_write(written);
    }
}
