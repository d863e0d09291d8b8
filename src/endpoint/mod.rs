//! [`Endpoint`]: a connection with its buffers, still without I/O.
//!
//! Owns the read buffer, the message under way and the output queue, and pumps bytes between them
//! and the [`Connection`]. What io_uring, mio or epoll users embed, and what every adapter of this
//! crate wraps. Leaves reading, writing and sleeping to the caller.
//!
//! ```text
//!   read --> read_buf --> poll --> message ----+
//!                          |                   | application
//!                          v                   v
//!   write <-- chunks <-- output queue <----- send
//! ```

mod buffers;
mod config;
mod incoming;
mod opening;
mod outgoing;
mod queue;
mod read_buffer;
mod received;
mod size;
#[cfg(feature = "std")]
mod write;

use alloc::vec::Vec;
use core::time::Duration;

pub use buffers::Buffers;
pub use config::Config;
pub(crate) use incoming::Incoming;
use incoming::Rest;
pub(crate) use outgoing::Outgoing;
pub use received::{Out, Received, Status};

use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Connection, Fragment};
use crate::error::{ProtocolError, SendError, TimeoutError, UncleanClose};
use crate::message::{Outbound, OwnedMessage, Unsent};
use size::{to_u32, to_usize};

/// A connection with read buffer, message assembly and output queue.
///
/// Holds no heap while nothing is under way, once [`release`](Self::release) was called
/// or [`Buffers`] have taken back what they lent. Until then what large messages needed stays for
/// others: a read buffer of up to 64 KiB and a message's of as much; longer ones, of up to 128 KiB
/// and 4 MiB, until 64 reads had no use for them. What is longer goes with the next read.
///
/// ```
/// use websocket_proto::endpoint::{Config, Endpoint, Received};
/// use websocket_proto::{Connection, ProtocolError};
///
/// let config = Config::default();
/// let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
///
/// // What a read loop does, with bytes instead of a socket.
/// let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// endpoint.read_buf()[..bytes.len()].copy_from_slice(bytes);
/// endpoint.advance_read(bytes.len());
/// while let Some(Received { message, mut out }) = endpoint.next()? {
///     out.feed(message).expect("open, and below the high watermark");
/// }
/// assert_eq!(endpoint.chunks().collect::<Vec<_>>(), [b"\x81\x05Hello"]);
/// endpoint.advance_write(7);
/// # Ok::<(), ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
}

impl Endpoint {
    /// Puts bytes in front of what will be read: those that came behind the handshake.
    pub fn push_input(&mut self, bytes: &[u8]) {
        self.incoming.push_input(bytes);
    }

    /// Where to read to: the read buffer, or straight into a large message.
    ///
    /// Empty only if bytes are there that are still to be polled. Allocates the read buffer if it
    /// was released. Ends the life of the message lent before.
    ///
    /// Who stops reading at a read that did not fill this, as edge-triggered readiness allows, is
    /// seldom made to read once too often: after such a read, and after [`release`](Self::release),
    /// there is room for more than a frame of 2 to 128 KiB that is as long as the last one, unless
    /// it ends where the buffer does.
    #[inline]
    pub fn read_buf(&mut self) -> &mut [u8] {
        self.incoming.read_buf(&self.outgoing)
    }

    /// Says how many bytes were read into [`read_buf`](Self::read_buf), before anything else is
    /// called; more than it had room for count as what it had.
    #[inline]
    pub fn advance_read(&mut self, count: usize) {
        self.incoming.advance_read(count);
    }

    /// Decodes what has been read, up to the next message.
    ///
    /// Replies to control frames go into the output queue on the way. The message found is
    /// forgotten by the next call of this or of [`read_buf`](Self::read_buf).
    ///
    /// Text is checked when its message is lent or taken, or anything else than the next fragment
    /// comes: checking it while it comes would mean to check it twice. To fail the connection at the first
    /// bad byte although the rest of the message is not there (RFC 6455 §8.1), call
    /// [`release`](Self::release) or [`Buffers::take_back`] when a read would block.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`], sticky; the Close frame is in the output queue.
    #[inline]
    pub fn poll(&mut self) -> Result<Status, ProtocolError> {
        self.incoming.poll(&mut self.outgoing)
    }

    /// Lends the message that [`poll`](Self::poll) found.
    ///
    /// Text is checked here and not in `poll`, so that it is checked once, unless it came
    /// compressed. Without a message from `poll`, an empty one.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidUtf8`], sticky; the Close frame is in the output queue.
    #[inline(always)] // What a call gives goes through memory.
    pub fn received(&mut self) -> Result<Received<'_>, ProtocolError> {
        let Self { incoming, outgoing } = self;
        match incoming.lend() {
            Ok((message, shared)) => Ok(Received { message, out: Out::new(outgoing, shared) }),
            Err(error) => Err(outgoing.fail(error)),
        }
    }

    /// The next message in what has been read: [`poll`](Self::poll) and
    /// [`received`](Self::received) in one. `None` when more has to be read, or none will come.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`], sticky; the Close frame is in the output queue.
    #[inline(always)] // What a call gives goes through memory.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<Received<'_>>, ProtocolError> {
        let awaits = self.incoming.awaits();
        if awaits && self.outgoing.connection.only_waits() {
            return Ok(None);
        }
        // What is due is queued on the long way.
        let whole =
            if awaits { Err(Rest::More) } else { self.incoming.poll_short(&mut self.outgoing) };
        let Self { incoming, outgoing } = self;
        match whole {
            Ok((kind, payload)) => match incoming.lend_whole(kind, payload) {
                Ok(message) => Ok(Some(Received { message, out: Out::new(outgoing, None) })),
                Err(error) => Err(outgoing.fail(error)),
            },
            Err(rest) => {
                // Small reads of a large message.
                let nothing = rest == Rest::More
                    && (incoming.waits_direct(outgoing)
                        || incoming.poll_rest(outgoing)? != Status::Message);
                if nothing {
                    return Ok(None);
                }
                let Some((content, payload)) = incoming.found_in_read_buffer() else {
                    let mut next = None;
                    lend_assembled(incoming, outgoing, &mut next)?;
                    return Ok(next);
                };
                match incoming.lend_found(content, payload) {
                    Ok(message) => Ok(Some(Received { message, out: Out::new(outgoing, None) })),
                    Err(error) => Err(outgoing.fail(error)),
                }
            }
        }
    }

    /// Takes the message that [`poll`](Self::poll) found: in an allocation of its size, but without a
    /// copy if it has 4 KiB or more and at least half of what its buffer holds. That goes with it, and
    /// is used again when the message and its clones have been dropped. An empty one if there is none,
    /// or it was taken.
    ///
    /// # Errors
    ///
    /// As [`received`](Self::received).
    pub fn take_message(&mut self) -> Result<OwnedMessage, ProtocolError> {
        let Self { incoming, outgoing } = self;
        incoming.take_message().map_err(|error| outgoing.fail(error))
    }

    /// Takes note that the transport has ended. Poll what was read before: nothing is decoded
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`UncleanClose`] if no Close frame had come (RFC 6455 §7.1.5), unless the text that came of
    /// an unfinished message is not UTF-8: the connection has failed because of that then.
    pub fn receive_eof(&mut self) -> Result<(), UncleanClose> {
        self.incoming.pause(&mut self.outgoing);
        self.outgoing.connection.receive_eof()
    }

    /// Queues a message; its payload is copied once.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] over the high watermark: write some output first. Otherwise those of
    /// [`Connection::send`].
    #[inline]
    pub fn send<'p>(&mut self, message: impl Into<Outbound<'p>>) -> Result<(), SendError> {
        self.outgoing.send(message.into())
    }

    /// Queues a message that is given away. From 4 KiB on its payload is not copied: a server
    /// sends it from where it is. A client masks it there, unless somebody else holds it too, as
    /// this end does what [`take_message`](Self::take_message) gave with its buffer.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), with the message.
    pub fn send_owned(&mut self, message: impl Into<OwnedMessage>) -> Result<(), Unsent> {
        self.outgoing.send_given(message.into())
    }

    /// Sends a message from where the caller has it: for callers who write at once and want no copy
    /// of a large payload, nor a reference count.
    ///
    /// `write` is given what is to be written, in order: what was queued before, then the header,
    /// then the payload, in at most 16 pieces of which none is empty. It says how many bytes of
    /// them were taken (more than there were count as all), and is called again until
    /// everything is written or it takes none: 0 stands for "not now" and for an error alike,
    /// which the caller keeps. What is left then is copied into the queue, so the message is
    /// sent whole in any case.
    ///
    /// A client masks it in a copy and writes that; from 512 KiB on in steps of as much, so that no
    /// more than that is copied if all of it is taken. What is compressed is queued as by
    /// [`send`](Self::send), and written from there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `write` is not called then.
    ///
    /// # Panics
    ///
    /// Only if `write` does. Part of a frame may be out then: the endpoint must not be used
    /// further.
    ///
    /// ```
    /// use std::io::{self, IoSlice, Write};
    /// use websocket_proto::endpoint::{Config, Endpoint};
    /// use websocket_proto::Connection;
    ///
    /// # fn f(transport: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::default();
    /// let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
    /// let picture = vec![0; 100_000];
    ///
    /// let mut failure = None;
    /// endpoint.send_through(&picture, |chunks| {
    ///     let slices: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    ///     match transport.write_vectored(&slices) {
    ///         Ok(count) => count,
    ///         Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
    ///         Err(error) => {
    ///             failure = Some(error);
    ///             0
    ///         }
    ///     }
    /// })?;
    /// failure.map_or(Ok(()), Err)?;
    /// // What the transport did not take is in the queue now, as after `send`.
    /// # Ok(())
    /// # }
    /// # f(&mut Vec::new()).unwrap();
    /// ```
    #[inline]
    pub fn send_through<'p>(
        &mut self,
        message: impl Into<Outbound<'p>>,
        write: impl FnMut(&[&[u8]]) -> usize,
    ) -> Result<(), SendError> {
        self.outgoing.send_through(message.into(), write)
    }

    /// Queues the next part of a message as one fragment (RFC 6455 §5.4).
    ///
    /// The first part says for all of them whether the message is compressed; with `Auto` it is,
    /// because how long it will be is not known. Each part is flushed, so that the peer can
    /// decompress it when it comes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and those of [`Connection::send_part`].
    pub fn send_part<'p>(
        &mut self,
        part: impl Into<Outbound<'p>>,
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.outgoing.send_part(part.into(), fragment)
    }

    /// Queues a Ping with a payload of at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Full`], and those of [`Connection::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.outgoing.ping(payload)
    }

    /// Queues a Close frame behind what is queued (RFC 6455 §7.1.2), whatever the watermarks.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::close`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.outgoing.close(code, reason)
    }

    /// Queues what the protocol itself has to send; call it before writing.
    ///
    /// # Errors
    ///
    /// [`SendError::NoEntropy`]: it stays due.
    pub fn transmit(&mut self) -> Result<(), SendError> {
        self.outgoing.transmit()
    }

    /// The queued output in order, for one vectored write; none of them is empty.
    #[inline]
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.outgoing.chunks()
    }

    /// Says how many bytes of the output were written. What the protocol has to send and found no
    /// room in the queue is queued then, so write until nothing is [queued](Self::queued).
    #[inline]
    pub fn advance_write(&mut self, count: usize) {
        self.outgoing.advance(count);
    }

    /// Writes everything that is queued to `transport`, what the protocol itself has to send
    /// included, without a call more than it takes: [`transmit`](Self::transmit),
    /// [`chunks`](Self::chunks) and [`advance_write`](Self::advance_write) in one. A call that was
    /// interrupted is made again. Does not flush the transport.
    ///
    /// # Errors
    ///
    /// Those of the transport, [`WouldBlock`](std::io::ErrorKind::WouldBlock) among them;
    /// [`WriteZero`](std::io::ErrorKind::WriteZero) if it takes nothing. What was not written stays
    /// queued. [`SendError::NoEntropy`], as [`Other`](std::io::ErrorKind::Other), once everything
    /// else is written: what is due stays so.
    #[cfg(feature = "std")]
    pub fn write_to(&mut self, transport: &mut impl std::io::Write) -> std::io::Result<()> {
        self.outgoing.write_to(transport)
    }

    /// How much output is queued, in bytes, frame headers included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outgoing.queued()
    }

    /// Whether the queue is over its high watermark.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.outgoing.is_full()
    }

    /// Whether to write before anything more is received that would be answered: true from over
    /// the high watermark until the queue is down to the low one.
    pub fn is_congested(&mut self) -> bool {
        self.outgoing.is_congested()
    }

    /// Frees the buffers that hold nothing. Call it when a read would block, or
    /// [`Buffers::take_back`], which keeps them for others: an idle endpoint then holds no heap, but
    /// for what compression with context takeover has to remember (see the table in the `deflate`
    /// module). The read buffer stays while the beginning of a message waits in it, unless that is
    /// less than a sixteenth of it: so little waits in an allocation of its own size, until there is
    /// something to read again.
    ///
    /// Checks the text that has come of an unfinished message. If it is not UTF-8 the connection
    /// has failed and its Close frame is queued: [`poll`](Self::poll) then gives the error,
    /// although nothing was read.
    ///
    /// Ends the life of the message that was found last, lent or not.
    pub fn release(&mut self) {
        drop(self.incoming.take_room(&mut self.outgoing));
        drop(self.incoming.release(&mut self.outgoing));
        drop(self.outgoing.release());
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; see
    /// [`Connection::poll_timeout`].
    pub fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        self.incoming.catch_up(&mut self.outgoing);
        self.outgoing.poll_timeout(now)
    }

    /// Does what is due at `now`; see [`Connection::handle_timeout`]. What that gives to be sent, a
    /// keep-alive Ping or the Close frame of a failure, is [queued](Self::queued) afterwards.
    ///
    /// Read, poll and write first what can be without waiting: what had come in time, and was not
    /// looked at, does not count.
    ///
    /// # Errors
    ///
    /// [`TimeoutError`], also [`TimeoutError::Write`] when the peer has taken nothing for the
    /// write timeout: the output is then dropped.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        self.incoming.catch_up(&mut self.outgoing);
        let result = self.outgoing.handle_timeout(now);
        // Who writes only while something is queued would not ask. Without a key it stays due.
        let _ = self.outgoing.transmit();
        result
    }

    /// Whether the transport is to be closed: everything is written and the connection has ended;
    /// see [`Connection::should_close_transport`].
    #[must_use]
    pub fn should_close_transport(&self) -> bool {
        self.outgoing.should_close_transport()
    }

    /// How the connection ended, once it has. The peer's close reason is in
    /// [`Connection::received_close`].
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        self.outgoing.connection.outcome()
    }

    /// The protocol inside, to look at.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.outgoing.connection
    }

    /// Takes the endpoint apart: the connection, what was read and not decoded, and what was
    /// queued and not written.
    ///
    /// Not in the middle of a message: what had been put together of it is lost, and another
    /// endpoint gives the rest as a message of its own, which is binary also if it was text. The
    /// windows of compression are lost as well, although the connection goes on to let RSV1 pass:
    /// not for one with context takeover (RFC 7692 §7.2), of which the peer may refer to them.
    #[must_use]
    pub fn into_parts(mut self) -> (Connection, Vec<u8>, Vec<u8>) {
        self.incoming.catch_up(&mut self.outgoing);
        let unread = self.incoming.into_unread();
        let unsent = self.outgoing.chunks().collect::<Vec<_>>().concat();
        (self.outgoing.connection, unread, unsent)
    }
}

/// What [`Endpoint::received`] does, to a place of its own: see [`Connection::receive`].
#[inline(never)]
fn lend_assembled<'m>(
    incoming: &'m mut Incoming,
    outgoing: &'m mut Outgoing,
    next: &mut Option<Received<'m>>,
) -> Result<(), ProtocolError> {
    match incoming.lend() {
        Ok((message, shared)) => {
            *next = Some(Received { message, out: Out::new(outgoing, shared) })
        }
        Err(error) => return Err(outgoing.fail(error)),
    }
    Ok(())
}
