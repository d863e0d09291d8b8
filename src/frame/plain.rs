//! [`Plain`]: the short way to read a header in which nothing can be wrong.

use super::header::{FIN, MASK};
use super::mask::MaskKey;
use super::opcode::OpCode;

/// The first byte of a message in one frame without reserved bits.
const WHOLE_TEXT: u8 = FIN | OpCode::Text.bits();
const WHOLE_BINARY: u8 = FIN | OpCode::Binary.bits();

/// What the short way needs to know of a frame, besides its first byte.
///
/// Most streams consist of frames that are whole messages, of less than 2 GiB and without reserved
/// bits, or that continue one. The functions here know no rules, only bytes that break none of
/// them: whatever differs, be it wrong, unusual or incomplete, is `None` and left to
/// [`Header::parse_with`](super::Header::parse_with), which gives the same for these bytes. Apart
/// from [`Header`](super::Header), so that it stays in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) key: Option<MaskKey>,
    /// The length of the header, in bytes.
    pub(crate) head: usize,
    /// The length of the payload, in bytes.
    pub(crate) len: usize,
}

impl Plain {
    /// The longest payload, in bytes: with its header it fits any `usize`.
    const MAX: u64 = 0x7FFF_0000;

    /// The header of a whole message, with its opcode. For where no message is in progress.
    #[inline]
    pub(crate) fn whole<const MASKED: bool>(bytes: &[u8]) -> Option<(OpCode, Self)> {
        let &[b0, b1] = bytes.first_chunk()?;
        let opcode = match b0 {
            WHOLE_TEXT => OpCode::Text,
            WHOLE_BINARY => OpCode::Binary,
            _ => return None,
        };
        Some((opcode, Self::behind::<MASKED>(b1, bytes)?))
    }

    /// As [`whole`](Self::whole), of the first frame of a message that has more.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn first<const MASKED: bool>(bytes: &[u8]) -> Option<(OpCode, Self)> {
        let &[b0, b1] = bytes.first_chunk()?;
        let opcode = match b0 | FIN {
            _ if b0 & FIN != 0 => return None,
            WHOLE_TEXT => OpCode::Text,
            WHOLE_BINARY => OpCode::Binary,
            _ => return None,
        };
        Some((opcode, Self::behind::<MASKED>(b1, bytes)?))
    }

    /// The header of a frame that continues a message, with whether it is the last. For where one
    /// is in progress.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn continuation<const MASKED: bool>(bytes: &[u8]) -> Option<(bool, Self)> {
        let &[b0, b1] = bytes.first_chunk()?;
        if b0 & !FIN != OpCode::Continuation.bits() {
            return None;
        }
        Some((b0 & FIN != 0, Self::behind::<MASKED>(b1, bytes)?))
    }

    /// Whether these are the bytes of a whole text.
    #[cfg(feature = "alloc")]
    pub(crate) fn is_text(bytes: &[u8]) -> bool {
        bytes.first() == Some(&WHOLE_TEXT)
    }

    /// What a header says behind its first byte.
    #[inline]
    fn behind<const MASKED: bool>(b1: u8, bytes: &[u8]) -> Option<Self> {
        // With the wrong mask bit it is above 127.
        let (len, head) = match b1 ^ if MASKED { MASK } else { 0 } {
            len @ 0..=125 => (usize::from(len), 2),
            126 => match u16::from_be_bytes(*bytes[2..].first_chunk()?) {
                0..=125 => return None,
                len => (usize::from(len), 4),
            },
            127 => match u64::from_be_bytes(*bytes[2..].first_chunk()?) {
                len @ 0x1_0000..=Self::MAX => (usize::try_from(len).ok()?, 10),
                _ => return None,
            },
            _ => return None,
        };
        if !MASKED {
            return Some(Self { key: None, head, len });
        }
        let key = Some(MaskKey::new(*bytes[head..].first_chunk()?));
        Some(Self { key, head: head + 4, len })
    }

    /// How many bytes have to be there before more can be said of a header that may be that of a
    /// [`whole`](Self::whole) message and is not complete. `None` for any other: there may be
    /// something wrong with it already.
    #[cfg(feature = "alloc")]
    pub(crate) fn needs<const MASKED: bool>(bytes: &[u8]) -> Option<usize> {
        let (&b0, rest) = bytes.split_first()?;
        if b0 != WHOLE_TEXT && b0 != WHOLE_BINARY {
            return None;
        }
        let Some(&b1) = rest.first() else { return Some(2) };
        let used = match b1 ^ if MASKED { MASK } else { 0 } {
            0..=125 => 2,
            126 => match rest[1..].first_chunk() {
                None => return Some(4),
                Some(&len) if u16::from_be_bytes(len) > 125 => 4,
                Some(_) => return None,
            },
            127 => match rest[1..].first_chunk() {
                // Whether it is 2^63 or more shows in the first byte.
                None => return rest.get(1).map_or(Some(3), |&byte| (byte == 0).then_some(10)),
                Some(&len) if (0x1_0000..=Self::MAX).contains(&u64::from_be_bytes(len)) => 10,
                Some(_) => return None,
            },
            _ => return None,
        };
        let end = used + if MASKED { 4 } else { 0 };
        (bytes.len() < end).then_some(end)
    }
}

// `continuation` and `needs` are not there without it.
#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::frame::{Header, Masking, Order, Rsv, Rules};

    #[test]
    fn the_short_way_takes_whole_messages_and_nothing_else() {
        each_beginning(Order::First, true, |bytes, masking| match masking {
            Masking::Required => Plain::whole::<true>(bytes).map(|(it, plain)| (true, it, plain)),
            _ => Plain::whole::<false>(bytes).map(|(it, plain)| (true, it, plain)),
        });
    }

    #[test]
    fn the_short_way_takes_first_fragments_and_nothing_else() {
        each_beginning(Order::First, false, |bytes, masking| match masking {
            Masking::Required => Plain::first::<true>(bytes).map(|(it, plain)| (false, it, plain)),
            _ => Plain::first::<false>(bytes).map(|(it, plain)| (false, it, plain)),
        });
    }

    #[test]
    fn the_short_way_takes_continuations_and_nothing_else() {
        each_beginning(Order::Continuation, true, |bytes, masking| {
            let (fin, plain) = match masking {
                Masking::Required => Plain::continuation::<true>(bytes),
                _ => Plain::continuation::<false>(bytes),
            }?;
            Some((fin, OpCode::Continuation, plain))
        });
    }

    /// Every pair of first bytes, with lengths around the bounds, cut anywhere.
    fn each_beginning(
        order: Order,
        whole_only: bool,
        parse: impl Fn(&[u8], Masking) -> Option<(bool, OpCode, Plain)>,
    ) {
        let max = Plain::MAX;
        // Of the first two of these bytes the lengths in 16 bits are made.
        let lens = [0, 125 << 48, 126 << 48, 0xff << 48, 0x100 << 48, 0xffff << 48];
        let lens = lens.into_iter().chain([0xffff, 0x1_0000, max, max + 1, 1 << 63]);
        for masking in [Masking::Required, Masking::Forbidden] {
            let rules = Rules { masking, rsv: Rsv::NONE, order };
            for (start, len) in (0..=u16::MAX).flat_map(|it| lens.clone().map(move |len| (it, len)))
            {
                let mut bytes = [0x5a; Header::MAX_LEN + 1];
                bytes[..2].copy_from_slice(&start.to_be_bytes());
                bytes[2..10].copy_from_slice(&u64::to_be_bytes(len));
                let whole = bytes;
                for end in 0..=whole.len() {
                    let bytes = &whole[..end];
                    let parsed = Header::parse_with(bytes, rules);
                    let expected = match parsed {
                        Ok(Some((Header { fin, rsv: _, opcode, mask, len }, head)))
                            if !opcode.is_control()
                                && (fin == whole_only || order == Order::Continuation)
                                && len <= max =>
                        {
                            let len = usize::try_from(len).expect("below 2 GiB");
                            Some((fin, opcode, Plain { key: mask, head, len }))
                        }
                        _ => None,
                    };
                    assert_eq!(parse(bytes, masking), expected);
                    let needs = match (order, masking) {
                        (Order::First, Masking::Required) => Plain::needs::<true>(bytes),
                        (Order::First, _) => Plain::needs::<false>(bytes),
                        _ => None,
                    };
                    if let Some(needs) = needs {
                        assert!(needs > end && parsed == Ok(None), "{bytes:02x?}");
                        // Until so many are there, nothing can be said of them.
                        let last = Header::parse_with(&whole[..needs - 1], rules);
                        assert_eq!(last, Ok(None), "{bytes:02x?}");
                    }
                }
            }
        }
    }
}
