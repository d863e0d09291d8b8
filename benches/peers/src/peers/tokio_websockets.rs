//! tokio-websockets.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Message, ServerBuilder, WebSocketStream};

use super::{Decoder, Encoder, Peer, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "tokio-websockets",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
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
