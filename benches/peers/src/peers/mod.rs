//! One file for each implementation: how it decodes and encodes over memory,
//! and how it echoes over sockets.
//!
//! Each is used as its documentation shows, in its fastest way that a user would find there.

mod adapters;
mod fastwebsockets;
mod floor;
mod nexus;
mod ours;
mod sockudo;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod wtx;
mod yawc;

use bytes::Bytes;

use crate::memory::Memory;
use crate::payload::{Content, Seen};
use crate::results::{OURS, OURS_BLOCKING, OURS_STREAM, OURS_TOKIO, Ratio, is_peer};
use crate::serve::Server;
use crate::wire::Role;

/// What one connection has received so far goes on in the next call.
pub trait Decoder {
    /// Decodes so many whole messages.
    fn decode(&mut self, messages: usize, seen: &mut Seen);
}

pub trait Encoder {
    /// Queues so many messages and flushes once, as an application does that has several to send.
    fn encode(&mut self, payload: &Bytes, messages: usize);
}

/// What is to be decoded.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub role: Role,
    pub content: Content,
    pub size: usize,
    /// Fragments are at most so long.
    pub fragment: usize,
    /// Reads are at most so long.
    pub read: usize,
}

/// What `community` times, on a connection of its own each: everything is there to be read, and
/// nothing that is written waits.
pub struct Scenario {
    /// Sends a text so many times, as client.
    pub send: fn(Memory, &'static str, usize),
    /// Echoes so many messages, as server.
    pub echo: fn(Memory, usize),
}

/// Whether the window is kept from message to message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    On,
    Off,
}

/// As server, with a window of 15 bits both ways. `None` for what it has not.
pub struct Deflate {
    /// 6, unless it cannot be told so.
    pub level: u32,
    pub decoder: fn(Takeover, Memory) -> Option<Box<dyn Decoder>>,
    pub encoder: fn(Takeover, Memory) -> Option<Box<dyn Encoder>>,
}

pub struct Peer {
    pub name: &'static str,
    pub decoder: fn(Shape, Memory) -> Box<dyn Decoder>,
    pub encoder: fn(Role, Memory) -> Box<dyn Encoder>,
    /// Whether it hands out text that it has not checked, and does not say so.
    pub skips_utf8: fn(Shape) -> bool,
    /// The part of the community's scenario that nothing else does.
    pub scenario: Scenario,
    /// Its permessage-deflate.
    pub deflate: Option<Deflate>,
    /// Echo servers made of it.
    pub servers: &'static [Server],
}

pub const FLOOR: &str = "(floor)";

/// What is compared in the benches that run in memory.
pub const RATIOS: [Ratio; 5] = [
    Ratio { name: "ours / best peer", ours: OURS, is_other: is_peer },
    Ratio { name: "ours / floor", ours: OURS, is_other: |name| name == FLOOR },
    Ratio { name: "ours on tokio / best peer", ours: OURS_TOKIO, is_other: is_peer },
    Ratio { name: "ours as Stream / best peer", ours: OURS_STREAM, is_other: is_peer },
    Ratio { name: "ours, blocking / best peer", ours: OURS_BLOCKING, is_other: is_peer },
];

pub const ALL: [&Peer; 14] = [
    &floor::PEER,
    &ours::PEER,
    &adapters::TOKIO,
    &adapters::STREAM,
    &adapters::BLOCKING,
    &fastwebsockets::PEER,
    &nexus::PEER,
    &sockudo::PEER,
    &sockudo::SANS_IO,
    &soketto::PEER,
    &tokio_websockets::PEER,
    &tungstenite::PEER,
    &wtx::PEER,
    &yawc::PEER,
];

fn never(_: Shape) -> bool {
    false
}
