//! sockudo-ws: its `WebSocketStream`, and its `Protocol` without I/O.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::protocol::Protocol;
use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, Message, Role as TheirRole, WebSocketStream,
};
use tokio::net::TcpStream;

use super::{Decoder, Deflate, Encoder, Peer, Scenario, Takeover, never};
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
    scenario: Scenario { send, echo: bounce },
    deflate: Some(Deflate {
        level: 6,
        decoder: |takeover, source| Some(Box::new(open_deflate(takeover, source))),
        encoder: |takeover, sink| Some(Box::new(open_deflate(takeover, sink))),
    }),
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
    scenario: Scenario { send: send_sans_io, echo: bounce_sans_io },
    deflate: None,
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
        self.memory.append(READ, &mut self.buffer);
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

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = open(Role::Client, pipe);
    now(async {
        for _ in 0..count {
            ws.feed(Message::text(black_box(text))).await.expect("open");
        }
        ws.flush().await.expect("open");
    });
}

fn bounce(pipe: Memory, count: usize) {
    let mut ws = open(Role::Server, pipe);
    now(async {
        for _ in 0..count {
            let message = ws.next().await.expect("open").expect("valid");
            ws.feed(message).await.expect("open");
        }
        ws.flush().await.expect("open");
    });
}

/// About what is written at once, in bytes.
const WRITE: usize = 16 * 1024;

fn send_sans_io(pipe: Memory, text: &'static str, count: usize) {
    let mut client = SansIo::new(Role::Client, pipe);
    for _ in 0..count {
        let message = Message::Text(Bytes::from_static(black_box(text).as_bytes()));
        client.protocol.encode_message(&message, &mut client.buffer).expect("open");
        if client.buffer.len() > WRITE {
            client.memory.put(&client.buffer);
            client.buffer.clear();
        }
    }
    client.memory.put(&client.buffer);
}

fn bounce_sans_io(pipe: Memory, count: usize) {
    let mut server = SansIo::new(Role::Server, pipe);
    let (mut out, mut left) = (BytesMut::with_capacity(READ), count);
    while left > 0 {
        server.read();
        server.protocol.process_into(&mut server.buffer, &mut server.messages).expect("valid");
        for message in &server.messages {
            server.protocol.encode_message(message, &mut out).expect("open");
        }
        left = left.saturating_sub(server.messages.len());
        server.memory.put(&out);
        out.clear();
    }
}

fn open_deflate(takeover: Takeover, memory: Memory) -> CompressedWebSocketStream<Memory> {
    let config = DeflateConfig {
        server_no_context_takeover: takeover == Takeover::Off,
        client_no_context_takeover: takeover == Takeover::Off,
        compression_threshold: 0,
        ..DeflateConfig::default()
    };
    CompressedWebSocketStream::server(memory, Config::default(), config)
}

impl Decoder for CompressedWebSocketStream<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                let message = self.next().await.expect("open").expect("valid");
                seen.take(payload(&message));
            }
        });
    }
}

impl Encoder for CompressedWebSocketStream<Memory> {
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
