//! The frame decoder in any split, held against headers parsed where they lie and payloads unmasked
//! byte by byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use websocket_proto::connection::Role;
use websocket_proto::frame::{Decoder, Header, Masking, Order, Part, Rsv, Rules};
use websocket_proto::{Input, ProtocolError};
use websocket_proto_fuzz::{Setup, Split};

type Frames = (Vec<(Header, Vec<u8>)>, Option<ProtocolError>);

fuzz_target!(|data: &[u8]| {
    let Some((setup, rest)) = Setup::take(data) else { return };
    let wire = setup.wire(setup.role(), rest);
    let masking = match setup.role() {
        Role::Server => Masking::Required,
        Role::Client => Masking::Forbidden,
    };
    let rules = Rules { masking, rsv: Rsv::NONE, order: Order::Either };
    let expected = reference(&wire, rules);
    for split in [Split::Whole, Split::Bytewise, setup.split()] {
        assert_eq!(decode(&wire, rules, split), expected, "{split:?}");
    }
});

fn reference(mut rest: &[u8], rules: Rules) -> Frames {
    let mut frames = Vec::new();
    loop {
        match Header::parse_with(rest, rules) {
            Ok(Some((header, used))) => {
                let (_, body) = rest.split_at(used);
                let most = usize::try_from(header.len).unwrap_or(usize::MAX);
                let (payload, behind) = body.split_at(most.min(body.len()));
                let key = header.mask.map_or([0; 4], |key| key.to_bytes());
                let clear = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
                frames.push((header, clear.collect()));
                rest = behind;
            }
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

fn decode(wire: &[u8], rules: Rules, split: Split) -> Frames {
    let mut wire = wire.to_vec();
    let mut decoder = Decoder::new(rules);
    let mut frames: Vec<(Header, Vec<u8>)> = Vec::new();
    for piece in split.pieces(&mut wire) {
        let mut input = Input::new(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(Part::Header(header))) => frames.push((header, Vec::new())),
                Ok(Some(Part::Payload { bytes, end })) => {
                    let (header, payload) = frames.last_mut().expect("a header comes first");
                    assert!(!bytes.is_empty());
                    payload.extend_from_slice(bytes);
                    let left = header.len - u64::try_from(payload.len()).expect("fits");
                    assert_eq!((decoder.remaining(), end), (left, left == 0));
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }
    (frames, None)
}
