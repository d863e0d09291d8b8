//! The deadlines of a connection: keep-alive, idle and close.
//!
//! Reads no clock. [`Connection`](crate::Connection) notes what happened; the next call that
//! brings the time turns the notes into deadlines (times are `Duration`s since a point that the
//! caller chose).

use core::time::Duration;

use crate::error::TimeoutError;

/// A moment or a span in nanoseconds; [`NEVER`] is none. 584 years fit, `Option<Duration>` would
/// take twice the room in every idle connection.
pub(crate) type Nanos = u64;

pub(crate) const NEVER: Nanos = u64::MAX;

/// How long what is queued for a peer that is taken for gone has to be written. Where a write is
/// submitted and completes later (io_uring), a timer that is due at once would come first.
const LAST_WRITE: Nanos = 100_000_000;

pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

pub(crate) fn span(duration: Option<Duration>) -> Nanos {
    // A span of zero would be due again at the moment it was handled: it is none.
    duration.filter(|duration| !duration.is_zero()).map_or(NEVER, nanos)
}

pub(crate) fn duration(nanos: Nanos) -> Option<Duration> {
    (nanos != NEVER).then(|| Duration::from_nanos(nanos))
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
    /// When the last byte came, or, if `pinged`, when the Ping went out that nothing has followed
    /// yet.
    silent_since: Nanos,
    /// When the last message was received or sent, or, if `closing`, when the transport is
    /// dropped: who closes has no other deadline.
    active_or_close_at: Nanos,
    pinged: bool,
    heard: bool,
    active: bool,
    end: End,
    /// What asks the peer for an answer was given out, and perhaps not written yet.
    asks: bool,
    /// It was written.
    asked: bool,
    /// A Pong came that answers a keep-alive Ping.
    ponged: bool,
}

/// How far the connection is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is open.
    No,
    Closing,
    /// The peer is taken for gone: it is told so and not waited for.
    Gone,
    /// The peer has had its time to close.
    Expired,
}

/// How long the answer to a keep-alive Ping took, in microseconds; kept apart from the [`Timers`],
/// where there is room for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency(u32);

impl Latency {
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);

    fn new(nanos: Nanos) -> Self {
        // An hour at most: more is not known either.
        Self(u32::try_from(nanos / 1000).unwrap_or(u32::MAX))
    }

    pub(crate) fn get(self) -> Option<Duration> {
        (self.0 != u32::MAX).then(|| Duration::from_micros(self.0.into()))
    }
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
            silent_since: NEVER,
            active_or_close_at: NEVER,
            pinged: false,
            // The first call that brings the time starts the clocks.
            heard: true,
            active: true,
            end: End::No,
            asks: false,
            asked: false,
            ponged: false,
        }
    }

    #[inline]
    pub(crate) fn note_heard(&mut self) {
        self.heard = true;
    }

    /// A Pong has come that may be the answer to a keep-alive Ping.
    pub(crate) fn note_pong(&mut self) {
        self.ponged = true;
    }

    #[inline]
    pub(crate) fn note_active(&mut self) {
        self.active = true;
    }

    pub(crate) fn note_closing(&mut self) {
        if !self.closing() {
            self.end = End::Closing;
            self.active_or_close_at = NEVER;
        }
    }

    /// Closes without waiting for the peer, but for what is queued to be written.
    pub(crate) fn note_gone(&mut self) {
        if !self.expired() {
            self.close_timeout = self.close_timeout.min(LAST_WRITE);
            (self.end, self.active_or_close_at) = (End::Gone, NEVER);
            // A Ping that is written late is not the Close.
            self.asks = false;
        }
    }

    /// Of a peer that is taken for gone nothing is left to wait for: what tells it so is written, or
    /// cannot be.
    pub(crate) fn note_told(&mut self) {
        if self.end == End::Gone {
            (self.close_timeout, self.active_or_close_at) = (1, NEVER);
        }
    }

    /// The peer has taken output, and more waits: it lives, what is under way goes on, and it cannot
    /// have seen a Close or a Ping behind that.
    #[inline]
    pub(crate) fn note_progress(&mut self) {
        (self.heard, self.active) = (true, true);
        self.restart_close();
    }

    /// What asks the peer for an answer, a keep-alive Ping or a Close, is given out.
    pub(crate) fn note_asking(&mut self) {
        self.asks = true;
    }

    /// All that was given out was written.
    #[inline]
    pub(crate) fn note_written(&mut self) {
        if self.asks {
            (self.asks, self.asked) = (false, true);
            self.restart_close();
            self.note_told();
        }
    }

    fn restart_close(&mut self) {
        if self.closing() && !self.expired() {
            self.active_or_close_at = NEVER;
        }
    }

    /// Whether [`Due::CloseTransport`] was given.
    pub(crate) const fn expired(&self) -> bool {
        matches!(self.end, End::Expired)
    }

    const fn closing(&self) -> bool {
        !matches!(self.end, End::No)
    }

    /// Whether there may be a deadline, so that the time is worth asking for.
    #[cfg(feature = "std")]
    pub(crate) const fn is_armed(&self) -> bool {
        self.closing() || self.ping_interval != NEVER || self.idle_timeout != NEVER
    }

    /// What has been noted and not been turned into deadlines yet.
    #[cfg(feature = "alloc")]
    pub(crate) fn notes(&self) -> (bool, bool) {
        (self.heard, self.active)
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn restore(&mut self, (heard, active): (bool, bool)) {
        (self.heard, self.active) = (heard, active);
    }

    /// Times count from another point: every clock starts anew.
    #[cfg(feature = "std")]
    pub(crate) fn restart(&mut self) {
        (self.heard, self.active) = (true, true);
        self.active_or_close_at = NEVER;
        // When that was means nothing any more.
        self.pinged = false;
    }

    fn settle(&mut self, now: Nanos, latency: &mut Latency) {
        if core::mem::take(&mut self.heard) {
            if core::mem::take(&mut self.ponged) && self.pinged {
                *latency = Latency::new(now.saturating_sub(self.silent_since));
            }
            self.silent_since = now;
            // Any data counts as life, not only the Pong.
            self.pinged = false;
        }
        if core::mem::take(&mut self.asked) && self.pinged {
            self.silent_since = now;
        }
        let active = core::mem::take(&mut self.active);
        if self.closing() {
            if self.active_or_close_at == NEVER {
                self.active_or_close_at = now.saturating_add(self.close_timeout);
            }
        } else if active {
            self.active_or_close_at = now;
        }
    }

    /// When silence has lasted too long. Only while not closing, as the next.
    fn keep_alive_at(&self) -> Nanos {
        let patience = if self.pinged { self.pong_timeout } else { self.ping_interval };
        self.silent_since.saturating_add(patience)
    }

    fn idle_at(&self) -> Nanos {
        self.active_or_close_at.saturating_add(self.idle_timeout)
    }

    fn next(&self) -> Nanos {
        if self.closing() {
            self.active_or_close_at
        } else {
            self.keep_alive_at().min(self.idle_at())
        }
    }

    /// The next deadline, after taking note of what happened up to `now`.
    pub(crate) fn poll(&mut self, now: Duration, latency: &mut Latency) -> Option<Duration> {
        self.settle(nanos(now), latency);
        duration(self.next())
    }

    /// Handles what is due. The next deadline is later than `now` afterwards.
    pub(crate) fn handle(
        &mut self,
        now: Duration,
        latency: &mut Latency,
    ) -> Result<Due, TimeoutError> {
        let now = nanos(now);
        self.settle(now, latency);
        if now < self.next() || self.next() == NEVER {
            return Ok(Due::Nothing);
        }
        if self.closing() {
            self.close_timeout = NEVER;
            self.active_or_close_at = NEVER;
            self.end = End::Expired;
            return Ok(Due::CloseTransport);
        }
        if self.idle_timeout != NEVER && now >= self.idle_at() {
            return Err(TimeoutError::Idle);
        }
        if self.pinged {
            return Err(TimeoutError::Pong);
        }
        self.silent_since = now;
        // If nobody waits for the Pong, the next Ping is due an interval later.
        self.pinged = self.pong_timeout != NEVER;
        Ok(Due::Ping)
    }
}
