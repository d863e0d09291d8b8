//! tungstenite, blocking.

use std::hint::black_box;

use bytes::Bytes;
use tungstenite::Message;
use tungstenite::protocol::{Role as TheirRole, WebSocket};

use super::{Decoder, Encoder, Peer, never};
use crate::memory::Memory;
use crate::payload::Seen;
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "tungstenite",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
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
