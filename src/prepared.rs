//! [`PreparedMessage`]: encoded once, sent to many.

use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "deflate")]
use std::sync::OnceLock;

use bytes::Bytes;

use crate::copy;
#[cfg(feature = "deflate")]
use crate::deflate::Deflater;
use crate::frame::{Header, Rsv, len64};
use crate::message::{Kind, Message};

/// A message that is encoded once, and compressed once for each window size, and then sent to any
/// number of connections by reference.
///
/// A server's connections share its bytes: a large one is queued by reference count, a small one
/// copied into the output as it is. A client masks each frame with a key of its own
/// (RFC 6455 §5.3), so it copies.
///
/// Compressed, it refers to nothing that was sent before. A connection whose window is taken over
/// forgets its window for that, so messages of its own compress a little worse afterwards.
///
/// ```
/// use websocket_proto::endpoint::{Config, Endpoint};
/// use websocket_proto::{Connection, PreparedMessage, SendError};
///
/// let config = Config::default();
/// let endpoint = || Endpoint::new(Connection::server(&config.connection), &config);
/// let mut subscribers = [endpoint(), endpoint(), endpoint()];
///
/// let news = PreparedMessage::new("extra!");
/// for subscriber in &mut subscribers {
///     subscriber.send(&news)?;
/// }
/// # Ok::<(), SendError>(())
/// ```
pub struct PreparedMessage {
    kind: Kind,
    plain: Frame,
    /// With windows of 9 to 15 bits; made when the first connection needs one.
    #[cfg(feature = "deflate")]
    compressed: [OnceLock<Frame>; 7],
}

/// An unmasked frame.
pub(crate) struct Frame {
    bytes: Bytes,
    head_len: usize,
}

impl Frame {
    /// The frame of a whole message whose payload `fill` appends.
    fn new(kind: Kind, rsv: Rsv, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = alloc::vec![0; Header::MAX_LEN];
        fill(&mut bytes);
        let len = len64(&bytes[Header::MAX_LEN..]);
        let head = Header { fin: true, rsv, opcode: kind.opcode(), mask: None, len }.encode();
        // In front of the payload, without moving it.
        let start = Header::MAX_LEN - head.len();
        bytes[start..Header::MAX_LEN].copy_from_slice(&head);
        Self { bytes: Bytes::from(bytes).slice(start..), head_len: head.len() }
    }

    /// Header and payload, as a server sends them.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.head_len..]
    }
}

impl PreparedMessage {
    /// Encodes a message; its payload is copied once.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        Self {
            kind: message.kind(),
            plain: Frame::new(message.kind(), Rsv::NONE, |bytes| copy::append(bytes, payload)),
            #[cfg(feature = "deflate")]
            compressed: Default::default(),
        }
    }

    /// Text or binary.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.plain.payload()
    }

    pub(crate) fn plain(&self) -> &Frame {
        &self.plain
    }

    /// The compressed frame for the window of `deflater`, at the level of the first that asks.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, deflater: &Deflater) -> &Frame {
        let slot = usize::from(deflater.window_bits() - 9);
        self.compressed[slot].get_or_init(|| {
            Frame::new(self.kind, Rsv::RSV1, |bytes| deflater.apart(self.as_bytes(), bytes))
        })
    }
}

/// Shows sizes only: payloads do not belong in logs.
impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage")
            .field("kind", &self.kind)
            .field("len", &self.as_bytes().len())
            .finish_non_exhaustive()
    }
}
