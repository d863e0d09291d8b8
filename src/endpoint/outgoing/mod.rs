//! The sending side of an endpoint: the connection, a queue of encoded frames, and how full it is.
//!
//! Here is what nearly every send takes; beside it, what spares the copy of a large payload, and
//! what compresses.

#[cfg(feature = "deflate")]
mod compressed;
mod in_place;

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

#[cfg(feature = "std")]
use bytes::Bytes;

use super::queue::{Chunks, Queue};
use super::{Config, to_usize};
use crate::assembler::LARGE;
use crate::close_code::CloseCode;
use crate::connection::{Connection, Fragment, Role};
use crate::copy;
#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::error::{ProtocolError, SendError, TimeoutError};
use crate::frame::Rsv;
use crate::message::{Compression, Content, Kind, Message, Outbound};
use crate::prepared::Frame;
use crate::timers::{NEVER, Nanos, duration, nanos, span};
use crate::utf8::InvalidUtf8;

/// What an endpoint needs to send; lent to the application beside a message.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) connection: Connection,
    queue: Queue,
    /// The watermarks, in bytes; 4 GiB at most.
    high: u32,
    low: u32,
    /// A message takes the short way while less than this is queued, in bytes; 0 where it may have
    /// to be compressed, or the transport takes nothing.
    plain_below: u32,
    congested: bool,
    abandoned: Abandoned,
    /// Whether the transport has taken something that it has not been made to pass on. Adapters
    /// say so: it may keep a flush waiting as it may a write.
    unflushed: bool,
    write_timeout: Nanos,
    /// Since when bytes wait without any being written, or for a flush; kept only while there is a
    /// timeout.
    stalled_at: Nanos,
    /// Where permessage-deflate was agreed on.
    #[cfg(feature = "deflate")]
    deflater: Option<Box<Deflater>>,
}

impl Outgoing {
    pub(crate) fn new(connection: Connection, config: &Config) -> Self {
        Self {
            connection,
            queue: Queue::default(),
            high: watermark(config.high_watermark),
            low: watermark(config.low_watermark.min(config.high_watermark)),
            plain_below: watermark(config.high_watermark).saturating_add(1),
            congested: false,
            abandoned: Abandoned::No,
            unflushed: false,
            write_timeout: span(config.write_timeout),
            stalled_at: NEVER,
            #[cfg(feature = "deflate")]
            deflater: None,
        }
    }

    /// Compresses messages from now on.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflate_with(&mut self, deflater: Deflater) {
        self.deflater = Some(Box::new(deflater));
        self.plain_below = 0;
    }

    /// Fails the connection because of a text, and queues the Close frame that says so.
    ///
    /// The error is a value that is known: one that a call gives would go through memory, and what
    /// else there may be in its place with it.
    #[inline]
    pub(crate) fn fail(&mut self, error: InvalidUtf8) -> ProtocolError {
        self.fail_and_tell(error);
        ProtocolError::InvalidUtf8
    }

    #[cold]
    fn fail_and_tell(&mut self, error: InvalidUtf8) {
        self.connection.fail(error.into());
        // Without a key for it the Close stays due.
        let _ = self.transmit();
    }

    #[inline]
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        above(self.queued(), self.high)
    }

    /// Whether output has to be written before the application is given anything to answer: from
    /// the high watermark down to the low one.
    #[inline]
    pub(crate) fn is_congested(&mut self) -> bool {
        if self.congested { self.stays_congested() } else { self.becomes_congested() }
    }

    #[inline]
    fn becomes_congested(&mut self) -> bool {
        let full = self.is_full();
        if full {
            self.congested = true;
        }
        full
    }

    #[cold]
    fn stays_congested(&mut self) -> bool {
        self.congested = above(self.queued(), self.low);
        self.congested
    }

    /// Gives up on a peer that takes nothing: what is queued would never leave.
    pub(crate) fn give_up(&mut self, error: TimeoutError) -> TimeoutError {
        self.write_timeout = NEVER;
        self.abandon();
        let error = self.connection.time_out(error);
        self.connection.give_up_close();
        error
    }

    #[cfg(feature = "std")]
    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        duration(self.write_timeout)
    }

    /// The first piece of the queued output, by reference count.
    #[cfg(feature = "std")]
    pub(crate) fn first_chunk(&mut self) -> Option<Bytes> {
        self.queue.first()
    }

    /// Drops what is queued and queues nothing more: part of a frame may be out, and what came
    /// behind it would be taken for the rest of that frame. What the peer still says is received
    /// for the close timeout, unless the peer is taken for gone.
    pub(crate) fn abandon(&mut self) {
        if self.has_unwritten() {
            self.connection.lose_close();
            self.abandoned = Abandoned::WithOutput;
        } else if !self.is_abandoned() {
            self.abandoned = Abandoned::Empty;
        }
        self.queue = Queue::default();
        self.unflushed = false;
        self.plain_below = 0;
        self.connection.end_soon();
    }

    /// Whether messages can still be sent.
    #[cfg(feature = "std")]
    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open() && !self.is_abandoned()
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned != Abandoned::No
    }

    /// Whether output was dropped that had been queued.
    #[cfg(feature = "std")]
    pub(crate) fn has_lost_output(&self) -> bool {
        self.abandoned == Abandoned::WithOutput
    }

    fn check_room(&self) -> Result<(), SendError> {
        if self.is_abandoned() {
            return Err(SendError::Closed);
        }
        if self.is_full() { Err(SendError::Full { queued: self.queued() }) } else { Ok(()) }
    }

    // Always: a message that is handed over in memory is stored in halves and loaded whole, which
    // the processor cannot forward. It stays in registers up to the copy of its payload.
    #[inline(always)]
    pub(crate) fn send(&mut self, outbound: Outbound<'_>) -> Result<(), SendError> {
        match outbound.content {
            Content::Message(message) if self.queued() < to_usize(self.plain_below) => {
                debug_assert!(self.check_room().is_ok(), "the short way should be closed");
                self.connection.send(message, self.queue.tail())
            }
            Content::Message(message) => {
                let text = if let Message::Text(text) = message { Some(text) } else { None };
                self.send_message(text, message.as_bytes(), outbound.compression)
            }
            Content::Prepared(_) => self.send_any(outbound),
        }
    }

    /// [`send_any`](Self::send_any) of a text, or else of bytes. Taken apart: as a whole it would be
    /// put into memory for the call, before it is known that there will be one.
    #[inline(never)]
    fn send_message(
        &mut self,
        text: Option<&str>,
        bytes: &[u8],
        compression: Compression,
    ) -> Result<(), SendError> {
        let outbound = text.map_or_else(|| bytes.into(), Outbound::from);
        self.send_any(Outbound { compression, ..outbound })
    }

    /// The long way of [`send`](Self::send): what may have to be compressed, is there already, or
    /// has no room.
    fn send_any(&mut self, outbound: Outbound<'_>) -> Result<(), SendError> {
        self.check_room()?;
        #[cfg(feature = "deflate")]
        if self.compresses(&outbound) {
            return self.send_compressed(outbound.content, outbound.compression);
        }
        match outbound.content {
            Content::Message(message) => self.connection.send(message, self.queue.tail()),
            Content::Prepared(prepared) => {
                self.send_frame(prepared.kind(), Rsv::NONE, prepared.plain())
            }
        }
    }

    fn send_frame(&mut self, kind: Kind, rsv: Rsv, frame: &Frame) -> Result<(), SendError> {
        let tail = self.queue.tail();
        match self.connection.role() {
            // RFC 6455 §5.3: a key of its own for every frame, so a copy of its own.
            Role::Client => self.connection.send_data(kind, rsv, frame.payload(), None, tail),
            Role::Server => {
                self.connection.begin_data(kind, rsv, None)?;
                if frame.bytes().len() < LARGE {
                    copy::append(tail, frame.bytes());
                } else {
                    self.queue.push(frame.bytes().clone());
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn compresses(&self, outbound: &Outbound<'_>) -> bool {
        #[cfg(feature = "deflate")]
        return self.deflater.as_ref().is_some_and(|deflater| {
            deflater.wants(outbound.compression, outbound.content.as_bytes().len())
        });
        #[cfg(not(feature = "deflate"))]
        {
            let _ = outbound;
            false
        }
    }

    pub(crate) fn send_part(
        &mut self,
        part: Outbound<'_>,
        fragment: Fragment,
    ) -> Result<(), SendError> {
        self.check_room()?;
        #[cfg(feature = "deflate")]
        if self.deflater.is_some() {
            return self.send_part_deflated(&part, fragment);
        }
        let (kind, payload) = (part.content.kind(), part.content.as_bytes());
        self.connection.send_data(kind, Rsv::NONE, payload, Some(fragment), self.queue.tail())
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check_room()?;
        self.queue.tail().extend_from_slice(&self.connection.ping(payload)?);
        Ok(())
    }

    /// Not bound by the watermark: closing must always be possible.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.transmit()?;
        self.queue.tail().extend_from_slice(&self.connection.close(code, reason)?);
        self.discard_if_abandoned();
        Ok(())
    }

    /// Queues what the protocol itself has to send. Pongs wait in their slot while the queue is
    /// over its high watermark, so that a flood of Pings cannot make it grow.
    #[inline]
    pub(crate) fn transmit(&mut self) -> Result<(), SendError> {
        if self.connection.wants_transmit() { self.transmit_due() } else { Ok(()) }
    }

    #[cold]
    fn transmit_due(&mut self) -> Result<(), SendError> {
        if !(self.connection.is_open() && self.is_full()) {
            self.connection.poll_transmit(self.queue.tail())?;
            self.discard_if_abandoned();
        }
        Ok(())
    }

    /// What is said to a transport that takes nothing is said to nobody; that the connection ends
    /// is true all the same.
    fn discard_if_abandoned(&mut self) {
        if self.is_abandoned() {
            self.queue = Queue::default();
            self.connection.lose_close();
        }
    }

    #[inline]
    pub(crate) fn chunks(&self) -> Chunks<'_> {
        self.queue.chunks(&[])
    }

    /// All that is queued, if it is in one piece and small: as nearly always.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn only_chunk(&self) -> Option<&[u8]> {
        self.queue.only_chunk()
    }

    #[inline(always)] // Of what each wake-up does.
    pub(crate) fn advance(&mut self, count: usize) {
        self.queue.advance(count);
        if count > 0 {
            let due = self.connection.wants_transmit();
            self.note_written(due || self.queue.len() > 0);
            if due {
                // What found no room before: who writes until nothing is queued would not ask
                // again. Without a key it stays due.
                let _ = self.transmit_due();
            }
        }
    }

    /// Takes note that something was written, and whether more waits.
    #[inline]
    fn note_written(&mut self, more: bool) {
        self.stalled_at = NEVER;
        if more {
            self.connection.note_progress();
        } else {
            self.connection.note_written();
        }
    }

    /// Takes note that times count from another point now, and that another transport is written to.
    #[cfg(feature = "std")]
    pub(crate) fn restart(&mut self) {
        self.connection.restart_clocks();
        self.note_flushed();
    }

    /// Takes note that the transport has taken something, and has to be flushed.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn note_unflushed(&mut self) {
        self.unflushed = !self.is_abandoned();
    }

    /// Takes note that it was.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn note_flushed(&mut self) {
        self.unflushed = false;
        self.stalled_at = NEVER;
    }

    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Whether the transport has yet to take something, or to pass it on.
    #[inline]
    pub(crate) fn has_unwritten(&self) -> bool {
        self.unflushed || self.queue.len() > 0
    }

    /// Gives back the buffers that hold nothing.
    #[inline]
    pub(crate) fn release(&mut self) -> Option<Vec<u8>> {
        #[cfg(feature = "deflate")]
        if self.deflater.is_some() && !self.connection.is_open() {
            self.end_compression();
        }
        self.queue.release()
    }

    /// Nothing more is compressed.
    #[cfg(feature = "deflate")]
    #[cold]
    fn end_compression(&mut self) {
        self.deflater = None;
    }

    /// Takes the buffer for small frames, and drops what is queued.
    #[cfg(feature = "std")]
    pub(crate) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        self.queue.clear();
        self.queue.release()
    }

    /// Whether there is no buffer for small frames.
    pub(crate) fn needs_buffer(&self) -> bool {
        self.queue.needs_buffer()
    }

    /// Takes an empty buffer for small frames.
    pub(crate) fn supply(&mut self, buffer: Vec<u8>) {
        self.queue.supply(buffer);
    }

    pub(crate) fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        let protocol = self.connection.poll_timeout_while(self.has_unwritten(), now);
        [protocol, self.poll_write_timeout(now)].into_iter().flatten().min()
    }

    /// Whether [`poll_timeout`](Self::poll_timeout) may give a deadline: most connections that wait
    /// have none, and need not ask for the time.
    #[cfg(feature = "std")]
    pub(crate) fn has_deadlines(&self) -> bool {
        self.connection.has_deadlines() || self.has_unwritten()
    }

    /// The deadline of the write timeout alone.
    pub(crate) fn poll_write_timeout(&mut self, now: Duration) -> Option<Duration> {
        if self.write_timeout == NEVER {
            return None;
        }
        if !self.has_unwritten() {
            self.stalled_at = NEVER;
            return None;
        }
        if self.stalled_at == NEVER {
            self.stalled_at = nanos(now);
        }
        duration(self.stalled_at.saturating_add(self.write_timeout))
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        let stuck = self.handle_write_timeout(now);
        let had_expired = self.connection.has_expired();
        let result = self.connection.handle_timeout_while(self.has_unwritten(), now);
        if self.connection.has_expired() && !had_expired {
            // The peer has had its time: nobody waits for it to take the rest.
            self.abandon();
            self.connection.give_up_close();
        }
        stuck.and(result)
    }

    pub(crate) fn handle_write_timeout(&mut self, now: Duration) -> Result<(), TimeoutError> {
        match self.poll_write_timeout(now) {
            Some(at) if at <= now => Err(self.give_up(TimeoutError::Write)),
            _ => Ok(()),
        }
    }

    pub(crate) fn should_close_transport(&self) -> bool {
        !self.has_unwritten() && self.connection.should_close_transport()
    }
}

/// Whether the transport takes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abandoned {
    No,
    /// Nothing was queued.
    Empty,
    /// What was queued is lost.
    WithOutput,
}

fn watermark(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[inline]
fn above(queued: usize, watermark: u32) -> bool {
    usize::try_from(watermark).is_ok_and(|watermark| queued > watermark)
}
