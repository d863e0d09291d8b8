//! The errors of the protocol, one enum for each party at fault.
//!
//! Handshake errors live with the [`handshake`](crate::handshake), `io::Error` in the adapters. A
//! clean close is an event, not an error.

use core::fmt;

use crate::close_code::CloseCode;
use crate::utf8::InvalidUtf8;

/// The peer broke the protocol, and the connection has been failed (RFC 6455 §7.1.7).
///
/// Final: the connection gives the same error on every later call, and the Close frame with
/// [`close_code`](Self::close_code) is already queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client sent a frame without a masking key.
    UnmaskedFrame,
    /// A server sent a frame with a masking key.
    MaskedFrame,
    /// A reserved bit that no negotiated extension defines; the bits as in the first header byte.
    ReservedBits(u8),
    /// An opcode that the protocol does not define.
    ReservedOpcode(u8),
    /// A control frame without FIN.
    FragmentedControl,
    /// A control frame with a payload over 125 bytes.
    ControlTooLong,
    /// A payload length that would have had a shorter encoding.
    NonMinimalLength,
    /// A payload length of 2^63 or more.
    LengthOverflow,
    /// A continuation frame while no message was in progress.
    UnexpectedContinuation,
    /// A text or binary frame before the message in progress had ended.
    UnfinishedMessage,
    /// A data frame over the limit of the configuration.
    FrameTooLong {
        /// The length that the header announced, in bytes.
        len: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A message over the limit of the configuration.
    MessageTooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// More fragments than the bytes they brought can justify.
    TooManyFrames {
        /// How many data frames the message had so far.
        frames: u32,
    },
    /// A compressed message that grew beyond the ratio of the configuration.
    CompressionRatio {
        /// The limit: bytes of the message for each compressed byte.
        limit: u32,
    },
    /// More final blocks in a compressed message than the bytes they brought can justify.
    TooManyFinalBlocks {
        /// How many blocks with BFINAL the message had so far.
        blocks: u64,
    },
    /// A compressed message whose payload is not DEFLATE, or does not end where it must.
    InvalidDeflate,
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// A Close frame with a payload of one byte.
    CloseTooShort,
    /// A Close frame with a code that may not be on the wire.
    InvalidCloseCode(CloseCode),
    /// A Close frame whose reason is not UTF-8.
    InvalidCloseReason,
}

impl ProtocolError {
    /// The code of the Close frame that the peer is sent (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::ReservedBits(_)
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NonMinimalLength
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::UnfinishedMessage
            | Self::CloseTooShort
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::InvalidDeflate | Self::InvalidUtf8 | Self::InvalidCloseReason => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::FrameTooLong { .. }
            | Self::MessageTooLong { .. }
            | Self::CompressionRatio { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFrames { .. } | Self::TooManyFinalBlocks { .. } => {
                CloseCode::POLICY_VIOLATION
            }
        }
    }

    /// The reason in that Close frame: the fact without the numbers, at most 123 bytes.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnmaskedFrame => "unmasked frame from client",
            Self::MaskedFrame => "masked frame from server",
            Self::ReservedBits(_) => "reserved bit set",
            Self::ReservedOpcode(_) => "reserved opcode",
            Self::FragmentedControl => "fragmented control frame",
            Self::ControlTooLong => "control frame over 125 bytes",
            Self::NonMinimalLength => "payload length not in its shortest form",
            Self::LengthOverflow => "payload length of 2^63 or more",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::UnfinishedMessage => "new message before the last one ended",
            Self::FrameTooLong { .. } => "frame too long",
            Self::MessageTooLong { .. } => "message too long",
            Self::TooManyFrames { .. } => "too many fragments",
            Self::CompressionRatio { .. } => "message grows too much",
            Self::TooManyFinalBlocks { .. } => "too many final blocks",
            Self::InvalidDeflate => "compressed data is not valid",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::CloseTooShort => "close frame with one byte",
            Self::InvalidCloseCode(_) => "invalid close code",
            Self::InvalidCloseReason => "close reason is not UTF-8",
        }
    }

    /// The RFC that the peer did not keep to: 6455, or 7692 for compression.
    #[must_use]
    pub const fn rfc(&self) -> u16 {
        if matches!(self, Self::InvalidDeflate) { 7692 } else { 6455 }
    }

    /// The section of that RFC.
    #[must_use]
    pub const fn section(&self) -> &'static str {
        match self {
            Self::UnmaskedFrame | Self::MaskedFrame => "5.1",
            Self::ReservedBits(_)
            | Self::ReservedOpcode(_)
            | Self::NonMinimalLength
            | Self::LengthOverflow => "5.2",
            Self::UnexpectedContinuation | Self::UnfinishedMessage => "5.4",
            Self::FragmentedControl | Self::ControlTooLong => "5.5",
            Self::CloseTooShort => "5.5.1",
            Self::InvalidCloseCode(_) => "7.4",
            Self::InvalidUtf8 | Self::InvalidCloseReason => "8.1",
            Self::FrameTooLong { .. }
            | Self::MessageTooLong { .. }
            | Self::CompressionRatio { .. }
            | Self::TooManyFrames { .. }
            | Self::TooManyFinalBlocks { .. } => "10.4",
            Self::InvalidDeflate => "7.2.2",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        match self {
            Self::ReservedBits(bits) => write!(f, ": {:#05b}", bits >> 4)?,
            Self::ReservedOpcode(opcode) => write!(f, ": {opcode:#x}")?,
            Self::InvalidCloseCode(code) => write!(f, ": {code}")?,
            Self::FrameTooLong { len, limit } => write!(f, ": {len} bytes, limit {limit}")?,
            Self::MessageTooLong { limit } => write!(f, ": limit {limit} bytes")?,
            Self::CompressionRatio { limit } => write!(f, ": over {limit} times")?,
            Self::TooManyFrames { frames } => write!(f, ": {frames} in one message")?,
            Self::TooManyFinalBlocks { blocks } => write!(f, ": {blocks} in one message")?,
            Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::NonMinimalLength
            | Self::LengthOverflow
            | Self::UnexpectedContinuation
            | Self::UnfinishedMessage
            | Self::InvalidDeflate
            | Self::InvalidUtf8
            | Self::CloseTooShort
            | Self::InvalidCloseReason => {}
        }
        write!(f, " (RFC {} §{})", self.rfc(), self.section())
    }
}

impl core::error::Error for ProtocolError {}

impl From<InvalidUtf8> for ProtocolError {
    fn from(InvalidUtf8: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}

/// The caller asked for something that cannot be sent. Nothing was sent; the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent or received, or the connection has failed or ended.
    Closed,
    /// A Ping or Pong payload over 125 bytes.
    ControlTooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// A close reason over 123 bytes.
    ReasonTooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// A close code that may not be on the wire.
    InvalidCloseCode(CloseCode),
    /// A message while another one is being sent in parts, or a part of the other kind.
    UnfinishedMessage,
    /// Bytes given as text that are not UTF-8.
    InvalidUtf8,
    /// The output queue is over its high watermark; write some of it first.
    Full {
        /// How much is queued, in bytes.
        queued: usize,
    },
    /// The source of masking keys gave none.
    NoEntropy,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closing (RFC 6455 §5.5.1)"),
            Self::ControlTooLong { len } => {
                write!(f, "control payload of {len} bytes, limit 125 (RFC 6455 §5.5)")
            }
            Self::ReasonTooLong { len } => {
                write!(f, "close reason of {len} bytes, limit 123 (RFC 6455 §5.5)")
            }
            Self::InvalidCloseCode(code) => {
                write!(f, "close code {code} may not be sent (RFC 6455 §7.4)")
            }
            Self::UnfinishedMessage => {
                f.write_str("another message is being sent in parts (RFC 6455 §5.4)")
            }
            Self::InvalidUtf8 => f.write_str("text is not valid UTF-8 (RFC 6455 §8.1)"),
            Self::Full { queued } => write!(f, "output queue is full: {queued} bytes"),
            Self::NoEntropy => f.write_str("no masking key to be had (RFC 6455 §5.3)"),
        }
    }
}

impl core::error::Error for SendError {}

/// Nobody answered in time, and the connection has been failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutError {
    /// Nothing came after a keep-alive Ping: the peer has vanished.
    Pong,
    /// No message in either direction for the idle timeout.
    Idle,
    /// The peer does not take what is sent to it.
    Write,
    /// The closing handshake was not complete at the end of the close timeout: this end has closed,
    /// and the peer's Close frame did not come, or the other way round.
    Close,
}

impl TimeoutError {
    /// The code of the Close frame that the peer is sent, if it still listens and was sent none.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Pong | Self::Write | Self::Close => CloseCode::INTERNAL_ERROR,
            Self::Idle => CloseCode::GOING_AWAY,
        }
    }

    /// The reason in that Close frame.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Pong => "no answer to keep-alive ping",
            Self::Idle => "idle for too long",
            Self::Write => "peer does not read",
            Self::Close => "closing handshake not completed",
        }
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for TimeoutError {}

/// The transport ended before the closing handshake was complete: close code 1006
/// (RFC 6455 §7.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UncleanClose;

impl fmt::Display for UncleanClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("transport ended without a closing handshake (RFC 6455 §7.1.5)")
    }
}

impl core::error::Error for UncleanClose {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<ProtocolError>() <= 24);
        assert!(size_of::<SendError>() <= 24);
        assert_eq!(size_of::<TimeoutError>(), 1);
    }
}
