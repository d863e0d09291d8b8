//! yawc, with the check of text that it leaves out by default.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use tokio::net::TcpStream;
use yawc::{CompressionLevel, Frame, OpCode, Options, Role as TheirRole, WebSocket};

use super::{Decoder, Deflate, Encoder, Peer, Scenario, Takeover, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "yawc",
    decoder: |shape, source| Box::new(open(shape.role, source)),
    encoder: |role, sink| Box::new(open(role, sink)),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: Some(Deflate {
        level: 6,
        decoder: |takeover, source| Some(Box::new(open_deflate(takeover, source))),
        encoder: |takeover, sink| Some(Box::new(open_deflate(takeover, sink))),
    }),
    servers: &[
        Server { name: "yawc", run: |listener| on_tokio::run(listener, echo) },
        Server { name: "yawc +batch", run: |listener| on_tokio::run(listener, echo_batched) },
    ],
};

/// Its limits are exclusive, and 1 MiB by default.
const LIMIT: usize = 16 * 1024 * 1024;

fn open(role: Role, memory: Memory) -> WebSocket<Memory> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let options = Options::default().with_utf8().with_limits(LIMIT, 2 * LIMIT);
    WebSocket::from_stream(memory, role, options).expect("no extensions to disagree about")
}

impl Decoder for WebSocket<Memory> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                seen.take(self.next_frame().await.expect("valid").payload());
            }
        });
    }
}

impl Encoder for WebSocket<Memory> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                self.feed(Frame::binary(black_box(payload).clone())).await.expect("open");
            }
            self.flush().await.expect("open");
        });
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let options = Options::default().with_utf8().with_limits(LIMIT, 2 * LIMIT);
    let mut ws = WebSocket::from_stream(stream, TheirRole::Server, options)?;
    loop {
        let frame = ws.next_frame().await?;
        match frame.opcode() {
            OpCode::Text | OpCode::Binary => ws.send(frame).await?,
            OpCode::Close => return Ok(()),
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}

/// As its README has it for throughput: larger buffers, and one flush for what has come.
async fn echo_batched(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let options = Options::default()
        .with_utf8()
        .with_limits(LIMIT, 2 * LIMIT)
        .with_read_buffer_capacity(128 * 1024)
        .with_backpressure_boundary(64 * 1024);
    let mut ws = WebSocket::from_stream(stream, TheirRole::Server, options)?;
    let mut batch = Vec::new();
    loop {
        batch.push(ws.next_frame().await?);
        while batch.len() < BATCH
            && let Some(frame) = ws.next_frame().now_or_never()
        {
            batch.push(frame?);
        }
        for frame in batch.drain(..) {
            match frame.opcode() {
                OpCode::Text | OpCode::Binary => ws.feed(frame).await?,
                OpCode::Close => return Ok(()),
                OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
            }
        }
        ws.flush().await?;
    }
}

/// As many as there.
const BATCH: usize = 32;

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut ws = open(Role::Client, pipe);
    now(async {
        for _ in 0..count {
            ws.feed(Frame::text(black_box(text))).await.expect("open");
        }
        ws.flush().await.expect("open");
    });
}

fn bounce(pipe: Memory, count: usize) {
    let mut ws = open(Role::Server, pipe);
    now(async {
        for _ in 0..count {
            let frame = ws.next_frame().await.expect("valid");
            ws.feed(frame).await.expect("open");
        }
        ws.flush().await.expect("open");
    });
}

fn open_deflate(takeover: Takeover, memory: Memory) -> WebSocket<Memory> {
    let options = Options::default()
        .with_utf8()
        .with_limits(LIMIT, 2 * LIMIT)
        .with_compression_level(CompressionLevel::new(6));
    let (agreed, options) = match takeover {
        Takeover::On => ("permessage-deflate", options),
        Takeover::Off => (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            options.server_no_context_takeover().client_no_context_takeover(),
        ),
    };
    WebSocket::from_stream_with_extensions(memory, TheirRole::Server, Some(agreed), options)
        .expect("what was asked for")
}
