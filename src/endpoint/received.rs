//! What a poll comes to: [`Status`], and [`Received`], a message and where its answer goes.

use super::outgoing::Outgoing;
use crate::assembler::Shared;
use crate::close_code::CloseCode;
use crate::error::SendError;
use crate::message::{Message, Outbound, OwnedMessage, Unsent};

/// What [`Endpoint::poll`](super::Endpoint::poll) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is a message: [`Endpoint::received`](super::Endpoint::received) lends it,
    /// [`Endpoint::take_message`](super::Endpoint::take_message) gives it.
    Message,
    /// Everything read is used up; read more.
    NeedRead,
    /// No message will come any more: the peer's Close has come, or the connection has ended.
    Closed,
}

/// A message lent together with the outgoing half, so that it can be answered while it is
/// borrowed.
///
/// The two are disjoint; take them apart: `let Received { message, mut out } = received;`.
#[derive(Debug)]
pub struct Received<'m> {
    /// The message, in the read buffer or in the buffer that it was put together in.
    pub message: Message<'m>,
    /// Where answers go.
    pub out: Out<'m>,
}

impl<'m> Received<'m> {
    /// Copies the message, so that it can be kept.
    #[must_use]
    pub fn into_owned(self) -> OwnedMessage {
        self.message.into_owned()
    }
}

/// The outgoing half of an [`Endpoint`](super::Endpoint): queues, never writes.
#[derive(Debug)]
pub struct Out<'m> {
    outgoing: &'m mut Outgoing,
    /// The buffer of the message, if it can be sent back without a copy.
    shared: Option<&'m Shared>,
}

impl<'m> Out<'m> {
    pub(crate) fn new(outgoing: &'m mut Outgoing, shared: Option<&'m Shared>) -> Self {
        Self { outgoing, shared }
    }

    /// Queues a message; its payload is copied once, into the output.
    ///
    /// But of the message that was received, if it was put together of several reads or fragments,
    /// 4 KiB or more that a server sends without compression are not copied if they are half of
    /// what its buffer holds: that is shared with the queue until they have been written.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::send`](super::Endpoint::send).
    #[inline(always)]
    pub fn feed<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), SendError> {
        match self.shared {
            None => self.outgoing.send(message.into()),
            Some(shared) => self.outgoing.send_shared(message.into(), shared),
        }
    }

    /// Queues a message that is given away; a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::send_owned`](super::Endpoint::send_owned).
    pub fn feed_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Unsent> {
        self.outgoing.send_given(message.into())
    }

    /// Queues a Ping (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::ping`](super::Endpoint::ping).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Queues a Close frame: starts the closing handshake (RFC 6455 §7.1.2).
    ///
    /// # Errors
    ///
    /// As [`Endpoint::close`](super::Endpoint::close).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.outgoing.close(code, reason)
    }
}
