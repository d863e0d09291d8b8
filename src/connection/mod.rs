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
mod receive;
mod send;

use core::time::Duration;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

pub use closing::{CloseOutcome, Failure, Initiator};
pub use config::{Config, Role};
pub use receive::{ControlPayload, Data};
pub use send::{ControlFrame, Fragment, KeySource, NoEntropy};

use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::error::{ProtocolError, SendError, TimeoutError, UncleanClose};
use crate::frame::{Masking, OpCode, Rsv, mask};
use crate::input::Input;
use crate::timers::{Due, Timers};
use closing::{Closing, Replies};
pub(crate) use receive::Whole;
#[cfg(feature = "alloc")]
pub(crate) use receive::{Begun, Continuation, Piece};
use receive::{Incoming, Receiver};
use send::Sender;

/// What [`Connection::receive`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A piece of a message.
    Data(Data<'b>),
    /// A Ping. Its Pong is queued already; nothing has to be done.
    Ping(ControlPayload),
    /// A Pong: the answer to a Ping of ours, or unsolicited (RFC 6455 §5.5.3).
    Pong(ControlPayload),
    /// The peer's Close, the last event. Ours is queued, unless it was sent before.
    Close(Option<CloseFrame>),
}

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

    /// Takes the next event out of `input`, or `None` when `input` is used up.
    ///
    /// Everything is consumed: what makes no event yet is kept inside (an unfinished header or
    /// control frame, at most 139 bytes), so nothing is left for the caller to keep. Call it until
    /// it gives `None`, and transmit after each event or each batch. What follows a Close frame is
    /// discarded (RFC 6455 §5.5.1).
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] when the peer breaks the protocol. The connection has then failed
    /// (RFC 6455 §7.1.7): the Close frame is queued, input is discarded, and the error stays.
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(Whole { kind, key, payload }) = self.receive_whole(input.as_bytes()) {
            input.take(payload.start);
            let payload = input.take(payload.len());
            if let Some(key) = key {
                mask::apply(payload, key);
            }
            let data = Data { kind, rsv: Rsv::NONE, first: true, last: true, payload };
            return Ok(Some(Event::Data(data)));
        }
        self.receive_any(input)
    }

    /// The short way of [`receive`](Self::receive): where the payload lies, if the input begins
    /// with a whole message in one frame, and nothing else is under way or due. `None`, and
    /// nothing has happened, otherwise.
    ///
    /// The caller takes the frame and unmasks it, in this order: where the next frame begins is
    /// what the next call waits for.
    #[inline]
    pub(crate) fn receive_whole(&mut self, input: &[u8]) -> Option<Whole> {
        debug_assert_eq!(self.whole_below, self.short_way());
        let whole = self.receiver.peek_whole(input, self.whole_below)?;
        self.timers.note_heard();
        self.timers.note_active();
        Some(whole)
    }

    /// As [`receive_whole`](Self::receive_whole), of the first of several frames of a message.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_first(&mut self, input: &[u8]) -> Option<Whole> {
        if !self.is_quiet() {
            return None;
        }
        let first = self.receiver.receive_first(input)?;
        self.settle();
        self.timers.note_heard();
        self.timers.note_active();
        Some(first)
    }

    /// As [`receive_whole`](Self::receive_whole), of a frame that continues a message of which
    /// something has been received.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn receive_continuation(&mut self, input: &[u8]) -> Option<Continuation> {
        if !self.is_quiet() {
            return None;
        }
        let continuation = self.receiver.receive_continuation(input)?;
        if continuation.last {
            self.settle();
        }
        self.timers.note_heard();
        self.timers.note_active();
        Some(continuation)
    }

    /// As [`receive_continuation`](Self::receive_continuation), of a frame of which not all is
    /// there, or of the rest of one; it is unmasked.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_piece(&mut self, input: &mut [u8]) -> Option<Piece> {
        if !self.is_quiet() {
            return None;
        }
        let piece = self.receiver.receive_piece(input)?;
        if piece.last {
            self.settle();
        }
        self.timers.note_heard();
        if !piece.payload.is_empty() {
            self.timers.note_active();
        }
        Some(piece)
    }

    /// Where the payload of the next frame will lie, if the input holds the beginning of a whole
    /// message and nothing else is under way; an empty range behind it if more of the header
    /// has to come first. Nothing is taken.
    ///
    /// But for text that is not UTF-8, nothing in such a frame can be wrong any more, so it may
    /// wait in its place until the rest has come.
    #[cfg(feature = "alloc")]
    pub(crate) fn peek_begun(&self, input: &[u8]) -> Option<Begun> {
        if self.is_open() { self.receiver.peek_begun(input) } else { None }
    }

    /// Takes note that more has come of what [`peek_begun`](Self::peek_begun) sees, and whether
    /// there are bytes of the payload.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) fn note_begun(&mut self, has_payload: bool) {
        self.timers.note_heard();
        if has_payload {
            self.timers.note_active();
        }
    }

    /// As [`receive`](Self::receive), of bytes that [`note_begun`](Self::note_begun) has seen: they
    /// are not news.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_noted<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let notes = self.timers.notes();
        let event = self.receive(input);
        self.timers.restore(notes);
        event
    }

    /// The long way, for every state and every frame.
    fn receive_any<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match self.closing {
            Closing::Open(_) | Closing::Sent { .. } => {}
            // RFC 6455 §5.5.1: nothing after a Close frame is processed.
            Closing::Answering { .. } | Closing::Complete { .. } | Closing::Unanswered { .. } => {
                input.take(usize::MAX);
                return Ok(None);
            }
            // RFC 6455 §7.1.7: nothing is processed after the connection was failed.
            Closing::Failed { failure, .. } => {
                input.take(usize::MAX);
                return match failure {
                    Failure::Protocol(error) => Err(error),
                    Failure::Timeout(_) | Failure::Lost(_) => Ok(None),
                };
            }
        }
        if input.is_empty() {
            return Ok(None);
        }
        self.timers.note_heard();
        let received = self.receiver.receive(input);
        self.settle();
        match received {
            Ok(None) => Ok(None),
            Ok(Some(Incoming::Data(data))) => {
                self.timers.note_active();
                Ok(Some(Event::Data(data)))
            }
            Ok(Some(incoming)) => self.receive_control(&incoming, input).map(Some),
            Err(error) => {
                input.take(usize::MAX);
                Err(self.fail(error))
            }
        }
    }

    #[cold]
    fn receive_control<'b>(
        &mut self,
        incoming: &Incoming<'_>,
        input: &mut Input<'_>,
    ) -> Result<Event<'b>, ProtocolError> {
        match incoming {
            Incoming::Ping(payload) => {
                // RFC 6455 §5.5.2: a Ping is answered. §5.5.1: but nothing follows our Close.
                if let Closing::Open(replies) = &mut self.closing {
                    replies.pong = Some(*payload);
                    self.settle();
                }
                Ok(Event::Ping(*payload))
            }
            Incoming::Pong(payload) => Ok(Event::Pong(*payload)),
            Incoming::Close(payload) => match CloseFrame::parse(payload) {
                Ok(frame) => {
                    let code = frame.map_or(CloseCode::NO_STATUS, |frame| frame.code());
                    self.closing.receive(code, *payload);
                    self.settle();
                    self.timers.note_closing();
                    Ok(Event::Close(frame))
                }
                Err(error) => {
                    input.take(usize::MAX);
                    Err(self.fail(error))
                }
            },
            // `receive` has dealt with data.
            Incoming::Data(_) => Err(self.fail(ProtocolError::UnexpectedContinuation)),
        }
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
            Closing::Open(Replies { pong: pong @ Some(_), .. }) => {
                let payload = pong.unwrap_or(ControlPayload::EMPTY);
                let encoded = self.sender.control(OpCode::Pong, &payload)?;
                *pong = None;
                self.settle();
                Ok(Some(encoded))
            }
            Closing::Open(Replies { pong: None, ping }) => {
                let encoded = self.sender.control(OpCode::Ping, &ControlPayload::EMPTY)?;
                *ping = false;
                self.settle();
                Ok(Some(encoded))
            }
            Closing::Answering { received, body } => {
                let (received, body) = (*received, *body);
                let encoded = self.sender.control(OpCode::Close, &body)?;
                let initiator = Initiator::Peer;
                self.closing = Closing::Complete { initiator, sent: received, received, body };
                Ok(Some(encoded))
            }
            Closing::Failed { failure, .. } => {
                let (code, reason) = match failure {
                    Failure::Protocol(error) => (error.close_code(), error.reason()),
                    Failure::Timeout(error) => (error.close_code(), error.reason()),
                    Failure::Lost(_) => (CloseCode::INTERNAL_ERROR, ""),
                };
                let failure = *failure;
                // RFC 6455 §7.1.7: a Close with a fitting code comes before the end.
                let encoded = self.close_frame(CloseFrame::new(code, reason).ok().as_ref())?;
                self.closing =
                    Closing::Failed { failure, sent: Some(code), due: false, told: true };
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
    /// [`is_over`](Self::is_over).
    pub fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        if self.is_over() { None } else { self.timers.poll(now) }
    }

    /// Whether [`poll_timeout`](Self::poll_timeout) may give a deadline.
    #[cfg(feature = "tokio")]
    pub(crate) const fn has_deadlines(&self) -> bool {
        self.timers.is_armed()
    }

    /// Does what is due at `now`: queues a keep-alive Ping, fails the connection, or gives up
    /// waiting for the peer to close. `poll_timeout(now)` is later than `now` afterwards.
    ///
    /// # Errors
    ///
    /// [`TimeoutError`]: the connection has failed, and its Close frame is queued.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        match self.timers.handle(now) {
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
    /// sign of life, as data from the peer does. Only for callers with an output queue of their
    /// own; [`Endpoint`](crate::Endpoint) does it.
    #[inline]
    pub fn note_progress(&mut self) {
        self.timers.note_heard();
    }

    /// Fails the connection because of a deadline that is kept above it.
    pub(crate) fn time_out(&mut self, error: TimeoutError) -> TimeoutError {
        self.fail_with(Failure::Timeout(error));
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
    /// the peer has had the close timeout to do so.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.receiver.eof || self.timers.expired()
    }
}
