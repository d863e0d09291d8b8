//! tungstenite, blocking; over sockets tokio-tungstenite.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::io;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::{Role as TheirRole, WebSocket};

use super::{Decoder, Encoder, Peer, Scenario, never};
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "tungstenite",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[
        Server { name: "tungstenite", run: |listener| on_tokio::run(listener, echo) },
        Server {
            name: "tungstenite +batch",
            run: |listener| on_tokio::run(listener, echo_batched),
        },
    ],
};

fn open(role: Role, memory: Memory) -> WebSocket<Memory> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    WebSocket::from_raw_socket(memory, role, None)
}

impl Decoder for WebSocket<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        for _ in 0..messages {
            match self.read().expect("valid") {
                Message::Text(text) => seen.take(text.as_bytes()),
                Message::Binary(bytes) => seen.take(&bytes),
                other => unreachable!("nobody sent {other:?}"),
            }
        }
    }
}

impl Encoder for WebSocket<Memory> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        for _ in 0..messages {
            self.write(Message::Binary(black_box(payload).clone())).expect("open");
        }
        self.flush().expect("open");
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let mut ws = serve(stream).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Takes what has come, answers it, and flushes once.
async fn echo_batched(stream: TcpStream) -> Outcome {
    let mut ws = serve(stream).await?;
    let mut batch = Vec::new();
    while let Some(message) = ws.next().await {
        batch.push(message?);
        while batch.len() < BATCH
            && let Some(Some(message)) = ws.next().now_or_never()
        {
            batch.push(message?);
        }
        for message in batch.drain(..) {
            if message.is_text() || message.is_binary() {
                ws.feed(message).await?;
            }
        }
        ws.flush().await?;
    }
    Ok(())
}

/// Nobody gets to keep more than so many messages waiting for their answers.
const BATCH: usize = 64;

/// tokio-tungstenite.
async fn serve(stream: TcpStream) -> io::Result<WebSocketStream<TcpStream>> {
    let stream = on_tokio::open(stream).await?;
    Ok(WebSocketStream::from_raw_socket(stream, TheirRole::Server, None).await)
}

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = open(Role::Client, pipe);
    for _ in 0..count {
        ws.write(Message::text(black_box(text))).expect("open");
    }
    ws.flush().expect("open");
}

fn bounce(pipe: Memory, count: usize) {
    let mut ws = open(Role::Server, pipe);
    for _ in 0..count {
        let message = ws.read().expect("valid");
        ws.write(message).expect("open");
    }
    ws.flush().expect("open");
}
