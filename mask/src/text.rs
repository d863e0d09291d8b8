//! Unmasking of text into memory for ASCII: copied, unmasked and checked in one pass.

use alloc::vec::Vec;

use super::MaskKey;
use super::wide::{self, BLOCK, Masking};

/// Text is given up as not ASCII after so many bytes at most.
const PIECE: usize = 4096;

/// What is appended at once: a `Vec` asks for its room each time.
const GROUP: usize = 4 * BLOCK;

/// The bits that no ASCII has.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Appends `data` to `out`, unmasked on the way, if that makes it ASCII. Otherwise says so, and
/// `out` is what it was.
///
/// `character` is what a byte below 128 becomes, in as much memory: of others it may make anything.
pub fn append_ascii<C: Copy>(
    out: &mut Vec<C>,
    data: &[u8],
    mut key: MaskKey,
    character: impl Fn(u8) -> C + Copy,
) -> bool {
    let len = out.len();
    out.reserve(data.len());
    for piece in data.chunks(PIECE) {
        let bits = match piece.len() {
            BLOCK.. => wide::append_ascii(out, piece, key, character),
            _ => append_few(out, piece, key, character),
        };
        if bits & HIGH != 0 {
            out.truncate(len);
            return false;
        }
        key = key.advanced(piece.len());
    }
    true
}

/// Appends less than a block. Gives the bits that are set in any of the bytes; nothing that was
/// appended is of use if one of [`HIGH`] is among them.
fn append_few<C>(out: &mut Vec<C>, data: &[u8], key: MaskKey, character: impl Fn(u8) -> C) -> u64 {
    let bytes = data.iter().zip(key.to_bytes().into_iter().cycle()).map(|(byte, key)| byte ^ key);
    bytes.fold(0, |bits, byte| {
        out.push(character(byte));
        bits | u64::from(byte)
    })
}

/// As [`append_few`], of a block or more.
#[inline(always)]
pub(super) fn append_blocks<C: Copy>(
    with: impl Masking,
    out: &mut Vec<C>,
    data: &[u8],
    key: MaskKey,
    character: impl Fn(u8) -> C + Copy,
) -> u64 {
    let (Some(first), Some(last)) = (data.first_chunk(), data.last_chunk()) else { return HIGH };
    let mut bits = [0; BLOCK];
    let mut text = |block: &[u8; BLOCK], keys| {
        let block = with.masked(block, keys);
        for (bits, byte) in bits.iter_mut().zip(block) {
            *bits |= byte;
        }
        block.map(character)
    };
    // Both ends are blocks that overlap those between, which begin at lines of the cache.
    let start = out.spare_capacity_mut().as_ptr().align_offset(BLOCK).min(BLOCK);
    out.extend_from_slice(&text(first, with.keys(key)));
    out.truncate(out.len() - BLOCK + start);
    let same = with.keys(key.advanced(start));
    let (groups, rest) = data[start..].as_chunks::<GROUP>();
    for group in groups {
        let mut characters = [character(0); GROUP];
        for (to, from) in characters.as_chunks_mut().0.iter_mut().zip(group.as_chunks().0) {
            *to = text(from, same);
        }
        out.extend_from_slice(&characters);
    }
    let (blocks, rest) = rest.as_chunks();
    for block in blocks {
        out.extend_from_slice(&text(block, same));
    }
    out.truncate(out.len() + rest.len() - BLOCK);
    out.extend_from_slice(&text(last, with.keys(key.advanced(data.len()))));
    bits.as_chunks().0.iter().fold(0, |bits, word| bits | u64::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As one of 128 would be.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Character(u8);

    fn character(byte: u8) -> Character {
        Character(byte & 0x7F)
    }

    /// What bytes should become, and whether they are ASCII.
    fn check(source: &[u8], before: usize) {
        let key = MaskKey::new([0x37, 0xFA, 0x21, 0x3D]);
        let mut masked = source.to_vec();
        super::super::apply(&mut masked, key);
        let mut out = alloc::vec![character(b'x'); before];
        let is_ascii = append_ascii(&mut out, &masked, key, character);
        assert_eq!(is_ascii, source.is_ascii(), "{} bytes behind {before}", source.len());
        let kept = if is_ascii { source } else { &[] };
        assert!(out[..before].iter().all(|&it| it == character(b'x')));
        assert!(out[before..].iter().map(|it| it.0).eq(kept.iter().copied()));
    }

    #[test]
    fn every_length_and_place_is_unmasked_and_judged() {
        let source: Vec<u8> = (0..128).cycle().take(9_000).collect();
        let lens = (0..140).chain([255, 256, 257, 319, 320, 321, 383, 384, 400]);
        for len in lens.chain([4_000, 4_095, 4_096, 4_097, 4_160, 8_191, 8_192, 8_193, 8_999]) {
            for before in [0, 1, 15, 16, 63, 64, 100] {
                check(&source[..len], before);
            }
        }
    }

    #[test]
    fn one_byte_that_is_not_ascii_is_seen_wherever_it_is() {
        for len in [1, 2, 63, 64, 65, 130, 400, 700] {
            for at in 0..len {
                let mut source = alloc::vec![b'a'; len];
                for bad in [0x80, 0xC3, 0xFF] {
                    source[at] = bad;
                    check(&source, 3);
                }
            }
        }
        for at in [0, 4_095, 4_096, 8_190] {
            let mut source = alloc::vec![b'a'; 8_191];
            source[at] = 0x80;
            check(&source, 0);
        }
    }
}
