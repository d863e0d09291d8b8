//! Who is woken when the transport takes output.
//!
//! A transport remembers one waker for writing. Where several tasks write to one connection, each
//! registers here and the transport gets a waker that wakes all of them: the task that asked last
//! may have gone, or may not be interested any more.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::mem;
use core::ops::DerefMut;
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use crate::adapter::lock;

/// The tasks that wait for output to be taken; wakes all of them.
#[derive(Debug, Default)]
pub(super) struct Writers(Mutex<Vec<Waker>>);

impl Writers {
    /// Polls something that writes, as `cx`'s task among others.
    pub(super) fn poll<S, T>(
        self: &Arc<Self>,
        mut half: impl DerefMut<Target = Half<S>>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Half<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Before the poll: the transport may be ready again before it returns.
        let added = self.register(cx.waker());
        let waker = Waker::from(Arc::clone(self));
        let result = poll(&mut half, &mut Context::from_waker(&waker));
        // An entry that was there belongs to another future of the same task; it costs a wake-up
        // at most.
        if added && (result.is_ready() || !half.has_unwritten()) {
            lock(&self.0).retain(|other| !other.will_wake(cx.waker()));
        }
        drop(half);
        if result.is_ready() {
            // The queue may have moved: who waits for room or for its end looks again.
            self.wake_by_ref();
        }
        result
    }

    pub(super) fn wake_all(self: &Arc<Self>) {
        self.wake_by_ref();
    }

    /// Whether the waker was not there before.
    fn register(&self, waker: &Waker) -> bool {
        let mut wakers = lock(&self.0);
        let new = !wakers.iter().any(|other| other.will_wake(waker));
        if new {
            wakers.push(waker.clone());
        }
        new
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
