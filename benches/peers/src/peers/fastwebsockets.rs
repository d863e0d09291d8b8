//! fastwebsockets: `FragmentCollector`, since its `WebSocket` gives frames.

use std::hint::black_box;

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role as TheirRole, WebSocket};
use tokio::net::TcpStream;

use super::{Decoder, Encoder, Peer, Scenario, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "fastwebsockets",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[Server { name: "fastwebsockets", run: |listener| on_tokio::run(listener, echo) }],
};

fn open(role: Role, memory: Memory) -> FragmentCollector<Memory> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    FragmentCollector::new(WebSocket::after_handshake(memory, role))
}

impl Decoder for FragmentCollector<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                seen.take(&self.read_frame().await.expect("valid").payload);
            }
        });
    }
}

impl Encoder for FragmentCollector<Memory> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                let frame = Frame::binary(Payload::Borrowed(black_box(payload)));
                self.write_frame(frame).await.expect("open");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let ws = WebSocket::after_handshake(stream, TheirRole::Server);
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            OpCode::Ping | OpCode::Pong | OpCode::Continuation => {}
        }
    }
}

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = open(Role::Client, pipe);
    now(async {
        for _ in 0..count {
            let frame = Frame::text(Payload::Borrowed(black_box(text).as_bytes()));
            ws.write_frame(frame).await.expect("open");
        }
    });
}

fn bounce(pipe: Memory, count: usize) {
    let mut ws = open(Role::Server, pipe);
    now(async {
        for _ in 0..count {
            let frame = ws.read_frame().await.expect("valid");
            ws.write_frame(frame).await.expect("open");
        }
    });
}
