//! What the adapters share: their error, and the ends of the opening handshake.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::{CloseOutcome, Failure, NoEntropy};
use crate::endpoint::{Config, Endpoint, Outgoing};
use crate::error::{ProtocolError, SendError, TimeoutError, UncleanClose};
use crate::handshake::{
    Accept, ClientConfig, ClientHandshake, ClientRequest, HandshakeError, Negotiated, ReplyError,
    Request, Response,
};
use crate::message::Unsent;
use crate::random_keys;

/// Why an adapter could not go on. A clean close is not among it.
///
/// Another attempt to connect may help after `Io`, `Timeout`, `Unclean` (a peer that vanished; over
/// TLS that is `Io` with `UnexpectedEof`) and `Refused` with a status of 500 and above.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed.
    Io(io::Error),
    /// The peer broke the opening handshake, or did not complete it in time.
    Handshake(HandshakeError),
    /// The server answered something else than 101: a redirect, a refusal, a page.
    Refused(Box<Response>),
    /// The answer given to a request is not valid; nothing was written.
    Reply(ReplyError),
    /// The peer broke the protocol; it has been sent a Close frame that says so.
    Protocol(ProtocolError),
    /// Nobody answered.
    Timeout(TimeoutError),
    /// The transport ended without a closing handshake: close code 1006.
    Unclean(UncleanClose),
    /// What was to be sent cannot be. The connection goes on, unless it is [`SendError::Closed`].
    Send(SendError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "transport: {error}"),
            Self::Handshake(error) => write!(f, "opening handshake: {error}"),
            Self::Refused(response) => {
                write!(f, "the server answered {} {}", response.status(), response.reason())
            }
            Self::Reply(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::Timeout(error) => error.fmt(f),
            Self::Unclean(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Refused(_) => None,
            Self::Reply(error) => Some(error),
            Self::Protocol(error) => Some(error),
            Self::Timeout(error) => Some(error),
            Self::Unclean(error) => Some(error),
            Self::Send(error) => Some(error),
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from!(Io(io::Error), Handshake(HandshakeError), Reply(ReplyError), Protocol(ProtocolError));
from!(Timeout(TimeoutError), Unclean(UncleanClose), Send(SendError));

impl From<Unsent> for Error {
    fn from(unsent: Unsent) -> Self {
        Self::Send(unsent.error)
    }
}

/// What a connection that has ended means to who asked for the next message.
pub(crate) fn ended(outgoing: &Outgoing) -> Result<(), Error> {
    match outgoing.connection.outcome() {
        Some(CloseOutcome { failure: Some(failure), .. }) => Err(match failure {
            Failure::Protocol(error) => error.into(),
            Failure::Timeout(error) => error.into(),
            Failure::Lost(error) => error.into(),
        }),
        Some(CloseOutcome { failure: None, .. }) | None => Ok(()),
    }
}

/// Whether all that was queued is written, where nothing is queued any more: an error if it was lost,
/// or the connection has failed.
pub(crate) fn flushed(outgoing: &Outgoing) -> Result<(), Error> {
    ended(outgoing)?;
    // Somebody else was told why.
    if outgoing.has_lost_output() { Err(SendError::Closed.into()) } else { Ok(()) }
}

/// A count from a reader is not believed when it is more than was asked for.
pub(crate) fn check_read(count: usize, room: usize) -> io::Result<usize> {
    if count <= room {
        return Ok(count);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "reader returned more than the buffer holds"))
}

/// Hands output to `write` as the slices of one vectored write: 16 at most, for one and for two of
/// them without room for more.
#[inline]
pub(crate) fn with_slices<'c, T>(
    mut chunks: impl Iterator<Item = &'c [u8]>,
    write: impl FnOnce(&[IoSlice<'_>]) -> T,
) -> T {
    let mut next = || chunks.next().map(IoSlice::new);
    match (next(), next(), next()) {
        (None, ..) => write(&[]),
        (Some(one), None, _) => write(&[one]),
        (Some(one), Some(two), None) => write(&[one, two]),
        (Some(one), Some(two), Some(three)) => {
            let mut slices = [IoSlice::new(&[]); 16];
            (slices[0], slices[1], slices[2]) = (one, two, three);
            let mut count = 3;
            for (slice, chunk) in slices[3..].iter_mut().zip(chunks) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            write(&slices[..count])
        }
    }
}

/// The terms on which a request is accepted: those of the application, and compression where the
/// settings ask for it and the application has not decided.
pub(crate) fn terms<'t, 'a>(
    reply: &'t Accept<'a>,
    request: &Request,
    config: &Config,
) -> Cow<'t, Accept<'a>> {
    #[cfg(feature = "deflate")]
    if let Some(deflate) = &config.deflate
        && !reply.has_deflate()
    {
        return Cow::Owned(reply.clone().deflate(request.deflate(deflate)));
    }
    let _ = (request, config);
    Cow::Borrowed(reply)
}

/// A server's end of a connection whose 101 has been written; `rest` came behind the request.
pub(crate) fn accepted(rest: &[u8], config: &Config, negotiated: &Negotiated) -> Endpoint {
    let mut endpoint = Endpoint::server(config, negotiated);
    endpoint.push_input(rest);
    endpoint
}

/// The request and the handshake that waits for the response to it, with a nonce of its own.
/// Offers compression where the settings ask for it and the application has made no offer.
pub(crate) fn begin(
    request: &ClientRequest,
    handshake: ClientConfig,
    config: &Config,
) -> Result<(ClientHandshake, Vec<u8>), Error> {
    let mut nonce = [0; 16];
    random_keys(&mut nonce).map_err(|NoEntropy| SendError::NoEntropy)?;
    let mut out = Vec::new();
    #[cfg(feature = "deflate")]
    if let Some(deflate) = &config.deflate
        && !request.has_deflate()
    {
        let request = request.clone().deflate(deflate);
        return Ok((ClientHandshake::start_with(&request, nonce, handshake, &mut out), out));
    }
    let _ = config;
    Ok((ClientHandshake::start_with(request, nonce, handshake, &mut out), out))
}

/// A client's end of the connection, if the response opens one; `rest` came behind it.
pub(crate) fn connected(
    response: Response,
    rest: &[u8],
    config: &Config,
) -> Result<(Endpoint, Response), Error> {
    if !response.is_switching() {
        return Err(Error::Refused(Box::new(response)));
    }
    let agreed = response.negotiated().cloned().unwrap_or_default();
    let mut endpoint = Endpoint::client(config, &agreed);
    endpoint.push_input(rest);
    Ok((endpoint, response))
}

/// Locks whether or not somebody has panicked meanwhile: what runs under the locks of the adapters
/// leaves nothing half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
