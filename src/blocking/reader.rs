//! The loop that drives a blocking connection, whether or not its sending side is shared.

use core::time::Duration;
use std::io::{self, ErrorKind};

use super::stream::{Stream, receive_eof};
use super::waits::is_wait;
use super::{Error, Transport};
use crate::adapter::ended;
use crate::buffers::{Receiving, Sending, lend_to_answer, lend_to_read, take_buffers};
use crate::endpoint::{Incoming, Outgoing, Status};
use crate::message::OwnedMessage;

/// The sending side, as the loop needs it: owned, or behind a lock.
pub(super) trait Side<S> {
    /// The longest time that a read may take, where another thread can bring a new deadline.
    const TICK: Option<Duration>;

    /// The same while output waits that this thread did not wait for.
    const TICK_UNWRITTEN: Duration;

    /// Whether messages are handed out with the means to answer them, which then must find room.
    /// Where others send, receiving must not wait for output: the peer may read nothing before it
    /// has written.
    const LENDS_OUT: bool;

    /// Gives access to the protocol; nothing blocks inside.
    fn with<T>(&mut self, act: impl FnOnce(&mut Outgoing) -> T) -> T;

    /// Writes everything that is queued, to `stream` or to a handle of its own.
    fn write(&mut self, stream: &mut Stream<S>) -> Result<(), Error>;
}

impl<S: Transport> Side<S> for Sending {
    const TICK: Option<Duration> = None;
    const TICK_UNWRITTEN: Duration = Duration::MAX;
    const LENDS_OUT: bool = true;

    fn with<T>(&mut self, act: impl FnOnce(&mut Outgoing) -> T) -> T {
        act(self)
    }

    fn write(&mut self, stream: &mut Stream<S>) -> Result<(), Error> {
        self.transmit()?;
        loop {
            let limit = stream.time_to_end(self);
            let timeout = limit.or_else(|| self.write_timeout());
            let done = if self.queued() > 0 {
                let written = stream.write_once(self.chunks(), timeout);
                written.map(|count| {
                    self.advance(count);
                    self.note_unflushed();
                })
            } else if self.is_unflushed() {
                stream.flush_once(timeout).map(|flushed| {
                    if flushed {
                        self.note_flushed();
                    }
                })
            } else {
                return Ok(());
            };
            match done {
                Ok(()) => {}
                Err(Error::Timeout(_)) if limit.is_some() => {
                    self.handle_timeout(stream.start.elapsed())?;
                }
                Err(Error::Timeout(error)) => return Err(self.give_up(error).into()),
                Err(error) => {
                    // A stream that does not block keeps no time itself.
                    if is_wait(&error) {
                        self.handle_write_timeout(stream.start.elapsed())?;
                    } else {
                        self.abandon();
                    }
                    return Err(error);
                }
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Reader<S> {
    pub(super) stream: Stream<S>,
    pub(super) incoming: Receiving,
}

impl<S: Transport> Reader<S> {
    pub(super) fn new(io: S, incoming: Incoming, outgoing: &Outgoing) -> Result<Self, Error> {
        let stream = Stream::new(io, outgoing.write_timeout())?;
        Ok(Self { stream, incoming: Receiving::new(incoming) })
    }

    /// Drives everything until there is a message (true) or the connection has ended (false); no
    /// longer than `by`, if that is given.
    pub(super) fn find<D: Side<S>>(
        &mut self,
        side: &mut D,
        by: Option<Duration>,
    ) -> Result<bool, Error> {
        let Self { stream, incoming } = self;
        let mut is_late = false;
        // Whether there is likely to be more of what the last read found, how many have found some of a
        // frame, and since when some of a text has not been checked.
        let (mut goes_on, mut reads, mut unchecked_since) = (false, 0_u32, None);
        loop {
            let congested =
                D::LENDS_OUT && side.with(|it| it.is_congested() && it.connection.is_receiving());
            let status = match congested {
                true => Ok(Status::NeedRead),
                false => side.with(|outgoing| incoming.poll(outgoing)),
            };
            match status {
                Ok(Status::Message) => {
                    side.with(lend_to_answer);
                    return Ok(true);
                }
                Ok(Status::NeedRead) => {}
                Ok(Status::Closed) | Err(_) => {
                    // The peer may take its time to end the stream.
                    side.with(|outgoing| take_buffers(incoming, outgoing));
                    stream.end(side, by)?;
                    return side.with(|outgoing| ended(outgoing)).map(|()| false);
                }
            }
            match side.write(stream) {
                Err(error @ Error::Send(_)) => return Err(error),
                Err(error) if is_wait(&error) => {
                    // A stream that does not block: there may be something to read all the same. One
                    // without timeouts may have waited, and a read would wait for ever.
                    let reads_on = stream.can_wait && !congested;
                    if !reads_on && !stream.end_of_close(side) {
                        return Err(error);
                    }
                }
                // The peer may have said why before it stopped reading: read on to the end.
                Err(_) => side.with(Outgoing::abandon),
                Ok(()) => {}
            }
            if congested {
                continue;
            }
            // Once what was read last has been looked at, and answered.
            if is_late {
                return Err(io::Error::from(ErrorKind::TimedOut).into());
            }
            // The read may wait for long: first see whether what came of a text is UTF-8. Where more
            // of a frame is likely to be there, only if it does not come soon: the whole is checked
            // once more.
            let is_within_frame = side.with(|outgoing| incoming.is_within_frame(outgoing));
            let puts_off = goes_on
                && is_within_frame
                && (!incoming.is_within_text() || stream.puts_off_check(&mut unchecked_since));
            if !puts_off {
                unchecked_since = None;
                if side.with(|outgoing| !incoming.pause(outgoing)) {
                    continue;
                }
            }
            if !is_within_frame {
                reads = 0;
            }
            let buffer = side.with(|outgoing| {
                incoming.settle_context();
                lend_to_read(incoming, outgoing);
                incoming.read_buf(outgoing)
            });
            let room = buffer.len();
            let read = stream.wait(buffer, side, by);
            is_late = stream.is_past(by);
            match read {
                Ok(Some(0)) => {
                    side.with(|outgoing| incoming.pause(outgoing));
                    receive_eof(side);
                }
                Ok(Some(count)) => {
                    reads = reads.saturating_add(1);
                    goes_on = count == room || count >= MUCH || (stream.can_wait && reads > FEW);
                    incoming.advance_read(count);
                }
                // A deadline: what it did comes out of the connection. Nothing comes for now.
                Ok(None) => {
                    (goes_on, reads) = (false, 0);
                    side.with(|outgoing| take_buffers(incoming, outgoing));
                }
                Err(error) if is_wait(&error) => {
                    side.with(|outgoing| take_buffers(incoming, outgoing));
                    // Unless what came of a text turned out not to be UTF-8.
                    if side.with(|outgoing| outgoing.connection.is_receiving()) {
                        return Err(error);
                    }
                }
                Err(error) => {
                    side.with(|outgoing| incoming.pause(outgoing));
                    receive_eof(side);
                    side.with(|outgoing| take_buffers(incoming, outgoing));
                    // After the closing handshake a reset says nothing new.
                    if side.with(|outgoing| ended(outgoing)).is_err() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits for a message, and takes it.
    pub(super) fn take<D: Side<S>>(&mut self, side: &mut D) -> Result<Option<OwnedMessage>, Error> {
        if !self.find(side, None)? {
            return Ok(None);
        }
        let taken = self.incoming.take_message();
        taken.map(Some).map_err(|error| self.stream.fail(side, error, None))
    }
}

/// After how many bytes in one read there is likely to be more: large frames come without a break.
const MUCH: usize = 8 * 1024;

/// After how many reads there is, if a read can end by itself: to have it do that takes two system
/// calls, which cost what it takes to check some small pieces.
const FEW: u32 = 4;
