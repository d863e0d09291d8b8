//! [`WebSocket`] as `Stream` and `Sink` of owned messages, [`Receiver`] as `Stream`.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use super::wakers::{RECEIVER, SINK};
use super::{Error, Receiver, WebSocket};
use crate::adapter::lock;
use crate::buffers::lend_to_answer;
use crate::close_code::CloseCode;
use crate::error::SendError;
use crate::message::OwnedMessage;

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Polls something that writes; the stream and the sink may be in two tasks.
    fn poll_sending(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnMut(&mut Half<S>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        let Self { half, writers, .. } = self;
        let writers = writers.get_or_insert_default();
        writers.poll(&mut { SINK }, half, cx, |half, writer| half.poll_writing(writer, poll))
    }
}

/// Owned messages. Ends after a clean close and after an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { incoming, half, writers } = self.get_mut();
        if half.stream_ended {
            return Poll::Ready(None);
        }
        let writers = writers.get_or_insert_default();
        // What has been read already needs no task to wake.
        if let Some((content, payload)) = incoming.poll_whole(&mut half.outgoing) {
            if half.forget_reader() {
                writers.wake_all();
            }
            // Apart: what a call gives goes through memory.
            let error = if incoming.is_worth_giving(&payload) {
                match incoming.give(content.kind(), payload) {
                    Ok(message) => return Poll::Ready(Some(Ok(message))),
                    Err(error) => error,
                }
            } else {
                match incoming.lend_found(content, payload) {
                    Ok(message) => return Poll::Ready(Some(Ok(message.into_owned()))),
                    Err(error) => error,
                }
            };
            // The connection fails, and what follows ends it and says why.
            half.outgoing.fail(error);
        }
        let item = loop {
            match ready!(writers.poll(&mut { RECEIVER }, &mut *half, cx, |half, writer| {
                half.poll_message_shared(incoming, cx.waker(), writer.waker())
            })) {
                Ok(false) => break None,
                Err(error) => break Some(Err(error)),
                Ok(true) => match incoming.take_message() {
                    Ok(message) => return Poll::Ready(Some(Ok(message))),
                    // Bad text: the connection fails, and the next round ends it and says why.
                    Err(error) => half.outgoing.fail(error),
                },
            };
        };
        half.stream_ended = true;
        Poll::Ready(item)
    }
}

/// Owned messages. Ends after a clean close and after an error. Keep polling it: it does what
/// [`next`](Receiver::next) does.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Receiver<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { incoming, shared } = self.get_mut();
        if lock(&shared.half).stream_ended {
            return Poll::Ready(None);
        }
        let item = loop {
            match ready!(shared.poll_found(incoming, true, cx)) {
                Ok(false) => break None,
                Err(error) => break Some(Err(error)),
                Ok(true) => match incoming.take_message() {
                    Ok(message) => return Poll::Ready(Some(Ok(message))),
                    // Bad text: the connection fails, and the next round ends it and says why.
                    Err(error) => lock(&shared.half).outgoing.fail(error),
                },
            };
        };
        lock(&shared.half).stream_ended = true;
        Poll::Ready(item)
    }
}

/// Owned messages, with back pressure from the watermarks; a large payload is not copied.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<OwnedMessage> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.half.has_room() {
            return Poll::Ready(Ok(()));
        }
        this.poll_sending(cx, Half::poll_room)
    }

    fn start_send(self: Pin<&mut Self>, mut message: OwnedMessage) -> Result<(), Error> {
        let outgoing = &mut self.get_mut().half.outgoing;
        lend_to_answer(outgoing);
        Ok(outgoing.send_owned(&mut message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().poll_sending(cx, Half::poll_written)
    }

    /// Sends a Close with 1000. The end of the closing handshake is the stream's to see.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let this = self.get_mut();
        if this.half.outgoing.connection.is_open() {
            this.half.outgoing.close(CloseCode::NORMAL, "")?;
            this.half.tell_reader();
        }
        match this.poll_sending(cx, Half::poll_written) {
            // What the outcome tells of.
            Poll::Ready(Err(Error::Send(SendError::Closed))) => Poll::Ready(Ok(())),
            flushed => flushed,
        }
    }
}
