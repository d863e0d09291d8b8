//! What becomes of the buffer when no message needs it: kept for the next, lent on, or given back.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use super::{Assembler, BITS, Buffer, GIVEN, READ, State, USED};
use crate::line;

impl Assembler {
    /// Gives a large buffer back that the messages of [`SPARED`] reads have had no use for, or a very
    /// large one that those of one read have not. To be called when everything that was read is used
    /// up, or waits elsewhere; `spared` is how often it had none. Says whether what was lent of its
    /// room is gone.
    #[inline]
    pub(crate) fn settle(&mut self, spared: &mut u8) -> bool {
        self.has_buffer() && self.settle_buffer(spared)
    }

    fn settle_buffer(&mut self, spared: &mut u8) -> bool {
        let is_under_way = self.end > 0;
        if !is_under_way {
            self.reclaim();
        }
        let used = self.usage & USED != 0 || (is_under_way && !self.is_little(0));
        self.usage &= !USED;
        if used {
            *spared = 0;
            return false;
        }
        // One of two that were in use in turns, the shorter one. While a message is under way it may
        // be needed for the next.
        if (!is_under_way || *spared >= SPARED)
            && !self.has_given_read()
            && let Some(place) = self.shared.as_mut().and_then(Arc::get_mut)
        {
            *place = Buffer::default();
        }
        if *spared >= SPARED {
            self.leave_given();
            if !self.buffer.is_there() {
                self.shared = None;
            }
        }
        let capacity = self.buffer.capacity();
        // What has come of a message that is under way says little of how much will.
        let most = if capacity <= LONGEST_SPARED || is_under_way { SPARED } else { 0 };
        if *spared < most || capacity <= KEEP {
            *spared = SPARED.min(*spared + 1);
            return false;
        }
        *spared = 0;
        if is_under_way {
            drop(self.take_buffer());
        } else {
            self.drop_buffer();
        }
        true
    }

    fn drop_buffer(&mut self) {
        self.buffer = Buffer::default();
        self.shared = None;
        self.usage &= !(GIVEN | READ);
    }

    /// Whether there is a buffer: messages in one piece need none.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.buffer.is_there() || self.shared.is_some()
    }

    /// Whether there is one that is given back if messages have no use for it for some time.
    pub(crate) fn has_long_buffer(&self) -> bool {
        self.buffer.capacity() > KEEP
    }

    /// Whether a message is under way whose buffer is too short for `remaining` more bytes.
    pub(crate) fn wants_room(&self, remaining: usize) -> bool {
        self.buffer.room() - self.end < remaining && self.len() >> (self.usage & BITS) > 0
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

    /// Takes the buffer unless a message is in it; if that is but a little of one, it goes on in as
    /// many bytes as it has: memory follows what has come.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        if !self.has_buffer() {
            return Vec::new();
        }
        if self.end == 0 {
            self.reclaim();
            return mem::take(self.buffer.bytes());
        }
        if !self.is_little(0) {
            return Vec::new();
        }
        let len = self.len();
        let little = self.buffer.shorten(self.start()..self.end);
        (self.start, self.end) = (0, len);
        // So that all copies together are a few times as long as the message.
        let bits =
            u8::try_from(len.checked_ilog2().unwrap_or(0) + 1).map_or(BITS, |it| it.min(BITS));
        self.usage = self.usage & !BITS | bits;
        little
    }

    /// Whether the message under way, with so many bytes that wait behind it, is but a little for
    /// its buffer.
    pub(crate) fn is_little(&self, behind: usize) -> bool {
        self.end + behind < self.buffer.capacity() / WELL_USED
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
    fn release_context(&mut self) {
        #[cfg(feature = "deflate")]
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// Forgets the message under way, and all that decompression has and remembers: nothing is
    /// received any more.
    pub(crate) fn end(&mut self) {
        self.clear();
        #[cfg(feature = "deflate")]
        {
            self.inflater = None;
        }
    }

    fn release_buffer(&mut self) {
        if self.state != State::UnderWay {
            self.clear();
        }
        self.leave_given();
        if self.end == 0 {
            self.drop_buffer();
        } else if self.shared.as_mut().is_some_and(|shared| Arc::get_mut(shared).is_some()) {
            // Of an earlier message, which has been written meanwhile.
            self.shared = None;
        }
    }
}

/// The part of a buffer that has to be in use for a message that waits to stay in it: memory follows
/// what has come.
pub(crate) const WELL_USED: usize = 16;

/// The largest buffer that is kept although messages have no use for it, in bytes.
const KEEP: usize = 64 * 1024;

/// For how many reads a longer one is kept: large messages come between small ones, and new memory
/// costs more than what is copied into it.
pub(crate) const SPARED: u8 = 64;

/// The largest one that is, in bytes: for 4 MiB, and what aligns them.
pub(crate) const LONGEST_SPARED: usize = 4 * 1024 * 1024 + 128;
