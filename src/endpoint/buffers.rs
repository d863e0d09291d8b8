//! [`Buffers`]: memory that the endpoints of a loop lend each other.
//!
//! Owns the buffers that none of them needs at the moment. How long one is kept by an endpoint is
//! decided there.

use alloc::vec::Vec;

use super::{Endpoint, Incoming, Outgoing};
use crate::assembler::{LARGE, LONGEST_SPARED};

/// Buffers that the endpoints of a loop or thread lend each other, so that those that wait hold
/// none, and a thousand of which some have something to read use a handful of warm ones.
///
/// [`lend_to`](Self::lend_to) before a read, [`take_back`](Self::take_back) when a read would
/// block. Begins empty: what is missing is allocated by the endpoint that needs it, and comes here
/// when it is given back. The adapters of this crate have one for each thread.
///
/// Keeps no more than 8 buffers to read to, 8 for output, and 2 for large messages; what is given
/// back beyond that is freed. One to read to has the
/// [configured size](super::Config::read_buffer), or up to 128 KiB and 80 bytes where longer frames
/// come (and up to twice what [`Endpoint::push_input`] has put in front of them), one for output at
/// most 64 KiB and 14 bytes, one for large messages at most 4 MiB and 128 bytes. Drop it, or put a
/// new one in its place, to free them all.
///
/// ```
/// use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received};
/// use websocket_proto::Connection;
///
/// /// What a loop does when one of its sockets is readable. `read` gives `None` if it would block,
/// /// and 0 at the end; `write` takes everything.
/// fn readable(
///     endpoint: &mut Endpoint,
///     buffers: &mut Buffers,
///     mut read: impl FnMut(&mut [u8]) -> Option<usize>,
///     mut write: impl FnMut(&[u8]),
/// ) {
///     let mut flush = |endpoint: &mut Endpoint| {
///         endpoint.chunks().for_each(&mut write);
///         endpoint.advance_write(endpoint.queued());
///     };
///     buffers.lend_to(endpoint);
///     while let Some(count) = read(endpoint.read_buf()) {
///         if count == 0 {
///             let _ = endpoint.receive_eof();
///             break;
///         }
///         endpoint.advance_read(count);
///         // An error is the end of it, and has queued a Close frame.
///         while let Ok(Some(Received { message, mut out })) = endpoint.next() {
///             let _ = out.feed(message);
///         }
///         flush(endpoint);
///         buffers.lend_to(endpoint);
///     }
///     buffers.take_back(endpoint);
///     // A Close frame, if the text that has come so far is not UTF-8.
///     flush(endpoint);
/// }
///
/// let mut buffers = Buffers::new();
/// let config = Config::default();
/// let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
/// let mut sent = Vec::new();
/// let mut bytes = Some(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// let read = |room: &mut [u8]| {
///     let bytes = bytes.take()?;
///     room[..bytes.len()].copy_from_slice(bytes);
///     Some(bytes.len())
/// };
/// readable(&mut endpoint, &mut buffers, read, |bytes| sent.extend_from_slice(bytes));
/// assert_eq!(sent, b"\x81\x05Hello");
/// ```
#[derive(Debug, Default)]
pub struct Buffers {
    read: Vec<Vec<u8>>,
    /// Empty, but for their capacity.
    output: Vec<Vec<u8>>,
    rooms: Vec<Vec<u8>>,
}

impl Buffers {
    /// None yet, and no heap.
    #[must_use]
    pub const fn new() -> Self {
        Self { read: Vec::new(), output: Vec::new(), rooms: Vec::new() }
    }

    /// Lends `endpoint` what it lacks for the next read and what is sent meanwhile, as far as there
    /// is something: a buffer to read to, one to queue small frames in, and one for the message
    /// under way, in the middle of a large frame that is not compressed and needs more room than
    /// there is.
    ///
    /// Call it before each read, also in the middle of a message: new memory costs more than what
    /// is read into it. A message that was found and not lent yet stays where it is; to what
    /// [`Endpoint::read_buf`] gave before nothing may be read any more.
    #[inline]
    pub fn lend_to(&mut self, endpoint: &mut Endpoint) {
        self.lend(&mut endpoint.incoming, &mut endpoint.outgoing);
    }

    /// Takes back what `endpoint` does not need to wait with, as [`Endpoint::release`] would free
    /// it, and that tells more of what stays; here the buffer of a large message that is queued to
    /// be sent back stays too. So call it when a read would block, and once more when what was left
    /// to be written is.
    ///
    /// Like that one it checks the text that has come of an unfinished message, as far as it was
    /// polled. If it is not UTF-8 the connection has failed and its Close frame is queued, to be
    /// written: [`Endpoint::poll`] then gives the error, although nothing was read.
    ///
    /// Ends the life of the message that was found last, lent or not.
    #[inline]
    pub fn take_back(&mut self, endpoint: &mut Endpoint) {
        let Endpoint { incoming, outgoing } = endpoint;
        self.take_room(incoming, outgoing);
        let queued = incoming.take_queued_room();
        self.take(incoming, outgoing);
        if let Some(queued) = queued {
            incoming.keep_queued_room(queued);
        }
    }

    /// How much memory it holds in buffers, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        [&self.read, &self.output, &self.rooms].into_iter().flatten().map(Vec::capacity).sum()
    }

    #[inline]
    pub(crate) fn lend(&mut self, incoming: &mut Incoming, outgoing: &mut Outgoing) {
        // Seldom: most messages are whole where they are read to.
        if incoming.has_room() {
            if incoming.wants_room(outgoing) {
                self.lend_room(incoming, outgoing);
            }
            incoming.reuse_given();
        }
        if incoming.needs_buffer()
            && !incoming.has_found()
            && let Some(buffer) = self.read.pop_if(|buffer| incoming.may_take(buffer))
        {
            incoming.supply(buffer);
        }
        self.lend_output(outgoing);
    }

    /// Lends the shortest that is long enough, or else the longest.
    #[inline(never)]
    fn lend_room(&mut self, incoming: &mut Incoming, outgoing: &Outgoing) {
        let wanted = incoming.room_wanted(outgoing);
        let fit = |at: &usize| match self.rooms[*at].capacity() {
            len if len >= wanted => (false, len),
            len => (true, usize::MAX - len),
        };
        if let Some(at) = (0..self.rooms.len()).min_by_key(fit) {
            let room = incoming.exchange_room(self.rooms.swap_remove(at));
            self.keep_room(room);
        }
    }

    #[inline]
    pub(crate) fn lend_output(&mut self, outgoing: &mut Outgoing) {
        if outgoing.needs_buffer()
            && let Some(buffer) = self.output.pop()
        {
            outgoing.supply(buffer);
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, incoming: &mut Incoming, outgoing: &mut Outgoing) {
        let read = if incoming.has_nothing_else(outgoing) {
            incoming.release_read()
        } else {
            self.take_room(incoming, outgoing);
            incoming.release(outgoing)
        };
        if let Some(read) = read {
            self.keep_read(read);
        }
        if let Some(output) = outgoing.release() {
            self.keep_output(output);
        }
    }

    #[inline]
    fn take_room(&mut self, incoming: &mut Incoming, outgoing: &mut Outgoing) {
        incoming.end_message(outgoing);
        if incoming.has_room() {
            self.keep_room(incoming.take_room(outgoing));
        }
    }

    #[inline]
    pub(crate) fn keep_read(&mut self, buffer: Vec<u8>) {
        if self.read.len() < POOL {
            self.read.push(buffer);
        }
    }

    #[inline]
    pub(crate) fn keep_output(&mut self, buffer: Vec<u8>) {
        if self.output.len() < POOL {
            self.output.push(buffer);
        }
    }

    #[inline(never)]
    pub(crate) fn keep_room(&mut self, room: Vec<u8>) {
        if !(LARGE..=LONGEST_SPARED).contains(&room.capacity()) {
            return;
        }
        if self.rooms.len() < ROOMS {
            self.rooms.push(room);
        } else if let Some(shortest) = self.rooms.iter_mut().min_by_key(|it| it.capacity())
            && shortest.capacity() < room.capacity()
        {
            *shortest = room;
        }
    }

    /// Takes a buffer that bytes can be read to, if there is one of `len` bytes or more on top.
    #[cfg(feature = "std")]
    pub(crate) fn pop_read(&mut self, len: usize) -> Option<Vec<u8>> {
        self.read.pop_if(|buffer| buffer.len() >= len)
    }
}

/// How many read buffers, and how many for output, are kept.
const POOL: usize = 8;

/// How many buffers for large messages are kept.
const ROOMS: usize = 2;
