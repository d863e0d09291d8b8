//! The deadlines of a connection: keep-alive, idle and close.
//!
//! Reads no clock. [`Connection`](crate::Connection) notes what happened; the next call that
//! brings the time turns the notes into deadlines (times are `Duration`s since a point that the
//! caller chose).

use core::time::Duration;

use crate::error::TimeoutError;

/// A moment or a span in nanoseconds; [`NEVER`] is none. 584 years fit, `Option<Duration>` would
/// take twice the room in every idle connection.
type Nanos = u64;

const NEVER: Nanos = u64::MAX;

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

fn span(duration: Option<Duration>) -> Nanos {
    // A span of zero would be due again at the moment it was handled: it is none.
    duration.filter(|duration| !duration.is_zero()).map_or(NEVER, nanos)
}

/// What is due when a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    /// The peer had its time to complete the closing handshake.
    CloseTransport,
}

/// The settings, spans in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    ping_interval: Nanos,
    pong_timeout: Nanos,
    idle_timeout: Nanos,
    close_timeout: Nanos,
    /// When the last byte came.
    heard_at: Nanos,
    /// When the last message was received or sent.
    active_at: Nanos,
    /// When the Ping went out that nothing has followed yet.
    pinged_at: Nanos,
    /// When the transport is dropped, once the connection closes.
    close_at: Nanos,
    heard: bool,
    active: bool,
    closing: bool,
}

impl Timers {
    pub(crate) fn new(
        ping_interval: Option<Duration>,
        pong_timeout: Option<Duration>,
        idle_timeout: Option<Duration>,
        close_timeout: Duration,
    ) -> Self {
        Self {
            ping_interval: span(ping_interval),
            pong_timeout: span(pong_timeout),
            idle_timeout: span(idle_timeout),
            close_timeout: nanos(close_timeout).max(1),
            heard_at: NEVER,
            active_at: NEVER,
            pinged_at: NEVER,
            close_at: NEVER,
            // The first call that brings the time starts the clocks.
            heard: true,
            active: true,
            closing: false,
        }
    }

    #[inline]
    pub(crate) fn note_heard(&mut self) {
        self.heard = true;
    }

    #[inline]
    pub(crate) fn note_active(&mut self) {
        self.active = true;
    }

    pub(crate) fn note_closing(&mut self) {
        self.closing = true;
    }

    /// Times count from another point: every clock starts anew.
    #[cfg(feature = "std")]
    pub(crate) fn restart(&mut self) {
        (self.heard, self.active) = (true, true);
        self.close_at = NEVER;
    }

    fn settle(&mut self, now: Nanos) {
        if core::mem::take(&mut self.heard) {
            self.heard_at = now;
            // Any data counts as life, not only the Pong.
            self.pinged_at = NEVER;
        }
        if core::mem::take(&mut self.active) {
            self.active_at = now;
        }
        if self.closing && self.close_at == NEVER {
            self.close_at = now.saturating_add(self.close_timeout);
        }
    }

    fn keep_alive_at(&self) -> (Nanos, bool) {
        if self.pinged_at == NEVER {
            (self.heard_at.saturating_add(self.ping_interval), true)
        } else {
            (self.pinged_at.saturating_add(self.pong_timeout), false)
        }
    }

    fn next(&self) -> Nanos {
        if self.closing {
            return self.close_at;
        }
        self.keep_alive_at().0.min(self.active_at.saturating_add(self.idle_timeout))
    }

    /// The next deadline, after taking note of what happened up to `now`.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Duration> {
        self.settle(nanos(now));
        match self.next() {
            NEVER => None,
            at => Some(Duration::from_nanos(at)),
        }
    }

    /// Handles what is due. The next deadline is later than `now` afterwards.
    pub(crate) fn handle(&mut self, now: Duration) -> Result<Due, TimeoutError> {
        let now = nanos(now);
        self.settle(now);
        if now < self.next() || self.next() == NEVER {
            return Ok(Due::Nothing);
        }
        if self.closing {
            self.close_timeout = NEVER;
            self.close_at = NEVER;
            return Ok(Due::CloseTransport);
        }
        if now >= self.active_at.saturating_add(self.idle_timeout) {
            return Err(TimeoutError::Idle);
        }
        if !self.keep_alive_at().1 {
            return Err(TimeoutError::Pong);
        }
        if self.pong_timeout == NEVER {
            // Nobody waits for the Pong: the next Ping is due an interval later.
            self.heard_at = now;
        } else {
            self.pinged_at = now;
        }
        Ok(Due::Ping)
    }
}
