//! Who is woken when the transport takes output.
//!
//! A transport remembers one waker for writing. Where several tasks write to one connection, those
//! that wait register here and the transport gets a waker that wakes all of them: the task that
//! asked last may have gone, or may not be interested any more.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::mem;
use core::ops::DerefMut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncWrite};

use super::half::Half;
use crate::adapter::lock;

/// The tasks that wait for output to be taken, and the waker of all of them.
#[derive(Debug)]
pub(super) struct Writers {
    tasks: Arc<Tasks>,
    /// Wakes those who wait. Kept, because to make one counts references.
    waker: Waker,
}

#[derive(Debug, Default)]
struct Tasks {
    waiting: Mutex<Waiting>,
    /// Whether there are any: most polls find nobody, and need no lock to see it.
    any: AtomicBool,
    /// How often the transport has woken them.
    woken: AtomicUsize,
    /// The tasks that wait until nothing can be sent any more: apart, because what wakes the others
    /// comes with nearly every message.
    end: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with whom it belongs to: see [`Place`].
    wakers: Vec<(usize, Waker)>,
    /// How many places there have been.
    places: usize,
}

/// Whose waker it is that waits. There is one of each, so a new one takes the place of the last.
pub(super) const RECEIVER: usize = 1;
pub(super) const SINK: usize = 2;

/// The first place of others.
const FIRST: usize = 3;

/// The place of a future among those who wait: one that is dropped waits no more, or what has been
/// given up would pile up where the transport takes nothing.
#[derive(Debug)]
pub(super) struct Place<'w> {
    among: &'w Mutex<Waiting>,
    /// 0 until it has waited.
    id: usize,
}

impl Drop for Place<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.id > 0 {
            leave(self.among, self.id);
        }
    }
}

impl Default for Writers {
    fn default() -> Self {
        let tasks = Arc::default();
        let waker = Waker::from(Arc::clone(&tasks));
        Self { tasks, waker }
    }
}

impl Writers {
    /// A place for a future that will write.
    #[inline]
    pub(super) fn place(&self) -> Place<'_> {
        Place { among: &self.tasks.waiting, id: 0 }
    }

    /// What wakes those who wait for the transport.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// A place for a future that waits until nothing can be sent any more.
    pub(super) fn place_at_end(&self) -> Place<'_> {
        Place { among: &self.tasks.end, id: 0 }
    }

    /// Ready when nothing can be sent any more or nobody receives, as the task at that place.
    pub(super) fn poll_closed<S>(
        &self,
        place: &mut Place<'_>,
        half: impl DerefMut<Target = Half<S>>,
        cx: &Context<'_>,
    ) -> Poll<()> {
        if half.nobody_receives || !half.outgoing.is_open() {
            return Poll::Ready(());
        }
        // The connection is locked: that it ends is told after this, and without that lock.
        let replaced = lock(place.among).keep(&mut place.id, cx.waker());
        drop(half);
        drop(replaced);
        Poll::Pending
    }

    /// Wakes those who wait until nothing can be sent any more.
    #[cold]
    pub(super) fn wake_end(&self) {
        let woken = mem::take(&mut lock(&self.tasks.end).wakers);
        woken.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Polls something that writes, as the task at that place among others.
    #[inline]
    pub(super) fn poll_at<S, T>(
        &self,
        place: &mut Place<'_>,
        half: impl DerefMut<Target = Half<S>>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Half<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.poll(&mut place.id, half, cx, poll)
    }

    /// As [`poll_at`](Self::poll_at), of `id`, which is given if it is 0.
    #[inline]
    pub(super) fn poll<S, T>(
        &self,
        id: &mut usize,
        mut half: impl DerefMut<Target = Half<S>>,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Half<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Before the poll: the transport may be ready again before it returns.
        let woken = self.tasks.woken.load(Ordering::Acquire);
        let result = poll(&mut half, &mut Context::from_waker(&self.waker));
        if result.is_pending() && half.waits_to_write() {
            self.tasks.register(id, cx.waker(), woken);
        }
        let has_ended = half.has_just_ended();
        drop(half);
        if has_ended {
            self.wake_end();
        }
        if result.is_ready() {
            // The queue may have moved: who waits for room or for its end looks again.
            self.wake_all();
        }
        result
    }

    /// Wakes those who wait.
    #[inline]
    pub(super) fn wake_all(&self) {
        // Who waits has registered before it let go of the connection, which was polled since then.
        if self.tasks.any.load(Ordering::Acquire) {
            self.tasks.wake_waiting();
        }
    }
}

impl Tasks {
    /// Adds a task that has been polled since `woken`.
    fn register(&self, id: &mut usize, waker: &Waker, woken: usize) {
        let mut waiting = lock(&self.waiting);
        if self.woken.load(Ordering::Relaxed) != woken {
            // The transport was ready before it could be told whom to wake.
            drop(waiting);
            waker.wake_by_ref();
            return;
        }
        let replaced = waiting.keep(id, waker);
        self.any.store(true, Ordering::Release);
        drop(waiting);
        drop(replaced);
    }

    #[cold]
    fn wake_waiting(&self) {
        let mut woken = {
            let mut waiting = lock(&self.waiting);
            self.any.store(false, Ordering::Release);
            mem::take(&mut waiting.wakers)
        };
        // Without the lock: whatever runs may register again.
        woken.drain(..).for_each(|(_, waker)| waker.wake());
        let mut waiting = lock(&self.waiting);
        if waiting.wakers.capacity() == 0 {
            waiting.wakers = woken;
        }
    }
}

impl Waiting {
    /// Adds a task, or has it woken by another waker: gives the old one, of which something may be
    /// dropped, so without a lock.
    fn keep(&mut self, id: &mut usize, waker: &Waker) -> Option<Waker> {
        if *id == 0 {
            *id = FIRST + self.places;
            self.places += 1;
        }
        match self.wakers.iter_mut().find(|(other, _)| other == id) {
            Some((_, kept)) if kept.will_wake(waker) => None,
            Some((_, kept)) => Some(mem::replace(kept, waker.clone())),
            None => {
                self.wakers.push((*id, waker.clone()));
                None
            }
        }
    }
}

/// Removes a task that waits no more.
#[cold]
fn leave(among: &Mutex<Waiting>, id: usize) {
    let mut waiting = lock(among);
    let left = waiting.wakers.iter().position(|(other, _)| *other == id);
    let left = left.map(|at| waiting.wakers.swap_remove(at));
    drop(waiting);
    // Without the lock: the task may end with it.
    drop(left);
}

impl Wake for Tasks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waiting = lock(&self.waiting);
        self.woken.fetch_add(1, Ordering::Release);
        drop(waiting);
        self.wake_waiting();
    }
}
