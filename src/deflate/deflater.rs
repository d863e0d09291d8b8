//! [`Deflater`]: the sending side of permessage-deflate (RFC 7692 §7.2.1).

use alloc::vec::Vec;
use core::fmt;

use super::codec::{Compressor, Kind, TAIL, Window};
use super::{Compression, Config, Params, Pool};
use crate::connection::Role;

/// From this size on a message that does not shrink goes out as it is even if the window has to be
/// emptied for that, in bytes.
const WORTH_A_RESET: usize = 4 * 1024;

/// Compresses the messages of one connection.
pub(crate) struct Deflater {
    /// Only in the middle of a message, and while there is something to remember.
    compressor: Option<Compressor>,
    kind: Kind,
    takeover: bool,
    threshold: usize,
    /// Whether the message that is being sent in parts is compressed.
    parts: Parts,
    pool: Pool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    None,
    Compressed,
    Plain,
}

impl Deflater {
    pub(crate) fn new(role: Role, config: &Config, params: Params) -> Self {
        // RFC 7692 §7.2.1: what was agreed on is the most that is allowed; the settings of this
        // end may ask for less.
        let (window_bits, forgets) = match role {
            Role::Server => (config.server_max_window_bits, config.server_no_context_takeover),
            Role::Client => (config.client_max_window_bits, config.client_no_context_takeover),
        };
        Self {
            compressor: None,
            kind: Kind::new(
                window_bits.min(params.max_window_bits(role)),
                config.level,
                config.mem_level,
            ),
            takeover: !forgets && !params.no_context_takeover(role),
            threshold: config.threshold,
            parts: Parts::None,
            pool: config.pool.clone(),
        }
    }

    /// Whether a whole message of `len` bytes is to be compressed.
    #[inline]
    pub(crate) fn wants(&self, compression: Compression, len: usize) -> bool {
        match compression {
            Compression::Auto => len >= self.threshold,
            Compression::Always => true,
            Compression::Never => false,
        }
    }

    /// Appends the payload of a compressed message. `false` if it is not smaller that way: nothing
    /// is appended then, and it has to go out as it is.
    pub(crate) fn message(
        &mut self,
        payload: &[u8],
        compression: Compression,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let (takeover, window) = (self.takeover, self.window_after(true));
        let compressor = self.compressor();
        compressor.compress(payload, window, out);
        strip_tail(out, start);
        let smaller = out.len() - start < payload.len();
        // With takeover the window holds the message now, so the peer's has to: it must be sent
        // compressed, or both forget. That is worth it for large ones only.
        let keep = smaller || takeover && payload.len() < WORTH_A_RESET;
        let compressed = keep || compression == Compression::Always;
        if !compressed {
            out.truncate(start);
            compressor.reset();
        }
        self.settle();
        compressed
    }

    /// Whether the next part of a message is compressed; the first one decides.
    pub(crate) fn wants_part(&self, compression: Compression) -> bool {
        match (self.parts, compression) {
            (Parts::Compressed, _) => true,
            (Parts::Plain, _) | (Parts::None, Compression::Never) => false,
            // How long the message will be is not known.
            (Parts::None, Compression::Auto | Compression::Always) => true,
        }
    }

    /// Takes note that a part that is not compressed has been sent.
    pub(crate) fn note_plain_part(&mut self, last: bool) {
        self.parts = if last { Parts::None } else { Parts::Plain };
    }

    /// Appends the payload of the next part of a compressed message.
    pub(crate) fn part(&mut self, payload: &[u8], last: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let window = self.window_after(last);
        self.compressor().compress(payload, window, out);
        if last {
            // RFC 7692 §7.2.1: the four octets go from the end of the message only.
            strip_tail(out, start);
        }
        self.parts = if last { Parts::None } else { Parts::Compressed };
        self.settle();
    }

    /// The window of the encoder as a power of two, 9 to 15.
    pub(crate) fn window_bits(&self) -> u8 {
        self.kind.window_bits()
    }

    /// Appends the payload of a message that is compressed apart from all others, for any
    /// connection whose window has the same size.
    pub(crate) fn apart(&self, payload: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let mut compressor = self.pool.compressor(self.kind);
        compressor.compress(payload, Window::Forget, out);
        strip_tail(out, start);
        self.pool.give_compressor(compressor);
    }

    /// Forgets the window: the peer has got something that is not in it.
    pub(crate) fn reset(&mut self) {
        self.give_back();
    }

    /// Gives the context back, unless something in it is still needed: a message that goes on, or
    /// what the next one may refer to.
    fn settle(&mut self) {
        if self.compressor.as_ref().is_some_and(|compressor| !compressor.is_used()) {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(compressor) = self.compressor.take() {
            self.pool.give_compressor(compressor);
        }
    }

    fn compressor(&mut self) -> &mut Compressor {
        let Self { compressor, pool, kind, .. } = self;
        compressor.get_or_insert_with(|| pool.compressor(*kind))
    }

    /// RFC 7692 §7.2.1: without context takeover each message begins with an empty window.
    fn window_after(&self, last: bool) -> Window {
        if last && !self.takeover { Window::Forget } else { Window::Keep }
    }
}

/// RFC 7692 §7.2.1: the four octets that end a flush are left out at the end of a message.
fn strip_tail(out: &mut Vec<u8>, start: usize) {
    if out.len() >= start + TAIL.len() {
        out.truncate(out.len() - TAIL.len());
    }
    // RFC 7692 §7.2.3.6: of an empty stored block the first octet stays. A flush that had nothing
    // to flush gives not even that.
    if out.len() == start {
        out.push(0);
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Shows no content.
impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("window_bits", &self.kind.window_bits())
            .field("takeover", &self.takeover)
            .field("has_context", &self.compressor.is_some())
            .finish_non_exhaustive()
    }
}
