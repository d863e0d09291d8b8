//! [`Content`]: what lies in the read buffer; and text that is unmasked so that its check is quick.

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
    /// How many zeros there are before a message of so many bytes.
    #[inline]
    pub(super) fn zeros(self, len: usize) -> usize {
        if self == Self::TextBehindZeros { len.wrapping_neg() % BLOCK } else { 0 }
    }
}

/// Text of how many bytes it is that is worth zeros: shorter text is checked in another way, and of
/// longer text the end counts for little.
pub(super) const LENS: Range<usize> = BLOCK..1024;

impl Incoming {
    /// Unmasks the text that was taken last out of the read buffer, and has it begin behind zeros if
    /// there is room for them: what is there has been used.
    #[inline(never)]
    pub(super) fn unmask_text(&mut self, key: MaskKey) {
        let place = self.read.last_taken(0);
        let zeros = Content::TextBehindZeros.zeros(place.len());
        let Some(start) = place.start.checked_sub(zeros) else {
            return mask::apply(&mut self.read.bytes[place], key);
        };
        self.found = Found::InReadBuffer(Content::TextBehindZeros);
        mask::apply_behind_zeros(&mut self.read.bytes[start..place.end], zeros, key);
    }
}
