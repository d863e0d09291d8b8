//! WebSocket over any blocking stream: `Read + Write`, one thread a connection.
//!
//! Owns the moving of bytes and the waiting; every decision is the [`Endpoint`]'s. Opening a
//! connection is in [`accept`] and [`connect`], using it from two threads in
//! [`WebSocket::split`].
//!
//! ```no_run
//! use std::net::{TcpListener, TcpStream};
//! use websocket_proto::blocking::{self, Error};
//! use websocket_proto::endpoint::{Config, Received};
//! use websocket_proto::handshake::{Accept, ServerConfig};
//!
//! fn serve(stream: TcpStream) -> Result<(), Error> {
//!     let accepting = blocking::accept(stream, ServerConfig::default())?;
//!     let (mut ws, _) = accepting.accept(&Accept::new(), &Config::default())?;
//!     while let Some(Received { message, mut out }) = ws.next()? {
//!         out.feed(message)?; // queued; written before `next` waits again
//!     }
//!     Ok(())
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:5000")?;
//! for stream in listener.incoming().flatten() {
//!     std::thread::spawn(move || serve(stream));
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A connection that waits keeps its buffers, for which its thread has no other use: the read
//! buffer, up to 64 KiB for output, and what the last large message needed, up to 4 MiB. Contexts of
//! compression go back to their pool before it waits, unless context takeover was agreed on (see the
//! `deflate` module). With that the decompressor goes back when a read has brought nothing, and so do
//! the buffers, to be lent again: after a second if the connection was split, at a deadline otherwise,
//! and within a text of which more is likely to come after a tenth of a second.

mod opening;
mod reader;
mod split;
mod stream;
mod transport;
mod waits;

use core::time::Duration;

pub use crate::adapter::Error;
use crate::adapter::flushed;
use crate::buffers::Sending;
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Fragment};
use crate::endpoint::{Endpoint, Out, Received};
use crate::error::SendError;
use crate::message::{Outbound, OwnedMessage};
pub use opening::{Accepting, accept, connect};
use reader::{Reader, Side};
pub use split::{Receiver, Sender};
pub use transport::{Plain, Transport};
use waits::is_wait;

/// A WebSocket connection over `S`.
///
/// Deadlines are kept over streams that can time out: sockets, and whatever else implements
/// [`Transport`] so. But while a write blocks only the write timeout holds, and once the connection
/// closes the close timeout; if it was [split](Self::split), the receiver keeps the others
/// meanwhile. Over a [`Plain`] stream a deadline is noticed only when a read returns, and perhaps so
/// is that the beginning of a text is not UTF-8, if a read brought 8 KiB of it or filled its room.
///
/// The adapter sets the timeouts of the stream itself: one that was set from outside lasts until the
/// next deadline, or the next text that comes in large pieces or many. Who has to do something else now and then, without a second handle for
/// [`split`](Self::split) as over TLS, receives by [`next_timeout`](Self::next_timeout).
///
/// Works over a stream that does not block as well: [`Error::Io`] with `WouldBlock` then says that
/// nothing is lost, and to go on later. What was to be sent is queued: call [`next`](Self::next),
/// [`flush`](Self::flush) or [`close`](Self::close), and do not send it again. What finds no room
/// in the queue is refused, as [`SendError::Full`]. A deadline is noticed by the next call then.
#[derive(Debug)]
pub struct WebSocket<S> {
    reader: Reader<S>,
    outgoing: Sending,
}

impl<S: Transport> WebSocket<S> {
    /// Drives an endpoint over `io`, after a handshake that was made elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the stream does not take its timeouts.
    pub fn new(io: S, endpoint: Endpoint) -> Result<Self, Error> {
        let Endpoint { incoming, mut outgoing } = endpoint;
        outgoing.restart();
        let reader = Reader::new(io, incoming, &outgoing)?;
        Ok(Self { reader, outgoing: Sending::new(outgoing) })
    }

    /// Waits for the next message and lends it together with the outgoing half. `None` after a
    /// clean close, whatever its code: [`received_close`](Self::received_close) has that.
    ///
    /// Answers Pings and the peer's Close, keeps the deadlines, and writes what is queued before
    /// it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`], [`Error::Timeout`] or [`Error::Unclean`], and again on each later call.
    /// The Close frame that belongs to the first has been written by then, and the stream is shut
    /// down. [`Error::Io`], and [`Error::Unclean`] on later calls; but after `WouldBlock` the
    /// connection goes on. So it does after [`Error::Send`] with [`SendError::NoEntropy`]: there is
    /// no masking key for an answer, which stays due.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    #[inline(always)] // What a call gives goes through memory.
    pub fn next(&mut self) -> Result<Option<Received<'_>>, Error> {
        // While too much is queued that is written first.
        let whole = if self.outgoing.is_congested() {
            None
        } else {
            self.reader.incoming.poll_whole(&mut self.outgoing)
        };
        let Some((content, payload)) = whole else { return self.next_any() };
        let Self { reader: Reader { stream, incoming }, outgoing } = self;
        match incoming.lend_found(content, payload) {
            Ok(message) => Ok(Some(Received { message, out: Out::new(outgoing, None) })),
            Err(error) => Err(stream.fail(outgoing, error, None)),
        }
    }

    /// As [`next`](Self::next), but gives the message away: a large one without a copy, as
    /// [`Endpoint::take_message`] does.
    ///
    /// # Errors
    ///
    /// As `next`.
    pub fn next_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        self.reader.take(&mut self.outgoing)
    }

    /// As [`next`](Self::next), but waits for no longer than `limit`: for threads that have something
    /// else to do now and then, such as to send what others have for this connection. What is queued
    /// is written first, which may take the write timeout. Over a stream that cannot time out
    /// ([`Plain`]) it is `next`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] with `TimedOut` if no message has come: nothing is lost, call again. Otherwise as
    /// `next`.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Received<'_>>, Error> {
        self.next_within(Some(limit))
    }

    /// What [`next`](Self::next) does when no whole message in one frame has been read.
    fn next_any(&mut self) -> Result<Option<Received<'_>>, Error> {
        self.next_within(None)
    }

    fn next_within(&mut self, limit: Option<Duration>) -> Result<Option<Received<'_>>, Error> {
        let Self { reader, outgoing } = self;
        let by = reader.stream.deadline_of(limit);
        if !reader.find(outgoing, by)? {
            return Ok(None);
        }
        let Reader { stream, incoming } = reader;
        match incoming.lend() {
            Ok((message, shared)) => {
                Ok(Some(Received { message, out: Out::new(outgoing, shared) }))
            }
            Err(error) => Err(stream.fail(outgoing, error, by)),
        }
    }

    /// Queues a message. It is written by [`flush`](Self::flush), or when [`next`](Self::next)
    /// waits. Over the high watermark what is queued is written first: a stream that does not block
    /// has to take it down to the low watermark.
    ///
    /// # Errors
    ///
    /// [`Error::Send`]; [`SendError::Full`] if making room would block. Other errors of
    /// [`flush`](Self::flush) while making room. Nothing is queued.
    pub fn feed<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        self.make_room()?;
        Ok(self.outgoing.send(message.into())?)
    }

    /// As [`feed`](Self::feed), of a message that is given away: a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`feed`](Self::feed).
    pub fn feed_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        self.make_room()?;
        Ok(self.outgoing.send_owned(&mut message.into())?)
    }

    /// Sends a message: [`feed`](Self::feed) and [`flush`](Self::flush). But what a server sends of
    /// 4 KiB or more, without compression, is written from where it lies; a client masks what is
    /// longer than 512 KiB in steps of as much, and writes each before the next.
    ///
    /// # Errors
    ///
    /// As those two. If it is [`Error::Io`] with `WouldBlock`, what the stream did not take is
    /// queued. After any other error of the stream, and after [`Error::Timeout`], it is lost.
    pub fn send<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        let message = message.into();
        if !self.outgoing.sends_through(&message, true) {
            self.feed(message)?;
            return self.flush();
        }
        self.make_room()?;
        let Self { reader: Reader { stream, .. }, outgoing } = self;
        outgoing.transmit()?;
        let timeout = outgoing.write_timeout();
        let mut result = Ok(());
        outgoing.send_through(message, |chunks| {
            stream.write_once(chunks.iter().copied(), timeout).unwrap_or_else(|error| {
                result = Err(error);
                0
            })
        })?;
        outgoing.note_unflushed();
        match result {
            Ok(()) => {}
            Err(Error::Timeout(error)) => return Err(outgoing.give_up(error).into()),
            Err(error) => {
                if !is_wait(&error) {
                    outgoing.abandon();
                }
                return Err(error);
            }
        }
        self.flush()
    }

    /// Sends a message that is given away: [`feed_owned`](Self::feed_owned) and
    /// [`flush`](Self::flush). From 4 KiB on the payload is not copied, whether or not the stream
    /// takes it at once; a client masks it where it lies unless somebody else holds it too, or it was
    /// received with its buffer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). A message that could not be queued is dropped;
    /// [`Out::feed_owned`] gives it back.
    pub fn send_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        self.feed_owned(message)?;
        self.flush()
    }

    /// Sends the next part of a message as one fragment, and flushes (RFC 6455 §5.4).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_part<'p>(
        &mut self,
        part: impl Into<Outbound<'p>>,
        fragment: Fragment,
    ) -> Result<(), Error> {
        self.make_room()?;
        self.outgoing.send_part(part.into(), fragment)?;
        self.flush()
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.make_room()?;
        self.outgoing.ping(payload)?;
        self.flush()
    }

    /// Writes if too much is queued. What finds no room is refused: that a write would block is
    /// said of what is queued only.
    fn make_room(&mut self) -> Result<(), Error> {
        if !self.outgoing.is_congested() {
            return Ok(());
        }
        match self.flush() {
            Err(error) if is_wait(&error) => match self.outgoing.is_congested() {
                true => Err(SendError::Full { queued: self.outgoing.queued() }.into()),
                false => Ok(()),
            },
            flushed => flushed,
        }
    }

    /// Writes everything that is queued.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; after `WouldBlock` what is left is queued. [`Error::Timeout`] if the peer
    /// takes nothing for the write timeout. What [`next`](Self::next) tells of a connection that
    /// has failed: [`Error::Protocol`], [`Error::Timeout`], [`Error::Unclean`]. [`Error::Send`]
    /// with [`SendError::Closed`] if what was queued has been lost before, with
    /// [`SendError::NoEntropy`] if there is no masking key for an answer.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.outgoing.write(&mut self.reader.stream)?;
        flushed(&self.outgoing)
    }

    /// Closes: sends a Close frame unless one was sent, and waits for the end of the closing
    /// handshake, at most for the close timeout. That begins anew while the peer takes what was
    /// queued before. Messages that still come are dropped.
    ///
    /// Over a [`Plain`] stream that blocks a client waits for its server to end the stream, however
    /// long that takes.
    ///
    /// To go on receiving, close with [`Out::close`] and call [`next`](Self::next) until `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if code or reason are not valid, or there is no masking key; nothing was
    /// sent then. [`Error::Io`] with `WouldBlock` over a stream that does not block: call again.
    /// How the connection ended is in the outcome.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<CloseOutcome, Error> {
        match self.outgoing.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        loop {
            match self.reader.find(&mut self.outgoing, None) {
                Ok(true) => {}
                Err(error) if is_wait(&error) => return Err(error),
                // The loop ends when the connection has.
                Ok(false) | Err(_) => return self.outcome().ok_or(SendError::Closed.into()),
            }
        }
    }

    /// Takes the connection apart for two threads: one that receives, any number that send.
    ///
    /// `writer` is a second handle to the same stream, such as `TcpStream::try_clone` gives. The
    /// receiver looks up from its read once a second: a sender that closes cannot wake it. Reading
    /// from a [`Plain`] stream it does not: it sees that only when something comes. A TLS stream
    /// has no second handle; the tokio adapter needs none.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if `writer` does not take the write timeout.
    pub fn split<W: Transport>(self, writer: W) -> Result<(Receiver<S, W>, Sender<W>), Error> {
        split::split(self, writer)
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        self.outgoing.connection.outcome()
    }

    /// The body of the peer's Close frame, if one came and was not empty: code and reason.
    #[must_use]
    pub fn received_close(&self) -> Option<CloseFrame> {
        self.outgoing.connection.received_close()
    }

    /// How long the peer took to answer the last keep-alive Ping: see [`Connection::latency`].
    ///
    /// [`Connection::latency`]: crate::Connection::latency
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.outgoing.connection.latency()
    }

    /// Whether messages can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.outgoing.is_open()
    }

    /// The stream. Reading from it or writing to it breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.reader.stream.io
    }

    /// Takes the connection apart into the stream and the endpoint, which holds what was read and
    /// not decoded, and what was queued and not written.
    #[must_use]
    pub fn into_parts(self) -> (S, Endpoint) {
        let Self { reader: Reader { stream, incoming }, outgoing } = self;
        let (incoming, mut outgoing) = (incoming.into_inner(), outgoing.into_inner());
        outgoing.restart();
        (stream.into_io(), Endpoint { incoming, outgoing })
    }
}
