//! The receiving half: frames to pieces of messages and control payloads.
//!
//! ```text
//!              data frame, FIN clear
//!   no message ---------------------> message in progress --+
//!      ^  |                               |      ^          | continuation, FIN clear
//!      |  | data frame, FIN set           |      +----------+
//!      +--+                               |
//!      ^          continuation, FIN set   |      (control frames change nothing here)
//!      +----------------------------------+
//! ```

use core::ops::Range;

use super::config::{Config, on_wire};
use super::control::{ControlPayload, Unfinished};
use crate::error::ProtocolError;
#[cfg(feature = "alloc")]
use crate::frame::Fragments;
use crate::frame::mask::MaskKey;
use crate::frame::{Decoder, Header, Masking, OpCode, Order, Part, Plain, Rsv, Rules};
use crate::input::Input;
use crate::message::Kind;

/// A piece of a message, unmasked where it lay in the caller's buffer.
///
/// Pieces follow the arrival of bytes, not the boundaries of frames: RFC 6455 §5.4 gives frames no
/// meaning of their own. Text pieces are not checked for UTF-8 here; the
/// [`Assembler`](crate::Assembler) does that, or a [`Validator`](crate::utf8::Validator).
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Data<'b> {
    /// The type of the whole message.
    pub kind: Kind,
    /// The reserved bits of the message's first frame; none unless the configuration allows some.
    pub rsv: Rsv,
    /// Whether the message begins with this piece.
    pub first: bool,
    /// Whether the message ends with this piece.
    pub last: bool,
    /// The bytes. Empty only if `last`.
    pub payload: &'b mut [u8],
}

/// A frame that is a whole message, or the first of several, still masked, in the bytes that were
/// shown to the connection.
pub(crate) struct Whole {
    pub(crate) kind: Kind,
    pub(crate) key: Option<MaskKey>,
    /// The frame ends where its payload ends.
    pub(crate) payload: Range<usize>,
}

/// The beginning of a whole message, in the bytes that were shown to the connection.
#[cfg(feature = "alloc")]
pub(crate) struct Begun {
    pub(crate) key: Option<MaskKey>,
    /// Where the payload will be; an empty range behind the bytes if not all of the header is
    /// there.
    pub(crate) payload: Range<usize>,
}

/// A frame that continues a message, still masked, in the bytes that were shown to the connection.
#[cfg(feature = "alloc")]
pub(crate) struct Continuation {
    pub(crate) key: Option<MaskKey>,
    /// The frame ends where its payload ends.
    pub(crate) payload: Range<usize>,
    /// Whether the message ends with it.
    pub(crate) last: bool,
}

/// A piece of such a frame, still masked.
#[cfg(feature = "alloc")]
pub(crate) struct Piece {
    /// At the phase of its first byte.
    pub(crate) key: Option<MaskKey>,
    /// What was taken ends where this ends.
    pub(crate) payload: Range<usize>,
    /// Whether the message ends with it.
    pub(crate) last: bool,
}

/// What the half makes of the bytes; the connection turns it into an event and what follows.
pub(super) enum Incoming<'b> {
    Data(Data<'b>),
    Ping(ControlPayload),
    Pong(ControlPayload),
    Close(ControlPayload),
}

/// The frame whose payload is under way.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Data { fin: bool },
    Control(OpCode),
}

/// The message in progress.
#[derive(Clone, Copy, Debug)]
struct InProgress {
    kind: Kind,
    rsv: Rsv,
    /// Whether a piece of it has been handed out.
    begun: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Receiver {
    decoder: Decoder,
    frame: Frame,
    message: Option<InProgress>,
    control: Unfinished,
    /// The transport has ended on the peer's side.
    pub(super) eof: bool,
    /// Data frames of the message in progress, empty ones included.
    frames: u32,
    frame_allowance: u32,
    /// Payload bytes that the frames of the message in progress have announced so far.
    announced: u64,
    max_frame: u64,
    max_message: u64,
}

impl Receiver {
    pub(super) fn new(config: &Config, masking: Masking) -> Self {
        Self {
            decoder: Decoder::new(Rules { masking, rsv: config.rsv, order: Order::First }),
            frame: Frame::Data { fin: true },
            message: None,
            control: Unfinished::default(),
            eof: false,
            frames: 0,
            frame_allowance: config.frame_allowance,
            announced: 0,
            max_frame: config.max_frame,
            max_message: config.max_message,
        }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn allow_rsv(&mut self, rsv: Rsv) {
        self.decoder.allow_rsv(rsv);
    }

    /// What is left of the data frame under way, in bytes; 0 in a control frame.
    pub(super) fn data_remaining(&self) -> u64 {
        match self.frame {
            Frame::Data { .. } => self.decoder.remaining(),
            Frame::Control(_) => 0,
        }
    }

    /// Whether nothing is under way, so that [`peek_whole`](Self::peek_whole) may be asked.
    #[inline]
    pub(super) fn is_between_messages(&self) -> bool {
        self.decoder.is_between_messages()
    }

    /// Messages in one frame of less than this keep to the limits, in bytes.
    pub(super) fn whole_below(&self) -> u32 {
        match self.frame_allowance {
            // Then a frame has to be worth it.
            0 => 0,
            _ => u32::try_from(self.max_frame.min(self.max_message).saturating_add(1))
                .unwrap_or(u32::MAX),
        }
    }

    /// The next frame, if it is a whole message of less than `below` bytes and lies in `bytes`
    /// completely; see [`Plain::whole`]. Leaves no trace: [`receive`](Self::receive) would
    /// have begun a message and ended it.
    #[inline]
    pub(super) fn peek_whole<const MASKED: bool>(&self, bytes: &[u8], below: u32) -> Option<Whole> {
        let (opcode, Plain { key, head, len }) = Plain::whole::<MASKED>(bytes)?;
        // What is shorter than this fits; what is longer may be anything.
        if len >= usize::try_from(below).unwrap_or(usize::MAX) || len > bytes.len() - head {
            return None;
        }
        let kind = if opcode == OpCode::Text { Kind::Text } else { Kind::Binary };
        Some(Whole { kind, key, payload: head..head + len })
    }

    /// The next message, if it is small and comes in a few frames that are all there, and of less
    /// than `below` bytes. Leaves no trace, as [`peek_whole`](Self::peek_whole).
    #[cfg(feature = "alloc")]
    pub(super) fn peek_fragments<const MASKED: bool>(
        &self,
        bytes: &[u8],
        below: u32,
    ) -> Option<Fragments> {
        let longest = usize::try_from(below.checked_sub(1)?).unwrap_or(usize::MAX);
        let small = if MASKED { SMALL } else { SMALL_UNMASKED };
        Fragments::find::<MASKED>(bytes, longest.min(small), self.frame_allowance.min(FEW))
    }

    /// Where the payload of the next frame will lie, if it is a whole message of which only the
    /// beginning has come, be it a part of its header.
    #[cfg(feature = "alloc")]
    pub(super) fn peek_begun(&self, bytes: &[u8]) -> Option<Begun> {
        if !self.is_between_messages() {
            return None;
        }
        let Some((_, Plain { key, head, len })) = self.decoder.peek_whole(bytes) else {
            // Of an incomplete header the end is all that is known.
            let end = self.decoder.peek_needs(bytes)?;
            return Some(Begun { key: None, payload: end..end });
        };
        let below = usize::try_from(self.whole_below()).unwrap_or(usize::MAX);
        let is_begun = len < below && len > bytes.len() - head;
        is_begun.then(|| Begun { key, payload: head..head + len })
    }

    /// Takes the next frame, if it is the first of several of a message, not empty, lies in `bytes`
    /// completely, and breaks no limit. `None`, and nothing has happened, otherwise.
    #[cfg(feature = "alloc")]
    #[inline(always)] // What a call gives goes through memory.
    pub(super) fn receive_first(&mut self, bytes: &[u8]) -> Option<Whole> {
        if !self.is_between_messages() {
            return None;
        }
        let (opcode, Plain { key, head, len }) = self.decoder.peek_first(bytes)?;
        if len > bytes.len() - head || len == 0 {
            return None;
        }
        (self.announced, self.frames) = (0, 0);
        (self.announced, self.frames) = self.within_limits(u64::try_from(len).ok()?).ok()?;
        let kind = if opcode == OpCode::Text { Kind::Text } else { Kind::Binary };
        self.message = Some(InProgress { kind, rsv: Rsv::NONE, begun: true });
        self.frame = Frame::Data { fin: false };
        self.decoder.expect(Order::Continuation);
        Some(Whole { kind, key, payload: head..head + len })
    }

    /// Takes the next frame, if it continues the message under way, lies in `bytes` completely, and
    /// breaks no limit. `None`, and nothing has happened, otherwise. Not for messages with reserved
    /// bits.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn receive_continuation(&mut self, bytes: &[u8]) -> Option<Continuation> {
        let (last, Plain { key, head, len }) = self.decoder.peek_continuation(bytes)?;
        // An empty one in the middle says nothing: it is taken together with what comes behind it.
        if len > bytes.len() - head || len == 0 && !last || !self.is_under_way() {
            return None;
        }
        (self.announced, self.frames) = self.within_limits(u64::try_from(len).ok()?).ok()?;
        if last {
            self.end_message();
        }
        Some(Continuation { key, payload: head..head + len, last })
    }

    /// Takes what there is of the frame under way, or of the next one if that continues the message
    /// and breaks no limit. Otherwise as [`receive_continuation`](Self::receive_continuation), which
    /// comes first.
    #[cfg(feature = "alloc")]
    pub(super) fn receive_piece(&mut self, bytes: &[u8]) -> Option<Piece> {
        if bytes.is_empty() || !self.is_under_way() {
            return None;
        }
        if self.decoder.remaining() > 0 {
            let Frame::Data { fin } = self.frame else { return None };
            let (count, key) = self.decoder.skip(bytes.len());
            let last = fin && self.decoder.remaining() == 0;
            if last {
                self.end_message();
            }
            return Some(Piece { key, payload: 0..count, last });
        }
        let (fin, plain) = self.decoder.peek_continuation(bytes)?;
        let (key, payload) = (plain.key, plain.head..bytes.len());
        if plain.len <= payload.len() {
            return None;
        }
        let len = u64::try_from(plain.len).ok()?;
        (self.announced, self.frames) = self.within_limits(len).ok()?;
        self.frame = Frame::Data { fin };
        self.decoder.begin_continuation(plain, payload.len());
        Some(Piece { key, payload, last: false })
    }

    /// As [`Decoder::goes_on_with`].
    #[cfg(feature = "alloc")]
    pub(super) fn goes_on_with(&self, bytes: &[u8]) -> bool {
        self.decoder.goes_on_with(bytes)
    }

    /// Whether a message without reserved bits is under way of which something has been handed out:
    /// the first piece says that it is the first.
    #[cfg(feature = "alloc")]
    #[inline]
    fn is_under_way(&self) -> bool {
        self.message.is_some_and(|message| message.begun && message.rsv.is_empty())
    }

    #[cfg(feature = "alloc")]
    #[inline]
    fn end_message(&mut self) {
        self.message = None;
        self.decoder.expect(Order::First);
    }

    #[inline]
    pub(super) fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Incoming<'b>>, ProtocolError> {
        loop {
            let incoming = match self.decoder.decode(input)? {
                None => return Ok(None),
                Some(Part::Header(header)) => {
                    self.begin_frame(&header)?;
                    if header.len > 0 {
                        continue;
                    }
                    self.payload(input.take(0), true)
                }
                Some(Part::Payload { bytes, end }) => self.payload(bytes, end),
            };
            if let Some(incoming) = incoming {
                return Ok(Some(incoming));
            }
        }
    }

    #[inline]
    fn begin_frame(&mut self, header: &Header) -> Result<(), ProtocolError> {
        let kind = match header.opcode {
            OpCode::Close | OpCode::Ping | OpCode::Pong => {
                // RFC 6455 §5.4: control frames may come between fragments; the message stays.
                self.frame = Frame::Control(header.opcode);
                return Ok(());
            }
            OpCode::Continuation => None,
            OpCode::Text => Some(Kind::Text),
            OpCode::Binary => Some(Kind::Binary),
        };
        // The decoder has seen to it that the first frame of a message has a kind, and no other.
        if let Some(kind) = kind {
            self.decoder.expect(Order::Continuation);
            self.message = Some(InProgress { kind, rsv: header.rsv, begun: false });
            (self.frames, self.announced) = (0, 0);
        }
        self.frame = Frame::Data { fin: header.fin };
        (self.announced, self.frames) = match self.within_limits(header.len) {
            Err(_) if self.is_compressed() => self.within(header.len, on_wire)?,
            within => within?,
        };
        Ok(())
    }

    /// What the message in progress comes to with a further frame of `len` bytes: the bytes that
    /// were announced, and the frames (RFC 6455 §10.4, at the header, before a byte of the
    /// payload is taken).
    #[inline]
    fn within_limits(&self, len: u64) -> Result<(u64, u32), ProtocolError> {
        self.within(len, |limit| limit)
    }

    /// Whether the message in progress is compressed (RFC 7692 §6).
    #[cold]
    fn is_compressed(&self) -> bool {
        self.message.is_some_and(|message| message.rsv.contains(Rsv::RSV1))
    }

    /// [`within_limits`](Self::within_limits), where `on_wire` says what a limit comes to.
    #[inline]
    fn within(&self, len: u64, on_wire: fn(u64) -> u64) -> Result<(u64, u32), ProtocolError> {
        if len > on_wire(self.max_frame) {
            return Err(ProtocolError::FrameTooLong { len, limit: self.max_frame });
        }
        let announced = self.announced.saturating_add(len);
        if announced > on_wire(self.max_message) {
            return Err(ProtocolError::MessageTooLong { limit: self.max_message });
        }
        // Fragments cost their sender next to nothing if they are empty or tiny. What a message
        // may have grows with the bytes it brings, so that real traffic never meets the bound.
        let frames = self.frames.saturating_add(1);
        let earned = u32::try_from(announced / 16).unwrap_or(u32::MAX);
        if frames > self.frame_allowance.saturating_add(earned) {
            return Err(ProtocolError::TooManyFrames { frames });
        }
        Ok((announced, frames))
    }

    #[inline]
    fn payload<'b>(&mut self, bytes: &'b mut [u8], end: bool) -> Option<Incoming<'b>> {
        match self.frame {
            Frame::Data { fin } => {
                let last = fin && end;
                let message = self.message.as_mut()?;
                if bytes.is_empty() && !last {
                    // An empty fragment in front or in the middle says nothing.
                    return None;
                }
                let first = !core::mem::replace(&mut message.begun, true);
                let (kind, rsv) = (message.kind, message.rsv);
                if last {
                    self.message = None;
                    self.decoder.expect(Order::First);
                }
                Some(Incoming::Data(Data { kind, rsv, first, last, payload: bytes }))
            }
            Frame::Control(opcode) => {
                let payload = self.control.push(bytes, end)?;
                // Between frames there is no control frame under way.
                self.frame = Frame::Data { fin: true };
                match opcode {
                    OpCode::Ping => Some(Incoming::Ping(payload)),
                    OpCode::Pong => Some(Incoming::Pong(payload)),
                    OpCode::Close => Some(Incoming::Close(payload)),
                    OpCode::Continuation | OpCode::Text | OpCode::Binary => None,
                }
            }
        }
    }
}

/// Up to which size, in bytes, and how many frames it is looked whether all of a message is there:
/// in vain if it is not. What is masked has to be touched in any case, and costs no more to put
/// together elsewhere if it is larger.
#[cfg(feature = "alloc")]
const SMALL: usize = 2 * 1024;
#[cfg(feature = "alloc")]
const SMALL_UNMASKED: usize = 4 * 1024;
#[cfg(feature = "alloc")]
const FEW: u32 = 16;
