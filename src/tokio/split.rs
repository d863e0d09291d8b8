//! One connection for several tasks: [`Receiver`] and [`Sender`].
//!
//! The receiver owns the read buffer, so that it can lend messages while others send. What both
//! need, the transport and the sending side, is behind a lock that is held while something is
//! polled and never while anything waits.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use super::wakers::{Place, RECEIVER, Writers};
use super::{Error, WebSocket};
use crate::adapter::lock;
use crate::buffers::{Receiving, lend_to_answer};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::connection::{CloseOutcome, Fragment};
use crate::endpoint::Incoming;
use crate::error::SendError;
use crate::message::{Message, Outbound, OwnedMessage};
use crate::utf8::InvalidUtf8;

#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) half: Mutex<Half<S>>,
    writers: Writers,
}

pub(super) fn split<S>(socket: WebSocket<S>) -> (Receiver<S>, Sender<S>) {
    let WebSocket { incoming, mut half, writers } = socket;
    // Who received by the stream does so no more.
    half.forget_reader();
    let writers = writers.unwrap_or_default();
    let shared = Arc::new(Shared { half: Mutex::new(half), writers });
    (Receiver { incoming, shared: Arc::clone(&shared) }, Sender { shared })
}

/// The receiving half of a connection that was [split](WebSocket::split).
///
/// Keep calling [`next`](Self::next): it is what answers Pings, keeps the deadlines and completes
/// the closing handshake. When it is dropped the transport stays open as long as there is a
/// [`Sender`], and nothing of that is done any more: [`Sender::closed`] tells each to end too.
///
/// It is a `Stream` of owned messages as well; with `futures::StreamExt` in scope `receiver.next()` is
/// still the method here.
#[derive(Debug)]
pub struct Receiver<S> {
    pub(super) incoming: Receiving,
    pub(super) shared: Arc<Shared<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// Waits for the next message and lends it. `None` after a clean close, whatever its code:
    /// [`received_close`](Self::received_close) has that. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`].
    pub async fn next(&mut self) -> Result<Option<Message<'_>>, Error> {
        let Self { incoming, shared } = self;
        let whole = incoming.poll_whole(&mut lock(&shared.half).outgoing);
        // What has been read already needs no task to wake.
        if let Some((content, payload)) = whole {
            return match incoming.lend_found(content, payload) {
                Ok(message) => Ok(Some(message)),
                Err(error) => Err(shared.fail(error).await),
            };
        }
        if !shared.find(incoming).await? {
            return Ok(None);
        }
        match incoming.lend() {
            Ok((message, _)) => Ok(Some(message)),
            Err(error) => Err(shared.fail(error).await),
        }
    }

    /// As [`next`](Self::next), but gives the message away: a large one without a copy, as
    /// [`Endpoint::take_message`](crate::Endpoint::take_message) does. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`].
    pub async fn next_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        let Self { incoming, shared } = self;
        let whole = incoming.poll_whole(&mut lock(&shared.half).outgoing);
        let taken = match whole {
            Some((content, payload)) => incoming.take_found(content, payload),
            None if shared.find(incoming).await? => incoming.take_message(),
            None => return Ok(None),
        };
        match taken {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(shared.fail(error).await),
        }
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        lock(&self.shared.half).outgoing.connection.outcome()
    }

    /// The body of the peer's Close frame, if one came and was not empty: code and reason.
    #[must_use]
    pub fn received_close(&self) -> Option<CloseFrame> {
        lock(&self.shared.half).outgoing.connection.received_close()
    }
}

impl<S> Receiver<S> {
    /// A sender of this connection. That all of them are dropped does not close it.
    #[must_use]
    pub fn sender(&self) -> Sender<S> {
        Sender { shared: Arc::clone(&self.shared) }
    }

    /// Whether messages can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.shared.half).outgoing.is_open()
    }

    /// How long the peer took to answer the last keep-alive Ping: see [`Connection::latency`].
    ///
    /// [`Connection::latency`]: crate::Connection::latency
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        lock(&self.shared.half).outgoing.connection.latency()
    }
}

impl<S> Drop for Receiver<S> {
    fn drop(&mut self) {
        // Of who was to poll the stream again.
        let reader = {
            let mut half = lock(&self.shared.half);
            half.nobody_receives = true;
            half.reader.take()
        };
        // Without the lock: whatever runs may want it.
        self.shared.writers.wake_end();
        if reader.is_some() {
            self.shared.writers.wake_all();
        }
    }
}

/// A receiver that waits keeps the deadlines. When it stops to, the senders that wait are told to
/// keep theirs.
struct Waiting<'a, S>(&'a Shared<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Waits until there is a message (true) or the connection has ended (false).
    async fn find(&self, incoming: &mut Incoming) -> Result<bool, Error> {
        let waiting = Waiting(self);
        let found = poll_fn(|cx| self.poll_found(incoming, false, cx)).await;
        // The poll that found it has said so already.
        mem::forget(waiting);
        found
    }

    /// Polls for that; `may_leave` if nobody will say that it is not polled any more.
    pub(super) fn poll_found(
        &self,
        incoming: &mut Incoming,
        may_leave: bool,
        cx: &Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        self.writers.poll(&mut { RECEIVER }, lock(&self.half), cx, |half, writer| {
            half.reader_may_leave = may_leave;
            half.poll_message_shared(incoming, cx.waker(), writer.waker())
        })
    }

    /// Fails the connection because of a text that has been received, and ends it.
    #[cold]
    async fn fail(&self, error: InvalidUtf8) -> Error {
        let error = lock(&self.half).outgoing.fail(error);
        poll_fn(|cx| {
            self.writers.poll(&mut { RECEIVER }, lock(&self.half), cx, |half, writer| {
                half.poll_end(cx.waker(), writer.waker())
            })
        })
        .await;
        error.into()
    }
}

impl<S> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        // Dropped without the lock: whatever runs may want it.
        let reader = lock(&self.0.half).reader.take();
        if reader.is_some() {
            self.0.writers.wake_all();
        }
    }
}

/// The sending half of a connection that was [split](WebSocket::split); clones share it.
///
/// Futures can be dropped as those of a [`WebSocket`]. Messages of several clones never mix.
///
/// # Panics
///
/// As [`WebSocket`]: methods that have to wait do so in a runtime.
#[derive(Debug)]
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Queues a message, after waiting for room if more than the high watermark is queued. It is
    /// written by [`flush`](Self::flush), or with whatever is written next.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub async fn feed<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        let message = message.into();
        self.queue(|half| Ok(half.outgoing.send(message)?)).await
    }

    /// As [`feed`](Self::feed), of a message that is given away: a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub async fn feed_owned(&self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        let mut message = message.into();
        self.queue(|half| Ok(half.outgoing.send_owned(&mut message)?)).await
    }

    /// Sends a message: [`feed`](Self::feed) and [`flush`](Self::flush), but a large one without a
    /// copy as far as the transport takes it, as [`WebSocket::send`] does.
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn send<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), Error> {
        let (mut due, mut place) = (Some(message.into()), self.shared.writers.place());
        let mut poll = |half: &mut Half<S>, cx: &mut Context<'_>| half.poll_send(cx, &mut due);
        poll_fn(|cx| self.poll_sending(&mut place, cx, &mut poll)).await
    }

    /// Sends a message that is given away, as [`WebSocket::send_owned`] does.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_owned`].
    pub async fn send_owned(&self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        self.feed_owned(message).await?;
        self.flush().await
    }

    /// Sends a message without waiting: a server that sends to many can give up on those that do not
    /// keep up.
    ///
    /// A task that waits in [`Receiver::next`] writes it, and so messages of one go together. Where
    /// none does, what the transport takes at once is written here; the rest is written by
    /// [`flush`](Self::flush), or with whatever is written next.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] if more than the high watermark is queued that the transport does not
    /// take, [`SendError::Closed`] if it fails, and the others of
    /// [`Connection::send`](crate::Connection::send).
    pub fn try_send<'p>(&self, message: impl Into<Outbound<'p>>) -> Result<(), SendError> {
        let (message, Shared { half, writers }) = (message.into(), &*self.shared);
        let mut half = lock(half);
        lend_to_answer(&mut half.outgoing);
        let mut queued = half.outgoing.send(message);
        if let Err(SendError::Full { .. }) = queued {
            half.write_all_now(writers.waker());
            queued = half.outgoing.send(message);
        }
        if queued.is_ok() {
            half.write_now(writers.waker());
            half.wake_reader();
            if half.outgoing.has_lost_output() {
                queued = Err(SendError::Closed);
            }
        }
        let has_ended = half.has_just_ended();
        drop(half);
        if has_ended {
            writers.wake_end();
        }
        queued
    }

    /// Sends the next part of a message as one fragment, and flushes (RFC 6455 §5.4). Until the
    /// last one, what other clones send is refused with [`SendError::UnfinishedMessage`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_part<'p>(
        &self,
        part: impl Into<Outbound<'p>>,
        fragment: Fragment,
    ) -> Result<(), Error> {
        let part = part.into();
        self.queue(|half| Ok(half.outgoing.send_part(part, fragment)?)).await?;
        self.flush().await
    }

    /// How many bytes are queued and not written.
    #[must_use]
    pub fn queued(&self) -> usize {
        lock(&self.shared.half).outgoing.queued()
    }

    /// How long the peer took to answer the last keep-alive Ping: see [`Connection::latency`].
    ///
    /// [`Connection::latency`]: crate::Connection::latency
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        lock(&self.shared.half).outgoing.connection.latency()
    }

    /// Whether messages can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        lock(&self.shared.half).outgoing.is_open()
    }

    /// Waits until the connection closes or has failed, or the [`Receiver`] was dropped: until there
    /// is no use in sending any more. For tasks that wait for something else than the peer; any
    /// number of them can.
    ///
    /// ```
    /// use tokio::io::{AsyncRead, AsyncWrite};
    /// use tokio::sync::mpsc;
    /// use websocket_proto::tokio::{Error, Sender};
    ///
    /// async fn forward<S>(mut news: mpsc::Receiver<String>, to: Sender<S>) -> Result<(), Error>
    /// where
    ///     S: AsyncRead + AsyncWrite + Unpin,
    /// {
    ///     loop {
    ///         tokio::select! {
    ///             () = to.closed() => return Ok(()),
    ///             item = news.recv() => match item {
    ///                 Some(text) => to.send(&text).await?,
    ///                 None => return Ok(()),
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn closed(&self) {
        let Shared { half, writers } = &*self.shared;
        let mut place = writers.place_at_end();
        poll_fn(|cx| writers.poll_closed(&mut place, lock(half), cx)).await;
    }

    /// How the connection ended, once it has: while it closes not yet.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        lock(&self.shared.half).outgoing.connection.outcome()
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|half| Ok(half.outgoing.ping(payload)?)).await?;
        self.flush().await
    }

    /// Writes everything that is queued, by whichever clone.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        let mut place = self.shared.writers.place();
        poll_fn(|cx| self.poll_sending(&mut place, cx, Half::poll_written)).await
    }

    /// Starts the closing handshake; the [`Receiver`] sees its end.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`]. Nothing happens if the connection is closing already.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let was_open = self.is_open();
        self.try_close(code, reason)?;
        match self.flush().await {
            // What the outcome tells of.
            Err(Error::Send(SendError::Closed)) => Ok(()),
            Err(_) if !was_open => Ok(()),
            flushed => flushed,
        }
    }

    /// Starts the closing handshake without waiting, for the [`Receiver`] to go through: a server
    /// that shuts down can tell all its clients, or get rid of one that does not keep up. The client
    /// has the close timeout to take what is queued. The Close is written as by
    /// [`try_send`](Self::try_send); where nobody waits in [`Receiver::next`], nor to send, nothing
    /// else happens until somebody does.
    ///
    /// # Errors
    ///
    /// If code or reason are not valid. Nothing happens if the connection is closing already.
    pub fn try_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let Shared { half, writers } = &*self.shared;
        let mut half = lock(half);
        match half.outgoing.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            error => return error,
        }
        half.write_now(writers.waker());
        half.wake_reader();
        let has_ended = half.has_just_ended();
        drop(half);
        if has_ended {
            writers.wake_end();
        }
        // Who waits to send has a new deadline to keep.
        writers.wake_all();
        Ok(())
    }

    /// Queues something if there is room.
    fn queue_now(
        &self,
        send: &mut impl FnMut(&mut Half<S>) -> Result<(), Error>,
    ) -> Option<Result<(), Error>> {
        let mut half = lock(&self.shared.half);
        half.has_room().then(|| {
            lend_to_answer(&mut half.outgoing);
            send(&mut half)
        })
    }

    async fn queue(
        &self,
        mut send: impl FnMut(&mut Half<S>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if let Some(queued) = self.queue_now(&mut send) {
            return queued;
        }
        let mut place = self.shared.writers.place();
        poll_fn(|cx| {
            self.poll_sending(&mut place, cx, |half, writer| match half.poll_room(writer) {
                Poll::Ready(Ok(())) => {
                    lend_to_answer(&mut half.outgoing);
                    Poll::Ready(send(half))
                }
                pending_or_failed => pending_or_failed,
            })
        })
        .await
    }

    fn poll_sending(
        &self,
        place: &mut Place<'_>,
        cx: &Context<'_>,
        poll: impl FnMut(&mut Half<S>, &mut Context<'_>) -> Poll<Result<(), Error>>,
    ) -> Poll<Result<(), Error>> {
        let Shared { half, writers } = &*self.shared;
        writers.poll_at(place, lock(half), cx, |half, writer| half.poll_writing(writer, poll))
    }
}
