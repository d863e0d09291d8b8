//! [`Text`]: text that owns its memory, or a part in that of the buffer it was received in.

use alloc::borrow::Cow;
use alloc::boxed::Box;
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
/// again once all clones are dropped. Of a `String` a clone is a copy, of a part another reference.
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

    /// The text as a `String`; a copy, if it lies in the buffer that it was received in.
    #[must_use]
    pub fn into_string(self) -> String {
        self.try_into_string().unwrap_or_else(|part| copy::to_string(&part))
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

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Self(Inner::Own(text.into()))
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        Self(Inner::Own(text.into_owned()))
    }
}

impl FromIterator<char> for Text {
    fn from_iter<I: IntoIterator<Item = char>>(characters: I) -> Self {
        Self(Inner::Own(characters.into_iter().collect()))
    }
}

/// As [`into_string`](Text::into_string).
impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.into_string()
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

/// Both ways.
macro_rules! equal {
    ($($other:ty),*) => {$(
        impl PartialEq<$other> for Text {
            fn eq(&self, other: &$other) -> bool {
                self.as_str() == AsRef::<str>::as_ref(other)
            }
        }

        impl PartialEq<Text> for $other {
            fn eq(&self, other: &Text) -> bool {
                other == self
            }
        }
    )*};
}

equal!(str, &str, String);

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::message::OwnedMessage;

    #[test]
    fn it_takes_no_more_than_a_string_nor_a_message_than_bytes() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        assert_eq!(size_of::<OwnedMessage>(), size_of::<Bytes>());
    }

    #[test]
    fn own_and_part_are_the_same_to_who_has_them() {
        fn shared<T: Send + Sync + 'static>(_: &T) {}
        let buffer = Shared::new(vec![b'-', 0xC3, 0xBC, b'b', 0xFF].into());
        let (part, own) = (Text::part(&buffer, 1..4).ok(), Text::from("üb"));
        shared(&own);
        let Some(part) = part else { panic!("it is text") };
        assert!(Text::part(&buffer, 2..4).is_err() && Text::part(&buffer, 1..5).is_err());
        assert_eq!((part.clone(), part.cmp(&own)), (own.clone(), Ordering::Equal));
        for text in [part, own] {
            assert_eq!(text, "üb");
            assert_eq!("üb", text);
            assert_eq!(text, String::from("üb"));
            assert_eq!(String::from("üb"), text);
            assert_eq!(text, *"üb");
            assert_eq!((alloc::format!("{text} {text:?}").as_str(), text.len()), ("üb \"üb\"", 3));
            assert_eq!(text.clone().into_bytes(), "üb".as_bytes());
            assert_eq!(text.into_string(), "üb");
        }
        assert_eq!(Arc::strong_count(&buffer), 1);
        let made =
            [Text::from(Cow::from("ü")), Box::<str>::from("ü").into(), ['ü'].into_iter().collect()];
        assert!(made.iter().all(|text| text == "ü"));
    }
}
