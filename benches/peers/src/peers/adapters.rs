//! websocket-proto through its adapters, which most of the others have no other way than.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use websocket_proto::endpoint::Received;
use websocket_proto::{OwnedMessage, blocking, tokio};

use super::ours::{endpoint, is_large};
use super::{Decoder, Encoder, Peer, Scenario, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::results::{OURS_BLOCKING, OURS_STREAM, OURS_TOKIO};
use crate::wire::Role;

pub const TOKIO: Peer = Peer {
    name: OURS_TOKIO,
    decoder: |shape, source| Box::new(on_tokio(shape.role, source)),
    encoder: |role, sink| Box::new((role, on_tokio(role, sink))),
    skips_utf8: never,
    scenario: Scenario {
        send: |pipe, text, count| now(send(pipe, text, count)),
        echo: |pipe, count| now(echo(pipe, count)),
    },
    deflate: None,
    servers: &[],
};

/// As `Stream` and `Sink` of owned messages, as most of the others that are on tokio.
pub const STREAM: Peer = Peer {
    name: OURS_STREAM,
    decoder: |shape, source| Box::new(Owned(on_tokio(shape.role, source))),
    encoder: |role, sink| Box::new(Owned(on_tokio(role, sink))),
    skips_utf8: never,
    scenario: Scenario {
        send: |pipe, text, count| now(send_owned(pipe, text, count)),
        echo: |pipe, count| now(echo_owned(pipe, count)),
    },
    deflate: None,
    servers: &[],
};

pub const BLOCKING: Peer = Peer {
    name: OURS_BLOCKING,
    decoder: |shape, source| Box::new(blocking(shape.role, source)),
    encoder: |role, sink| Box::new((role, blocking(role, sink))),
    skips_utf8: never,
    scenario: Scenario { send: send_blocking, echo: echo_blocking },
    deflate: None,
    servers: &[],
};

type OnTokio = tokio::WebSocket<Memory>;
type Blocking = blocking::WebSocket<blocking::Plain<Memory>>;

struct Owned(OnTokio);

fn on_tokio(role: Role, memory: Memory) -> OnTokio {
    tokio::WebSocket::new(memory, endpoint(role))
}

fn blocking(role: Role, memory: Memory) -> Blocking {
    let memory = blocking::Plain(memory);
    blocking::WebSocket::new(memory, endpoint(role)).expect("no timeouts to refuse")
}

impl Decoder for OnTokio {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                let received = self.next().await.expect("valid").expect("open");
                seen.take(received.message.as_bytes());
            }
        });
    }
}

impl Decoder for Owned {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                let message = StreamExt::next(&mut self.0).await.expect("open").expect("valid");
                seen.take(message.as_bytes());
            }
        });
    }
}

impl Decoder for Blocking {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        for _ in 0..messages {
            let received = self.next().expect("valid").expect("open");
            seen.take(received.message.as_bytes());
        }
    }
}

impl Encoder for (Role, OnTokio) {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        let (role, ws) = self;
        now(async {
            for _ in 0..messages {
                let payload = black_box(payload);
                if is_large(payload.len(), *role) {
                    ws.send(payload).await.expect("open");
                } else {
                    ws.feed(payload).await.expect("open");
                }
            }
            ws.flush().await.expect("open");
        });
    }
}

impl Encoder for Owned {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                let message = OwnedMessage::Binary(black_box(payload).clone());
                SinkExt::feed(&mut self.0, message).await.expect("open");
            }
            SinkExt::<OwnedMessage>::flush(&mut self.0).await.expect("open");
        });
    }
}

impl Encoder for (Role, Blocking) {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        let (role, ws) = self;
        for _ in 0..messages {
            let payload = black_box(payload);
            if is_large(payload.len(), *role) {
                ws.send(payload).expect("open");
            } else {
                ws.feed(payload).expect("open");
            }
        }
        ws.flush().expect("open");
    }
}

async fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = on_tokio(Role::Client, pipe);
    for _ in 0..count {
        ws.feed(black_box(text)).await.expect("open");
    }
    ws.flush().await.expect("open");
}

async fn echo(pipe: Memory, count: usize) {
    let mut ws = on_tokio(Role::Server, pipe);
    for _ in 0..count {
        let Received { message, mut out } = ws.next().await.expect("valid").expect("open");
        out.feed(message).expect("room");
    }
    ws.flush().await.expect("open");
}

async fn send_owned(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = on_tokio(Role::Client, pipe);
    for _ in 0..count {
        SinkExt::feed(&mut ws, black_box(text).into()).await.expect("open");
    }
    SinkExt::<OwnedMessage>::flush(&mut ws).await.expect("open");
}

async fn echo_owned(pipe: Memory, count: usize) {
    let mut ws = on_tokio(Role::Server, pipe);
    for _ in 0..count {
        let message = StreamExt::next(&mut ws).await.expect("open").expect("valid");
        SinkExt::feed(&mut ws, message).await.expect("room");
    }
    SinkExt::<OwnedMessage>::flush(&mut ws).await.expect("open");
}

fn send_blocking(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = blocking(Role::Client, pipe);
    for _ in 0..count {
        ws.feed(black_box(text)).expect("open");
    }
    ws.flush().expect("open");
}

fn echo_blocking(pipe: Memory, count: usize) {
    let mut ws = blocking(Role::Server, pipe);
    for _ in 0..count {
        let Received { message, mut out } = ws.next().expect("valid").expect("open");
        out.feed(message).expect("room");
    }
    ws.flush().expect("open");
}
