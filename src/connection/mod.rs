//! [`Connection`]: one WebSocket connection after its handshake (RFC 6455 §5 to §8), no buffers.
//!
//! Owns the rules of the protocol: roles, fragmentation, automatic replies, the closing handshake,
//! deadlines, sticky errors. Leaves whole messages and UTF-8 to the
//! [`Assembler`](crate::Assembler), buffers to [`Endpoint`](crate::Endpoint), and I/O, clock and
//! randomness to the caller.
//!
//! ```text
//!   bytes --> receive --> Event          send, send_part, ping, close --> bytes
//!                |                                                          ^
//!                +--> Pong, Close --> poll_transmit ------------------------+
//!   time ---> poll_timeout, handle_timeout --> Ping, TimeoutError
//! ```

mod closing;
mod commands;
mod config;
mod control;
mod events;
mod receive;
mod send;

use core::time::Duration;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

pub use closing::{CloseOutcome, Failure, Initiator};
pub use config::{Config, Role};
pub use control::ControlPayload;
pub use events::Event;
pub use receive::Data;
pub use send::{ControlFrame, Fragment, KeySource, NoEntropy};

use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::error::{ProtocolError, SendError, TimeoutError, UncleanClose};
use crate::frame::{Masking, OpCode};
use crate::timers::{Due, Latency, Timers};
use closing::{Closing, Replies};
use receive::Receiver;
#[cfg(feature = "alloc")]
pub(crate) use receive::{Begun, Continuation, Piece, Whole};
use send::Sender;

/// The protocol of one connection, as a state machine without I/O, clock, randomness or buffers.
///
/// Less than 300 bytes, or 420 without the `alloc` feature. With it, the payload of a control frame
/// that comes in several pieces is put together on the heap, in 126 bytes, until it is complete;
/// nothing else ever is. The run loop is in the [crate documentation](crate).
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    timers: Timers,
    /// A whole message in one frame takes the short way if its payload is shorter than this, in
    /// bytes; 0 while something is under way or due. Kept by [`settle`](Self::settle), so that
    /// the short way has one thing to look at.
    whole_below: u32,
    latency: Latency,
}

impl Connection {
    /// The server's end, after [`ServerHandshake::accept`](crate::handshake::ServerHandshake).
    #[must_use]
    pub fn server(config: &Config) -> Self {
        Self::new(config, Masking::Required, None)
    }

    /// The client's end. `keys` gives the masking keys (RFC 6455 §5.3), 4 bytes for each frame.
    #[must_use]
    pub fn client(config: &Config, keys: KeySource) -> Self {
        Self::new(config, Masking::Forbidden, Some(keys))
    }

    fn new(config: &Config, masking: Masking, keys: Option<KeySource>) -> Self {
        let receiver = Receiver::new(config, masking);
        Self {
            whole_below: receiver.whole_below(),
            receiver,
            sender: Sender::new(keys),
            closing: Closing::Open(Replies::NONE),
            timers: Timers::new(
                config.ping_interval,
                config.pong_timeout,
                config.idle_timeout,
                config.close_timeout,
            ),
            latency: Latency::UNKNOWN,
        }
    }

    /// Opens the short way, or closes it. To be called after every change of what
    /// [`short_way`](Self::short_way) looks at.
    #[inline]
    fn settle(&mut self) {
        self.whole_below = self.short_way();
    }

    /// What [`whole_below`](Self::whole_below) is to be.
    #[inline]
    fn short_way(&self) -> u32 {
        let is_open = self.is_quiet() && self.receiver.is_between_messages();
        if is_open { self.receiver.whole_below() } else { 0 }
    }

    /// Which end this is.
    #[must_use]
    pub const fn role(&self) -> Role {
        if self.sender.keys().is_some() { Role::Client } else { Role::Server }
    }

    /// Takes note that the transport has ended: there will be no more input.
    ///
    /// # Errors
    ///
    /// [`UncleanClose`] if no Close frame had come (RFC 6455 §7.1.5: code 1006) and nothing else
    /// had ended the connection.
    pub fn receive_eof(&mut self) -> Result<(), UncleanClose> {
        self.receiver.eof = true;
        self.closing.fail(Failure::Lost(UncleanClose));
        self.settle();
        self.timers.note_closing();
        match self.closing {
            Closing::Failed { failure: Failure::Lost(error), .. } => Err(error),
            _ => Ok(()),
        }
    }

    /// Fails the connection for a reason that was found above it, such as text that is not UTF-8
    /// (RFC 6455 §7.1.7), and gives the error back.
    ///
    /// Does nothing but that if the connection has ended already; but an error takes the place of
    /// one that this connection has found itself and not told the peer of, because what is found
    /// above it was in bytes that came before.
    #[cold]
    pub fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.fail_with(Failure::Protocol(error));
        error
    }

    fn fail_with(&mut self, failure: Failure) {
        if self.closing.fail(failure) {
            self.settle();
            self.timers.note_closing();
        }
    }

    /// Whether messages can still be sent: no Close was sent or received, and nothing failed.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.closing, Closing::Open(_))
    }

    /// Whether a frame that begins a message and waits for its end is all there is to do: it leaves
    /// the short way open.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn only_waits(&self) -> bool {
        self.whole_below > 0
    }

    /// Whether the connection is open and has no reply due.
    #[inline]
    pub(crate) const fn is_quiet(&self) -> bool {
        match &self.closing {
            Closing::Open(replies) => !replies.are_due(),
            _ => false,
        }
    }

    /// Whether events can still come: no Close was received, and nothing failed.
    #[inline]
    #[must_use]
    pub const fn is_receiving(&self) -> bool {
        matches!(self.closing, Closing::Open(_) | Closing::Sent { .. })
    }

    /// How the connection ended, once it has (RFC 6455 §7.1.4).
    #[must_use]
    pub const fn outcome(&self) -> Option<CloseOutcome> {
        self.closing.outcome()
    }

    /// The body of the peer's Close frame, if one came and was not empty.
    #[must_use]
    pub fn received_close(&self) -> Option<CloseFrame> {
        // It was checked when it came.
        self.closing.body().and_then(|body| CloseFrame::parse(body).ok().flatten())
    }

    /// How long the peer took to answer the last keep-alive Ping that it has answered (RFC 6455
    /// §5.5.2), in microseconds: from when the time was asked for after it was sent, to when it was
    /// after the Pong had come. `None` before, and always without [`Config::pong_timeout`].
    ///
    /// A Ping whose Pong is not the first that comes after it is not measured: that the peer lives
    /// was known then.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.latency.get()
    }

    /// How many bytes of the data frame under way have not arrived; 0 between frames.
    ///
    /// For callers who read large frames straight into the place where they want them.
    #[must_use]
    pub fn data_remaining(&self) -> u64 {
        self.receiver.data_remaining()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to give.
    #[inline]
    #[must_use]
    pub const fn wants_transmit(&self) -> bool {
        // While the short way is open nothing is due: one thing to look at.
        debug_assert!(self.whole_below == 0 || !self.is_due(), "not settled");
        self.whole_below == 0 && self.is_due()
    }

    const fn is_due(&self) -> bool {
        match &self.closing {
            // The peer has had its time, and part of a frame may be out.
            _ if self.timers.expired() => false,
            Closing::Open(replies) => replies.are_due(),
            Closing::Answering { .. } => true,
            Closing::Failed { due, .. } => *due,
            Closing::Sent { .. } | Closing::Complete { .. } | Closing::Unanswered { .. } => false,
        }
    }

    /// The next frame that the protocol itself has to send: a Pong, a keep-alive Ping, the Close
    /// that answers the peer's or tells it of an error.
    ///
    /// There is never more than one of each: a flood of Pings is answered by the latest Pong
    /// (RFC 6455 §5.5.3), so that a peer which does not read makes nothing grow.
    ///
    /// # Errors
    ///
    /// [`SendError::NoEntropy`]: the frame stays due.
    pub fn poll_control(&mut self) -> Result<Option<ControlFrame>, SendError> {
        if !self.wants_transmit() {
            return Ok(None);
        }
        // Without a key a frame stays due: the state changes once it is encoded.
        match &mut self.closing {
            Closing::Open(Replies { pong: due @ Some(_), .. }) => {
                let payload = due.as_ref().unwrap_or(&ControlPayload::EMPTY);
                let encoded = self.sender.control(OpCode::Pong, payload)?;
                *due = None;
                self.settle();
                Ok(Some(encoded))
            }
            Closing::Open(Replies { pong: None, ping }) => {
                let encoded = self.sender.control(OpCode::Ping, &ControlPayload::EMPTY)?;
                *ping = false;
                self.timers.note_asking();
                self.settle();
                Ok(Some(encoded))
            }
            Closing::Answering { received, body } => {
                let (received, body) = (*received, *body);
                let encoded = self.sender.control(OpCode::Close, &body)?;
                let initiator = Initiator::Peer;
                let sent = Some(received);
                self.timers.note_asking();
                self.closing = Closing::Complete { initiator, sent, received, body };
                Ok(Some(encoded))
            }
            Closing::Failed { initiator, failure, .. } => {
                let (code, reason) = match failure {
                    Failure::Protocol(error) => (error.close_code(), error.reason()),
                    Failure::Timeout(error) => (error.close_code(), error.reason()),
                    Failure::Lost(_) => (CloseCode::INTERNAL_ERROR, ""),
                };
                let (initiator, failure) = (*initiator, *failure);
                // RFC 6455 §7.1.7: a Close with a fitting code comes before the end.
                let encoded = self.close_frame(CloseFrame::new(code, reason).ok().as_ref())?;
                self.timers.note_asking();
                self.closing = Closing::Failed {
                    initiator,
                    failure,
                    sent: Some(code),
                    due: false,
                    told: true,
                };
                Ok(Some(encoded))
            }
            // Nothing is due.
            Closing::Sent { .. } | Closing::Complete { .. } | Closing::Unanswered { .. } => {
                Ok(None)
            }
        }
    }

    /// Appends every frame that [`poll_control`](Self::poll_control) has to `out`.
    ///
    /// # Errors
    ///
    /// As [`poll_control`](Self::poll_control); what was appended before stands.
    #[cfg(feature = "alloc")]
    #[inline]
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Result<(), SendError> {
        if self.wants_transmit() {
            while let Some(frame) = self.poll_control()? {
                out.extend_from_slice(&frame);
            }
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, as time since a point that
    /// the caller chose and keeps to; `None` if nothing is due.
    ///
    /// The first call starts the clocks. Call it again after receiving or sending: that moves
    /// deadlines. Once the connection has ended it is the end of the close timeout, until
    /// [`is_over`](Self::is_over). A peer that is taken for gone ([`TimeoutError::Pong`],
    /// [`TimeoutError::Write`]) is not waited for: what tells it so has 100 ms to be written, and
    /// anew while some of what is queued is taken.
    pub fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        self.poll_timeout_while(false, now)
    }

    /// As [`poll_timeout`](Self::poll_timeout), where the caller knows whether the peer has yet to
    /// take output. It has the close timeout for that too.
    pub(crate) fn poll_timeout_while(
        &mut self,
        unwritten: bool,
        now: Duration,
    ) -> Option<Duration> {
        if self.waits(unwritten) { self.timers.poll(now, &mut self.latency) } else { None }
    }

    /// Whether the peer is waited for.
    fn waits(&self, unwritten: bool) -> bool {
        !self.timers.expired() && (!self.receiver.eof || unwritten || self.wants_transmit())
    }

    /// Whether [`poll_timeout`](Self::poll_timeout) may give a deadline.
    #[cfg(feature = "std")]
    pub(crate) const fn has_deadlines(&self) -> bool {
        self.timers.is_armed()
    }

    /// Does what is due at `now`: has a keep-alive Ping sent, fails the connection, or gives up
    /// waiting for the peer to close. `poll_timeout(now)` is later than `now` afterwards. Once
    /// nothing is left to wait for ([`is_over`](Self::is_over)) it does nothing.
    ///
    /// It gives no bytes: the Ping comes out of [`poll_control`](Self::poll_control).
    ///
    /// # Errors
    ///
    /// [`TimeoutError`]: the connection has failed, and its Close frame comes out of
    /// [`poll_control`](Self::poll_control).
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        self.handle_timeout_while(false, now)
    }

    /// As [`handle_timeout`](Self::handle_timeout), where the caller knows whether the peer has yet
    /// to take output.
    pub(crate) fn handle_timeout_while(
        &mut self,
        unwritten: bool,
        now: Duration,
    ) -> Result<(), TimeoutError> {
        if !self.waits(unwritten) {
            return Ok(());
        }
        match self.timers.handle(now, &mut self.latency) {
            Ok(Due::Nothing) => Ok(()),
            Ok(Due::Ping) => {
                if let Closing::Open(replies) = &mut self.closing {
                    replies.ping = true;
                    self.settle();
                }
                Ok(())
            }
            Ok(Due::CloseTransport) => {
                self.closing.expire();
                self.settle();
                Ok(())
            }
            Err(error) => Err(self.time_out(error)),
        }
    }

    /// Lets frames with these reserved bits pass too: an extension has been agreed on.
    #[cfg(feature = "deflate")]
    pub(crate) fn allow_rsv(&mut self, rsv: crate::frame::Rsv) {
        self.receiver.allow_rsv(rsv);
    }

    /// Takes note that times count from another point now.
    #[cfg(feature = "std")]
    pub(crate) fn restart_clocks(&mut self) {
        self.timers.restart();
    }

    /// Gives the peer the close timeout, although no Close was sent: none can be.
    #[cfg(feature = "alloc")]
    pub(crate) fn end_soon(&mut self) {
        self.timers.note_closing();
    }

    /// Takes note that the peer has taken output while more of it waits.
    ///
    /// A keep-alive Ping may be behind what waits, so its Pong cannot be due yet: this counts as a
    /// sign of life, as data from the peer does, and against the idle timeout. A Close may be too:
    /// the close timeout begins anew. Only for callers with an output queue of their own;
    /// [`Endpoint`](crate::Endpoint) does it.
    #[inline]
    pub fn note_progress(&mut self) {
        self.timers.note_progress();
    }

    /// Takes note that everything that was queued is written. If a keep-alive Ping or a Close was
    /// among it, the peer has its time to answer from now on, and not from when it was queued. Only
    /// for callers with an output queue of their own; [`Endpoint`](crate::Endpoint) does it.
    #[inline]
    pub fn note_written(&mut self) {
        self.timers.note_written();
    }

    /// Takes note that a Close, if one is out, was not written.
    #[cfg(feature = "alloc")]
    pub(crate) fn lose_close(&mut self) {
        self.closing.lose();
    }

    /// Ends a closing handshake that cannot be completed: this end's Close cannot be written.
    #[cfg(feature = "alloc")]
    pub(crate) fn give_up_close(&mut self) {
        self.closing.expire();
        self.timers.note_told();
        self.settle();
    }

    /// Whether the peer has had the close timeout.
    #[cfg(feature = "alloc")]
    pub(crate) const fn has_expired(&self) -> bool {
        self.timers.expired()
    }

    /// Fails the connection because of a deadline that is kept above it.
    pub(crate) fn time_out(&mut self, error: TimeoutError) -> TimeoutError {
        self.fail_with(Failure::Timeout(error));
        if matches!(error, TimeoutError::Pong | TimeoutError::Write) {
            // Who is taken for gone is not waited for once more.
            self.timers.note_gone();
        }
        error
    }

    /// Whether the transport is to be closed now, once everything transmitted has been written
    /// (RFC 6455 §7.1.1).
    ///
    /// A server closes first, as soon as both Close frames are out; a client waits for that, until
    /// the close timeout. After an error both close once the Close frame is written. To keep a
    /// reset from destroying that frame, shut the sending side down first and read on, discarding,
    /// until [`is_over`](Self::is_over).
    #[must_use]
    pub fn should_close_transport(&self) -> bool {
        match self.closing {
            Closing::Open(_) => false,
            Closing::Sent { .. } | Closing::Answering { .. } => self.timers.expired(),
            Closing::Unanswered { .. } => true,
            Closing::Complete { .. } => self.role() == Role::Server || self.is_over(),
            Closing::Failed { due, .. } => !due || self.is_over(),
        }
    }

    /// Whether there is nothing left to wait for: the transport has ended on the peer's side, or
    /// the peer has had the close timeout to do so, or was taken for gone and
    /// [`handle_timeout`](Self::handle_timeout) was called once more when it was due.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.receiver.eof || self.timers.expired()
    }
}
