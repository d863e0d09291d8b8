//! The buffers that the connections of a thread lend each other: one that waits holds none, and one
//! that is dropped leaves its own to the next.
//!
//! Owns the buffers that nobody needs at the moment. How long one is kept is decided by who uses
//! it.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::mem;
use core::ops::{Deref, DerefMut};

use crate::assembler::{Assembler, LARGE};
use crate::connection::{self, Connection};
use crate::endpoint::{Config, Incoming, Outgoing};

/// How many read buffers, and how many for output, a thread keeps.
const POOL: usize = 8;

/// How many buffers for large messages a thread keeps.
const ROOMS: usize = 2;

/// How large they may be, in bytes.
const MAX_ROOM: usize = 4 * 1024 * 1024;

/// How much of the head of a handshake is read at once, in bytes.
const HEAD: usize = 4 * 1024;

/// The buffers that no connection of a thread needs at the moment.
struct Buffers {
    read: Vec<Vec<u8>>,
    /// Empty, but for their capacity.
    output: Vec<Vec<u8>>,
    rooms: Vec<Vec<u8>>,
}

std::thread_local! {
    static BUFFERS: RefCell<Buffers> =
        const { RefCell::new(Buffers { read: Vec::new(), output: Vec::new(), rooms: Vec::new() }) };
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
    with_buffers(|buffers| {
        if incoming.wants_room(outgoing)
            && let Some(room) = buffers.rooms.pop()
        {
            buffers.keep_room(incoming.exchange_room(room));
        }
        if incoming.needs_buffer()
            && let Some(buffer) = buffers.read.pop()
        {
            incoming.supply(buffer, true);
        }
        buffers.lend_output(outgoing);
    });
}

/// Lends a connection that has a message to answer a buffer for that, if it was not lent one
/// together with what it reads to.
#[inline]
pub(crate) fn lend_to_answer(outgoing: &mut Outgoing) {
    if outgoing.needs_buffer() {
        with_buffers(|buffers| buffers.lend_output(outgoing));
    }
}

/// Takes back what a connection that has nothing to read does not need.
pub(crate) fn take_buffers(incoming: &mut Incoming, outgoing: &mut Outgoing) {
    let taken = with_buffers(|buffers| {
        if !incoming.is_used_up() {
            buffers.keep_room(incoming.take_room());
        }
        if let Some(read) = incoming.release(outgoing) {
            buffers.keep_read(read);
        }
        if let Some(output) = outgoing.release() {
            buffers.keep_output(output);
        }
    });
    if taken.is_none() {
        drop(incoming.release(outgoing));
        drop(outgoing.release());
    }
}

impl Buffers {
    fn lend_output(&mut self, outgoing: &mut Outgoing) {
        if outgoing.needs_buffer()
            && let Some(buffer) = self.output.pop()
        {
            outgoing.supply(buffer);
        }
    }

    fn keep_read(&mut self, buffer: Vec<u8>) {
        if self.read.len() < POOL {
            self.read.push(buffer);
        }
    }

    fn keep_output(&mut self, buffer: Vec<u8>) {
        if self.output.len() < POOL {
            self.output.push(buffer);
        }
    }

    fn keep_room(&mut self, room: Vec<u8>) {
        if !(LARGE..=MAX_ROOM).contains(&room.capacity()) {
            return;
        }
        if self.rooms.len() < ROOMS {
            self.rooms.push(room);
        } else if let Some(smaller) = self.rooms.iter_mut().find(|it| it.len() < room.len()) {
            *smaller = room;
        }
    }
}

/// The receiving side of a connection that an adapter has. When it is dropped its buffers go to the
/// thread.
#[derive(Debug)]
pub(crate) struct Receiving(Incoming);

impl Receiving {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self(incoming)
    }

    pub(crate) fn into_inner(mut self) -> Incoming {
        mem::replace(&mut self.0, Incoming::new(1, Assembler::new()))
    }
}

impl Deref for Receiving {
    type Target = Incoming;

    #[inline]
    fn deref(&self) -> &Incoming {
        &self.0
    }
}

impl DerefMut for Receiving {
    #[inline]
    fn deref_mut(&mut self) -> &mut Incoming {
        &mut self.0
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        // One that was taken out has left nothing.
        if !(self.0.needs_buffer() && self.0.is_used_up()) {
            take_buffers(&mut self.0, &mut over());
        }
    }
}

/// The sending side of a connection that an adapter has. When it is dropped its buffer goes to the
/// thread.
#[derive(Debug)]
pub(crate) struct Sending(Outgoing);

impl Sending {
    pub(crate) fn new(outgoing: Outgoing) -> Self {
        Self(outgoing)
    }

    pub(crate) fn into_inner(mut self) -> Outgoing {
        mem::replace(&mut self.0, over())
    }
}

impl Deref for Sending {
    type Target = Outgoing;

    #[inline]
    fn deref(&self) -> &Outgoing {
        &self.0
    }
}

impl DerefMut for Sending {
    #[inline]
    fn deref_mut(&mut self) -> &mut Outgoing {
        &mut self.0
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take_buffer() {
            with_buffers(|buffers| buffers.keep_output(buffer));
        }
    }
}

/// The sending side of no connection. To a receiving side it is one that has ended, for which
/// nothing is decoded or checked any more.
fn over() -> Outgoing {
    let mut connection = Connection::server(&connection::Config::default());
    // What it means is for nobody.
    let _ = connection.receive_eof();
    Outgoing::new(connection, &Config::default())
}

/// Where the head of a handshake is read to; a buffer of the thread while it lives. So that one
/// that waits holds none, it lives no longer than one read.
pub(crate) struct HeadBuffer(Vec<u8>);

impl HeadBuffer {
    pub(crate) fn lend() -> Self {
        let mut lent = None;
        with_buffers(|buffers| lent = buffers.read.pop_if(|buffer| buffer.len() >= HEAD));
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
