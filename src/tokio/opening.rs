//! The opening handshake over a tokio stream, as server and as client.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Poll, ready};
use core::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::{Error, WebSocket};
use crate::adapter::{accepted, begin, check_read, connected, terms};
use crate::buffers::HeadBuffer;
use crate::endpoint;
use crate::error::TimeoutError;
use crate::handshake::{
    Accept, ClientConfig, ClientHandshake, ClientRequest, HandshakeError, Negotiated, Reply,
    Request, Response, ServerConfig, ServerHandshake,
};
use crate::input::Input;

/// How long a refused client may take to end the transport, so that it gets the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Reads a request and hands it out; [`Accepting`] says yes or no, at any later time.
///
/// A request that asks for no WebSocket connection is handed out too, so that one port can serve
/// pages and sockets. Not cancel-safe: a future that is dropped drops the transport.
///
/// # Errors
///
/// [`Error::Handshake`] if the request was malformed, refused by the configuration or too slow;
/// the client has got the HTTP answer. [`Error::Io`].
pub async fn accept<S>(mut io: S, config: ServerConfig) -> Result<Accepting<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = ServerHandshake::new(config);
    match timeout(handshake.timeout(), read_request(&mut io, &mut handshake)).await {
        Ok(Ok((request, rest))) => {
            let pending = Pending { io, handshake, request, rest };
            return Ok(Accepting { pending: Box::new(pending) });
        }
        Ok(Err(Error::Handshake(_))) => {}
        Ok(Err(error)) => return Err(error),
        // The error is told below.
        Err(_elapsed) => drop(handshake.handle_timeout()),
    }
    let mut out = Vec::new();
    handshake.fail(&mut out);
    // What the client did is worth more than that it did not listen to the answer.
    let _ = write_last(&mut io, &out, handshake.timeout()).await;
    Err(handshake.receive_eof().err().unwrap_or(HandshakeError::TimedOut).into())
}

async fn read_request<S>(
    io: &mut S,
    handshake: &mut ServerHandshake,
) -> Result<(Request, Vec<u8>), Error>
where
    S: AsyncRead + Unpin,
{
    read_head(io, |bytes| {
        if bytes.is_empty() {
            handshake.receive_eof()?;
        }
        let mut input = Input::new(bytes);
        let request = handshake.receive(&mut input)?;
        Ok(request.map(|request| (request, input.as_bytes().to_vec())))
    })
    .await
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Accepting<S> {
    // Boxed, because it is part of the future of every connection that was accepted through it,
    // for as long as that lives.
    pending: Box<Pending<S>>,
}

#[derive(Debug)]
struct Pending<S> {
    io: S,
    handshake: ServerHandshake,
    request: Request,
    rest: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Accepting<S> {
    /// What the client asks for.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.pending.request
    }

    /// Opens the WebSocket connection.
    ///
    /// # Errors
    ///
    /// [`Error::Reply`] if the request asks for none, or the terms are not valid; the client is
    /// answered 426 or 500. [`Error::Timeout`] as for [`reject`](Self::reject). [`Error::Io`].
    pub async fn accept(
        mut self,
        reply: &Accept<'_>,
        config: &endpoint::Config,
    ) -> Result<(WebSocket<S>, Negotiated), Error> {
        let Pending { io, handshake, request, rest } = &mut *self.pending;
        let mut out = Vec::new();
        match handshake.accept(request, &terms(reply, request, config), &mut out) {
            Ok(negotiated) => {
                write_in_time(io, &out, handshake.timeout()).await?;
                let endpoint = accepted(rest, config, &negotiated);
                Ok((WebSocket::new(self.pending.io, endpoint), negotiated))
            }
            Err(error) => {
                // The mistake is worth more than that the client did not listen to the answer.
                let _ = self.reject(&Reply::new(error.status())).await;
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
    pub async fn reject(mut self, reply: &Reply<'_>) -> Result<(), Error> {
        let Pending { io, handshake, .. } = &mut *self.pending;
        let mut out = Vec::new();
        handshake.reject(reply, &mut out)?;
        write_last(io, &out, handshake.timeout()).await
    }

    /// Takes it apart for another HTTP library: the transport, the request, and the bytes that
    /// were read behind its head.
    #[must_use]
    pub fn into_parts(self) -> (S, Request, Vec<u8>) {
        let Pending { io, request, rest, .. } = *self.pending;
        (io, request, rest)
    }
}

/// Writes the answer after which the connection ends, and lets the client read it.
async fn write_last<S>(io: &mut S, out: &[u8], time: Duration) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    write_in_time(io, out, time).await?;
    // On the heap: in the future it would be a part of every connection, also of those accepted.
    let mut discarded = vec![0; 1024];
    let rest = async {
        io.shutdown().await?;
        while io.read(&mut discarded).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that does not end the transport has had its time, and one that resets it its answer.
    let _ = timeout(LINGER, rest).await;
    Ok(())
}

async fn write_in_time<S>(io: &mut S, out: &[u8], time: Duration) -> Result<(), Error>
where
    S: AsyncWrite + Unpin,
{
    let write = async {
        io.write_all(out).await?;
        io.flush().await
    };
    timeout(time, write).await.map_err(|_elapsed| TimeoutError::Write)??;
    Ok(())
}

/// Opens a WebSocket connection over a stream that leads to the host of `request`.
///
/// The masking keys and the nonce come from the operating system. Not cancel-safe as a whole: a
/// future that is dropped drops the transport. Redirects are not followed;
/// [`blocking::connect`](crate::blocking::connect) shows how to. The scheme is not looked at: of a
/// `wss` URL `io` has to be the TLS stream, or the request goes out in clear, credentials and all.
///
/// # Errors
///
/// [`Error::Refused`] with the response if the server answers anything but 101, also if the
/// transport fails in its body: follow a redirect or log in, and connect again.
/// [`Error::Handshake`] if its answer breaks the protocol or does not come in time,
/// [`Error::Timeout`] if it does not take the request. [`Error::Io`]. [`Error::Send`] if there is
/// no randomness.
pub async fn connect<S>(
    mut io: S,
    request: &ClientRequest,
    handshake: ClientConfig,
    config: &endpoint::Config,
) -> Result<(WebSocket<S>, Response), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut handshake, out) = begin(request, handshake, config)?;
    let mut is_written = false;
    let exchange = timeout(handshake.timeout(), async {
        io.write_all(&out).await?;
        io.flush().await?;
        is_written = true;
        read_response(&mut io, &mut handshake).await
    });
    let (response, rest) = match exchange.await {
        Ok(Err(Error::Io(error))) => (handshake.handle_read_error().ok_or(error)?, Vec::new()),
        Ok(result) => result?,
        Err(_elapsed) if !is_written => return Err(TimeoutError::Write.into()),
        Err(_elapsed) => match handshake.handle_timeout()? {
            Some(response) => (response, Vec::new()),
            None => return Err(HandshakeError::TimedOut.into()),
        },
    };
    let (endpoint, response) = connected(response, &rest, config)?;
    Ok((WebSocket::new(io, endpoint), response))
}

async fn read_response<S>(
    io: &mut S,
    handshake: &mut ClientHandshake,
) -> Result<(Response, Vec<u8>), Error>
where
    S: AsyncRead + Unpin,
{
    read_head(io, |bytes| {
        if bytes.is_empty()
            && let Some(response) = handshake.receive_eof()?
        {
            return Ok(Some((response, Vec::new())));
        }
        let mut input = Input::new(bytes);
        let response = handshake.receive(&mut input)?;
        Ok(response.map(|response| (response, input.as_bytes().to_vec())))
    })
    .await
}

/// Reads until `receive` has what it wants; it is given nothing at the end of the transport. No
/// buffer is held while nothing comes.
async fn read_head<S, T>(
    io: &mut S,
    mut receive: impl FnMut(&mut [u8]) -> Result<Option<T>, Error>,
) -> Result<T, Error>
where
    S: AsyncRead + Unpin,
{
    poll_fn(|cx| {
        loop {
            let mut bytes = HeadBuffer::lend();
            let room = bytes.len();
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
            let count = check_read(buffer.filled().len(), room)?;
            if let Some(head) = receive(&mut bytes[..count])? {
                return Poll::Ready(Ok(head));
            }
        }
    })
    .await
}
