//! What can go wrong in an opening handshake, by the party at fault.
//!
//! [`HandshakeError`] is the peer's fault. [`UrlError`], [`RequestError`], [`OriginError`] and
//! [`ReplyError`] are the caller's, and are found before a byte is written.

use core::error::Error;
use core::fmt;

#[cfg(feature = "deflate")]
use crate::deflate::NegotiationError;

/// A fault of the peer in its opening handshake. It is final: every later call returns it again.
///
/// Field names inside variants are spelled as in RFC 6455 and RFC 9110.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first byte cannot begin an HTTP message: an empty line, a TLS record, a frame.
    NotHttp,
    /// The request line or the status line is not what HTTP/1.1 prescribes.
    MalformedStartLine,
    /// A field line is malformed: a name that is no token, a space before the colon, a folded
    /// line in a request, a control character in a value.
    MalformedHeader,
    /// A line does not end in CR LF where it should.
    MalformedLineEnd,
    /// The request line alone is longer than the limit for the whole head.
    RequestLineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head is longer than the limit.
    HeadTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head has more field lines than the limit.
    TooManyHeaders {
        /// The limit, in field lines.
        limit: usize,
    },
    /// The message claims another version of HTTP than 1.0 and 1.1, or switches in 1.0.
    UnsupportedHttpVersion,
    /// The request target is no resource name and no http or https URI.
    InvalidTarget,
    /// The peer closed the transport inside the head.
    UnexpectedEof,
    /// The peer did not complete its head in time.
    TimedOut,
    /// A required field is missing.
    MissingField(&'static str),
    /// A field that may appear once appears more often.
    RepeatedField(&'static str),
    /// A field has a value outside its grammar.
    InvalidField(&'static str),
    /// An upgrade was asked for with another method than GET.
    UpgradeNotGet,
    /// The Connection field lacks the option `upgrade`.
    MissingConnectionUpgrade,
    /// An upgrade request or a 101 response announces a body.
    BodyOnUpgrade,
    /// The client asks for another version of the protocol than 13.
    UnsupportedVersion,
    /// The request comes from an origin that the server's policy does not allow.
    OriginNotAllowed,
    /// The response switches to another protocol than `websocket`.
    UpgradeNotWebSocket,
    /// The Sec-WebSocket-Accept of the response does not belong to the key that was sent.
    AcceptMismatch,
    /// The response names a subprotocol that was not offered.
    SubprotocolNotOffered,
    /// The response names no subprotocol, and the caller insisted on one.
    SubprotocolMissing,
    /// The response names an extension that was not offered.
    ExtensionNotOffered,
    /// The response accepts permessage-deflate in a way that it may not.
    #[cfg(feature = "deflate")]
    Deflate(NegotiationError),
}

impl HandshakeError {
    /// The HTTP status with which a server answers this fault.
    ///
    /// Faults that only a response can have give 502: that is what a gateway would answer to *its*
    /// client.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NotHttp
            | Self::MalformedStartLine
            | Self::MalformedHeader
            | Self::MalformedLineEnd
            | Self::InvalidTarget
            | Self::UnexpectedEof
            | Self::MissingField(_)
            | Self::RepeatedField(_)
            | Self::InvalidField(_)
            | Self::MissingConnectionUpgrade
            | Self::BodyOnUpgrade => 400,
            Self::OriginNotAllowed => 403,
            Self::UpgradeNotGet => 405,
            Self::TimedOut => 408,
            Self::RequestLineTooLong { .. } => 414,
            // RFC 6455 §4.2.2 suggests 426; the 400 in the example of §4.4 is older.
            Self::UnsupportedVersion => 426,
            Self::HeadTooLong { .. } | Self::TooManyHeaders { .. } => 431,
            Self::UnsupportedHttpVersion => 505,
            Self::UpgradeNotWebSocket
            | Self::AcceptMismatch
            | Self::SubprotocolNotOffered
            | Self::SubprotocolMissing
            | Self::ExtensionNotOffered => 502,
            #[cfg(feature = "deflate")]
            Self::Deflate(_) => 502,
        }
    }
}

/// The section that defines a field, for messages.
fn section(field: &str) -> &'static str {
    match field {
        "Host" => "RFC 9112 §3.2",
        "Origin" => "RFC 6454 §7",
        "Sec-WebSocket-Extensions" => "RFC 6455 §9.1",
        "Upgrade" => "RFC 6455 §4.1",
        _ => "RFC 6455 §4.3",
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NotHttp => "first byte begins no HTTP message (RFC 9112 §2.1)",
            Self::MalformedStartLine => "malformed start line (RFC 9112 §2.1)",
            Self::MalformedHeader => "malformed header field (RFC 9112 §5)",
            Self::MalformedLineEnd => "line does not end in CR LF (RFC 9112 §2.2)",
            Self::RequestLineTooLong { limit } => {
                return write!(f, "request line longer than {limit} bytes (RFC 9112 §3)");
            }
            Self::HeadTooLong { limit } => {
                return write!(f, "head longer than {limit} bytes (RFC 6585 §5)");
            }
            Self::TooManyHeaders { limit } => {
                return write!(f, "more than {limit} header fields (RFC 6585 §5)");
            }
            Self::UnsupportedHttpVersion => "unsupported HTTP version (RFC 6455 §4.1)",
            Self::InvalidTarget => "invalid request target (RFC 6455 §4.2.1)",
            Self::UnexpectedEof => "connection closed inside the head (RFC 9112 §8)",
            Self::TimedOut => "opening handshake timed out (RFC 9110 §15.5.9)",
            Self::MissingField(name) => return write!(f, "missing {name} ({})", section(name)),
            Self::RepeatedField(name) => return write!(f, "repeated {name} ({})", section(name)),
            Self::InvalidField(name) => return write!(f, "invalid {name} ({})", section(name)),
            Self::UpgradeNotGet => "upgrade request is not a GET (RFC 6455 §4.2.1)",
            Self::MissingConnectionUpgrade => "connection lacks upgrade option (RFC 6455 §4.2.1)",
            Self::BodyOnUpgrade => "upgrade with a body (RFC 9112 §6.3)",
            Self::UnsupportedVersion => "unsupported WebSocket version (RFC 6455 §4.4)",
            Self::OriginNotAllowed => "origin not allowed (RFC 6455 §10.2)",
            Self::UpgradeNotWebSocket => "switched to another protocol (RFC 6455 §4.1)",
            Self::AcceptMismatch => "accept value does not match the key (RFC 6455 §4.1)",
            Self::SubprotocolNotOffered => "subprotocol was not offered (RFC 6455 §4.1)",
            Self::SubprotocolMissing => "no subprotocol was chosen (RFC 6455 §4.1)",
            Self::ExtensionNotOffered => "extension was not offered (RFC 6455 §4.1)",
            #[cfg(feature = "deflate")]
            Self::Deflate(error) => return error.fmt(f),
        };
        f.write_str(text)
    }
}

impl Error for HandshakeError {}

#[cfg(feature = "deflate")]
impl From<NegotiationError> for HandshakeError {
    fn from(error: NegotiationError) -> Self {
        match error {
            // It has a name already, with or without the feature.
            NegotiationError::UnexpectedExtension => Self::ExtensionNotOffered,
            NegotiationError::Malformed
            | NegotiationError::RepeatedExtension
            | NegotiationError::UnknownParameter
            | NegotiationError::RepeatedParameter(_)
            | NegotiationError::InvalidParameter(_)
            | NegotiationError::UnsatisfiedOffer => Self::Deflate(error),
        }
    }
}

/// Why a text is no usable WebSocket URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The text does not begin with `ws://`, `wss://`, `http://` or `https://`.
    UnsupportedScheme,
    /// There is a user name or a password before the host.
    UserInfo,
    /// There is no host.
    EmptyHost,
    /// The host has characters outside ASCII: convert it to ASCII (IDNA) first.
    NonAsciiHost,
    /// The host is neither a registered name nor an IP address.
    InvalidHost,
    /// The port is no number from 0 to 65535.
    InvalidPort,
    /// There is a fragment, even an empty one.
    Fragment,
    /// There is a control character.
    ControlCharacter,
    /// A percent sign is not followed by two hexadecimal digits.
    InvalidPercentEncoding,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsupportedScheme => "URL scheme is not ws or wss (RFC 6455 §3)",
            Self::UserInfo => "URL has user information (RFC 6455 §3)",
            Self::EmptyHost => "URL has no host (RFC 6455 §3)",
            Self::NonAsciiHost => {
                "host is not ASCII, convert it to ASCII (IDNA) first (RFC 6455 §11.1.1)"
            }
            Self::InvalidHost => "invalid host (RFC 3986 §3.2.2)",
            Self::InvalidPort => "invalid port (RFC 3986 §3.2.3)",
            Self::Fragment => "URL has a fragment (RFC 6455 §3)",
            Self::ControlCharacter => "URL has a control character (RFC 3986 §2)",
            Self::InvalidPercentEncoding => "invalid percent-encoding (RFC 3986 §2.1)",
        })
    }
}

impl Error for UrlError {}

/// Why a header field of the caller was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is no token.
    InvalidName,
    /// The value has a control character (CR, LF and NUL among them), or begins or ends in white
    /// space.
    InvalidValue,
    /// The field belongs to the handshake, which writes it itself.
    Reserved,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "header name is not a token (RFC 9110 §5.1)",
            Self::InvalidValue => "invalid header value (RFC 9110 §5.5)",
            Self::Reserved => "header field is written by the handshake (RFC 6455 §4)",
        })
    }
}

impl Error for HeaderError {}

/// Why a client's request cannot be built as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// A header field was refused.
    Header(HeaderError),
    /// A subprotocol is no token.
    InvalidSubprotocol,
    /// A subprotocol is offered twice.
    RepeatedSubprotocol,
    /// The origin is not the ASCII serialization of an origin.
    InvalidOrigin,
    /// There already is an Origin.
    RepeatedOrigin,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(error) => error.fmt(f),
            Self::InvalidSubprotocol => f.write_str("subprotocol is not a token (RFC 6455 §4.1)"),
            Self::RepeatedSubprotocol => f.write_str("subprotocol offered twice (RFC 6455 §4.1)"),
            Self::InvalidOrigin => f.write_str("invalid origin (RFC 6454 §6.2)"),
            Self::RepeatedOrigin => f.write_str("second origin (RFC 6454 §7.3)"),
        }
    }
}

impl Error for RequestError {}

impl From<HeaderError> for RequestError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// An entry of an origin list is not the ASCII serialization of an origin.
///
/// The commonest cause is a slash at the end: an origin is scheme, host and port, without a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid origin (RFC 6454 §6.2)")
    }
}

impl Error for OriginError {}

/// Why a server's answer cannot be given as asked. Nothing was written, and another answer can
/// still be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// No request awaits an answer: its head is incomplete, or it has been answered.
    NothingToAnswer,
    /// The request does not ask for a WebSocket connection, so there is nothing to accept.
    NotAnUpgrade,
    /// The chosen subprotocol is not among those that the client offered.
    SubprotocolNotOffered,
    /// The parameters of permessage-deflate accept none of the client's offers.
    #[cfg(feature = "deflate")]
    DeflateNotOffered,
    /// The status is not from 200 to 999: 101 is written by `accept`, and the rest is interim.
    InvalidStatus(u16),
    /// A header field was refused.
    Header(HeaderError),
}

impl ReplyError {
    /// The HTTP status with which a server answers a client whose request it could not accept: 426
    /// to one that did not ask for a WebSocket connection (RFC 9110 §15.5.22), otherwise 500.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NotAnUpgrade => 426,
            Self::NothingToAnswer
            | Self::SubprotocolNotOffered
            | Self::InvalidStatus(_)
            | Self::Header(_) => 500,
            #[cfg(feature = "deflate")]
            Self::DeflateNotOffered => 500,
        }
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToAnswer => f.write_str("no request awaits an answer (RFC 6455 §4.2.2)"),
            Self::NotAnUpgrade => f.write_str("request asks for no WebSocket (RFC 6455 §4.2.1)"),
            Self::SubprotocolNotOffered => {
                f.write_str("subprotocol was not offered (RFC 6455 §4.2.2)")
            }
            #[cfg(feature = "deflate")]
            Self::DeflateNotOffered => {
                f.write_str("permessage-deflate was not offered like this (RFC 7692 §5)")
            }
            Self::InvalidStatus(status) => {
                write!(f, "status {status} is no final answer (RFC 9110 §15)")
            }
            Self::Header(error) => error.fmt(f),
        }
    }
}

impl Error for ReplyError {}

impl From<HeaderError> for ReplyError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<HandshakeError>() <= 24);
        assert!(size_of::<ReplyError>() <= 24);
        assert!(size_of::<RequestError>() <= 24);
        assert!(size_of::<UrlError>() <= 24);
    }
}
