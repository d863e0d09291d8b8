//! soketto, with the buffers around the stream that its examples have. Leaves the check of text to
//! the application.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::io::{BufReader, BufWriter};
use soketto::connection::{Builder, Receiver, Sender};
use soketto::{Data, Mode};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

#[cfg(feature = "soketto-deflate")]
use super::Takeover;
use super::{Decoder, Deflate, Encoder, Peer, Scenario, never};
use crate::clock::now;
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::on_tokio::{self, Outcome};
use crate::wire::Role;

pub const PEER: Peer = Peer {
    name: "soketto",
    decoder: |shape, source| {
        Box::new(Incoming { receiver: open(shape.role, source).1, message: Vec::new() })
    },
    encoder: |role, sink| Box::new(open(role, sink).0),
    skips_utf8: never,
    scenario: Scenario { send, echo: bounce },
    deflate: DEFLATE,
    servers: &[Server { name: "soketto", run: |listener| on_tokio::run(listener, echo) }],
};

type Buffered = BufReader<BufWriter<Compat<Memory>>>;

fn open(role: Role, memory: Memory) -> (Sender<Buffered>, Receiver<Buffered>) {
    let mode = match role {
        Role::Server => Mode::Server,
        Role::Client => Mode::Client,
    };
    Builder::new(buffered(memory), mode).finish()
}

fn buffered(memory: Memory) -> Buffered {
    BufReader::new(BufWriter::new(memory.compat()))
}

#[cfg(not(feature = "soketto-deflate"))]
const DEFLATE: Option<Deflate> = None;

#[cfg(feature = "soketto-deflate")]
const DEFLATE: Option<Deflate> = Some(Deflate {
    level: 1,
    // It takes a message whose last block is not marked as such for an incomplete one, with the
    // `flate2` of this build, and so refuses what everybody sends.
    decoder: |_, _| None,
    encoder: open_deflate,
});

/// It knows nothing but messages on their own.
#[cfg(feature = "soketto-deflate")]
fn open_deflate(takeover: Takeover, memory: Memory) -> Option<Box<dyn Encoder>> {
    use soketto::extension::{Extension, Param, deflate};

    if takeover == Takeover::On {
        return None;
    }
    let mut deflate = deflate::Deflate::new(Mode::Server);
    let offer = ["server_no_context_takeover", "client_no_context_takeover"].map(Param::new);
    deflate.configure(&offer).expect("what it knows");
    let mut builder = Builder::new(buffered(memory), Mode::Server);
    let extension: Box<dyn Extension + Send> = Box::new(deflate);
    builder.add_extensions([extension]);
    Some(Box::new(builder.finish().0))
}

struct Incoming {
    receiver: Receiver<Buffered>,
    message: Vec<u8>,
}

impl Decoder for Incoming {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        now(async {
            for _ in 0..messages {
                self.message.clear();
                let data = self.receiver.receive_data(&mut self.message).await.expect("valid");
                seen.take_unchecked(&self.message, matches!(data, Data::Text(_)));
            }
        });
    }
}

impl Encoder for Sender<Buffered> {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        now(async {
            for _ in 0..messages {
                self.send_binary(black_box(payload)).await.expect("open");
            }
            self.flush().await.expect("open");
        });
    }
}

async fn echo(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    let stream = BufReader::new(BufWriter::new(stream.compat()));
    let (mut sender, mut receiver) = Builder::new(stream, Mode::Server).finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Text(_) => sender.send_text(std::str::from_utf8(&message)?).await?,
            Data::Binary(_) => sender.send_binary(&message).await?,
        }
        sender.flush().await?;
    }
}

fn send(pipe: Memory, text: &'static str, count: usize) {
    let (mut sender, _receiver) = open(Role::Client, pipe);
    now(async {
        for _ in 0..count {
            sender.send_text(black_box(text)).await.expect("open");
        }
        sender.flush().await.expect("open");
    });
}

fn bounce(pipe: Memory, count: usize) {
    let (mut sender, mut receiver) = open(Role::Server, pipe);
    let mut message = Vec::new();
    now(async {
        for _ in 0..count {
            message.clear();
            receiver.receive_data(&mut message).await.expect("valid");
            let text = std::str::from_utf8(&message).expect("text is UTF-8");
            sender.send_text(text).await.expect("open");
        }
        sender.flush().await.expect("open");
    });
}
