//! The closing handshake and every other end (RFC 6455 §5.5.1, §7).
#![allow(clippy::unwrap_used)]

mod common;

use core::time::Duration;

use common::*;
use websocket_proto::connection::{CloseOutcome, Failure, Fragment, Initiator, Role};
use websocket_proto::{
    CloseCode, CloseFrame, Event, Input, Kind, MAX_REASON_LEN, ProtocolError, SendError,
    TimeoutError, UncleanClose,
};

/// Section 10 of the requirements: which codes may be on the wire.
fn on_the_wire(code: u16) -> bool {
    matches!(code, 1000 | 1001 | 1002 | 1003 | 1007..=1014 | 3000..=4999)
}

fn parts(outcome: Option<CloseOutcome>) -> Option<(Initiator, Option<u16>, u16, bool)> {
    let CloseOutcome { initiator, sent, received, failure, .. } = outcome?;
    assert_eq!(outcome.unwrap().is_clean(), failure.is_none());
    Some((initiator, sent.map(u16::from), received.into(), failure.is_none()))
}

// ---- codes and reasons --------------------------------------------------------------------------

#[test]
fn all_codes_are_judged_alike_when_received() {
    // R7.4.1-2 to R7.4.1-5, R7.4.2-1 to R7.4.2-5, R5.5.1-2, R5.5.1-9, N-3; defence 31.
    for role in ROLES {
        for code in 0..=u16::MAX {
            let body = close_body(code, "");
            let mut peer = Peer::new(role);
            peer.feed(&frame(role, 0x88, &body));
            if on_the_wire(code) {
                assert_eq!((peer.error, &peer.seen[..]), (None, &[Seen::close(code, "")][..]));
                assert_eq!(peer.frames(), [(0x88, body)], "the code is echoed");
                let outcome = (Initiator::Peer, Some(code), code, true);
                assert_eq!(parts(peer.outcome()), Some(outcome));
            } else {
                let error = ProtocolError::InvalidCloseCode(code.into());
                assert_eq!((peer.error, &peer.seen[..]), (Some(error), &[][..]));
                assert_eq!(peer.close_code(), Some(1002), "it is not echoed");
            }
        }
    }
}

#[test]
fn all_codes_are_judged_alike_when_sent() {
    // R7.4.1-2 to R7.4.1-5, R7.4.2-1 to R7.4.2-5, R7.1.2-1; defence 31.
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut connection = open(role);
            let sent = connection.close(code.into(), "why");
            assert_eq!(CloseCode(code).is_allowed_on_wire(), on_the_wire(code));
            if on_the_wire(code) {
                let body = close_body(code, "why");
                assert_eq!(sent_by(role, &sent.unwrap()), [(0x88, body)]);
            } else {
                assert_eq!(sent.err(), Some(SendError::InvalidCloseCode(code.into())));
                assert!(connection.is_open(), "nothing was sent");
            }
        }
    }
}

#[test]
fn a_close_without_a_body_is_answered_without_one() {
    // R5.5.1-1, R5.5.1-9, R7.1.5-2: locally that is 1005.
    for role in ROLES {
        let peer = receive(role, &frame(role, 0x88, b""));
        assert_eq!((peer.error, &peer.seen[..]), (None, &[Seen::Close(None)][..]));
        assert_eq!(peer.frames(), [(0x88, vec![])]);
        assert_eq!(parts(peer.outcome()), Some((Initiator::Peer, Some(1005), 1005, true)));
    }
}

#[test]
fn a_close_without_a_body_can_be_sent() {
    // R5.5.1-1, R7.4-1.
    for role in ROLES {
        let mut peer = Peer::new(role);
        let close = peer.connection.close_without_status().unwrap();
        assert_eq!(sent_by(role, &close), [(0x88, vec![])]);
        peer.feed(&frame(role, 0x88, b""));
        assert_eq!(parts(peer.outcome()), Some((Initiator::Local, Some(1005), 1005, true)));
    }
}

#[test]
fn a_close_body_of_one_byte_is_refused() {
    // R5.5.1-2, N-1, F1.
    for role in ROLES {
        for byte in [0, 3, 0xff] {
            let peer = receive(role, &frame(role, 0x88, &[byte]));
            assert_eq!(peer.error, Some(ProtocolError::CloseTooShort));
            assert_eq!((peer.close_code(), peer.seen), (Some(1002), vec![]));
        }
    }
}

#[test]
fn a_reason_is_kept_to_its_last_byte() {
    // R5.5.1-3, R7.1.6-1: 123 bytes, and characters of every width.
    for role in ROLES {
        for reason in ["", "x", "\0", "grün €𐍈", &"€".repeat(41)] {
            let peer = receive(role, &frame(role, 0x88, &close_body(4000, reason)));
            assert_eq!(peer.seen, [Seen::close(4000, reason)]);
            // R5.5.1-9: code and reason are echoed.
            assert_eq!(peer.frames(), [(0x88, close_body(4000, reason))]);
        }
    }
}

#[test]
fn a_reason_that_is_not_utf8_is_refused() {
    // R5.5.1-3, R8.1-1, N-1, F5: also if it only ends too early.
    for role in ROLES {
        for reason in [
            &b"\xff"[..],
            b"ok\x80",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xe2\x82",
            b"\xf4\x90\x80\x80",
        ] {
            let peer = receive(role, &frame(role, 0x88, &[b"\x03\xe8", reason].concat()));
            assert_eq!(peer.error, Some(ProtocolError::InvalidCloseReason));
            assert_eq!((peer.close_code(), peer.seen), (Some(1007), vec![]));
        }
    }
}

#[test]
fn a_reason_of_124_bytes_is_not_sent() {
    // R5.5.1-4.
    assert_eq!(MAX_REASON_LEN, 123);
    for role in ROLES {
        let mut connection = open(role);
        let error = connection.close(CloseCode::NORMAL, &"x".repeat(124)).err();
        assert_eq!(error, Some(SendError::ReasonTooLong { len: 124 }));
        let error = connection.close(CloseCode::NORMAL, &"€".repeat(42)).err();
        assert_eq!(error, Some(SendError::ReasonTooLong { len: 126 }));
        let reason = "x".repeat(123);
        let close = connection.close(CloseCode::NORMAL, &reason).unwrap();
        assert_eq!(sent_by(role, &close), [(0x88, close_body(1000, &reason))]);
    }
}

#[test]
fn truncate_never_cuts_a_character() {
    // R5.5.1-4, F5.
    for character in ["x", "ü", "€", "𐍈"] {
        for front in 0..5 {
            for count in [0, 1, 29, 30, 31, 40, 41, 42, 60, 61, 62, 118, 123, 124, 300] {
                let reason = "a".repeat(front) + &character.repeat(count);
                let cut = CloseFrame::truncate(&reason);
                assert!(reason.starts_with(cut) && cut.len() <= 123);
                let next = reason[cut.len()..].chars().next();
                assert!(next.is_none_or(|next| cut.len() + next.len_utf8() > 123), "the longest");
                let frame = CloseFrame::new(CloseCode::NORMAL, cut).unwrap();
                assert_eq!((frame.reason(), frame.code()), (cut, CloseCode::NORMAL));
            }
        }
    }
}

#[test]
fn close_bodies_are_parsed_alone_too() {
    assert_eq!(CloseFrame::parse(b""), Ok(None));
    assert_eq!(CloseFrame::parse(b"\x03"), Err(ProtocolError::CloseTooShort));
    let frame = CloseFrame::parse(b"\x03\xe9bye").unwrap().unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::GOING_AWAY, "bye"));
    assert_eq!(
        CloseFrame::parse(&close_body(1000, &"x".repeat(124))),
        Err(ProtocolError::ControlTooLong)
    );
    assert_eq!(CloseFrame::new(CloseCode::GOING_AWAY, "bye"), Ok(frame));
}

#[test]
fn debug_of_a_close_escapes_its_reason() {
    // Defence 39, H5: what the peer sends does not break a line of the log or a terminal.
    let frame = CloseFrame::new(CloseCode::NORMAL, "a\n\x1b[2J\"").unwrap();
    let shown = format!("{frame:?}");
    assert!(!shown.contains(['\n', '\x1b']) && shown.contains("1000"), "{shown}");
    assert_eq!(CloseCode(4711).to_string(), "4711");
}

// ---- which code an error gets (section 12, "Error to close code"; R7.1.7-5, defence 33) --------------

fn errors(to: Role) -> Vec<(Vec<u8>, ProtocolError, u16)> {
    use ProtocolError as E;
    let wrong = other(to);
    let direction = if to == Role::Server { E::UnmaskedFrame } else { E::MaskedFrame };
    let key = (to == Role::Server).then_some(KEY);
    vec![
        (frame(wrong, 0x81, b"x"), direction, 1002),
        (frame(to, 0xc1, b"x"), E::ReservedBits(0x40), 1002),
        (frame(to, 0x83, b"x"), E::ReservedOpcode(3), 1002),
        (frame(to, 0x09, b"x"), E::FragmentedControl, 1002),
        (frame(to, 0x89, &[0; 126]), E::ControlTooLong, 1002),
        (frame(to, 0x80, b"x"), E::UnexpectedContinuation, 1002),
        (frames(to, &[(0x01, b"x"), (0x81, b"y")]), E::UnfinishedMessage, 1002),
        (frame(to, 0x88, b"\x03"), E::CloseTooShort, 1002),
        (frame(to, 0x88, b"\x03\xed"), E::InvalidCloseCode(CloseCode(1005)), 1002),
        (frame(to, 0x88, b"\x03\xe8\xff"), E::InvalidCloseReason, 1007),
        (frame(to, 0x81, b"\xff"), E::InvalidUtf8, 1007),
        (frame(to, 0x01, b"\xff"), E::InvalidUtf8, 1007),
        (
            header(0x82, (16 << 20) + 1, key),
            E::FrameTooLong { len: (16 << 20) + 1, limit: 16 << 20 },
            1009,
        ),
    ]
}

#[test]
fn an_error_queues_one_close_with_its_code_and_stays() {
    // R7.1.7-5, R7.1.7-7, R5.5.1-8: bytes that follow are not processed, not even a Close.
    for role in ROLES {
        for (wire, error, code) in errors(role) {
            let after = frames(role, &[(0x89, b"p"), (0x81, b"x"), (0x88, b"\x03\xe8")]);
            let peer = receive(role, &[&wire[..], &after].concat());
            assert_eq!((peer.error, &peer.seen[..]), (Some(error), &[][..]));
            assert_eq!(peer.frames().len(), 1);
            assert_eq!(peer.close_code(), Some(code), "{error}");
            let body = &peer.frames()[0].1[2..];
            assert_eq!(body, error.reason().as_bytes());
            assert_eq!((error.close_code().0, error.reason().len() <= 123), (code, true));
            let CloseOutcome { initiator, sent, received, failure, .. } = peer.outcome().unwrap();
            assert_eq!((initiator, sent), (Initiator::Local, Some(CloseCode(code))));
            assert_eq!((received, failure), (CloseCode::ABNORMAL, Some(Failure::Protocol(error))));
            assert!(!peer.connection.is_open() && !peer.connection.is_receiving());
            // R7.1.7-1, R7.1.7-3: both ends close once that Close is written.
            assert!(peer.connection.should_close_transport());
            let mut peer = peer;
            for _ in 0..3 {
                peer.feed(&after);
                assert_eq!(peer.connection.receive_eof(), Ok(()));
            }
            assert_eq!((peer.error, peer.frames().len()), (Some(error), 1));
            assert_eq!(peer.connection.send("x", &mut peer.sent), Err(SendError::Closed));
        }
    }
}

#[test]
fn every_error_says_what_it_is_about() {
    // Defence 39; R7.1.7-2, R7.1.7-4: one line, no Debug output, the section last.
    let more = [
        ProtocolError::NonMinimalLength,
        ProtocolError::LengthOverflow,
        ProtocolError::MessageTooLong { limit: 9 },
        ProtocolError::TooManyFrames { frames: 9 },
        ProtocolError::TooManyFinalBlocks { blocks: 9 },
    ];
    for error in ROLES.into_iter().flat_map(errors).map(|(_, error, _)| error).chain(more) {
        let shown = error.to_string();
        assert!(shown.starts_with(error.reason()) && !shown.contains(['\n', '{']), "{shown}");
        assert!(shown.ends_with(&format!(" (RFC 6455 §{})", error.section())), "{shown}");
        assert!(CloseFrame::new(error.close_code(), error.reason()).is_ok());
        assert!(size_of_val(&error) <= 24 && !format!("{error:?}").is_empty());
    }
    assert!(UncleanClose.to_string().ends_with("§7.1.5)"));
}

#[test]
fn an_error_after_our_close_queues_no_second_one() {
    // R5.5.1-8, defence 32.
    for role in ROLES {
        for (wire, error, _) in errors(role) {
            let mut peer = Peer::new(role);
            let _ = peer.connection.close(CloseCode::GOING_AWAY, "").unwrap();
            peer.feed(&wire);
            assert_eq!((peer.error, &peer.sent[..]), (Some(error), &[][..]));
            let outcome = (Initiator::Local, Some(1001), 1006, false);
            assert_eq!(parts(peer.outcome()), Some(outcome));
            assert!(peer.connection.should_close_transport());
        }
    }
}

#[test]
fn the_call_that_fails_discards_the_rest_of_the_input() {
    // "Everything is consumed ... input is discarded": a caller that keeps the rest of a buffer
    // must not be left with bytes that nobody will ever take.
    for role in ROLES {
        for (wire, error, _) in errors(role) {
            if matches!(error, ProtocolError::InvalidUtf8) {
                continue; // found by the assembler, which has no input
            }
            let mut bytes = [&wire[..], b"rest"].concat();
            let mut input = Input::new(&mut bytes);
            let mut connection = open(role);
            while connection.receive(&mut input).is_ok() {}
            assert!(input.is_empty(), "{error}: {} bytes are left", input.len());
        }
    }
}

#[test]
fn a_failure_from_above_is_like_one_from_inside() {
    for role in ROLES {
        let mut peer = Peer::new(role);
        assert_eq!(peer.connection.fail(ProtocolError::InvalidUtf8), ProtocolError::InvalidUtf8);
        peer.feed(&frame(role, 0x81, b"x"));
        assert_eq!((peer.error, peer.close_code()), (Some(ProtocolError::InvalidUtf8), Some(1007)));
        // A second failure changes nothing.
        peer.connection.fail(ProtocolError::CloseTooShort);
        peer.feed(&frame(role, 0x81, b"x"));
        assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
    }
}

// ---- nothing after a Close ------------------------------------------------------------------------

#[test]
fn nothing_is_sent_after_our_close_or_theirs() {
    // R5.5.1-7, R6.1-2, R6.1-3: not even the rest of a message that is half sent.
    for role in ROLES {
        for ours in [true, false] {
            let mut peer = Peer::new(role);
            peer.connection.send_part("half", Fragment::More, &mut peer.sent).unwrap();
            if ours {
                let close = peer.connection.close(CloseCode::NORMAL, "").unwrap();
                peer.sent.extend_from_slice(&close);
            } else {
                peer.feed(&frame(role, 0x88, b"\x03\xe8"));
            }
            let closed = Some(SendError::Closed);
            let (connection, mut out) = (&mut peer.connection, Vec::new());
            assert_eq!(connection.send("x", &mut out).err(), closed);
            assert_eq!(connection.send_part("x", Fragment::Last, &mut out).err(), closed);
            assert_eq!(connection.send_in_place(Kind::Binary, &mut [0; 9]).err(), closed);
            assert_eq!(connection.ping(b"").err(), closed);
            assert_eq!(connection.pong(b"").err(), closed);
            assert_eq!(connection.close(CloseCode::NORMAL, "").err(), closed);
            assert_eq!(connection.close_without_status().err(), closed);
            assert!(out.is_empty() && !connection.wants_transmit());
            let sent: Vec<_> = peer.frames().into_iter().map(|(b0, _)| b0).collect();
            assert_eq!(sent, [0x01, 0x88]);
        }
    }
}

#[test]
fn data_after_our_close_is_received_until_theirs() {
    // N-10, R5.5.1-12 (seen from the other end).
    for role in ROLES {
        let make = || {
            let mut peer = Peer::new(role);
            let _ = peer.connection.close(CloseCode::GOING_AWAY, "").unwrap();
            peer
        };
        let wire = frames(
            role,
            &[(0x01, b"on its "), (0x80, b"way"), (0x82, b"\0"), (0x88, b"\x03\xe8"), (0x81, b"x")],
        );
        let peer = receive_by(make, &wire);
        let seen = [Seen::text("on its way"), Seen::binary(b"\0"), Seen::close(1000, "")];
        assert_eq!((peer.error, &peer.seen[..], &peer.sent[..]), (None, &seen[..], &[][..]));
        assert_eq!(parts(peer.outcome()), Some((Initiator::Local, Some(1001), 1000, true)));
    }
}

#[test]
fn nothing_is_received_after_their_close() {
    // R7.1.5-1, R7.1.6-1, F3: another Close, data, rubbish.
    for role in ROLES {
        for after in [
            frame(role, 0x88, b"\x03\xe9"),
            frames(role, &[(0x81, b"x"), (0x89, b"p")]),
            b"\xff\xff\xff\xff".to_vec(),
            frame(other(role), 0x81, b"x"),
        ] {
            let wire = [frame(role, 0x88, b"\x03\xe8one"), after].concat();
            let peer = receive(role, &wire);
            assert_eq!((peer.error, &peer.seen[..]), (None, &[Seen::close(1000, "one")][..]));
            assert_eq!(peer.frames(), [(0x88, b"\x03\xe8one".to_vec())]);
        }
    }
}

#[test]
fn crossing_closes_complete_the_handshake_on_both_sides() {
    // R5.5.1-17, R5.5.1-8.
    let (mut client, mut server) = (Peer::new(Role::Client), Peer::new(Role::Server));
    let from_client = client.connection.close(CloseCode::NORMAL, "c").unwrap();
    let from_server = server.connection.close(CloseCode::GOING_AWAY, "s").unwrap();
    client.feed(&from_server);
    server.feed(&from_client);
    assert_eq!((client.sent.len(), server.sent.len()), (0, 0), "no second Close");
    assert_eq!(parts(client.outcome()), Some((Initiator::Local, Some(1000), 1001, true)));
    assert_eq!(parts(server.outcome()), Some((Initiator::Local, Some(1001), 1000, true)));
    assert!(server.connection.should_close_transport());
    assert!(!client.connection.should_close_transport(), "the server goes first");
    assert_eq!(client.connection.receive_eof(), Ok(()));
    assert!(client.connection.should_close_transport());
}

#[test]
fn a_close_is_answered_before_the_connection_counts_as_closed() {
    for role in ROLES {
        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(&frame(role, 0x88, b"\x03\xe8"));
        assert_eq!(peer.outcome(), None, "our Close is due");
        assert!(peer.connection.wants_transmit() && !peer.connection.is_open());
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert_eq!(parts(peer.outcome()), Some((Initiator::Peer, Some(1000), 1000, true)));
        assert!(!peer.connection.wants_transmit());
    }
}

// ---- the end of the transport -------------------------------------------------------------------

#[test]
fn an_end_at_any_byte_gives_one_result() {
    // R7.1.4-1, R7.1.5-3, R7.2.1-2, F7, defence 34: clean only if their Close was there whole.
    for role in ROLES {
        let list: [(u8, &[u8]); 5] = [
            (0x81, b"hello"),
            (0x89, b"p"),
            (0x02, &[7; 130]),
            (0x80, b"tail"),
            (0x88, b"\x03\xe8bye"),
        ];
        let wire = frames(role, &list);
        for end in 0..=wire.len() {
            for closes in [false, true] {
                let mut peer = Peer::new(role);
                if closes {
                    let _ = peer.connection.close(CloseCode::GOING_AWAY, "").unwrap();
                }
                peer.feed(&wire[..end]);
                let whole = end == wire.len();
                let seen = peer.seen.clone();
                for _ in 0..3 {
                    let expected = if whole { Ok(()) } else { Err(UncleanClose) };
                    assert_eq!(peer.connection.receive_eof(), expected, "{end} bytes");
                    peer.feed(&wire[end..]);
                    assert!(peer.connection.should_close_transport());
                    assert_eq!(peer.connection.poll_timeout(Duration::from_secs(1)), None);
                    assert!(peer.connection.is_over());
                }
                assert_eq!(peer.seen, seen, "nothing comes after the end");
                let expected = match (whole, closes) {
                    (true, true) => (Initiator::Local, Some(1001), 1000, true),
                    (true, false) => (Initiator::Peer, Some(1000), 1000, true),
                    (false, true) => (Initiator::Local, Some(1001), 1006, false),
                    (false, false) => (Initiator::Peer, None, 1006, false),
                };
                assert_eq!(parts(peer.outcome()), Some(expected), "{end} bytes");
                if !whole {
                    let lost = Some(Failure::Lost(UncleanClose));
                    assert_eq!(peer.outcome().unwrap().failure, lost);
                }
                // No Close is sent into a transport that has ended without one.
                let closed = peer.sent.len();
                peer.connection.poll_transmit(&mut peer.sent).unwrap();
                assert_eq!(peer.sent.len(), closed);
            }
        }
    }
}

#[test]
fn a_close_that_came_wins_over_an_end_that_follows() {
    // F8, F9: also while the answer has not been transmitted.
    for role in ROLES {
        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(&frame(role, 0x88, b"\x03\xe8"));
        assert_eq!(peer.connection.receive_eof(), Ok(()));
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert!(peer.outcome().unwrap().is_clean());
        assert!(peer.connection.should_close_transport());
    }
}

#[test]
fn an_endpoint_tells_the_same_ends_apart() {
    for role in ROLES {
        for (wire, clean) in
            [(frame(role, 0x88, b"\x03\xe8"), true), (frame(role, 0x81, b"x"), false)]
        {
            let mut run = Run::new(endpoint(role));
            run.read(&wire, usize::MAX);
            assert_eq!(run.endpoint.receive_eof().is_ok(), clean);
            run.poll();
            assert!(run.closed && run.endpoint.outcome().unwrap().is_clean() == clean);
            // The answer has to be written first.
            assert_eq!(run.endpoint.should_close_transport(), !clean);
            drain(&mut run.endpoint);
            assert!(run.endpoint.should_close_transport());
        }
    }
}

// ---- who closes the transport (R5.5.1-13 to R5.5.1-16, R7.1.1-3 to R7.1.1-6; defence 35) -----------------

#[test]
fn the_server_closes_the_transport_and_the_client_waits_for_it() {
    for role in ROLES {
        let server = role == Role::Server;
        // Open, and our Close sent: not yet.
        let mut peer = Peer::new(role);
        assert!(!peer.connection.should_close_transport());
        let _ = peer.connection.close(CloseCode::NORMAL, "").unwrap();
        assert!(!peer.connection.should_close_transport());
        // Both sent: the server at once, the client when the server has.
        peer.feed(&frame(role, 0x88, b""));
        assert_eq!(peer.connection.should_close_transport(), server);
        peer.connection.receive_eof().unwrap();
        assert!(peer.connection.should_close_transport());
        // Theirs first: not before ours is out.
        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(&frame(role, 0x88, b""));
        assert!(!peer.connection.should_close_transport());
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert_eq!(peer.connection.should_close_transport(), server);
        // An error: not before the Close that tells of it is out.
        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(b"\x83");
        assert!(!peer.connection.should_close_transport());
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert!(peer.connection.should_close_transport());
    }
}

#[test]
fn a_client_gives_up_waiting_at_the_close_timeout() {
    // R5.5.1-15, R5.5.1-16, R7.1.1-4; 5 seconds by default.
    let at = Duration::from_secs;
    let mut peer = Peer::new(Role::Client);
    let _ = peer.connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(peer.connection.poll_timeout(at(100)), Some(at(105)));
    peer.feed(&frame(Role::Client, 0x88, b""));
    assert_eq!(peer.connection.poll_timeout(at(101)), Some(at(105)));
    assert_eq!(peer.connection.handle_timeout(at(104)), Ok(()));
    assert!(!peer.connection.should_close_transport());
    assert_eq!(peer.connection.handle_timeout(at(105)), Ok(()));
    assert!(peer.connection.should_close_transport());
    assert!(peer.outcome().unwrap().is_clean(), "both Closes were there");
    assert_eq!(peer.connection.poll_timeout(at(106)), None);
}

#[test]
fn a_peer_that_does_not_answer_our_close_is_left_at_the_close_timeout() {
    // R7.1.1-4, F6.
    let at = Duration::from_secs;
    for role in ROLES {
        let mut connection = open(role);
        let _ = connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(connection.poll_timeout(at(0)), Some(at(5)));
        assert_eq!(connection.handle_timeout(at(5)), Ok(()));
        assert!(connection.should_close_transport() && !connection.is_receiving());
        let outcome = (Initiator::Local, Some(1000), 1006, false);
        assert_eq!(parts(connection.outcome()), Some(outcome));
        let late = Some(Failure::Timeout(TimeoutError::Close));
        assert_eq!(connection.outcome().unwrap().failure, late);
        // What ends first counts.
        assert_eq!(connection.receive_eof(), Ok(()));
        assert_eq!(connection.outcome().unwrap().failure, late);
    }
}

#[test]
fn an_answer_to_a_close_that_could_not_be_sent_in_time_is_named() {
    let at = Duration::from_secs;
    for role in ROLES {
        let mut connection = open(role);
        let mut bytes = frame(role, 0x88, b"\x03\xe8");
        let event = connection.receive(&mut Input::new(&mut bytes));
        assert!(matches!(event, Ok(Some(Event::Close(Some(_))))));
        assert_eq!(connection.poll_timeout(at(0)), Some(at(5)));
        assert_eq!(connection.handle_timeout(at(5)), Ok(()));
        let outcome = (Initiator::Peer, None, 1000, false);
        assert_eq!(parts(connection.outcome()), Some(outcome));
        let late = Some(Failure::Timeout(TimeoutError::Close));
        assert_eq!(connection.outcome().unwrap().failure, late);
    }
}

#[test]
fn lingering_ends_with_the_transport_or_the_close_timeout() {
    let at = Duration::from_secs;
    for role in ROLES {
        let mut peer = Peer::new(role);
        peer.feed(b"\x83"); // an error; its Close is written
        assert!(peer.connection.should_close_transport());
        assert_eq!(peer.connection.poll_timeout(at(1)), Some(at(6)));
        assert!(!peer.connection.is_over());
        peer.connection.handle_timeout(at(5)).unwrap();
        assert!(!peer.connection.is_over());
        peer.connection.handle_timeout(at(6)).unwrap();
        assert!(peer.connection.is_over());
        assert_eq!(peer.connection.poll_timeout(at(6)), None);
    }
}
