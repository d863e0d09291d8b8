//! The loop that drives a connection over tokio's polls.

use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io::{self, IoSlice};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Error;
use crate::adapter::{check_read, ended, lend_buffer, take_buffers};
use crate::endpoint::{Incoming, Outgoing, Status};

/// Everything but the read buffer: the transport, the sending side, the clock.
#[derive(Debug)]
pub(super) struct Half<S> {
    pub(super) io: S,
    pub(super) outgoing: Outgoing,
    /// The point that the protocol's times count from.
    start: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether something was written that the transport has not been told to flush.
    unflushed: bool,
    /// Whether the sending side of the transport has been shut down.
    shut: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Half<S> {
    pub(super) fn new(io: S, outgoing: Outgoing) -> Self {
        Self { io, outgoing, start: Instant::now(), sleep: None, unflushed: false, shut: false }
    }

    /// Whether the transport has yet to take something.
    pub(super) fn has_unwritten(&self) -> bool {
        self.unflushed || self.outgoing.queued() > 0
    }

    pub(super) fn is_finished(&self) -> bool {
        self.shut && self.outgoing.connection.is_over()
    }

    /// Drives everything until there is a message (true) or the connection has ended (false).
    /// Reading and time wake `reader`, writing wakes `writer`: a connection that was split has
    /// several tasks that write.
    pub(super) fn poll_message(
        &mut self,
        incoming: &mut Incoming,
        reader: &Waker,
        writer: &Waker,
    ) -> Poll<Result<bool, Error>> {
        let (cx, writer) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            let congested = self.outgoing.is_congested();
            if !congested || !self.outgoing.connection.is_receiving() {
                match incoming.poll(&mut self.outgoing) {
                    Ok(Status::Message) => return Poll::Ready(Ok(true)),
                    Ok(Status::NeedRead) => {}
                    Ok(Status::Closed) | Err(_) => {
                        ready!(self.poll_end(reader, writer.waker()));
                        return Poll::Ready(ended(&self.outgoing).map(|()| false));
                    }
                }
            }
            let written = self.poll_write(writer);
            if let Poll::Ready(Err(_)) = written {
                // The peer may have said why before it stopped reading: read on to the end.
                self.outgoing.abandon();
            }
            if congested && (written.is_ready() || self.outgoing.is_drained()) {
                continue;
            }
            if self.poll_time(cx).is_ready() {
                continue;
            }
            if congested {
                return Poll::Pending;
            }
            lend_buffer(incoming);
            let mut buffer = ReadBuf::new(incoming.read_buf(&self.outgoing));
            let room = buffer.remaining();
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let count = check_read(buffer.filled().len(), room)?;
                    incoming.advance_read(count);
                }
                Poll::Ready(Ok(())) => self.receive_eof(),
                Poll::Ready(Err(error)) => {
                    self.receive_eof();
                    // After the closing handshake a reset says nothing new.
                    if ended(&self.outgoing).is_err() {
                        return Poll::Ready(Err(error.into()));
                    }
                }
                Poll::Pending => {
                    take_buffers(incoming, &mut self.outgoing);
                    return Poll::Pending;
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
        let (cx, writer) = (&mut Context::from_waker(reader), &mut Context::from_waker(writer));
        loop {
            let written = match self.poll_write(writer) {
                Poll::Ready(Err(_)) => {
                    self.outgoing.abandon();
                    true
                }
                written => written.is_ready(),
            };
            let over = self.outgoing.connection.is_over();
            if written && !self.shut && (over || self.outgoing.should_close_transport()) {
                let _ = ready!(Pin::new(&mut self.io).poll_shutdown(writer));
                self.shut = true;
            }
            if self.is_finished() {
                return Poll::Ready(());
            }
            if self.poll_time(cx).is_ready() {
                continue;
            }
            let mut discarded = [0; 2048];
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => self.receive_eof(),
            }
        }
    }

    /// Ready when a deadline has passed and been dealt with.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.start.elapsed();
        let Some(at) = self.outgoing.poll_timeout(now) else {
            self.sleep = None;
            return Poll::Pending;
        };
        if at > now {
            let at = tokio::time::Instant::from_std(self.start + at.min(FAR));
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(cx));
        }
        // A failure is in the connection, and comes out of it.
        let _ = self.outgoing.handle_timeout(self.start.elapsed());
        Poll::Ready(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.outgoing.transmit()?;
        while self.outgoing.queued() > 0 {
            let mut slices = [IoSlice::new(&[]); 16];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(self.outgoing.chunks()) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            let io = Pin::new(&mut self.io);
            match ready!(io.poll_write_vectored(cx, &slices[..count]))? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                count => self.outgoing.advance(count),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when everything is written, or the connection has failed.
    pub(super) fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let written = self.poll_write(cx)?;
        ended(&self.outgoing)?;
        written.map(Ok)
    }

    /// Ready when something can be queued, or the connection has failed.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.outgoing.is_congested() {
            return Poll::Ready(Ok(()));
        }
        let written = self.poll_write(cx)?;
        ended(&self.outgoing)?;
        if self.outgoing.is_congested() { written.map(Ok) } else { Poll::Ready(Ok(())) }
    }

    /// Polls something that writes and keeps the deadlines meanwhile, as nobody receives.
    pub(super) fn poll_in_time(
        &mut self,
        cx: &mut Context<'_>,
        poll: fn(&mut Self, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if let Poll::Ready(result) = poll(self, cx) {
                return Poll::Ready(result);
            }
            ready!(self.poll_time(cx));
        }
    }
}

/// A deadline later than this is none: thirty years.
const FAR: Duration = Duration::from_secs(946_080_000);
