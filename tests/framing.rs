//! Base framing (RFC 6455 §5.2, §5.7): headers, lengths, reserved bits, and the work per byte.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use websocket_proto::connection::{Config, Role};
use websocket_proto::frame::{
    Decoder, Header, Masking, OpCode, Order, Part, Rsv, Rules, mask::MaskKey,
};
use websocket_proto::{Event, Input, Kind, ProtocolError};

// ---- RFC 6455 §5.7 (R5.7-1, V-F1 to V-F7) -------------------------------------------------------

#[test]
fn vectors_of_the_rfc_are_understood() {
    // V-F1: an unmasked text.
    let peer = receive(Role::Client, b"\x81\x05\x48\x65\x6c\x6c\x6f");
    assert_eq!(peer.seen, [Seen::text("Hello")]);
    // V-F2: the same, masked.
    let peer = receive(Role::Server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(peer.seen, [Seen::text("Hello")]);
    // V-F3: in two fragments.
    let peer = receive(Role::Client, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f");
    assert_eq!(peer.seen, [Seen::text("Hello")]);
    // V-F4: a Ping; its Pong is masked with the first key that was drawn.
    let peer = receive(Role::Client, b"\x89\x05\x48\x65\x6c\x6c\x6f");
    assert_eq!(peer.seen, [Seen::Ping(b"Hello".into())]);
    assert_eq!(peer.sent, b"\x8a\x85\xde\xad\x00\x01\x96\xc8\x6c\x6d\xb1");
    // V-F5: a masked Pong.
    let peer = receive(Role::Server, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!((peer.seen, peer.sent), (vec![Seen::Pong(b"Hello".into())], vec![]));
    // V-F6: 256 bytes.
    let payload: Vec<u8> = (0..=255).collect();
    let peer = receive(Role::Client, &[b"\x82\x7e\x01\x00", &payload[..]].concat());
    assert_eq!(peer.seen, [Seen::Binary(payload)]);
}

#[test]
fn vector_of_64_kib_is_understood() {
    // V-F7.
    let payload: Vec<u8> = (0..=255).cycle().take(65_536).collect();
    let wire = [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", &payload[..]].concat();
    let peer = receive(Role::Client, &wire);
    assert_eq!(peer.seen, [Seen::Binary(payload)]);
}

#[test]
fn headers_have_the_bytes_of_the_rfc() {
    // R5.2-7, R5.2-9 at every boundary, both directions; the bytes are written by hand.
    let key = MaskKey::new(KEY);
    let cases: [(u64, Option<MaskKey>, &[u8]); 14] = [
        (0, None, b"\x82\x00"),
        (1, None, b"\x82\x01"),
        (125, None, b"\x82\x7d"),
        (126, None, b"\x82\x7e\x00\x7e"),
        (127, None, b"\x82\x7e\x00\x7f"),
        (256, None, b"\x82\x7e\x01\x00"),
        (65_535, None, b"\x82\x7e\xff\xff"),
        (65_536, None, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (i64::MAX.unsigned_abs(), None, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (0, Some(key), b"\x82\x80\x37\xfa\x21\x3d"),
        (125, Some(key), b"\x82\xfd\x37\xfa\x21\x3d"),
        (126, Some(key), b"\x82\xfe\x00\x7e\x37\xfa\x21\x3d"),
        (65_535, Some(key), b"\x82\xfe\xff\xff\x37\xfa\x21\x3d"),
        (65_536, Some(key), b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x37\xfa\x21\x3d"),
    ];
    for (len, mask, bytes) in cases {
        let header = Header { fin: true, rsv: Rsv::NONE, opcode: OpCode::Binary, mask, len };
        assert_eq!(&*header.encode(), bytes, "{len}");
        assert_eq!(Header::parse(bytes), Ok(Some((header, bytes.len()))), "{len}");
        for end in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..end]), Ok(None), "{len}, {end} bytes");
        }
    }
}

#[test]
fn every_first_byte_is_encoded_as_it_is_read() {
    // R5.2-1, R5.2-5.
    for b0 in 0..=255u8 {
        let Ok(Some((header, 2))) = Header::parse(&[b0, 5]) else {
            let opcode = b0 & 0x0f;
            let reserved = matches!(opcode, 3..=7 | 11..=15);
            assert!(reserved || (opcode >= 8 && b0 < 0x80), "{b0:#x}");
            continue;
        };
        assert_eq!(&*header.encode(), [b0, 5]);
        assert_eq!((header.fin, header.opcode.bits()), (b0 >= 0x80, b0 & 0x0f));
        assert_eq!(header.opcode.is_control(), b0 & 0x0f >= 8);
    }
}

// ---- the first two bytes: all of them (defence 16) -----------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InMessage,
    CloseSent,
}

/// What is wrong with a frame that begins so, and how many bytes prove it.
fn reference(b0: u8, b1: u8, to: Role, state: State) -> Option<(usize, ProtocolError)> {
    let opcode = b0 & 0x0f;
    if matches!(opcode, 3..=7 | 11..=15) {
        return Some((1, ProtocolError::ReservedOpcode(opcode)));
    }
    if b0 & 0x70 != 0 {
        return Some((1, ProtocolError::ReservedBits(b0 & 0x70)));
    }
    let control = opcode >= 8;
    if control && b0 < 0x80 {
        return Some((1, ProtocolError::FragmentedControl));
    }
    if let Some(error) = order_error(opcode, state) {
        return Some((1, error));
    }
    match (to, b1 >= 0x80) {
        (Role::Server, false) => return Some((2, ProtocolError::UnmaskedFrame)),
        (Role::Client, true) => return Some((2, ProtocolError::MaskedFrame)),
        _ => {}
    }
    (control && b1 & 0x7f > 125).then_some((2, ProtocolError::ControlTooLong))
}

fn order_error(opcode: u8, state: State) -> Option<ProtocolError> {
    match (opcode, state) {
        (0, State::Idle | State::CloseSent) => Some(ProtocolError::UnexpectedContinuation),
        (1 | 2, State::InMessage) => Some(ProtocolError::UnfinishedMessage),
        _ => None,
    }
}

fn peer_in(state: State, role: Role, message: &[u8]) -> Peer {
    let mut peer = Peer::new(role);
    match state {
        State::Idle => {}
        State::InMessage => peer.feed(message),
        State::CloseSent => {
            let _ = peer.connection.close(1000.into(), "").unwrap();
        }
    }
    peer
}

fn each_state(mut check: impl FnMut(Role, State, &[u8])) {
    for role in ROLES {
        let message = frame(role, 0x01, b"a");
        for state in [State::Idle, State::InMessage, State::CloseSent] {
            check(role, state, &message);
        }
    }
}

#[test]
fn all_two_byte_headers_are_judged_at_the_byte_that_decides() {
    // R5.1-3, R5.1-6, R5.2-2 to R5.2-5, R5.5-1 to R5.5-3, R5.4-8; defence 16. Frames out of order
    // have the next test.
    each_state(|role, state, message| {
        for b0 in 0..=255 {
            for b1 in 0..=255 {
                let expected = reference(b0, b1, role, state);
                if order_error(b0 & 0x0f, state).is_some()
                    && expected.is_some_and(|(_, error)| error.section() == "5.4")
                {
                    continue;
                }
                let mut peer = peer_in(state, role, message);
                let what = format!("{b0:#04x} {b1:#04x}, to {role:?}, {state:?}");
                peer.feed(&[b0]);
                match expected {
                    Some((1, error)) => assert_eq!(peer.error, Some(error), "{what}"),
                    _ => assert_eq!((peer.error, &*peer.seen), (None, &[][..]), "{what}"),
                }
                peer.feed(&[b1]);
                assert_eq!(peer.error, expected.map(|(_, error)| error), "{what}");
                if let Some(error) = peer.error {
                    assert_eq!(error.close_code().0, 1002, "{what}");
                    assert!(peer.seen.is_empty(), "{what}");
                    continue;
                }
                let a = if state == State::InMessage { "a" } else { "" };
                let seen = match b0 {
                    // A whole frame only if it is empty and not masked.
                    _ if b1 != 0 => None,
                    0x80 | 0x81 => Some(Seen::text(a)),
                    0x82 => Some(Seen::binary(b"")),
                    0x88 => Some(Seen::Close(None)),
                    0x89 => Some(Seen::Ping(vec![])),
                    0x8a => Some(Seen::Pong(vec![])),
                    _ => None,
                };
                assert_eq!(peer.seen, Vec::from_iter(seen), "{what}");
            }
        }
    });
}

#[test]
fn frames_out_of_order_are_refused_at_their_first_byte() {
    // R5.4-5, R5.4-6; defence 16, C4, C5: the first byte proves it.
    each_state(|role, state, message| {
        for b0 in 0..=255 {
            let Some((1, error)) = reference(b0, 0, role, state) else { continue };
            let mut peer = peer_in(state, role, message);
            peer.feed(&[b0]);
            assert_eq!(peer.error, Some(error), "{b0:#04x}, to {role:?}, {state:?}");
        }
    });
}

#[test]
fn frames_out_of_order_are_refused_at_their_header() {
    // R5.4-5, R5.4-6, for every length form: at the latest when the header is there.
    each_state(|role, state, message| {
        for b0 in [0x00, 0x80, 0x01, 0x81, 0x02, 0x82] {
            let Some(error) = order_error(b0 & 0x0f, state) else { continue };
            for len in [0, 1, 125, 126, 65_535, 65_536] {
                let head = header(b0, len, (role == Role::Server).then_some(KEY));
                let peer = receive_by(|| peer_in(state, role, message), &head);
                assert_eq!((peer.error, &*peer.seen), (Some(error), &[][..]));
            }
        }
    });
}

// ---- reserved bits ------------------------------------------------------------------------------

#[test]
fn every_combination_of_reserved_bits_is_refused() {
    // R5.2-2, R5.2-3, with the frame otherwise in order.
    for role in ROLES {
        for bits in (0x10..=0x70).step_by(0x10) {
            for b0 in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
                let peer = receive(role, &frame(role, b0 | bits, b""));
                assert_eq!(peer.error, Some(ProtocolError::ReservedBits(bits)), "{b0:#x}");
                assert_eq!(peer.close_code(), Some(1002));
            }
        }
    }
}

#[test]
fn a_negotiated_bit_is_taken_on_the_first_data_frame_only() {
    // R5.2-3, defence 18; RFC 7692 §6.1.
    let mut config = Config::default();
    config.rsv = Rsv::RSV1;
    for role in ROLES {
        for first in [0x41, 0xc1, 0x42, 0xc2] {
            let peer = receive_with(role, &config, &frame(role, first, b"x"));
            assert_eq!(peer.error, None);
        }
        for wrong in [0xa1, 0x91, 0xf1, 0x61, 0xc8, 0xc9, 0xca] {
            let peer = receive_with(role, &config, &frame(role, wrong, b""));
            assert_eq!(peer.error, Some(ProtocolError::ReservedBits(wrong & 0x70)));
        }
        let list: [(u8, &[u8]); 2] = [(0x41, b"a"), (0xc0, b"b")];
        let peer = receive_with(role, &config, &frames(role, &list));
        assert_eq!(peer.error, Some(ProtocolError::ReservedBits(0x40)));
    }
}

#[test]
fn the_bits_of_the_first_frame_come_with_each_piece() {
    let mut config = Config::default();
    config.rsv = Rsv::RSV1;
    let mut server = connection(Role::Server, &config);
    let mut bytes = frames(Role::Server, &[(0x41, b"a"), (0x80, b"b"), (0x81, b"c")]);
    let (mut input, mut seen) = (Input::new(&mut bytes), Vec::new());
    while let Some(Event::Data(piece)) = server.receive(&mut input).unwrap() {
        seen.push((piece.kind, piece.rsv, piece.first, piece.last, piece.payload.to_vec()));
    }
    let text = Kind::Text;
    assert_eq!(
        seen,
        [
            (text, Rsv::RSV1, true, false, b"a".to_vec()),
            (text, Rsv::RSV1, false, true, b"b".to_vec()),
            (text, Rsv::NONE, true, true, b"c".to_vec()),
        ]
    );
}

// ---- lengths ------------------------------------------------------------------------------------

#[test]
fn all_16_bit_lengths_are_taken_only_in_their_shortest_form() {
    // R5.2-9, N-3, V-F8, defence 17.
    for len in 0..=u16::MAX {
        let [a, b] = len.to_be_bytes();
        let short = Header::parse(&[0x82, 126, a, b]);
        let long = Header::parse(&[0x82, 127, 0, 0, 0, 0, 0, 0, a, b]);
        if len > 125 {
            assert_eq!(short.unwrap().unwrap().0.len, u64::from(len));
        } else {
            assert_eq!(short, Err(ProtocolError::NonMinimalLength), "{len}");
        }
        assert_eq!(long, Err(ProtocolError::NonMinimalLength), "{len}");
    }
}

#[test]
fn a_length_that_is_too_long_a_form_fails_the_connection() {
    // R5.2-9, V-F8: 7e 00 7c announces 124 bytes.
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        for (b1, len) in [
            (126, vec![0, 0x7c]),
            (126, vec![0, 0]),
            (127, vec![0; 8]),
            (127, vec![0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        ] {
            let wire = [&[0x82, mask | b1], &len[..]].concat();
            let peer = receive(role, &wire);
            assert_eq!(peer.error, Some(ProtocolError::NonMinimalLength));
            assert_eq!(peer.close_code(), Some(1002));
        }
    }
}

#[test]
fn a_length_of_2_to_the_63_is_refused_at_its_first_byte() {
    // R5.2-8, defence 17, C1.
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        for first in [0x80, 0xff] {
            let peer = receive(role, &[0x82, mask | 127, first]);
            assert_eq!(peer.error, Some(ProtocolError::LengthOverflow));
            assert_eq!(peer.close_code(), Some(1002));
        }
    }
    // The same with the whole header in one piece, and the seed that made another crate panic.
    let whole = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Header::parse(&whole), Err(ProtocolError::LengthOverflow));
    let seed = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xeb\x0e\x8f";
    assert_eq!(receive(Role::Server, seed).error, Some(ProtocolError::FragmentedControl));
    let seed = b"\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xeb\x0e\x8f";
    assert_eq!(receive(Role::Server, seed).error, Some(ProtocolError::LengthOverflow));
}

#[test]
fn lengths_around_every_power_of_two_are_whole_numbers() {
    // R5.2-8, C1: no truncation, no sign.
    for bit in 16..63 {
        for len in [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1] {
            let head = header(0x82, len, Some(KEY));
            let (parsed, used) = Header::parse(&head).unwrap().unwrap();
            assert_eq!((parsed.len, used), (len, head.len()));
            assert_eq!(&*parsed.encode(), head);
            let mut decoder = Decoder::new(Rules {
                masking: Masking::Required,
                rsv: Rsv::NONE,
                order: Order::Either,
            });
            let mut bytes = [&head[..], b"abc"].concat();
            let mut input = Input::new(&mut bytes);
            assert!(matches!(decoder.decode(&mut input), Ok(Some(Part::Header(_)))));
            let Ok(Some(Part::Payload { bytes, end })) = decoder.decode(&mut input) else {
                panic!("payload is handed on as it comes")
            };
            assert_eq!((bytes.len(), end), (3, false));
            assert_eq!(decoder.remaining(), len - 3);
        }
    }
}

#[test]
fn a_decoder_that_is_used_behind_its_error_says_it_again() {
    let rules = Rules { masking: Masking::Forbidden, rsv: Rsv::NONE, order: Order::Either };
    // By bytes: what is wrong with the header is known at its second, or at its last.
    for head in [header(0x81, 5, Some(KEY)), header(0x81, 5, None), header(0xFF, 1 << 40, None)] {
        let mut decoder = Decoder::new(rules);
        for byte in [&head[..], &[0xFF; 40]].concat() {
            let mut bytes = [byte];
            let _ = decoder.decode(&mut Input::new(&mut bytes));
        }
    }
}

// ---- any bytes whatever (R6.2-1, defences 20 and 21) -------------------------------------------------

/// Bytes that are often frames, and often almost.
fn wire(to: Role) -> impl Strategy<Value = Vec<u8>> {
    let b0 = prop_oneof![
        6 => prop::sample::select(vec![0x00u8, 0x80, 0x01, 0x81, 0x02, 0x82, 0x89, 0x8a]),
        1 => Just(0x88u8),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::collection::vec(0x61..0x7bu8, 0..140),
        "\\PC{0,6}".prop_map(String::into_bytes),
        Just(vec![0x03, 0xe8]),
    ];
    let whole = (b0, payload).prop_map(move |(b0, payload)| frame(to, b0, &payload));
    let piece = prop_oneof![9 => whole, 1 => prop::collection::vec(any::<u8>(), 0..8)];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn cut_up<'b>(bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let (mut rest, mut out) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*size));
        out.push(piece);
        rest = after;
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_split_of_any_bytes_gives_the_same(
        (role, bytes) in prop::sample::select(&ROLES).prop_flat_map(|role| (Just(role), wire(role))),
        sizes in prop::collection::vec(1usize..40, 1..6),
    ) {
        let mut whole = Peer::new(role);
        whole.feed(&bytes);
        // Defence 21: each call consumes, gives something, or asks for more.
        prop_assert!(whole.calls <= 2 * bytes.len() + 8);
        let mut split = Peer::new(role);
        let pieces = cut_up(&bytes, &sizes);
        pieces.iter().for_each(|piece| split.feed(piece));
        prop_assert!(split.calls <= 3 * bytes.len() + 8);
        prop_assert_eq!(split.result(), whole.result());
        // Whatever was sent is well-formed, and nothing follows a Close.
        let sent = whole.frames();
        let close = sent.iter().position(|(b0, _)| *b0 == 0x88);
        prop_assert!(close.is_none_or(|at| at + 1 == sent.len()));
        let _ = format!("{whole:?} {:?} {:?}", whole.error.map(|e| e.to_string()), whole.outcome());
    }

    #[test]
    fn any_bytes_through_an_endpoint_are_as_through_a_connection(
        (role, bytes) in prop::sample::select(&ROLES).prop_flat_map(|role| (Just(role), wire(role))),
    ) {
        let _ = receive(role, &bytes[..bytes.len().min(60)]);
        let _ = receive(role, &bytes);
    }

    #[test]
    fn what_is_encoded_is_decoded(
        b0 in prop::sample::select(vec![0x00u8, 0x80, 0x01, 0xf1, 0x42, 0x82, 0x88, 0x89, 0x8a]),
        len in prop_oneof![0..126u64, 0..70_000u64, 0..=i64::MAX.unsigned_abs()],
        key in prop::option::of(any::<[u8; 4]>()),
    ) {
        let len = if b0 & 8 == 0 { len } else { len % 126 };
        let head = header(b0, len, key);
        let (parsed, used) = Header::parse(&head).unwrap().unwrap();
        prop_assert_eq!((used, parsed.len, parsed.mask), (head.len(), len, key.map(MaskKey::new)));
        prop_assert_eq!(&*parsed.encode(), &head[..]);
    }

    #[test]
    fn messages_reach_the_other_end_as_they_were_sent(
        role in prop::sample::select(&ROLES),
        messages in prop::collection::vec(
            prop_oneof![
                "\\PC{0,40}".prop_map(Seen::Text),
                prop::collection::vec(any::<u8>(), 0..300).prop_map(Seen::Binary),
            ],
            0..6,
        ),
        sizes in prop::collection::vec(1usize..90, 1..4),
    ) {
        // The other end first: making one starts the keys anew.
        let mut receiver = Peer::new(other(role));
        let (mut sender, mut out) = (open(role), Vec::new());
        for message in &messages {
            match message {
                Seen::Text(text) => sender.send(text, &mut out).unwrap(),
                Seen::Binary(bytes) => sender.send(bytes, &mut out).unwrap(),
                _ => {}
            }
        }
        cut_up(&out, &sizes).iter().for_each(|piece| receiver.feed(piece));
        prop_assert_eq!(&receiver.seen, &messages);
        prop_assert_eq!(sent_by(role, &out).len(), messages.len());
    }
}
