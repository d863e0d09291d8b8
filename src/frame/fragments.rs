//! [`Fragments`]: a small message in several frames that are all there.

use core::ops::Range;

use super::mask::{self, MaskKey};
use super::opcode::OpCode;
use super::plain::Plain;

/// A message in several frames (RFC 6455 §5.4) that lie one behind the other, with nothing between
/// them.
///
/// The headers are read twice, to find and to join it: what has been found is whole and breaks no
/// rule, so that nobody has to keep how far it is, nor needs a buffer for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fragments {
    pub(crate) opcode: OpCode,
    first: Plain,
    /// The payloads together, in bytes.
    pub(crate) len: usize,
    /// Where the last frame ends.
    pub(crate) end: usize,
}

impl Fragments {
    /// The message at the front of `bytes`, if it is one of at most `longest` bytes in several
    /// frames, at most so `many`. `None` otherwise: whatever differs, be it wrong, unusual or
    /// incomplete, is for others.
    pub(crate) fn find<const MASKED: bool>(
        bytes: &[u8],
        longest: usize,
        many: u32,
    ) -> Option<Self> {
        let (opcode, first) = Plain::first::<MASKED>(bytes)?;
        let (mut end, mut len, mut frames) = (end_of(first, 0, bytes)?, first.len, 1);
        // Each look at a header waits for the one before, and for the cache.
        while len <= longest && frames < many {
            let (last, frame) = Plain::continuation::<MASKED>(&bytes[end..])?;
            end = end_of(frame, end, bytes)?;
            len += frame.len;
            frames += 1;
            if last && len <= longest {
                return Some(Self { opcode, first, len, end });
            }
        }
        None
    }

    /// The headers behind the first, in bytes.
    pub(crate) fn headers_between(&self) -> usize {
        self.end - self.first.head - self.len
    }

    /// Unmasks the payloads and moves them together, behind the first header; where they are then.
    /// `bytes` are those that it was found in.
    #[inline]
    pub(crate) fn join<const MASKED: bool>(&self, bytes: &mut [u8]) -> Range<usize> {
        let start = self.first.head;
        let (mut at, mut to) = (start + self.first.len, start);
        to += unmask(&mut bytes[to..at], self.first.key);
        while let Some((_, frame)) = Plain::continuation::<MASKED>(&bytes[at..self.end]) {
            let payload = at + frame.head..at + frame.head + frame.len;
            at = payload.end;
            match frame.key {
                Some(key) => mask::shift(&mut bytes[to..at], frame.len, key),
                None => bytes.copy_within(payload, to),
            }
            to += frame.len;
        }
        start..to
    }
}

/// Where the frame that begins at `at` ends, if all of it is in `bytes`.
#[inline]
fn end_of(frame: Plain, at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at + frame.head + frame.len;
    (end <= bytes.len()).then_some(end)
}

/// Says how much it was.
#[inline]
fn unmask(payload: &mut [u8], key: Option<MaskKey>) -> usize {
    if let Some(key) = key {
        mask::apply(payload, key);
    }
    payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Header, Rsv};
    use alloc::vec::Vec;

    /// Frames of the given payloads, and another message behind them.
    fn message(opcode: OpCode, payloads: &[&[u8]], masked: bool) -> (Vec<u8>, usize) {
        let mut bytes = Vec::new();
        for (at, payload) in payloads.iter().enumerate() {
            let mask = masked.then(|| MaskKey::new([7, 1, 0xfe, u8::try_from(at).expect("few")]));
            let header = Header {
                fin: at + 1 == payloads.len(),
                rsv: Rsv::NONE,
                opcode: if at == 0 { opcode } else { OpCode::Continuation },
                mask,
                len: u64::try_from(payload.len()).expect("short"),
            };
            bytes.extend_from_slice(&header.encode());
            let start = bytes.len();
            bytes.extend_from_slice(payload);
            unmask(&mut bytes[start..], mask);
        }
        let end = bytes.len();
        bytes.extend_from_slice(b"\x81\x02hi");
        (bytes, end)
    }

    fn find(bytes: &[u8], masked: bool) -> Option<Fragments> {
        match masked {
            true => Fragments::find::<true>(bytes, 99, 6),
            false => Fragments::find::<false>(bytes, 99, 6),
        }
    }

    fn join<'b>(found: &Fragments, bytes: &'b mut [u8], masked: bool) -> &'b [u8] {
        let payload = if masked { found.join::<true>(bytes) } else { found.join::<false>(bytes) };
        assert_eq!((payload.len(), payload.end + found.headers_between()), (found.len, found.end));
        &bytes[payload]
    }

    #[test]
    fn fragments_that_are_all_there_are_found() {
        for payloads in [
            &[&b"Hel"[..], b"lo"][..],
            &[b"", b"a", b"", b"bcdef", b""],
            &[b"", b""],
            &[b"1", b"2", b"3", b"4", b"5", b"6"],
            &[&[b'x'; 40], &[b'y'; 59]],
        ] {
            for (opcode, masked) in [(OpCode::Text, false), (OpCode::Binary, true)] {
                let (mut bytes, end) = message(opcode, payloads, masked);
                let found = find(&bytes, masked).expect("all there");
                let whole = payloads.concat();
                assert_eq!((found.opcode, found.end, found.len), (opcode, end, whole.len()));
                assert_eq!(join(&found, &mut bytes, masked), whole);
                assert_eq!(bytes[end..], *b"\x81\x02hi");
            }
        }
    }

    #[test]
    fn nothing_else_is_found() {
        let (bytes, end) = message(OpCode::Binary, &[&[b'x'; 50], &[b'y'; 49]], true);
        let mut others: Vec<Vec<u8>> = (0..end).map(|end| bytes[..end].to_vec()).collect();
        others.push(message(OpCode::Binary, &[&[b'x'; 50], &[b'y'; 50]], true).0);
        others.push(message(OpCode::Binary, &[&b""[..]; 7], true).0);
        others.push(message(OpCode::Binary, &[b"whole"], true).0);
        // Other frames: at the front, and between; what is reserved; the wrong masking.
        for (at, byte) in [(0, 0x82), (0, 0x00), (56, 0x89), (56, 0x82), (56, 0xC0), (57, 49)] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            others.push(bytes);
        }
        for other in others {
            assert_eq!(find(&other, true), None, "{other:02x?}");
        }
    }
}
