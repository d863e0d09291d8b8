//! How a connection ends (RFC 6455 §7).
//!
//! ```text
//!           close()                      peer's Close
//!   Open ------------> Sent ---------------------------------> Complete (by us)
//!    |  \
//!    |   \ peer's Close               our Close transmitted
//!    |    +-----------> Answering ---------------------------> Complete (by the peer)
//!    |
//!    |                   |
//!    |                   +--- its time is over --------------> Unanswered
//!    +--- error, timeout, EOF (also from Sent) --------------> Failed
//! ```

use super::control::ControlPayload;
use crate::close_code::CloseCode;
use crate::error::{ProtocolError, TimeoutError, UncleanClose};

/// Which end began to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// This end: the application closed, or the connection was failed here.
    Local,
    /// The peer: by its Close frame, or by ending the transport.
    Peer,
}

/// Why a connection ended without a complete closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// Nobody answered.
    Timeout(TimeoutError),
    /// The transport ended.
    Lost(UncleanClose),
}

/// How a connection ended (RFC 6455 §7.1.4 to §7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseOutcome {
    /// Who began.
    pub initiator: Initiator,
    /// The code of the Close frame that this end sent: 1005 if it had none, `None` if no Close
    /// was sent, or an [`Endpoint`](crate::Endpoint) knows that it was not written completely.
    pub sent: Option<CloseCode>,
    /// "The WebSocket connection close code": that of the Close frame received, 1005 if it had
    /// none, 1006 if no Close came.
    pub received: CloseCode,
    /// Why the connection failed; `None` if the peer's Close came and this end had time to answer.
    pub failure: Option<Failure>,
}

impl CloseOutcome {
    /// Whether the closing handshake was completed: a Close went each way (RFC 6455 §7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failure.is_none() && self.sent.is_some()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Closing {
    Open(Replies),
    /// Our Close is out; the peer may still send data until its own.
    Sent {
        sent: Option<CloseCode>,
    },
    /// The peer's Close has come; ours, with the same body, is due.
    Answering {
        received: CloseCode,
        body: ControlPayload,
    },
    Complete {
        initiator: Initiator,
        sent: Option<CloseCode>,
        received: CloseCode,
        body: ControlPayload,
    },
    /// The peer's Close has come; ours could not be sent in time.
    Unanswered {
        initiator: Initiator,
        received: CloseCode,
        body: ControlPayload,
    },
    /// `due`: a Close frame with the code of the failure has to be sent first. `told`: it was.
    Failed {
        initiator: Initiator,
        failure: Failure,
        sent: Option<CloseCode>,
        due: bool,
        told: bool,
    },
}

/// What the connection has to send by itself while it is open: nothing of it follows a Close.
#[derive(Clone, Debug)]
pub(super) struct Replies {
    /// The payload of the Pong that is due: to the latest Ping (RFC 6455 §5.5.3: the latest is
    /// enough).
    pub(super) pong: Option<ControlPayload>,
    /// Whether a keep-alive Ping is due.
    pub(super) ping: bool,
}

impl Replies {
    pub(super) const NONE: Self = Self { pong: None, ping: false };

    #[inline]
    pub(super) const fn are_due(&self) -> bool {
        self.pong.is_some() || self.ping
    }
}

impl Closing {
    /// Ends in failure, unless the end has come already. Says whether it was new.
    ///
    /// Of two errors of the peer the second that is found is the first that was made, if no Close
    /// frame has told of the other yet: who finds it is above, and so behind.
    pub(super) fn fail(&mut self, failure: Failure) -> bool {
        // A peer that takes nothing is not told: part of a frame may be out, and a Close frame
        // behind it would be taken for the rest of it.
        let can_tell = !matches!(failure, Failure::Lost(_) | Failure::Timeout(TimeoutError::Write));
        *self = match *self {
            Self::Open(_) => {
                let initiator = match failure {
                    Failure::Lost(_) => Initiator::Peer,
                    Failure::Protocol(_) | Failure::Timeout(_) => Initiator::Local,
                };
                Self::Failed { initiator, failure, sent: None, due: can_tell, told: false }
            }
            Self::Sent { sent } => {
                let initiator = Initiator::Local;
                Self::Failed { initiator, failure, sent, due: false, told: false }
            }
            Self::Failed { initiator, failure: Failure::Protocol(_), sent, due, told: false }
                if matches!(failure, Failure::Protocol(_)) =>
            {
                Self::Failed { initiator, failure, sent, due, told: false }
            }
            // The peer has said all it had to say; its Close is answered as it would have been.
            Self::Answering { .. }
            | Self::Complete { .. }
            | Self::Unanswered { .. }
            | Self::Failed { .. } => return false,
        };
        true
    }

    /// Takes the peer's Close (RFC 6455 §5.5.1): the answer echoes the code; the reason comes with
    /// it.
    pub(super) fn receive(&mut self, received: CloseCode, body: ControlPayload) {
        *self = match *self {
            Self::Open(_) => Self::Answering { received, body },
            Self::Sent { sent } => {
                Self::Complete { initiator: Initiator::Local, sent, received, body }
            }
            Self::Answering { .. }
            | Self::Complete { .. }
            | Self::Unanswered { .. }
            | Self::Failed { .. } => return,
        };
    }

    /// Ends what is not complete: the peer, or whoever should have written, has had its time.
    pub(super) fn expire(&mut self) {
        match *self {
            // Closed by nobody: the transport takes nothing any more.
            Self::Open(_) => {
                self.fail(Failure::Lost(UncleanClose));
            }
            Self::Sent { .. } => {
                self.fail(Failure::Timeout(TimeoutError::Close));
            }
            Self::Answering { received, body } => {
                *self = Self::Unanswered { initiator: Initiator::Peer, received, body };
            }
            Self::Complete { initiator, sent: None, received, body } => {
                *self = Self::Unanswered { initiator, received, body };
            }
            Self::Complete { .. } | Self::Unanswered { .. } | Self::Failed { .. } => {}
        }
    }

    /// Our Close, if there was one, was not written after all.
    #[cfg(feature = "alloc")]
    pub(super) fn lose(&mut self) {
        match self {
            Self::Sent { sent } | Self::Complete { sent, .. } | Self::Failed { sent, .. } => {
                *sent = None;
            }
            Self::Open(_) | Self::Answering { .. } | Self::Unanswered { .. } => {}
        }
    }

    /// The body of the peer's Close, once that has come.
    pub(super) const fn body(&self) -> Option<&ControlPayload> {
        match self {
            Self::Answering { body, .. }
            | Self::Complete { body, .. }
            | Self::Unanswered { body, .. } => Some(body),
            Self::Open(_) | Self::Sent { .. } | Self::Failed { .. } => None,
        }
    }

    pub(super) const fn outcome(&self) -> Option<CloseOutcome> {
        match *self {
            Self::Open(_) | Self::Sent { .. } | Self::Answering { .. } => None,
            Self::Complete { initiator, sent, received, .. } => {
                Some(CloseOutcome { initiator, sent, received, failure: None })
            }
            Self::Unanswered { initiator, received, .. } => Some(CloseOutcome {
                initiator,
                sent: None,
                received,
                failure: Some(Failure::Timeout(TimeoutError::Close)),
            }),
            Self::Failed { initiator, failure, sent, .. } => {
                let received = CloseCode::ABNORMAL;
                Some(CloseOutcome { initiator, sent, received, failure: Some(failure) })
            }
        }
    }
}
