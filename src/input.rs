//! [`Input`], a cursor over a buffer that the caller lends.
//!
//! Owns nothing but the cursor. What is taken out of it borrows the *buffer*, not the cursor and
//! not the protocol object, so an event can be held while the same connection sends.

use core::fmt;
use core::mem;

/// Bytes just read from the transport, lent to the protocol and consumed from the front.
///
/// The buffer is lent mutably because masked payloads are unmasked where they lie
/// (RFC 6455 §5.3). What remains after a call belongs to whoever comes next: bytes behind an
/// opening handshake are the first frames.
///
/// ```
/// use websocket_proto::Input;
///
/// let mut buffer = *b"\x81\x05hello";
/// let mut input = Input::new(&mut buffer);
/// let header = input.take(2);
/// let payload = input.take(5); // `header` is still borrowed from `buffer`
/// assert_eq!((&*header, &*payload), (&b"\x81\x05"[..], &b"hello"[..]));
/// assert!(input.is_empty());
/// ```
#[derive(Default)]
pub struct Input<'b> {
    rest: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Wraps the bytes that a read has put into `buffer`.
    #[inline]
    #[must_use]
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// How many bytes are left, in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been taken.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that are left, without taking them.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.rest
    }

    /// Takes the next `count` bytes, or what is left if that is less.
    #[inline]
    pub fn take(&mut self, count: usize) -> &'b mut [u8] {
        let rest = mem::take(&mut self.rest);
        let at = count.min(rest.len());
        let (taken, rest) = rest.split_at_mut(at);
        self.rest = rest;
        taken
    }
}

impl<'b> From<&'b mut [u8]> for Input<'b> {
    fn from(buffer: &'b mut [u8]) -> Self {
        Self::new(buffer)
    }
}

/// Shows the length only: payloads do not belong in logs.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.rest.len()).finish()
    }
}
