//! Text shorter than a [`BLOCK`], of which `simdutf8` makes nothing.
//!
//! It leaves that to the standard library, which goes character by character, and byte by byte
//! through ASCII that is not aligned. Short text is most of all text, so it is made as long as a
//! block with zeros, which are ASCII. Safe code gets a `str` only of what was checked itself, so the
//! block is what is lent then.

use ascii::AsciiStr;

use super::InvalidUtf8;

/// What `simdutf8` looks at in one go, in bytes.
pub(crate) const BLOCK: usize = 64;

/// So few bytes are left to the standard library: they are two characters or three.
const FEW: usize = 7;

/// Whether it has instructions for that here.
const HAS_BLOCKS: bool = cfg!(any(
    all(feature = "std", any(target_arch = "x86", target_arch = "x86_64")),
    target_feature = "avx2",
    target_feature = "sse4.2",
    target_feature = "neon",
    target_feature = "simd128",
));

/// Short text, if it is ASCII as most of it is. A call, so that its callers stay short.
#[inline(never)]
pub(super) fn ascii(bytes: &[u8]) -> Option<&str> {
    // `AsciiStr` takes its time to say where the other characters begin.
    if !is_ascii(bytes) {
        return None;
    }
    AsciiStr::from_ascii(bytes).ok().map(AsciiStr::as_str)
}

/// Checks short text, and lends it from the room that there is for it.
#[inline(never)]
pub(super) fn validate_in<'b>(
    room: Option<&'b mut [u8; BLOCK]>,
    bytes: &'b [u8],
) -> Result<&'b str, InvalidUtf8> {
    let padded = match room {
        Some(room) if HAS_BLOCKS && bytes.len() > FEW => pad(room, bytes),
        _ => bytes,
    };
    let text = simdutf8::basic::from_utf8(padded).map_err(|_| InvalidUtf8)?;
    // Zeros end no character that lacks something: the text is whole characters.
    text.get(..bytes.len()).ok_or(InvalidUtf8)
}

/// Whether short text is valid. If it is not, something may only be missing.
#[inline(never)]
pub(super) fn is_valid(bytes: &[u8]) -> bool {
    if is_ascii(bytes) {
        return true;
    }
    HAS_BLOCKS && simdutf8::basic::from_utf8(pad(&mut [0; BLOCK], bytes)).is_ok()
}

/// Copies short text to a block, with zeros behind it.
fn pad<'b>(block: &'b mut [u8; BLOCK], bytes: &[u8]) -> &'b [u8] {
    *block = [0; BLOCK];
    if let Some(text) = block.get_mut(..bytes.len()) {
        text.copy_from_slice(bytes);
    }
    block
}

/// Whether short text is ASCII: by its first and its last bytes, which overlap.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let bits = if let Some([first, last]) = ends::<32>(bytes) {
        words(first) | words(last)
    } else if let Some([first, last]) = ends::<16>(bytes) {
        words(first) | words(last)
    } else if let Some([first, last]) = ends::<8>(bytes) {
        words(first) | words(last)
    } else if let Some([first, last]) = ends::<4>(bytes) {
        u64::from(u32::from_ne_bytes(*first) | u32::from_ne_bytes(*last))
    } else if let [first, .., last] = bytes {
        u64::from(first | bytes[1] | last)
    } else {
        bytes.first().map_or(0, |&byte| u64::from(byte))
    };
    bits & 0x8080_8080_8080_8080 == 0
}

/// The first and the last bytes, if there are so many.
#[inline]
fn ends<const N: usize>(bytes: &[u8]) -> Option<[&[u8; N]; 2]> {
    Some([bytes.first_chunk()?, bytes.last_chunk()?])
}

/// All bits that are set in words of 8 bytes.
#[inline]
fn words<const N: usize>(bytes: &[u8; N]) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.iter().fold(0, |bits, &word| bits | u64::from_ne_bytes(word))
}
