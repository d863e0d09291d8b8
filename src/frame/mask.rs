//! Masking (RFC 6455 §5.3): XOR of the payload with a repeated four-byte key.
//!
//! The arithmetic is that of the crate `websocket-proto-mask`: a crate of its own, so that what it is
//! built on is not waited for by the rest of this one. Where keys come from is the business of
//! [`Connection`](crate::Connection).

#[doc(inline)]
pub use websocket_proto_mask::MaskKey;
#[cfg(feature = "alloc")]
pub(crate) use websocket_proto_mask::{ROOM, append, append_ascii, apply_with_zeros, copy, shift};

/// Masks or unmasks `data` in place; the two are the same operation (RFC 6455 §5.3).
///
/// For a payload that comes in pieces, use [`MaskKey::advanced`] between them.
///
/// ```
/// use websocket_proto::frame::mask::{self, MaskKey};
///
/// let key = MaskKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let mut data = *b"Hello";
/// mask::apply(&mut data, key);
/// assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// mask::apply(&mut data[..2], key);
/// mask::apply(&mut data[2..], key.advanced(2));
/// assert_eq!(&data, b"Hello");
/// ```
#[inline]
pub fn apply(data: &mut [u8], key: MaskKey) {
    websocket_proto_mask::apply(data, key);
}
