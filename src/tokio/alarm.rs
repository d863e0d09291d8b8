//! [`Alarm`]: the timer of somebody who waits.

use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::time::{Instant, Sleep};

/// A timer that is made when there is something to wait for.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits for nothing any more.
    #[inline]
    pub(super) fn clear(&mut self) {
        // As nearly always, there is none: to look is less than to drop nothing.
        if self.0.is_some() {
            self.0 = None;
        }
    }

    /// Whether it would not go off by `until`.
    pub(super) fn is_later_than(&self, until: Instant) -> bool {
        self.0.as_ref().is_none_or(|sleep| sleep.is_elapsed() || until < sleep.deadline())
    }

    /// Ready at `until` at the latest. One that is set to an earlier time is left alone: nearly
    /// everything that happens puts deadlines off, and to set it again costs more than to wake up
    /// once for nothing.
    pub(super) fn poll_by(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) if sleep.deadline() <= until && !sleep.is_elapsed() => {
                sleep.as_mut().poll(cx)
            }
            _ => self.poll_at(until, cx),
        }
    }

    /// Ready at `until`; if that has passed, once the runtime has looked at what the transport has
    /// for who waits.
    pub(super) fn poll_at(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}
