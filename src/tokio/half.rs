//! The loop that drives a connection over tokio's polls.

use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Error;
use super::alarm::Alarm;
use crate::adapter::{check_read, ended, with_slices};
use crate::buffers::{Sending, lend_to_answer, lend_to_read, take_buffers, take_output};
use crate::endpoint::{Incoming, Outgoing, Status};
use crate::utf8::InvalidUtf8;

/// How long a connection that is over may take to get its last bytes out.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A deadline later than this is none: thirty years.
pub(super) const FAR: Duration = Duration::from_secs(946_080_000);

/// What is lent to who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handout {
    /// A message, and the outgoing half to answer it.
    MessageAndOut,
    /// A message; others send.
    Message,
}

/// Who waits, each with an alarm of its own: they may be two tasks, of which one is not polled while
/// the other is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Who {
    Receives,
    Sends,
}

/// Everything but the read buffer: the transport, the sending side, the clock.
#[derive(Debug)]
pub(super) struct Half<S> {
    pub(super) io: S,
    pub(super) outgoing: Sending,
    /// The point that the protocol's times count from.
    pub(super) start: Instant,
    /// Of the task that receives.
    alarm: Alarm,
    /// Of the tasks that send.
    pub(super) sending_alarm: Alarm,
    /// Whether the sending side of the transport has been shut down.
    shut: bool,
    /// Until when a connection that is over may still write.
    last_words_by: Option<Instant>,
    /// The task that receives, where others send: it keeps the deadlines.
    pub(super) reader: Option<Waker>,
    /// Whether that task waits for output to be taken too: it goes on with what a send that is
    /// dropped has begun.
    pub(super) reader_writes: bool,
    /// Whether that task receives by the stream: nobody says if it goes on to.
    pub(super) reader_may_leave: bool,
    /// Whether the connection, used as a stream, has had its last item.
    pub(super) stream_ended: bool,
    /// Whether those who wait for the end of sending have been told.
    end_told: bool,
    /// Whether there was a receiver, and is none any more.
    pub(super) nobody_receives: bool,
}

impl<S> Half<S> {
    /// From here on nobody receives: who sends keeps the write deadline. Whether somebody did.
    #[inline]
    pub(super) fn forget_reader(&mut self) -> bool {
        self.reader.is_some() && self.reader.take().is_some()
    }

    /// Whether nothing can be sent any more since the last time that this was asked.
    #[inline]
    pub(super) fn has_just_ended(&mut self) -> bool {
        let ended = !self.outgoing.is_open();
        ended && !mem::replace(&mut self.end_told, true)
    }

    /// Wakes the task that receives, which goes on waiting until then: there is something to write.
    pub(super) fn wake_reader(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }

    /// Wakes the task that receives: there may be a new deadline for it to keep.
    pub(super) fn tell_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Half<S> {
    pub(super) fn new(io: S, mut outgoing: Outgoing) -> Self {
        outgoing.restart();
        Self {
            io,
            outgoing: Sending::new(outgoing),
            start: Instant::now(),
            alarm: Alarm::default(),
            sending_alarm: Alarm::default(),
            shut: false,
            last_words_by: None,
            reader: None,
            reader_writes: false,
            reader_may_leave: false,
            stream_ended: false,
            end_told: false,
            nobody_receives: false,
        }
    }

    /// Whether what is pending waits for the transport to take something, or to be shut down.
    pub(super) fn waits_to_write(&self) -> bool {
        let outgoing = &self.outgoing;
        outgoing.has_unwritten()
            || (!self.shut && (outgoing.connection.is_over() || outgoing.should_close_transport()))
    }

    /// Whether a message can be queued at once: the usual case, in which nobody need be woken.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        !self.outgoing.is_congested() && self.outgoing.is_open()
    }

    /// Whether there is anything to write, or to queue for it.
    #[inline]
    fn has_output(&self) -> bool {
        self.outgoing.has_unwritten() || self.outgoing.connection.wants_transmit()
    }

    /// Whether there is an earlier deadline than the one that is waited for.
    pub(super) fn has_new_deadline(&mut self) -> bool {
        let deadline = self.outgoing.poll_timeout(self.start.elapsed());
        deadline.is_some_and(|at| self.alarm.is_later_than(self.start + at.min(FAR)))
    }

    /// As [`poll_message`](Self::poll_message), where other tasks send: while this one waits, it
    /// keeps the deadlines for them.
    pub(super) fn poll_message_shared(
        &mut self,
        incoming: &mut Incoming,
        reader: &Waker,
        writer: &Waker,
    ) -> Poll<Result<bool, Error>> {
        let result = self.poll_message(incoming, Handout::Message, reader, writer);
        self.reader_writes = self.waits_to_write();
        match (&mut self.reader, result.is_pending()) {
            (Some(kept), true) => kept.clone_from(reader),
            (None, true) => self.reader = Some(reader.clone()),
            (_, false) => self.reader = None,
        }
        result
    }

    /// Drives everything until there is a message (true) or the connection has ended (false).
    /// Reading and time wake `reader`, writing wakes `writer`: a connection that was split has
    /// several tasks that write.
    pub(super) fn poll_message(
        &mut self,
        incoming: &mut Incoming,
        handout: Handout,
        reader: &Waker,
        writer: &Waker,
    ) -> Poll<Result<bool, Error>> {
        let (cx, write_cx) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            // What is handed out to be answered has to find room for the answer. What is only
            // received must not wait for output: the peer may read nothing before it has written.
            let congested = handout == Handout::MessageAndOut
                && self.outgoing.is_congested()
                && self.outgoing.connection.is_receiving();
            let used_up = incoming.is_used_up() && self.outgoing.connection.is_receiving();
            if !congested && !used_up {
                match incoming.poll(&mut self.outgoing) {
                    Ok(Status::Message) => {
                        lend_to_answer(&mut self.outgoing);
                        return Poll::Ready(Ok(true));
                    }
                    Ok(Status::NeedRead) => {}
                    Ok(Status::Closed) | Err(_) => {
                        // The peer may take its time to end the transport.
                        take_buffers(incoming, &mut self.outgoing);
                        ready!(self.poll_end(reader, writer));
                        return Poll::Ready(ended(&self.outgoing).map(|()| false));
                    }
                }
            }
            let written =
                if self.has_output() { self.poll_write(write_cx) } else { Poll::Ready(Ok(())) };
            match written {
                // No key: what was to be sent stays due.
                Poll::Ready(Err(error @ Error::Send(_))) => return Poll::Ready(Err(error)),
                // The peer may have said why before it stopped reading: read on to the end.
                Poll::Ready(Err(_)) => self.outgoing.abandon(),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            if congested {
                if self.outgoing.is_congested() {
                    ready!(self.poll_time_unread(Who::Receives, cx));
                }
                continue;
            }
            // Read before looking at the clock: what proves that the peer lives may be there.
            lend_to_read(incoming, &mut self.outgoing);
            let read = loop {
                let mut buffer = ReadBuf::new(incoming.read_buf(&self.outgoing));
                let room = buffer.remaining();
                let read = Pin::new(&mut self.io).poll_read(cx, &mut buffer);
                let read = read.map_ok(|()| buffer.filled().len());
                if let Poll::Ready(Ok(count)) = read {
                    incoming.advance_read(check_read(count, room)?);
                    // More of a frame that goes on waiting: there is nothing else to do.
                    if count > 0 && incoming.goes_on_waiting(&mut self.outgoing) {
                        continue;
                    }
                }
                break read;
            };
            match read {
                Poll::Ready(Ok(1..)) => {
                    // A peer that goes on sending does not put off the end of a close.
                    if !self.outgoing.connection.is_open() {
                        self.handle_time();
                    }
                }
                Poll::Ready(Ok(0)) => {
                    incoming.pause(&mut self.outgoing);
                    self.receive_eof();
                }
                Poll::Ready(Err(error)) => {
                    incoming.pause(&mut self.outgoing);
                    self.receive_eof();
                    take_buffers(incoming, &mut self.outgoing);
                    // After the closing handshake a reset says nothing new.
                    if ended(&self.outgoing).is_err() {
                        return Poll::Ready(Err(error.into()));
                    }
                }
                Poll::Pending => {
                    if self.poll_time(Who::Receives, cx).is_pending() {
                        take_buffers(incoming, &mut self.outgoing);
                        // Unless what came of a text turned out not to be UTF-8.
                        if self.outgoing.connection.is_receiving() {
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }

    fn receive_eof(&mut self) {
        // What it means is in the outcome.
        let _ = self.outgoing.connection.receive_eof();
    }

    /// Writes what is queued, shuts down, and waits for the peer to end the transport: a reset
    /// would otherwise destroy the Close frame on its way.
    pub(super) fn poll_end(&mut self, reader: &Waker, writer: &Waker) -> Poll<()> {
        let (cx, write_cx) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            let over = self.outgoing.connection.is_over();
            if !self.shut && self.poll_last_words(write_cx, over).is_ready() {
                self.shut = true;
            }
            if over {
                // A peer that has had the close timeout is not waited for once more.
                if !self.shut && !self.outgoing.connection.has_expired() {
                    ready!(self.poll_last_words_by(cx));
                    self.outgoing.abandon();
                }
                self.shut = true;
                return Poll::Ready(());
            }
            let mut discarded = [0; 2048];
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    // A peer that goes on sending has no more time than one that does not.
                    self.handle_time();
                }
                Poll::Ready(Ok(()) | Err(_)) => self.receive_eof(),
                Poll::Pending => ready!(self.poll_time(Who::Receives, cx)),
            }
        }
    }

    /// Fails the connection because of a text that has been received, and ends it.
    #[cold]
    pub(super) async fn fail(&mut self, error: InvalidUtf8) -> Error {
        let error = self.outgoing.fail(error);
        poll_fn(|cx| self.poll_end(cx.waker(), cx.waker())).await;
        error.into()
    }

    /// Ready when everything is written and the sending side is shut down, if it is to be.
    fn poll_last_words(&mut self, cx: &mut Context<'_>, over: bool) -> Poll<()> {
        if ready!(self.poll_write(cx)).is_err() {
            self.outgoing.abandon();
        }
        take_output(&mut self.outgoing);
        if !over && !self.outgoing.should_close_transport() {
            return Poll::Pending;
        }
        // A transport that is gone already need not be ended.
        let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        Poll::Ready(())
    }

    /// Ready when the peer is not waited for any longer to take the last bytes.
    fn poll_last_words_by(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let by = *self.last_words_by.get_or_insert_with(|| Instant::now() + LAST_WORDS);
        self.alarm.poll_at(by, cx)
    }

    pub(super) fn alarm(&mut self, who: Who) -> &mut Alarm {
        match who {
            Who::Receives => &mut self.alarm,
            Who::Sends => &mut self.sending_alarm,
        }
    }

    /// Ready when a deadline has passed and been dealt with.
    ///
    /// The alarm decides, also where the time has come: that nothing could be read may mean that
    /// the runtime has not looked at the transport yet, and it does so before it looks at the time.
    pub(super) fn poll_time(&mut self, who: Who, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.outgoing.has_deadlines().then(|| self.start.elapsed());
        let Some(at) = now.and_then(|now| self.outgoing.poll_timeout(now)) else {
            self.alarm(who).clear();
            return Poll::Pending;
        };
        let until = self.start + at.min(FAR);
        ready!(self.alarm(who).poll_by(until, cx));
        self.handle_time();
        Poll::Ready(())
    }

    /// Deals with what is due.
    fn handle_time(&mut self) {
        // A failure is in the connection, and comes out of it.
        let _ = self.outgoing.handle_timeout(self.start.elapsed());
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.outgoing.transmit()?;
        while self.outgoing.queued() > 0 {
            let io = Pin::new(&mut self.io);
            // As nearly always, it needs no vectored write.
            let written = match self.outgoing.only_chunk() {
                Some(chunk) => io.poll_write(cx, chunk),
                None => with_slices(self.outgoing.chunks(), |slices| match slices {
                    [slice] => io.poll_write(cx, slice),
                    slices => io.poll_write_vectored(cx, slices),
                }),
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                count => self.outgoing.advance(count),
            }
            self.outgoing.note_unflushed();
        }
        if self.outgoing.is_unflushed() {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.outgoing.note_flushed();
        }
        Poll::Ready(Ok(()))
    }
}
