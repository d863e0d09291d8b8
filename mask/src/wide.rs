//! Long payloads, with the widest vectors that the processor has; and text that is to be checked.
//!
//! Blocks begin where a line of the cache does: others take twice as long in the first-level cache.
//! Both ends are blocks that overlap those between. (Those of text begin where its check does.)

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

#[cfg(feature = "alloc")]
use super::text;
use super::{MaskKey, masked};

/// The largest vector, and a line of the cache.
pub(super) const BLOCK: usize = 64;

/// What is read before it is written, so that the second-level cache is not asked for the one and
/// the other in turns. It fits in the registers. Twice as much or more is appended at once, because
/// a `Vec` asks for its room each time.
#[cfg(feature = "alloc")]
const GROUP: usize = 4 * BLOCK;

/// What masks a block.
pub(super) trait Masking: Copy {
    /// The key as it is of use for that.
    type Keys: Copy;

    fn keys(self, key: MaskKey) -> Self::Keys;

    fn masked(self, block: &[u8; BLOCK], keys: Self::Keys) -> [u8; BLOCK];
}

/// Words, of which the compiler makes the vectors that every processor of the target has: all there
/// are but on x86.
#[derive(Clone, Copy)]
struct Words;

impl Masking for Words {
    type Keys = MaskKey;

    #[inline(always)]
    fn keys(self, key: MaskKey) -> MaskKey {
        key
    }

    #[inline(always)]
    fn masked(self, block: &[u8; BLOCK], key: MaskKey) -> [u8; BLOCK] {
        masked(*block, key)
    }
}

/// Vectors that some processors of the target have, and this one does.
#[cfg(all(feature = "std", any(target_arch = "x86", target_arch = "x86_64")))]
mod vectors {
    use std::sync::LazyLock;

    use fearless_simd::{Level, Simd, SimdBase, u8x64};

    use super::{BLOCK, MaskKey, Masking};

    /// Asked for once: the answer is put together of a dozen flags.
    pub(super) static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

    #[derive(Clone, Copy)]
    pub(super) struct Vectors<S>(pub(super) S);

    impl<S: Simd> Masking for Vectors<S> {
        type Keys = u8x64<S>;

        #[inline(always)]
        fn keys(self, key: MaskKey) -> u8x64<S> {
            let mut keys = [0; BLOCK];
            for four in keys.as_chunks_mut().0 {
                *four = key.to_bytes();
            }
            u8x64::from_slice(self.0, &keys)
        }

        #[inline(always)]
        fn masked(self, block: &[u8; BLOCK], keys: u8x64<S>) -> [u8; BLOCK] {
            (u8x64::from_slice(self.0, block) ^ keys).into()
        }
    }
}

/// Returns the expression, compiled for those vectors, where the processor has them.
macro_rules! with_level {
    ($level:ident, $with:ident => $work:expr) => {
        #[cfg(all(feature = "std", any(target_arch = "x86", target_arch = "x86_64")))]
        if let Some(simd) = self::vectors::LEVEL.$level() {
            use fearless_simd::Simd;

            let $with = self::vectors::Vectors(simd);
            return simd.vectorize(
                #[inline(always)]
                || $work,
            );
        }
    };
}

/// The expression, compiled for the widest vectors as well, and chosen at run time.
macro_rules! widest {
    ($with:ident => $work:expr) => {{
        with_level!(as_avx512, $with => $work);
        with_level!(as_avx2, $with => $work);
        let $with = Words;
        $work
    }};
}

pub(super) fn apply(data: &mut [u8], key: MaskKey) {
    widest!(with => apply_blocks(with, data, key))
}

/// By vectors of 32 bytes if there are any, as text is checked by: a store for each load. Blocks
/// begin where the data does, so that they are those of the check.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn apply_with_zeros(data: &mut [u8], before: usize, behind: usize, key: MaskKey) {
    with_level!(as_avx2, with => blocks_with_zeros(with, data, before, behind, key));
    blocks_with_zeros(Words, data, before, behind, key);
}

/// A block of zeros, one of bits that change nothing, and zeros again.
#[cfg(feature = "alloc")]
const KEEPS: [[u8; BLOCK]; 3] = [[0; BLOCK], [0xFF; BLOCK], [0; BLOCK]];

/// Makes zeros of the bytes of `block` where the block of [`KEEPS`] that begins at `from` has them.
#[cfg(feature = "alloc")]
#[inline(always)]
fn keep(block: &mut [u8; BLOCK], from: usize) {
    if let Some(keeps) = KEEPS.as_flattened()[from..].first_chunk::<BLOCK>() {
        for (byte, keep) in block.iter_mut().zip(keeps) {
            *byte &= keep;
        }
    }
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn blocks_with_zeros(
    with: impl Masking,
    data: &mut [u8],
    before: usize,
    behind: usize,
    key: MaskKey,
) {
    debug_assert!(data.len().is_multiple_of(BLOCK), "whole blocks");
    let (before, behind) = (before % BLOCK, behind % BLOCK);
    let keys = with.keys(key.advanced(BLOCK - before));
    let Some((first, rest)) = data.as_chunks_mut().0.split_first_mut() else { return };
    let mut block = with.masked(first, keys);
    keep(&mut block, BLOCK - before);
    if rest.is_empty() {
        keep(&mut block, BLOCK + behind);
    }
    *first = block;
    if let Some((last, between)) = rest.split_last_mut() {
        for block in between {
            *block = with.masked(block, keys);
        }
        let mut block = with.masked(last, keys);
        keep(&mut block, BLOCK + behind);
        *last = block;
    }
}

/// Apart, so that short payloads need not save the registers that this takes.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn copy(to: &mut [u8], from: &[u8], key: MaskKey) {
    widest!(with => copy_blocks(with, to, from, key))
}

/// Apart as well.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn append(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    widest!(with => append_blocks::<_, { 2 * GROUP }>(with, out, data, key))
}

/// The same for 4 KiB or more. AVX-512 has 32 registers: 24 hold what is read before it is written.
#[cfg(feature = "alloc")]
#[inline(never)]
pub(super) fn append_long(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    with_level!(as_avx512, with => append_blocks::<_, { 24 * BLOCK }>(with, out, data, key));
    append(out, data, key)
}

/// As [`text::append_blocks`], which says what it gives.
#[cfg(feature = "alloc")]
pub(super) fn append_ascii<C: Copy>(
    out: &mut Vec<C>,
    data: &[u8],
    key: MaskKey,
    character: impl Fn(u8) -> C + Copy,
) -> u64 {
    widest!(with => text::append_blocks(with, out, data, key, character))
}

/// In place, so that the ends are read first and written last.
#[inline(always)]
fn apply_blocks(with: impl Masking, data: &mut [u8], key: MaskKey) {
    let (Some(first), Some(last)) = (data.first_chunk(), data.last_chunk()) else { return };
    let first = with.masked(first, with.keys(key));
    let last = with.masked(last, with.keys(key.advanced(data.len())));
    let start = data.as_ptr().align_offset(BLOCK).min(BLOCK);
    let keys = with.keys(key.advanced(start));
    for block in data[start..].as_chunks_mut().0 {
        *block = with.masked(block, keys);
    }
    if let Some(end) = data.last_chunk_mut() {
        *end = last;
    }
    if let Some(start) = data.first_chunk_mut() {
        *start = first;
    }
}

/// The same, to another place, where the blocks are aligned.
#[cfg(feature = "alloc")]
#[inline(always)]
fn copy_blocks(with: impl Masking, to: &mut [u8], from: &[u8], key: MaskKey) {
    let (Some(first), Some(last)) = (from.first_chunk(), from.last_chunk()) else { return };
    let start = to.as_ptr().align_offset(BLOCK).min(BLOCK);
    if let Some(to) = to.first_chunk_mut() {
        *to = with.masked(first, with.keys(key));
    }
    let same = with.keys(key.advanced(start));
    let (groups, blocks) = to[start..].as_chunks_mut::<GROUP>();
    let (masked_groups, masked_blocks) = from[start..].as_chunks();
    for (to, from) in groups.iter_mut().zip(masked_groups) {
        *to = masked_group(with, from, same);
    }
    for (to, from) in blocks.as_chunks_mut().0.iter_mut().zip(masked_blocks.as_chunks().0) {
        *to = with.masked(from, same);
    }
    if let Some(to) = to.last_chunk_mut() {
        *to = with.masked(last, with.keys(key.advanced(from.len())));
    }
}

/// The same, appended.
#[cfg(feature = "alloc")]
#[inline(always)]
fn append_blocks<M: Masking, const MOST: usize>(
    with: M,
    out: &mut Vec<u8>,
    data: &[u8],
    key: MaskKey,
) {
    out.reserve(data.len());
    let Some(first) = data.first_chunk() else { return };
    let start = out.spare_capacity_mut().as_ptr().align_offset(BLOCK).min(BLOCK);
    out.extend_from_slice(&with.masked(first, with.keys(key)));
    out.truncate(out.len() - BLOCK + start);
    let same = with.keys(key.advanced(start));
    let (groups, rest) = data[start..].as_chunks::<MOST>();
    for group in groups {
        out.extend_from_slice(&masked_group(with, group, same));
    }
    let (groups, rest) = rest.as_chunks::<GROUP>();
    for group in groups {
        out.extend_from_slice(&masked_group(with, group, same));
    }
    let (blocks, rest) = rest.as_chunks();
    for block in blocks {
        out.extend_from_slice(&with.masked(block, same));
    }
    if let Some(last) = data.last_chunk() {
        out.truncate(out.len() + rest.len() - BLOCK);
        out.extend_from_slice(&with.masked(last, with.keys(key.advanced(data.len()))));
    }
}

#[cfg(feature = "alloc")]
#[inline(always)]
fn masked_group<M: Masking, const N: usize>(with: M, group: &[u8; N], keys: M::Keys) -> [u8; N] {
    let mut group = *group;
    for block in group.as_chunks_mut().0 {
        *block = with.masked(block, keys);
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where there are wider vectors, no other test comes by this way.
    #[test]
    fn words_do_what_vectors_do() {
        let source: [u8; 1300] = core::array::from_fn(|i| (i * 7 % 251).try_into().unwrap_or(0));
        let key = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);
        for at in 0..BLOCK {
            for len in (BLOCK..200).chain([255, 256, 257, 511, 512, 513, 575, 1024, 1025, 1200]) {
                let mut masked = source;
                for (byte, key) in masked[at..at + len].iter_mut().zip(key.0.iter().cycle()) {
                    *byte ^= key;
                }
                let mut ours = source;
                apply_blocks(Words, &mut ours[at..at + len], key);
                assert_eq!(ours, masked, "{len} bytes at {at}");
                #[cfg(feature = "alloc")]
                for apply in [apply_with_zeros, |data: &mut [u8], before, behind, key| {
                    blocks_with_zeros(Words, data, before, behind, key);
                }] {
                    let zeros = len.wrapping_neg() % BLOCK;
                    if let Some(start) = at.checked_sub(zeros) {
                        let mut ours = source;
                        apply(&mut ours[start..at + len], zeros, 0, key);
                        assert_eq!(ours[at..], masked[at..], "{len} bytes behind {zeros} at {at}");
                        assert_eq!(ours[start..at], [0; BLOCK][..zeros]);
                        assert_eq!(ours[..start], source[..start]);
                    }
                    let (mut ours, end) = (source, at + len);
                    apply(&mut ours[at..end + zeros], 0, zeros, key);
                    assert_eq!(ours[..end], masked[..end], "{len} bytes before {zeros} at {at}");
                    assert_eq!(ours[end..end + zeros], [0; BLOCK][..zeros]);
                    assert_eq!(ours[end + zeros..], source[end + zeros..]);
                }
                #[cfg(feature = "alloc")]
                {
                    let mut to = source;
                    copy_blocks(Words, &mut to[at..at + len], &source[at..at + len], key);
                    assert_eq!(to, masked, "{len} bytes copied to {at}");
                    let mut out = source[..at].to_vec();
                    append_blocks::<_, { 2 * GROUP }>(Words, &mut out, &source[at..at + len], key);
                    assert_eq!(out, masked[..at + len], "{len} bytes appended behind {at}");
                }
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn words_make_text_as_vectors_do() {
        let source: [u8; 700] = core::array::from_fn(|i| (i % 128).try_into().unwrap_or(0));
        let key = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);
        for len in BLOCK..source.len() {
            let mut masked = source;
            apply_blocks(Words, &mut masked[..len], key);
            let mut out = alloc::vec![b'x'; 3];
            let bits = text::append_blocks(Words, &mut out, &masked[..len], key, |it| it & 0x7F);
            assert_eq!(bits & 0x8080_8080_8080_8080, 0);
            assert_eq!(out[3..], source[..len]);
        }
    }
}
