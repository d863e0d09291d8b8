//! [`Queue`]: encoded frames in the order in which they are to be written.
//!
//! Owns their bytes; what is in them is the business of [`Outgoing`](super::Outgoing).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::{fmt, mem, slice};

use bytes::{Buf, Bytes};

#[cfg(feature = "std")]
use crate::copy;
use crate::frame::Header;

/// The largest buffer that is kept for the next frames, in bytes: 64 KiB and a header.
const KEEP: usize = 64 * 1024 + Header::MAX_LEN;

/// How much a buffer has room for at first, in bytes: what common allocators have at hand. From
/// nothing it would grow five times for sixteen small messages.
const FIRST: usize = 1000;

/// Small frames and headers share `tail`, so that many messages leave in one write. A large payload
/// stays where it is, and is written when `tail` has been written up to its place.
#[derive(Default)]
pub(super) struct Queue {
    tail: Vec<u8>,
    /// What the length of `tail` has to be less by, to be that of all that is queued: how much of
    /// it has been written, less the length of the cuts. Wraps around. Every send asks how much is
    /// queued, and need not look for cuts so.
    surplus: usize,
    cuts: Option<Box<Cuts>>,
}

/// The payloads that are not in the tail: in a box, because most connections send none.
#[derive(Default)]
struct Cuts {
    /// In order. Those before `first` have been written, and hold nothing any more.
    list: Vec<Cut>,
    first: usize,
    /// Of all of them together, in bytes.
    len: usize,
}

impl Cuts {
    fn waiting(&self) -> &[Cut] {
        &self.list[self.first..]
    }

    /// Forgets the first one.
    fn pop(&mut self) {
        self.list[self.first].bytes = Bytes::new();
        self.first += 1;
        if self.first > self.list.len() / 2 {
            self.list.drain(..self.first);
            self.first = 0;
        }
    }

    #[cfg(feature = "std")]
    fn push_front(&mut self, cut: Cut) {
        self.len += cut.bytes.len();
        match self.first.checked_sub(1) {
            Some(place) => {
                self.list[place] = cut;
                self.first = place;
            }
            None => self.list.insert(0, cut),
        }
    }
}

/// Something to be written between two bytes of the tail. Never empty.
struct Cut {
    /// The place in the tail; not before what has been written.
    at: usize,
    bytes: Bytes,
}

impl Queue {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.tail.len().wrapping_sub(self.surplus)
    }

    /// How much of the tail has been written.
    #[inline]
    fn written(&self) -> usize {
        self.surplus.wrapping_add(self.cuts.as_ref().map_or(0, |cuts| cuts.len))
    }

    /// What to append small frames and headers to.
    #[inline]
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.needs_buffer() {
            self.begin();
        }
        &mut self.tail
    }

    /// Makes room for the answers to a small read at once.
    #[cold]
    fn begin(&mut self) {
        self.tail.reserve(FIRST);
    }

    /// Appends without a copy.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.surplus = self.surplus.wrapping_sub(bytes.len());
        let cuts = self.cuts.get_or_insert_default();
        cuts.len += bytes.len();
        cuts.list.push(Cut { at: self.tail.len(), bytes });
    }

    /// The first piece, to be written while more is queued: what of the tail comes first is copied,
    /// up to [`KEEP`] bytes of it.
    #[cfg(feature = "std")]
    pub(super) fn first(&mut self) -> Option<Bytes> {
        let written = self.written();
        let end = self.waiting().first().map_or(self.tail.len(), |cut| cut.at).min(written + KEEP);
        if end > written {
            // As much is written more as the cuts are longer.
            let bytes = Bytes::from(copy::to_vec(&self.tail[written..end]));
            self.cuts.get_or_insert_default().push_front(Cut { at: end, bytes });
        }
        Some(self.waiting().first()?.bytes.clone())
    }

    #[inline]
    fn waiting(&self) -> &[Cut] {
        self.cuts.as_ref().map_or(&[], |cuts| cuts.waiting())
    }

    /// In order, none of them empty, and at the end `behind`.
    #[inline]
    pub(super) fn chunks<'q>(&'q self, behind: &'q [u8]) -> Chunks<'q> {
        let cuts = self.waiting();
        Chunks {
            next: until(&self.tail, self.written(), cuts),
            tail: &self.tail,
            cuts: cuts.iter(),
            behind,
        }
    }

    /// All of it, if it is in the tail: short for [`chunks`](Self::chunks) of one.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(super) fn only_chunk(&self) -> Option<&[u8]> {
        // Without cuts this is how much has been written.
        if self.cuts.is_none() { self.tail.get(self.surplus..) } else { None }
    }

    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        if count >= self.len() { self.clear() } else { self.advance_part(count) }
    }

    fn advance_part(&mut self, mut count: usize) {
        let mut written = self.written();
        self.surplus = self.surplus.wrapping_add(count);
        loop {
            let cuts = self.cuts.as_deref_mut();
            let next = cuts.as_ref().and_then(|cuts| cuts.waiting().first());
            let end = next.map_or(self.tail.len(), |cut| cut.at);
            let step = count.min(end - written);
            written += step;
            count -= step;
            if count == 0 {
                break;
            }
            let Some(cuts) = cuts else { break };
            let Some(cut) = cuts.list.get_mut(cuts.first) else { break };
            let step = count.min(cut.bytes.len());
            cut.bytes.advance(step);
            cuts.len -= step;
            count -= step;
            if !cut.bytes.is_empty() {
                break;
            }
            cuts.pop();
        }
        self.forget_written();
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.surplus = 0;
        self.clear_tail();
        if self.cuts.is_some() {
            self.clear_cuts();
        }
    }

    fn clear_cuts(&mut self) {
        if let Some(cuts) = &mut self.cuts {
            if cuts.list.capacity() > KEEP / size_of::<Cut>() {
                self.cuts = None;
            } else {
                cuts.list.clear();
                (cuts.first, cuts.len) = (0, 0);
            }
        }
    }

    #[inline]
    fn clear_tail(&mut self) {
        if self.tail.capacity() > KEEP {
            self.tail = Vec::new();
        } else {
            self.tail.clear();
        }
    }

    /// A queue that is never quite empty must not keep all that it ever held.
    fn forget_written(&mut self) {
        let written = self.written();
        if written == self.tail.len() {
            self.clear_tail();
        } else if written > KEEP && written >= self.tail.len() / 2 {
            self.tail.drain(..written);
        } else {
            return;
        }
        self.surplus = self.surplus.wrapping_sub(written);
        if let Some(cuts) = &mut self.cuts {
            // Those that have been written are before it.
            cuts.list.iter_mut().for_each(|cut| cut.at = cut.at.saturating_sub(written));
        }
    }

    /// Gives back the room of an empty queue: what the next small frames could go into.
    pub(super) fn release(&mut self) -> Option<Vec<u8>> {
        if self.len() > 0 {
            return None;
        }
        self.surplus = 0;
        if self.cuts.is_some() {
            self.cuts = None;
        }
        let tail = mem::take(&mut self.tail);
        (tail.capacity() > 0).then_some(tail)
    }

    pub(super) fn needs_buffer(&self) -> bool {
        self.tail.capacity() == 0
    }

    /// Takes an empty buffer for small frames.
    pub(super) fn supply(&mut self, buffer: Vec<u8>) {
        if self.needs_buffer() {
            self.tail = buffer;
        }
    }
}

/// The pieces of a [`Queue`], and one behind them.
pub(crate) struct Chunks<'q> {
    tail: &'q [u8],
    /// What of the tail comes next, before the next cut.
    next: &'q [u8],
    cuts: slice::Iter<'q, Cut>,
    behind: &'q [u8],
}

impl<'q> Iterator for Chunks<'q> {
    type Item = &'q [u8];

    #[inline]
    fn next(&mut self) -> Option<&'q [u8]> {
        let mut chunk = mem::take(&mut self.next);
        if chunk.is_empty() {
            chunk = match self.cuts.next() {
                Some(cut) => {
                    self.next = until(self.tail, cut.at, self.cuts.as_slice());
                    &cut.bytes
                }
                None => mem::take(&mut self.behind),
            };
        }
        (!chunk.is_empty()).then_some(chunk)
    }
}

/// What of the tail comes from `start` on, and before the first of the cuts.
#[inline]
fn until<'q>(tail: &'q [u8], start: usize, cuts: &[Cut]) -> &'q [u8] {
    &tail[start..cuts.first().map_or(tail.len(), |cut| cut.at)]
}

/// Shows its length only: a masking key must not be seen before its frame is out.
impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any order of small and large, written in steps of any size, in either way.
    #[test]
    fn what_is_queued_comes_out_in_order() {
        for step in [1, 2, 3, 7, 100, 5_000, 70_000, usize::MAX] {
            for sealing in [false, true] {
                let (mut queue, mut expected, mut written) =
                    (Queue::default(), Vec::<u8>::new(), Vec::<u8>::new());
                let mut random = 1u32;
                for round in 0u8..200 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let bytes = alloc::vec![round; usize::from(round) * 3 % 40];
                    expected.extend_from_slice(&bytes);
                    match random >> 30 {
                        0 | 1 => queue.tail().extend_from_slice(&bytes),
                        2 => queue.push(bytes.into()),
                        _ => {
                            queue.push(bytes.into());
                            #[cfg(feature = "std")]
                            if sealing {
                                let first = queue.first();
                                assert_eq!(first.as_deref(), queue.chunks(&[]).next());
                            }
                            let count = step.min(queue.len());
                            written.extend(queue.chunks(&[]).flatten().take(count));
                            queue.advance(step);
                        }
                    }
                    assert!(queue.chunks(&[]).all(|chunk| !chunk.is_empty()));
                    assert_eq!(queue.len(), queue.chunks(&[]).map(<[u8]>::len).sum::<usize>());
                    assert_eq!(written.len() + queue.len(), expected.len());
                }
                written.extend(queue.chunks(&[]).flatten());
                assert_eq!(written, expected);
            }
        }
    }

    #[test]
    fn what_was_written_is_not_kept() {
        let mut queue = Queue::default();
        for _ in 0..1_000 {
            queue.tail().extend_from_slice(&[7; 1_000]);
            queue.push(Bytes::from_static(&[7; 4_096]));
            // Never quite empty.
            queue.advance(queue.len() - 500);
        }
        assert!(queue.tail.capacity() <= 4 * KEEP, "{}", queue.tail.capacity());
        queue.tail().resize(1 << 20, 7);
        queue.push(Bytes::from_static(&[7; 4_096]));
        queue.advance(queue.len() - 1);
        assert_eq!((queue.len(), queue.tail.capacity()), (1, 0));
        (0..10_000).for_each(|_| queue.push(Bytes::from_static(b"7")));
        queue.advance(queue.len());
        assert!(queue.cuts.is_none());
    }
}
