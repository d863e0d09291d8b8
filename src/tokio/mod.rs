//! WebSocket over any `AsyncRead + AsyncWrite` of tokio.
//!
//! Owns the moving of bytes and the waiting; every decision is the [`Endpoint`]'s. Opening a
//! connection is in [`accept`] and [`connect`], using it from two tasks in [`WebSocket::split`].
//!
//! ```
//! use tokio::io::{AsyncRead, AsyncWrite};
//! use websocket_proto::endpoint::Received;
//! use websocket_proto::tokio::{Error, WebSocket};
//!
//! async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>) -> Result<(), Error> {
//!     while let Some(Received { message, mut out }) = ws.next().await? {
//!         out.feed(message)?; // queued; written before `next` waits again
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Messages that were read together are answered by one write: `next` flushes only when it is
//! about to wait. A connection that waits holds no buffer. Deadlines need tokio's time driver.

mod opening;
mod split;

use alloc::boxed::Box;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::time::Instant;

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

pub use crate::adapter::Error;
use crate::adapter::{check_read, ended, lend_buffer, take_buffers};
use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Fragment};
use crate::endpoint::{Endpoint, Incoming, Out, Outgoing, Received, Status};
use crate::error::SendError;
use crate::message::{Message, OwnedMessage};
pub use opening::{Accepting, accept, connect};
pub use split::{Receiver, Sender};

/// A WebSocket connection over `S`.
///
/// Every method is cancel-safe: no state of the protocol lives in a future, so a future can be
/// dropped at any point and nothing is lost, neither received nor queued.
#[derive(Debug)]
pub struct WebSocket<S> {
    incoming: Incoming,
    half: Half<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Drives an endpoint over `io`, after a handshake that was made elsewhere.
    #[must_use]
    pub fn new(io: S, endpoint: Endpoint) -> Self {
        let Endpoint { incoming, outgoing } = endpoint;
        let half = Half {
            io,
            outgoing,
            start: Instant::now(),
            sleep: None,
            unflushed: false,
            shut: false,
        };
        Self { incoming, half }
    }

    /// Waits for the next message and lends it together with the outgoing half. `None` after a
    /// clean close.
    ///
    /// Answers Pings and the peer's Close, keeps the deadlines, and writes what is queued before
    /// it waits. While more than the high watermark is queued, no message is handed out.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], [`Error::Timeout`], [`Error::Unclean`] or [`Error::Io`], and again on
    /// each later call. The Close frame that belongs to the first has been written by then, and
    /// the transport is shut down.
    pub async fn next(&mut self) -> Result<Option<Received<'_>>, Error> {
        let Self { incoming, half } = self;
        if !poll_fn(|cx| half.poll_message(incoming, cx.waker(), cx.waker())).await? {
            return Ok(None);
        }
        match incoming.message() {
            Ok(message) => Ok(Some(Received { message, out: Out::new(&mut half.outgoing) })),
            Err(error) => {
                half.outgoing.fail(error);
                poll_fn(|cx| half.poll_end(cx.waker(), cx.waker())).await;
                Err(error.into())
            }
        }
    }

    /// Queues a message. It is written by [`flush`](Self::flush), or when [`next`](Self::next)
    /// waits. Waits for room itself if more than the high watermark is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`], or [`Error::Io`] while waiting for room.
    pub async fn feed<'p>(&mut self, message: impl Into<Message<'p>>) -> Result<(), Error> {
        poll_fn(|cx| self.half.poll_in_time(cx, Half::poll_room)).await?;
        Ok(self.half.outgoing.send(message.into())?)
    }

    /// Sends a message: [`feed`](Self::feed) and [`flush`](Self::flush).
    ///
    /// If the future is dropped while it flushes, the message stays queued.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn send<'p>(&mut self, message: impl Into<Message<'p>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Sends the next part of a message as one fragment, and flushes (RFC 6455 §5.4).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_part<'p>(
        &mut self,
        part: impl Into<Message<'p>>,
        fragment: Fragment,
    ) -> Result<(), Error> {
        poll_fn(|cx| self.half.poll_in_time(cx, Half::poll_room)).await?;
        self.half.outgoing.send_part(part.into(), fragment)?;
        self.flush().await
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        poll_fn(|cx| self.half.poll_in_time(cx, Half::poll_room)).await?;
        self.half.outgoing.ping(payload)?;
        self.flush().await
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Timeout`] if the peer takes nothing for the write timeout.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.half.poll_in_time(cx, Half::poll_written)).await
    }

    /// Closes: sends a Close frame unless one was sent, and waits for the end of the closing
    /// handshake, at most for the close timeout. Messages that still come are dropped.
    ///
    /// To go on receiving, close with [`Out::close`] and call [`next`](Self::next) until `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if code or reason are not valid; nothing was sent then. How the connection
    /// ended is in the outcome.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseOutcome, Error> {
        let Self { incoming, half } = self;
        match half.outgoing.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        while let Ok(true) = poll_fn(|cx| half.poll_message(incoming, cx.waker(), cx.waker())).await
        {
        }
        // The loop ends when the connection has.
        half.outgoing.connection.outcome().ok_or(Error::Send(SendError::Closed))
    }

    /// Takes the connection apart for two tasks: one that receives, any number that send.
    #[must_use]
    pub fn split(self) -> (Receiver<S>, Sender<S>) {
        split::split(self)
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        self.half.outgoing.connection.outcome()
    }

    /// The transport. Reading from it or writing to it breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.half.io
    }

    /// Takes the connection apart into the transport and the endpoint, which holds what was read
    /// and not decoded, and what was queued and not written.
    #[must_use]
    pub fn into_parts(self) -> (S, Endpoint) {
        let Self { incoming, half } = self;
        (half.io, Endpoint { incoming, outgoing: half.outgoing })
    }
}

/// Owned messages. Ends after a clean close and after an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { incoming, half } = self.get_mut();
        if half.is_finished() {
            return Poll::Ready(None);
        }
        loop {
            if !ready!(half.poll_message(incoming, cx.waker(), cx.waker()))? {
                return Poll::Ready(None);
            }
            match incoming.take_message() {
                Ok(message) => return Poll::Ready(Some(Ok(message))),
                // Bad text: the connection fails, and the next round ends it and says why.
                Err(error) => half.outgoing.fail(error),
            };
        }
    }
}

/// Owned messages, with back pressure from the watermarks; a large payload is not copied.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<OwnedMessage> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().half.poll_in_time(cx, Half::poll_room)
    }

    fn start_send(self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Error> {
        Ok(self.get_mut().half.outgoing.send_owned(message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().half.poll_in_time(cx, Half::poll_written)
    }

    /// Closes with 1000 and waits for the closing handshake.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { incoming, half } = self.get_mut();
        if half.outgoing.connection.is_open() {
            half.outgoing.close(CloseCode::NORMAL, "")?;
        }
        while ready!(half.poll_message(incoming, cx.waker(), cx.waker()))? {}
        Poll::Ready(Ok(()))
    }
}

/// Everything but the read buffer: the transport, the sending side, the clock.
#[derive(Debug)]
struct Half<S> {
    io: S,
    outgoing: Outgoing,
    /// The point that the protocol's times count from.
    start: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether something was written that the transport has not been told to flush.
    unflushed: bool,
    /// Whether the sending side of the transport has been shut down.
    shut: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Half<S> {
    /// Whether the transport has yet to take something.
    fn has_unwritten(&self) -> bool {
        self.unflushed || self.outgoing.queued() > 0
    }

    fn is_finished(&self) -> bool {
        self.shut && self.outgoing.connection.is_over()
    }

    /// Drives everything until there is a message (true) or the connection has ended (false).
    /// Reading and time wake `reader`, writing wakes `writer`: a connection that was split has
    /// several tasks that write.
    fn poll_message(
        &mut self,
        incoming: &mut Incoming,
        reader: &Waker,
        writer: &Waker,
    ) -> Poll<Result<bool, Error>> {
        let (cx, writer) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            let congested = self.outgoing.is_congested();
            if !congested || !self.outgoing.connection.is_receiving() {
                match incoming.poll(&mut self.outgoing) {
                    Ok(Status::Message) => return Poll::Ready(Ok(true)),
                    Ok(Status::NeedRead) => {}
                    Ok(Status::Closed) | Err(_) => {
                        ready!(self.poll_end(reader, writer.waker()));
                        return Poll::Ready(ended(&self.outgoing).map(|()| false));
                    }
                }
            }
            let written = self.poll_write(writer);
            if let Poll::Ready(Err(_)) = written {
                // The peer may have said why before it stopped reading: read on to the end.
                self.outgoing.abandon();
            }
            if congested && (written.is_ready() || self.outgoing.is_drained()) {
                continue;
            }
            if self.poll_time(cx).is_ready() {
                continue;
            }
            if congested {
                return Poll::Pending;
            }
            lend_buffer(incoming);
            let mut buffer = ReadBuf::new(incoming.read_buf(&self.outgoing));
            let room = buffer.remaining();
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let count = check_read(buffer.filled().len(), room)?;
                    incoming.advance_read(count);
                }
                Poll::Ready(Ok(())) => self.receive_eof(),
                Poll::Ready(Err(error)) => {
                    self.receive_eof();
                    // After the closing handshake a reset says nothing new.
                    if ended(&self.outgoing).is_err() {
                        return Poll::Ready(Err(error.into()));
                    }
                }
                Poll::Pending => {
                    take_buffers(incoming, &mut self.outgoing);
                    return Poll::Pending;
                }
            }
        }
    }

    fn receive_eof(&mut self) {
        // What it means is in the outcome.
        let _ = self.outgoing.connection.receive_eof();
    }

    /// Writes what is queued, shuts down, and waits for the peer to end the transport: a reset
    /// would otherwise destroy the Close frame on its way.
    fn poll_end(&mut self, reader: &Waker, writer: &Waker) -> Poll<()> {
        let (cx, writer) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            let written = match self.poll_write(writer) {
                Poll::Ready(Err(_)) => {
                    self.outgoing.abandon();
                    true
                }
                written => written.is_ready(),
            };
            let over = self.outgoing.connection.is_over();
            if written && !self.shut && (over || self.outgoing.should_close_transport()) {
                let _ = ready!(Pin::new(&mut self.io).poll_shutdown(writer));
                self.shut = true;
            }
            if self.is_finished() {
                return Poll::Ready(());
            }
            if self.poll_time(cx).is_ready() {
                continue;
            }
            let mut discarded = [0; 2048];
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => self.receive_eof(),
            }
        }
    }

    /// Ready when a deadline has passed and been dealt with.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.start.elapsed();
        let Some(at) = self.outgoing.poll_timeout(now) else {
            self.sleep = None;
            return Poll::Pending;
        };
        if at > now {
            let at = tokio::time::Instant::from_std(self.start + at.min(FAR));
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
        }
        // A failure is in the connection, and comes out of it.
        let _ = self.outgoing.handle_timeout(self.start.elapsed());
        Poll::Ready(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.outgoing.transmit()?;
        while self.outgoing.queued() > 0 {
            let mut slices = [IoSlice::new(&[]); 16];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(self.outgoing.chunks()) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            let io = Pin::new(&mut self.io);
            match ready!(io.poll_write_vectored(cx, &slices[..count]))? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                count => self.outgoing.advance(count),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything is written, or the connection has failed.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let written = self.poll_write(cx)?;
        ended(&self.outgoing)?;
        written.map(Ok)
    }

    /// Ready when something can be queued, or the connection has failed.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.outgoing.is_congested() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write(cx)?;
        ended(&self.outgoing)?;
        if self.outgoing.is_congested() { written.map(Ok) } else { Poll::Ready(Ok(())) }
    }

    /// Polls something that writes and keeps the deadlines meanwhile, as nobody receives.
    fn poll_in_time(
        &mut self,
        cx: &mut Context<'_>,
        poll: fn(&mut Self, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(result) = poll(self, cx) {
                return Poll::Ready(result);
            }
            ready!(self.poll_time(cx));
        }
    }
}

/// A deadline later than this is none: thirty years.
const FAR: Duration = Duration::from_secs(946_080_000);
