//! Frames that wait in the read buffer for their end: small reads only add to them.
//!
//! Who asks whether one waits asks for no more than has to hold there. What has come of the frame is
//! *seen* then, so that it can be checked, and *noted* where the connection is told of it too, which
//! moves deadlines.
//!
//! | | waits | besides | what has come is |
//! |---|---|---|---|
//! | `awaits` | here | | seen |
//! | `waits` | here | open | seen and noted |
//! | `only_waits` | here | open, nothing due | seen and noted |
//! | `waits_direct` (in `direct.rs`) | in its message | open, nothing due | seen and noted |
//! | `goes_on_waiting` | in either | open, nothing due | seen and noted |

use super::{Incoming, Outgoing};
use crate::connection::Begun;

impl Incoming {
    /// Whether all that can be done with what was read is to wait for more of one frame. Takes note
    /// of what came.
    #[inline]
    pub(super) fn waits(&mut self, outgoing: &mut Outgoing) -> bool {
        let waits = self.read.awaits() && outgoing.connection.is_open();
        if waits {
            self.note_awaited(outgoing);
        }
        waits
    }

    /// Whether a frame waits for more of it in the read buffer. What has come of it is seen, but not
    /// noted: [`catch_up`](Self::catch_up) does that.
    #[inline]
    pub(crate) fn awaits(&mut self) -> bool {
        let waits = self.read.awaits();
        if waits {
            self.read.see();
        }
        waits
    }

    /// Sees what has come of the frame that waits, and takes note of it.
    #[inline(never)]
    fn note_awaited(&mut self, outgoing: &mut Outgoing) {
        self.read.see();
        self.catch_up(outgoing);
    }

    /// Takes note of what has been seen of frames that waited since that was last done.
    #[inline]
    pub(crate) fn catch_up(&mut self, outgoing: &mut Outgoing) {
        if let Some(payload) = self.read.news() {
            outgoing.connection.note_begun(payload);
        }
    }

    /// As [`waits`](Self::waits), and nothing is due to be sent either.
    #[inline]
    pub(crate) fn only_waits(&mut self, outgoing: &mut Outgoing) -> bool {
        let waits = self.read.awaits() && outgoing.connection.only_waits();
        if waits {
            self.note_awaited(outgoing);
        }
        waits
    }

    /// As [`only_waits`](Self::only_waits), of a frame that waits anywhere.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn goes_on_waiting(&mut self, outgoing: &mut Outgoing) -> bool {
        self.only_waits(outgoing) || self.waits_direct(outgoing)
    }

    /// Whether more of a frame is to come, of a message or of something that waits whole.
    #[cfg(feature = "std")]
    pub(crate) fn is_within_frame(&self, outgoing: &Outgoing) -> bool {
        self.read.awaits() || outgoing.connection.data_remaining() > 0
    }

    /// Looks whether the unread bytes are the beginning of a message that fits the read buffer, or
    /// will once that has grown: it is decoded once it is whole, so that small reads cost next to
    /// nothing, and it is lent from where it lies.
    pub(super) fn await_rest(&mut self, outgoing: &mut Outgoing) {
        let unread = self.read.unread();
        let may_be_whole = unread.first().is_some_and(|b0| b0 & FIN != 0);
        // If one is awaited of which more has come than that, it was awaited as far as its header.
        if !may_be_whole || self.read.awaits() || self.direct > 0 {
            return;
        }
        let begun = outgoing.connection.peek_begun(unread);
        let Some(Begun { payload, .. }) = begun else { return };
        let head = payload.start;
        if payload.end <= self.read.longest() && self.read.await_rest(payload) {
            self.bypassed = false;
            self.assembler.begin_ahead();
            outgoing.connection.note_begun(self.read.unread.len() > head);
        }
    }
}

/// The bit beside the opcode that says that a message ends with this frame (RFC 6455 §5.2).
const FIN: u8 = 0x80;
