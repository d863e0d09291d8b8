//! Wire data that gets past the first header.

use websocket_proto::connection::Role;
use websocket_proto::frame::mask::{self, MaskKey};
use websocket_proto::frame::{Header, OpCode, Rsv};

/// Payload sizes in recipes: the borders of the encodings and of the crate's buffers, and multiples
/// of nine, at which [`PATTERNS`]\[1\] ends with a whole character.
const SIZES: [usize; 16] =
    [0, 1, 2, 9, 18, 125, 126, 127, 1000, 4095, 4096, 4097, 9000, 16_384, 65_535, 65_536];
const PATTERNS: [&[u8]; 4] = [b"text", "ä€😀".as_bytes(), b"\xf4\x90\x80", b"\x00"];
const MOST: usize = 8_000;

/// Frames from recipes of three bytes: the first byte of the frame, a size, and what is in it.
///
/// The top bit of the size has half of the payload left out, so that what follows is taken for it.
/// Recipes end when the wire data is long enough.
pub fn from_recipes(receiver: Role, recipes: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    // Runs on over the frames of a message, so that characters are split between them.
    let mut phase = 0;
    for &[first, size, fill] in recipes.as_chunks::<3>().0 {
        if wire.len() > MOST {
            break;
        }
        let len = SIZES[usize::from(size & 15)];
        let key = (receiver == Role::Server).then_some([fill, size, first, 0x5A]);
        let opcode = OpCode::from_bits(first & 15);
        let at = push_header(&mut wire, first, key, len);
        match opcode {
            Some(OpCode::Close) if len >= 2 => {
                let code = if fill < 0x80 { 995 + u16::from(fill) } else { u16::from(fill) * 23 };
                wire.extend_from_slice(&code.to_be_bytes());
                wire.extend(PATTERNS[usize::from(size >> 4 & 1)].iter().cycle().take(len - 2));
            }
            _ => {
                if opcode != Some(OpCode::Continuation) {
                    phase = 0;
                }
                let pattern = PATTERNS[usize::from(fill & 3)];
                wire.extend(pattern.iter().cycle().skip(phase).take(len));
                phase = (phase + len) % pattern.len();
            }
        }
        if let Some(key) = key {
            mask::apply(&mut wire[at..], MaskKey::new(key));
        }
        if size & 0x80 != 0 {
            wire.truncate(at + len / 2);
        }
    }
    wire
}

/// Any header, also one that no peer may send. Returns where the payload begins.
fn push_header(wire: &mut Vec<u8>, first: u8, key: Option<[u8; 4]>, len: usize) -> usize {
    let mask = key.map(MaskKey::new);
    let len = u64::try_from(len).expect("a size from the table");
    let header = Header { fin: true, rsv: Rsv::NONE, opcode: OpCode::Text, mask, len };
    let at = wire.len();
    wire.extend_from_slice(&header.encode());
    wire[at] = first;
    wire.len()
}

/// The same bytes with every mask bit set as `receiver` wants it, as far as lengths can be followed.
pub fn with_mask_bits(receiver: Role, bytes: &[u8]) -> Vec<u8> {
    let mut wire = bytes.to_vec();
    let mut at = 0_usize;
    while let Some(second) = wire.get_mut(at + 1) {
        match receiver {
            Role::Server => *second |= 0x80,
            Role::Client => *second &= 0x7f,
        }
        let Ok(Some((header, used))) = Header::parse(&wire[at..]) else { break };
        let Ok(len) = usize::try_from(header.len) else { break };
        at = at.saturating_add(used).saturating_add(len);
        if at >= wire.len() {
            break;
        }
    }
    wire
}
