//! Copying payloads, in pieces where they are long.
//!
//! Copies of more than about 2 KiB are made by an instruction (`rep movsb`, by glibc 2.36) that
//! takes 15 to 30 times as long on a Zen 3 where the destination lies 1 to 31 bytes behind its
//! source, but for whole pages of 4 KiB. With payloads that is no rare chance: large allocations
//! begin at the same place of a page, and between source and destination is a header. Shorter
//! copies are made by vectors, and many of them take no longer than a long one (`cargo bench
//! --bench count`, the rows `aliased`).

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// What is copied at once, in bytes.
const PIECE: usize = 2048;

/// Copies `from` to `to`, which is as long.
#[inline]
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() <= PIECE {
        to.copy_from_slice(from);
    } else {
        copy_long(to, from);
    }
}

#[cold]
fn copy_long(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
        to.copy_from_slice(from);
    }
}

/// Appends `bytes` to `out`, or what else is of one byte each.
#[inline]
pub(crate) fn append<T: Copy>(out: &mut Vec<T>, bytes: &[T]) {
    if bytes.len() <= PIECE {
        out.extend_from_slice(bytes);
    } else {
        append_long(out, bytes);
    }
}

#[cold]
fn append_long<T: Copy>(out: &mut Vec<T>, bytes: &[T]) {
    out.reserve(bytes.len());
    for piece in bytes.chunks(PIECE) {
        out.extend_from_slice(piece);
    }
}

/// Moves a part of `bytes` towards their beginning: to `to`, which is not behind it.
pub(crate) fn move_down(bytes: &mut [u8], from: Range<usize>, mut to: usize) {
    let Range { mut start, end } = from;
    while start < end {
        let piece = PIECE.min(end - start);
        bytes.copy_within(start..start + piece, to);
        start += piece;
        to += piece;
    }
}

/// A copy in an allocation of its exact size.
#[inline]
pub(crate) fn to_vec(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= PIECE {
        return bytes.to_vec();
    }
    let mut copy = Vec::with_capacity(bytes.len());
    append_long(&mut copy, bytes);
    copy
}

/// As [`to_vec`], of text.
#[inline]
pub(crate) fn to_string(text: &str) -> String {
    if text.len() <= PIECE { String::from(text) } else { long_to_string(text) }
}

#[cold]
fn long_to_string(text: &str) -> String {
    let mut copy = String::with_capacity(text.len());
    let mut rest = text;
    while rest.len() > PIECE {
        // A character has at most 4 bytes.
        let end = (PIECE - 3..=PIECE).rev().find(|&end| rest.is_char_boundary(end));
        let (piece, behind) = rest.split_at(end.unwrap_or(rest.len()));
        copy.push_str(piece);
        rest = behind;
    }
    copy.push_str(rest);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENS: [usize; 9] = [0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 10_000];

    fn bytes(len: usize) -> Vec<u8> {
        (0..=250).cycle().take(len).collect()
    }

    #[test]
    fn pieces_make_the_whole() {
        for len in LENS {
            let from = bytes(len);
            let (mut to, mut out) = (alloc::vec![0; len], alloc::vec![9, 9]);
            copy(&mut to, &from);
            append(&mut out, &from);
            assert!(to == from && out[..2] == [9, 9] && out[2..] == from, "{len}");
            assert_eq!((to_vec(&from), to_vec(&from).capacity()), (from, len));
        }
    }

    #[test]
    fn what_is_moved_down_may_overlap_itself() {
        for len in LENS {
            for to in [0, 1, 30] {
                for distance in [0, 1, 2, 14, 2048, 5000] {
                    let mut moved = bytes(to + distance + len + 3);
                    let mut expected = moved.clone();
                    let from = to + distance..to + distance + len;
                    expected.copy_within(from.clone(), to);
                    move_down(&mut moved, from, to);
                    assert!(moved == expected, "{len} bytes by {distance} to {to}");
                }
            }
        }
    }

    #[test]
    fn text_is_not_cut_inside_a_character() {
        for character in ["a", "é", "€", "😀"] {
            for shift in ["", "a", "ab", "abc"] {
                for len in LENS {
                    let text = String::from(shift) + &character.repeat(len / character.len());
                    let copy = to_string(&text);
                    assert_eq!(copy.capacity(), text.len());
                    assert_eq!(copy, text);
                }
            }
        }
    }
}
