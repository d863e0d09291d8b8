//! [`Sending`]: a message that is written from where the caller has it.

use super::outgoing::Outgoing;

/// A message on its way to the transport: what was queued before, then the header, then the payload
/// where the caller has it. Made by [`Endpoint::begin_send`](super::Endpoint::begin_send).
///
/// Write [`chunks`](Self::chunks), by one vectored write if the transport has them, and say with
/// [`advance`](Self::advance) how much was taken. What is left when this is dropped is copied into
/// the queue: the message is sent whole in any case, and nothing is copied if the transport takes
/// all of it. (A leaked one leaves an endpoint that cannot send any more: part of a frame may be
/// out.)
///
/// ```
/// use std::io::{IoSlice, Write};
/// use websocket_proto::endpoint::{Config, Endpoint};
/// use websocket_proto::Connection;
///
/// # fn f(transport: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::default();
/// let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
/// let picture = vec![0; 100_000];
///
/// let mut sending = endpoint.begin_send(&picture)?;
/// let slices: Vec<_> = sending.chunks().map(IoSlice::new).collect();
/// let count = transport.write_vectored(&slices)?;
/// sending.advance(count);
/// drop(sending);
/// // What the transport did not take is in the queue now, as after `send`.
/// # Ok(())
/// # }
/// # f(&mut Vec::new()).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "the message is copied into the queue when this is dropped"]
pub struct Sending<'e, 'p> {
    /// The header is the last thing in its queue.
    outgoing: &'e mut Outgoing,
    /// What has not been written.
    payload: &'p [u8],
}

impl<'e, 'p> Sending<'e, 'p> {
    #[inline]
    pub(super) fn new(outgoing: &'e mut Outgoing, payload: &'p [u8]) -> Self {
        Self { outgoing, payload }
    }

    /// What is left to write, in order; none of them is empty.
    #[inline]
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let payload = Some(self.payload).filter(|payload| !payload.is_empty());
        self.outgoing.chunks().chain(payload)
    }

    /// Says how many bytes of the chunks were written; more than there were count as all of them.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        if count >= self.remaining() {
            self.payload = &[];
            return self.outgoing.advance_all();
        }
        let of_payload = count.saturating_sub(self.outgoing.queued()).min(self.payload.len());
        self.payload = &self.payload[of_payload..];
        self.outgoing.advance(count);
        if of_payload > 0 {
            self.outgoing.note_written(!self.payload.is_empty());
        }
    }

    /// How much is left to write, in bytes.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.outgoing.queued() + self.payload.len()
    }
}

impl Drop for Sending<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        self.outgoing.end_sending(self.payload);
    }
}
