//! Small whole messages through `Endpoint`, and through `Connection` and `Assembler`, beside the
//! least that any codec has to do ("floor").
//!
//! ```text
//! cargo bench --bench count                     every row: ns per message, minimum of many rounds
//! valgrind --tool=callgrind BINARY ROW ROUNDS   one row: instructions, exact on a busy machine
//! ```
//!
//! The instructions of a message are the difference between two counts of rounds. What a row
//! contains is the copy into the read buffer, decoding, and looking at the message. `events` does
//! so with `Connection` and a buffer of its own, `trickle` in reads of 7 bytes, `fragments` a
//! message of 64 KiB in fragments of the given size.
//! `encode` copies into the output; `aliased` does, from where `memcpy` may be slow; `give` gives
//! the payload away by reference count, `through` sends it from where it is. Keys cost nothing, but
//! for `client-os`, where they are those of `random_keys`: what it adds to `client` is what keys
//! cost.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use websocket_proto::connection::{Connection, Fragment, KeySource, NoEntropy};
use websocket_proto::endpoint::{Config, Endpoint};
use websocket_proto::{Assembler, Event, Input, Message, OwnedMessage, random_keys, utf8};

/// A multiple of no frame's length, so that some frames are split between reads.
const READ: usize = 16 * 1024;
const STREAM: usize = 64 * 1024;

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

fn connection(role: &str, config: &Config) -> Connection {
    match role {
        "server" => Connection::server(&config.connection),
        "client-os" => Connection::client(&config.connection, random_keys),
        _ => Connection::client(&config.connection, keys),
    }
}

fn message<'m>(kind: &str, text: &'m str) -> Message<'m> {
    if kind == "text" { Message::Text(text) } else { Message::Binary(text.as_bytes()) }
}

/// A codec that is given at most so much at once.
struct Reads<C> {
    codec: C,
    read: usize,
}

/// As a socket would, in pieces: from 4 KiB on `memcpy` may take ten times as long where source and
/// destination happen to lie a few bytes apart within their pages (`rep movsb` on Zen 3).
fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.chunks_mut(2048).zip(from.chunks(2048)) {
        to.copy_from_slice(from);
    }
}

/// The least that decoding takes: lengths, the key, one pass over the payload. Trusts its input.
struct Floor {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Floor {
    fn read_buf(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.buffer[self.end..]
    }

    #[inline]
    fn next(&mut self) -> Option<Message<'_>> {
        let bytes = &mut self.buffer[self.start..self.end];
        let &[b0, b1, ..] = &*bytes else { return None };
        let (mut at, mut len) = (2, usize::from(b1 & 0x7f));
        if len == 126 {
            let &[_, _, a, b, ..] = &*bytes else { return None };
            (at, len) = (4, usize::from(u16::from_be_bytes([a, b])));
        }
        let key_at = at;
        at += usize::from(b1 >> 7) * 4;
        if bytes.len() < at + len {
            return None;
        }
        if b1 & 0x80 != 0 {
            let key = *bytes[key_at..].first_chunk::<4>()?;
            websocket_proto::frame::mask::apply(
                &mut bytes[at..at + len],
                websocket_proto::frame::mask::MaskKey::new(key),
            );
        }
        let payload = &self.buffer[self.start + at..self.start + at + len];
        self.start += at + len;
        Some(if b0 == 0x81 {
            Message::Text(utf8::validate(payload).ok()?)
        } else {
            Message::Binary(payload)
        })
    }
}

trait Codec {
    fn round(&mut self, stream: &[u8]) -> usize;
}

impl Codec for Reads<Floor> {
    #[inline(never)]
    fn round(&mut self, mut stream: &[u8]) -> usize {
        let Self { codec, read } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let room = codec.read_buf();
            let count = room.len().min(*read).min(stream.len());
            copy(&mut room[..count], &stream[..count]);
            stream = &stream[count..];
            codec.end += count;
            while let Some(message) = codec.next() {
                black_box(message.as_bytes());
                messages += 1;
            }
        }
        messages
    }
}

impl Codec for Reads<Endpoint> {
    #[inline(never)]
    fn round(&mut self, mut stream: &[u8]) -> usize {
        let Self { codec, read } = self;
        let mut messages = 0;
        while !stream.is_empty() {
            let room = codec.read_buf();
            let count = room.len().min(*read).min(stream.len());
            copy(&mut room[..count], &stream[..count]);
            stream = &stream[count..];
            codec.advance_read(count);
            while let Some(received) = codec.next().expect("valid") {
                black_box(received.message.as_bytes());
                messages += 1;
            }
        }
        messages
    }
}

/// What needs no endpoint.
struct Own {
    connection: Connection,
    assembler: Assembler,
    buffer: Vec<u8>,
}

impl Codec for Own {
    #[inline(never)]
    fn round(&mut self, stream: &[u8]) -> usize {
        let Self { connection, assembler, buffer } = self;
        let mut messages = 0;
        for bytes in stream.chunks(buffer.len()) {
            let buffer = &mut buffer[..bytes.len()];
            copy(buffer, bytes);
            let mut input = Input::new(buffer);
            while let Some(event) = connection.receive(&mut input).expect("valid") {
                if let Event::Data(piece) = event
                    && let Some(message) = assembler.push(piece, connection).expect("valid")
                {
                    black_box(message.as_bytes());
                    messages += 1;
                }
            }
        }
        messages
    }
}

/// Sends the message over and over, with a write for each 16 KiB.
struct Sending<'m> {
    endpoint: Endpoint,
    message: Message<'m>,
}

impl Codec for Sending<'_> {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            self.endpoint.send(black_box(self.message)).expect("open");
            if self.endpoint.queued() > READ {
                let written = self.endpoint.chunks().map(|chunk| black_box(chunk).len()).sum();
                self.endpoint.advance_write(written);
            }
        }
        1000
    }
}

/// Sends a payload that begins 8 bytes before its place in the output, but for whole pages: what
/// `memcpy` takes long for on some processors. Each is written at once.
struct Aliased {
    endpoint: Endpoint,
    room: Vec<u8>,
    len: usize,
}

impl Aliased {
    fn payload(room: &[u8], len: usize, place: usize) -> &[u8] {
        let start = place.wrapping_sub(8).wrapping_sub(room.as_ptr().addr()) % 4096;
        &room[start..start + len]
    }
}

impl Codec for Aliased {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        let mut place = 0;
        for _ in 0..1000 {
            let payload = Self::payload(&self.room, self.len, place);
            self.endpoint.send(black_box(payload)).expect("open");
            // Behind a header of 4 bytes.
            place = self.endpoint.chunks().next().map_or(0, |chunk| chunk.as_ptr().addr() + 4);
            self.endpoint.advance_write(self.len + 4);
        }
        1000
    }
}

/// The copy alone, at once.
struct AliasedCopy {
    out: Vec<u8>,
    room: Vec<u8>,
    len: usize,
}

impl Codec for AliasedCopy {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            let payload = Aliased::payload(&self.room, self.len, self.out.as_ptr().addr());
            self.out.clear();
            self.out.extend_from_slice(black_box(payload));
            black_box(&self.out);
        }
        1000
    }
}

/// Gives the message away over and over, with a write for each 16 KiB.
struct Giving {
    endpoint: Endpoint,
    message: OwnedMessage,
}

impl Codec for Giving {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            self.endpoint.send_owned(black_box(&self.message).clone()).expect("open");
            if self.endpoint.queued() > READ {
                let written = self.endpoint.chunks().map(|chunk| black_box(chunk).len()).sum();
                self.endpoint.advance_write(written);
            }
        }
        1000
    }
}

/// Sends the message over and over from where it is, each by a write of its own.
struct Through<'m> {
    endpoint: Endpoint,
    message: Message<'m>,
}

impl Codec for Through<'_> {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            let write = |chunks: &[&[u8]]| chunks.iter().map(|chunk| black_box(chunk).len()).sum();
            self.endpoint.send_through(black_box(self.message), write).expect("open");
        }
        1000
    }
}

/// Takes the payload and looks at a header and at it.
struct Passing {
    message: OwnedMessage,
}

impl Codec for Passing {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            let payload = black_box(&self.message).clone().into_bytes();
            let mut head = [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0];
            let len = u64::try_from(payload.len()).unwrap_or(0);
            head[2..].copy_from_slice(&len.to_be_bytes());
            black_box((&head[..], &payload[..]));
        }
        1000
    }
}

/// Header and payload into a vector, masked there.
struct Copying<'m> {
    masked: bool,
    message: Message<'m>,
    out: Vec<u8>,
}

impl Codec for Copying<'_> {
    #[inline(never)]
    fn round(&mut self, _: &[u8]) -> usize {
        for _ in 0..1000 {
            let (b0, payload) = match black_box(self.message) {
                Message::Text(text) => (0x81, text.as_bytes()),
                Message::Binary(bytes) => (0x82, bytes),
            };
            let mask = u8::from(self.masked) << 7;
            let mut head = [b0, 0, 0, 0, 0, 0, 0, 0];
            let mut head_len = match u8::try_from(payload.len()) {
                Ok(len @ 0..126) => {
                    head[1] = mask | len;
                    2
                }
                _ => {
                    head[1] = mask | 126;
                    let len = u16::try_from(payload.len()).unwrap_or(0);
                    head[2..4].copy_from_slice(&len.to_be_bytes());
                    4
                }
            };
            let mut key = [0; 4];
            if self.masked {
                // Where keys come from is not for the codec to know.
                black_box::<KeySource>(keys)(&mut key).expect("there are keys");
                head[head_len..head_len + 4].copy_from_slice(&key);
                head_len += 4;
            }
            self.out.reserve(head_len + payload.len());
            self.out.extend_from_slice(&head[..head_len]);
            let at = self.out.len();
            self.out.extend_from_slice(payload);
            if self.masked {
                websocket_proto::frame::mask::apply(
                    &mut self.out[at..],
                    websocket_proto::frame::mask::MaskKey::new(key),
                );
            }
            if self.out.len() > READ {
                black_box(&self.out);
                self.out.clear();
            }
        }
        1000
    }
}

/// The row's work and the stream that it is given.
fn row<'m>(name: &str, text: &'m mut String) -> (Box<dyn Codec + 'm>, Vec<u8>) {
    let parts: Vec<&str> = name.split('/').collect();
    let &[codec, way, role, kind, size] = &*parts else { panic!("codec/way/role/kind/size") };
    let config = Config::default();
    *text = "The quick brown fox. ".chars().cycle().take(size.parse().expect("a size")).collect();
    if way == "through" && codec != "floor" {
        let message = Message::Binary(text.as_bytes());
        let endpoint = Endpoint::new(connection(role, &config), &config);
        return (Box::new(Through { endpoint, message }), Vec::new());
    }
    if way == "give" || way == "through" {
        let message = OwnedMessage::Binary(Bytes::from(text.clone()));
        let codec: Box<dyn Codec> = match codec {
            "floor" => Box::new(Passing { message }),
            _ => {
                let endpoint = Endpoint::new(connection(role, &config), &config);
                Box::new(Giving { endpoint, message })
            }
        };
        return (codec, Vec::new());
    }
    if way == "encode" {
        let message = message(kind, text);
        let codec: Box<dyn Codec> = match codec {
            "floor" => Box::new(Copying { masked: role != "server", message, out: Vec::new() }),
            _ => {
                let endpoint = Endpoint::new(connection(role, &config), &config);
                Box::new(Sending { endpoint, message })
            }
        };
        return (codec, Vec::new());
    }
    if way == "aliased" {
        let (len, room) = (text.len(), vec![0; text.len() + 8192]);
        let codec: Box<dyn Codec> = match codec {
            "floor" => Box::new(AliasedCopy { out: Vec::with_capacity(len), room, len }),
            _ => {
                let endpoint = Endpoint::new(connection(role, &config), &config);
                Box::new(Aliased { endpoint, room, len })
            }
        };
        return (codec, Vec::new());
    }
    let peer = if role == "server" { "client" } else { "server" };
    let (mut peer, mut stream) = (connection(peer, &config), Vec::new());
    while stream.len() < STREAM {
        if way == "fragments" {
            // Many of the same, so that the text is not longer than a fragment.
            let count = STREAM / text.len();
            for i in 0..count {
                let fragment = if i + 1 < count { Fragment::More } else { Fragment::Last };
                peer.send_part(message(kind, text), fragment, &mut stream).expect("open");
            }
        } else {
            peer.send(message(kind, text), &mut stream).expect("open");
        }
    }
    let read = if way == "trickle" { 7 } else { usize::MAX };
    let codec: Box<dyn Codec> = match codec {
        "floor" => {
            Box::new(Reads { codec: Floor { buffer: vec![0; READ], start: 0, end: 0 }, read })
        }
        _ if way == "events" => Box::new(Own {
            connection: connection(role, &config),
            assembler: Assembler::new(),
            buffer: vec![0; READ],
        }),
        _ => Box::new(Reads { codec: Endpoint::new(connection(role, &config), &config), read }),
    };
    (codec, stream)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [name, rounds] = &*arguments {
        let mut text = String::new();
        let (mut codec, stream) = row(name, &mut text);
        let rounds = rounds.parse().expect("a number of rounds");
        println!("{}", (0..rounds).map(|_| codec.round(&stream)).sum::<usize>());
        return;
    }
    println!("{:26} {:>8} {:>8} {:>6}", "ns per message", "floor", "ours", "ratio");
    let mut rows = Vec::new();
    for (way, role) in [
        ("decode", "server"),
        ("decode", "client"),
        ("events", "server"),
        ("events", "client"),
        ("encode", "server"),
        ("encode", "client"),
        ("encode", "client-os"),
    ] {
        for kind in ["binary", "text"] {
            rows.extend([0, 16, 125, 1024].map(|size| format!("{way}/{role}/{kind}/{size}")));
        }
    }
    rows.extend(["server", "client"].map(|role| format!("trickle/{role}/binary/1024")));
    rows.extend([4096, 16384].map(|size| format!("aliased/server/binary/{size}")));
    for way in ["give", "through"] {
        rows.extend([16 * 1024, 1024 * 1024].map(|size| format!("{way}/server/binary/{size}")));
    }
    for name in rows {
        let (mut floor_text, mut our_text) = (String::new(), String::new());
        let mut codecs = [
            row(&format!("floor/{name}"), &mut floor_text),
            row(&format!("ours/{name}"), &mut our_text),
        ];
        let mut best = [f64::MAX; 2];
        // In turns, so that a disturbance meets both.
        for _ in 0..400 {
            for ((codec, stream), best) in codecs.iter_mut().zip(&mut best) {
                let start = Instant::now();
                let messages = codec.round(stream);
                let elapsed = start.elapsed().as_secs_f64() * 1e9;
                let messages = u32::try_from(messages).expect("few");
                *best = best.min(elapsed / f64::from(messages));
            }
        }
        let [floor, ours] = best;
        println!("{name:26} {floor:8.2} {ours:8.2} {:6.2}", ours / floor);
    }
}
