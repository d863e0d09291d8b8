//! The floor.

use std::hint::black_box;

use bytes::Bytes;

use super::{Decoder, Encoder, FLOOR, Peer, Scenario, never};
use crate::floor;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::wire::{BINARY, Role, TEXT};

pub const PEER: Peer = Peer {
    name: FLOOR,
    decoder: |shape, source| Box::new(floor::Decoder::new(shape.role, source)),
    encoder: |role, sink| Box::new(floor::Encoder::new(role, sink)),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[],
};

impl Decoder for floor::Decoder {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        for _ in 0..messages {
            seen.take(self.next());
        }
    }
}

impl Encoder for floor::Encoder {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        for _ in 0..messages {
            self.send(BINARY, black_box(payload));
        }
        self.flush();
    }
}

/// About what is written at once, in bytes.
const WRITE: usize = 16 * 1024;

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut encoder = floor::Encoder::new(Role::Client, pipe);
    for _ in 0..count {
        encoder.send(TEXT, black_box(text).as_bytes());
        if encoder.queued() > WRITE {
            encoder.flush();
        }
    }
    encoder.flush();
}

fn bounce(pipe: Memory, count: usize) {
    let mut decoder = floor::Decoder::new(Role::Server, pipe.clone());
    let mut encoder = floor::Encoder::new(Role::Server, pipe);
    for _ in 0..count {
        encoder.send(TEXT, decoder.next());
        if encoder.queued() > WRITE {
            encoder.flush();
        }
    }
    encoder.flush();
}
