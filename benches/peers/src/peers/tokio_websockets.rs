//! tokio-websockets.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};

use super::{Decoder, Encoder, Peer, Scenario, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "tokio-websockets",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[
        Server { name: "tokio-websockets", run: |listener| on_tokio::run(listener, echo) },
        Server {
            name: "tokio-websockets +batch",
            run: |listener| on_tokio::run(listener, echo_batched),
        },
    ],
};

fn open(role: Role, memory: Memory) -> WebSocketStream<Memory> {
    match role {
        Role::Server => ServerBuilder::new().serve(memory),
        Role::Client => ClientBuilder::new().take_over(memory),
    }
}

impl Decoder for WebSocketStream<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                let message = self.next().await.expect("open").expect("valid");
                seen.take(message.as_payload());
            }
        });
    }
}

impl Encoder for WebSocketStream<Memory> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                self.feed(Message::binary(black_box(payload).clone())).await.expect("open");
            }
            self.flush().await.expect("open");
        });
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let mut ws = ServerBuilder::new().serve(on_tokio::open(stream).await?);
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
    let mut ws = ServerBuilder::new().serve(on_tokio::open(stream).await?);
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
