//! Masking keys that two runs draw alike, so that their output can be compared byte by byte.

use std::cell::Cell;

use websocket_proto::connection::NoEntropy;

thread_local! {
    static DRAWN: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
    static DRY: Cell<bool> = const { Cell::new(false) };
}

/// Starts all sequences anew.
pub fn reset() {
    DRAWN.set([0; 3]);
    DRY.set(false);
}

/// Whether the sources of [`subject`] and [`model`] have nothing to give.
pub fn set_dry(dry: bool) {
    DRY.set(dry);
}

/// Keys of what is under test.
pub fn subject(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    if DRY.get() { Err(NoEntropy) } else { draw(0, bytes) }
}

/// The same keys, for the model that it is held against.
pub fn model(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    if DRY.get() { Err(NoEntropy) } else { draw(1, bytes) }
}

/// Keys of the other end.
pub fn peer(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    draw(2, bytes)
}

fn draw(who: usize, bytes: &mut [u8]) -> Result<(), NoEntropy> {
    let mut drawn = DRAWN.get();
    drawn[who] = drawn[who].wrapping_add(1);
    DRAWN.set(drawn);
    let key = drawn[who].wrapping_mul(0x9E37_79B1).to_be_bytes();
    for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
        *byte = *key;
    }
    Ok(())
}
