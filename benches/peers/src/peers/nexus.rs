//! nexus-web: its sans-IO reader and writer, as its own `Client` drives them.

use std::hint::black_box;

use std::io;

use bytes::Bytes;
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
    encoder: |ours, sink| Box::new(Writer { frames: Frames::new(role(ours)), sink }),
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

/// Frames put together one behind the other, to be written at once: its own `WriteBuf` holds one.
struct Frames {
    writer: FrameWriter,
    bytes: Vec<u8>,
    len: usize,
}

impl Frames {
    fn new(role: TheirRole) -> Self {
        Self { writer: FrameWriter::new(role), bytes: vec![0; BUFFER], len: 0 }
    }

    #[inline]
    fn push(
        &mut self,
        payload: &[u8],
        encode: impl FnOnce(&mut FrameWriter, &[u8], &mut [u8]) -> usize,
    ) {
        let end = self.len + self.writer.max_encoded_len(payload.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.len += encode(&mut self.writer, payload, &mut self.bytes[self.len..]);
    }

    /// What is to be written, once.
    fn take(&mut self) -> &[u8] {
        &self.bytes[..std::mem::take(&mut self.len)]
    }
}

struct Writer {
    frames: Frames,
    sink: Memory,
}

impl Encoder for Writer {
    fn encode(&mut self, payload: &Bytes, messages: usize) {
        for _ in 0..messages {
            self.frames.push(black_box(payload), FrameWriter::encode_binary);
        }
        self.sink.put(self.frames.take());
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

/// About what is written at once, in bytes.
const WRITE: usize = 16 * 1024;

fn send(mut pipe: Memory, text: &'static str, count: usize) {
    let mut frames = Frames::new(TheirRole::Client);
    for _ in 0..count {
        frames.push(black_box(text).as_bytes(), FrameWriter::encode_text);
        if frames.len > WRITE {
            pipe.put(frames.take());
        }
    }
    pipe.put(frames.take());
}

fn bounce(mut pipe: Memory, count: usize) {
    let mut reader = FrameReader::builder().role(TheirRole::Server).buffer_capacity(BUFFER).build();
    let mut frames = Frames::new(TheirRole::Server);
    let mut left = count;
    while left > 0 {
        match reader.next().expect("valid") {
            Some(message) => {
                frames.push(message.as_bytes(), FrameWriter::encode_text);
                if frames.len > WRITE {
                    pipe.put(frames.take());
                }
                left -= 1;
            }
            None => {
                reader.read_from(&mut pipe).expect("room for more");
            }
        }
    }
    pipe.put(frames.take());
}
