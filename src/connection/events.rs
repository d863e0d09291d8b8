//! What a [`Connection`] makes of its input: events, and the short ways to them that
//! [`Endpoint`](crate::Endpoint) takes.

use super::closing::Closing;
use super::control::ControlPayload;
#[cfg(feature = "alloc")]
use super::receive::{Begun, Continuation, Piece};
use super::receive::{Data, Incoming, Whole};
use super::{Connection, Failure, Role};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::error::ProtocolError;
#[cfg(feature = "alloc")]
use crate::frame::Fragments;
use crate::frame::{Rsv, mask};
use crate::input::Input;

/// What [`Connection::receive`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A piece of a message.
    Data(Data<'b>),
    /// A Ping. Its Pong is queued already, unless this end has closed: nothing has to be done.
    Ping(ControlPayload),
    /// A Pong: the answer to a Ping of ours, or unsolicited (RFC 6455 §5.5.3).
    Pong(ControlPayload),
    /// The peer's Close, the last event. Ours is queued, unless it was sent before.
    Close(Option<CloseFrame>),
}

impl Connection {
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
    #[inline(always)] // What a call gives goes through memory.
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let whole = match self.role() {
            Role::Server => self.receive_whole::<true>(input.as_bytes()),
            Role::Client => self.receive_whole::<false>(input.as_bytes()),
        };
        if let Some(Whole { kind, key, payload }) = whole {
            input.take(payload.start);
            let payload = input.take(payload.len());
            if let Some(key) = key {
                mask::apply(payload, key);
            }
            let data = Data { kind, rsv: Rsv::NONE, first: true, last: true, payload };
            return Ok(Some(Event::Data(data)));
        }
        // This is written from afar. In one place with it, what the short way gives would go
        // through memory too, in pieces of other sizes than it was stored in: 15 ns more.
        let mut event = None;
        self.receive_to(input, &mut event)?;
        Ok(event)
    }

    /// The short way of [`receive`](Self::receive): where the payload lies, if the input begins
    /// with a whole message in one frame, and nothing else is under way or due. `None`, and
    /// nothing has happened, otherwise.
    ///
    /// What a server receives is `MASKED`. The caller takes the frame and unmasks it, in this
    /// order: where the next frame begins is what the next call waits for.
    #[inline]
    pub(crate) fn receive_whole<const MASKED: bool>(&mut self, input: &[u8]) -> Option<Whole> {
        debug_assert_eq!(self.whole_below, self.short_way());
        let whole = self.receiver.peek_whole::<MASKED>(input, self.whole_below)?;
        self.timers.note_heard();
        self.timers.note_active();
        Some(whole)
    }

    /// As [`receive_whole`](Self::receive_whole), of a small message in a few frames that are all there.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_fragments<const MASKED: bool>(
        &mut self,
        input: &[u8],
    ) -> Option<Fragments> {
        let fragments = self.receiver.peek_fragments::<MASKED>(input, self.whole_below)?;
        self.timers.note_heard();
        self.timers.note_active();
        Some(fragments)
    }

    /// As [`receive_whole`](Self::receive_whole), of the first of several frames of a message.
    #[cfg(feature = "alloc")]
    #[inline(always)] // What a call gives goes through memory.
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

    /// Whether what comes of these bytes next is more of the message under way, as far as they tell.
    #[cfg(feature = "alloc")]
    pub(crate) fn goes_on_with(&self, input: &[u8]) -> bool {
        self.receiver.goes_on_with(input)
    }

    /// As [`receive_continuation`](Self::receive_continuation), of a frame of which not all is
    /// there, or of the rest of one.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_piece(&mut self, input: &[u8]) -> Option<Piece> {
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

    /// As [`receive_to`](Self::receive_to), of bytes that [`note_begun`](Self::note_begun) has
    /// seen: they are not news.
    #[cfg(feature = "alloc")]
    pub(crate) fn receive_noted<'b>(
        &mut self,
        input: &mut Input<'b>,
        event: &mut Option<Event<'b>>,
    ) -> Result<(), ProtocolError> {
        let notes = self.notes();
        let received = self.receive_to(input, event);
        self.restore(notes);
        received
    }

    /// What has been noted of the peer's life, to be [restored](Self::restore) behind what takes the
    /// same bytes once more.
    #[cfg(feature = "alloc")]
    pub(crate) fn notes(&self) -> (bool, bool) {
        self.timers.notes()
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn restore(&mut self, notes: (bool, bool)) {
        self.timers.restore(notes);
    }

    /// The long way of [`receive`](Self::receive), for every state and every frame: the event is
    /// put where the caller wants it, if there is one.
    #[inline(never)]
    pub(crate) fn receive_to<'b>(
        &mut self,
        input: &mut Input<'b>,
        event: &mut Option<Event<'b>>,
    ) -> Result<(), ProtocolError> {
        match self.closing {
            Closing::Open(_) | Closing::Sent { .. } => {}
            // RFC 6455 §5.5.1: nothing after a Close frame is processed.
            Closing::Answering { .. } | Closing::Complete { .. } | Closing::Unanswered { .. } => {
                input.take(usize::MAX);
                return Ok(());
            }
            // RFC 6455 §7.1.7: nothing is processed after the connection was failed.
            Closing::Failed { failure, .. } => {
                input.take(usize::MAX);
                return match failure {
                    Failure::Protocol(error) => Err(error),
                    Failure::Timeout(_) | Failure::Lost(_) => Ok(()),
                };
            }
        }
        if input.is_empty() {
            return Ok(());
        }
        self.timers.note_heard();
        let received = self.receiver.receive(input);
        self.settle();
        match received {
            Ok(None) => {}
            Ok(Some(Incoming::Data(data))) => {
                self.timers.note_active();
                *event = Some(Event::Data(data));
            }
            Ok(Some(incoming)) => return self.receive_control(&incoming, input, event),
            Err(error) => {
                input.take(usize::MAX);
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    #[cold]
    fn receive_control<'b>(
        &mut self,
        incoming: &Incoming<'_>,
        input: &mut Input<'_>,
        event: &mut Option<Event<'b>>,
    ) -> Result<(), ProtocolError> {
        match incoming {
            Incoming::Ping(payload) => {
                // RFC 6455 §5.5.2: a Ping is answered. §5.5.1: but nothing follows our Close.
                if let Closing::Open(replies) = &mut self.closing {
                    replies.pong = Some(*payload);
                    self.settle();
                }
                *event = Some(Event::Ping(*payload));
            }
            Incoming::Pong(payload) => {
                // As the Pings of the keep-alive are.
                if payload.is_empty() {
                    self.timers.note_pong();
                }
                *event = Some(Event::Pong(*payload));
            }
            Incoming::Close(payload) => match CloseFrame::parse(payload) {
                Ok(frame) => {
                    let code = frame.map_or(CloseCode::NO_STATUS, |frame| frame.code());
                    self.closing.receive(code, *payload);
                    self.settle();
                    self.timers.note_closing();
                    *event = Some(Event::Close(frame));
                }
                Err(error) => {
                    input.take(usize::MAX);
                    return Err(self.fail(error));
                }
            },
            // `receive_to` has dealt with data.
            Incoming::Data(_) => return Err(self.fail(ProtocolError::UnexpectedContinuation)),
        }
        Ok(())
    }
}
