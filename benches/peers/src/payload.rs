//! What the messages carry, and the streams that carry them.

use std::hint::black_box;
use std::sync::Arc;

use crate::wire::{BINARY, Role, TEXT, push_message};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Binary,
    Ascii,
    /// Latin, Cyrillic, Chinese and symbols, one to four bytes each.
    Mixed,
}

impl Content {
    pub const ALL: [Self; 3] = [Self::Binary, Self::Ascii, Self::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "text, ASCII",
            Self::Mixed => "text, multi-byte",
        }
    }

    pub fn opcode(self) -> u8 {
        match self {
            Self::Binary => BINARY,
            Self::Ascii | Self::Mixed => TEXT,
        }
    }

    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// Exactly `size` bytes; `seed` makes neighbours differ.
    pub fn payload(self, size: usize, seed: usize) -> Vec<u8> {
        match self {
            Self::Binary => random(seed).map(|it| it.to_le_bytes()[1]).take(size).collect(),
            Self::Ascii => text("sphinx of black quartz, judge my vow", size, seed),
            Self::Mixed => text("zwölf Кошек 喝水 und 🦀 tea, привет", size, seed),
        }
    }
}

/// Numbers without a pattern that a branch predictor would learn.
fn random(seed: usize) -> impl Iterator<Item = u32> {
    let mut state = u32::try_from(seed & 0xffff).expect("16 bits") + 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    })
}

/// Characters out of `alphabet`, and dots at the end where one would not fit.
fn text(alphabet: &str, size: usize, seed: usize) -> Vec<u8> {
    let alphabet: Vec<char> = alphabet.chars().collect();
    let mut bytes = Vec::with_capacity(size + 4);
    for random in random(seed) {
        let character = alphabet[usize::try_from(random).expect("24 bits") % alphabet.len()];
        if bytes.len() + character.len_utf8() > size {
            break;
        }
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes.resize(size, b'.');
    bytes
}

/// Messages on the wire, and what is to come out of them.
pub struct Stream {
    pub bytes: Arc<[u8]>,
    pub messages: Arc<[Vec<u8>]>,
}

/// About as long as a stream is, in bytes: some reads, and it stays in the second-level cache.
const LENGTH: usize = 256 * 1024;
/// More would not fit into that cache beside the stream.
const MESSAGES: usize = 4096;
/// How many messages of different sizes there are at least.
const SIZES: usize = 100;

impl Stream {
    pub fn new(from: Role, content: Content, size: usize, fragment: usize) -> Self {
        Self::of(from, content, fragment, 1, std::iter::repeat(size))
    }

    /// Of messages of any size up to `largest`, each doubling as often as the next.
    pub fn mixed(from: Role, content: Content, largest: usize, fragment: usize) -> Self {
        let doublings = f64::from(u32::try_from(largest).expect("32 bits")).log2();
        let sizes = random(0).map(|random| {
            let part = f64::from(random) / f64::from(1 << 24);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "no more than `largest`"
            )]
            let size = (part * doublings).exp2() as usize;
            size
        });
        Self::of(from, content, fragment, SIZES, sizes)
    }

    fn of(
        from: Role,
        content: Content,
        fragment: usize,
        least: usize,
        mut sizes: impl Iterator<Item = usize>,
    ) -> Self {
        let (mut bytes, mut messages) = (Vec::new(), Vec::new());
        while messages.len() < least || (bytes.len() < LENGTH && messages.len() < MESSAGES) {
            let Some(size) = sizes.next() else { break };
            let payload = content.payload(size, messages.len());
            push_message(&mut bytes, from, content.opcode(), &payload, fragment);
            messages.push(payload);
        }
        Self { bytes: bytes.into(), messages: messages.into() }
    }
}

/// Where decoded messages go: counted, and compared while somebody wants to know.
pub struct Seen {
    pub messages: usize,
    pub bytes: usize,
    expected: Option<Arc<[Vec<u8>]>>,
}

impl Seen {
    pub fn counting() -> Self {
        Self { messages: 0, bytes: 0, expected: None }
    }

    pub fn checking(expected: Arc<[Vec<u8>]>) -> Self {
        Self { messages: 0, bytes: 0, expected: Some(expected) }
    }

    #[inline]
    pub fn take(&mut self, payload: &[u8]) {
        let payload = black_box(payload);
        if let Some(expected) = &self.expected {
            compare(payload, &expected[self.messages % expected.len()], self.messages);
        }
        self.messages += 1;
        self.bytes += payload.len();
    }

    /// As [`take`](Self::take), for a peer that leaves the check of text to the application: that
    /// is then part of the application's work.
    #[inline]
    pub fn take_unchecked(&mut self, payload: &[u8], is_text: bool) {
        if is_text {
            assert!(std::str::from_utf8(payload).is_ok(), "text is not UTF-8");
        }
        self.take(payload);
    }
}

#[cold]
fn compare(payload: &[u8], expected: &[u8], at: usize) {
    assert!(payload == expected, "message {at} is not what was sent");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_size_and_are_text_where_they_say_so() {
        for content in Content::ALL {
            for size in [0, 1, 16, 125, 126, 1024] {
                for seed in 0..40 {
                    let payload = content.payload(size, seed);
                    assert_eq!(payload.len(), size);
                    assert!(!content.is_text() || std::str::from_utf8(&payload).is_ok());
                }
            }
        }
    }
}
