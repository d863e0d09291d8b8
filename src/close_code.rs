//! [`CloseCode`] (RFC 6455 §7.4).

use core::fmt;

/// Why a connection closes (RFC 6455 §7.4, IANA "WebSocket Close Code Number Registry").
///
/// A newtype and not an enum: codes that this crate does not know survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server shuts down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of data that the endpoint does not take.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame that came had no code. Never on the wire (RFC 6455 §7.1.5).
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire (RFC 6455 §7.1.5).
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that is not what its type says, such as bad UTF-8 in a text message.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy of the endpoint was broken.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client needs an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition; either end may send it (erratum 3227).
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from its upstream server.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire (RFC 6455 §7.4.1).
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Whether the code may stand in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    ///
    /// RFC 6455 §7.4 leaves open what to do with codes that nobody has assigned (1016 to 2999);
    /// this crate takes them for protocol errors, as the Autobahn suite asks for.
    #[must_use]
    pub const fn is_allowed_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
