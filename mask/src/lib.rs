//! Masking of WebSocket payloads (RFC 6455 §5.3): XOR with a repeated four-byte key.
//!
//! A part of the crate `websocket-proto`, made for what that needs: what is public here changes with
//! it, but for [`MaskKey`] and [`apply`], which are public there too. It is a crate of its own only so
//! that both build sooner: cargo begins with what most others wait for, and the vectors of
//! `fearless_simd` take longest to compile.
//!
//! Owns the arithmetic only: where keys come from, and that no key is used twice, is the business
//! of who calls.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
mod append;
#[cfg(feature = "alloc")]
mod text;
mod wide;

use core::fmt;

#[cfg(feature = "alloc")]
pub use append::{ROOM, append};
#[cfg(feature = "alloc")]
pub use text::append_ascii;

/// The masking key of one frame, at the phase of the next payload byte (RFC 6455 §5.3).
///
/// `Debug` does not show it: a key that is known before its frame is out lets whoever supplies the
/// payload choose the bytes on the wire (RFC 6455 §10.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskKey([u8; 4]);

impl MaskKey {
    /// The key as it stands in the frame header.
    #[inline]
    #[must_use]
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes for the frame header.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// The key for what follows `count` payload bytes that have been masked with this one.
    #[inline]
    #[must_use]
    pub const fn advanced(self, count: usize) -> Self {
        // No branch: how long payloads are cannot be predicted.
        let bits = match count % 4 {
            0 => 0,
            1 => 8,
            2 => 16,
            _ => 24,
        };
        Self(u32::from_le_bytes(self.0).rotate_right(bits).to_le_bytes())
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(..)")
    }
}

/// Masks or unmasks `data` in place; the two are the same operation (RFC 6455 §5.3).
///
/// For a payload that comes in pieces, use [`MaskKey::advanced`] between them.
///
/// ```
/// use websocket_proto_mask::{self as mask, MaskKey};
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
    if data.len() >= WIDE {
        return wide::apply(data, key);
    }
    // The last bytes, too few for a block of their own, are masked as one more block that overlaps
    // those before: a loop over single bytes would take longer than all the rest of a small
    // message. That block is read first and written last, because XOR twice would undo itself.
    if let (Some(&first), Some(&last), ..=32) = (data.first_chunk(), data.last_chunk(), data.len())
    {
        let last = masked::<16>(last, key.advanced(data.len()));
        if let Some(start) = data.first_chunk_mut() {
            *start = masked::<16>(first, key);
        }
        write_last(data, last);
    } else if let Some(&last) = data.last_chunk::<16>() {
        let last = masked(last, key.advanced(data.len()));
        // Becomes vector code on every target that has any.
        let (blocks, rest) = data.as_chunks_mut::<64>();
        for block in blocks {
            *block = masked(*block, key);
        }
        let (blocks, rest) = rest.as_chunks_mut::<32>();
        for block in blocks {
            *block = masked(*block, key);
        }
        for block in rest.as_chunks_mut::<16>().0 {
            *block = masked(*block, key);
        }
        write_last(data, last);
    } else if let Some(&last) = data.last_chunk::<8>() {
        let last = masked(last, key.advanced(data.len()));
        if let Some(first) = data.first_chunk_mut::<8>() {
            *first = masked(*first, key);
        }
        write_last(data, last);
    } else if let Some(&last) = data.last_chunk::<4>() {
        let last = masked(last, key.advanced(data.len()));
        if let Some(first) = data.first_chunk_mut::<4>() {
            *first = masked(*first, key);
        }
        write_last(data, last);
    } else {
        for (byte, key) in data.iter_mut().zip(key.0) {
            *byte ^= key;
        }
    }
}

/// Copies `from` to `to`, which is as long, masked on the way: one pass instead of two. A call, so
/// that its callers stay short. Where the lengths differ, what `to` becomes is not laid down.
///
/// # Panics
///
/// It may then.
#[cfg(feature = "alloc")]
#[inline(never)]
pub fn copy(to: &mut [u8], from: &[u8], key: MaskKey) {
    match from.len() {
        WIDE.. => wide::copy(to, from, key),
        64.. => {
            for (to, from) in to.as_chunks_mut::<64>().0.iter_mut().zip(from.as_chunks().0) {
                *to = masked(*from, key);
            }
            if let Some(last) = from.last_chunk::<64>() {
                write_last(to, masked(*last, key.advanced(from.len())));
            }
        }
        32..=63 => copy_ends::<32>(to, from, key),
        16..=31 => copy_ends::<16>(to, from, key),
        8..=15 => copy_ends::<8>(to, from, key),
        4..=7 => copy_ends::<4>(to, from, key),
        _ => {
            for ((to, from), key) in to.iter_mut().zip(from).zip(key.0) {
                *to = from ^ key;
            }
        }
    }
}

/// [`copy`] of the first and the last `N` bytes, which may overlap.
#[cfg(feature = "alloc")]
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8], key: MaskKey) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        if let Some(to) = to.first_chunk_mut() {
            *to = masked(*first, key);
        }
        write_last(to, masked(*last, key.advanced(from.len())));
    }
}

/// Unmasks text that lies so many bytes from the start and from the end of `data`, fewer than 64;
/// those bytes become zeros. Together they are whole blocks of 64 bytes: who checks the text next
/// finds each as it was written, and no part of one at its end.
///
/// # Panics
///
/// In debug builds if they are not; otherwise what is more than whole blocks is left as it is.
#[cfg(feature = "alloc")]
#[inline]
pub fn apply_with_zeros(data: &mut [u8], before: usize, behind: usize, key: MaskKey) {
    wide::apply_with_zeros(data, before, behind, key);
}

/// Moves the last `len` bytes of `data` to its front, masked on the way. Of 8 to 128, both ends are
/// read before either is written, in blocks that overlap: no call, and nothing is read that has just
/// been written.
///
/// # Panics
///
/// If `data` is shorter than `len`.
#[cfg(feature = "alloc")]
#[inline]
pub fn shift(data: &mut [u8], len: usize, key: MaskKey) {
    match len {
        65..=128 => shift_ends::<64>(data, len, key),
        33..=64 => shift_ends::<32>(data, len, key),
        16..=32 => shift_ends::<16>(data, len, key),
        8..=15 => shift_ends::<8>(data, len, key),
        _ => {
            data.copy_within(data.len() - len.., 0);
            apply(&mut data[..len], key);
        }
    }
}

/// [`shift`] of the first and the last `N` bytes, which may overlap.
#[cfg(feature = "alloc")]
#[inline(always)]
fn shift_ends<const N: usize>(data: &mut [u8], len: usize, key: MaskKey) {
    let Some(from) = data.len().checked_sub(len).map(|start| &data[start..]) else { return };
    let (Some(&first), Some(&last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return;
    };
    let (first, last) = (masked(first, key), masked(last, key.advanced(len)));
    let to = &mut data[..len];
    if let Some(to) = to.first_chunk_mut() {
        *to = first;
    }
    write_last::<N>(to, last);
}

/// From this size on the widest vectors of the processor are worth asking for, in bytes.
const WIDE: usize = 512;

/// A block of 4 bytes or of a multiple of 8, masked.
#[inline]
fn masked<const N: usize>(mut block: [u8; N], key: MaskKey) -> [u8; N] {
    let key = u32::from_ne_bytes(key.0);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (words, half) = block.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for half in half.as_chunks_mut::<4>().0 {
        *half = (u32::from_ne_bytes(*half) ^ key).to_ne_bytes();
    }
    block
}

#[inline]
fn write_last<const N: usize>(data: &mut [u8], block: [u8; N]) {
    if let Some(last) = data.last_chunk_mut() {
        *last = block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(data: &mut [u8], key: [u8; 4], phase: usize) {
        for (i, byte) in data.iter_mut().enumerate() {
            *byte ^= key[(phase + i) % 4];
        }
    }

    #[test]
    fn equals_the_bytewise_definition_at_every_alignment_length_and_phase() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let source: [u8; 1300] = core::array::from_fn(|i| (i * 7 % 251).try_into().unwrap_or(0));
        for align in 0..64 {
            let long = [127, 128, 129, 255, 256, 257].into_iter().chain(508..518);
            for len in (0..80)
                .chain(long)
                .chain([575, 576, 577, 639, 640, 641, 703, 1023, 1024, 1025, 1215])
            {
                for phase in 0..4 {
                    let (mut ours, mut theirs) = (source, source);
                    apply(&mut ours[align..align + len], MaskKey::new(key).advanced(phase));
                    reference(&mut theirs[align..align + len], key, phase);
                    assert_eq!(ours, theirs, "align {align} len {len} phase {phase}");
                    #[cfg(feature = "alloc")]
                    if align > 0 && phase == 0 {
                        // As far as the next header is long, and farther.
                        let mut moved = source;
                        shift(&mut moved[..align + len], len, MaskKey::new(key));
                        assert_eq!(moved[..len], theirs[align..align + len], "by {align}, {len}");
                        assert_eq!(moved[align + len..], source[align + len..]);
                    }
                    #[cfg(feature = "alloc")]
                    {
                        let data = &source[align..align + len];
                        // With no room, with just enough for it, with more than it could use.
                        for room in [0, len, len + 200] {
                            let mut out = alloc::vec::Vec::with_capacity(3 + room);
                            out.extend_from_slice(&[1, 2, 3]);
                            append(&mut out, data, MaskKey::new(key).advanced(phase));
                            assert_eq!(out[..3], [1, 2, 3]);
                            assert_eq!(out[3..], theirs[align..align + len]);
                        }
                        let mut to = [9; 1300];
                        copy(&mut to[align..align + len], data, MaskKey::new(key).advanced(phase));
                        assert_eq!(to[align..align + len], theirs[align..align + len]);
                        assert!(to[..align].iter().chain(&to[align + len..]).all(|&it| it == 9));
                    }
                }
            }
        }
    }
}
