//! The back end behind one small interface: `zlib-rs`, raw DEFLATE (RFC 1951).
//!
//! Owns what is particular to that library. Knows no message: [`Deflater`](super::Deflater) and
//! [`Inflater`](super::Inflater) do.

use alloc::vec::Vec;

use zlib_rs::{
    Deflate, DeflateConfig, DeflateFlush, Inflate, InflateError, InflateFlush, Method, Status,
    Strategy,
};

/// What ends every sync flush: an empty stored block without its header bits (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The step in which compressed output grows, in bytes.
const STEP: usize = 256;

/// The most that one call of the library is given to read and to write, in bytes: it counts both
/// in 32 bits.
const CALL: usize = 1 << 30;

/// A compressor and its window.
pub(crate) struct Compressor {
    stream: Deflate,
    /// What it was made with: a pool holds several kinds.
    pub(super) kind: Kind,
    /// Whether there is something in the window.
    used: bool,
}

/// The settings that a compressor cannot change. Those of the same kind can stand in for each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    window_bits: u8,
    level: u8,
    mem_level: u8,
}

impl Kind {
    /// What is outside of what there is counts as the nearest inside.
    pub(super) fn new(window_bits: u8, level: u8, mem_level: u8) -> Self {
        Self {
            // The library refuses 8; its 9-bit encoder keeps distances at 250 and below (2^9 less
            // 262), which is within a window of 8 bits.
            window_bits: window_bits.clamp(9, 15),
            level: level.clamp(1, 9),
            mem_level: mem_level.clamp(1, 9),
        }
    }

    /// 9 to 15.
    pub(super) fn window_bits(self) -> u8 {
        self.window_bits
    }
}

impl Compressor {
    pub(super) fn new(kind: Kind) -> Self {
        let stream = Deflate::new_with_config(DeflateConfig {
            level: i32::from(kind.level),
            method: Method::Deflated,
            // Negative is raw.
            window_bits: -i32::from(kind.window_bits),
            mem_level: i32::from(kind.mem_level),
            strategy: Strategy::Default,
        });
        Self { stream, kind, used: false }
    }

    /// Whether what follows may refer to something in the window.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Empties the window.
    pub(super) fn reset(&mut self) {
        if self.used {
            self.stream.reset();
            self.used = false;
        }
    }

    /// Appends `input`, compressed up to a byte boundary; the last four bytes appended are
    /// [`TAIL`], unless nothing is appended because nothing has been added since the last time.
    pub(super) fn compress(&mut self, input: &[u8], window: Window, out: &mut Vec<u8>) {
        self.compress_by(CALL, input, window, out);
    }

    /// [`compress`](Self::compress) in calls that read and write at most `most` bytes. Not less
    /// than a marker takes: one that is torn is written once more.
    fn compress_by(&mut self, most: usize, mut input: &[u8], window: Window, out: &mut Vec<u8>) {
        let flush = match window {
            Window::Keep => DeflateFlush::SyncFlush,
            // What follows a full flush refers to nothing before it: the window is as good as
            // empty, for less than a reset costs.
            Window::Forget => DeflateFlush::FullFlush,
        };
        self.used = window == Window::Keep;
        // Mostly enough for text; what cannot be compressed takes a second round.
        let mut room = input.len() / 2 + STEP;
        loop {
            let start = out.len();
            room = room.min(most);
            out.resize(start + room, 0);
            let piece = &input[..input.len().min(most)];
            let flush = if piece.len() < input.len() { DeflateFlush::NoFlush } else { flush };
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.compress(piece, &mut out[start..], flush);
            let read = distance(read, self.stream.total_in());
            let written = distance(written, self.stream.total_out());
            out.truncate(start + written);
            input = &input[read..];
            debug_assert!(status.is_ok(), "a stream between two calls takes input");
            // Room that was left over says that everything is out, if it was the last piece.
            if written < room && input.is_empty() || status.is_err() {
                return;
            }
            room = input.len() + STEP;
        }
    }
}

/// What becomes of the window behind what is compressed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// What follows may refer to it.
    Keep,
    /// What follows begins anew.
    Forget,
}

/// What one step of inflating came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) consumed: usize,
    pub(super) produced: usize,
    pub(super) stream: Stream,
}

/// What a step has left of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// It goes on.
    Open,
    /// A block with BFINAL has ended: the stream has to begin anew.
    Ended,
    /// What came behind the bytes that were produced is not DEFLATE.
    Corrupt,
}

/// A decompressor and its window of 32 KiB.
pub(crate) struct Decompressor {
    stream: Inflate,
}

impl Decompressor {
    pub(super) fn new() -> Self {
        // A smaller window would save nothing: the library always has the largest.
        Self { stream: Inflate::new(false, 15) }
    }

    /// Begins a stream whose window holds the end of `history`.
    pub(super) fn restart(&mut self, history: &[u8]) {
        self.stream.reset(false);
        if !history.is_empty() {
            let set = self.stream.set_dictionary(history);
            debug_assert!(set.is_ok(), "a raw stream takes a dictionary at any time");
        }
    }

    /// Inflates as much of `input` as fits `output`.
    pub(super) fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        self.step(input, output, InflateFlush::NoFlush)
    }

    /// As [`inflate`](Self::inflate), but stops where a block ends.
    pub(super) fn inflate_block(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        self.step(input, output, InflateFlush::Block)
    }

    fn step(&mut self, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Progress {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(input, output, flush);
        Progress {
            consumed: distance(read, self.stream.total_in()),
            produced: distance(written, self.stream.total_out()),
            stream: match status {
                Ok(Status::Ok | Status::BufError) => Stream::Open,
                Ok(Status::StreamEnd) => Stream::Ended,
                Err(
                    InflateError::NeedDict { .. }
                    | InflateError::StreamError
                    | InflateError::DataError
                    | InflateError::MemError,
                ) => Stream::Corrupt,
            },
        }
    }
}

/// How far a counter went in one call: no further than a slice is long.
fn distance(from: u64, to: u64) -> usize {
    usize::try_from(to - from).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call may read and write is bounded at 1 GiB; here at much less.
    #[test]
    fn input_of_several_calls_is_compressed_to_its_end() {
        let mut random = 1u32;
        let noise = core::iter::from_fn(|| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random.to_be_bytes().first().copied()
        });
        let noise: Vec<u8> = noise.take(5_000).collect();
        for input in [&[b'a'; 5_000][..], &noise, &noise[..1_000], &noise[..100], &noise[..99], b""]
        {
            for (level, most) in
                (1..=9).flat_map(|level| [16, 100, 1_000].map(|most| (level, most)))
            {
                let mut compressor = Compressor::new(Kind::new(15, level, 8));
                let mut decompressor = Decompressor::new();
                decompressor.restart(&[]);
                for window in [Window::Keep, Window::Keep, Window::Forget] {
                    let mut wire = Vec::new();
                    compressor.compress_by(most, input, window, &mut wire);
                    let mut output = [0; 6_000];
                    let progress = decompressor.inflate(&wire, &mut output);
                    assert_eq!((progress.consumed, progress.stream), (wire.len(), Stream::Open));
                    assert!(&output[..progress.produced] == input, "level {level}, {most}");
                    assert!(input.is_empty() || wire.ends_with(&TAIL));
                }
            }
        }
    }
}
