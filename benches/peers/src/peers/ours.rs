//! websocket-proto, through `Endpoint` and its default configuration.

use std::hint::black_box;

use bytes::Bytes;
use websocket_proto::endpoint::{Config, Endpoint, Received};
use websocket_proto::{Connection, random_keys};

use super::{Decoder, Encoder, Peer, never};
use crate::memory::Memory;
use crate::payload::Seen;
use crate::results::OURS;
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: OURS,
    decoder: |shape, source| Box::new(Ours { endpoint: endpoint(shape.role), memory: source }),
    encoder: |role, sink| Box::new(Ours { endpoint: endpoint(role), memory: sink }),
    skips_utf8: never,
};

struct Ours {
    endpoint: Endpoint,
    memory: Memory,
}

fn endpoint(role: Role) -> Endpoint {
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

/// From here on a payload is worth a reference count.
const LARGE: usize = 16 * 1024;

impl Encoder for Ours {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        let Self { endpoint, memory } = self;
        for _ in 0..messages {
            let payload = black_box(payload);
            if payload.len() < LARGE {
                endpoint.send(payload).expect("open");
            } else {
                endpoint.send_owned(payload.clone()).expect("open");
            }
        }
        let written = memory.put_all(endpoint.chunks());
        endpoint.advance_write(written);
    }
}
