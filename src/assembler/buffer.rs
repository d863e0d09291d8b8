//! [`Buffer`]: the bytes of a message in several pieces, or its characters as long as it is ASCII.
//!
//! Owns the memory and what is known of it. Characters that are known to be ASCII are a `str` as
//! they are; bytes have to be checked as a whole once more, out of a cache that they have left.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Deref;
use core::ops::Range;
use core::{fmt, mem};

use ascii::{AsciiChar, AsciiStr, AsciiString};

use crate::copy::{self, copy};
use crate::message::{Kind, Message};
use crate::utf8::{self, InvalidUtf8};

pub(crate) enum Buffer {
    /// Initialised bytes; what is behind the message is room for more of it.
    Bytes(Vec<u8>),
    /// Text, and nothing else.
    #[expect(clippy::box_collection, reason = "so the buffer takes no more than bytes do")]
    Ascii(Box<Vec<AsciiChar>>),
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl Buffer {
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.capacity(),
            Self::Ascii(text) => text.capacity(),
        }
    }

    /// How much of it can be written to as it is.
    pub(crate) fn room(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Ascii(text) => text.capacity(),
        }
    }

    /// Whether it has memory. One for text is given back whether or not it has.
    #[inline]
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.capacity() > 0,
            Self::Ascii(_) => true,
        }
    }

    /// Whether nothing is lost by making it one for ASCII.
    pub(crate) fn suits_ascii(&self) -> bool {
        self.is_ascii() || !self.is_there()
    }

    #[inline]
    pub(crate) fn is_ascii(&self) -> bool {
        matches!(self, Self::Ascii(_))
    }

    /// The bytes, of which any may be written.
    #[inline]
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        if let Self::Ascii(text) = self {
            *self = Self::Bytes(AsciiString::from(mem::take(&mut **text)).into());
        }
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Ascii(_) => unreachable!("made bytes above"),
        }
    }

    /// The bytes, of one whose room has been lent: that is none for ASCII.
    #[inline]
    pub(crate) fn room_bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Ascii(_) => &mut [],
        }
    }

    /// Makes it one for ASCII text. Forgets what is in it.
    pub(crate) fn make_ascii(&mut self) {
        match self {
            Self::Bytes(bytes) => *self = Self::Ascii(Box::new(characters(mem::take(bytes)))),
            Self::Ascii(text) => text.clear(),
        }
    }

    /// All of it as text, if it is ASCII.
    #[inline]
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Bytes(_) => None,
            Self::Ascii(text) => Some(<&AsciiStr>::from(text.as_slice()).as_str()),
        }
    }

    /// Lends the text that is there. It is checked, unless all that is there is known to be ASCII.
    pub(crate) fn text_at(&self, place: Range<usize>) -> Result<&str, InvalidUtf8> {
        let Some(text) = self.text() else { return utf8::validate(&self[place]) };
        debug_assert_eq!(place, 0..text.len(), "there is nothing else in it");
        Ok(text)
    }

    /// Lends the message that is there; text as [`text_at`](Self::text_at) does.
    pub(crate) fn message(
        &self,
        kind: Kind,
        place: Range<usize>,
    ) -> Result<Message<'_>, InvalidUtf8> {
        match kind {
            Kind::Text => self.text_at(place).map(Message::Text),
            Kind::Binary => Ok(Message::Binary(&self[place])),
        }
    }

    /// As [`message`](Self::message), where nothing else is needed of the buffer.
    pub(crate) fn only_message(
        &mut self,
        kind: Kind,
        place: Range<usize>,
    ) -> Result<Message<'_>, InvalidUtf8> {
        match self {
            Self::Bytes(bytes) => {
                let (bytes, behind) = bytes.split_at_mut(place.end);
                Message::checked_beside(kind, &bytes[place.start..], || behind.first_chunk_mut())
            }
            Self::Ascii(_) => self.message(kind, place),
        }
    }

    /// Goes on in a buffer that is as long as the message, which is at its front then; gives the
    /// other one back.
    pub(crate) fn shorten(&mut self, message: Range<usize>) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => {
                let short = copy::to_vec(&bytes[message]);
                mem::replace(bytes, short)
            }
            Self::Ascii(text) => {
                let short = text.as_slice().to_vec();
                AsciiString::from(mem::replace(&mut **text, short)).into()
            }
        }
    }

    /// Goes on in another buffer, if there is more room in that; gives back the one that is not
    /// used. Where the message is, and where it is to be; whether that is where bytes are now.
    pub(crate) fn exchange(
        &mut self,
        mut other: Vec<u8>,
        message: Range<usize>,
        start: usize,
    ) -> (Vec<u8>, bool) {
        match self {
            Self::Bytes(bytes) if other.capacity() > bytes.len().max(start + message.len()) => {
                // It is shorter than its memory if there was text in it.
                other.resize(other.capacity(), 0);
                copy(&mut other[start..start + message.len()], &bytes[message]);
                mem::swap(bytes, &mut other);
                return (other, true);
            }
            Self::Ascii(text) if other.capacity() > text.capacity() => {
                let mut longer = characters(other);
                copy::append(&mut longer, text);
                other = AsciiString::from(mem::replace(&mut **text, longer)).into();
            }
            Self::Bytes(_) | Self::Ascii(_) => {}
        }
        (other, false)
    }
}

/// The memory of some bytes, for characters.
fn characters(mut bytes: Vec<u8>) -> Vec<AsciiChar> {
    bytes.clear();
    // None of them is anything else.
    AsciiString::from_ascii(bytes).map(Vec::from).unwrap_or_default()
}

/// No branch: there is a character for each.
#[inline(always)]
pub(super) fn character(byte: u8) -> AsciiChar {
    AsciiChar::from_ascii(byte & 0x7F).unwrap_or(AsciiChar::Null)
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Ascii(text) => <&AsciiStr>::from(text.as_slice()).as_bytes(),
        }
    }
}

/// Shows sizes only: payloads do not belong in logs.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_no_more_than_bytes_do() {
        assert_eq!(size_of::<Buffer>(), size_of::<Vec<u8>>());
    }

    #[test]
    fn memory_stays_when_it_changes_what_it_is_for() {
        let mut buffer = Buffer::from(Vec::with_capacity(100));
        buffer.bytes().extend(*b"\xff\xfe");
        assert!(buffer.text().is_none());
        buffer.make_ascii();
        assert_eq!((buffer.text(), buffer.capacity()), (Some(""), 100));
        let Buffer::Ascii(text) = &mut buffer else { panic!("it is for text") };
        text.push(AsciiChar::a);
        assert_eq!((&*buffer, buffer.text()), (&b"a"[..], Some("a")));
        assert_eq!((buffer.bytes().len(), &*buffer, buffer.capacity()), (1, &b"a"[..], 100));
        assert!(!buffer.is_ascii());
        buffer.make_ascii();
    }
}
