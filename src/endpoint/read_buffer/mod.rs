//! [`ReadBuffer`]: where bytes are read to, and where a frame waits for its end.
//!
//! Owns the buffer and its length, which follows what arrives. What the bytes mean is the business
//! of [`Incoming`](super::Incoming), and who lends the buffer that of `loan`.

mod loan;

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use super::{to_u32, to_usize};
use crate::assembler::SPARED;
use crate::copy;
use crate::frame::{Header, Plain};
use crate::line::{self, LINE};

/// A frame whose header says that it is a message that fits waits in the buffer until it is whole:
/// small reads cost next to nothing then, and it is lent from where it lies.
#[derive(Default)]
pub(super) struct ReadBuffer {
    /// Initialised throughout; empty while nothing is read.
    pub(super) bytes: Vec<u8>,
    /// The bytes that have been read and not decoded.
    pub(super) unread: Range<usize>,
    /// Not 0 if it is, or will be, longer than what is read at once, for frames that wait in it for
    /// their end: one, and how often it was read empty since it was last needed so long.
    grown: u8,
    /// How much it held when it was last read empty, in KiB, if it was more than is read at once:
    /// as much is likely to come again. Or [`PEEK`].
    expects: u8,
    /// Where the room began that was lent when nothing was unread, if not at the front.
    front: u8,
    /// Of the frame that waits, [`NEWS`] and [`PAYLOAD`], as far as they are so; [`DRAINED`], and
    /// [`TEXT`].
    news: u8,
    /// Where in it the frame will end that begins the unread bytes and waits there for its rest,
    /// or its header, if that is not complete; 0 if none waits.
    pub(super) awaited_end: u32,
    /// How far a poll has seen it; of what is read to another place, how much.
    pub(super) seen_end: u32,
    /// How much is free of the room that was lent last, here or in another place; 0 if it may not be
    /// read to any more.
    pub(super) free: u32,
    /// How long the message is that was taken last, before the unread bytes, or the frame, if it was
    /// a fragment.
    pub(super) taken: u32,
    /// How much is read at once.
    read_size: u32,
}

impl ReadBuffer {
    pub(super) fn new(read_size: usize) -> Self {
        Self { read_size: to_u32(read_size.max(1)), ..Self::default() }
    }

    /// Puts bytes behind those that are unread; so many before those are lent still.
    pub(super) fn push(&mut self, bytes: &[u8], lent: usize) {
        self.bytes.truncate(self.unread.end);
        let used_up = self.unread.start - lent;
        // What is moved is less than what has come since it was last done.
        if used_up > self.bytes.len() / 2 {
            self.bytes.drain(..used_up);
            self.shift(used_up);
        }
        copy::append(&mut self.bytes, bytes);
        self.unread.end = self.bytes.len();
        // There is no room behind them: a frame that waits for more has to have it made.
        self.grown = self.awaits().into();
    }

    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.unread.clone()]
    }

    /// Where the message is that was taken last; `left` is how many bytes of its frames lie behind
    /// it.
    #[inline]
    pub(super) fn last_taken(&self, left: usize) -> Range<usize> {
        let end = self.unread.start - left;
        end - to_usize(self.taken)..end
    }

    /// Whether a frame waits for its end.
    #[inline]
    pub(super) fn awaits(&self) -> bool {
        self.unread.end < to_usize(self.awaited_end)
    }

    /// As [`awaits`](Self::awaits), and there is room for more of it in what was lent last.
    #[inline]
    pub(super) fn awaits_in_place(&self) -> bool {
        self.free > 0 && self.awaits()
    }

    /// That room.
    #[inline]
    pub(super) fn rest(&mut self) -> &mut [u8] {
        &mut self.bytes[self.unread.end..][..to_usize(self.free)]
    }

    /// Whether all of the buffer can be read to, and nothing long has come last.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        let read_size = to_usize(self.read_size);
        debug_assert!(!(self.unread.is_empty() && self.awaits()), "its beginning is unread");
        self.unread.is_empty()
            && self.unread.end <= read_size
            && self.bytes.len() >= read_size
            && self.expects == 0
            && self.taken < LONG
            && self.grown == 0
    }

    /// All of the buffer, to read to it anew.
    #[inline]
    pub(super) fn all(&mut self) -> &mut [u8] {
        self.begin_at(0);
        self.free = to_u32(self.bytes.len());
        self.rest()
    }

    /// Makes room to read into; `behind_large` if what was read last went to another place, `masked`
    /// if frames are.
    #[inline]
    pub(super) fn make_room(&mut self, behind_large: bool, masked: bool) {
        let drained = self.take_drained();
        if self.awaits() {
            if self.unread.end == self.bytes.len() {
                self.grow();
            }
        } else if self.unread.is_empty() {
            self.rewind();
            if self.bytes.len() > LONGEST_READ {
                self.spare();
            }
            if behind_large {
                self.expects = PEEK;
            }
            self.resize();
            if self.expects > 0 || self.taken >= LONG {
                return self.line_up(masked, drained);
            }
        }
        self.free = to_u32(self.read_end(drained) - self.unread.end);
    }

    /// Makes room for long frames. If they are like the last one, the payload of the first will begin
    /// at a line of the cache, or its header if the payload is neither masked nor text, and no part
    /// of another is read but its header. Behind a large message what comes of a payload is lines.
    fn line_up(&mut self, masked: bool, drained: bool) {
        let end = self.read_end(drained);
        if self.expects == PEEK {
            let head = Header::len_before(usize::MAX, masked);
            self.free = to_u32((end + head).min(self.bytes.len()));
            return;
        }
        let len = to_usize(self.taken);
        let head = Header::len_before(len, masked);
        let frame = head + len;
        let is_read = masked || self.news & TEXT != 0;
        let front = line::start(&self.bytes, if is_read { head } else { 0 });
        let front = if front + frame + usize::from(drained) > end { 0 } else { front };
        let room = end - front;
        self.begin_at(front);
        let part = if room > frame { room % frame } else { 0 };
        self.free = to_u32(room - part.saturating_sub(behind(drained)));
    }

    /// Has that room end where fragments end that are as long as the one that was taken last, if
    /// some find place in it: those that lie there completely take less work. Of the one under way
    /// `remaining` bytes are to come.
    pub(super) fn end_with_fragments(&mut self, remaining: u64) {
        if !self.unread.is_empty() {
            return;
        }
        // No frame waits, behind whose end there could be too much.
        let (room, fragment) = (to_u32(self.read_end(false) - self.unread.end), self.taken);
        let behind =
            u32::try_from(remaining).ok().and_then(|remaining| room.checked_sub(remaining));
        let part = match behind {
            Some(behind) if (1..=behind / FEW).contains(&fragment) => behind % fragment,
            _ => 0,
        };
        self.free = room - part;
    }

    /// Begins anew at the front of a buffer that was read empty, or not read to.
    #[inline]
    fn rewind(&mut self) {
        if self.unread.end > usize::from(self.front) {
            let more = self.unread.end > to_usize(self.read_size);
            self.expects = if more { self.expects_next() } else { 0 };
            if self.taken >= LONG {
                self.note_kind();
            }
        }
        self.begin_at(0);
    }

    /// What is to be expected after it held more than is read at once.
    #[inline(never)]
    fn expects_next(&self) -> u8 {
        let came = self.unread.end - usize::from(self.front);
        let expects = u8::try_from(came.div_ceil(1024)).unwrap_or(PEEK).min(PEEK - 1);
        // What found room beside such a message, instead of what aligns that, is no more.
        let message = to_usize(self.taken) + Header::MAX_LEN + LINE;
        let is_more = came.max(message) > self.expected();
        if is_more { expects } else { expects.min(self.expects) }
    }

    /// Takes note whether the long frame that was read last was a whole text without a masking key, if
    /// nothing came behind it. (Of fragments this says nothing.)
    #[inline(never)]
    fn note_kind(&mut self) {
        let len = to_usize(self.taken);
        let start = self.unread.end.checked_sub(Header::len_before(len, false) + len);
        let frame = start.and_then(|start| self.bytes.get(start..));
        self.news &= !TEXT;
        if frame.is_some_and(Plain::is_text) {
            self.news |= TEXT;
        }
    }

    /// Has the next byte go there; nothing is unread.
    #[inline]
    fn begin_at(&mut self, front: usize) {
        self.unread = front..front;
        self.front = u8::try_from(front).unwrap_or_default();
    }

    /// Has the most be read at once, if last time what is read at once was there and is used up.
    pub(super) fn expect_more(&mut self) {
        let was_full = self.free == 0 && self.unread.end >= to_usize(self.read_size) / 2;
        if self.unread.is_empty() && was_full {
            self.begin_at(0);
            self.expects = MOST;
        }
    }

    /// Makes an empty buffer as long as what is expected.
    #[inline(never)]
    fn resize(&mut self) {
        let size = self.expected().max(to_usize(self.read_size));
        if self.bytes.len() < size {
            // Not twice what there is.
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
            self.note_grown();
        }
        if self.bytes.len() <= to_usize(self.read_size) {
            self.grown = 0;
        }
        if self.expects == PEEK {
            self.note_grown();
        }
    }

    fn note_grown(&mut self) {
        self.grown = self.grown.max(1);
    }

    /// Gives a buffer for long frames back once it has not been needed for some time.
    #[inline(never)]
    fn spare(&mut self) {
        if (MOST + 1..PEEK).contains(&self.expects) {
            self.grown = 1;
        } else if self.grown < SPARED {
            self.grown += 1;
        } else {
            self.bytes = Vec::new();
        }
    }

    /// How much to make room for when nothing waits: what is read at once, or what came last if
    /// that was more.
    fn expected(&self) -> usize {
        let read_size = to_usize(self.read_size);
        if self.expects == PEEK {
            return PEEK_LEN.min(read_size);
        }
        read_size.max((usize::from(self.expects) * 1024).min(IN_PLACE) + LINE)
    }

    /// Makes room for more of the frame that waits: as much as has come, so that memory follows
    /// what arrives, or as is read at once.
    #[cold]
    fn grow(&mut self) {
        let end =
            to_usize(self.awaited_end).min(2 * self.bytes.len()).max(to_usize(self.read_size));
        self.bytes.reserve_exact(end - self.bytes.len());
        self.bytes.resize(end, 0);
    }

    /// Whether everything that was there has been read, as far as is known: the last read did not
    /// fill its room, or the next would have had to wait.
    fn take_drained(&mut self) -> bool {
        let drained = self.free > 0 || self.news & DRAINED != 0;
        self.news &= !DRAINED;
        drained
    }

    /// Where the room to read into is to end.
    fn read_end(&self, drained: bool) -> usize {
        let (awaited_end, len) = (to_usize(self.awaited_end), self.bytes.len());
        let end = if self.grown > 0 { self.expected().max(awaited_end).min(len) } else { len };
        // Where frames end that are as long as the one that waits: what comes of another has to be
        // moved.
        let frame = awaited_end.saturating_sub(self.unread.start);
        let part = end.saturating_sub(awaited_end).checked_rem(frame).unwrap_or(0);
        (end - part.saturating_sub(behind(drained && frame >= to_usize(LONG)))).max(self.unread.end)
    }

    /// Takes note of so many bytes in the room, at most as many as it has place for.
    #[inline]
    pub(super) fn advance(&mut self, count: usize) {
        self.unread.end += to_usize(self.occupy(count));
    }

    /// Takes so many bytes from what is free in the room, or what there is.
    #[inline]
    pub(super) fn occupy(&mut self, count: usize) -> u32 {
        let count = to_u32(count.min(to_usize(self.free)));
        self.free -= count;
        count
    }

    /// What the frame that begins the unread bytes may be as long as, to wait here, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.bytes.len().max(IN_PLACE)
    }

    /// Has the frame wait that begins the unread bytes; `payload` is where among them its payload
    /// will be. Whether it can.
    pub(super) fn await_rest(&mut self, payload: Range<usize>) -> bool {
        if self.unread.start + payload.end > self.bytes.len() {
            let front = line::start(&self.bytes, payload.start);
            let fits = front + payload.end <= self.bytes.len() && front <= self.unread.start;
            let front = if fits { front } else { 0 };
            copy::move_down(&mut self.bytes, self.unread.clone(), front);
            let len = self.unread.len();
            self.begin_at(front);
            self.unread.end += len;
        }
        let Ok(awaited_end) = u32::try_from(self.unread.start + payload.end) else { return false };
        self.awaited_end = awaited_end;
        let fits = to_usize(awaited_end) <= self.bytes.len();
        if !fits {
            self.note_grown();
        }
        let drained = self.take_drained();
        self.free = if fits { to_u32(self.read_end(drained) - self.unread.end) } else { 0 };
        self.seen_end = to_u32(self.unread.end);
        self.news = if payload.is_empty() { 0 } else { PAYLOAD };
        true
    }

    /// Ends that: the frame is whole, or will be decoded as far as it has come.
    #[inline]
    pub(super) fn await_nothing(&mut self) {
        self.awaited_end = 0;
    }

    /// Forgets what was read.
    pub(super) fn discard(&mut self) {
        self.unread.start = self.unread.end;
        self.await_nothing();
        self.free = 0;
    }

    /// A poll sees what has come of the frame that waits.
    #[inline]
    pub(super) fn see(&mut self) {
        let end = to_u32(self.unread.end);
        if end > self.seen_end {
            self.seen_end = end;
            self.news |= NEWS;
        }
    }

    /// Whether more of the frame that waits has been seen since this was last asked, and if so,
    /// whether that is payload.
    #[inline]
    pub(super) fn news(&mut self) -> Option<bool> {
        if self.news & NEWS == 0 {
            return None;
        }
        self.news &= !NEWS;
        Some(self.news & PAYLOAD != 0)
    }

    /// The beginning of a frame that has been awaited and not been decoded yet, as far as a poll
    /// has seen it; empty if there is none.
    pub(super) fn awaited(&self) -> &[u8] {
        let end = if self.awaited_end > 0 { to_usize(self.seen_end) } else { self.unread.start };
        &self.bytes[self.unread.start..end]
    }

    /// Whether there may be one.
    #[inline]
    pub(super) fn has_awaited(&self) -> bool {
        self.awaited_end > 0
    }

    /// Takes that beginning.
    pub(super) fn take_awaited(&mut self) -> Option<&mut [u8]> {
        if mem::take(&mut self.awaited_end) == 0 {
            return None;
        }
        let start = mem::replace(&mut self.unread.start, to_usize(self.seen_end));
        Some(&mut self.bytes[start..self.unread.start])
    }

    /// Takes note that what lay behind so many bytes lies at the front now.
    fn shift(&mut self, count: usize) {
        self.unread = self.unread.start - count..self.unread.end - count;
        self.front = 0;
        if self.awaited_end > 0 {
            self.awaited_end -= to_u32(count);
            self.seen_end -= to_u32(count);
        }
    }
}

/// How much room there is to be behind the end of a frame, if so much is left. Where everything that
/// was there has been read, some, because a read that fills its room has to be followed by one that
/// finds nothing: enough for a header, so that more is not moved of a frame that is there all the
/// same.
fn behind(drained: bool) -> usize {
    if drained { Header::MAX_LEN } else { 0 }
}

/// The longest frame for which the buffer is grown, in bytes: 128 KiB and a header, which finds room
/// in the second-level cache twice. What is longer is unmasked while it comes, each piece while it
/// is there, and can be sent back without a copy.
const IN_PLACE: usize = 128 * 1024 + Header::MAX_LEN;

/// More has been seen than was taken note of.
const NEWS: u8 = 1;

/// What comes behind what a poll has seen is payload.
const PAYLOAD: u8 = 2;

/// The buffer was asked for back, because there was nothing to read.
const DRAINED: u8 = 4;

/// The last long frame was a text without a masking key.
const TEXT: u8 = 8;

/// Messages of so many bytes are long enough for what is read of another one to be worth a thought.
const LONG: u32 = 2 * 1024;

/// How much is read at once of what comes in many small pieces, in KiB.
const MOST: u8 = 64;

/// The same in bytes, with what aligns it. A buffer that is longer is given back when frames that
/// need it have not come for [`SPARED`] reads.
const LONGEST_READ: usize = 64 * 1024 + LINE;

/// Is expected behind a large message: little is read at first.
const PEEK: u8 = u8::MAX;

/// How much that is, in bytes: another large message may follow, and what comes with its header has
/// to be copied. Enough for the rest of that to be read to its place.
const PEEK_LEN: usize = 5 * 1024;

/// How many fragments have to find place in a read for it to end with one: it may be shorter by one
/// of them.
const FEW: u32 = 3;
