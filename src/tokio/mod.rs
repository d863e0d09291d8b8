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
//! about to wait. A connection that waits for a message holds no buffer. Deadlines need tokio's
//! time driver: in tests `tokio::io::duplex` and a paused clock take the place of sockets and time.
//!
//! A server for several kinds of streams (TCP, TLS) makes them one: `WebSocket<Box<dyn Stream>>`, of
//! a trait of its own for `AsyncRead + AsyncWrite + Unpin + Send`.

mod alarm;
mod half;
mod opening;
mod output;
mod split;
mod stream;
mod wakers;

use core::future::poll_fn;
use core::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::adapter::Error;
use crate::buffers::Receiving;
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Fragment};
use crate::endpoint::{Endpoint, Out, Received};
use crate::error::SendError;
use crate::message::{Outbound, OwnedMessage};
use half::{Half, Handout};
pub use opening::{Accepting, accept, connect};
pub use split::{Receiver, Sender};
use wakers::Writers;

/// A WebSocket connection over `S`.
///
/// No state of the protocol lives in a future, so the future of any method can be dropped at any
/// point and nothing is lost, neither received nor queued. What a dropped `send` had queued stays
/// queued: to be sure of it in a `select!`, use `feed`, which is done in one step or not at all,
/// and then `flush`.
///
/// Who only sends has to call [`next`](Self::next) too, or [`split`](Self::split): no other method
/// reads, so that Pings and a Close stay unanswered, and the keep-alive does not run.
///
/// Dropping the connection drops the transport: the peer sees 1006. [`close`](Self::close) first.
///
/// To answer a message later than `out` lives, receive it by [`next_owned`](Self::next_owned), or
/// [`split`](Self::split) the connection.
///
/// With `futures::StreamExt` or `SinkExt` in scope, `ws.next()` and its like are still the methods
/// here; name the trait for the other ones, as in `StreamExt::split(ws)`.
///
/// # Panics
///
/// Methods panic where there is a deadline to keep and the runtime has no time driver
/// (`enable_time`).
#[derive(Debug)]
pub struct WebSocket<S> {
    incoming: Receiving,
    half: Half<S>,
    /// Made when the connection is used as stream and sink, which may be in two tasks.
    writers: Option<Writers>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Drives an endpoint over `io`, after a handshake that was made elsewhere.
    #[must_use]
    pub fn new(io: S, endpoint: Endpoint) -> Self {
        let Endpoint { incoming, outgoing } = endpoint;
        Self { incoming: Receiving::new(incoming), half: Half::new(io, outgoing), writers: None }
    }

    /// Waits for the next message and lends it together with the outgoing half. `None` after a
    /// clean close, whatever its code: [`received_close`](Self::received_close) has that.
    ///
    /// Answers Pings and the peer's Close, keeps the deadlines, and writes what is queued before
    /// it waits. While more than the high watermark is queued, no message is handed out.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], [`Error::Timeout`] or [`Error::Unclean`], and again on each later call.
    /// The Close frame that belongs to the first has been written by then, and the transport is
    /// shut down. [`Error::Io`], and [`Error::Unclean`] on later calls.
    pub async fn next(&mut self) -> Result<Option<Received<'_>>, Error> {
        // Each by its path: of what is kept across a wait, one pointer is stored for each message.
        self.half.forget_reader();
        // What has been read already needs no task to wake.
        if !self.half.outgoing.is_congested()
            && let Some((content, payload)) = self.incoming.poll_whole(&mut self.half.outgoing)
        {
            return match self.incoming.lend_found(content, payload) {
                Ok(message) => {
                    Ok(Some(Received { message, out: Out::new(&mut self.half.outgoing, None) }))
                }
                Err(error) => Err(self.half.fail(error).await),
            };
        }
        if !poll_fn(|cx| {
            let (reader, writer) = (cx.waker(), cx.waker());
            self.half.poll_message(&mut self.incoming, Handout::MessageAndOut, reader, writer)
        })
        .await?
        {
            return Ok(None);
        }
        match self.incoming.lend() {
            Ok((message, shared)) => {
                let out = Out::new(&mut self.half.outgoing, shared);
                Ok(Some(Received { message, out }))
            }
            Err(error) => Err(self.half.fail(error).await),
        }
    }

    /// As [`next`](Self::next), but gives the message away: a large one without a copy, as
    /// [`Endpoint::take_message`] does.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn next_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        let Self { incoming, half, .. } = self;
        half.forget_reader();
        let whole = match half.outgoing.is_congested() {
            true => None,
            false => incoming.poll_whole(&mut half.outgoing),
        };
        let taken = match whole {
            // What has been read already needs no task to wake.
            Some((content, payload)) => incoming.take_found(content, payload),
            None => {
                let found = poll_fn(|cx| {
                    half.poll_message(incoming, Handout::MessageAndOut, cx.waker(), cx.waker())
                });
                if !found.await? {
                    return Ok(None);
                }
                incoming.take_message()
            }
        };
        match taken {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(half.fail(error).await),
        }
    }

    /// Queues a message. It is written by [`flush`](Self::flush), or when [`next`](Self::next)
    /// waits. Waits for room itself if more than the high watermark is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Send`], or [`Error::Io`] while waiting for room.
    pub async fn feed<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        self.half.forget_reader();
        if self.half.outgoing.is_congested() {
            poll_fn(|cx| self.half.poll_writing(cx, Half::poll_room)).await?;
        }
        Ok(self.half.outgoing.send(message.into())?)
    }

    /// As [`feed`](Self::feed), of a message that is given away: a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub async fn feed_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        let mut message = message.into();
        self.half.forget_reader();
        // Seldom, and a message that is kept across a wait is moved for longer than it is copied.
        if self.half.outgoing.is_congested() {
            poll_fn(|cx| self.half.poll_writing(cx, Half::poll_room)).await?;
        }
        Ok(self.half.outgoing.send_owned(&mut message)?)
    }

    /// Sends a message that is lent, as in `ws.send(&text)`; [`send_owned`](Self::send_owned) takes
    /// it. As [`feed`](Self::feed) and [`flush`](Self::flush), but what a server sends of
    /// 4 KiB or more, without compression, over a transport with vectored writes, is written
    /// from where it lies: only what the transport does not take at once is copied into the
    /// queue. A client masks what is longer than 512 KiB in steps of as much, and writes each
    /// before the next.
    ///
    /// If the future is dropped while it flushes, the message stays queued.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn send<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        let mut due = Some(message.into());
        self.half.forget_reader();
        poll_fn(|cx| self.half.poll_writing(cx, |half, cx| half.poll_send(cx, &mut due))).await
    }

    /// Sends a message that is given away: [`feed_owned`](Self::feed_owned) and
    /// [`flush`](Self::flush). From 4 KiB on the payload is not copied, whether or not the
    /// transport takes it at once; a client masks it where it lies unless somebody else holds
    /// it too, or it was received with its buffer.
    ///
    /// Once the message is queued it stays so if the future is dropped. One that is dropped while
    /// it waits for room drops the message.
    ///
    /// # Errors
    ///
    /// As those two. A message that could not be sent is dropped;
    /// [`Out::feed_owned`](crate::endpoint::Out::feed_owned) gives it back.
    pub async fn send_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        self.feed_owned(message).await?;
        self.flush().await
    }

    /// Sends the next part of a message as one fragment, and flushes (RFC 6455 §5.4).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_part<'p>(
        &mut self,
        part: impl Into<Outbound<'p>>,
        fragment: Fragment,
    ) -> Result<(), Error> {
        self.half.forget_reader();
        poll_fn(|cx| self.half.poll_writing(cx, Half::poll_room)).await?;
        self.half.outgoing.send_part(part.into(), fragment)?;
        self.flush().await
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.half.forget_reader();
        poll_fn(|cx| self.half.poll_writing(cx, Half::poll_room)).await?;
        self.half.outgoing.ping(payload)?;
        self.flush().await
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Timeout`] if the peer takes nothing for the write timeout.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.half.forget_reader();
        poll_fn(|cx| self.half.poll_writing(cx, Half::poll_written)).await
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
        let Self { incoming, half, .. } = self;
        match half.outgoing.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        while let Ok(true) =
            poll_fn(|cx| half.poll_message(incoming, Handout::Message, cx.waker(), cx.waker()))
                .await
        {}
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

    /// The body of the peer's Close frame, if one came and was not empty: code and reason.
    #[must_use]
    pub fn received_close(&self) -> Option<CloseFrame> {
        self.half.outgoing.connection.received_close()
    }

    /// How long the peer took to answer the last keep-alive Ping: see [`Connection::latency`].
    ///
    /// [`Connection::latency`]: crate::Connection::latency
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.half.outgoing.connection.latency()
    }

    /// Whether messages can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.half.outgoing.is_open()
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
        let Self { incoming, half, .. } = self;
        let (incoming, mut outgoing) = (incoming.into_inner(), half.outgoing.into_inner());
        outgoing.restart();
        (half.io, Endpoint { incoming, outgoing })
    }
}
