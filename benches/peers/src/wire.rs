//! Frames, built and taken apart as simply as can be: what the bench itself speaks. Nobody's speed
//! is measured with this.

/// Who speaks: a client masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Server,
    Client,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }

    pub fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;

/// Appends a message that `from` sends, in fragments of at most `fragment` bytes.
pub fn push_message(out: &mut Vec<u8>, from: Role, opcode: u8, payload: &[u8], fragment: usize) {
    let mut pieces: Vec<&[u8]> = payload.chunks(fragment).collect();
    if pieces.is_empty() {
        pieces.push(payload);
    }
    let last = pieces.len() - 1;
    for (at, piece) in pieces.into_iter().enumerate() {
        let opcode = if at == 0 { opcode } else { CONTINUATION };
        push_frame(out, from, u8::from(at == last) << 7 | opcode, piece);
    }
}

/// Appends one frame whose first byte is given.
pub fn push_frame(out: &mut Vec<u8>, from: Role, first: u8, payload: &[u8]) {
    let masked = from == Role::Client;
    let bit = u8::from(masked) << 7;
    out.push(first);
    match payload.len() {
        len @ 0..=125 => out.push(bit | u8::try_from(len).expect("at most 125")),
        len => match u16::try_from(len) {
            Ok(len) => {
                out.push(bit | 126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(bit | 127);
                out.extend_from_slice(&u64::try_from(len).expect("64 bits").to_be_bytes());
            }
        },
    }
    if masked {
        // Not random, and different from frame to frame.
        let key = u32::try_from(out.len() & 0xffff).expect("16 bits").wrapping_mul(0x9e37_79b1) | 1;
        let key = key.to_le_bytes();
        out.extend_from_slice(&key);
        out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        out.extend_from_slice(payload);
    }
}

/// One frame at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
    /// Header and payload.
    pub len: usize,
}

/// The length of the first frame on the wire, if its header is there.
pub fn frame_len(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let (len, mut head) = match second & 127 {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        len => (usize::from(len), 2),
    };
    if second & 128 != 0 {
        head += 4;
    }
    Some((head, head + len))
}

/// Takes the first frame apart, if it is there whole.
pub fn parse_frame(bytes: &[u8]) -> Option<Frame> {
    let (head, len) = frame_len(bytes)?;
    let masked = bytes[1] & 128 != 0;
    let mut payload = bytes.get(head..len)?.to_vec();
    if masked {
        let key: Vec<u8> = bytes[head - 4..head].to_vec();
        payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
    Some(Frame { first: bytes[0], masked, payload, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_parsed() {
        for from in [Role::Server, Role::Client] {
            for size in [0, 125, 126, 65_535, 65_536] {
                let (payload, mut out) = (vec![7; size], Vec::new());
                push_message(&mut out, from, BINARY, &payload, usize::MAX);
                let frame = parse_frame(&out).expect("whole");
                assert_eq!((frame.first, &frame.payload), (0x82, &payload));
                assert_eq!((frame.masked, frame.len), (from == Role::Client, out.len()));
            }
        }
    }

    #[test]
    fn the_example_of_rfc_6455_is_parsed() {
        let frame = parse_frame(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").expect("whole");
        assert_eq!(frame.payload, b"Hello");
    }
}
