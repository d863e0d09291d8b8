//! [`Stream`]: the handle that a blocking connection reads from, and its timeouts.
//!
//! Owns the waits: for something to read, for something to be taken, for the end.

use core::time::Duration;
use std::io::{self, ErrorKind};
use std::thread;
use std::time::Instant;

use super::reader::Side;
use super::waits::{
    BRIEFLY, COARSE, SHORTEST, SOON, has_waited, has_waited_to_read, is_wait, only_blocks,
};
use super::{Error, Transport};
use crate::adapter::{check_read, with_slices};
use crate::buffers::take_output;
use crate::endpoint::Outgoing;
use crate::error::TimeoutError;
use crate::utf8::InvalidUtf8;

/// The handle that is read from, and what is known of its timeouts.
#[derive(Debug)]
pub(super) struct Stream<S> {
    pub(super) io: S,
    /// The point that the protocol's times count from.
    pub(super) start: Instant,
    /// Whether reads end by themselves when a deadline comes.
    pub(super) can_wait: bool,
    /// Whether a read has said that it would block: then one may be tried at any time.
    would_block: bool,
    /// Whether the last read has found something behind a deadline.
    was_due: bool,
    read_timeout: Option<Duration>,
    /// The same of writes, where the sending side has no handle of its own.
    can_wait_to_write: bool,
    write_timeout: Option<Duration>,
    /// Whether the sending side of the stream has been shut down.
    shut: bool,
    /// How long the next wait may take at most, if somebody has to look up then.
    looks_up_in: Option<Duration>,
}

impl<S> Stream<S> {
    /// Has the next wait end after so long at most.
    pub(super) fn looks_up_in(&mut self, limit: Duration) {
        self.looks_up_in = Some(self.looks_up_in.unwrap_or(limit).min(limit));
    }

    /// How long a write may take where the connection closes: who waits for it does not see that
    /// the peer has had its time.
    pub(super) fn time_to_end(&self, outgoing: &mut Outgoing) -> Option<Duration> {
        if outgoing.connection.is_open() {
            return None;
        }
        let now = self.start.elapsed();
        outgoing.poll_timeout(now).map(|at| at.saturating_sub(now).max(COARSE))
    }
}

impl<S: Transport> Stream<S> {
    pub(super) fn new(mut io: S, write_timeout: Option<Duration>) -> Result<Self, Error> {
        let can_wait_to_write = io.set_write_timeout(write_timeout)?;
        let can_wait = io.set_read_timeout(None)?;
        Ok(Self {
            io,
            start: Instant::now(),
            can_wait,
            would_block: false,
            was_due: false,
            read_timeout: None,
            can_wait_to_write,
            write_timeout,
            shut: false,
            looks_up_in: None,
        })
    }

    /// Writes once, and says how much the stream took: nothing if it was interrupted. A timeout if
    /// it has waited for `timeout`.
    pub(super) fn write_once<'c>(
        &mut self,
        chunks: impl Iterator<Item = &'c [u8]>,
        timeout: Option<Duration>,
    ) -> Result<usize, Error> {
        let written = self.timed(timeout, |io| {
            with_slices(chunks, |slices| match slices {
                [slice] => io.write(slice),
                slices => io.write_vectored(slices),
            })
        });
        match written? {
            Some(0) => Err(io::Error::from(ErrorKind::WriteZero).into()),
            count => Ok(count.unwrap_or(0)),
        }
    }

    /// Flushes the stream; not if it was interrupted. A timeout as of a write.
    pub(super) fn flush_once(&mut self, timeout: Option<Duration>) -> Result<bool, Error> {
        Ok(self.timed(timeout, S::flush)?.is_some())
    }

    /// Does something that may wait for the peer to take something; `None` if it was interrupted.
    fn timed<T>(
        &mut self,
        timeout: Option<Duration>,
        act: impl FnOnce(&mut S) -> io::Result<T>,
    ) -> Result<Option<T>, Error> {
        if self.can_wait_to_write && timeout != self.write_timeout {
            self.io.set_write_timeout(timeout)?;
            self.write_timeout = timeout;
        }
        // Where a write waits for ever nobody asks how long it took.
        let begun = timeout.filter(|_| self.can_wait_to_write).map(|_| Instant::now());
        match act(&mut self.io) {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) if begun.is_some_and(|begun| has_waited(&error, begun, timeout)) => {
                Err(TimeoutError::Write.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl<S: Transport> Stream<S> {
    /// Reads until there is something (0 is the end), or the next deadline: `None`, once that has
    /// been dealt with; also at `by`.
    ///
    /// A deadline that has passed is dealt with after a read all the same: what proves that the
    /// peer lives may be there.
    pub(super) fn wait<D: Side<S>>(
        &mut self,
        buffer: &mut [u8],
        side: &mut D,
        by: Option<Duration>,
    ) -> Result<Option<usize>, Error> {
        let (now, deadline, unwritten) = side.with(|outgoing| {
            // Where there can be no deadline nobody asks for the time.
            let timed = by.is_some() || outgoing.has_deadlines();
            let now = if timed { self.start.elapsed() } else { Duration::ZERO };
            (now, outgoing.poll_timeout(now), outgoing.has_unwritten())
        });
        let left = deadline.map(|at| at.saturating_sub(now));
        let tick = D::TICK.map(|tick| if unwritten { D::TICK_UNWRITTEN } else { tick });
        let limit = by.map(|by| by.saturating_sub(now));
        let timeout = [left, tick, limit, self.looks_up_in.take()].into_iter().flatten().min();
        let is_due = left == Some(Duration::ZERO);
        // What the last read brought has not met the deadline: Pings do not meet that of messages.
        let is_missed = self.was_due || !(self.can_wait || self.would_block);
        let read = if is_due && is_missed { Ok(None) } else { self.read(buffer, timeout) };
        self.was_due = is_due && matches!(read, Ok(Some(_)));
        match &read {
            // A peer that goes on sending does not put off the end of a close.
            Ok(Some(_)) if side.with(|outgoing| outgoing.connection.is_open()) => return read,
            Err(error) if !is_wait(error) => return read,
            _ => {}
        }
        let now = self.start.elapsed();
        // A failure is in the connection, and comes out of it.
        let _ = side.with(|outgoing| outgoing.handle_timeout(now));
        self.would_block |= read.is_err();
        match read {
            // A stream that does not block, and a deadline that has passed all the same.
            Err(_) if deadline.is_some_and(|at| at <= now) => Ok(None),
            read => read,
        }
    }

    /// Whether what has come of a text may go on to wait unchecked, as it has `since` then: not for long,
    /// where reads can end by themselves, and the next one does so soon.
    pub(super) fn puts_off_check(&mut self, since: &mut Option<Duration>) -> bool {
        if !self.can_wait {
            return true;
        }
        let now = self.start.elapsed();
        let is_recent = now.saturating_sub(*since.get_or_insert(now)) < SOON;
        if is_recent {
            self.looks_up_in(SOON);
        }
        is_recent
    }

    /// When a wait of `limit` ends, if the stream can wait for a time at all.
    pub(super) fn deadline_of(&self, limit: Option<Duration>) -> Option<Duration> {
        let limit = limit.filter(|_| self.can_wait);
        limit.map(|limit| self.start.elapsed().saturating_add(limit))
    }

    pub(super) fn is_past(&self, by: Option<Duration>) -> bool {
        by.is_some_and(|by| by <= self.start.elapsed())
    }

    /// Ends a close that has taken too long; whether it has. To be asked where nothing is read:
    /// other deadlines could be met by what is not.
    pub(super) fn end_of_close<D: Side<S>>(&mut self, side: &mut D) -> bool {
        let now = self.start.elapsed();
        side.with(|outgoing| {
            if !outgoing.connection.is_open() {
                let _ = outgoing.handle_timeout(now);
            }
            outgoing.connection.is_over()
        })
    }

    /// Reads until there is something (0 is the end), or `timeout` has passed (`None`).
    fn read(
        &mut self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
    ) -> Result<Option<usize>, Error> {
        let timeout = timeout.map(|timeout| timeout.max(SHORTEST));
        match self.read_for(buffer, timeout) {
            // It does not block, or the clock has ticked when a short wait had just begun: then the
            // next takes a whole tick.
            Err(error)
                if self.can_wait && is_wait(&error) && timeout.is_some_and(|it| it < COARSE) =>
            {
                self.read_for(buffer, timeout)
            }
            read => read,
        }
    }

    fn read_for(
        &mut self,
        buffer: &mut [u8],
        timeout: Option<Duration>,
    ) -> Result<Option<usize>, Error> {
        if self.can_wait && timeout != self.read_timeout {
            self.io.set_read_timeout(timeout)?;
            self.read_timeout = timeout;
        }
        // Where a read waits for ever nobody asks how long it took.
        let begun = timeout.filter(|_| self.can_wait).map(|_| Instant::now());
        match self.io.read(buffer) {
            Ok(count) => Ok(Some(check_read(count, buffer.len())?)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) if has_waited_to_read(&error, begun, timeout) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the timeouts off the stream again, for whoever uses it next.
    pub(super) fn into_io(mut self) -> S {
        // A stream that does not take them had none.
        let _ = self.io.set_read_timeout(None);
        let _ = self.io.set_write_timeout(None);
        self.io
    }

    /// Fails the connection because of a text that has been received, and ends it.
    #[cold]
    pub(super) fn fail(
        &mut self,
        side: &mut impl Side<S>,
        error: InvalidUtf8,
        by: Option<Duration>,
    ) -> Error {
        let error = side.with(|outgoing| outgoing.fail(error));
        match self.end(side, by) {
            Ok(()) => error.into(),
            Err(error) => error,
        }
    }

    /// Writes what is queued, shuts down, and waits for the peer to end the stream: a reset would
    /// otherwise destroy the Close frame on its way. No longer than `by`, if that is given: to be
    /// called again then.
    pub(super) fn end(
        &mut self,
        side: &mut impl Side<S>,
        by: Option<Duration>,
    ) -> Result<(), Error> {
        let mut is_late = false;
        loop {
            if is_late {
                return Err(io::Error::from(ErrorKind::TimedOut).into());
            }
            let unwritten = match side.write(self) {
                // The stream does not block.
                Err(error) if is_wait(&error) => Some(error),
                Err(_) => {
                    side.with(Outgoing::abandon);
                    None
                }
                Ok(()) => None,
            };
            side.with(take_output);
            let over = side.with(|outgoing| outgoing.connection.is_over());
            if over && side.with(|outgoing| outgoing.has_unwritten()) {
                // The peer has the close timeout to take the rest.
                let now = self.start.elapsed();
                let lost = side.with(|outgoing| {
                    let _ = outgoing.handle_timeout(now);
                    !outgoing.has_unwritten()
                });
                match unwritten {
                    Some(error) if !lost => return Err(error),
                    Some(_) => {}
                    // Another thread is writing it.
                    None => thread::sleep(BRIEFLY),
                }
                is_late = self.is_past(by);
                continue;
            }
            let close = side.with(|outgoing| outgoing.should_close_transport());
            if !self.shut && (over || close) {
                let begun = Instant::now();
                match self.io.shutdown_write() {
                    // The stream does not block.
                    Err(error)
                        if only_blocks(&error)
                            && !has_waited(&error, begun, self.write_timeout)
                            && !self.end_of_close(side) =>
                    {
                        return Err(error.into());
                    }
                    // A stream that is gone already need not be ended.
                    Ok(()) | Err(_) => self.shut = true,
                }
            }
            // A stream that knows no timeouts could hold a server for ever: it is just dropped.
            if over || (self.shut && !self.can_wait) {
                return Ok(());
            }
            match self.wait(&mut [0; 2048], side, by) {
                Err(error) if is_wait(&error) => return Err(error),
                Ok(Some(0)) | Err(_) => receive_eof(side),
                Ok(_) => is_late = self.is_past(by),
            }
        }
    }
}

pub(super) fn receive_eof<S>(side: &mut impl Side<S>) {
    // What it means is in the outcome.
    let _ = side.with(|outgoing| outgoing.connection.receive_eof());
}
