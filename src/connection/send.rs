//! The sending half: messages and control payloads to frames.

use core::fmt;
use core::ops::Deref;

use super::control::ControlPayload;
use crate::error::SendError;
use crate::frame::{
    EncodedHeader, Header, MAX_CONTROL_LEN, OpCode, Rsv, len64, mask, mask::MaskKey,
};
use crate::message::Kind;

/// Fills a slice with masking keys (RFC 6455 §5.3: from a strong source of entropy).
///
/// Called with 4 bytes for each frame that a client sends, so a source that makes a system call
/// each time should keep a pool of its own. `random_keys` does, with the `getrandom` feature.
///
/// # Errors
///
/// [`NoEntropy`] if there is none; the frame is then not sent.
pub type KeySource = fn(&mut [u8]) -> Result<(), NoEntropy>;

/// The source of masking keys had none to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes to be had")
    }
}

impl core::error::Error for NoEntropy {}

/// Whether more of a message follows (RFC 6455 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// More follows: FIN stays clear.
    More,
    /// The message ends here: FIN is set.
    Last,
}

/// A whole control frame as it goes to the wire, at most 131 bytes inline; dereferences to `[u8]`.
#[derive(Clone, Copy)]
#[must_use = "the frame has to be written to the transport"]
pub struct ControlFrame {
    len: u8,
    bytes: [u8; 2 + 4 + MAX_CONTROL_LEN],
}

impl ControlFrame {
    fn new(head: &EncodedHeader, key: Option<MaskKey>, payload: &ControlPayload) -> Self {
        let mut bytes = [0; 2 + 4 + MAX_CONTROL_LEN];
        let len = head.len() + payload.len();
        bytes[..head.len()].copy_from_slice(head);
        bytes[head.len()..len].copy_from_slice(payload);
        if let Some(key) = key {
            mask::apply(&mut bytes[head.len()..len], key);
        }
        // 2 + 4 + 125 at most.
        Self { len: u8::try_from(len).unwrap_or(u8::MAX), bytes }
    }
}

impl Deref for ControlFrame {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for ControlFrame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for ControlFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlFrame").field("len", &self.len).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Where a client gets its keys; a server masks nothing.
    keys: Option<KeySource>,
    /// The message that is being sent in parts.
    parts: Option<Kind>,
}

impl Sender {
    pub(super) const fn new(keys: Option<KeySource>) -> Self {
        Self { keys, parts: None }
    }

    #[inline]
    pub(super) const fn keys(&self) -> Option<KeySource> {
        self.keys
    }

    pub(super) fn control(
        &mut self,
        opcode: OpCode,
        payload: &ControlPayload,
    ) -> Result<ControlFrame, SendError> {
        let header =
            Header { fin: true, rsv: Rsv::NONE, opcode, mask: self.key()?, len: len64(payload) };
        Ok(ControlFrame::new(&header.encode(), header.mask, payload))
    }

    /// The header of a whole message, or of the next part of one. The caller masks the payload
    /// with the key if there is one, and must not let the application see the key before.
    ///
    /// `rsv` stands on the first frame of the message (RFC 7692 §6.1).
    #[inline]
    pub(super) fn data_header(
        &mut self,
        kind: Kind,
        rsv: Rsv,
        fragment: Option<Fragment>,
        len: u64,
    ) -> Result<Header, SendError> {
        let mask = self.key()?;
        Ok(Header { mask, ..self.unmasked_header(kind, rsv, fragment, len)? })
    }

    /// As [`data_header`](Self::data_header), without a key: all that a server needs.
    #[inline]
    pub(super) fn unmasked_header(
        &mut self,
        kind: Kind,
        rsv: Rsv,
        fragment: Option<Fragment>,
        len: u64,
    ) -> Result<Header, SendError> {
        let (opcode, rsv) = match (self.parts, fragment) {
            (None, _) => (kind.opcode(), rsv),
            (Some(started), Some(_)) if started == kind => (OpCode::Continuation, Rsv::NONE),
            // RFC 6455 §5.4: messages are not interleaved, and all parts are of one type.
            (Some(_), _) => return Err(SendError::UnfinishedMessage),
        };
        self.parts = match fragment {
            Some(Fragment::More) => Some(kind),
            Some(Fragment::Last) | None => None,
        };
        let fin = fragment != Some(Fragment::More);
        Ok(Header { fin, rsv, opcode, mask: None, len })
    }

    #[inline]
    fn key(&self) -> Result<Option<MaskKey>, SendError> {
        self.keys.map(draw_key).transpose()
    }
}

/// RFC 6455 §5.3: a fresh key for every frame.
#[inline]
pub(super) fn draw_key(keys: KeySource) -> Result<MaskKey, SendError> {
    let mut key = [0; 4];
    keys(&mut key).map_err(|NoEntropy| SendError::NoEntropy)?;
    Ok(MaskKey::new(key))
}
