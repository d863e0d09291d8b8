//! Copying payloads, in pieces where that matters.
//!
//! Copies of more than about 2 KiB are made by an instruction (`rep movsb`, by glibc 2.36) that
//! takes 15 to 30 times as long on a Zen 3 where the destination lies 1 to 31 bytes behind its
//! source, but for whole pages of 4 KiB. With payloads that is no rare chance: large allocations
//! begin at the same place of a page, and between source and destination is a header. There the
//! copy is made in shorter ones, by vectors (`cargo bench --bench count`, the rows `aliased`).
//! Everywhere else that instruction is welcome: it does not first read what it writes over, which
//! takes 1 MiB in fragments of 4 KiB 0.93 of the time where that has left the cache.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// What is copied at once where a longer copy may be slow, in bytes.
const PIECE: usize = 2048;

/// How much of a copy of `len` bytes to make at once.
#[inline]
fn piece<T>(to: *const T, from: *const T, len: usize) -> usize {
    let distance = to.addr().wrapping_sub(from.addr()) % PAGE;
    if (1..NEAR).contains(&distance) { PIECE } else { len }
}

/// What is copied is near itself if the distance is less than this, in bytes, but for whole pages.
const NEAR: usize = 64;
const PAGE: usize = 4096;

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
    let piece = piece(to.as_ptr(), from.as_ptr(), from.len());
    for (to, from) in to.chunks_mut(piece).zip(from.chunks(piece)) {
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
    let piece = piece(out.as_ptr_range().end, bytes.as_ptr(), bytes.len());
    for piece in bytes.chunks(piece) {
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
    let piece = piece(copy.as_ptr(), text.as_ptr(), text.len());
    let mut rest = text;
    while rest.len() > piece {
        // A character has at most 4 bytes.
        let end = (piece - 3..=piece).rev().find(|&end| rest.is_char_boundary(end));
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
    fn copies_near_themselves_are_the_same() {
        for len in LENS {
            for behind in [0, 1, 31, 63, 64, 4_095] {
                let mut all = bytes(16_384 + behind + len);
                let (from, to) = all.split_at_mut(16_384 + behind);
                to.fill(0xff);
                copy(to, &from[..len]);
                assert!(to == bytes(len), "{len} bytes, {behind} behind");
            }
        }
    }

    #[test]
    fn pieces_are_short_only_where_a_copy_is_near_itself() {
        let page = [0u8; 2 * PAGE];
        let whole =
            |distance: usize| piece(&raw const page[PAGE], &raw const page[PAGE - distance], 5_000);
        assert_eq!([0, 64, 4_095, 4_096].map(whole), [5_000; 4]);
        assert_eq!([1, 31, 63].map(whole), [PIECE; 3]);
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
