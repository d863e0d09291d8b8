//! nexus-web: its sans-IO reader and writer, as its own `Client` drives them.

use std::hint::black_box;

use bytes::Bytes;
use nexus_net::buf::WriteBuf;
use nexus_web::ws::{FrameReader, FrameWriter, Role as TheirRole};

use super::{Decoder, Encoder, Peer, Shape};
use crate::memory::Memory;
use crate::payload::Seen;
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
