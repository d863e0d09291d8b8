//! A read buffer that is on loan: taken when there is something to read, and given back when nothing
//! is in it, or little.

use alloc::vec::Vec;
use core::mem;

use super::{DRAINED, ReadBuffer};
use crate::assembler::WELL_USED;
use crate::copy::{self, copy};
use crate::endpoint::to_usize;

impl ReadBuffer {
    /// Whether there is no buffer, or one that has room for nothing more and is shorter than what
    /// is read at once.
    pub(in crate::endpoint) fn needs_buffer(&self) -> bool {
        self.is_full() && self.bytes.len() < to_usize(self.read_size)
    }

    /// Whether that is so, or it would have to be made longer for what waits in it.
    pub(in crate::endpoint) fn wants_buffer(&self) -> bool {
        self.needs_buffer() || (self.is_full() && !self.unread.is_empty())
    }

    fn is_full(&self) -> bool {
        self.unread.end == self.bytes.len()
    }

    /// Takes a buffer if one is needed; used as it is up to its length, but one that has grown only
    /// for the frames that need it.
    #[inline]
    pub(in crate::endpoint) fn supply(&mut self, bytes: Vec<u8>) {
        if self.bytes.is_empty() {
            debug_assert!(!self.has_awaited() && self.unread == (0..0), "nothing is in it");
            self.grown = (bytes.len() > to_usize(self.read_size)).into();
            self.bytes = bytes;
        } else {
            self.supply_longer(bytes);
        }
    }

    #[inline(never)]
    fn supply_longer(&mut self, mut bytes: Vec<u8>) {
        let count = self.unread.len();
        if !self.is_full() || bytes.capacity() < count {
            return;
        }
        if count > 0 {
            bytes.resize(count.max(bytes.len()), 0);
            copy(&mut bytes[..count], self.unread());
        }
        self.exchange(bytes);
        if self.bytes.len() > to_usize(self.read_size) {
            self.note_grown();
        }
    }

    /// Gives the buffer back unless something is in it. If that is but little of a frame that
    /// waits, it goes on waiting in as many bytes as it has.
    #[inline]
    pub(in crate::endpoint) fn release(&mut self) -> Option<Vec<u8>> {
        self.news |= DRAINED;
        if !self.unread.is_empty() {
            return self.release_around();
        }
        self.rewind();
        (self.bytes.capacity() > 0).then(|| mem::take(&mut self.bytes))
    }

    #[inline(never)]
    fn release_around(&mut self) -> Option<Vec<u8>> {
        let waiting = self.awaited().len();
        let is_little = waiting < self.bytes.len() / WELL_USED;
        let all_waits = waiting == self.unread.len();
        (all_waits && is_little).then(|| self.exchange(copy::to_vec(self.unread())))
    }

    /// Gives the buffer away with what was taken of it last, and goes on in `next`, or in as many
    /// bytes as are unread.
    pub(in crate::endpoint) fn give(&mut self, next: Option<Vec<u8>>) -> Vec<u8> {
        if self.free > 0 {
            self.news |= DRAINED;
        }
        if self.unread.is_empty() {
            self.rewind();
        }
        let Some(mut next) = next.filter(|next| next.len() >= self.unread.len()) else {
            return self.exchange(copy::to_vec(self.unread()));
        };
        copy(&mut next[..self.unread.len()], self.unread());
        let given = self.exchange(next);
        if self.bytes.len() > to_usize(self.read_size) {
            self.note_grown();
        }
        given
    }

    /// Whether a buffer is long enough to be read to again, and not one in which a rest waited.
    pub(in crate::endpoint) fn is_of_use(&self, buffer: &[u8]) -> bool {
        buffer.len() >= to_usize(self.read_size)
    }

    /// Goes on in another buffer, which begins with the unread bytes.
    fn exchange(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.shift(self.unread.start);
        self.free = 0;
        self.grown = (to_usize(self.awaited_end) > bytes.len()).into();
        mem::replace(&mut self.bytes, bytes)
    }
}
