//! One connection for several tasks: [`Receiver`] and [`Sender`].
//!
//! The receiver owns the read buffer, so that it can lend messages while others send. What both
//! need, the transport and the sending side, is behind a lock that is held while something is
//! polled and never while anything waits. Whoever waits for the transport to take output registers
//! with all others: the transport remembers one waker only, and its task may have gone.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::mem;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use super::{Error, WebSocket};
use crate::close_code::CloseCode;
use crate::connection::CloseOutcome;
use crate::endpoint::Incoming;
use crate::error::SendError;
use crate::message::{Message, OwnedMessage};

/// Locks whether or not a task has panicked: what runs under the locks here leaves nothing half
/// changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Shared<S> {
    half: Mutex<Half<S>>,
    writers: Arc<Writers>,
    /// The task that receives: a sender that closes gives it a deadline to keep.
    reader: Mutex<Option<Waker>>,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Half<S>> {
        lock(&self.half)
    }

    /// Polls something that writes, as `cx`'s task among others.
    fn poll_writing<T>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Half<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Before the poll: the transport may be ready again before it returns.
        self.writers.register(cx.waker());
        let waker = Waker::from(Arc::clone(&self.writers));
        let mut half = self.lock();
        let result = poll(&mut half, &mut Context::from_waker(&waker));
        if result.is_ready() || !half.has_unwritten() {
            self.writers.unregister(cx.waker());
        }
        drop(half);
        if result.is_ready() {
            // The queue may have moved: who waits for room or for its end looks again.
            self.writers.wake_by_ref();
        }
        result
    }
}

/// The tasks that wait for output to be taken; wakes all of them.
#[derive(Debug, Default)]
struct Writers(Mutex<Vec<Waker>>);

impl Writers {
    fn register(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn unregister(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        wakers.retain(|other| !other.will_wake(waker));
    }
}

impl Wake for Writers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = mem::take(&mut *lock(&self.0));
        for waker in wakers {
            waker.wake();
        }
    }
}

pub(super) fn split<S>(socket: WebSocket<S>) -> (Receiver<S>, Sender<S>) {
    let WebSocket { incoming, half } = socket;
    let shared = Arc::new(Shared {
        half: Mutex::new(half),
        writers: Arc::default(),
        reader: Mutex::default(),
    });
    (Receiver { incoming, shared: Arc::clone(&shared) }, Sender { shared })
}

/// The receiving half of a connection that was [split](WebSocket::split).
///
/// Keep calling [`next`](Self::next): it is what answers Pings, keeps the deadlines and completes
/// the closing handshake.
#[derive(Debug)]
pub struct Receiver<S> {
    incoming: Incoming,
    shared: Arc<Shared<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Receiver<S> {
    /// Waits for the next message and lends it. `None` after a clean close. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`].
    pub async fn next(&mut self) -> Result<Option<Message<'_>>, Error> {
        let Self { incoming, shared } = self;
        let found = poll_fn(|cx| {
            *lock(&shared.reader) = Some(cx.waker().clone());
            shared.poll_writing(cx, |half, writer| {
                half.poll_message(incoming, cx.waker(), writer.waker())
            })
        });
        if !found.await? {
            return Ok(None);
        }
        match incoming.message() {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                shared.lock().outgoing.fail(error);
                poll_fn(|cx| {
                    shared
                        .poll_writing(cx, |half, writer| half.poll_end(cx.waker(), writer.waker()))
                })
                .await;
                Err(error.into())
            }
        }
    }

    /// How the connection ended, once it has.
    #[must_use]
    pub fn outcome(&self) -> Option<CloseOutcome> {
        self.shared.lock().outgoing.connection.outcome()
    }
}

/// The sending half of a connection that was [split](WebSocket::split); clones share it.
///
/// Every method is cancel-safe. Messages of several clones never mix.
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
    /// Queues a message, after waiting for room if more than the high watermark is queued.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub async fn feed<'p>(&self, message: impl Into<Message<'p>>) -> Result<(), Error> {
        let message = message.into();
        self.queue(|half| half.outgoing.send(message)).await
    }

    /// As [`feed`](Self::feed), of a message that is given away: a large payload is not copied.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::feed`].
    pub async fn feed_owned(&self, message: impl Into<OwnedMessage>) -> Result<(), Error> {
        let mut message = Some(message.into());
        self.queue(|half| Ok(message.take().map_or(Ok(()), |it| half.outgoing.send_owned(it))?))
            .await
    }

    /// Sends a message: [`feed`](Self::feed) and [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn send<'p>(&self, message: impl Into<Message<'p>>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Sends a Ping with at most 125 bytes (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|half| half.outgoing.ping(payload)).await?;
        self.flush().await
    }

    /// Writes everything that is queued, by whichever clone.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_sending(cx, Half::poll_written)).await
    }

    /// Starts the closing handshake; the [`Receiver`] sees its end.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`]. Nothing happens if the connection is closing already.
    pub async fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        match self.shared.lock().outgoing.close(code, reason) {
            Ok(()) | Err(SendError::Closed) => {}
            Err(error) => return Err(error.into()),
        }
        self.wake_receiver();
        self.flush().await
    }

    /// The receiver keeps the deadlines: it has to know that there may be a new one.
    fn wake_receiver(&self) {
        let reader = lock(&self.shared.reader).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn poll_sending<T>(
        &self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Half<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let result = self.shared.poll_writing(cx, poll);
        if result.is_pending() {
            self.wake_receiver();
        }
        result
    }

    async fn queue(
        &self,
        mut send: impl FnMut(&mut Half<S>) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        poll_fn(|cx| {
            self.poll_sending(cx, |half, writer| match half.poll_room(writer) {
                Poll::Ready(Ok(())) => Poll::Ready(send(half).map_err(Error::from)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            })
        })
        .await
    }
}
