//! [`WebSocket`] as `Stream` and `Sink` of owned messages.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use super::{Error, WebSocket};
use crate::close_code::CloseCode;
use crate::message::OwnedMessage;

/// Owned messages. Ends after a clean close and after an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { incoming, half } = self.get_mut();
        if half.is_finished() {
            return Poll::Ready(None);
        }
        loop {
            if !ready!(half.poll_message(incoming, cx.waker(), cx.waker()))? {
                return Poll::Ready(None);
            }
            match incoming.take_message() {
                Ok(message) => return Poll::Ready(Some(Ok(message))),
                // Bad text: the connection fails, and the next round ends it and says why.
                Err(error) => half.outgoing.fail(error),
            };
        }
    }
}

/// Owned messages, with back pressure from the watermarks; a large payload is not copied.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<OwnedMessage> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().half.poll_in_time(cx, Half::poll_room)
    }

    fn start_send(self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Error> {
        Ok(self.get_mut().half.outgoing.send_owned(message)?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.get_mut().half.poll_in_time(cx, Half::poll_written)
    }

    /// Closes with 1000 and waits for the closing handshake.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { incoming, half } = self.get_mut();
        if half.outgoing.connection.is_open() {
            half.outgoing.close(CloseCode::NORMAL, "")?;
        }
        while ready!(half.poll_message(incoming, cx.waker(), cx.waker()))? {}
        Poll::Ready(Ok(()))
    }
}
