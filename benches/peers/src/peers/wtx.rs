//! wtx. It masks in place, so that a client that wants to keep its data copies it first.

use std::hint::black_box;

use bytes::Bytes;
use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::rng::Xorshift64;
use wtx::stream::{StreamReader, StreamWriter};
use wtx::web_socket::{Frame, OpCode, WebSocketBuffer, WebSocketOwned, WebSocketPayloadOrigin};

use super::{Decoder, Encoder, Peer, Scenario, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "wtx",
    decoder: |shape, source| match shape.role {
        Role::Server => Box::new(Wtx::<false>::new(source)),
        Role::Client => Box::new(Wtx::<true>::new(source)),
    },
    encoder: |role, sink| match role {
        Role::Server => Box::new(Wtx::<false>::new(sink)),
        Role::Client => Box::new(Wtx::<true>::new(sink)),
    },
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[Server { name: "wtx", run: |listener| on_tokio::run(listener, echo) }],
};

struct Wtx<const IS_CLIENT: bool> {
    socket: WebSocketOwned<(), Xorshift64, Memory, IS_CLIENT>,
    /// Where it collects fragments.
    buffer: Vector<u8>,
    copy: Vec<u8>,
}

impl<const IS_CLIENT: bool> Wtx<IS_CLIENT> {
    fn new(memory: Memory) -> Self {
        let (random, buffer) = (Xorshift64::from(7), WebSocketBuffer::new());
        let socket = WebSocketOwned::new((), false, random, memory, buffer);
        Self { socket, buffer: Vector::new(), copy: Vec::new() }
    }
}

impl StreamReader for Memory {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.fill(bytes))
    }
}

impl StreamWriter for Memory {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.put(bytes);
        Ok(())
    }

    async fn write_all_vectored(&mut self, bytes: &[&[u8]]) -> wtx::Result<()> {
        self.put_all(bytes);
        Ok(())
    }
}

impl<const IS_CLIENT: bool> Decoder for Wtx<IS_CLIENT> {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                self.buffer.clear();
                let origin = WebSocketPayloadOrigin::Adaptive;
                let frame = self.socket.read_frame(&mut self.buffer, origin).await.expect("valid");
                seen.take(frame.payload());
            }
        });
    }
}

impl<const IS_CLIENT: bool> Encoder for Wtx<IS_CLIENT> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                let payload = black_box(payload);
                // As server it changes nothing, but asks for `&mut` all the same.
                if IS_CLIENT || self.copy.len() != payload.len() {
                    self.copy.clear();
                    self.copy.extend_from_slice(payload);
                }
                let mut frame = Frame::new_fin(OpCode::Binary, self.copy.as_mut_slice());
                self.socket.write_frame(&mut frame).await.expect("open");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let (random, buffer) = (Xorshift64::from(7), WebSocketBuffer::new());
    let mut ws = WebSocketOwned::<_, _, _, false>::new((), false, random, stream, buffer);
    let mut buffer = Vector::new();
    let (mut common, mut reader, mut writer) = ws.split_mut();
    loop {
        buffer.clear();
        let origin = WebSocketPayloadOrigin::Adaptive;
        let mut frame = reader.read_frame(&mut buffer, &mut common, origin).await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            OpCode::Continuation | OpCode::Ping | OpCode::Pong => {}
        }
    }
}

fn send(pipe: Memory, text: &'static str, count: usize) {
    let mut client = Wtx::<true>::new(pipe);
    now(async {
        for _ in 0..count {
            client.copy.clear();
            client.copy.extend_from_slice(black_box(text).as_bytes());
            let mut frame = Frame::new_fin(OpCode::Text, client.copy.as_mut_slice());
            client.socket.write_frame(&mut frame).await.expect("open");
        }
    });
}

fn bounce(pipe: Memory, count: usize) {
    let mut server = Wtx::<false>::new(pipe);
    let (mut common, mut reader, mut writer) = server.socket.split_mut();
    now(async {
        for _ in 0..count {
            server.buffer.clear();
            let origin = WebSocketPayloadOrigin::Adaptive;
            let frame = reader.read_frame(&mut server.buffer, &mut common, origin).await;
            writer.write_frame(&mut common, &mut frame.expect("valid")).await.expect("open");
        }
    });
}
