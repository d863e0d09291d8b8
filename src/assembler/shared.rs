//! Buffers that somebody else holds too: the queue, until a message is sent back, or the
//! application, as long as it has one.
//!
//! Owns what is known of them. One that nobody else holds any more is used again.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use bytes::Bytes;

use super::{Assembler, Buffer, GIVEN, LARGE, READ, State};
use crate::message::{Kind, OwnedMessage};
use crate::text::Text;
use crate::utf8::InvalidUtf8;

/// A buffer that others can hold too.
pub(crate) type Shared = Arc<Buffer>;

/// A part of it, held without a copy.
pub(crate) fn part(shared: &Shared, place: Range<usize>) -> Bytes {
    Bytes::from_owner(Part(Shared::clone(shared), place))
}

/// The same as a message; text is checked.
pub(crate) fn message(
    shared: &Shared,
    kind: Kind,
    place: Range<usize>,
) -> Result<OwnedMessage, InvalidUtf8> {
    match kind {
        Kind::Text => Text::part(shared, place).map(OwnedMessage::Text),
        Kind::Binary => Ok(OwnedMessage::Binary(part(shared, place))),
    }
}

struct Part(Shared, Range<usize>);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1.clone()]
    }
}

impl Assembler {
    /// Makes a large message one that can be sent back without a copy.
    pub(crate) fn share(&mut self) {
        if self.len() >= LARGE && self.state == State::Complete {
            let buffer = mem::take(&mut self.buffer);
            self.buffer = self.put_shared(buffer);
            self.usage &= !(GIVEN | READ);
            self.state = State::Shared;
        }
    }

    /// Has a buffer be the shared one; gives what was that, if nobody else has it.
    fn put_shared(&mut self, buffer: Buffer) -> Buffer {
        match self.shared.as_mut().and_then(Arc::get_mut) {
            Some(place) => mem::replace(place, buffer),
            None => {
                self.shared = Some(Arc::new(buffer));
                Buffer::default()
            }
        }
    }

    /// Takes the shared buffer back if that is longer, unless somebody else has it, or it is not one
    /// of this. No message may be in either.
    pub(super) fn reclaim(&mut self) {
        if !self.has_given_read()
            && let Some(place) = self.shared.as_mut().and_then(Arc::get_mut)
            && place.capacity() > self.buffer.capacity()
        {
            mem::swap(place, &mut self.buffer);
        }
    }

    /// Takes the complete message; a large one stays in its buffer, which comes back when it is used
    /// no more.
    pub(crate) fn take(&mut self) -> Result<OwnedMessage, InvalidUtf8> {
        let owned = match self.give() {
            Some(given) => given?,
            None => self.lend()?.0.into_owned(),
        };
        self.clear();
        Ok(owned)
    }

    /// Whether a message of `len` bytes may be given away with a buffer: not with one that was made
    /// for something much larger, which would be pinned.
    pub(crate) fn is_worth_a_buffer(len: usize, capacity: usize) -> bool {
        len >= LARGE.max(capacity / 2)
    }

    /// Gives the complete message with its buffer, if it is worth that.
    fn give(&mut self) -> Option<Result<OwnedMessage, InvalidUtf8>> {
        let capacity = match &self.shared {
            Some(shared) if self.state == State::Shared => shared.capacity(),
            _ => self.buffer.capacity(),
        };
        if !Self::is_worth_a_buffer(self.len(), capacity) {
            return None;
        }
        self.share();
        let (kind, place) = (self.kind.unwrap_or(Kind::Binary), self.start()..self.end);
        let message = message(self.shared.as_ref()?, kind, place);
        self.usage |= GIVEN;
        Some(message)
    }

    /// Whether a read buffer was given away last, and is not used again.
    #[inline]
    pub(crate) fn has_given_read(&self) -> bool {
        self.usage & READ != 0
    }

    /// Takes the read buffer that was given away, if it is back.
    pub(crate) fn take_given_read(&mut self) -> Option<Vec<u8>> {
        if !self.has_given_read() {
            return None;
        }
        let place = self.shared.as_mut().and_then(Arc::get_mut)?;
        self.usage &= !(GIVEN | READ);
        Some(mem::take(place.bytes()))
    }

    /// Gives away a read buffer with the message that lies at `place` in it.
    pub(crate) fn give_read(
        &mut self,
        buffer: Vec<u8>,
        kind: Kind,
        place: Range<usize>,
    ) -> Result<OwnedMessage, InvalidUtf8> {
        debug_assert_eq!(self.end, 0, "the message is not of this");
        self.reclaim();
        drop(self.put_shared(buffer.into()));
        self.usage |= GIVEN | READ;
        match &self.shared {
            Some(shared) => message(shared, kind, place),
            None => unreachable!("it was put there above"),
        }
    }

    /// Leaves the buffer that was given away to who has it: for how long, nobody knows.
    pub(super) fn leave_given(&mut self) {
        if self.usage & GIVEN != 0 {
            self.shared = None;
            self.usage &= !(GIVEN | READ);
        }
    }

    /// Takes the buffer of an earlier message if it is in the queue as well; frees it otherwise.
    pub(crate) fn take_queued(&mut self) -> Option<Shared> {
        if self.has_given_read() {
            return None;
        }
        self.leave_given();
        let mut shared = self.shared.take()?;
        if Arc::get_mut(&mut shared).is_some() { None } else { Some(shared) }
    }

    /// Keeps it until it is nowhere else.
    pub(crate) fn keep_queued(&mut self, queued: Shared) {
        self.shared.get_or_insert(queued);
    }
}
