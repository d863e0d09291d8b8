//! nexus-web: its sans-IO reader and writer, as its own `Client` drives them.

use std::hint::black_box;

use std::io;

use bytes::Bytes;
use nexus_net::buf::WriteBuf;
use nexus_web::ws::{FrameReader, FrameWriter, Role as TheirRole};

use super::{Decoder, Encoder, Peer, Scenario, Shape};
use crate::memory::Memory;
use crate::payload::Seen;
use crate::serve::Server;
use crate::serve::epoll::{self, Unsent};
use crate::wire::Role;

/// 1 MiB by default, which leaves the caches. As much as a read gives is the fastest.
const BUFFER: usize = 64 * 1024;

pub const PEER: Peer = Peer {
    name: "nexus-web",
    decoder: |shape, source| {
        let reader = FrameReader::builder().role(role(shape.role)).buffer_capacity(BUFFER).build();
        Box::new(Reader { reader, source })
    },
    encoder: |ours, sink| {
        let writer = FrameWriter::new(role(ours));
        Box::new(Writer { writer, buffer: WriteBuf::new(2 * 1024 * 1024, 14), sink })
    },
    skips_utf8,
    scenario: Scenario { send, echo: bounce },
    deflate: None,
    servers: &[Server {
        name: "nexus-web (epoll)",
        run: |listener| epoll::run(listener, Epoll::new),
    }],
};

/// Text that does not lie in the read buffer whole is collected elsewhere and never checked.
fn skips_utf8(shape: Shape) -> bool {
    let reads = shape.size / shape.read;
    shape.content.is_text()
        && shape.fragment == usize::MAX
        && (shape.size >= 16 * 1024 || reads > 0)
}

fn role(role: Role) -> TheirRole {
    match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    }
}

struct Reader {
    reader: FrameReader,
    source: Memory,
}

impl Decoder for Reader {
    fn decode(&mut self, messages: usize, seen: &mut Seen) {
        let mut left = messages;
        while left > 0 {
            match self.reader.next().expect("valid") {
                Some(message) => {
                    seen.take(message.as_bytes());
                    left -= 1;
                }
                None => {
                    self.reader.read_from(&mut self.source).expect("room for more");
                }
            }
        }
    }
}

struct Writer {
    writer: FrameWriter,
    buffer: WriteBuf,
    sink: Memory,
}

impl Encoder for Writer {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        // Its buffer holds one frame.
        for _ in 0..messages {
            self.writer.encode_binary_into(black_box(payload), &mut self.buffer);
            self.sink.put(self.buffer.data());
        }
    }
}

/// It has neither a server nor a socket of tokio's: its reader and writer in a readiness loop.
struct Epoll {
    reader: FrameReader,
    writer: FrameWriter,
    unsent: Unsent,
}

impl Epoll {
    fn new() -> Self {
        let reader = FrameReader::builder().role(TheirRole::Server).buffer_capacity(BUFFER).build();
        Self { reader, writer: FrameWriter::new(TheirRole::Server), unsent: Unsent::default() }
    }
}

impl epoll::Connection for Epoll {
    fn ready(&mut self, stream: &mut mio::net::TcpStream, answers: &mut Vec<u8>) -> io::Result<()> {
        while self.unsent.flush(stream)? {
            let room = self.reader.spare().len();
            let Some(count) = epoll::ready(self.reader.read_from(stream))? else { return Ok(()) };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The buffer that the others read to is where its answers are put together.
            let mut len = 0;
            while let Some(message) = self.reader.next().map_err(io::Error::other)? {
                let payload = message.as_bytes();
                let end = len + self.writer.max_encoded_len(payload.len());
                if answers.len() < end {
                    answers.resize(end, 0);
                }
                len += self.writer.encode_binary(payload, &mut answers[len..]);
            }
            self.unsent.write(stream, &answers[..len])?;
            if count < room {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn send(mut pipe: Memory, text: &'static str, count: usize) {
    let mut writer = FrameWriter::new(TheirRole::Client);
    let mut buffer = WriteBuf::new(BUFFER, 14);
    for _ in 0..count {
        writer.encode_text_into(black_box(text).as_bytes(), &mut buffer);
        pipe.put(buffer.data());
    }
}

fn bounce(mut pipe: Memory, count: usize) {
    let mut reader = FrameReader::builder().role(TheirRole::Server).buffer_capacity(BUFFER).build();
    let mut writer = FrameWriter::new(TheirRole::Server);
    let mut buffer = WriteBuf::new(BUFFER, 14);
    let mut left = count;
    while left > 0 {
        match reader.next().expect("valid") {
            Some(message) => {
                writer.encode_text_into(message.as_bytes(), &mut buffer);
                pipe.put(buffer.data());
                left -= 1;
            }
            None => {
                reader.read_from(&mut pipe).expect("room for more");
            }
        }
    }
}
