//! Sending without a copy of the payload: from where the caller has it, by reference count, or
//! masked where it lies.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use super::Outgoing;
use crate::assembler::{self, Assembler, LARGE, Shared};
use crate::connection::Role;
use crate::copy;
use crate::error::SendError;
use crate::frame::mask::{self, MaskKey};
use crate::frame::{Header, Rsv};
use crate::message::{Message, Outbound, OwnedMessage, Unsent};

impl Outgoing {
    /// As [`send`](Self::send), of what may be the message in a buffer that is shared, or a part of
    /// it: that is not copied.
    pub(crate) fn send_shared(
        &mut self,
        outbound: Outbound<'_>,
        shared: &Shared,
    ) -> Result<(), SendError> {
        let payload = outbound.content.as_bytes();
        // Not a small part, which would pin all of the buffer while it counts as little.
        let is_worth_it = Assembler::is_worth_a_buffer(payload.len(), shared.capacity());
        let part = if is_worth_it { part_of(shared, payload) } else { None };
        let Some(part) = part.filter(|_| !self.compresses(&outbound)) else {
            return self.send(outbound);
        };
        self.check_room()?;
        let head = self.connection.send_header(outbound.content.kind(), payload.len())?.encode();
        head.append_to(self.queue.tail());
        self.queue.push(assembler::part(shared, part));
        Ok(())
    }

    /// Whether a message is to be written while it is sent: it is large, and a server sends it from
    /// where it lies, a client in steps. For what is smaller a vectored write costs a socket more
    /// than the copy that it spares; `vectored` is whether the transport has them at all.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn sends_through(&self, outbound: &Outbound<'_>, vectored: bool) -> bool {
        let worth_it = match self.connection.role() {
            Role::Server if vectored => LARGE,
            Role::Server => return false,
            Role::Client => STEP + 1,
        };
        outbound.content.as_bytes().len() >= worth_it && !self.compresses(outbound)
    }

    /// Sends a message through `write`, from where it lies if it goes out as it is.
    #[inline]
    pub(crate) fn send_through(
        &mut self,
        outbound: Outbound<'_>,
        mut write: impl FnMut(&[&[u8]]) -> usize,
    ) -> Result<(), SendError> {
        if self.connection.role() == Role::Client || self.compresses(&outbound) {
            return self.send_copy_through(outbound, &mut write);
        }
        self.check_room()?;
        let payload = outbound.content.as_bytes();
        let head = self.connection.send_header(outbound.content.kind(), payload.len())?.encode();
        let mut written = 0;
        // Then the header need not be queued to be written.
        if self.queue.len() == 0 {
            let chunks = [&*head, payload];
            written = write(if payload.is_empty() { &chunks[..1] } else { &chunks });
            if written >= head.len() + payload.len() {
                self.note_written(false);
                return Ok(());
            }
        }
        self.queue_rest(&head, payload, written, &mut write);
        Ok(())
    }

    /// [`send_through`](Self::send_through) of a message that is masked or compressed, and so
    /// copied.
    #[inline(never)]
    fn send_copy_through(
        &mut self,
        outbound: Outbound<'_>,
        write: &mut dyn FnMut(&[&[u8]]) -> usize,
    ) -> Result<(), SendError> {
        if outbound.content.as_bytes().len() > STEP && !self.compresses(&outbound) {
            return self.send_in_steps(outbound, write);
        }
        self.send(outbound)?;
        self.write_through(&[], write);
        Ok(())
    }

    /// The same of a large one that is masked: in steps, each of which is written while it is in the
    /// cache.
    fn send_in_steps(
        &mut self,
        outbound: Outbound<'_>,
        write: &mut dyn FnMut(&[&[u8]]) -> usize,
    ) -> Result<(), SendError> {
        self.check_room()?;
        let mut rest = outbound.content.as_bytes();
        let header = self.connection.begin_data(outbound.content.kind(), Rsv::NONE, None)?;
        let len = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        let mut key = header.mask.unwrap_or(MaskKey::new([0; 4]));
        self.write_through(&[], write);
        let mut step = Vec::with_capacity(STEP);
        Header { len, ..header }.append_to(&mut step);
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(STEP - step.len()));
            mask::append(&mut step, piece, key);
            (key, rest) = (key.advanced(piece.len()), behind);
            // Not if what was queued before waits still.
            let takes = self.queue.len() == 0;
            let written = if takes { self.write_step(&step, !rest.is_empty(), write) } else { 0 };
            if written < step.len() {
                let tail = self.queue.tail();
                tail.reserve_exact(step.len() - written + rest.len());
                copy::append(tail, &step[written..]);
                mask::append(tail, rest, key);
                return Ok(());
            }
            if rest.is_empty() {
                return Ok(());
            }
            step.clear();
        }
    }

    /// Writes a step, as long as anything is taken. How much of it was.
    fn write_step(
        &mut self,
        step: &[u8],
        more: bool,
        write: &mut dyn FnMut(&[&[u8]]) -> usize,
    ) -> usize {
        let mut rest = step;
        while !rest.is_empty() {
            let count = write(&[rest]).min(rest.len());
            if count == 0 {
                break;
            }
            rest = &rest[count..];
            self.note_written(more || !rest.is_empty());
        }
        step.len() - rest.len()
    }

    /// The end of [`send_through`](Self::send_through) where not all was written at once.
    #[inline(never)]
    fn queue_rest(
        &mut self,
        head: &[u8],
        payload: &[u8],
        written: usize,
        write: &mut dyn FnMut(&[&[u8]]) -> usize,
    ) {
        self.queue.tail().extend_from_slice(&head[written.min(head.len())..]);
        let mut rest = &payload[written.saturating_sub(head.len())..];
        if written > 0 {
            self.note_written(true);
        }
        // Otherwise it has been asked already, and takes nothing.
        if written > 0 || self.queue.len() > head.len() {
            rest = self.write_through(rest, write);
        }
        copy::append(self.queue.tail(), rest);
    }

    /// Writes what is queued and `behind` it, as long as anything is taken. What is left of
    /// `behind`. What is due is not queued meanwhile: it would come to lie in the middle of that.
    fn write_through<'b>(
        &mut self,
        mut behind: &'b [u8],
        write: &mut dyn FnMut(&[&[u8]]) -> usize,
    ) -> &'b [u8] {
        loop {
            let (mut chunks, mut count, mut len) = ([&[][..]; CHUNKS], 0, 0);
            for (place, chunk) in chunks.iter_mut().zip(self.queue.chunks(behind)) {
                *place = chunk;
                count += 1;
                len += chunk.len();
            }
            let written = if count > 0 { write(&chunks[..count]).min(len) } else { 0 };
            if written == 0 {
                return behind;
            }
            let of_queue = written.min(self.queue.len());
            behind = &behind[written - of_queue..];
            self.queue.advance(of_queue);
            self.note_written(!behind.is_empty() || self.queue.len() > 0);
        }
    }

    /// Sends a message that is given away, and gives it back if that fails.
    #[inline]
    pub(crate) fn send_given(&mut self, mut message: OwnedMessage) -> Result<(), Unsent> {
        self.send_owned(&mut message).map_err(|error| Unsent { error, message })
    }

    /// Sends a message that is given away. If that fails it is what it was, otherwise nothing in
    /// particular: to hand it over would move a small one through memory for longer than it is
    /// copied.
    #[inline]
    pub(crate) fn send_owned(&mut self, message: &mut OwnedMessage) -> Result<(), SendError> {
        let outbound = message.as_message().into();
        if message.as_bytes().len() < LARGE || self.compresses(&outbound) {
            return self.send(outbound);
        }
        self.send_large(message)
    }

    #[inline]
    fn send_large(&mut self, message: &mut OwnedMessage) -> Result<(), SendError> {
        self.check_room()?;
        let (kind, len) = (message.kind(), message.as_bytes().len());
        let (head, payload) = match (self.connection.role(), message) {
            (Role::Server, OwnedMessage::Binary(bytes)) => {
                (self.connection.send_header(kind, len)?.encode(), mem::take(bytes))
            }
            (Role::Server, OwnedMessage::Text(text)) => {
                (self.connection.send_header(kind, len)?.encode(), mem::take(text).into_bytes())
            }
            (Role::Client, OwnedMessage::Text(text)) => match mem::take(text).try_into_string() {
                Ok(string) => {
                    let mut payload = string.into_bytes();
                    match self.connection.send_in_place_trusted(kind, &mut payload) {
                        Ok(head) => (head, payload.into()),
                        Err(error) => {
                            // Nothing was masked: it is still text.
                            *text = String::from_utf8(payload).unwrap_or_default().into();
                            return Err(error);
                        }
                    }
                }
                // Others may hold the buffer too, and are not to see it masked.
                Err(part) => {
                    *text = part;
                    return self.send(Message::Text(text).into());
                }
            },
            (Role::Client, OwnedMessage::Binary(bytes)) => match mem::take(bytes).try_into_mut() {
                Ok(mut payload) => {
                    let head = self.connection.send_in_place_trusted(kind, &mut payload);
                    let payload = payload.freeze();
                    match head {
                        Ok(head) => (head, payload),
                        Err(error) => {
                            *bytes = payload;
                            return Err(error);
                        }
                    }
                }
                // Somebody else holds it too, and is not to see it masked.
                Err(shared) => {
                    *bytes = shared;
                    return self.send(Message::Binary(bytes).into());
                }
            },
        };
        head.append_to(self.queue.tail());
        self.queue.push(payload);
        Ok(())
    }
}

/// How much of a large message a client masks and writes at once, with its header, in bytes: it is in
/// the second-level cache of many processors then. Where sockets are written to more often, they
/// wake up the receiver more often.
const STEP: usize = 512 * 1024;

/// How many pieces are written at once at most.
const CHUNKS: usize = 16;

/// Where in `whole` the bytes of `part` are, if that is where they lie.
fn part_of(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start + part.len();
    (end <= whole.len()).then_some(start..end)
}
