//! [`Assembler`]: pieces to whole messages, UTF-8 checked on the way (RFC 6455 §5.4, §8.1).
//!
//! Owns the buffer of a message that came in several pieces. Sizes and fragment counts have been
//! checked by the [`Connection`] before a piece arrives here.

mod buffer;
mod idle;
mod shared;

pub(crate) use self::idle::{LONGEST_SPARED, SPARED, WELL_USED};
pub(crate) use self::shared::{Shared, message, part};

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use ascii::AsciiStr;

use self::buffer::Buffer;
use crate::connection::{Connection, Data};
use crate::copy::{self, copy};
#[cfg(feature = "deflate")]
use crate::deflate::Inflater;
use crate::error::ProtocolError;
#[cfg(feature = "deflate")]
use crate::frame::Rsv;
use crate::frame::mask::{self, MaskKey};
use crate::line::{self, LINE};
use crate::message::{Kind, Message};
use crate::utf8::{InvalidUtf8, Validator};

/// Makes whole messages of the pieces that a [`Connection`] hands out.
///
/// A message that came in one piece is lent from the read buffer: no copy, no allocation. Others
/// are collected in one contiguous buffer that grows with the bytes received, never with what a
/// header announces. Text is checked as it comes, and the connection is failed at the first bad
/// byte.
#[derive(Default)]
pub struct Assembler {
    buffer: Buffer,
    /// Where in it the message ends; it begins at `start`.
    end: usize,
    /// Where the buffer of a large message is while it is lent, as long as it is being sent back, or
    /// as the application has it.
    shared: Option<Shared>,
    kind: Option<Kind>,
    utf8: Validator,
    /// How much of the message `utf8` has seen, in bytes.
    checked: usize,
    state: State,
    /// Where in the buffer the message begins.
    start: u8,
    /// Whether a message has used the buffer since there was nothing to do: [`USED`]; whether the
    /// shared one was given to the application: [`GIVEN`], and is not one of this but to read to:
    /// [`READ`]. And if the message under way has left a buffer that was lent, how many bits its
    /// length has to have before there is a use for another: [`BITS`].
    usage: u8,
    /// Where permessage-deflate was agreed on.
    #[cfg(feature = "deflate")]
    inflater: Option<Box<Inflater>>,
}

/// How far the message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// More of it is to come, or there is none.
    #[default]
    UnderWay,
    /// Complete, in the buffer.
    Complete,
    /// Complete, in the shared buffer.
    Shared,
}

impl State {
    fn after(last: bool) -> Self {
        if last { Self::Complete } else { Self::UnderWay }
    }
}

impl Assembler {
    /// An assembler without a buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An assembler that decompresses the messages with RSV1 (RFC 7692 §6.2).
    ///
    /// `role` is this end, `params` what the handshake agreed on. The connection has to let
    /// [`Rsv::RSV1`] pass ([`connection::Config::rsv`](crate::connection::Config::rsv)).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(
        role: crate::connection::Role,
        params: crate::deflate::Params,
        deflate: &crate::deflate::Config,
        connection: &crate::connection::Config,
    ) -> Self {
        let inflater = Inflater::new(role, deflate, params, connection.max_message);
        Self { inflater: Some(Box::new(inflater)), ..Self::default() }
    }

    /// Adds a piece, and lends the message if it is complete.
    ///
    /// `connection` is the one that the piece came from: it is failed with 1007 when the text is
    /// not UTF-8 or compressed data is not valid, with 1009 when a compressed message grows over
    /// its limits.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidUtf8`], sticky in the connection; of a compressed message also
    /// [`InvalidDeflate`](ProtocolError::InvalidDeflate),
    /// [`MessageTooLong`](ProtocolError::MessageTooLong),
    /// [`CompressionRatio`](ProtocolError::CompressionRatio) and
    /// [`TooManyFinalBlocks`](ProtocolError::TooManyFinalBlocks).
    #[inline]
    pub fn push<'m>(
        &'m mut self,
        piece: Data<'m>,
        connection: &mut Connection,
    ) -> Result<Option<Message<'m>>, ProtocolError> {
        if self.is_whole(&piece) {
            return match Message::checked(piece.kind, piece.payload) {
                Ok(message) => Ok(Some(message)),
                Err(InvalidUtf8) => Err(connection.fail(ProtocolError::InvalidUtf8)),
            };
        }
        // Apart, so that a whole message stays in registers.
        let Data { kind, rsv, first, last, payload } = piece;
        self.push_part(Data { kind, rsv, first, last, payload }, connection)
    }

    /// What [`push`](Self::push) does with a piece that is not a whole message.
    fn push_part(
        &mut self,
        piece: Data<'_>,
        connection: &mut Connection,
    ) -> Result<Option<Message<'_>>, ProtocolError> {
        let result = self.collect(&piece, false).and_then(|complete| match complete {
            true => Ok(Some(self.lend()?.0)),
            false => Ok(self.check().map(|()| None)?),
        });
        result.map_err(|error| connection.fail(error))
    }

    /// Whether the piece is a message as it is, so that it can be lent from where it lies.
    #[inline]
    pub(crate) fn is_whole(&self, piece: &Data<'_>) -> bool {
        #[cfg(feature = "deflate")]
        if self.is_compressed(piece) {
            return false;
        }
        piece.first && piece.last
    }

    /// Adds a piece to the buffer; whether the message is complete. Text that did not come
    /// compressed is not checked: see [`check`](Self::check). `straight` says whether what follows
    /// will be read straight into the buffer.
    pub(crate) fn collect(
        &mut self,
        piece: &Data<'_>,
        straight: bool,
    ) -> Result<bool, ProtocolError> {
        #[cfg(feature = "deflate")]
        if self.is_compressed(piece) {
            if piece.first {
                self.begin(piece.kind, 0, true);
            }
            return self.inflate(piece);
        }
        if piece.first {
            self.begin(piece.kind, piece.payload.len(), straight);
        }
        Ok(self.append(piece.payload, None, piece.last))
    }

    /// Begins a message of several pieces, the first of them as long as `first`.
    ///
    /// A large text is taken for ASCII as long as it is that: it is checked while it is copied
    /// then, and not once more. Not if what follows is read straight into the buffer, nor in one
    /// that has served for something else: how much of that is initialised would be forgotten.
    pub(crate) fn begin(&mut self, kind: Kind, first: usize, straight: bool) {
        self.clear();
        self.kind = Some(kind);
        if kind == Kind::Text && first >= LARGE && !straight && self.buffer.suits_ascii() {
            self.buffer.make_ascii();
        } else {
            self.buffer.bytes();
            self.align(first);
        }
    }

    /// Has what is read behind the first piece of a large message go to a line of the cache. The
    /// message begins at one too, if the piece is as long as lines are.
    fn align(&mut self, first: usize) {
        if first >= LARGE {
            self.end = line::start(self.buffer.bytes(), first);
            self.start = u8::try_from(self.end).unwrap_or_default();
        }
    }

    /// Adds a piece of the message under way, which did not come compressed, unmasked with `key` on
    /// the way; whether the message is complete.
    #[inline(always)] // A fragment may be small.
    pub(crate) fn append(&mut self, payload: &[u8], key: Option<MaskKey>, last: bool) -> bool {
        let Buffer::Bytes(bytes) = &mut self.buffer else {
            return self.append_ascii(payload, key, last);
        };
        let Some(room) = bytes.get_mut(self.end..self.end + payload.len()) else {
            return self.extend(payload, key, last);
        };
        match key {
            Some(key) => mask::copy(room, payload, key),
            None => copy(room, payload),
        }
        self.commit(payload.len(), last)
    }

    #[cold]
    fn extend(&mut self, payload: &[u8], key: Option<MaskKey>, last: bool) -> bool {
        let end = self.end;
        let bytes = self.buffer.bytes();
        bytes.resize(end, 0);
        reserve(bytes, payload.len().max(mask::ROOM));
        match key {
            Some(key) => mask::append(bytes, payload, key),
            None => copy::append(bytes, payload),
        }
        self.commit(payload.len(), last)
    }

    /// [`append`](Self::append) to what has been ASCII so far.
    #[inline(never)]
    fn append_ascii(&mut self, payload: &[u8], key: Option<MaskKey>, last: bool) -> bool {
        if let Buffer::Ascii(text) = &mut self.buffer {
            reserve(text, payload.len());
            let is_ascii = match key {
                Some(key) => mask::append_ascii(text, payload, key, buffer::character),
                None => AsciiStr::from_ascii(payload)
                    .map(|payload| copy::append(text, payload.as_slice()))
                    .is_ok(),
            };
            if is_ascii {
                return self.commit(payload.len(), last);
            }
        }
        self.make_bytes();
        if self.end == 0 {
            self.align(payload.len());
        }
        self.append(payload, key, last)
    }

    /// Goes on with bytes: from here on it need not be ASCII.
    fn make_bytes(&mut self) {
        if self.buffer.is_ascii() {
            self.buffer.bytes();
            self.checked = self.len();
        }
    }

    #[cfg(feature = "deflate")]
    #[inline]
    fn is_compressed(&self, piece: &Data<'_>) -> bool {
        piece.rsv.contains(Rsv::RSV1) && self.inflater.is_some()
    }

    /// Decompresses a piece into the buffer; whether the message is complete. Text is checked in
    /// the form that it has then (RFC 7692 §6.1).
    #[cfg(feature = "deflate")]
    fn inflate(&mut self, piece: &Data<'_>) -> Result<bool, ProtocolError> {
        let Self { buffer, inflater, utf8, kind, .. } = self;
        let Some(inflater) = inflater else { return Ok(false) };
        let buffer = buffer.bytes();
        if piece.first {
            inflater.begin();
        }
        let is_text = *kind == Some(Kind::Text);
        self.end = inflater.push(piece.payload, piece.last, buffer, self.end, |new| {
            if is_text { Ok(utf8.push(new)?) } else { Ok(()) }
        })?;
        if piece.last {
            utf8.finish()?;
        }
        self.checked = self.end;
        self.state = State::after(piece.last);
        Ok(piece.last)
    }

    /// Takes the next `count` bytes of the buffer into the message; whether it is complete.
    #[inline]
    pub(crate) fn commit(&mut self, count: usize, last: bool) -> bool {
        self.end += count;
        self.state = State::after(last);
        last
    }

    /// Checks what has come of a text. That of a complete one is checked where it is lent, at once
    /// and as a whole: there is no other way to a `str`. Bad text is forgotten: it ends the
    /// connection.
    pub(crate) fn check(&mut self) -> Result<(), InvalidUtf8> {
        if !self.is_text() || self.buffer.is_ascii() {
            return Ok(());
        }
        let result = self.utf8.push(&self.buffer[self.start() + self.checked..self.end]);
        match result {
            Ok(()) => self.checked = self.len(),
            Err(InvalidUtf8) => self.clear(),
        }
        result
    }

    fn start(&self) -> usize {
        usize::from(self.start)
    }

    /// How long the message is, as far as it has come.
    fn len(&self) -> usize {
        self.end - self.start()
    }

    /// Whether the message is text.
    pub(crate) fn is_text(&self) -> bool {
        self.kind == Some(Kind::Text)
    }

    /// Makes ready to check a text that waits elsewhere and is whole there, or comes here later.
    pub(crate) fn begin_ahead(&mut self) {
        self.checked = 0;
        self.utf8 = Validator::default();
    }

    /// How much of that has been checked.
    pub(crate) fn checked_ahead(&self) -> usize {
        self.checked
    }

    /// Checks the next bytes of it.
    pub(crate) fn check_ahead(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        self.checked += bytes.len();
        self.utf8.push(bytes)
    }

    /// Lends the message that the last piece completed, and its buffer, if it was shared.
    pub(crate) fn lend(&mut self) -> Result<(Message<'_>, Option<&Shared>), InvalidUtf8> {
        let kind = self.kind.unwrap_or(Kind::Binary);
        let place = self.start()..self.end;
        match &self.shared {
            Some(shared) if self.state == State::Shared => {
                Ok((shared.message(kind, place)?, Some(shared)))
            }
            _ => Ok((self.buffer.only_message(kind, place)?, None)),
        }
    }

    /// How many bytes of an unfinished message there are, if more can be read behind them.
    pub(crate) fn collected(&self) -> usize {
        #[cfg(feature = "deflate")]
        if self.inflater.as_ref().is_some_and(|inflater| inflater.is_inflating()) {
            return 0;
        }
        if self.state == State::UnderWay { self.len() } else { 0 }
    }

    /// Room behind the unfinished message for at most `remaining` more bytes: as much as has been
    /// received already, or half of that where it is much, so that memory follows what arrives.
    pub(crate) fn room(&mut self, remaining: usize) -> &mut [u8] {
        self.make_bytes();
        let bytes = self.buffer.bytes();
        // Grown only once the room has been used, so that it grows in steps and does not creep.
        if bytes.len() - self.end < remaining.min(LARGE) {
            // The next one may begin a line of the cache later.
            let end = self.end + remaining.min(more(self.end).max(LARGE)) + LINE;
            bytes.reserve_exact(end.saturating_sub(bytes.len()));
            bytes.resize(end, 0);
        }
        let end = bytes.len().min(self.end.saturating_add(remaining));
        &mut bytes[self.end..end]
    }

    /// What of [`room`](Self::room) is behind the first `start` bytes, `count` of it.
    pub(crate) fn room_behind(&mut self, start: usize, count: usize) -> &mut [u8] {
        &mut self.buffer.room_bytes()[self.end + start..][..count]
    }

    /// Up to `count` bytes that were written into [`room`](Self::room).
    pub(crate) fn written(&mut self, count: usize) -> &mut [u8] {
        &mut self.buffer.bytes()[self.end..self.end + count]
    }

    /// Forgets the message that has been used. The buffer stays, for another of its kind.
    pub(crate) fn clear(&mut self) {
        self.reclaim();
        self.usage &= !BITS;
        if !self.is_little(0) {
            self.usage |= USED;
        }
        (self.start, self.end) = (0, 0);
        self.kind = None;
        self.state = State::UnderWay;
        self.checked = 0;
        self.utf8 = Validator::default();
    }
}

/// Shows sizes only: payloads do not belong in logs.
impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler")
            .field("kind", &self.kind)
            .field("len", &self.len())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// What is kept of the buffers' usage.
const USED: u8 = 0x80;
const GIVEN: u8 = 0x40;
const READ: u8 = 0x20;
const BITS: u8 = 0x1F;

/// From this size on a payload is worth an allocation of its own, in bytes.
pub(crate) const LARGE: usize = 4 * 1024;

/// [`LARGE`] as the wire counts.
pub(crate) const LARGE_U64: u64 = 4 * 1024;

/// Below this size the buffer of a message doubles, from it on it grows by half, in bytes: beside it
/// there is a read buffer of as much then, and together they are at most twice what was received.
const DOUBLED: usize = 64 * 1024;

/// Makes room for `count` more.
fn reserve<T>(buffer: &mut Vec<T>, count: usize) {
    let len = buffer.len();
    // Less than this a `Vec` doubles by itself.
    if len >= DOUBLED && buffer.capacity() - len < count {
        buffer.reserve_exact(count.max(more(len)));
    }
}

/// How much a buffer that is full of `len` bytes grows by.
fn more(len: usize) -> usize {
    if len < DOUBLED { len } else { len / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_longer_than_what_can_be_counted_gets_room_like_any_other() {
        let mut assembler = Assembler::new();
        assembler.begin(Kind::Binary, LARGE, true);
        assembler.append(&[7; LARGE], None, false);
        let room = assembler.room(usize::MAX).len();
        assert!((LARGE..3 * LARGE).contains(&room), "{room}");
    }
}
