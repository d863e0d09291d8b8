//! [`ControlPayload`]: the payload of a control frame, which may come in pieces.

#[cfg(feature = "alloc")]
use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

use crate::frame::MAX_CONTROL_LEN;

/// The payload of a Ping or Pong: up to 125 bytes inline; dereferences to `[u8]`.
#[derive(Clone, Copy)]
pub struct ControlPayload {
    len: u8,
    bytes: [u8; MAX_CONTROL_LEN],
}

impl ControlPayload {
    pub(super) const EMPTY: Self = Self { len: 0, bytes: [0; MAX_CONTROL_LEN] };

    /// `None` if `payload` is over 125 bytes (RFC 6455 §5.5).
    pub(super) fn new(payload: &[u8]) -> Option<Self> {
        let mut this = Self::EMPTY;
        this.push(payload)?;
        Some(this)
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let at = usize::from(self.len);
        self.bytes.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        self.len += u8::try_from(bytes.len()).ok()?;
        Some(())
    }
}

impl Deref for ControlPayload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for ControlPayload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for ControlPayload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for ControlPayload {}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPayload(\"{}\")", self.escape_ascii())
    }
}

/// The payload of a control frame that comes in pieces. Few connections ever have one, so it is not
/// kept inside where there is a heap.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished(Option<Place>);

#[cfg(feature = "alloc")]
type Place = Box<ControlPayload>;
#[cfg(not(feature = "alloc"))]
type Place = ControlPayload;

impl Unfinished {
    /// Adds a piece; gives the whole when it was the last one.
    #[cfg_attr(
        not(feature = "alloc"),
        expect(clippy::useless_conversion, reason = "there it is no box that it is put into")
    )]
    pub(super) fn push(&mut self, bytes: &[u8], end: bool) -> Option<ControlPayload> {
        // At most 125 bytes: the header has been checked.
        if end && self.0.is_none() {
            return ControlPayload::new(bytes);
        }
        self.0.get_or_insert_with(|| ControlPayload::EMPTY.into()).push(bytes)?;
        self.0.take_if(|_| end).map(|place| ControlPayload::clone(&place))
    }
}
