//! sockudo-ws: its `WebSocketStream`, and its `Protocol` without I/O.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::protocol::Protocol;
use sockudo_ws::{Config, Message, Role as TheirRole, WebSocketStream};
use tokio::net::TcpStream;

use super::{Decoder, Encoder, Peer, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "sockudo-ws",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
    servers: &[
        Server { name: "sockudo-ws", run: |listener| on_tokio::run(listener, echo) },
        Server { name: "sockudo-ws +feed", run: |listener| on_tokio::run(listener, echo_batched) },
    ],
};

pub const SANS_IO: Peer = Peer {
    name: "sockudo-ws (sans-IO)",
    decoder: |shape, source| Box::new(SansIo::new(shape.role, source)),
    encoder: |role, sink| Box::new(SansIo::new(role, sink)),
    skips_utf8: never,
    servers: &[],
};

fn role(role: Role) -> TheirRole {
    match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    }
}

fn open(ours: Role, memory: Memory) -> WebSocketStream<Memory> {
    WebSocketStream::from_raw(memory, role(ours), Config::default())
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(bytes) | Message::Binary(bytes) => bytes,
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => &[],
    }
}

impl Decoder for WebSocketStream<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                let message = self.next().await.expect("open").expect("valid");
                seen.take(payload(&message));
            }
        });
    }
}

impl Encoder for WebSocketStream<Memory> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                let message = Message::Binary(black_box(payload).clone());
                self.feed(message).await.expect("open");
            }
            self.flush().await.expect("open");
        });
    }
}

struct SansIo {
    protocol: Protocol,
    memory: Memory,
    buffer: BytesMut,
    /// What came out of the last read, last first.
    messages: Vec<Message>,
}

/// As much as its stream reserves before it reads.
const READ: usize = 64 * 1024;

impl SansIo {
    fn new(ours: Role, memory: Memory) -> Self {
        let limits = Config::default();
        let protocol = Protocol::new(role(ours), limits.max_frame_size, limits.max_message_size);
        Self { protocol, memory, buffer: BytesMut::with_capacity(READ), messages: Vec::new() }
    }

    fn read(&mut self) {
        self.buffer.reserve(READ);
        self.buffer.extend_from_slice(self.memory.lend(READ));
    }
}

impl Decoder for SansIo {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        for _ in 0..messages {
            while self.messages.is_empty() {
                self.read();
                self.protocol.process_into(&mut self.buffer, &mut self.messages).expect("valid");
                self.messages.reverse();
            }
            let message = self.messages.pop().expect("not empty");
            seen.take(payload(&message));
        }
    }
}

impl Encoder for SansIo {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        for _ in 0..messages {
            let message = Message::Binary(black_box(payload).clone());
            self.protocol.encode_message(&message, &mut self.buffer).expect("open");
        }
        self.memory.put(&self.buffer);
        self.buffer.clear();
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let mut ws = WebSocketStream::server(stream, Config::default());
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => ws.send(message).await?,
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}

/// It flushes by itself before it waits for input.
async fn echo_batched(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let mut ws = WebSocketStream::server(stream, Config::default());
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) => ws.feed(message).await?,
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}
