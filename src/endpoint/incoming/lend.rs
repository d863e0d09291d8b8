//! Lending and giving the message that was found.

use core::ops::Range;

use super::{Found, Incoming};
use crate::assembler::Shared;
use crate::message::{Kind, Message, OwnedMessage};
use crate::utf8::InvalidUtf8;

impl Incoming {
    /// Lends the message that [`poll`](Self::poll) found, and its buffer, if it can be sent back
    /// from there; an empty one if there is none.
    #[inline(always)] // What a call gives goes through memory.
    pub(crate) fn lend(&mut self) -> Result<(Message<'_>, Option<&Shared>), InvalidUtf8> {
        match (self.found_in_read_buffer(), self.found) {
            (Some((kind, payload)), _) => Ok((self.read.lend(kind, payload)?, None)),
            (None, Found::Assembled) => self.assembler.lend(),
            (None, _) => Ok((Message::Binary(&[]), None)),
        }
    }

    /// The kind of the message that was found, and where it lies in the read buffer, if it does.
    #[inline(always)]
    pub(crate) fn found_in_read_buffer(&self) -> Option<(Kind, Range<usize>)> {
        let (kind, left) = match self.found {
            Found::InReadBuffer(kind) => (kind, 0),
            Found::Joined { kind, left } => (kind, usize::from(left)),
            Found::Assembled | Found::Nothing => return None,
        };
        Some((kind, self.read.last_taken(left)))
    }

    /// Lends what [`poll_whole`](Self::poll_whole) has found.
    #[inline(always)]
    pub(crate) fn lend_whole(
        &mut self,
        kind: Kind,
        payload: Range<usize>,
    ) -> Result<Message<'_>, InvalidUtf8> {
        self.read.lend(kind, payload)
    }

    /// Gives the message that [`lend`](Self::lend) would lend; a large one is not copied.
    #[inline(always)]
    pub(crate) fn take_message(&mut self) -> Result<OwnedMessage, InvalidUtf8> {
        if let Found::Assembled = self.found {
            return self.take_assembled();
        }
        let owned = self.lend()?.0.make_owned();
        self.found = Found::Nothing;
        Ok(owned)
    }

    #[inline(never)]
    fn take_assembled(&mut self) -> Result<OwnedMessage, InvalidUtf8> {
        let owned = self.assembler.take()?;
        self.found = Found::Nothing;
        Ok(owned)
    }
}
