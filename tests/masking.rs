//! Masking (RFC 6455 §5.1, §5.3, §10.3): who masks, with which key, and what the bytes are.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use websocket_proto::connection::{Config, Connection, Fragment, Role};
use websocket_proto::endpoint;
use websocket_proto::frame::mask::{self, MaskKey};
use websocket_proto::{CloseCode, Kind, OwnedMessage, ProtocolError, SendError};

#[test]
fn a_server_fails_on_any_unmasked_frame() {
    // R5.1-3, R5.1-4: data, Ping, Pong and Close, empty ones too.
    for b0 in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let peer = receive(Role::Server, &frame(Role::Client, b0, payload));
            assert_eq!(peer.error, Some(ProtocolError::UnmaskedFrame), "{b0:#x}");
            assert_eq!((peer.close_code(), peer.seen), (Some(1002), vec![]));
        }
    }
}

#[test]
fn a_client_fails_on_any_masked_frame() {
    // R5.1-6, R5.1-7: also when the masking key is all zero and so changes nothing.
    for b0 in [0x81, 0x82, 0x01, 0x02, 0x88, 0x89, 0x8a] {
        for key in [KEY, [0; 4]] {
            for len in [0, 2] {
                let wire = [&header(b0, len, Some(key))[..], &[0x41; 2]].concat();
                let peer = receive(Role::Client, &wire);
                assert_eq!(peer.error, Some(ProtocolError::MaskedFrame), "{b0:#x}");
                assert_eq!((peer.close_code(), peer.seen), (Some(1002), vec![]));
            }
        }
    }
}

#[test]
fn an_all_zero_key_is_a_key() {
    // R5.2-6.
    let peer = receive(Role::Server, b"\x81\x82\0\0\0\0hi");
    assert_eq!(peer.seen, [Seen::text("hi")]);
}

#[test]
fn unmasking_follows_the_definition_across_reads_and_frames() {
    // R5.3-5, R5.3-6, R6.2-7, G4: each frame has its own key, which starts anew.
    for len in (0..70).chain([126, 130]) {
        let payload: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(37)).collect();
        let mut wire = Vec::new();
        for (b0, key) in [(0x02, [1, 2, 3, 4]), (0x00, [0xff, 0, 0xff, 0]), (0x80, KEY)] {
            wire.extend(header(b0, u64::from(len), Some(key)));
            wire.extend(masked(&payload, key));
        }
        let peer = receive(Role::Server, &wire);
        assert_eq!(peer.seen, [Seen::Binary(payload.repeat(3))], "{len}");
    }
}

#[test]
fn control_payloads_are_unmasked_too() {
    // G4.
    let payload: Vec<u8> = (0..125).collect();
    let peer = receive(Role::Server, &frame(Role::Server, 0x89, &payload));
    assert_eq!(peer.seen, [Seen::Ping(payload.clone())]);
    assert_eq!(peer.sent, [b"\x8a\x7d", &payload[..]].concat());
}

#[test]
fn apply_is_the_bytewise_definition_from_every_phase() {
    // R5.3-5, G5.
    let source: Vec<u8> = (0..400).map(|i: u16| u8::try_from(i % 253).unwrap()).collect();
    for at in 0..9 {
        for len in (0..70).chain([127, 128, 129, 255, 256, 257]) {
            for phase in 0..9usize {
                let mut ours = source.clone();
                mask::apply(&mut ours[at..at + len], MaskKey::new(KEY).advanced(phase));
                let mut turned = KEY;
                turned.rotate_left(phase % 4);
                assert_eq!(ours[at..at + len], masked(&source[at..at + len], turned));
                assert_eq!((&ours[..at], &ours[at + len..]), (&source[..at], &source[at + len..]));
            }
        }
    }
}

#[test]
fn what_a_client_sends_has_these_bytes() {
    // R5.1-1, R5.3-1, R6.1-8, with known keys: DE AD 00 01, DE AD 00 02 and so on. Not a round
    // trip: a wrong phase in both directions would cancel out.
    let (mut client, mut out) = (open(Role::Client), Vec::new());
    client.send("Hello", &mut out).unwrap();
    // 48^de 65^ad 6c^00 6c^01 6f^de
    assert_eq!(out, b"\x81\x85\xde\xad\x00\x01\x96\xc8\x6c\x6d\xb1");
    out.clear();
    client.send(b"", &mut out).unwrap();
    assert_eq!(out, b"\x82\x80\xde\xad\x00\x02");
    assert_eq!(&*client.ping(b"Hi").unwrap(), b"\x89\x82\xde\xad\x00\x03\x96\xc4");
    assert_eq!(&*client.pong(b"").unwrap(), b"\x8a\x80\xde\xad\x00\x04");
    let mut payload = *b"Hello";
    let head = client.send_in_place(Kind::Text, &mut payload).unwrap();
    assert_eq!(&*head, b"\x81\x85\xde\xad\x00\x05");
    assert_eq!(payload, [0x48 ^ 0xde, 0x65 ^ 0xad, 0x6c, 0x6c ^ 0x05, 0x6f ^ 0xde]);
    // 03^de e8^ad 62^00 79^06 65^de
    let close = client.close(CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(&*close, b"\x88\x85\xde\xad\x00\x06\xdd\x45\x62\x7f\xbb");
}

#[test]
fn a_server_masks_nothing() {
    // R5.1-5.
    let (mut server, mut out) = (open(Role::Server), Vec::new());
    server.send("Hello", &mut out).unwrap();
    out.extend_from_slice(&server.ping(b"Hello").unwrap());
    let mut payload = *b"Hello";
    out.extend_from_slice(&server.send_in_place(Kind::Binary, &mut payload).unwrap());
    out.extend_from_slice(&payload);
    out.extend_from_slice(&server.close(CloseCode::NORMAL, "").unwrap());
    assert_eq!(out, b"\x81\x05Hello\x89\x05Hello\x82\x05Hello\x88\x02\x03\xe8");
    assert_eq!(keys_drawn(), 0);
}

#[test]
fn large_payloads_are_masked_without_a_seam() {
    // R5.3-6: the payload is masked in blocks while it is copied.
    for len in [8_191, 8_192, 8_193, 16_385, 30_001] {
        let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
        let (mut client, mut out) = (open(Role::Client), Vec::new());
        client.send(&payload, &mut out).unwrap();
        assert_eq!(sent_by(Role::Client, &out), [(0x82, payload)]);
    }
}

#[test]
fn every_frame_of_a_client_draws_a_key_of_its_own() {
    // R5.3-2, R10.3-1, defence 36: fragments, control frames and automatic replies as well.
    let mut peer = Peer::new(Role::Client);
    let mut out = Vec::new();
    peer.connection.send("a", &mut out).unwrap();
    peer.connection.send_part("b", Fragment::More, &mut out).unwrap();
    out.extend_from_slice(&peer.connection.ping(b"").unwrap());
    peer.connection.send_part("c", Fragment::More, &mut out).unwrap();
    peer.connection.send_part("d", Fragment::Last, &mut out).unwrap();
    peer.feed(b"\x89\x01p\x89\x01q"); // two Pings
    out.append(&mut peer.sent);
    peer.feed(b"\x88\x02\x03\xe8"); // Close
    out.append(&mut peer.sent);
    let keys: Vec<_> = parse(&out).into_iter().map(|frame| frame.key).collect();
    assert_eq!(keys, (1..=8).map(|n| Some(key(n))).collect::<Vec<_>>());
    assert_eq!(keys_drawn(), 8);
}

#[test]
fn without_a_key_nothing_is_sent_and_nothing_is_lost() {
    // Defence 36: the failure of the source is an error, never a frame without entropy.
    let mut peer = Peer::new(Role::Client);
    let mut out = Vec::new();
    set_dry(true);
    let none = Err(SendError::NoEntropy);
    let client = &mut peer.connection;
    assert_eq!(client.send("x", &mut out), none);
    assert_eq!(client.send_part("x", Fragment::More, &mut out), none);
    assert_eq!(client.ping(b"").err(), none.err());
    assert_eq!(client.pong(b"").err(), none.err());
    let mut payload = *b"untouched";
    assert_eq!(client.send_in_place(Kind::Text, &mut payload).err(), none.err());
    assert_eq!((&payload, out.len()), (b"untouched", 0));
    assert_eq!(client.close(CloseCode::NORMAL, "").err(), none.err());
    assert_eq!(client.close_without_status().err(), none.err());
    assert!(client.is_open(), "a Close that was not sent closes nothing");
    set_dry(false);
    // The part that failed did not begin a message.
    client.send("y", &mut out).unwrap();
    assert_eq!(sent_by(Role::Client, &out), [(0x81, b"y".to_vec())]);
}

#[test]
fn without_a_key_replies_stay_due() {
    // R5.5.2-2, R5.5.1-8: they leave as soon as there are keys again.
    let mut peer = Peer::new(Role::Client);
    peer.transmits = false;
    set_dry(true);
    peer.feed(b"\x89\x01p");
    for _ in 0..2 {
        assert_eq!(peer.connection.poll_control().err(), Some(SendError::NoEntropy));
        assert!(peer.connection.wants_transmit());
    }
    set_dry(false);
    peer.connection.poll_transmit(&mut peer.sent).unwrap();
    assert_eq!(peer.frames(), [(0x8a, b"p".to_vec())]);
    set_dry(true);
    peer.feed(b"\x88\x00");
    assert_eq!(peer.connection.poll_transmit(&mut peer.sent), Err(SendError::NoEntropy));
    assert!(peer.connection.wants_transmit() && !peer.connection.should_close_transport());
    set_dry(false);
    peer.connection.poll_transmit(&mut peer.sent).unwrap();
    assert_eq!(peer.frames()[1..], [(0x88, vec![])]);
    assert!(peer.outcome().unwrap().is_clean());
}

#[test]
fn without_a_key_an_error_still_gets_its_close_later() {
    let mut peer = Peer::new(Role::Client);
    peer.transmits = false;
    set_dry(true);
    peer.feed(b"\x83\x00"); // a reserved opcode
    assert_eq!(peer.connection.poll_transmit(&mut peer.sent), Err(SendError::NoEntropy));
    assert!(peer.connection.wants_transmit());
    set_dry(false);
    peer.connection.poll_transmit(&mut peer.sent).unwrap();
    assert_eq!(peer.close_code(), Some(1002));
}

#[test]
fn without_a_key_an_endpoint_keeps_its_replies_due() {
    let mut run = Run::new(endpoint(Role::Client));
    set_dry(true);
    run.read(b"\x89\x01p\x81\x01x", 99);
    assert_eq!(run.messages, [Seen::text("x")], "receiving goes on");
    assert_eq!(run.endpoint.queued(), 0);
    assert_eq!(run.endpoint.transmit(), Err(SendError::NoEntropy));
    assert_eq!(run.endpoint.send("x"), Err(SendError::NoEntropy));
    let unsent = run.endpoint.send_owned(vec![0; 5000]).unwrap_err();
    assert_eq!((unsent.error, unsent.message.as_bytes()), (SendError::NoEntropy, &[0; 5000][..]));
    let text = "ü".repeat(2_500);
    let unsent = run.endpoint.send_owned(text.clone()).unwrap_err();
    assert_eq!(unsent.message, OwnedMessage::from(text), "not masked");
    let shared = Bytes::from(vec![0; 5_000]);
    let unsent = run.endpoint.send_owned(shared.clone()).unwrap_err();
    assert_eq!(unsent.message, OwnedMessage::Binary(shared));
    assert_eq!(run.endpoint.close(CloseCode::NORMAL, ""), Err(SendError::NoEntropy));
    set_dry(false);
    run.endpoint.transmit().unwrap();
    assert_eq!(sent_by(Role::Client, &drain(&mut run.endpoint)), [(0x8a, b"p".to_vec())]);
}

#[test]
fn a_source_that_repeats_itself_is_the_sources_affair() {
    // Whatever the key is, it is used: the state machine adds no randomness of its own.
    fn zero(bytes: &mut [u8]) -> Result<(), websocket_proto::connection::NoEntropy> {
        bytes.fill(0);
        Ok(())
    }
    let mut out = Vec::new();
    Connection::client(&Config::default(), zero).send("hi", &mut out).unwrap();
    assert_eq!(out, b"\x81\x82\0\0\0\0hi");
}

#[test]
fn random_keys_differ() {
    // R5.3-3, R5.3-4: at least no key comes twice in a row, whatever the length asked for.
    for len in [4, 16, 31, 32, 33, 500] {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let mut bytes = vec![0; len];
            websocket_proto::random_keys(&mut bytes).unwrap();
            assert!(seen.insert(bytes) || len == 4);
        }
        assert!(seen.len() > 195);
    }
}

#[test]
fn debug_shows_no_masking_key() {
    // R10.3-1, defence 39: a key in a log before its frame is out is a key that is known. The keys
    // are DE AD 00 nn for what a client sends, and 37 FA 21 3D for what a server is receiving.
    let leaks = |shown: &str, key: [u8; 4]| {
        let [a, b, c, d] = key;
        let lines = shown.split_whitespace().collect::<String>();
        lines.contains(&format!("{a},{b},{c},{d}"))
            || shown.contains(&key.escape_ascii().to_string())
    };
    let key = KEY;
    assert!(!leaks(&format!("{:?}", MaskKey::new(key)), key));
    let head = websocket_proto::frame::Header {
        fin: true,
        rsv: websocket_proto::frame::Rsv::NONE,
        opcode: websocket_proto::frame::OpCode::Text,
        mask: Some(MaskKey::new(key)),
        len: 3,
    };
    assert!(!leaks(&format!("{head:?} {:?}", head.encode()), key));
    let mut server = Peer::new(Role::Server);
    server.feed(&header(0x81, 3, Some(key))[..3]);
    server.feed(&header(0x81, 3, Some(key))[3..]);
    assert!(!leaks(&format!("{:?}", server.connection), key), "Connection, key received");
}

#[test]
fn debug_of_an_endpoint_shows_no_masking_key() {
    let mut client = endpoint_with(Role::Client, &endpoint::Config::default());
    client.send("secret").unwrap();
    client.send_owned(vec![7; 5000]).unwrap();
    client.send("secret").unwrap();
    for shown in [format!("{client:?}"), format!("{client:#?}")] {
        let shown = shown.split_whitespace().collect::<String>();
        // As numbers in the tail of the queue, or as an escaped string in what is sealed.
        assert!(!shown.contains("222,173,0,"), "a key that has not been written yet");
        assert!(!shown.contains("\\xde\\xad\\0"), "a key that has not been written yet");
    }
}
