//! The buffers that the connections of a thread lend each other: one that waits holds none, unless
//! its thread waits with it and has no other use for them, and one that is dropped leaves its own
//! to the next.
//!
//! Owns a [`Buffers`] for each thread.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;
use core::ops::{Deref, DerefMut};

use crate::assembler::Assembler;
use crate::connection::{self, Connection};
use crate::endpoint::{Buffers, Config, Incoming, Outgoing};

/// How much of the head of a handshake is read at once, in bytes.
const HEAD: usize = 4 * 1024;

std::thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
}

/// Does something with the buffers of this thread. `None`, and nothing was done, if it is about to
/// end and has none any more, or if they are in use: what is dropped meanwhile may be a connection.
#[inline]
fn with_buffers<T>(act: impl FnOnce(&mut Buffers) -> T) -> Option<T> {
    BUFFERS.try_with(|buffers| Some(act(&mut *buffers.try_borrow_mut().ok()?))).ok().flatten()
}

/// Lends a connection that is about to read buffers of this thread, and a large one if a large
/// message is on its way: new memory costs more than what is read into it.
#[inline]
pub(crate) fn lend_to_read(incoming: &mut Incoming, outgoing: &mut Outgoing) {
    if incoming.needs_buffer() || incoming.wants_room(outgoing) {
        lend_incoming(incoming, outgoing);
    }
}

fn lend_incoming(incoming: &mut Incoming, outgoing: &mut Outgoing) {
    incoming.forget();
    with_buffers(|buffers| buffers.lend(incoming, outgoing));
}

/// Lends a connection that has a message to answer a buffer for that, if it was not lent one
/// together with what it reads to.
#[inline]
pub(crate) fn lend_to_answer(outgoing: &mut Outgoing) {
    if outgoing.needs_buffer() {
        with_buffers(|buffers| buffers.lend_output(outgoing));
    }
}

/// Takes back what a connection that has written everything does not need to wait with.
pub(crate) fn take_output(outgoing: &mut Outgoing) {
    if let Some(output) = outgoing.release() {
        with_buffers(|buffers| buffers.keep_output(output));
    }
}

/// Takes back what a connection that has nothing to read does not need.
pub(crate) fn take_buffers(incoming: &mut Incoming, outgoing: &mut Outgoing) {
    let taken = with_buffers(|buffers| buffers.take(incoming, outgoing));
    if taken.is_none() {
        drop(incoming.take_room(outgoing));
        drop(incoming.release(outgoing));
        drop(outgoing.release());
    }
}

/// What has buffers of this thread.
pub(crate) trait Borrower {
    /// One without any.
    fn nothing() -> Self;

    /// Gives them back, whatever is in them: what had them is used no more.
    fn leave(&mut self);
}

impl Borrower for Incoming {
    fn nothing() -> Self {
        Self::new(1, Assembler::new())
    }

    fn leave(&mut self) {
        let (read, room) = self.take_buffers();
        if read.len().max(room.len()) >= HEAD {
            with_buffers(|buffers| {
                // Not one in which little of a message waited.
                if read.len() >= HEAD {
                    buffers.keep_read(read);
                }
                buffers.keep_room(room);
            });
        }
    }
}

impl Borrower for Outgoing {
    fn nothing() -> Self {
        Self::new(Connection::server(&connection::Config::default()), &Config::default())
    }

    fn leave(&mut self) {
        if let Some(buffer) = self.take_buffer() {
            with_buffers(|buffers| buffers.keep_output(buffer));
        }
    }
}

/// A side of a connection that an adapter has. When it is dropped its buffers go to the thread.
#[derive(Debug)]
pub(crate) struct Returning<T: Borrower>(T);

pub(crate) type Receiving = Returning<Incoming>;
pub(crate) type Sending = Returning<Outgoing>;

impl<T: Borrower> Returning<T> {
    pub(crate) fn new(side: T) -> Self {
        Self(side)
    }

    pub(crate) fn into_inner(mut self) -> T {
        mem::replace(&mut self.0, T::nothing())
    }
}

impl<T: Borrower> Deref for Returning<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Borrower> DerefMut for Returning<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Borrower> Drop for Returning<T> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Where the head of a handshake is read to; a buffer of the thread while it lives. So that one
/// that waits holds none, it lives no longer than one read.
pub(crate) struct HeadBuffer(Vec<u8>);

impl HeadBuffer {
    pub(crate) fn lend() -> Self {
        let mut lent = None;
        with_buffers(|buffers| lent = buffers.pop_read(HEAD));
        Self(lent.unwrap_or_else(|| vec![0; HEAD]))
    }
}

impl Deref for HeadBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0[..HEAD]
    }
}

impl DerefMut for HeadBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0[..HEAD]
    }
}

impl Drop for HeadBuffer {
    fn drop(&mut self) {
        let buffer = mem::take(&mut self.0);
        with_buffers(|buffers| buffers.keep_read(buffer));
    }
}
