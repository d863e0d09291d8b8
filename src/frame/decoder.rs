//! [`Decoder`]: bytes in any split to headers and payload pieces, unmasked in place.

use core::fmt;

#[cfg(feature = "alloc")]
use super::header::Masking;
#[cfg(feature = "deflate")]
use super::header::Rsv;
use super::header::{Header, Order, Rules};
use super::mask::{self, MaskKey};
#[cfg(feature = "alloc")]
use super::opcode::OpCode;
#[cfg(feature = "alloc")]
use super::plain::Plain;
use crate::error::ProtocolError;
use crate::input::Input;

/// One step of a frame, as [`Decoder::decode`] gives it.
#[derive(Debug)]
pub enum Part<'b> {
    /// A frame begins. If its length is 0, no payload follows.
    Header(Header),
    /// Bytes of the frame's payload, unmasked where they lay in the caller's buffer.
    Payload {
        /// At least one byte, at most what the input held.
        bytes: &'b mut [u8],
        /// Whether the frame ends here.
        end: bool,
    },
}

/// Splits a byte stream into frames; knows one frame at a time and no message.
///
/// Consumes everything it is given. An incomplete header is kept inside (at most 14 bytes), a
/// payload never is: its bytes are handed on as they arrive (RFC 6455 §5.4 lets a receiver do so),
/// and memory does not depend on the lengths that the peer announces.
///
/// ```text
///          header complete, len > 0
///   Header ------------------------> Payload
///   (have) <------------------------ (remaining)
///              remaining == 0
/// ```
///
/// ```
/// use websocket_proto::Input;
/// use websocket_proto::frame::{Decoder, Masking, Order, Part, Rsv, Rules};
///
/// let rules = Rules { masking: Masking::Required, rsv: Rsv::NONE, order: Order::Either };
/// let mut decoder = Decoder::new(rules);
/// let mut bytes = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // RFC 6455 §5.7
/// let mut input = Input::new(&mut bytes);
/// assert!(matches!(decoder.decode(&mut input)?, Some(Part::Header(header)) if header.len == 5));
/// let Some(Part::Payload { bytes, end }) = decoder.decode(&mut input)? else { panic!() };
/// assert_eq!((&*bytes, end), (&b"Hello"[..], true));
/// assert!(decoder.decode(&mut input)?.is_none());
/// # Ok::<(), websocket_proto::ProtocolError>(())
/// ```
#[derive(Clone)]
pub struct Decoder {
    /// Payload bytes of the current frame that have not arrived; 0 while a header is awaited.
    remaining: u64,
    /// The key of the current frame at the phase of its next byte.
    key: Option<MaskKey>,
    rules: Rules,
    have: u8,
    partial: [u8; Header::MAX_LEN],
}

impl Decoder {
    /// A decoder at the start of a frame.
    #[must_use]
    pub const fn new(rules: Rules) -> Self {
        Self { remaining: 0, key: None, rules, have: 0, partial: [0; Header::MAX_LEN] }
    }

    /// How many payload bytes of the current frame are still to come; 0 between frames.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Says which data frame may come next.
    #[inline]
    pub fn expect(&mut self, order: Order) {
        self.rules.order = order;
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn allow_rsv(&mut self, rsv: Rsv) {
        self.rules.rsv = self.rules.rsv | rsv;
    }

    /// Takes the next part out of `input`, or `None` when `input` is used up.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse_with`]. The stream has no meaning after one; the decoder must not
    /// be used further.
    #[inline]
    pub fn decode<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Part<'b>>, ProtocolError> {
        if self.remaining > 0 {
            return Ok(self.payload(input));
        }
        if self.have == 0 {
            // The usual case: the header lies in the input whole and is parsed where it is.
            if let Some((header, used)) = Header::parse_with(input.as_bytes(), self.rules)? {
                input.take(used);
                return Ok(Some(self.begin(header)));
            }
        }
        self.header_in_pieces(input)
    }

    /// Whether no frame is under way, and the first one of a message may come.
    #[inline]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.remaining == 0 && self.have == 0 && self.rules.order == Order::First
    }

    /// Whether the next payload to come out of these bytes is more of the message under way, as far
    /// as they tell. Empty frames that continue it do not: what follows may be anything.
    #[cfg(feature = "alloc")]
    pub(crate) fn goes_on_with(&self, mut bytes: &[u8]) -> bool {
        if self.remaining > 0 || bytes.is_empty() {
            return true;
        }
        if self.have > 0 {
            return false;
        }
        while let Some((false, Plain { head, len: 0, .. })) = self.peek_continuation(bytes) {
            bytes = &bytes[head..];
        }
        bytes.first().is_none_or(|b0| b0 & 0x0F == OpCode::Continuation.bits())
    }

    /// The opcode and the header of the next frame, if it is a whole message; its payload need not
    /// have come. Says nothing while the decoder is not [between
    /// messages](Self::is_between_messages).
    ///
    /// The short way for what most streams consist of: it leaves it to the caller to take the frame
    /// and to unmask it. `None` for any other frame; [`decode`](Self::decode) is for all of them.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn peek_whole(&self, bytes: &[u8]) -> Option<(OpCode, Plain)> {
        match self.rules.masking {
            Masking::Required => Plain::whole::<true>(bytes),
            Masking::Forbidden => Plain::whole::<false>(bytes),
            Masking::Either => None,
        }
    }

    /// As [`peek_whole`](Self::peek_whole), of the first frame of a message that has more.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn peek_first(&self, bytes: &[u8]) -> Option<(OpCode, Plain)> {
        match self.rules.masking {
            Masking::Required => Plain::first::<true>(bytes),
            Masking::Forbidden => Plain::first::<false>(bytes),
            Masking::Either => None,
        }
    }

    /// How many bytes have to be there before more can be said of the next frame, if its header is
    /// not complete and it may be one for [`peek_whole`](Self::peek_whole).
    #[cfg(feature = "alloc")]
    pub(crate) fn peek_needs(&self, bytes: &[u8]) -> Option<usize> {
        match self.rules.masking {
            Masking::Required => Plain::needs::<true>(bytes),
            Masking::Forbidden => Plain::needs::<false>(bytes),
            Masking::Either => None,
        }
    }

    /// The header of the next frame, and whether it is the last of its message, if the frame
    /// continues one. As short as [`peek_whole`](Self::peek_whole).
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn peek_continuation(&self, bytes: &[u8]) -> Option<(bool, Plain)> {
        if self.remaining > 0 || self.have > 0 || self.rules.order != Order::Continuation {
            return None;
        }
        match self.rules.masking {
            Masking::Required => Plain::continuation::<true>(bytes),
            Masking::Forbidden => Plain::continuation::<false>(bytes),
            Masking::Either => None,
        }
    }

    /// Begins the frame whose header was seen by [`peek_continuation`](Self::peek_continuation),
    /// and takes the first `count` bytes of its payload, which is longer.
    #[cfg(feature = "alloc")]
    pub(crate) fn begin_continuation(&mut self, plain: Plain, count: usize) {
        self.remaining = u64::try_from(plain.len).unwrap_or(u64::MAX);
        self.key = plain.key;
        self.skip(count);
    }

    #[inline]
    fn begin<'b>(&mut self, header: Header) -> Part<'b> {
        self.remaining = header.len;
        self.key = header.mask;
        Part::Header(header)
    }

    #[inline]
    fn payload<'b>(&mut self, input: &mut Input<'b>) -> Option<Part<'b>> {
        if input.is_empty() {
            return None;
        }
        // What does not fit usize is more than the input holds.
        let bytes = input.take(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        if let Some(key) = self.key {
            mask::apply(bytes, key);
            self.key = Some(key.advanced(bytes.len()));
        }
        self.remaining = self.remaining.saturating_sub(len64(bytes));
        Some(Part::Payload { bytes, end: self.remaining == 0 })
    }

    /// Takes what there is of the payload of the frame under way out of so many bytes, which are
    /// still masked. How much that is, and the key for it.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn skip(&mut self, available: usize) -> (usize, Option<MaskKey>) {
        // What does not fit usize is more than is there.
        let count = available.min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let key = self.key;
        self.key = key.map(|key| key.advanced(count));
        self.remaining -= u64::try_from(count).unwrap_or(self.remaining);
        (count, key)
    }

    #[cold]
    fn header_in_pieces<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Part<'b>>, ProtocolError> {
        while let [byte] = *input.take(1) {
            // Counted only if it is right: after an error there is room for no more.
            self.partial[usize::from(self.have)] = byte;
            let seen = &self.partial[..=usize::from(self.have)];
            match Header::parse_with(seen, self.rules)? {
                Some((header, _)) => {
                    self.have = 0;
                    return Ok(Some(self.begin(header)));
                }
                None => self.have += 1,
            }
        }
        Ok(None)
    }
}

/// Leaves the bytes of an unfinished header out: there may be a masking key among them.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("remaining", &self.remaining)
            .field("have", &self.have)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// The length of a slice as the wire counts it; a `usize` always fits on targets that Rust has.
#[inline]
pub(crate) fn len64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
