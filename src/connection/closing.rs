//! How a connection ends (RFC 6455 §7).
//!
//! ```text
//!           close()                      peer's Close
//!   Open ------------> Sent ---------------------------------> Complete (by us)
//!    |  \
//!    |   \ peer's Close               our Close transmitted
//!    |    +-----------> Answering ---------------------------> Complete (by the peer)
//!    |
//!    +--- error, timeout, EOF (from any state but Complete) -> Failed
//! ```

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
    /// was sent.
    pub sent: Option<CloseCode>,
    /// "The WebSocket connection close code": that of the Close frame received, 1005 if it had
    /// none, 1006 if no Close came.
    pub received: CloseCode,
    /// Why the closing handshake did not complete; `None` if it did.
    pub failure: Option<Failure>,
}

impl CloseOutcome {
    /// Whether the closing handshake was completed (RFC 6455 §7.1.4).
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.failure.is_none()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Closing {
    Open,
    /// Our Close is out; the peer may still send data until its own.
    Sent {
        sent: CloseCode,
    },
    /// The peer's Close has come; ours, with the same body, is due.
    Answering {
        received: CloseCode,
    },
    Complete {
        initiator: Initiator,
        sent: CloseCode,
        received: CloseCode,
    },
    /// `due`: a Close frame with the code of the failure has to be sent first. `received` is 1006
    /// unless the peer's Close could not be answered.
    Failed {
        failure: Failure,
        sent: Option<CloseCode>,
        received: CloseCode,
        due: bool,
    },
}

impl Closing {
    /// Ends in failure, unless the end has come already. Says whether it was new.
    pub(super) fn fail(&mut self, failure: Failure) -> bool {
        // A peer that takes nothing is not told: part of a frame may be out, and a Close frame
        // behind it would be taken for the rest of it.
        let can_tell = !matches!(failure, Failure::Lost(_) | Failure::Timeout(TimeoutError::Write));
        let received = CloseCode::ABNORMAL;
        *self = match *self {
            Self::Open => Self::Failed { failure, sent: None, received, due: can_tell },
            Self::Sent { sent } => Self::Failed { failure, sent: Some(sent), received, due: false },
            // The peer has said all it had to say; its Close is answered as it would have been.
            Self::Answering { .. } | Self::Complete { .. } | Self::Failed { .. } => return false,
        };
        true
    }

    /// Ends what is not complete: the peer, or whoever should have written, has had its time.
    pub(super) fn expire(&mut self) {
        self.fail(Failure::Lost(UncleanClose));
        if let Self::Answering { received } = *self {
            let failure = Failure::Lost(UncleanClose);
            *self = Self::Failed { failure, sent: None, received, due: false };
        }
    }

    pub(super) const fn outcome(&self) -> Option<CloseOutcome> {
        match *self {
            Self::Open | Self::Sent { .. } | Self::Answering { .. } => None,
            Self::Complete { initiator, sent, received } => {
                Some(CloseOutcome { initiator, sent: Some(sent), received, failure: None })
            }
            Self::Failed { failure, sent, received, .. } => {
                let initiator = match (failure, sent) {
                    (Failure::Lost(_), None) => Initiator::Peer,
                    _ => Initiator::Local,
                };
                Some(CloseOutcome { initiator, sent, received, failure: Some(failure) })
            }
        }
    }
}
