//! [`OpCode`], the four-bit type of a frame (RFC 6455 §5.2, §11.8).

/// What a frame is for.
///
/// Reserved values (3 to 7 and 11 to 15) are errors, not variants: RFC 6455 §5.2 has the receiver
/// fail the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message in progress (RFC 6455 §5.4).
    Continuation = 0x0,
    /// A text message or its first fragment (RFC 6455 §5.6).
    Text = 0x1,
    /// A binary message or its first fragment (RFC 6455 §5.6).
    Binary = 0x2,
    /// Starts or completes the closing handshake (RFC 6455 §5.5.1).
    Close = 0x8,
    /// Asks for a Pong with the same payload (RFC 6455 §5.5.2).
    Ping = 0x9,
    /// Answers a Ping, or is a one-way heartbeat (RFC 6455 §5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// The opcode with these four bits, or `None` if the value is reserved or wider than four bits.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// The four bits on the wire.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether this is Close, Ping or Pong (RFC 6455 §5.5: the top bit is set).
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}
