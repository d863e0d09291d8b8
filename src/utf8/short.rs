//! Text shorter than a [`BLOCK`], of which `simdutf8` makes nothing.
//!
//! It leaves that to the standard library, which goes character by character, and byte by byte
//! through ASCII that is not aligned. Short text is most of all text, so it is made as long as a
//! block with zeros, which are ASCII.

#[cfg(feature = "alloc")]
use core::ops::Range;

use ascii::AsciiStr;

#[cfg(feature = "alloc")]
use super::InvalidUtf8;

/// What `simdutf8` looks at in one go, in bytes.
pub(super) const BLOCK: usize = 64;

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

/// Checks short text where it lies, among bytes that nobody needs: those before it, and, if it is
/// the `last` in the buffer, those behind it. Zeros take their place.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn validate_in(
    buffer: &mut [u8],
    text: Range<usize>,
    last: bool,
) -> Result<&str, InvalidUtf8> {
    let Range { start, end } = text;
    if is_ascii(&buffer[start..end]) {
        let text = AsciiStr::from_ascii(&buffer[start..end]);
        return text.map(AsciiStr::as_str).map_err(|_| InvalidUtf8);
    }
    let block = if !HAS_BLOCKS {
        start..end
    } else if let Some(front) = end.checked_sub(BLOCK) {
        buffer[front..start].fill(0);
        front..end
    } else if last && start + BLOCK <= buffer.len() {
        buffer[end..start + BLOCK].fill(0);
        start..start + BLOCK
    } else {
        start..end
    };
    let text = start - block.start..end - block.start;
    let block = simdutf8::basic::from_utf8(&buffer[block]).map_err(|_| InvalidUtf8)?;
    // Zeros end no character that lacks something: the text is whole characters.
    block.get(text).ok_or(InvalidUtf8)
}

/// Whether short text is valid. If it is not, something may only be missing.
#[inline(never)]
pub(super) fn is_valid(bytes: &[u8]) -> bool {
    if is_ascii(bytes) {
        return true;
    }
    let mut block = [0; BLOCK];
    let Some(text) = block.get_mut(..bytes.len()).filter(|_| HAS_BLOCKS) else { return false };
    text.copy_from_slice(bytes);
    simdutf8::basic::from_utf8(&block).is_ok()
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
