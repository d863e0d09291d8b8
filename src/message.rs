//! Whole messages: lent ([`Message`]), owned ([`OwnedMessage`]), to be sent ([`Outbound`]).
//!
//! Owns the types only; messages are made by the [`Assembler`](crate::Assembler) and sent by
//! [`Connection::send`](crate::Connection::send).

#[cfg(feature = "alloc")]
use alloc::sync::Arc;

#[cfg(feature = "alloc")]
use crate::copy;
#[cfg(feature = "deflate")]
pub(crate) use crate::deflate::Compression;
use crate::frame::OpCode;
#[cfg(feature = "alloc")]
use crate::prepared::PreparedMessage;
#[cfg(feature = "alloc")]
use crate::utf8::{self, InvalidUtf8};

/// What a message carries (RFC 6455 §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Bytes that mean what the application says.
    Binary,
}

impl Kind {
    /// The opcode of the first frame of such a message.
    #[inline]
    #[must_use]
    pub const fn opcode(self) -> OpCode {
        match self {
            Self::Text => OpCode::Text,
            Self::Binary => OpCode::Binary,
        }
    }
}

/// A message, or a part of one, in somebody else's buffer.
///
/// ```
/// use websocket_proto::{Kind, Message};
///
/// let message = Message::from("hello");
/// assert_eq!((message.kind(), message.as_bytes()), (Kind::Text, &b"hello"[..]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// UTF-8 text.
    Text(&'m str),
    /// Bytes.
    Binary(&'m [u8]),
}

impl<'m> Message<'m> {
    /// A whole payload as a message; text is checked here.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn checked(kind: Kind, payload: &'m [u8]) -> Result<Self, InvalidUtf8> {
        match kind {
            Kind::Text => utf8::validate(payload).map(Self::Text),
            Kind::Binary => Ok(Self::Binary(payload)),
        }
    }

    /// As [`checked`](Self::checked), where there may be room beside the payload to check short text.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn checked_beside(
        kind: Kind,
        payload: &'m [u8],
        room: impl FnOnce() -> Option<&'m mut [u8; utf8::BLOCK]>,
    ) -> Result<Self, InvalidUtf8> {
        match kind {
            Kind::Text => utf8::validate_beside(payload, room).map(Self::Text),
            Kind::Binary => Ok(Self::Binary(payload)),
        }
    }

    /// Text or binary.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The payload, whichever kind it is.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &'m [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, or `None` if the message is binary.
    #[inline]
    #[must_use]
    pub const fn as_text(&self) -> Option<&'m str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Copies the payload into one allocation of its exact size.
    ///
    /// To take a large message over without a copy, ask the endpoint for it
    /// ([`Endpoint::take_message`](crate::Endpoint::take_message)).
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> OwnedMessage {
        self.make_owned()
    }

    /// [`into_owned`](Self::into_owned) as part of its caller: what a call gives is moved through
    /// memory, unless it is where it is to be.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn make_owned(self) -> OwnedMessage {
        match self {
            Self::Text(text) => OwnedMessage::Text(text.into()),
            Self::Binary(bytes) => OwnedMessage::Binary(copy::to_vec(bytes).into()),
        }
    }
}

impl<'m> From<&'m str> for Message<'m> {
    fn from(text: &'m str) -> Self {
        Self::Text(text)
    }
}

impl<'m> From<&'m [u8]> for Message<'m> {
    fn from(bytes: &'m [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'m, const N: usize> From<&'m [u8; N]> for Message<'m> {
    fn from(bytes: &'m [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

/// A message to be sent, and how: what [`Endpoint::send`](crate::Endpoint::send) and the `feed` and
/// `send` of the adapters take.
///
/// Made of everything that a [`Message`] is made of, and of a
/// [`PreparedMessage`](crate::PreparedMessage).
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'m> {
    pub(crate) content: Content<'m>,
    pub(crate) compression: Compression,
}

/// Without compression there is nothing to say about it.
#[cfg(all(feature = "alloc", not(feature = "deflate")))]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compression {
    Auto,
}

#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'m> {
    Message(Message<'m>),
    Prepared(&'m PreparedMessage),
}

#[cfg(feature = "alloc")]
impl<'m> Content<'m> {
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Message(message) => message.kind(),
            Self::Prepared(prepared) => prepared.kind(),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &'m [u8] {
        match self {
            Self::Message(message) => message.as_bytes(),
            Self::Prepared(prepared) => prepared.as_bytes(),
        }
    }
}

#[cfg(feature = "alloc")]
impl<'m> Outbound<'m> {
    #[inline]
    fn new(content: Content<'m>) -> Self {
        Self { content, compression: Compression::Auto }
    }

    /// Says whether it is compressed where permessage-deflate was agreed on.
    ///
    /// ```
    /// use websocket_proto::Outbound;
    /// use websocket_proto::deflate::Compression;
    ///
    /// # fn f(endpoint: &mut websocket_proto::Endpoint, secret: &str) {
    /// endpoint.send(Outbound::from(secret).compression(Compression::Never)).expect("open");
    /// # }
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
}

#[cfg(feature = "alloc")]
impl<'m, M: Into<Message<'m>>> From<M> for Outbound<'m> {
    #[inline]
    fn from(message: M) -> Self {
        Self::new(Content::Message(message.into()))
    }
}

#[cfg(feature = "alloc")]
impl<'m> From<&'m PreparedMessage> for Outbound<'m> {
    fn from(prepared: &'m PreparedMessage) -> Self {
        Self::new(Content::Prepared(prepared))
    }
}

#[cfg(feature = "alloc")]
impl<'m> From<&'m Arc<PreparedMessage>> for Outbound<'m> {
    fn from(prepared: &'m Arc<PreparedMessage>) -> Self {
        Self::from(&**prepared)
    }
}

#[cfg(feature = "alloc")]
mod owned {
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::fmt;

    use bytes::{Bytes, BytesMut};

    use super::{Kind, Message};
    use crate::copy;
    use crate::error::SendError;
    use crate::text::Text;

    impl<'m> From<&'m String> for Message<'m> {
        fn from(text: &'m String) -> Self {
            Self::Text(text)
        }
    }

    impl<'m> From<&'m Text> for Message<'m> {
        fn from(text: &'m Text) -> Self {
            Self::Text(text)
        }
    }

    impl<'m> From<&'m Vec<u8>> for Message<'m> {
        fn from(bytes: &'m Vec<u8>) -> Self {
            Self::Binary(bytes)
        }
    }

    impl<'m> From<&'m Bytes> for Message<'m> {
        fn from(bytes: &'m Bytes) -> Self {
            Self::Binary(bytes)
        }
    }

    impl<'m> From<&'m BytesMut> for Message<'m> {
        fn from(bytes: &'m BytesMut) -> Self {
            Self::Binary(bytes)
        }
    }

    impl<'m> From<&'m OwnedMessage> for Message<'m> {
        fn from(message: &'m OwnedMessage) -> Self {
            message.as_message()
        }
    }

    /// A message that owns its payload, or holds it together with others.
    ///
    /// That of a large message that was received may be a part of the buffer that it was read to, at
    /// least half of it, which is used again once all clones are dropped. To turn it into a `String`,
    /// `Vec` or `BytesMut` takes a copy then.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum OwnedMessage {
        /// UTF-8 text.
        Text(Text),
        /// Bytes, cheap to clone.
        Binary(Bytes),
    }

    impl OwnedMessage {
        /// Lends it.
        #[must_use]
        pub fn as_message(&self) -> Message<'_> {
            match self {
                Self::Text(text) => Message::Text(text),
                Self::Binary(bytes) => Message::Binary(bytes),
            }
        }

        /// Text or binary.
        #[must_use]
        pub fn kind(&self) -> Kind {
            self.as_message().kind()
        }

        /// The payload, whichever kind it is.
        #[must_use]
        pub fn as_bytes(&self) -> &[u8] {
            self.as_message().as_bytes()
        }

        /// The payload, if it is text.
        #[must_use]
        pub fn as_text(&self) -> Option<&str> {
            self.as_message().as_text()
        }

        /// The payload without a copy, if it is text.
        ///
        /// # Errors
        ///
        /// Gives it back if it is not.
        pub fn into_text(self) -> Result<Text, Self> {
            match self {
                Self::Text(text) => Ok(text),
                Self::Binary(_) => Err(self),
            }
        }

        /// The payload without a copy, whichever kind it is.
        #[must_use]
        pub fn into_bytes(self) -> Bytes {
            match self {
                Self::Text(text) => text.into_bytes(),
                Self::Binary(bytes) => bytes,
            }
        }
    }

    /// A message that was not sent, given back with the reason.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Unsent {
        /// Why it was not sent.
        pub error: SendError,
        /// The message as it was.
        pub message: OwnedMessage,
    }

    impl fmt::Display for Unsent {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.error.fmt(f)
        }
    }

    impl core::error::Error for Unsent {}

    impl From<Unsent> for SendError {
        fn from(unsent: Unsent) -> Self {
            unsent.error
        }
    }

    impl From<Message<'_>> for OwnedMessage {
        fn from(message: Message<'_>) -> Self {
            message.into_owned()
        }
    }

    impl From<Text> for OwnedMessage {
        fn from(text: Text) -> Self {
            Self::Text(text)
        }
    }

    impl From<String> for OwnedMessage {
        fn from(text: String) -> Self {
            Self::Text(text.into())
        }
    }

    impl From<&str> for OwnedMessage {
        fn from(text: &str) -> Self {
            Self::Text(text.into())
        }
    }

    impl From<&[u8]> for OwnedMessage {
        fn from(bytes: &[u8]) -> Self {
            Self::Binary(copy::to_vec(bytes).into())
        }
    }

    impl From<Bytes> for OwnedMessage {
        fn from(bytes: Bytes) -> Self {
            Self::Binary(bytes)
        }
    }

    impl From<BytesMut> for OwnedMessage {
        fn from(bytes: BytesMut) -> Self {
            Self::Binary(bytes.freeze())
        }
    }

    impl From<Vec<u8>> for OwnedMessage {
        fn from(bytes: Vec<u8>) -> Self {
            Self::Binary(bytes.into())
        }
    }
}

#[cfg(feature = "alloc")]
pub use owned::{OwnedMessage, Unsent};
