//! The frame header (RFC 6455 §5.2): parsing, the rules that it alone decides, and encoding.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;
use core::ops::{BitOr, Deref};

use super::mask::MaskKey;
use super::opcode::OpCode;
use crate::error::ProtocolError;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_LEN: usize = 125;

pub(super) const FIN: u8 = 0x80;
pub(super) const MASK: u8 = 0x80;

/// The three reserved bits of a frame header (RFC 6455 §5.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rsv(u8);

impl Rsv {
    /// No reserved bit.
    pub const NONE: Self = Self(0);
    /// RSV1, "per-message compressed" (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);
    /// RSV2, unassigned.
    pub const RSV2: Self = Self(0x20);
    /// RSV3, unassigned.
    pub const RSV3: Self = Self(0x10);

    const ALL: u8 = 0x70;

    /// Whether every bit of `other` is set here too.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Rsv {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rsv({:03b})", self.0 >> 4)
    }
}

/// Which frames may carry a masking key (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// Every frame must: this end is the server.
    Required,
    /// No frame may: this end is the client.
    Forbidden,
    /// Either, for tools that look at recorded traffic.
    Either,
}

/// Which data frame may come next (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first of a message: none is in progress.
    First,
    /// A continuation: a message is in progress.
    Continuation,
    /// Either, for tools that look at single frames.
    Either,
}

/// What the header of a frame must keep to besides the fixed rules of RFC 6455 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Who masks.
    pub masking: Masking,
    /// The reserved bits that a negotiated extension has given a meaning on data frames.
    pub rsv: Rsv,
    /// Which data frame may come. A [`Decoder`](super::Decoder) leaves it as it was given:
    /// [`Decoder::expect`](super::Decoder::expect) changes it.
    pub order: Order,
}

impl Rules {
    /// Anything that is well-formed.
    pub const LENIENT: Self =
        Self { masking: Masking::Either, rsv: Rsv(Rsv::ALL), order: Order::Either };
}

/// The header of one frame (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether this is the last fragment of its message. Always true for control frames.
    pub fin: bool,
    /// The reserved bits.
    pub rsv: Rsv,
    /// What the frame is.
    pub opcode: OpCode,
    /// The masking key, on frames from the client.
    pub mask: Option<MaskKey>,
    /// The length of the payload in bytes, below 2^63.
    pub len: u64,
}

impl Header {
    /// The longest header: 2 bytes, 8 of extended length, 4 of masking key.
    pub const MAX_LEN: usize = 14;

    /// How long the header of a frame is, in bytes, with a payload of `len` bytes.
    #[cfg(feature = "alloc")]
    pub(crate) const fn len_before(len: usize, masked: bool) -> usize {
        let unmasked = match len {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        if masked { unmasked + 4 } else { unmasked }
    }

    /// Parses the header at the start of `bytes`, whoever sent it.
    ///
    /// Gives the header and its own length in bytes, or `None` while it is incomplete. Each rule
    /// is applied as soon as the byte that breaks it is there, so a refused frame costs nothing; that
    /// a length is not the shortest encoding shows when all of it is there.
    ///
    /// # Errors
    ///
    /// A reserved opcode, a fragmented control frame, a control frame over 125 bytes, a length
    /// that does not use the shortest encoding or is 2^63 or more (RFC 6455 §5.2, §5.5).
    ///
    /// ```
    /// use websocket_proto::frame::{Header, OpCode};
    ///
    /// let (header, used) = Header::parse(b"\x81\x05Hello")?.expect("complete");
    /// assert_eq!((header.opcode, header.fin, header.len, used), (OpCode::Text, true, 5, 2));
    /// assert_eq!(Header::parse(b"\x81")?, None);
    /// # Ok::<(), websocket_proto::ProtocolError>(())
    /// ```
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        Self::parse_with(bytes, Rules::LENIENT)
    }

    /// As [`parse`](Self::parse), also keeping to `rules`.
    ///
    /// # Errors
    ///
    /// Besides those of [`parse`](Self::parse): a masking key where none may be or none where one
    /// must be (RFC 6455 §5.1), a reserved bit that was not negotiated (RFC 6455 §5.2), and a data
    /// frame out of order (RFC 6455 §5.4).
    #[inline]
    pub fn parse_with(bytes: &[u8], rules: Rules) -> Result<Option<(Self, usize)>, ProtocolError> {
        let (b0, b1, rest) = match bytes {
            [b0, b1, rest @ ..] => (*b0, *b1, rest),
            [b0] => return first_byte(*b0, rules).map(|_| None),
            [] => return Ok(None),
        };
        let opcode = first_byte(b0, rules)?;
        let rsv = Rsv(b0 & Rsv::ALL);
        let masked = b1 & MASK != 0;
        match rules.masking {
            // RFC 6455 §5.1: a server closes the connection on a frame that is not masked.
            Masking::Required if !masked => return Err(ProtocolError::UnmaskedFrame),
            // RFC 6455 §5.1: a client closes the connection on a masked frame.
            Masking::Forbidden if masked => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        let len7 = b1 & !MASK;
        // RFC 6455 §5.5: control payloads are at most 125 bytes.
        if opcode.is_control() && usize::from(len7) > MAX_CONTROL_LEN {
            return Err(ProtocolError::ControlTooLong);
        }
        let (len, rest, used) = match len7 {
            126 => match rest {
                [a, b, rest @ ..] => (u64::from(u16::from_be_bytes([*a, *b])), rest, 4),
                _ => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest, 10),
                // RFC 6455 §5.2: the most significant bit is 0. The first byte shows it already.
                None if rest.first().is_some_and(|byte| byte & 0x80 != 0) => {
                    return Err(ProtocolError::LengthOverflow);
                }
                None => return Ok(None),
            },
            len => (u64::from(len), rest, 2),
        };
        if len7 > 125 {
            // RFC 6455 §5.2: the most significant bit is 0, and the shortest encoding is used.
            if len > i64::MAX.unsigned_abs() {
                return Err(ProtocolError::LengthOverflow);
            }
            if len <= 125 || (len7 == 127 && len <= u64::from(u16::MAX)) {
                return Err(ProtocolError::NonMinimalLength);
            }
        }
        let fin = b0 & FIN != 0;
        if !masked {
            return Ok(Some((Self { fin, rsv, opcode, mask: None, len }, used)));
        }
        let Some(key) = rest.first_chunk::<4>() else { return Ok(None) };
        let mask = Some(MaskKey::new(*key));
        Ok(Some((Self { fin, rsv, opcode, mask, len }, used + 4)))
    }

    /// Encodes the header, with the shortest length encoding (RFC 6455 §5.2).
    ///
    /// Does not judge: a header that no peer would accept is encoded as it is. `len` is cut to
    /// 63 bits.
    ///
    /// ```
    /// use websocket_proto::frame::{Header, OpCode, Rsv};
    ///
    /// let header =
    ///     Header { fin: true, rsv: Rsv::NONE, opcode: OpCode::Binary, mask: None, len: 256 };
    /// assert_eq!(&*header.encode(), b"\x82\x7e\x01\x00");
    /// ```
    #[inline]
    #[must_use]
    pub fn encode(&self) -> EncodedHeader {
        let Some((short, len)) = self.encode_short() else { return self.encode_long() };
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..8].copy_from_slice(&short.to_le_bytes());
        EncodedHeader { bytes, len }
    }

    /// Appends the encoded header to `out`. Has a fixed size copied and then cut, which takes fewer
    /// instructions than to call `memcpy` with a length.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        match self.encode_short() {
            Some((short, len)) => {
                let end = out.len() + usize::from(len);
                out.extend_from_slice(&short.to_le_bytes());
                out.truncate(end);
            }
            None => out.extend_from_slice(&self.encode_long()),
        }
    }

    /// A header of at most 8 bytes, and how many they are; `None` if there are more, which is so
    /// from 64 KiB of payload on. Put together in one register and not byte by byte.
    #[inline(always)]
    fn encode_short(&self) -> Option<(u64, u8)> {
        let (b0, mask, key, key_len) = self.fixed_parts();
        let (head, len) = match (u8::try_from(self.len), u16::try_from(self.len)) {
            (Ok(len @ 0..=125), _) => {
                let head = u16::from_le_bytes([b0, mask | len]);
                (u64::from(head) | u64::from(key) << 16, 2 + key_len)
            }
            (_, Ok(len)) => {
                let [a, b] = len.to_be_bytes();
                let head = u32::from_le_bytes([b0, mask | 126, a, b]);
                (u64::from(head) | u64::from(key) << 32, 4 + key_len)
            }
            _ => return None,
        };
        Some((head, len))
    }

    /// The first byte, the mask bit, the key and its length.
    #[inline]
    fn fixed_parts(&self) -> (u8, u8, u32, u8) {
        let fin = if self.fin { FIN } else { 0 };
        let b0 = fin | self.rsv.0 | self.opcode.bits();
        match self.mask {
            Some(key) => (b0, MASK, u32::from_le_bytes(key.to_bytes()), 4),
            None => (b0, 0, 0, 0),
        }
    }

    #[cold]
    fn encode_long(&self) -> EncodedHeader {
        let (b0, mask, key, key_len) = self.fixed_parts();
        let len = (self.len & i64::MAX.unsigned_abs()).to_be_bytes();
        let head = u128::from(u16::from_le_bytes([b0, mask | 127]))
            | u128::from(u64::from_le_bytes(len)) << 16
            | u128::from(key) << 80;
        let mut bytes = [0; Self::MAX_LEN];
        bytes.copy_from_slice(&head.to_le_bytes()[..Self::MAX_LEN]);
        EncodedHeader { bytes, len: 10 + key_len }
    }
}

/// The rules that the first byte alone decides.
#[inline]
fn first_byte(b0: u8, rules: Rules) -> Result<OpCode, ProtocolError> {
    // RFC 6455 §5.2: an unknown opcode fails the connection.
    let Some(opcode) = OpCode::from_bits(b0 & 0x0F) else {
        return Err(ProtocolError::ReservedOpcode(b0 & 0x0F));
    };
    let rsv = Rsv(b0 & Rsv::ALL);
    // RFC 6455 §5.2: reserved bits are 0 unless negotiated. RFC 7692 §6.1: the bit of a
    // per-message extension stands on the first data frame of a message only.
    let allowed = match opcode {
        OpCode::Text | OpCode::Binary => rules.rsv,
        _ if rules == Rules::LENIENT => rules.rsv,
        _ => Rsv::NONE,
    };
    if !allowed.contains(rsv) {
        return Err(ProtocolError::ReservedBits(rsv.0));
    }
    // RFC 6455 §5.5: control frames are not fragmented.
    if opcode.is_control() && b0 & FIN == 0 {
        return Err(ProtocolError::FragmentedControl);
    }
    match (opcode, rules.order) {
        // RFC 6455 §5.4: a continuation needs a message that it continues.
        (OpCode::Continuation, Order::First) => Err(ProtocolError::UnexpectedContinuation),
        // RFC 6455 §5.4: fragments of messages are not interleaved.
        (OpCode::Text | OpCode::Binary, Order::Continuation) => {
            Err(ProtocolError::UnfinishedMessage)
        }
        _ => Ok(opcode),
    }
}

/// A frame header as it goes to the wire: 2 to 14 bytes on the stack; dereferences to `[u8]`.
#[derive(Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; Header::MAX_LEN],
    len: u8,
}

impl EncodedHeader {
    /// Appends it to `out`. Has a fixed size copied and then cut, which takes fewer instructions
    /// than to call `memcpy` with a length.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

impl Deref for EncodedHeader {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedHeader").field("len", &self.len).finish_non_exhaustive()
    }
}
