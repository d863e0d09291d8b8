//! [`append`]: payloads that are masked while they are copied into the output.

use alloc::vec::Vec;

use super::{MaskKey, masked, write_last};

/// Appends `data` to `out`, masked on the way: one pass, and none that reads what it has just
/// written.
#[inline]
pub fn append(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    // A table, because lengths cannot be predicted well. Each is a call of its own, so that none
    // saves the registers that another one takes.
    match (data.len() | 1).ilog2() {
        ..3 => append_few(out, data, key),
        3 => append_ends::<8>(out, data, key),
        4 => append_ends::<16>(out, data, key),
        5 => append_ends::<32>(out, data, key),
        6 => append_ends::<64>(out, data, key),
        7 => append_ends::<128>(out, data, key),
        WIDE..LONG => super::wide::append(out, data, key),
        LONG.. => super::wide::append_long(out, data, key),
        _ => append_blocks(out, data, key),
    }
}

/// From 1 KiB on: to begin with an aligned block has to pay off as well.
const WIDE: u32 = super::WIDE.ilog2() + 1;

/// From 4 KiB on: more at once.
const LONG: u32 = 12;

/// [`append`] for less than 8 bytes.
#[inline(never)]
fn append_few(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    if !has_room(out, 8) {
        return append_anew(out, data, key);
    }
    let end = out.len() + data.len();
    out.extend_from_slice(&masked(up_to_eight(data), key));
    out.truncate(end);
}

/// What is less than 8 bytes, in one register and with zeros behind it.
#[inline(always)]
fn up_to_eight(data: &[u8]) -> [u8; 8] {
    let bits = match (data.first_chunk(), data.last_chunk()) {
        // Where they overlap they are the same.
        (Some(&first), Some(&last)) => {
            let last = u64::from(u32::from_le_bytes(last)) << (8 * (data.len() - 4) % 64);
            u64::from(u32::from_le_bytes(first)) | last
        }
        _ => {
            let byte = |at: usize| data.get(at).map_or(0, |byte| u64::from(*byte) << (8 * at));
            byte(0) | byte(1) | byte(2)
        }
    };
    bits.to_le_bytes()
}

/// [`append`] for `N` to twice `N` bytes: the first and the last `N`, which overlap.
#[inline(never)]
fn append_ends<const N: usize>(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    if !has_room(out, 2 * N) {
        return append_anew(out, data, key);
    }
    if let (Some(first), Some(last)) = (data.first_chunk::<N>(), data.last_chunk::<N>()) {
        let end = out.len() + data.len();
        out.extend_from_slice([masked(*first, key), [0; N]].as_flattened());
        out.truncate(end);
        write_last(out, masked(*last, key.advanced(data.len())));
    }
}

/// Whether so many bytes can be appended at once. Where they are, the compiler knows then that there
/// is room, and no registers are saved for making it.
#[inline(always)]
fn has_room(out: &Vec<u8>, count: usize) -> bool {
    out.capacity() - out.len() >= count
}

/// How much room [`append`] asks for at most, for a payload that takes less, in bytes.
pub const ROOM: usize = 256;

/// [`append`] where there is too little room.
#[cold]
#[inline(never)]
fn append_anew(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    out.reserve(ROOM);
    append(out, data, key);
}

/// [`append`] for 64 bytes or more; of use from 256 on. As in [`apply`](super::apply), the end is a
/// block that overlaps those before.
#[inline(never)]
fn append_blocks(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    if !has_room(out, data.len()) {
        return append_longer(out, data, key);
    }
    let end = out.len() + data.len();
    for block in data.as_chunks::<64>().0 {
        put(out, &masked(*block, key));
    }
    if let Some(last) = data.last_chunk::<64>() {
        out.truncate(end - 64);
        put(out, &masked(*last, key.advanced(data.len())));
    }
}

/// [`append`] of what may take more room than the least that is asked for.
#[cold]
#[inline(never)]
fn append_longer(out: &mut Vec<u8>, data: &[u8], key: MaskKey) {
    out.reserve(data.len());
    append(out, data, key);
}

/// Appends a block for which there is room: the compiler sees that, and makes nothing ready for a
/// call that asks for more.
#[inline(always)]
fn put(out: &mut Vec<u8>, block: &[u8; 64]) {
    let has_room = has_room(out, block.len());
    debug_assert!(has_room, "it was asked for");
    if has_room {
        out.extend_from_slice(block);
    }
}
