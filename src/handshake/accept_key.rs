//! Sec-WebSocket-Key and Sec-WebSocket-Accept.

use alloc::string::String;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3: what the server appends to the key before hashing.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2).
///
/// The key is hashed as the text that was received.
///
/// ```
/// use websocket_proto::handshake::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// RFC 6455 §4.1: the key is a nonce of 16 bytes in base64.
pub(super) fn encode_key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Whether `key` is the base64 of 16 bytes.
///
/// RFC 4648 §3.5 lets decoders refuse pad bits that are not zero, and this one does: no encoder
/// writes them, so such a key (RFC 6455 §4.1 prints one by mistake, erratum 3150) is hand-made.
pub(super) fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18]; // 24 symbols decode to at most 18 bytes
    key.len() == 24 && STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    // V-KEY-1, V-KEY-2
    #[test]
    fn keys_are_sixteen_bytes_in_base64() {
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(encode_key(nonce), "AQIDBAUGBwgJCgsMDQ4PEA==");
        assert_eq!(encode_key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_key(b"AQIDBAUGBwgJCgsMDQ4PEA=="));
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
    }

    // V-ACCEPT-1, V-ACCEPT-2, V-ACCEPT-3
    #[test]
    fn accept_values_match_the_vectors() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept_key("AQIDBAUGBwgJCgsMDQ4PEA=="), "C/0nmHhBztSRGR1CwL6Tf4ZjwpY=");
        assert_eq!(accept_key("AQIDBAUGBwgJCgsMDQ4PEC=="), "OfS0wDaT5NoxF2gqm7Zj2YtetzM=");
    }
}
