//! Payload of a large frame that was read straight into the assembler's room, behind what its
//! message has so far.

use core::mem;

use super::{Incoming, Outgoing, Status, Step, to_usize};
use crate::connection::{Event, Piece, Role};
use crate::error::ProtocolError;
use crate::frame::mask;
use crate::input::Input;

impl Incoming {
    /// As [`read_buf`](Self::read_buf), where the last read went into the assembler's room.
    #[inline(never)]
    pub(super) fn read_buf_behind(&mut self, outgoing: &Outgoing) -> &mut [u8] {
        // It waits for more, and nothing was pushed behind it.
        if self.direct > 0 && self.read.free > 0 && self.read.unread.is_empty() {
            return self.assembler.room_behind(to_usize(self.direct), to_usize(self.read.free));
        }
        self.any_read_buf(outgoing)
    }

    /// Whether so little was read into the assembler's room that it waits there for more, so that
    /// small reads cost next to nothing. Takes note of what came.
    #[inline]
    pub(crate) fn waits_direct(&mut self, outgoing: &mut Outgoing) -> bool {
        let waits = self.direct > 0
            && self.bypassed
            && self.read.free > 0
            // As client there is nothing to unmask.
            && (self.direct < STEP || outgoing.connection.role() == Role::Client)
            && self.read.unread.is_empty()
            && outgoing.connection.is_quiet();
        if waits && self.direct > self.read.seen_end {
            self.read.seen_end = self.direct;
            outgoing.connection.note_begun(true);
        }
        waits
    }

    /// The short way for what was read into the assembler's room: it waits there, or is added to its
    /// message. `None` if there is more to do.
    pub(super) fn poll_direct(&mut self, outgoing: &mut Outgoing) -> Option<Status> {
        if self.waits_direct(outgoing) {
            return Some(Status::NeedRead);
        }
        match self.collect_direct(self.direct, outgoing)? {
            true => Some(self.assembled(outgoing)),
            false => self.read.unread.is_empty().then_some(Status::NeedRead),
        }
    }

    /// How much of what was read into the assembler's room a poll has seen.
    pub(super) fn seen_direct(&self) -> u32 {
        if self.bypassed { self.read.seen_end.min(self.direct) } else { 0 }
    }

    /// The short way for the first `count` bytes that were read into the assembler's room: payload
    /// of the frame under way. Whether the message is complete; `None` if it was not that.
    pub(super) fn collect_direct(&mut self, count: u32, outgoing: &mut Outgoing) -> Option<bool> {
        if count == 0 {
            return None;
        }
        // The room ends where the frame does, so all of it is taken.
        let written = self.assembler.written(to_usize(count));
        let Piece { key, payload, last } = outgoing.connection.receive_piece(written)?;
        if let Some(key) = key {
            mask::apply(&mut written[payload.clone()], key);
        }
        self.direct -= count;
        self.use_up();
        self.read.seen_end = 0;
        Some(self.assembler.commit(payload.len(), last))
    }

    /// What is left of the assembler's room is used up: the next read asks for another.
    pub(super) fn use_up(&mut self) {
        if self.bypassed {
            self.read.free = 0;
        }
    }

    /// Decodes what was read into the assembler's room: payload of one frame and nothing else.
    pub(super) fn decode_direct(&mut self, outgoing: &mut Outgoing) -> Result<Step, ProtocolError> {
        let count = to_usize(mem::take(&mut self.direct));
        self.use_up();
        let mut input = Input::new(self.assembler.written(count));
        let mut event = None;
        outgoing.connection.receive_to(&mut input, &mut event)?;
        let Some(Event::Data(piece)) = event else { return Ok(Step::UsedUp) };
        let (len, last) = (piece.payload.len(), piece.last);
        Ok(Step::collected(self.assembler.commit(len, last)))
    }
}

/// From how much on it is unmasked before there is more, in bytes: it is in the first-level cache
/// then.
const STEP: u32 = 8 * 1024;
