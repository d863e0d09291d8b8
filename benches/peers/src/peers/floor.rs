//! The floor.

use std::hint::black_box;

use bytes::Bytes;

use super::{Decoder, Encoder, FLOOR, Peer, never};
use crate::floor;
use crate::payload::Seen;

pub const PEER: Peer = Peer {
    name: FLOOR,
    decoder: |shape, source| Box::new(floor::Decoder::new(shape.role, source)),
    encoder: |role, sink| Box::new(floor::Encoder::new(role, sink)),
    skips_utf8: never,
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
            self.send(black_box(payload));
        }
        self.flush();
    }
}
