//! [`CloseFrame`], the body of a Close frame (RFC 6455 §5.5.1).

use core::fmt;

use crate::close_code::CloseCode;
use crate::error::{ProtocolError, SendError};
use crate::frame::MAX_CONTROL_LEN;
use crate::utf8;

/// The longest close reason, in bytes of UTF-8: 125 less the two of the code (RFC 6455 §5.5).
pub const MAX_REASON_LEN: usize = MAX_CONTROL_LEN - 2;

/// The body of a Close frame: a code and a reason, 126 bytes inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    len: u8,
    reason: [u8; MAX_REASON_LEN],
}

impl CloseFrame {
    /// A body with this code and reason.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] if the code may not be on the wire,
    /// [`SendError::ReasonTooLong`] if the reason is over 123 bytes.
    pub fn new(code: CloseCode, reason: &str) -> Result<Self, SendError> {
        // RFC 6455 §7.4.1: 1005, 1006 and 1015 are never set in a Close frame; 1004 is reserved.
        if !code.is_allowed_on_wire() {
            return Err(SendError::InvalidCloseCode(code));
        }
        Self::with_bytes(code, reason.as_bytes())
            .ok_or(SendError::ReasonTooLong { len: reason.len() })
    }

    /// The longest prefix of `reason` that fits into a Close frame and ends at a character.
    ///
    /// ```
    /// use websocket_proto::{CloseCode, CloseFrame};
    ///
    /// let reason = "€".repeat(50); // 150 bytes
    /// assert!(CloseFrame::new(CloseCode::NORMAL, &reason).is_err());
    /// let cut = CloseFrame::truncate(&reason);
    /// assert_eq!(cut, "€".repeat(41)); // 123 bytes
    /// ```
    #[must_use]
    pub fn truncate(reason: &str) -> &str {
        let mut end = reason.len().min(MAX_REASON_LEN);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        &reason[..end]
    }

    /// Reads the payload of a received Close frame; `None` when it is empty.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::CloseTooShort`], [`InvalidCloseCode`](ProtocolError::InvalidCloseCode) or
    /// [`InvalidCloseReason`](ProtocolError::InvalidCloseReason).
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            // RFC 6455 §5.5.1: if there is a body, its first two bytes are the code.
            [_] => return Err(ProtocolError::CloseTooShort),
            [a, b, reason @ ..] => (CloseCode(u16::from_be_bytes([*a, *b])), reason),
        };
        if !code.is_allowed_on_wire() {
            return Err(ProtocolError::InvalidCloseCode(code));
        }
        // RFC 6455 §5.5.1, §8.1: the reason is UTF-8.
        if utf8::validate(reason).is_err() {
            return Err(ProtocolError::InvalidCloseReason);
        }
        Self::with_bytes(code, reason).map(Some).ok_or(ProtocolError::ControlTooLong)
    }

    fn with_bytes(code: CloseCode, bytes: &[u8]) -> Option<Self> {
        let mut reason = [0; MAX_REASON_LEN];
        reason.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self { code, len: u8::try_from(bytes.len()).ok()?, reason })
    }

    /// The close code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The close reason; empty when none was given. Not for end users (RFC 6455 §5.5.1).
    #[must_use]
    pub fn reason(&self) -> &str {
        // Both constructors take UTF-8 only.
        core::str::from_utf8(&self.reason[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseFrame")
            .field("code", &self.code.0)
            .field("reason", &self.reason())
            .finish()
    }
}
