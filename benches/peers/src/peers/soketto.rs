//! soketto, with the buffers around the stream that its examples have. Leaves the check of text to
//! the application.

use std::hint::black_box;

use bytes::Bytes;
use futures_util::io::{BufReader, BufWriter};
use soketto::connection::{Builder, Receiver, Sender};
use soketto::{Data, Mode};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::{Decoder, Encoder, Peer, never};
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
    servers: &[Server { name: "soketto", run: |listener| on_tokio::run(listener, echo) }],
};

type Buffered = BufReader<BufWriter<Compat<Memory>>>;

fn open(role: Role, memory: Memory) -> (Sender<Buffered>, Receiver<Buffered>) {
    let mode = match role {
        Role::Server => Mode::Server,
        Role::Client => Mode::Client,
    };
    let stream =
        BufReader::with_capacity(8 * 1024, BufWriter::with_capacity(8 * 1024, memory.compat()));
    Builder::new(stream, mode).finish()
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
