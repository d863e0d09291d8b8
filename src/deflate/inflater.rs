//! [`Inflater`]: the receiving side of permessage-deflate (RFC 7692 §7.2.2).
//!
//! ```text
//!            begin                  push, last              the tail
//!   idle ------------> inflating --------------> finishing ----------> idle
//!    |                  |    ^
//!    | release          +----+ a block with BFINAL: the stream begins anew behind it
//!    v
//!   no context; with takeover, the history
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::codec::{Decompressor, Stream, TAIL};
use super::{Config, Params, Pool};
use crate::connection::Role;
use crate::error::ProtocolError;

/// Blocks with BFINAL that a message may have, beyond one for each KiB: each costs the receiver a
/// copy of the window, and the sender two bytes.
const FINAL_BLOCKS: u64 = 32;

/// What a message may inflate to before the ratio limit applies, in bytes.
const RATIO_FREE: usize = BLOCK;

/// [`TAIL`], and the first octet of something else.
const TAIL_AND_MORE: [u8; 5] = {
    let [a, b, c, d] = TAIL;
    [a, b, c, d, 0]
};

/// An empty stored block.
const EMPTY_BLOCK: [u8; 5] = {
    let [a, b, c, d] = TAIL;
    [0, a, b, c, d]
};

/// The least room that is offered to the decompressor, in bytes.
const STEP: usize = 1024;

/// The most that the buffer grows by before the bytes for it have been produced. Where there is a
/// limit to the ratio, also behind how many bytes of a message it is judged.
const BLOCK: usize = 64 * 1024;

/// Decompresses the messages of one connection.
pub(crate) struct Inflater {
    /// Only while a message is under way, and until the connection has nothing to read.
    decompressor: Option<Decompressor>,
    /// The end of what has been decompressed: all that must be remembered between messages. Empty
    /// without takeover.
    history: Vec<u8>,
    /// The largest distance that the peer's compressor may use, in bytes.
    window: usize,
    takeover: bool,
    /// Whether a message is under way.
    begun: bool,
    /// Whether a block with BFINAL was the last that came.
    ended: bool,
    /// Blocks with BFINAL in this message.
    final_blocks: u64,
    /// Compressed bytes of this message that have been used, so that what depends on it does not
    /// depend on how they arrived.
    consumed: u64,
    /// Whether the ratio is still to be judged where the message has got to.
    unjudged: bool,
    max_message: usize,
    max_ratio: Option<u32>,
    pool: Pool,
}

impl Inflater {
    pub(crate) fn new(role: Role, config: &Config, params: Params, max_message: u64) -> Self {
        let peer = match role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        Self {
            decompressor: None,
            history: Vec::new(),
            window: 1 << params.max_window_bits(peer),
            takeover: !params.no_context_takeover(peer),
            begun: false,
            ended: false,
            final_blocks: 0,
            consumed: 0,
            unjudged: false,
            max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
            max_ratio: config.max_ratio,
            pool: config.pool.clone(),
        }
    }

    /// Whether a compressed message is under way.
    pub(crate) fn is_inflating(&self) -> bool {
        self.begun
    }

    /// Begins a message.
    pub(crate) fn begin(&mut self) {
        (self.begun, self.consumed, self.final_blocks) = (true, 0, 0);
        self.unjudged = false;
        match &mut self.decompressor {
            None => {
                let mut decompressor = self.pool.decompressor();
                decompressor.restart(&self.history);
                self.decompressor = Some(decompressor);
            }
            // RFC 7692 §7.2.2: what the peer may refer to.
            Some(decompressor) if self.ended || !self.takeover => {
                decompressor.restart(&self.history);
            }
            Some(_) => {}
        }
        self.ended = false;
    }

    /// Decompresses the next bytes of the message behind the `len` first bytes of `buffer`, which
    /// hold what came before. `push` sees the bytes of each step while they are in cache. Gives how
    /// many there are in the end.
    ///
    /// The buffer grows with what has been decompressed, and to one byte over the limit at most.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        last: bool,
        buffer: &mut Vec<u8>,
        mut len: usize,
        mut push: impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<usize, ProtocolError> {
        let mut input = piece;
        loop {
            let step = self.step(input, Stage::Payload, buffer, len, &mut push)?;
            len = step.len;
            input = &input[step.consumed..];
            if input.is_empty() && !step.full {
                if last && self.unjudged {
                    // Nothing more is needed for what comes out next, if anything does.
                    self.judge(len)?;
                    continue;
                }
                break;
            }
            if step.consumed == 0 && !step.full && !self.ended {
                // Nothing would come of trying again.
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        if last {
            len = self.finish(buffer, len, &mut push)?;
        }
        Ok(len)
    }

    /// Ends the message: nothing of it may reach into the next one but the window.
    fn finish(
        &mut self,
        buffer: &mut Vec<u8>,
        len: usize,
        push: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<usize, ProtocolError> {
        self.judge(len)?;
        // RFC 7692 §7.2.2: the four octets that the sender left out. Behind a block with BFINAL
        // some senders add nothing that they could be the end of, and of an empty message some
        // send nothing: neither leaves anything open.
        if self.consumed > 0 && !self.ended {
            // They are the end of an empty block, so nothing else comes of them, and the octet
            // behind them is not touched.
            let step = self.step(&TAIL_AND_MORE, Stage::Tail, buffer, len, push)?;
            if (step.consumed, step.len) != (TAIL.len(), len) {
                return Err(ProtocolError::InvalidDeflate);
            }
            // If another block ended with them, inside a byte, its last bits would begin the next
            // message. Then what follows is not an empty block either.
            let step = self.step(&EMPTY_BLOCK, Stage::Payload, buffer, len, push)?;
            let used = if self.ended { 0 } else { EMPTY_BLOCK.len() };
            if (step.consumed, step.len) != (used, len) {
                return Err(ProtocolError::InvalidDeflate);
            }
        }
        self.begun = false;
        if self.takeover {
            self.remember(&buffer[..len]);
        }
        Ok(len)
    }

    fn step(
        &mut self,
        input: &[u8],
        stage: Stage,
        buffer: &mut Vec<u8>,
        mut len: usize,
        push: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<Step, ProtocolError> {
        if self.ended && !input.is_empty() {
            self.restart(&buffer[..len])?;
        }
        if self.unjudged {
            return self.look_ahead(input, len);
        }
        // One byte over the limit shows that it is exceeded.
        let most = self.max_message.saturating_add(1).saturating_sub(len);
        if buffer.len() - len < STEP.min(most) {
            let step = (input.len().saturating_mul(4)).max(len).clamp(STEP, BLOCK.max(len));
            let end = len + step.min(most);
            buffer.reserve_exact(end - buffer.len());
            buffer.resize(end, 0);
        }
        let step = if self.max_ratio.is_some() { BLOCK - len % BLOCK } else { BLOCK };
        let end = buffer.len().min(len + most).min(len + step);
        let room = &mut buffer[len..end];
        let Some(decompressor) = &mut self.decompressor else {
            return Err(ProtocolError::InvalidDeflate);
        };
        let progress = match stage {
            Stage::Payload => decompressor.inflate(input, room),
            Stage::Tail => decompressor.inflate_block(input, room),
        };
        let full = progress.produced == room.len();
        if let Stage::Payload = stage {
            self.note_consumed(progress.consumed);
        }
        // What came before a fault is judged first, however the bytes arrived.
        push(&room[..progress.produced])?;
        len += progress.produced;
        if len > self.max_message {
            let limit = u64::try_from(self.max_message).unwrap_or(u64::MAX);
            return Err(ProtocolError::MessageTooLong { limit });
        }
        self.note_stream(progress.stream)?;
        self.unjudged = self.max_ratio.is_some() && full && len.is_multiple_of(BLOCK);
        Ok(Step { consumed: progress.consumed, len, full })
    }

    /// A step that produces nothing, to the place in the stream at which more would come out, and
    /// where the ratio is judged. How far a step that fills its room goes beyond depends on how the
    /// bytes arrived.
    fn look_ahead(&mut self, input: &[u8], len: usize) -> Result<Step, ProtocolError> {
        let Some(decompressor) = &mut self.decompressor else {
            return Err(ProtocolError::InvalidDeflate);
        };
        let progress = decompressor.inflate(input, &mut []);
        self.note_consumed(progress.consumed);
        self.note_stream(progress.stream)?;
        // What leaves input waits for room.
        if !self.ended && progress.consumed < input.len() {
            self.judge(len)?;
        }
        Ok(Step { consumed: progress.consumed, len, full: !self.unjudged })
    }

    fn note_consumed(&mut self, count: usize) {
        self.consumed = self.consumed.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn note_stream(&mut self, stream: Stream) -> Result<(), ProtocolError> {
        match stream {
            Stream::Open => Ok(()),
            Stream::Ended => {
                self.ended = true;
                Ok(())
            }
            Stream::Corrupt => Err(ProtocolError::InvalidDeflate),
        }
    }

    /// Begins the stream anew behind a block with BFINAL: the window stays (RFC 7692 §7.2.1).
    #[cold]
    fn restart(&mut self, message: &[u8]) -> Result<(), ProtocolError> {
        self.final_blocks += 1;
        if self.final_blocks > FINAL_BLOCKS + self.consumed / 1024 {
            return Err(ProtocolError::TooManyFinalBlocks { blocks: self.final_blocks });
        }
        self.ended = false;
        let Some(decompressor) = &mut self.decompressor else { return Ok(()) };
        if message.len() >= self.window || self.history.is_empty() {
            decompressor.restart(tail(message, self.window));
        } else {
            let mut both = Vec::with_capacity(self.window + message.len());
            both.extend_from_slice(tail(&self.history, self.window));
            both.extend_from_slice(message);
            decompressor.restart(tail(&both, self.window));
        }
        Ok(())
    }

    /// Judges how much larger the first `len` bytes of the message are than what they were made of.
    fn judge(&mut self, len: usize) -> Result<(), ProtocolError> {
        self.unjudged = false;
        let produced = u64::try_from(len).unwrap_or(u64::MAX);
        match self.max_ratio {
            Some(limit)
                if len > RATIO_FREE && produced / u64::from(limit.max(1)) > self.consumed =>
            {
                Err(ProtocolError::CompressionRatio { limit })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps the end of `message`; at most twice the window, so that it moves now and then only.
    fn remember(&mut self, message: &[u8]) {
        let message = tail(message, self.window);
        if self.history.len() + message.len() > 2 * self.window {
            let keep = self.window - message.len();
            let from = self.history.len() - keep.min(self.history.len());
            self.history.drain(..from);
        }
        self.history.extend_from_slice(message);
    }

    /// Gives the context back if the next message begins with an empty window: that costs nothing.
    pub(crate) fn settle(&mut self) {
        if !self.begun && !self.takeover {
            self.give_back();
        }
    }

    /// Gives the context back unless a message is under way. What the peer may refer to stays, in
    /// as many bytes as it has.
    pub(crate) fn release(&mut self) {
        if !self.begun {
            self.give_back();
            let excess = self.history.len().saturating_sub(self.window);
            self.history.drain(..excess);
            self.history.shrink_to_fit();
        }
    }

    fn give_back(&mut self) {
        if let Some(decompressor) = self.decompressor.take() {
            self.pool.give_decompressor(decompressor);
        }
    }
}

/// What is being decompressed.
#[derive(Clone, Copy)]
enum Stage {
    Payload,
    /// The four octets, up to the end of the block that they end.
    Tail,
}

/// What one step came to.
struct Step {
    consumed: usize,
    /// How long the message is now.
    len: usize,
    /// Whether there may be more where this came from.
    full: bool,
}

/// The last `most` bytes.
fn tail(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[bytes.len().saturating_sub(most)..]
}

impl Drop for Inflater {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Shows sizes only: payloads do not belong in logs.
impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("window", &self.window)
            .field("takeover", &self.takeover)
            .field("history", &self.history.len())
            .field("has_context", &self.decompressor.is_some())
            .finish_non_exhaustive()
    }
}
