//! One connection for several threads: [`Receiver`] and [`Sender`].
//!
//! The receiver reads from its own handle without a lock. The protocol is behind one lock that is
//! never held while anything blocks, the writing handle behind another: who holds it writes for
//! all, and looks again after letting go, so that nothing stays behind, unless the handle does not
//! block.

use alloc::sync::Arc;
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Instant;

use super::reader::{Reader, Side};
use super::stream::Stream;
use super::waits::{BRIEFLY, SHORTEST, has_waited, is_wait, only_blocks};
use super::{Error, Transport, WebSocket};
use crate::adapter::{flushed, lock};
use crate::buffers::Sending;
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Fragment};
use crate::endpoint::Outgoing;
use crate::error::{SendError, TimeoutError};
use crate::message::{Message, Outbound, OwnedMessage};

#[derive(Debug)]
struct Shared<W> {
    outgoing: Mutex<Sending>,
    writer: Mutex<W>,
}

impl<W: Transport> Shared<W> {
    /// Writes everything that is queued, as soon as nobody else writes.
    fn write_out(&self) -> Result<(), Error> {
        let Ok(mut writer) = self.writer.lock() else {
            self.abandon();
            return Err(SendError::Closed.into());
        };
        self.drain(&mut writer, None)?;
        drop(writer);
        // What others have left to who writes. Once: they could go on for ever.
        if let Some(mut writer) = self.try_writer() {
            self.drain(&mut writer, None)?;
        }
        Ok(())
    }

    /// Writes what the peer takes at once, if nobody else writes and the handle can time out.
    fn write_briefly(&self) {
        let Some(mut writer) = self.try_writer() else { return };
        let usual = lock(&self.outgoing).write_timeout();
        if let Ok(true) = writer.set_write_timeout(Some(SHORTEST)) {
            // A failure is in the connection; that a handle has failed, it says again.
            let _ = self.drain(&mut writer, Some(SHORTEST));
            let _ = writer.set_write_timeout(usual);
        }
    }

    /// The writing handle, if there is something to write and nobody else does.
    fn try_writer(&self) -> Option<MutexGuard<'_, W>> {
        let outgoing = lock(&self.outgoing);
        if !outgoing.has_unwritten() && !outgoing.connection.wants_transmit() {
            return None;
        }
        drop(outgoing);
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(_)) => {
                self.abandon();
                None
            }
            // Who holds it looks again after letting go.
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Somebody has panicked in a write: part of what is still queued may be out.
    #[cold]
    fn abandon(&self) {
        lock(&self.outgoing).abandon();
    }

    /// Writes as much as is queued now: others may go on queueing. A peer that takes nothing for the
    /// write timeout is given up, unless the handle has another one, `limit`: what that means is for
    /// the caller to judge.
    fn drain(&self, writer: &mut W, limit: Option<Duration>) -> Result<(), Error> {
        let mut left = None;
        loop {
            let (chunk, timeout) = {
                let mut outgoing = lock(&self.outgoing);
                outgoing.transmit()?;
                let left = *left.get_or_insert(outgoing.queued());
                let chunk = outgoing.first_chunk().filter(|_| left > 0);
                if chunk.is_none() && !outgoing.is_unflushed() {
                    return Ok(());
                }
                (chunk, limit.or_else(|| outgoing.write_timeout()))
            };
            let begun = timeout.map(|_| Instant::now());
            let step = match &chunk {
                Some(chunk) => writer.write(&chunk[..chunk.len().min(AT_ONCE)]),
                None => writer.flush().map(|()| 0),
            };
            let mut outgoing = lock(&self.outgoing);
            match step {
                Ok(0) if chunk.is_some() => {
                    // Part of a frame may be out: nothing can be written after it.
                    outgoing.abandon();
                    return Err(io::Error::from(ErrorKind::WriteZero).into());
                }
                Ok(count) if chunk.is_some() => {
                    left = left.map(|left| left.saturating_sub(count));
                    outgoing.advance(count);
                    outgoing.note_unflushed();
                }
                Ok(_) => outgoing.note_flushed(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if begun.is_some_and(|begun| has_waited(&error, begun, timeout)) => {
                    // The handle has this timeout: nothing was taken for that long.
                    let error = TimeoutError::Write;
                    return Err(
                        if limit.is_some() { error } else { outgoing.give_up(error) }.into()
                    );
                }
                // The handle does not block: what is queued waits.
                Err(error) if only_blocks(&error) => return Err(error.into()),
                Err(error) => {
                    outgoing.abandon();
                    return Err(error.into());
                }
            }
        }
    }
}

/// How much is written by one call, in bytes: the receiver keeps deadlines meanwhile, and sees what
/// the peer has taken only when a call returns. A Unix socket waits for each 36 KiB anew.
const AT_ONCE: usize = 32 * 1024;

impl<S, W: Transport> Side<S> for Arc<Shared<W>> {
    /// A sender that closes cannot wake a read, so a read ends by itself now and then.
    const TICK: Option<Duration> = Some(Duration::from_secs(1));
    const TICK_UNWRITTEN: Duration = Duration::from_millis(50);
    const LENDS_OUT: bool = false;

    fn with<T>(&mut self, act: impl FnOnce(&mut Outgoing) -> T) -> T {
        act(&mut lock(&self.outgoing))
    }

    /// Does not wait for a sender that is writing. Nor for long itself while messages can come, if
    /// reads can end by themselves: the peer may have to be read from first. While the connection
    /// closes it waits until the next deadline at most.
    fn write(&mut self, stream: &mut Stream<S>) -> Result<(), Error> {
        while let Some(mut writer) = self.try_writer() {
            let (receives, reads, mut limit, usual) = {
                let mut outgoing = lock(&self.outgoing);
                let receives = outgoing.connection.is_receiving();
                let reads = receives && stream.can_wait;
                let limit = if reads { Some(BRIEFLY) } else { stream.time_to_end(&mut outgoing) };
                (receives, reads, limit, outgoing.write_timeout())
            };
            if limit.is_some() && !writer.set_write_timeout(limit)? {
                limit = None;
            }
            let drained = self.drain(&mut writer, limit);
            if limit.is_some() {
                writer.set_write_timeout(usual)?;
            }
            let Err(error) = drained else {
                // What was queued meanwhile comes after what there is to read.
                if receives && lock(&self.outgoing).has_unwritten() {
                    stream.looks_up_in(SHORTEST);
                }
                if receives {
                    return Ok(());
                }
                continue;
            };
            let (now, mut outgoing) = (stream.start.elapsed(), lock(&self.outgoing));
            match error {
                Error::Timeout(_) if limit.is_some() && !reads => outgoing.handle_timeout(now)?,
                Error::Timeout(_) if limit.is_some() => {
                    outgoing.handle_write_timeout(now)?;
                    return Err(io::Error::from(ErrorKind::WouldBlock).into());
                }
                error => {
                    // A handle that does not block keeps no time itself.
                    if is_wait(&error) {
                        outgoing.handle_write_timeout(now)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

pub(super) fn split<S: Transport, W: Transport>(
    socket: WebSocket<S>,
    mut writer: W,
) -> Result<(Receiver<S, W>, Sender<W>), Error> {
    let WebSocket { reader, outgoing } = socket;
    writer.set_write_timeout(outgoing.write_timeout())?;
    let shared = Arc::new(Shared { outgoing: Mutex::new(outgoing), writer: Mutex::new(writer) });
    Ok((Receiver { reader, shared: Arc::clone(&shared) }, Sender { shared }))
}

/// The receiving half of a connection that was [split](WebSocket::split).
///
/// Keep calling [`next`](Self::next): it is what answers Pings, keeps the deadlines and completes
/// the closing handshake. When it is dropped the transport stays open as long as there is a
/// [`Sender`], and nothing of that is done any more: drop every sender with it.
#[derive(Debug)]
pub struct Receiver<S, W> {
    reader: Reader<S>,
    shared: Arc<Shared<W>>,
}

impl<S: Transport, W: Transport> Receiver<S, W> {
    /// Waits for the next message and lends it. `None` after a clean close, whatever its code:
    /// [`received_close`](Self::received_close) has that.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`].
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<Message<'_>>, Error> {
        let whole = self.reader.incoming.poll_whole(&mut lock(&self.shared.outgoing));
        let Some((content, payload)) = whole else { return self.next_any() };
        let Self { reader: Reader { stream, incoming }, shared } = self;
        match incoming.lend_found(content, payload) {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(stream.fail(shared, error, None)),
        }
    }

    /// As [`next`](Self::next), but gives the message away, as [`WebSocket::next_owned`] does.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`].
    pub fn next_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        self.reader.take(&mut self.shared)
    }

    /// As [`next`](Self::next), but waits for no longer than `limit`: see
    /// [`WebSocket::next_timeout`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next_timeout`].
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<Message<'_>>, Error> {
        self.next_within(Some(limit))
    }

    /// What [`next`](Self::next) does when no whole message in one frame has been read.
    fn next_any(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.next_within(None)
    }

    fn next_within(&mut self, limit: Option<Duration>) -> Result<Option<Message<'_>>, Error> {
        let Self { reader, shared } = self;
        let by = reader.stream.deadline_of(limit);
        if !reader.find(shared, by)? {
            return Ok(None);
        }
        let Reader { stream, incoming } = reader;
        match incoming.lend() {
            Ok((message, _)) => Ok(Some(message)),
            Err(error) => Err(stream.fail(shared, error, by)),
        }
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        lock(&self.shared.outgoing).connection.outcome()
    }

    /// The body of the peer's Close frame, if one came and was not empty: code and reason.
    #[must_use]
    pub fn received_close(&self) -> Option<CloseFrame> {
        lock(&self.shared.outgoing).connection.received_close()
    }
}

/// The sending half of a connection that was [split](WebSocket::split); clones share it.
#[derive(Debug)]
pub struct Sender<W> {
    shared: Arc<Shared<W>>,
}

impl<W> Clone for Sender<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<W: Transport> Sender<W> {
    /// Queues a message. Writes what is queued first if that is more than the high watermark. A
    /// [`Receiver`] that waits writes it within a second, as [`try_send`](Self::try_send) says.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub fn feed<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        let message = message.into();
        self.queue(|outgoing| outgoing.send(message))
    }

    /// As [`feed`](Self::feed), of a message that is given away: a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub fn feed_owned(&self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        let mut message = message.into();
        self.queue(|outgoing| outgoing.send_owned(&mut message))
    }

    fn queue(
        &self,
        mut send: impl FnMut(&mut Outgoing) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        loop {
            match send(&mut lock(&self.shared.outgoing)) {
                Err(SendError::Full { .. }) => {}
                result => return Ok(result?),
            }
            let Err(error) = self.flush() else { continue };
            let outgoing = lock(&self.shared.outgoing);
            if !is_wait(&error) {
                return Err(error);
            }
            // That a write would block is said of what is queued only.
            if outgoing.is_full() {
                return Err(SendError::Full { queued: outgoing.queued() }.into());
            }
        }
    }

    /// Sends a message: [`feed`](Self::feed) and [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub fn send<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        self.feed(message)?;
        self.flush()
    }

    /// Sends a message that is given away, as [`WebSocket::send_owned`] does.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_owned`].
    pub fn send_owned(&self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        self.feed_owned(message)?;
        self.flush()
    }

    /// Sends the next part of a message as one fragment, and flushes (RFC 6455 §5.4). Until the
    /// last one, what other clones send is refused with [`SendError::UnfinishedMessage`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_part<'p>(
        &self,
        part: impl Into<Outbound<'p>>,
        fragment: Fragment,
    ) -> Result<(), Error> {
        let part = part.into();
        self.queue(|outgoing| outgoing.send_part(part, fragment))?;
        self.flush()
    }

    /// Queues a message without waiting, for the [`Receiver`] to write: a server that sends to many
    /// can give up on those that do not keep up. One that waits in [`Receiver::next`] looks up within
    /// a second, unless it reads from a [`Plain`](super::Plain) stream. Otherwise it is written by
    /// [`flush`](Self::flush), or with whatever is written next; and where there is no room, what the
    /// peer takes within a millisecond is written here.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if more than the high watermark is queued, and the others of
    /// [`Connection::send`](crate::Connection::send).
    pub fn try_send<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), SendError> {
        let message = message.into();
        let queued = lock(&self.shared.outgoing).send(message);
        let Err(SendError::Full { .. }) = queued else { return queued };
        self.shared.write_briefly();
        lock(&self.shared.outgoing).send(message)
    }

    /// Queues a Close frame without waiting, for the [`Receiver`] to write, as
    /// [`try_send`](Self::try_send) does: the closing handshake has begun.
    ///
    /// # Errors
    ///
    /// If code or reason are not valid. Nothing happens if the connection is closing already.
    pub fn try_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        match lock(&self.shared.outgoing).close(code, reason) {
            Err(SendError::Closed) => Ok(()),
            closed => closed,
        }
    }

    /// How many bytes are queued and not written.
    #[must_use]
    pub fn queued(&self) -> usize {
        lock(&self.shared.outgoing).queued()
    }

    /// How long the peer took to answer the last keep-alive Ping: see [`Connection::latency`].
    ///
    /// [`Connection::latency`]: crate::Connection::latency
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        lock(&self.shared.outgoing).connection.latency()
    }

    /// Whether messages can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.shared.outgoing).is_open()
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        lock(&self.shared.outgoing).connection.outcome()
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|outgoing| outgoing.ping(payload))?;
        self.flush()
    }

    /// Writes everything that is queued, by whichever clone.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.write_out()?;
        flushed(&lock(&self.shared.outgoing))
    }

    /// Starts the closing handshake; the [`Receiver`] sees its end.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] as of [`WebSocket::close`]. If the Close could not be written those of
    /// [`flush`](Self::flush), such as [`Error::Io`] and [`Error::Timeout`]; after `WouldBlock` it is
    /// queued: call that, or this again. Nothing happens if the connection is closing already.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let was_open = match lock(&self.shared.outgoing).close(code, reason) {
            Ok(()) => true,
            Err(SendError::Closed) => false,
            Err(error) => return Err(error.into()),
        };
        match self.flush() {
            // What the outcome tells of.
            Err(Error::Send(SendError::Closed)) => Ok(()),
            Err(error) if !was_open && !is_wait(&error) => Ok(()),
            flushed => flushed,
        }
    }
}
