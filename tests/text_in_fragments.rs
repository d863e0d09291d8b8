//! Text in large fragments (RFC 6455 §5.4, §5.6, §8.1): whether or not it is ASCII, and from
//! whichever byte on it is not, it is judged as `std` judges it and comes as it was sent.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use websocket_proto::connection::Role;
use websocket_proto::endpoint::{Config, Endpoint, Received, Status};
use websocket_proto::{OwnedMessage, ProtocolError};

/// Sizes of fragments; the last one takes the rest.
const CUTS: [&[usize]; 6] = [
    &[4_095, 1, 5_000],
    &[4_096, 4_096, 4_096],
    &[5_000, 1, 2, 3, 63, 64, 65, 511, 512, 513, 2_000],
    &[4_100, 0, 16_384, 0],
    &[4_096, 20, 9_000],
    &[20_000],
];

const LEN: usize = 30_000;

/// Steps of reading.
const STEPS: [usize; 3] = [1_460, 16_384, usize::MAX];

fn ascii(len: usize) -> Vec<u8> {
    (0..=126).cycle().take(len).collect()
}

fn fragments(role: Role, b0: u8, payload: &[u8], sizes: &[usize]) -> Vec<u8> {
    let (mut wire, mut rest) = (Vec::new(), payload);
    for (index, &size) in sizes.iter().enumerate() {
        let (fragment, behind) = rest.split_at(size.min(rest.len()));
        wire.extend(frame(role, if index == 0 { b0 } else { 0 }, fragment));
        rest = behind;
    }
    wire.extend(frame(role, 0x80, rest));
    wire
}

#[test]
fn text_is_judged_and_given_whatever_comes_behind_ascii() {
    let insertions: [&[u8]; 5] = [b"", "ü".as_bytes(), "😀".as_bytes(), b"\xff", b"\xe2\x82"];
    let places = [0, 1, 4_094, 4_095, 4_096, 4_097, 5_065, 9_000, 16_383, 20_000, LEN - 4, LEN - 1];
    for (role, sizes) in ROLES.into_iter().flat_map(|role| CUTS.map(|sizes| (role, sizes))) {
        for (insertion, at) in insertions.into_iter().flat_map(|it| places.map(|at| (it, at))) {
            let mut payload = ascii(LEN);
            let end = LEN.min(at + insertion.len());
            payload[at..end].copy_from_slice(&insertion[..end - at]);
            let wire = [
                fragments(role, 0x01, &payload, sizes),
                fragments(role, 0x01, &ascii(9_000), &[4_096]),
                frame(role, 0x81, b"next"),
            ]
            .concat();
            let text = String::from_utf8(payload);
            let byte_by_byte = (at == 5_065 && sizes.len() > 5).then_some(1);
            for step in STEPS.into_iter().chain(byte_by_byte) {
                let mut run = Run::new(endpoint(role));
                run.read(&wire, step);
                let what = format!("{role:?} {sizes:?} {insertion:?} at {at} by {step}");
                let Ok(text) = &text else {
                    assert_eq!(run.error, Some(ProtocolError::InvalidUtf8), "{what}");
                    assert!(run.messages.is_empty(), "{what}");
                    continue;
                };
                assert_eq!(run.error, None, "{what}");
                let more = String::from_utf8(ascii(9_000)).unwrap();
                let expected = [text, &more, "next"].map(Seen::text);
                assert!(run.messages == expected, "{what}");
            }
        }
    }
}

#[test]
fn text_is_refused_at_its_first_bad_byte_behind_ascii() {
    for role in ROLES {
        for at in [0, 10, 4_095, 4_096, 8_000] {
            let mut payload = ascii(10_000);
            payload[at] = 0xff;
            let (good, bad) = payload.split_at(5_000);
            let mut endpoint = endpoint(role);
            endpoint.push_input(&frames(role, &[(0x01, good), (0x00, bad)]));
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            endpoint.release();
            assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8), "{role:?} {at}");
        }
        // The fault is known although a character is not complete.
        let mut endpoint = endpoint(role);
        endpoint.push_input(&frames(role, &[(0x01, &ascii(5_000)), (0x00, b"a\xe2\x82")]));
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        endpoint.release();
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        endpoint.push_input(&frames(role, &[(0x00, b"a")]));
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        endpoint.release();
        assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8), "{role:?}");
    }
}

#[test]
fn text_longer_than_the_cache_is_judged_and_given_like_any_other() {
    let len = 1_200_000;
    for (role, (insertion, at)) in ROLES.into_iter().flat_map(|role| {
        let insertions = [&b"\xc3\xbc"[..], b"\xff"];
        let places = [(0, 1), (0, 5_000), (1, 5_000), (0, 900_000), (1, 900_000), (1, len - 2)];
        places.map(|(index, at)| (role, (insertions[index], at)))
    }) {
        let mut payload = ascii(len);
        payload[at..at + insertion.len()].copy_from_slice(insertion);
        // Behind it one that is ASCII, with a Ping between two frames, in the buffer that it left.
        let fragment = [frame(role, 0x01, &ascii(600_000)), frame(role, 0x89, b"between")];
        let rest = [frame(role, 0x80, &ascii(1_100_000)), frame(role, 0x81, b"next")];
        let wire = [&[frame(role, 0x81, &payload)][..], &fragment, &rest].concat().concat();
        for step in [4_000, 100_000] {
            let mut run = Run::new(endpoint(role));
            run.read(&wire, step);
            let what = format!("{role:?} {insertion:?} at {at} by {step}");
            let Ok(text) = String::from_utf8(payload.clone()) else {
                assert_eq!(run.error, Some(ProtocolError::InvalidUtf8), "{what}");
                assert!(run.messages.is_empty(), "{what}");
                continue;
            };
            let more = String::from_utf8([ascii(600_000), ascii(1_100_000)].concat()).unwrap();
            assert_eq!(run.error, None, "{what}");
            assert!(run.messages == [&text, &more, "next"].map(Seen::text), "{what}");
        }
    }
}

/// Messages of every kind in turns, each in pieces.
fn mixture(role: Role) -> (Vec<Vec<u8>>, Vec<OwnedMessage>) {
    let plain = String::from_utf8(ascii(20_000)).unwrap();
    let late = plain.clone() + "ü" + &plain;
    let binary: Vec<u8> = (0..=255).cycle().take(90_000).collect();
    let messages: Vec<OwnedMessage> = vec![
        plain.clone().into(),
        binary.clone().into(),
        plain.clone().into(),
        "€".repeat(5_000).into(),
        plain.clone().into(),
        late.into(),
        plain.clone().into(),
        "short".into(),
        plain.repeat(5).into(),
        plain.into(),
        binary.into(),
    ];
    let wire = |message: &OwnedMessage| {
        let b0 = if matches!(message, OwnedMessage::Text(_)) { 1 } else { 2 };
        let payload = message.as_bytes();
        fragments(role, b0, payload, &[4_096, payload.len() / 4])
    };
    (messages.iter().map(wire).collect(), messages)
}

#[test]
fn a_buffer_serves_messages_of_every_kind_in_turns() {
    for role in ROLES {
        let (wire, expected) = mixture(role);
        for step in STEPS {
            for (takes, releases) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut endpoint = endpoint(role);
                let mut seen: Vec<OwnedMessage> = Vec::new();
                let mut rest = &wire.concat()[..];
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, step);
                    while endpoint.poll() == Ok(Status::Message) {
                        seen.push(if takes {
                            endpoint.take_message().unwrap()
                        } else {
                            endpoint.received().unwrap().into_owned()
                        });
                    }
                    if releases {
                        endpoint.release();
                    }
                }
                assert!(seen == expected, "{role:?} by {step}, {takes} {releases}");
            }
        }
    }
}

#[test]
fn what_is_sent_back_is_what_came() {
    let (wire, expected) = mixture(Role::Server);
    for written_at_once in [false, true] {
        let mut config = Config::default();
        config.high_watermark = 1 << 20;
        let mut endpoint = endpoint_with(Role::Server, &config);
        let mut written = Vec::new();
        let write = |endpoint: &mut Endpoint, written: &mut Vec<u8>| {
            written.extend(queued(endpoint));
            endpoint.advance_write(endpoint.queued());
        };
        for mut wire in wire.iter().map(Vec::as_slice) {
            while !wire.is_empty() {
                read_some(&mut endpoint, &mut wire, 7_000);
                while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                    out.feed(message).unwrap();
                    if written_at_once {
                        write(&mut endpoint, &mut written);
                    }
                }
            }
        }
        write(&mut endpoint, &mut written);
        let sent = sent_by(Role::Server, &written);
        let payloads = sent.iter().map(|(_, payload)| &payload[..]);
        assert!(payloads.eq(expected.iter().map(OwnedMessage::as_bytes)));
        let is_text = sent.iter().map(|(b0, _)| b0 & 1 == 1);
        assert!(is_text.eq(expected.iter().map(|it| matches!(it, OwnedMessage::Text(_)))));
    }
}
