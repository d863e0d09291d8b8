//! Waiting for output to be taken, where nobody receives meanwhile.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker, ready};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Error;
use super::half::{FAR, Half, Who};
use crate::adapter::{ended, flushed, with_slices};
use crate::buffers::{lend_to_answer, take_output};
use crate::message::Outbound;

impl<S: AsyncRead + AsyncWrite + Unpin> Half<S> {
    /// Ready when everything is written, or the connection has failed.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let written = self.poll_output(cx)?;
        flushed(&self.outgoing)?;
        if written.is_ready() && self.reader.is_some() {
            // Who receives waits, perhaps for ever, and has given back what there was to give.
            take_output(&mut self.outgoing);
        }
        written.map(Ok)
    }

    /// Ready when something can be queued, or the connection has failed.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.outgoing.is_congested() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_output(cx)?;
        ended(&self.outgoing)?;
        if self.outgoing.is_congested() { written.map(Ok) } else { Poll::Ready(Ok(())) }
    }

    /// Ready when a message is sent and everything is written, or the connection has failed. `due`
    /// is the message until it is queued or written.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        due: &mut Option<Outbound<'_>>,
    ) -> Poll<Result<(), Error>> {
        if let Some(message) = *due {
            ready!(self.poll_room(cx))?;
            self.send_now(cx, message)?;
            *due = None;
        }
        self.poll_written(cx)
    }

    /// Sends a message, for which there is room: a large one is written from where it lies, as far
    /// as the transport takes it, and the rest is queued. The output is to be flushed.
    fn send_now(&mut self, cx: &mut Context<'_>, message: Outbound<'_>) -> Result<(), Error> {
        if !self.outgoing.sends_through(&message, self.io.is_write_vectored()) {
            lend_to_answer(&mut self.outgoing);
            return Ok(self.outgoing.send(message)?);
        }
        self.outgoing.transmit()?;
        let Self { io, outgoing, .. } = self;
        let (mut result, mut taken) = (Ok(()), false);
        outgoing.send_through(message, |chunks| {
            let io = Pin::new(&mut *io);
            match with_slices(chunks.iter().copied(), |it| io.poll_write_vectored(cx, it)) {
                Poll::Ready(Ok(0)) => result = Err(io::Error::from(io::ErrorKind::WriteZero)),
                Poll::Ready(Ok(count)) => {
                    taken = true;
                    return count;
                }
                Poll::Ready(Err(error)) => result = Err(error),
                Poll::Pending => {}
            }
            0
        })?;
        if taken {
            outgoing.note_unflushed();
        }
        if result.is_err() {
            outgoing.abandon();
            self.tell_reader();
        }
        Ok(result?)
    }

    /// Writes what the transport takes at once, unless a task receives and is sure to write it: what is
    /// queued and not taken waits for whoever writes next.
    pub(super) fn write_now(&mut self, waker: &Waker) {
        if self.reader.is_none() || self.reader_may_leave {
            self.write_all_now(waker);
        }
    }

    /// The same, whoever receives.
    pub(super) fn write_all_now(&mut self, waker: &Waker) {
        // Without the budget of the task: nobody would go on where that ends.
        let output = poll_fn(|cx| self.poll_output(cx));
        let output = pin!(tokio::task::unconstrained(output));
        // A failure is in the connection, and comes out of it.
        let _ = output.poll(&mut Context::from_waker(waker));
    }

    /// As `poll_write`; after a failure nothing more is written: part of a frame may be out.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let written = self.poll_write(cx);
        if let Poll::Ready(Err(Error::Io(_))) = written {
            self.outgoing.abandon();
            // From now on the peer has the close timeout to say why.
            self.tell_reader();
        }
        written
    }

    /// Polls something that writes. If a task receives, it keeps the deadlines and is told of new
    /// ones, and writes what is left if this is dropped. The write deadline is kept here too: that
    /// task may be busy with something else. The others are not judged while what would meet them is
    /// not read.
    pub(super) fn poll_writing(
        &mut self,
        cx: &mut Context<'_>,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(result) = poll(self, cx) {
                self.sending_alarm.clear();
                return Poll::Ready(result);
            }
            if self.reader.is_some() && (!self.reader_writes || self.has_new_deadline()) {
                self.tell_reader();
            }
            ready!(self.poll_time_unread(Who::Sends, cx));
            self.tell_reader();
        }
    }

    /// As `poll_time`, while nothing is read: deadlines that a byte from the peer would meet are
    /// not judged.
    pub(super) fn poll_time_unread(&mut self, who: Who, cx: &mut Context<'_>) -> Poll<()> {
        if !self.outgoing.connection.is_open() {
            return self.poll_time(who, cx);
        }
        let now = self.start.elapsed();
        let Some(at) = self.outgoing.poll_write_timeout(now) else { return Poll::Pending };
        let until = self.start + at.min(FAR);
        ready!(self.alarm(who).poll_at(until, cx));
        // A failure is in the connection, and comes out of it.
        let _ = self.outgoing.handle_write_timeout(self.start.elapsed());
        Poll::Ready(())
    }
}
