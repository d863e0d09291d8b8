//! [`Content`]: what lies in the read buffer, found by a short way or not; and text that is unmasked
//! so that its check is quick.

use core::ops::Range;

use super::{Found, Incoming};
use crate::frame::mask::{self, MaskKey};
use crate::message::Kind;
use crate::utf8::BLOCK;

/// What a message in the read buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text,
    Binary,
    /// Text before which there are as many zeros as make both whole blocks.
    TextBehindZeros,
    /// Text behind which there are.
    TextBeforeZeros,
}

impl From<Kind> for Content {
    #[inline]
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Binary => Self::Binary,
        }
    }
}

impl Content {
    #[inline]
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Text | Self::TextBehindZeros | Self::TextBeforeZeros => Kind::Text,
            Self::Binary => Kind::Binary,
        }
    }
}

/// Why the short way has not found a message for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing was taken.
    More,
    /// There is one in the [read buffer](Incoming::found_in_read_buffer).
    Found,
}

/// How many zeros make a text of so many bytes whole blocks.
#[inline]
pub(super) fn zeros(len: usize) -> usize {
    len.wrapping_neg() % BLOCK
}

/// Text of how many bytes it is that is worth zeros: shorter text is checked in another way, and of
/// longer text the end counts for little.
pub(super) const LENS: Range<usize> = BLOCK..1024;

impl Incoming {
    /// Unmasks the text that was taken last out of the read buffer, with zeros before it, where what
    /// is there has been used, or behind it, if nothing has been read there; if there is room for
    /// them.
    #[inline(never)]
    pub(super) fn unmask_text(&mut self, key: MaskKey) {
        let place = self.read.last_taken(0);
        let zeros = zeros(place.len());
        if let Some(start) = place.start.checked_sub(zeros) {
            self.found = Found::InReadBuffer(Content::TextBehindZeros);
            return mask::apply_with_zeros(&mut self.read.bytes[start..place.end], zeros, 0, key);
        }
        let is_last = self.read.unread.is_empty();
        if let Some(bytes) = self.read.bytes.get_mut(place.start..place.end + zeros)
            && is_last
        {
            self.found = Found::InReadBuffer(Content::TextBeforeZeros);
            return mask::apply_with_zeros(bytes, 0, zeros, key);
        }
        mask::apply(&mut self.read.bytes[place], key);
    }

    /// From here on there may be something else than zeros behind a text that was found.
    pub(super) fn end_zeros_behind(&mut self) {
        if let Found::InReadBuffer(content @ Content::TextBeforeZeros) = &mut self.found {
            *content = Content::Text;
        }
    }
}
