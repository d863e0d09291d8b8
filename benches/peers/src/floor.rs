//! The least that has to be done, by plain safe code without intrinsics, as a yardstick: a header
//! parsed, one copy in for the simulated read, one pass of unmasking, one check of text, and the
//! payload lent.
//!
//! No limits, no control frames, no errors: whatever a real implementation does beside this is
//! what its ratio to the floor is made of.

use std::ops::Range;

use crate::memory::Memory;
use crate::wire::{Role, TEXT};

/// Fits the first-level cache. Larger frames are read straight into their message.
const BUFFER: usize = 32 * 1024;
/// Behind a frame that was read to its end, so much more is asked for: the next header.
const HEAD: usize = 14;
/// The most that is read and unmasked at once of a large frame.
const STEP: usize = 16 * 1024;
/// What is read for a header when the last message was a large one.
const PEEK: usize = 4 * 1024;
/// Payloads from here on are written from where they lie.
const BY_REFERENCE: usize = 4 * 1024;

pub struct Decoder {
    source: Memory,
    masked: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much a read takes when the length of a frame is not known.
    reads: usize,
    /// Initialised as far as any message has gone.
    message: Vec<u8>,
    collected: usize,
    is_text: bool,
}

impl Decoder {
    pub fn new(role: Role, source: Memory) -> Self {
        Self {
            source,
            masked: role == Role::Server,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            reads: BUFFER,
            message: Vec::new(),
            collected: 0,
            is_text: false,
        }
    }

    /// The next message, lent.
    #[inline(always)]
    pub fn next(&mut self) -> &[u8] {
        match self.whole() {
            Some(at) => lend(&self.buffer[at], self.is_text),
            None => self.next_any(),
        }
    }

    /// A message in one small frame that has been read already.
    #[inline(always)]
    fn whole(&mut self) -> Option<Range<usize>> {
        let bytes = &mut self.buffer[self.start..self.end];
        let &[first, second] = bytes.first_chunk()?;
        let (head, len) = match second & 127 {
            126 => (4, usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?))),
            127 => return None,
            len => (2, usize::from(len)),
        };
        let at = if self.masked { head + 4 } else { head };
        if first & 128 == 0 || first & 15 == 0 || bytes.len() < at + len {
            return None;
        }
        self.is_text = first & 15 == TEXT;
        if self.masked {
            let key = *bytes[head..].first_chunk()?;
            unmask(&mut bytes[at..at + len], key);
        }
        let at = self.start + at;
        self.start = at + len;
        Some(at..at + len)
    }

    fn next_any(&mut self) -> &[u8] {
        self.collected = 0;
        loop {
            self.want(2, self.reads);
            let [first, second] = [self.buffer[self.start], self.buffer[self.start + 1]];
            let extra = match second & 127 {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let head = 2 + extra + if self.masked { 4 } else { 0 };
            self.want(head, self.reads);
            let header = &self.buffer[self.start..self.start + head];
            let len = match second & 127 {
                126 => usize::from(u16::from_be_bytes([header[2], header[3]])),
                127 => {
                    usize::try_from(u64::from_be_bytes(header[2..10].try_into().expect("eight")))
                        .expect("a small one")
                }
                len => usize::from(len),
            };
            let key = self.masked.then(|| header[head - 4..].try_into().expect("four"));
            let (last, opcode) = (first & 128 != 0, first & 15);
            if opcode != 0 {
                self.is_text = opcode == TEXT;
            }
            if head + len > BUFFER - HEAD {
                self.start += head;
                self.read_large(len, key);
                self.reads = PEEK;
            } else {
                let whole = head + len;
                self.want(whole, if len < PEEK { BUFFER } else { whole + HEAD });
                self.reads = BUFFER;
                let at = self.start + head..self.start + whole;
                self.start = at.end;
                let payload = &mut self.buffer[at.clone()];
                if let Some(key) = key {
                    unmask(payload, key);
                }
                if last && opcode != 0 {
                    return lend(&self.buffer[at], self.is_text);
                }
                let place = self.collected..self.collected + len;
                if self.message.len() < place.end {
                    self.message.resize(place.end, 0);
                }
                self.collected = place.end;
                self.message[place].copy_from_slice(payload);
            }
            if last {
                return lend(&self.message[..self.collected], self.is_text);
            }
        }
    }

    /// Reads until `count` bytes are there, at most to `upto`.
    #[inline]
    fn want(&mut self, count: usize, upto: usize) {
        if self.end - self.start < count {
            self.read(count, upto);
        }
    }

    fn read(&mut self, count: usize, upto: usize) {
        if self.start + upto.max(count) > BUFFER {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < count {
            let upto = (self.start + upto.max(count)).min(BUFFER);
            self.end += self.source.fill(&mut self.buffer[self.end..upto]);
        }
    }

    /// Reads a payload to where it is to lie, and unmasks each piece while it is in the cache.
    fn read_large(&mut self, len: usize, key: Option<[u8; 4]>) {
        let (mut at, end) = (self.collected, self.collected + len);
        if self.message.len() < end {
            self.message.resize(end, 0);
        }
        let mut phase = 0;
        while at < end {
            let upto = (at + STEP).min(end);
            let room = &mut self.message[at..upto];
            let count = if self.start < self.end {
                let count = room.len().min(self.end - self.start);
                room[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
                self.start += count;
                count
            } else {
                self.source.fill(room)
            };
            if let Some(mut key) = key {
                key.rotate_left(phase % 4);
                unmask(&mut room[..count], key);
            }
            phase += count;
            at += count;
        }
        self.collected = end;
    }
}

#[inline]
fn lend(payload: &[u8], is_text: bool) -> &[u8] {
    if is_text && payload.len() < SHORT {
        std::str::from_utf8(payload).expect("text is UTF-8");
    } else if is_text {
        simdutf8::basic::from_utf8(payload).expect("text is UTF-8");
    }
    payload
}

/// Text up to here is not worth vectors.
const SHORT: usize = 64;

/// In words, and in blocks of them that the compiler makes vectors of.
#[inline]
pub fn unmask(data: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (blocks, rest) = data.as_chunks_mut::<64>();
    for block in blocks {
        for word in block.as_chunks_mut::<8>().0 {
            *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
        }
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    let (half, rest) = rest.as_chunks_mut::<4>();
    for word in half {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes([a, b, c, d])).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c]) {
        *byte ^= key;
    }
}

/// Header and payload into one buffer; a large payload is not copied unless it is masked.
pub struct Encoder {
    sink: Memory,
    role: Role,
    out: Vec<u8>,
    random: u32,
}

impl Encoder {
    pub fn new(role: Role, sink: Memory) -> Self {
        Self { sink, role, out: Vec::with_capacity(64 * 1024), random: 1 }
    }

    pub fn send(&mut self, opcode: u8, payload: &[u8]) {
        let first = 0x80 | opcode;
        let mask = if self.role == Role::Client { 0x80 } else { 0 };
        match u64::try_from(payload.len()).expect("64 bits").to_be_bytes() {
            [.., len] if payload.len() <= 125 => self.out.extend_from_slice(&[first, mask | len]),
            [.., high, low] if payload.len() < 1 << 16 => {
                self.out.extend_from_slice(&[first, mask | 126, high, low]);
            }
            len => {
                self.out.extend_from_slice(&[first, mask | 127]);
                self.out.extend_from_slice(&len);
            }
        }
        match self.role {
            Role::Server => {
                if payload.len() < BY_REFERENCE {
                    self.out.extend_from_slice(payload);
                } else {
                    self.sink.put_all([&self.out, payload]);
                    self.out.clear();
                }
            }
            Role::Client => {
                let key = self.key();
                self.out.extend_from_slice(&key);
                for piece in payload.chunks(4096) {
                    let at = self.out.len();
                    self.out.extend_from_slice(piece);
                    unmask(&mut self.out[at..], key);
                }
            }
        }
    }

    pub fn queued(&self) -> usize {
        self.out.len()
    }

    pub fn flush(&mut self) {
        if !self.out.is_empty() {
            self.sink.put(&self.out);
            self.out.clear();
        }
    }

    fn key(&mut self) -> [u8; 4] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random.to_ne_bytes()
    }
}
