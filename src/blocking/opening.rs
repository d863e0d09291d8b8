//! The opening handshake over a blocking stream, as server and as client.

use alloc::vec::Vec;
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::time::Instant;

use super::waits::{SHORTEST, would_block};
use super::{Error, Transport, WebSocket};
use crate::adapter::{accepted, begin, check_read, connected, terms};
use crate::buffers::HeadBuffer;
use crate::endpoint;
use crate::error::TimeoutError;
use crate::handshake::{
    Accept, ClientConfig, ClientRequest, Negotiated, Reply, Request, Response, ServerConfig,
    ServerHandshake,
};
use crate::input::Input;

/// How long a refused client may take to end the stream, so that it gets the answer.
const LINGER: Duration = Duration::from_secs(1);

fn left_until(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()))
}

/// Reads before `deadline`; `None` once it has passed. Streams without timeouts wait for ever.
fn read_before<S: Transport>(
    io: &mut S,
    buffer: &mut [u8],
    deadline: Option<Instant>,
) -> io::Result<Option<usize>> {
    loop {
        let left = left_until(deadline);
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        let can_wait = io.set_read_timeout(left.map(|left| left.max(SHORTEST)))?;
        match io.read(buffer) {
            Ok(count) => return Ok(Some(check_read(count, buffer.len())?)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if can_wait && would_block(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes all of `out` and flushes, before `deadline`; what need not wait is done however late it
/// is.
fn write_before<S: Transport>(
    io: &mut S,
    mut out: &[u8],
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let (mut set, mut can_wait) = (None, false);
    loop {
        // In whole milliseconds, so that a flush behind a write need not set it again.
        let timeout = left_until(deadline).map(|left| {
            let whole = Duration::new(left.as_secs(), left.subsec_millis() * 1_000_000);
            whole.max(SHORTEST)
        });
        if set != Some(timeout) {
            can_wait = io.set_write_timeout(timeout)?;
            set = Some(timeout);
        }
        let step = if out.is_empty() { io.flush().map(|()| 0) } else { io.write(out) };
        match step {
            Ok(_) if out.is_empty() => return Ok(()),
            Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
            Ok(count) if count >= out.len() => {
                out = &[];
                continue;
            }
            Ok(count) => out = &out[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if can_wait && would_block(&error) => {}
            Err(error) => return Err(error.into()),
        }
        if left_until(deadline).is_some_and(|left| left.is_zero()) {
            return Err(TimeoutError::Write.into());
        }
    }
}

/// Reads a request and hands it out; [`Accepting`] says yes or no, at any later time.
///
/// A request that asks for no WebSocket connection is handed out too, so that one port can serve
/// pages and sockets. The stream has to block until this returns.
///
/// Over a [`Plain`](super::Plain) stream the handshake timeout is not kept. Give the socket below a
/// read timeout: a client that is silent for so long is [`Error::Io`] then, with `WouldBlock`, or
/// `TimedOut` on Windows.
///
/// # Errors
///
/// [`Error::Handshake`] if the request was malformed, refused by the configuration or too slow;
/// the client has got the HTTP answer. [`Error::Io`].
pub fn accept<S: Transport>(mut io: S, config: ServerConfig) -> Result<Accepting<S>, Error> {
    let mut handshake = ServerHandshake::new(config);
    let deadline = Instant::now().checked_add(handshake.timeout());
    let mut buffer = HeadBuffer::lend();
    let error = loop {
        let step = match read_before(&mut io, &mut buffer, deadline)? {
            None => handshake.handle_timeout().map(|()| None),
            Some(0) => handshake.receive_eof().map(|()| None),
            Some(count) => {
                let mut input = Input::new(&mut buffer[..count]);
                let request = handshake.receive(&mut input);
                request.map(|it| it.map(|request| (request, input.as_bytes().to_vec())))
            }
        };
        match step {
            Ok(Some((request, rest))) => return Ok(Accepting { io, handshake, request, rest }),
            Ok(None) => {}
            Err(error) => break error,
        }
    };
    let mut out = Vec::new();
    handshake.fail(&mut out);
    // What the client did is worth more than that it did not listen to the answer.
    let _ = write_last(&mut io, &out, handshake.timeout());
    Err(error.into())
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Accepting<S> {
    io: S,
    handshake: ServerHandshake,
    request: Request,
    rest: Vec<u8>,
}

impl<S: Transport> Accepting<S> {
    /// What the client asks for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Opens the WebSocket connection.
    ///
    /// # Errors
    ///
    /// [`Error::Reply`] if the request asks for none, or the terms are not valid; the client is
    /// answered 426 or 500. [`Error::Timeout`] as for [`reject`](Self::reject). [`Error::Io`].
    pub fn accept(
        mut self,
        reply: &Accept<'_>,
        config: &endpoint::Config,
    ) -> Result<(WebSocket<S>, Negotiated), Error> {
        let mut out = Vec::new();
        let reply = terms(reply, &self.request, config);
        match self.handshake.accept(&self.request, &reply, &mut out) {
            Ok(negotiated) => {
                let deadline = Instant::now().checked_add(self.handshake.timeout());
                write_before(&mut self.io, &out, deadline)?;
                let endpoint = accepted(&self.rest, config, &negotiated);
                Ok((WebSocket::new(self.io, endpoint)?, negotiated))
            }
            Err(error) => {
                // The mistake is worth more than that the client did not listen to the answer.
                let _ = self.reject(&Reply::new(error.status()));
                Err(error.into())
            }
        }
    }

    /// Answers anything else, a page or a refusal, and closes.
    ///
    /// # Errors
    ///
    /// [`Error::Reply`] if the answer is not valid; nothing is written then. [`Error::Timeout`] if
    /// the client does not take it within the handshake timeout. [`Error::Io`].
    pub fn reject(mut self, reply: &Reply<'_>) -> Result<(), Error> {
        let mut out = Vec::new();
        self.handshake.reject(reply, &mut out)?;
        write_last(&mut self.io, &out, self.handshake.timeout())
    }

    /// Takes it apart for another HTTP library: the stream, the request, and the bytes that were
    /// read behind its head.
    #[must_use]
    pub fn into_parts(mut self) -> (S, Request, Vec<u8>) {
        // The timeouts of the handshake are not for who comes next.
        let _ = self.io.set_read_timeout(None);
        let _ = self.io.set_write_timeout(None);
        (self.io, self.request, self.rest)
    }
}

/// Writes the answer after which the connection ends, and lets the client read it.
fn write_last<S: Transport>(io: &mut S, out: &[u8], time: Duration) -> Result<(), Error> {
    write_before(io, out, Instant::now().checked_add(time))?;
    // A stream that is gone already need not be ended.
    let _ = io.shutdown_write();
    let deadline = Instant::now().checked_add(LINGER);
    if io.set_read_timeout(Some(LINGER))? {
        while let Ok(Some(1..)) = read_before(io, &mut [0; 1024], deadline) {}
    }
    Ok(())
}

/// Opens a WebSocket connection over a stream that leads to the host of `request`.
///
/// The scheme is not looked at: of a `wss` URL the stream has to be the TLS stream, or the request
/// goes out in clear, credentials and all.
///
/// The masking keys and the nonce come from the operating system. The stream has to block until
/// this returns. Over a [`Plain`](super::Plain) stream the handshake timeout is not kept, as by
/// [`accept`].
///
/// Redirects are not followed. Who wants that bounds how many there may be, and decides what goes
/// to another origin:
///
/// ```no_run
/// use std::net::TcpStream;
/// use websocket_proto::blocking::{Error, WebSocket, connect};
/// use websocket_proto::endpoint::Config;
/// use websocket_proto::handshake::{ClientConfig, ClientRequest, Url};
///
/// fn open(first: &Url) -> Result<WebSocket<TcpStream>, Box<dyn std::error::Error>> {
///     let mut url = first.clone();
///     for _ in 0..5 {
///         if url.is_secure() {
///             return Err("needs a TLS stream below".into());
///         }
///         let mut request = ClientRequest::from(url.clone());
///         if url.authority() == first.authority() {
///             request = request.header("Authorization", "Bearer 42")?; // for nobody else
///         }
///         let stream = TcpStream::connect((url.host(), url.port()))?;
///         match connect(stream, &request, ClientConfig::default(), &Config::default()) {
///             Err(Error::Refused(response))
///                 if matches!(response.status(), 301 | 302 | 303 | 307 | 308) =>
///             {
///                 url = url.join(response.header("Location").ok_or("redirect to nowhere")?)?;
///             }
///             opened => return Ok(opened?.0),
///         }
///     }
///     Err("too many redirects".into())
/// }
/// ```
///
/// # Errors
///
/// [`Error::Refused`] with the response if the server answers anything but 101, also if the stream
/// fails in its body: follow a redirect or log in, and connect again. [`Error::Handshake`] if its
/// answer breaks the protocol or does not come in time, [`Error::Timeout`] if it does not take the
/// request. [`Error::Io`]. [`Error::Send`] if there is no randomness.
pub fn connect<S: Transport>(
    mut io: S,
    request: &ClientRequest,
    handshake: ClientConfig,
    config: &endpoint::Config,
) -> Result<(WebSocket<S>, Response), Error> {
    let (mut handshake, out) = begin(request, handshake, config)?;
    let deadline = Instant::now().checked_add(handshake.timeout());
    write_before(&mut io, &out, deadline)?;
    let mut buffer = HeadBuffer::lend();
    let (response, rest) = loop {
        let step = match read_before(&mut io, &mut buffer, deadline) {
            Err(error) => (Some(handshake.handle_read_error().ok_or(error)?), Vec::new()),
            Ok(None) => (handshake.handle_timeout()?, Vec::new()),
            Ok(Some(0)) => (handshake.receive_eof()?, Vec::new()),
            Ok(Some(count)) => {
                let mut input = Input::new(&mut buffer[..count]);
                (handshake.receive(&mut input)?, input.as_bytes().to_vec())
            }
        };
        if let (Some(response), rest) = step {
            break (response, rest);
        }
    };
    let (endpoint, response) = connected(response, &rest, config)?;
    Ok((WebSocket::new(io, endpoint)?, response))
}
