//! Fragmentation (RFC 6455 §5.4): order, empty fragments, control frames in between.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use websocket_proto::connection::Role;
use websocket_proto::endpoint::{Config, Received, Status};
use websocket_proto::{Event, Input, Kind, ProtocolError};

#[test]
fn a_message_is_what_its_fragments_bring_in_their_order() {
    // R5.4-2 to R5.4-4, R5.4-9, R5.4-13, R6.2-3, R6.2-4.
    for role in ROLES {
        let wire = frames(
            role,
            &[
                (0x01, b"one "),
                (0x00, b"two "),
                (0x80, b"three"),
                (0x82, b"four"),
                (0x02, b"fi"),
                (0x80, b"ve"),
            ],
        );
        let peer = receive(role, &wire);
        let seen = [Seen::text("one two three"), Seen::binary(b"four"), Seen::binary(b"five")];
        assert_eq!((peer.error, peer.seen), (None, seen.to_vec()));
    }
}

#[test]
fn empty_fragments_stand_anywhere() {
    // R5.4-12: first, in the middle, last, and all of them.
    for role in ROLES {
        for (parts, text) in [
            (vec!["", "a", "b"], "ab"),
            (vec!["a", "", "b"], "ab"),
            (vec!["a", "b", ""], "ab"),
            (vec!["", "", ""], ""),
            (vec!["", ""], ""),
            (vec!["", "ab"], "ab"),
        ] {
            for (first, kind) in [(0x01, Kind::Text), (0x02, Kind::Binary)] {
                let last = parts.len() - 1;
                let wire: Vec<u8> = parts
                    .iter()
                    .enumerate()
                    .flat_map(|(i, part)| {
                        let opcode = if i == 0 { first } else { 0 };
                        let fin = if i == last { 0x80 } else { 0 };
                        frame(role, fin | opcode, part.as_bytes())
                    })
                    .collect();
                let peer = receive(role, &wire);
                let seen = match kind {
                    Kind::Text => Seen::text(text),
                    Kind::Binary => Seen::binary(text.as_bytes()),
                };
                assert_eq!((peer.error, peer.seen), (None, vec![seen]), "{parts:?}");
            }
        }
    }
}

#[test]
fn empty_messages_are_messages() {
    // R5.2-7.
    for role in ROLES {
        let peer = receive(role, &frames(role, &[(0x81, b""), (0x82, b""), (0x81, b"")]));
        assert_eq!(peer.seen, [Seen::text(""), Seen::binary(b""), Seen::text("")]);
    }
}

#[test]
fn a_continuation_needs_a_message_to_continue() {
    // R5.4-5: as first frame, after a whole message, after a fragmented one; FIN clear or set.
    for role in ROLES {
        for before in [&[][..], &[(0x81, &b"x"[..])], &[(0x01, b"x"), (0x80, b"y")]] {
            for b0 in [0x00, 0x80] {
                for payload in [&b""[..], b"z"] {
                    let wire = [frames(role, before), frame(role, b0, payload)].concat();
                    let peer = receive(role, &wire);
                    assert_eq!(peer.error, Some(ProtocolError::UnexpectedContinuation));
                    assert_eq!(peer.close_code(), Some(1002));
                }
            }
        }
    }
}

#[test]
fn a_message_does_not_begin_inside_another() {
    // R5.4-6, R5.4-10, R5.4-18.
    for role in ROLES {
        for first in [0x01, 0x02] {
            for b0 in [0x01, 0x02, 0x81, 0x82] {
                for payload in [&b""[..], b"z"] {
                    let wire = frames(role, &[(first, b"x"), (b0, payload)]);
                    let peer = receive(role, &wire);
                    assert_eq!(peer.error, Some(ProtocolError::UnfinishedMessage));
                    assert_eq!((peer.close_code(), peer.seen), (Some(1002), vec![]));
                }
            }
        }
    }
}

#[test]
fn control_frames_between_fragments_are_handled_and_change_nothing() {
    // R5.4-7, R5.4-11, R5.5.2-3, defence 28: in the middle of a character, too.
    for role in ROLES {
        let wire = frames(
            role,
            &[
                (0x01, b"gr\xc3"),
                (0x89, b"p"),
                (0x00, b"\xbc"),
                (0x8a, b"q"),
                (0x00, b""),
                (0x89, b""),
                (0x80, b"n"),
            ],
        );
        let peer = receive(role, &wire);
        let seen = [
            Seen::Ping(b"p".to_vec()),
            Seen::Pong(b"q".to_vec()),
            Seen::Ping(vec![]),
            Seen::text("grün"),
        ];
        assert_eq!((peer.error, &peer.seen[..]), (None, &seen[..]));
        assert_eq!(peer.frames(), [(0x8a, b"p".to_vec()), (0x8a, vec![])]);
    }
}

#[test]
fn a_close_inside_a_message_is_answered_and_the_message_is_dropped() {
    // R5.4-11, N-9.
    for role in ROLES {
        let wire = frames(role, &[(0x01, b"never"), (0x88, b"\x03\xe9bye"), (0x80, b"finished")]);
        let peer = receive(role, &wire);
        assert_eq!((peer.error, &peer.seen[..]), (None, &[Seen::close(1001, "bye")][..]));
        assert_eq!(peer.frames(), [(0x88, b"\x03\xe9bye".to_vec())]);
        assert!(peer.outcome().unwrap().is_clean());
    }
}

#[test]
fn pieces_come_as_bytes_come_and_say_where_the_message_begins_and_ends() {
    // R5.4-1, R5.4-19: nothing of a frame is held back.
    let mut server = open(Role::Server);
    let wire = frames(Role::Server, &[(0x01, b""), (0x00, b"abc"), (0x80, b"d")]);
    let mut pieces = Vec::new();
    for byte in &wire {
        let mut byte = [*byte];
        let mut input = Input::new(&mut byte);
        while let Some(event) = server.receive(&mut input).unwrap() {
            let Event::Data(piece) = event else { panic!("{event:?}") };
            pieces.push((piece.first, piece.last, piece.payload.to_vec()));
        }
    }
    let expected =
        [(true, false, "a"), (false, false, "b"), (false, false, "c"), (false, true, "d")];
    assert_eq!(pieces, expected.map(|(first, last, text)| (first, last, text.into())));
}

#[test]
fn what_is_left_of_a_frame_is_known() {
    let mut server = open(Role::Server);
    let mut wire = frames(Role::Server, &[(0x02, &[0; 300]), (0x89, b"ping"), (0x80, b"")]);
    let mut at = 0;
    let mut feed = |server: &mut websocket_proto::Connection, count: usize| {
        let mut input = Input::new(&mut wire[at..at + count]);
        while server.receive(&mut input).unwrap().is_some() {}
        at += count;
        server.data_remaining()
    };
    assert_eq!(feed(&mut server, 7), 0, "the header is not complete");
    assert_eq!(feed(&mut server, 1), 300);
    assert_eq!(feed(&mut server, 299), 1);
    assert_eq!(feed(&mut server, 1), 0);
    assert_eq!(feed(&mut server, 8), 0, "a control frame is none of the caller's affair");
}

/// The rules of §5.4 in a few lines, to compare with (D8).
fn model(list: &[(u8, Vec<u8>)]) -> (Vec<Seen>, bool) {
    let (mut message, mut seen) = (None::<(u8, Vec<u8>)>, Vec::new());
    for (b0, payload) in list {
        match (b0 & 0x0f, &mut message) {
            (0x9, _) => seen.push(Seen::Ping(payload.clone())),
            (0xa, _) => seen.push(Seen::Pong(payload.clone())),
            (0x8, _) => {
                seen.push(Seen::Close(None));
                return (seen, false);
            }
            (0, Some((_, so_far))) => so_far.extend(payload),
            (kind @ (1 | 2), None) => message = Some((kind, payload.clone())),
            _ => return (seen, true),
        }
        if b0 & 0x0f < 8 && b0 & 0x80 != 0 {
            let (kind, payload) = message.take().unwrap();
            seen.push(if kind == 1 {
                Seen::Text(String::from_utf8(payload).unwrap())
            } else {
                Seen::Binary(payload)
            });
        }
    }
    (seen, false)
}

/// A message in so many frames of about the same size.
fn fragments(role: Role, b0: u8, payload: &[u8], count: usize) -> Vec<u8> {
    let (mut wire, mut rest) = (Vec::new(), payload);
    for index in 0..count {
        let (fragment, behind) = rest.split_at(rest.len() / (count - index));
        let fin = if index + 1 == count { 0x80 } else { 0 };
        wire.extend(frame(role, fin | if index == 0 { b0 } else { 0 }, fragment));
        rest = behind;
    }
    wire
}

#[test]
fn fragments_that_come_at_once_are_one_message_between_others() {
    // R5.4-4. Small ones are put together in the read buffer, others in a buffer of their own.
    for role in ROLES {
        for len in [2, 100, 2047, 2048, 2049, 4095, 4096, 4097] {
            for count in [2, 3, 15, 16, 17, 40] {
                let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
                let text = "a€üz".repeat(len / 7);
                let wire = [
                    frame(role, 0x82, b"before"),
                    fragments(role, 0x02, &payload, count),
                    fragments(role, 0x01, text.as_bytes(), count),
                    frame(role, 0x82, b"between"),
                    fragments(role, 0x02, &payload, count),
                ]
                .concat();
                let seen = [
                    Seen::binary(b"before"),
                    Seen::binary(&payload),
                    Seen::text(&text),
                    Seen::binary(b"between"),
                    Seen::binary(&payload),
                ];
                for step in [7, 1460, usize::MAX] {
                    let mut run = Run::new(endpoint(role));
                    run.read(&wire, step);
                    assert_eq!(run.error, None);
                    assert!(run.messages == seen, "{role:?}, {len} in {count} by {step}");
                }
            }
        }
    }
}

#[test]
fn what_came_in_fragments_is_taken_and_sent_back_as_any_other() {
    for role in ROLES {
        for len in [0, 5, 1000, 2048, 4096, 5000] {
            let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
            let wire = fragments(role, 0x02, &payload, 3);
            let mut endpoint = endpoint(role);
            let mut rest = &wire[..];
            read_some(&mut endpoint, &mut rest, usize::MAX);
            assert_eq!(endpoint.poll(), Ok(Status::Message));
            // Lending it changes nothing.
            assert!(endpoint.received().unwrap().message.as_bytes() == payload);
            assert!(endpoint.take_message().unwrap().as_bytes() == payload);
            assert!(endpoint.take_message().unwrap().as_bytes().is_empty(), "it was taken");

            let mut rest = &wire[..];
            read_some(&mut endpoint, &mut rest, usize::MAX);
            let Received { message, mut out } = endpoint.next().unwrap().unwrap();
            out.feed(message).unwrap();
            assert!(endpoint.next().unwrap().is_none());
            assert!(sent_by(role, &queued(&endpoint)) == [(0x82, payload)], "{role:?}, {len}");
        }
    }
}

#[test]
fn limits_and_text_are_checked_of_fragments_that_come_at_once() {
    // R5.4-4, R8.1-1, R10.4-1.
    let mut config = Config::default();
    config.connection.max_message = 1000;
    config.connection.frame_allowance = 2;
    let cases = [
        (fragments(Role::Server, 0x02, &[7; 1000], 2), None),
        (
            fragments(Role::Server, 0x02, &[7; 1001], 2),
            Some(ProtocolError::MessageTooLong { limit: 1000 }),
        ),
        // What a message brings allows it more.
        (fragments(Role::Server, 0x02, &[7; 160], 10), None),
        (
            fragments(Role::Server, 0x02, b"1234", 4),
            Some(ProtocolError::TooManyFrames { frames: 3 }),
        ),
        (fragments(Role::Server, 0x01, b"good, \xff bad", 2), Some(ProtocolError::InvalidUtf8)),
    ];
    for (wire, error) in cases {
        let wire = [&wire[..], &frame(Role::Server, 0x82, b"next")].concat();
        for step in [1, usize::MAX] {
            let mut run = Run::new(endpoint_with(Role::Server, &config));
            run.read(&wire, step);
            assert_eq!(run.error, error);
            assert_eq!(run.messages.len(), if error.is_none() { 2 } else { 0 });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_sequence_of_frames_is_taken_as_the_model_takes_it(
        list in prop::collection::vec(
            (
                prop::sample::select(vec![0x00u8, 0x00, 0x80, 0x01, 0x81, 0x02, 0x82, 0x89, 0x8a, 0x88]),
                prop::collection::vec(0x20..0x7fu8, 0..5),
            ),
            0..12,
        ),
        role in prop::sample::select(&ROLES),
    ) {
        let list: Vec<_> = list
            .into_iter()
            .map(|(b0, payload)| (b0, if b0 == 0x88 { vec![] } else { payload }))
            .collect();
        let wire: Vec<u8> = list.iter().flat_map(|(b0, payload)| frame(role, *b0, payload)).collect();
        let (seen, fails) = model(&list);
        let peer = receive(role, &wire);
        prop_assert_eq!(&peer.seen, &seen);
        prop_assert_eq!(peer.error.is_some(), fails);
    }
}
