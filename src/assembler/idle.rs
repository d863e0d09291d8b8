//! What becomes of the buffer when no message needs it: kept for the next, lent on, or given back.

use alloc::vec::Vec;
use core::mem;

use super::{Assembler, Buffer, State};
use crate::line;

impl Assembler {
    /// Gives a large buffer back that the messages since the last call had no use for. To be called
    /// when everything that was read is used up.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.has_buffer() {
            self.settle_buffer();
        }
    }

    fn settle_buffer(&mut self) {
        let is_under_way = self.end > 0;
        let used = is_under_way || mem::take(&mut self.used);
        if !is_under_way {
            self.reclaim();
        }
        if !used && self.buffer.capacity() > KEEP {
            self.drop_buffer();
        }
    }

    fn drop_buffer(&mut self) {
        self.buffer = Buffer::default();
        self.shared = None;
    }

    /// Whether there is a buffer: messages in one piece need none.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.buffer.is_there() || self.shared.is_some()
    }

    /// Whether a message is under way whose buffer is too short for `remaining` more bytes.
    pub(crate) fn wants_room(&self, remaining: usize) -> bool {
        self.buffer.room() - self.end < remaining
    }

    /// Goes on in another buffer, if that is longer; gives back the one that is not used.
    pub(crate) fn exchange(&mut self, other: Vec<u8>) -> Vec<u8> {
        let start = line::start(&other, self.len());
        let message = self.start()..self.end;
        let (other, is_in_it) = self.buffer.exchange(other, message, start);
        if is_in_it {
            self.end = start + self.len();
            self.start = u8::try_from(start).unwrap_or_default();
        }
        other
    }

    /// Takes the buffer unless a message is in it.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        if self.end > 0 || !self.has_buffer() {
            return Vec::new();
        }
        self.reclaim();
        mem::take(self.buffer.bytes())
    }

    /// Frees the buffer of messages in several pieces, unless one is under way, and what
    /// decompression does not have to remember. For who waits: the next such message makes another.
    ///
    /// Ends the life of the message that was lent, so call it when there is nothing more to read.
    #[inline]
    pub fn release(&mut self) {
        if self.has_buffer() {
            self.release_buffer();
        }
        self.release_context();
    }

    /// Gives back what decompression does not need, without a copy of what it has to remember.
    #[cfg(feature = "std")]
    pub(crate) fn settle_context(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.settle();
        }
    }

    /// Gives back what decompression does not need, and keeps what it has to remember in as many
    /// bytes as that has.
    #[inline]
    pub(crate) fn release_context(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    fn release_buffer(&mut self) {
        if self.state != State::UnderWay {
            self.clear();
        }
        if self.end == 0 {
            self.drop_buffer();
        }
    }
}

/// The largest buffer that is kept although the last messages had no use for it, in bytes.
const KEEP: usize = 64 * 1024;
