//! Lending and giving the message that was found.

use alloc::sync::Arc;
use core::ops::Range;

use bytes::Bytes;

use super::content::{self, Content};
use super::{Found, Incoming};
use crate::assembler::{self, Assembler, Shared};
use crate::message::{Kind, Message, OwnedMessage};
use crate::utf8::{self, InvalidUtf8};

impl Incoming {
    /// Lends the message that [`poll`](Self::poll) found, and its buffer, if it can be sent back
    /// from there; an empty one if there is none.
    #[inline(always)] // What a call gives goes through memory.
    pub(crate) fn lend(&mut self) -> Result<(Message<'_>, Option<&Shared>), InvalidUtf8> {
        match (self.found_in_read_buffer(), self.found) {
            (Some((content, payload)), _) => Ok((self.lend_found(content, payload)?, None)),
            (None, Found::Assembled) => self.assembler.lend(),
            (None, Found::BadText) => Err(InvalidUtf8),
            (None, _) => Ok((Message::Binary(&[]), None)),
        }
    }

    /// What was found in the read buffer, and where, if it lies there.
    #[inline(always)]
    pub(crate) fn found_in_read_buffer(&self) -> Option<(Content, Range<usize>)> {
        let (content, left) = match self.found {
            Found::InReadBuffer(content) => (content, 0),
            Found::Joined { content, left } => (content, usize::from(left)),
            Found::Assembled | Found::BadText | Found::Nothing => return None,
        };
        Some((content, self.read.last_taken(left)))
    }

    /// Lends what was found in the read buffer.
    #[inline(always)]
    pub(crate) fn lend_found(
        &mut self,
        content: Content,
        payload: Range<usize>,
    ) -> Result<Message<'_>, InvalidUtf8> {
        match content {
            Content::Binary => self.lend_whole(Kind::Binary, payload),
            Content::Text => self.lend_whole(Kind::Text, payload),
            Content::TextBehindZeros => {
                let zeros = content::zeros(payload.len());
                let bytes = &self.read.bytes[payload.start - zeros..payload.end];
                let text = utf8::validate_blocks(bytes)?;
                text.get(zeros..).map(Message::Text).ok_or(InvalidUtf8)
            }
            Content::TextBeforeZeros => {
                let zeros = content::zeros(payload.len());
                let bytes = &self.read.bytes[payload.start..payload.end + zeros];
                let text = utf8::validate_blocks(bytes)?;
                text.get(..payload.len()).map(Message::Text).ok_or(InvalidUtf8)
            }
        }
    }

    /// Lends what lies in the read buffer. What is before it has been used, so that there is room to
    /// check short text.
    #[inline(always)]
    pub(crate) fn lend_whole(
        &mut self,
        kind: Kind,
        payload: Range<usize>,
    ) -> Result<Message<'_>, InvalidUtf8> {
        let is_last = self.read.unread.is_empty();
        let (bytes, behind) = self.read.bytes.split_at_mut(payload.end);
        let (before, payload) = bytes.split_at_mut(payload.start);
        Message::checked_beside(kind, payload, || {
            let behind = if is_last { behind } else { &mut [] };
            before.last_chunk_mut().or_else(|| behind.first_chunk_mut())
        })
    }

    /// Gives the message that [`lend`](Self::lend) would lend; a large one stays in its buffer.
    #[inline(always)]
    pub(crate) fn take_message(&mut self) -> Result<OwnedMessage, InvalidUtf8> {
        let owned = match (self.found_in_read_buffer(), self.found) {
            (Some((content, payload)), _) => self.take_found(content, payload)?,
            (None, Found::Assembled) => self.assembler.take()?,
            (None, Found::BadText) => return Err(InvalidUtf8),
            (None, _) => OwnedMessage::Binary(Bytes::new()),
        };
        self.found = Found::Nothing;
        Ok(owned)
    }

    /// Gives what was found in the read buffer.
    #[inline(always)]
    pub(crate) fn take_found(
        &mut self,
        content: Content,
        payload: Range<usize>,
    ) -> Result<OwnedMessage, InvalidUtf8> {
        if self.is_worth_giving(&payload) {
            return self.give(content.kind(), payload);
        }
        Ok(self.lend_found(content, payload)?.make_owned())
    }

    /// Whether what was found in the read buffer is to be given away with it.
    #[inline(always)]
    pub(crate) fn is_worth_giving(&self, payload: &Range<usize>) -> bool {
        Assembler::is_worth_a_buffer(payload.len(), self.read.bytes.capacity())
    }

    /// Gives the message that was found there, with the buffer; text is checked. What follows goes to
    /// the one that was given away before, if that is back.
    #[inline(never)]
    pub(crate) fn give(
        &mut self,
        kind: Kind,
        payload: Range<usize>,
    ) -> Result<OwnedMessage, InvalidUtf8> {
        let next = self.assembler.take_given_read();
        let buffer = self.read.give(next);
        let given = if self.read.is_of_use(&buffer) {
            // That is a use of what is kept for the next, but not of a buffer that is kept for
            // another.
            if !self.assembler.has_long_buffer() {
                self.spared = 0;
            }
            self.assembler.give_read(buffer, kind, payload)
        } else if kind == Kind::Binary {
            Ok(OwnedMessage::Binary(Bytes::from(buffer).slice(payload)))
        } else {
            assembler::message(&Arc::new(buffer.into()), kind, payload)
        };
        // Asked again, it says so again.
        self.found = if given.is_ok() { Found::Nothing } else { Found::BadText };
        given
    }
}
