//! What is done when nothing more comes for now: text that has come is checked, and buffers go back
//! to where they were lent.

use alloc::vec::Vec;
#[cfg(feature = "std")]
use core::mem;

use super::{Found, Incoming, Outgoing, is_read_straight, to_usize};
use crate::assembler::{self, Assembler, LARGE, Shared};
use crate::connection::{Begun, Event};
use crate::frame::OpCode;
use crate::frame::mask::{self, MaskKey};
use crate::input::Input;
use crate::line::LINE;
use crate::utf8::InvalidUtf8;

impl Incoming {
    /// Gives back the buffers that hold nothing, and the read buffer also if little is in it of a
    /// message that waits for its end: that goes on waiting in as many bytes as it has.
    #[inline(always)] // What a call gives goes through memory.
    pub(crate) fn release(&mut self, outgoing: &mut Outgoing) -> Option<Vec<u8>> {
        self.forget();
        self.reuse_given();
        self.check(outgoing);
        self.end_message(outgoing);
        self.assembler.release();
        if self.direct > self.seen_direct() {
            return None;
        }
        self.withdraw();
        self.read.release()
    }

    /// Whether there is no more to [release](Self::release) than the read buffer, as nearly always.
    #[inline]
    pub(crate) fn has_nothing_else(&self, outgoing: &Outgoing) -> bool {
        !self.assembler.has_buffer()
            && self.direct == 0
            && !self.read.has_awaited()
            && !matches!(self.found, Found::Assembled)
            && outgoing.connection.is_receiving()
    }

    /// [`release`](Self::release), where that is so.
    #[inline]
    pub(crate) fn release_read(&mut self) -> Option<Vec<u8>> {
        self.found = Found::Nothing;
        self.assembler.release();
        self.withdraw();
        self.read.release()
    }

    /// Everything that was read is used up, or waits in the read buffer.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.assembler.settle(&mut self.spared) {
            self.use_up();
        }
    }

    /// Forgets a message that will not be given because nothing is received any more.
    #[inline]
    pub(crate) fn end_message(&mut self, outgoing: &Outgoing) {
        if !outgoing.connection.is_receiving() {
            self.end();
        }
    }

    #[cold]
    fn end(&mut self) {
        self.discard();
        self.assembler.end();
    }

    /// Checks what has come of a text: nothing more comes for now, or at all. Says whether the
    /// connection goes on: it has failed if that is not UTF-8.
    pub(crate) fn pause(&mut self, outgoing: &mut Outgoing) -> bool {
        self.forget();
        self.check(outgoing);
        outgoing.connection.is_receiving()
    }

    /// Moves the beginning of a frame that waits for its rest into the assembler, as far as a poll
    /// has seen it.
    fn move_awaited(&mut self, outgoing: &mut Outgoing) {
        if outgoing.connection.is_receiving()
            && let Some(begun) = self.read.take_awaited()
        {
            let mut input = Input::new(begun);
            let mut event = None;
            let received = outgoing.connection.receive_noted(&mut input, &mut event);
            // Its header has been checked, so this is the first piece of it, or nothing yet.
            if let (Ok(()), Some(Event::Data(piece))) = (received, event) {
                let straight = is_read_straight(&outgoing.connection);
                let _ = self.assembler.collect(&piece, straight);
            }
        }
    }

    /// Whether something has come of a text, or may have.
    #[cfg(feature = "std")]
    pub(crate) fn is_within_text(&self) -> bool {
        self.assembler.is_text() || self.read.awaited().first().is_some_and(|b0| b0 & 0x0F == TEXT)
    }

    /// Checks what has come of a text, as far as a poll has seen it.
    #[inline]
    fn check(&mut self, outgoing: &mut Outgoing) {
        let may_be_text = self.read.has_awaited() || self.assembler.is_text();
        if may_be_text && outgoing.connection.is_receiving() {
            self.check_begun(outgoing);
        }
    }

    fn check_begun(&mut self, outgoing: &mut Outgoing) {
        // Once this end has closed, nothing waits any more.
        if !outgoing.connection.is_open() {
            self.move_awaited(outgoing);
        }
        if self.assembler.is_text() {
            self.collect_seen(outgoing);
        }
        if self.check_awaited(outgoing).is_err() || self.assembler.check().is_err() {
            self.discard();
            outgoing.fail(InvalidUtf8);
        }
    }

    /// Adds what waits in the assembler's room to its message, as far as a poll has seen it. That has
    /// taken note of it.
    fn collect_seen(&mut self, outgoing: &mut Outgoing) {
        let notes = outgoing.connection.notes();
        self.collect_direct(self.seen_direct(), outgoing);
        outgoing.connection.restore(notes);
    }

    /// Checks the beginning of a text that waits in the read buffer. It stays there as it is,
    /// masked.
    fn check_awaited(&mut self, outgoing: &Outgoing) -> Result<(), InvalidUtf8> {
        let begun = self.read.awaited();
        if begun.first().is_none_or(|first| first & 0x0F != TEXT) {
            return Ok(());
        }
        let Some(Begun { key, payload }) = outgoing.connection.peek_begun(begun) else {
            return Ok(());
        };
        let checked = self.assembler.checked_ahead();
        let Some(rest) = begun.get(payload.start + checked..) else { return Ok(()) };
        match key.map(|key| key.advanced(checked)) {
            None => self.assembler.check_ahead(rest),
            // To make room ready for much takes longer than to check little.
            Some(key) if rest.len() <= 256 => check_masked::<256>(rest, key, &mut self.assembler),
            Some(key) => check_masked::<2048>(rest, key, &mut self.assembler),
        }
    }

    /// Whether a large frame is under way whose message could do with a longer buffer.
    pub(crate) fn wants_room(&self, outgoing: &Outgoing) -> bool {
        let remaining = outgoing.connection.data_remaining();
        self.direct == 0
            && remaining >= assembler::LARGE_U64
            && outgoing.connection.is_receiving()
            && self.assembler.collected() >= LARGE
            && self.assembler.wants_room(usize::try_from(remaining).unwrap_or(usize::MAX))
    }

    /// How much the message under way takes with the rest of its frame, in bytes.
    pub(crate) fn room_wanted(&self, outgoing: &Outgoing) -> usize {
        let remaining = usize::try_from(outgoing.connection.data_remaining());
        (self.assembler.collected() + LINE).saturating_add(remaining.unwrap_or(usize::MAX))
    }

    /// Lends the message under way a longer buffer; gives back the one that is not used.
    pub(crate) fn exchange_room(&mut self, room: Vec<u8>) -> Vec<u8> {
        // Bytes that wait in the room that was lent last go with it.
        if self.direct > 0 {
            return room;
        }
        self.use_up();
        self.spared = 0;
        self.assembler.exchange(room)
    }

    /// Takes the buffer that large messages are put together in, unless much of one is in it.
    pub(crate) fn take_room(&mut self, outgoing: &mut Outgoing) -> Vec<u8> {
        self.forget();
        if self.direct > 0 && self.assembler.is_little(to_usize(self.direct)) {
            self.collect_seen(outgoing);
        }
        if self.direct > 0 {
            return Vec::new();
        }
        self.use_up();
        self.assembler.take_buffer()
    }

    /// Takes that of an earlier message, if it is still queued to be sent back.
    pub(crate) fn take_queued_room(&mut self) -> Option<Shared> {
        self.assembler.take_queued()
    }

    /// Keeps that until it has been written.
    pub(crate) fn keep_queued_room(&mut self, queued: Shared) {
        self.assembler.keep_queued(queued);
    }

    /// Takes the read buffer and that of large messages, whatever is in them: nothing is received
    /// any more.
    #[cfg(feature = "std")]
    pub(crate) fn take_buffers(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.assembler.clear();
        (mem::take(&mut self.read).bytes, self.assembler.take_buffer())
    }

    /// Gives back what decompression does not need, as far as that takes no copy.
    #[cfg(feature = "std")]
    pub(crate) fn settle_context(&mut self) {
        self.assembler.settle_context();
    }

    /// Reads to the buffer that was given away with a message last, if it is back and one is wanted.
    #[inline]
    pub(crate) fn reuse_given(&mut self) {
        if self.assembler.has_given_read() {
            self.read_to_given();
        }
    }

    #[inline(never)]
    fn read_to_given(&mut self) {
        if self.read.wants_buffer()
            && !self.has_found()
            && let Some(buffer) = self.assembler.take_given_read()
        {
            self.read.supply(buffer);
        }
    }

    /// Whether there is no read buffer, or none with room.
    pub(crate) fn needs_buffer(&self) -> bool {
        self.read.needs_buffer()
    }

    /// Whether what waits to be read on finds room in such a buffer.
    #[inline]
    pub(crate) fn may_take(&self, buffer: &Vec<u8>) -> bool {
        buffer.capacity() >= self.read.unread.len()
    }

    /// Takes a buffer to read to, where one [is needed](Self::needs_buffer) and nothing
    /// [was found](Self::has_found); used as it is up to its length, but one that has grown only for
    /// the frames that need it.
    #[inline]
    pub(crate) fn supply(&mut self, buffer: Vec<u8>) {
        self.read.supply(buffer);
    }

    /// Whether a message was found that lies in the read buffer.
    #[inline]
    pub(crate) fn has_found(&self) -> bool {
        matches!(self.found, Found::InReadBuffer(_) | Found::Joined { .. })
    }

    /// Whether there is a buffer that large messages are put together in.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.assembler.has_buffer()
    }
}

/// Checks text that is masked and waits elsewhere, `N` bytes at a time.
fn check_masked<const N: usize>(
    text: &[u8],
    mut key: MaskKey,
    assembler: &mut Assembler,
) -> Result<(), InvalidUtf8> {
    let mut unmasked = [0; N];
    for masked in text.chunks(N) {
        let unmasked = &mut unmasked[..masked.len()];
        mask::copy(unmasked, masked, key);
        key = key.advanced(masked.len());
        assembler.check_ahead(unmasked)?;
    }
    Ok(())
}

/// The opcode of text (RFC 6455 §5.2).
const TEXT: u8 = OpCode::Text.bits();
