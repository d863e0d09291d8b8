//! [`Text`]: text that owns its memory, or a part in that of the buffer it was received in.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, Range};

use bytes::Bytes;
use yoke::Yoke;

use crate::assembler::Shared;
use crate::copy;
use crate::utf8::InvalidUtf8;

/// Text that is owned (RFC 6455 §5.6): what [`OwnedMessage::Text`](crate::OwnedMessage) holds. Used
/// as the `str` that it lends.
///
/// It is a `String`, or a part of the buffer that a large message was received in, which is used
/// again once all clones are dropped: then it takes no copy to have it, nor to clone it.
///
/// ```
/// use websocket_proto::Text;
///
/// let text = Text::from("grün");
/// assert_eq!((text.len(), text.chars().count()), (5, 4));
/// assert_eq!(text, "grün");
/// assert_eq!(String::from(text), "grün");
/// ```
#[derive(Clone)]
pub struct Text(Inner);

#[derive(Clone)]
enum Inner {
    Own(String),
    /// Behind a pointer, so that a text is no larger than a `String`: small ones are moved often.
    Part(Arc<Part>),
}

type Part = Yoke<&'static str, Shared>;

impl Text {
    /// A text that lies at `place` in a buffer that others can hold too. It is checked here, unless
    /// it is known to be ASCII.
    pub(crate) fn part(shared: &Shared, place: Range<usize>) -> Result<Self, InvalidUtf8> {
        let part = Part::try_attach_to_cart(Arc::clone(shared), |buffer| buffer.text_at(place))?;
        Ok(Self(Inner::Part(Arc::new(part))))
    }

    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Own(text) => text,
            Inner::Part(part) => part.get(),
        }
    }

    /// The text as `Bytes`, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Inner::Own(text) => text.into(),
            Inner::Part(_) => Bytes::from_owner(self),
        }
    }

    /// The text as a `String`, if it is one already.
    ///
    /// # Errors
    ///
    /// Gives it back if it lies in a buffer.
    pub(crate) fn try_into_string(self) -> Result<String, Self> {
        match self.0 {
            Inner::Own(text) => Ok(text),
            Inner::Part(_) => Err(self),
        }
    }
}

impl Default for Text {
    /// An empty text, without an allocation.
    fn default() -> Self {
        Self(Inner::Own(String::new()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Inner::Own(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Inner::Own(copy::to_string(text)))
    }
}

/// Takes a copy if it lies in the buffer that it was received in.
impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.try_into_string().unwrap_or_else(|part| copy::to_string(&part))
    }
}

/// Without a copy.
impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.into_bytes()
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other)
    }
}

/// As that of the `str`, which a map can be asked by.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::OwnedMessage;

    #[test]
    fn it_takes_no_more_than_a_string_nor_a_message_than_bytes() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        assert_eq!(size_of::<OwnedMessage>(), size_of::<Bytes>());
    }
}
