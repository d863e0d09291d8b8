//! The receiving side of an endpoint: from what was read to the message that was found in it; what
//! is read straight into a message, what waits for more, what is done when nothing more comes, and
//! how the message is lent, is beside it.

mod content;
mod direct;
mod idle;
mod lend;
mod waiting;

use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::Range;

pub(super) use self::content::{Content, Rest};
use super::read_buffer::ReadBuffer;
use super::{Outgoing, Status, to_u32, to_usize};
use crate::assembler::{self, Assembler, LARGE};
use crate::connection::{Connection, Continuation, Event, Piece, Role, Whole};
use crate::error::ProtocolError;
use crate::frame::{OpCode, mask};
use crate::hint::rarely;
use crate::input::Input;
use crate::message::Kind;

/// Where the message lies that [`Incoming::poll`] found. It is borrowed later: a loop that decodes
/// cannot lend from inside itself.
#[derive(Clone, Copy, Debug)]
enum Found {
    Nothing,
    /// In one piece in the read buffer, taken last; text is not checked yet.
    InReadBuffer(Content),
    /// Of several frames in the read buffer, put together there in front of so many bytes that are
    /// left of them; otherwise the same.
    Joined {
        content: Content,
        left: u8,
    },
    /// It was to be taken with the read buffer, and is no text.
    BadText,
    /// Put together by the assembler; text is checked as far as that knows it to be ASCII, or
    /// decompressed it.
    Assembled,
}

pub(crate) struct Incoming {
    read: ReadBuffer,
    assembler: Assembler,
    /// Bytes that were read straight into the assembler's room and not decoded.
    direct: u32,
    /// Whether what is read goes there, and not to the read buffer.
    bypassed: bool,
    /// For how many reads the assembler has had no use for its buffer.
    spared: u8,
    found: Found,
}

impl Incoming {
    pub(crate) fn new(read_size: usize, assembler: Assembler) -> Self {
        Self {
            read: ReadBuffer::new(read_size),
            assembler,
            direct: 0,
            bypassed: false,
            spared: 0,
            found: Found::Nothing,
        }
    }

    /// Puts bytes in front of what will be read.
    pub(crate) fn push_input(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.end_zeros_behind();
        let taken = to_usize(self.read.taken);
        let lent = match self.found {
            Found::InReadBuffer(Content::TextBehindZeros) => taken + content::zeros(taken),
            Found::InReadBuffer(_) => taken,
            Found::Joined { left, .. } => taken + usize::from(left),
            Found::Assembled | Found::BadText | Found::Nothing => 0,
        };
        self.read.push(bytes, lent);
        self.withdraw();
    }

    /// What was lent of the read buffer may not be read to any more: it may not be there.
    fn withdraw(&mut self) {
        if !self.bypassed {
            self.read.free = 0;
        }
    }

    /// Forgets what was read: nothing of it will be decoded.
    fn discard(&mut self) {
        (self.direct, self.bypassed) = (0, false);
        self.read.discard();
    }

    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        !self.read.unread.is_empty() || self.direct > 0
    }

    /// Whether a poll would find nothing to do, as long as the connection receives.
    #[inline]
    pub(crate) fn is_used_up(&self) -> bool {
        !self.has_unread() && !self.assembler.has_buffer()
    }

    /// What has been read and not decoded.
    pub(crate) fn into_unread(mut self) -> Vec<u8> {
        // A message that was found may be in the assembler.
        self.forget();
        let mut unread = self.assembler.written(to_usize(self.direct)).to_vec();
        unread.extend_from_slice(self.read.unread());
        unread
    }

    #[inline(always)] // So that many small reads of one frame are a short loop.
    pub(crate) fn read_buf(&mut self, outgoing: &Outgoing) -> &mut [u8] {
        if self.read.awaits_in_place() {
            return self.read.rest();
        }
        rarely();
        self.read_buf_anew(outgoing)
    }

    /// As [`read_buf`](Self::read_buf), where no frame waits that has room for more of it.
    #[inline(never)]
    fn read_buf_anew(&mut self, outgoing: &Outgoing) -> &mut [u8] {
        if self.bypassed {
            return self.read_buf_behind(outgoing);
        }
        // As nearly always: nothing is under way, and nothing long has come.
        let is_assembled = matches!(self.found, Found::Assembled);
        if self.read.is_plain() && !self.assembler.has_buffer() && !is_assembled {
            self.found = Found::Nothing;
            return self.read.all();
        }
        self.any_read_buf(outgoing)
    }

    #[inline(never)]
    fn any_read_buf(&mut self, outgoing: &Outgoing) -> &mut [u8] {
        if !outgoing.connection.is_receiving() {
            // What lies behind an error must not fill the room: none looks like the end of the
            // transport.
            self.discard();
        }
        let collected = self.assembler.collected();
        if collected >= LARGE && !self.has_unread() {
            let remaining = outgoing.connection.data_remaining();
            // A large frame that has brought some of itself is read straight into the message.
            if remaining >= assembler::LARGE_U64 {
                let room = self.assembler.room(usize::try_from(remaining).unwrap_or(usize::MAX));
                let free = to_u32(match outgoing.connection.role() {
                    Role::Server => room.len().min(DIRECT),
                    Role::Client => room.len(),
                });
                self.bypassed = true;
                (self.read.free, self.read.seen_end) = (free, 0);
                return &mut room[..to_usize(free)];
            }
            // Of many fragments more may come than is read at once.
            if collected >= MANY {
                self.read.expect_more();
            }
        }
        if !self.read.awaits() {
            self.forget();
        }
        self.reuse_given();
        let masked = outgoing.connection.role() == Role::Server;
        self.read.make_room(mem::take(&mut self.bypassed), masked);
        if collected > 0 {
            self.read.end_with_fragments(outgoing.connection.data_remaining());
        }
        self.read.rest()
    }

    #[inline]
    pub(crate) fn advance_read(&mut self, count: usize) {
        if self.bypassed {
            rarely();
            self.direct += self.read.occupy(count);
        } else {
            self.read.advance(count);
        }
    }

    /// Ends the life of the message that was found.
    #[inline]
    pub(crate) fn forget(&mut self) {
        if let Found::Assembled = self.found {
            self.forget_assembled();
        }
        self.found = Found::Nothing;
    }

    #[inline(never)]
    fn forget_assembled(&mut self) {
        self.found = Found::Nothing;
        self.assembler.clear();
    }

    #[inline]
    pub(crate) fn poll(&mut self, outgoing: &mut Outgoing) -> Result<Status, ProtocolError> {
        if self.only_waits(outgoing) {
            return Ok(Status::NeedRead);
        }
        match self.poll_whole(outgoing) {
            Some(_) => Ok(Status::Message),
            None => self.poll_rest(outgoing),
        }
    }

    /// What [`poll`](Self::poll) does with everything but a whole message in one frame. Most of the
    /// time that is nothing: everything has been decoded.
    #[inline(never)]
    pub(crate) fn poll_rest(&mut self, outgoing: &mut Outgoing) -> Result<Status, ProtocolError> {
        if self.is_used_up() && outgoing.connection.only_waits() {
            self.forget();
            return Ok(Status::NeedRead);
        }
        self.poll_more(outgoing)
    }

    #[inline(never)]
    fn poll_more(&mut self, outgoing: &mut Outgoing) -> Result<Status, ProtocolError> {
        if self.poll_fragments(outgoing) {
            return Ok(Status::Message);
        }
        self.poll_any(outgoing)
    }

    /// Finds a small message in a few frames that are all in the read buffer, while nothing else is
    /// under way. Says whether it did; nothing has happened otherwise.
    fn poll_fragments(&mut self, outgoing: &mut Outgoing) -> bool {
        match outgoing.connection.role() {
            Role::Server => self.poll_fragments_as::<true>(outgoing),
            Role::Client => self.poll_fragments_as::<false>(outgoing),
        }
    }

    fn poll_fragments_as<const MASKED: bool>(&mut self, outgoing: &mut Outgoing) -> bool {
        let unread = &mut self.read.bytes[self.read.unread.clone()];
        let found = outgoing.connection.receive_fragments::<MASKED>(unread);
        let Some(fragments) = found else { return false };
        // A few headers.
        let left = u8::try_from(fragments.headers_between()).unwrap_or(u8::MAX);
        let content =
            if fragments.opcode == OpCode::Text { Content::Text } else { Content::Binary };
        self.found = Found::Joined { content, left };
        self.read.taken = to_u32(fragments.len);
        self.read.unread.start += fragments.end;
        fragments.join::<MASKED>(unread);
        true
    }

    /// Finds what most polls find: a message in one frame that lies in the read buffer completely,
    /// while nothing else is under way. `None`, and nothing has happened, otherwise.
    #[inline(always)]
    pub(crate) fn poll_whole(
        &mut self,
        outgoing: &mut Outgoing,
    ) -> Option<(Content, Range<usize>)> {
        match self.poll_short(outgoing) {
            Ok((kind, payload)) => Some((kind.into(), payload)),
            Err(Rest::Found) => self.found_in_read_buffer(),
            Err(Rest::More) => None,
        }
    }

    /// As [`poll_whole`](Self::poll_whole), with what is not quite as short a way apart: where the
    /// ways meet, each message takes some instructions more.
    #[inline(always)]
    pub(crate) fn poll_short(
        &mut self,
        outgoing: &mut Outgoing,
    ) -> Result<(Kind, Range<usize>), Rest> {
        match outgoing.connection.role() {
            Role::Server => self.poll_short_as::<true>(outgoing),
            Role::Client => self.poll_short_as::<false>(outgoing),
        }
    }

    /// [`poll_short`](Self::poll_short) for the role that receives `MASKED` frames, or that which
    /// does not: code for both saves registers for masking where there is none. Part of its caller:
    /// what it gives would go through memory.
    #[inline(always)]
    fn poll_short_as<const MASKED: bool>(
        &mut self,
        outgoing: &mut Outgoing,
    ) -> Result<(Kind, Range<usize>), Rest> {
        if let Found::Assembled = self.found {
            rarely();
            self.forget_assembled();
        }
        // While bytes wait in the assembler's room a frame is under way.
        let unread = &mut self.read.bytes[self.read.unread.clone()];
        let whole = outgoing.connection.receive_whole::<MASKED>(unread);
        let Whole { kind, key, payload } = whole.ok_or(Rest::More)?;
        let start = self.read.unread.start;
        let place = start + payload.start..start + payload.end;
        self.found = Found::InReadBuffer(kind.into());
        self.read.taken = to_u32(payload.len());
        self.read.unread.start += payload.end;
        self.read.awaited_end = 0;
        // Last, so that nothing has to be kept meanwhile.
        if let Some(key) = key {
            if content::LENS.contains(&payload.len()) && kind == Kind::Text {
                rarely();
                self.unmask_text(key);
                return Err(Rest::Found);
            }
            mask::apply(&mut unread[payload], key);
        }
        Ok((kind, place))
    }

    /// The long way, for everything that can be in the input.
    fn poll_any(&mut self, outgoing: &mut Outgoing) -> Result<Status, ProtocolError> {
        if self.direct > 0
            && let Some(status) = self.poll_direct(outgoing)
        {
            return Ok(status);
        }
        self.forget();
        if !self.has_unread() && outgoing.connection.is_open() {
            // Without a key a reply stays due; `transmit` says so again when the caller flushes.
            let _ = outgoing.transmit();
            self.settle();
            return Ok(Status::NeedRead);
        }
        self.await_rest(outgoing);
        if self.waits(outgoing) {
            // Without a key a reply stays due; `transmit` says so again when the caller flushes.
            let _ = outgoing.transmit();
            self.settle();
            return Ok(Status::NeedRead);
        }
        self.read.await_nothing();
        loop {
            let step = if self.direct > 0 {
                self.decode_direct(outgoing)
            } else if self.collect_fragments(outgoing) {
                Ok(Step::Found(Found::Assembled))
            } else {
                self.decode(outgoing)
            };
            // Without a key a reply stays due; `transmit` says so again when the caller flushes.
            let _ = outgoing.transmit();
            match step? {
                Step::Found(Found::Assembled) => return Ok(self.assembled(outgoing)),
                Step::Found(found) => {
                    self.found = found;
                    return Ok(Status::Message);
                }
                Step::More => {
                    // Behind a control frame, as nearly always.
                    if self.poll_whole(outgoing).is_some() {
                        return Ok(Status::Message);
                    }
                }
                Step::UsedUp if outgoing.connection.is_receiving() => {
                    self.settle();
                    return Ok(Status::NeedRead);
                }
                Step::UsedUp => return Ok(Status::Closed),
            }
        }
    }

    /// Takes note of the message that the assembler has completed.
    fn assembled(&mut self, outgoing: &Outgoing) -> Status {
        self.found = Found::Assembled;
        self.reuse_given(); // Or it would become the assembler's.
        // A client masks what it sends, and so copies it.
        if outgoing.connection.role() == Role::Server {
            self.assembler.share();
        }
        Status::Message
    }

    /// The short way for what messages in fragments consist of: frames that begin a message or
    /// continue it and lie in the read buffer completely, and pieces of the latter. Whether the
    /// message is complete.
    fn collect_fragments(&mut self, outgoing: &mut Outgoing) -> bool {
        let unread = &self.read.bytes[self.read.unread.clone()];
        if let Some(Whole { kind, key, payload }) = outgoing.connection.receive_first(unread) {
            self.read.unread.start += payload.end;
            self.read.taken = to_u32(payload.end);
            self.assembler.begin(kind, payload.len(), false);
            self.assembler.append(&unread[payload], key, false);
        }
        loop {
            let unread = &self.read.bytes[self.read.unread.clone()];
            let continuation = outgoing.connection.receive_continuation(unread);
            let Some(Continuation { key, payload, last }) = continuation else {
                match self.collect_piece(outgoing) {
                    Some(false) => continue,
                    complete => return complete.is_some(),
                }
            };
            self.read.unread.start += payload.end;
            self.read.taken = to_u32(payload.end);
            if self.assembler.append(&unread[payload], key, last) {
                return true;
            }
        }
    }

    /// Collects the rest of a frame, or the beginning of one. Whether the message is complete;
    /// `None` if there is no such thing.
    #[inline(never)]
    fn collect_piece(&mut self, outgoing: &mut Outgoing) -> Option<bool> {
        let unread = &self.read.bytes[self.read.unread.clone()];
        let Piece { key, payload, last } = outgoing.connection.receive_piece(unread)?;
        self.read.unread.start += payload.end;
        Some(self.assembler.append(&unread[payload], key, last))
    }

    fn decode(&mut self, outgoing: &mut Outgoing) -> Result<Step, ProtocolError> {
        let Range { start, end } = self.read.unread;
        let unread = &mut self.read.bytes[start..end];
        let connection = &mut outgoing.connection;
        // The text of fragments is checked as a whole, and before anything but the next of them.
        if connection.is_receiving() && !connection.goes_on_with(unread) {
            self.assembler.check().map_err(|error| connection.fail(error.into()))?;
        }
        let mut input = Input::new(unread);
        let mut event = None;
        let received = connection.receive_to(&mut input, &mut event);
        self.read.unread.start = end - input.len();
        if let Err(error) = received {
            return match self.assembler.check() {
                Ok(()) => Err(error),
                // That came first.
                Err(bad_text) => Err(connection.fail(bad_text.into())),
            };
        }
        match event {
            None => Ok(Step::UsedUp),
            Some(Event::Data(piece)) => {
                let len = u32::try_from(piece.payload.len());
                if let (Ok(len), true) = (len, self.assembler.is_whole(&piece)) {
                    // The payload is the last thing that was taken out of the input.
                    self.read.taken = len;
                    return Ok(Step::Found(Found::InReadBuffer(piece.kind.into())));
                }
                match self.assembler.collect(&piece, is_read_straight(connection)) {
                    Ok(complete) => Ok(Step::collected(complete)),
                    Err(error) => Err(connection.fail(error)),
                }
            }
            Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_)) => Ok(Step::More),
        }
    }
}

/// Shows sizes only: payloads do not belong in logs.
impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("unread", &(self.read.unread.len() + to_usize(self.direct)))
            .field("assembler", &self.assembler)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

/// Whether what is to come of the frame under way will be read straight into its message.
fn is_read_straight(connection: &Connection) -> bool {
    connection.data_remaining() >= assembler::LARGE_U64
}

/// How much of a large frame a server reads at once, in bytes: it is unmasked while it is in the
/// cache.
const DIRECT: usize = 256 * 1024;

/// From how much on of a message in small fragments more of it is read at once, in bytes. From less
/// on the longer read buffer and that of the message, which grows by half, would be more than twice
/// what was received.
const MANY: usize = 128 * 1024;

/// What one round of decoding came to.
enum Step {
    Found(Found),
    More,
    UsedUp,
}

impl Step {
    fn collected(complete: bool) -> Self {
        if complete { Self::Found(Found::Assembled) } else { Self::More }
    }
}
