//! Pings and Pongs (RFC 6455 §5.5, §5.5.2, §5.5.3).
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use websocket_proto::connection::{Fragment, Role};
use websocket_proto::{CloseCode, Event, Input, ProtocolError, SendError, endpoint};

#[test]
fn a_ping_is_answered_with_the_same_payload() {
    // R5.5.2-1, R5.5.2-2, R5.5.3-1: nothing, one byte, bytes that are not text, 125 bytes.
    for role in ROLES {
        for payload in [&b""[..], b"p", b"\0\xff\xc3", &[0xa5; 125]] {
            let peer = receive(role, &frame(role, 0x89, payload));
            assert_eq!(peer.seen, [Seen::Ping(payload.to_vec())]);
            assert_eq!(peer.frames(), [(0x8a, payload.to_vec())]);
        }
    }
}

#[test]
fn pings_that_are_answered_in_time_are_all_answered() {
    // R5.5.2-3.
    for role in ROLES {
        let peer = receive(role, &frames(role, &[(0x89, b"1"), (0x89, b"2"), (0x89, b"3")]));
        let pongs = [(0x8a, b"1".to_vec()), (0x8a, b"2".to_vec()), (0x8a, b"3".to_vec())];
        assert_eq!(peer.frames(), pongs);
    }
}

#[test]
fn of_pings_that_wait_the_latest_is_answered() {
    // R5.5.3-2, N-11, defence 29.
    for role in ROLES {
        let make = || {
            let mut peer = Peer::new(role);
            peer.transmits = false;
            peer
        };
        let wire = frames(
            role,
            &[(0x89, b"1"), (0x89, b"2"), (0x89, b""), (0x89, b"longest"), (0x89, b"4")],
        );
        let mut peer = receive_by(make, &wire);
        assert_eq!(peer.sent, b"");
        assert!(peer.connection.wants_transmit());
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert_eq!(peer.frames(), [(0x8a, b"4".to_vec())]);
        assert!(!peer.connection.wants_transmit());
        assert!(peer.connection.poll_control().unwrap().is_none());
    }
}

#[test]
fn a_million_pings_leave_one_pong() {
    // Defence 29, E1: output stays at 131 bytes at most.
    for role in ROLES {
        let mut connection = open(role);
        let one = frame(role, 0x89, &[0x2e; 125]);
        let mut batch = one.repeat(100);
        let pristine = batch.clone();
        for _ in 0..10_000 {
            batch.copy_from_slice(&pristine);
            let mut input = Input::new(&mut batch);
            while let Some(event) = connection.receive(&mut input).unwrap() {
                assert!(matches!(event, Event::Ping(_)));
            }
        }
        let mut out = Vec::new();
        connection.poll_transmit(&mut out).unwrap();
        assert_eq!(out.len(), if role == Role::Client { 131 } else { 127 });
    }
}

#[test]
fn ten_pings_in_one_read_of_an_endpoint_give_ten_pongs() {
    // R5.5.2-3.
    for role in ROLES {
        let mut run = Run::new(endpoint(role));
        let wire: Vec<u8> = (0..10).flat_map(|i| frame(role, 0x89, &[i])).collect();
        run.read(&wire, usize::MAX);
        let pongs: Vec<_> = (0..10).map(|i| (0x8a, vec![i])).collect();
        assert_eq!(sent_by(role, &drain(&mut run.endpoint)), pongs);
    }
}

#[test]
fn pings_of_a_peer_that_never_reads_fill_an_endpoint_to_its_watermark() {
    // Defence 29, 30: also through the output queue, and nothing is lost but superseded Pongs.
    for role in ROLES {
        let config = endpoint::Config::default();
        let mut run = Run::new(endpoint_with(role, &config));
        let pings = frame(role, 0x89, &[0x2e; 125]).repeat(100);
        let rounds = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
        let mut most = 0;
        for _ in 0..rounds {
            run.read(&pings, usize::MAX);
            most = most.max(run.endpoint.queued());
        }
        assert!(most > config.high_watermark - 131, "pongs are queued up to there");
        assert!(most <= config.high_watermark + 131, "{most}");
        // Messages still come, and the latest Ping is answered once there is room.
        run.read(&frames(role, &[(0x89, b"latest"), (0x81, b"hi")]), usize::MAX);
        assert_eq!(run.messages, [Seen::text("hi")]);
        let full = queued(&run.endpoint).len();
        let sent = drain(&mut run.endpoint);
        let latest = parse(&sent[full..]);
        assert_eq!(latest.len(), 1);
        assert_eq!((latest[0].b0, &latest[0].payload[..]), (0x8a, &b"latest"[..]));
    }
}

#[test]
fn a_close_leaves_even_behind_a_full_queue() {
    // R5.5.1-8, R5.5.1-10: the watermark holds Pongs back, not the Close.
    for role in ROLES {
        let mut config = endpoint::Config::default();
        config.high_watermark = 10;
        let mut run = Run::new(endpoint_with(role, &config));
        run.endpoint.send("more than ten bytes").unwrap();
        assert!(run.endpoint.is_full());
        run.read(&frames(role, &[(0x89, b"p"), (0x88, b"\x03\xe8")]), usize::MAX);
        let sent: Vec<u8> =
            sent_by(role, &drain(&mut run.endpoint)).iter().map(|(b0, _)| *b0).collect();
        assert_eq!(sent, [0x81, 0x88]);
    }
}

#[test]
fn unsolicited_pongs_are_no_error_and_need_no_answer() {
    // R5.5.3-3, R5.5.3-4, E2.
    for role in ROLES {
        let peer = receive(role, &frames(role, &[(0x8a, b""), (0x8a, b"beat"), (0x81, b"x")]));
        let seen = [Seen::Pong(vec![]), Seen::Pong(b"beat".to_vec()), Seen::text("x")];
        assert_eq!((&peer.seen[..], peer.sent.len()), (&seen[..], 0));
    }
}

#[test]
fn control_payloads_end_at_125_bytes() {
    // R5.5-2, E7: 126 fails at the second byte, before any length or payload.
    for role in ROLES {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        for b0 in [0x88, 0x89, 0x8a] {
            let mut payload = vec![b'x'; 125];
            payload[..2].copy_from_slice(&[0x03, 0xe8]);
            assert_eq!(receive(role, &frame(role, b0, &payload)).error, None);
            for len in [126, 127] {
                let peer = receive(role, &[b0, mask | len]);
                assert_eq!(peer.error, Some(ProtocolError::ControlTooLong));
                assert_eq!(peer.close_code(), Some(1002));
            }
        }
        let mut connection = open(role);
        for len in [126, 1_000, 70_000] {
            let error = Some(SendError::ControlTooLong { len });
            assert_eq!(connection.ping(&vec![0; len]).err(), error);
            assert_eq!(connection.pong(&vec![0; len]).err(), error);
        }
        for len in [0, 1, 124, 125] {
            let payload = vec![9; len];
            let ping = connection.ping(&payload).unwrap();
            assert_eq!(sent_by(role, &ping), [(0x89, payload.clone())]);
            let pong = connection.pong(&payload).unwrap();
            assert_eq!(sent_by(role, &pong), [(0x8a, payload)]);
        }
    }
}

#[test]
fn control_frames_are_not_fragmented() {
    // R5.4-8, R5.5-3: refused at the first byte.
    for role in ROLES {
        for b0 in [0x08, 0x09, 0x0a] {
            let peer = receive(role, &[b0]);
            assert_eq!(peer.error, Some(ProtocolError::FragmentedControl));
            assert_eq!(peer.close_code(), Some(1002));
        }
    }
}

#[test]
fn reserved_opcodes_are_refused_at_the_first_byte() {
    // R5.2-4, R5.5-1.
    for role in ROLES {
        for opcode in (3..=7).chain(11..=15) {
            for fin in [0, 0x80] {
                let peer = receive(role, &[fin | opcode]);
                assert_eq!(peer.error, Some(ProtocolError::ReservedOpcode(opcode)));
                assert_eq!(peer.close_code(), Some(1002));
            }
        }
    }
}

#[test]
fn pings_may_be_sent_between_the_parts_of_a_message() {
    // R5.5.2-4, R5.4-7; and a Pong leaves there as well (R5.5.2-3).
    for role in ROLES {
        let mut peer = Peer::new(role);
        peer.connection.send_part("a", Fragment::More, &mut peer.sent).unwrap();
        peer.sent.extend_from_slice(&peer.connection.ping(b"p").unwrap());
        peer.feed(&frame(role, 0x89, b"q"));
        peer.connection.send_part("b", Fragment::Last, &mut peer.sent).unwrap();
        let sent = [(0x01, "a"), (0x89, "p"), (0x8a, "q"), (0x80, "b")];
        assert_eq!(peer.frames(), sent.map(|(b0, payload)| (b0, payload.into())));
    }
}

#[test]
fn no_ping_is_answered_after_a_close() {
    // R5.5.2-2: not after theirs; R5.5.1-7: and nothing follows ours.
    for role in ROLES {
        let peer = receive(role, &frames(role, &[(0x88, b""), (0x89, b"p")]));
        assert_eq!(
            (&peer.seen[..], peer.frames()),
            (&[Seen::Close(None)][..], vec![(0x88, vec![])])
        );
        let mut peer = Peer::new(role);
        let _ = peer.connection.close(CloseCode::NORMAL, "").unwrap();
        peer.feed(&frame(role, 0x89, b"p"));
        assert_eq!(peer.seen, [Seen::Ping(b"p".to_vec())]);
        assert_eq!(peer.sent, b"");
        assert!(!peer.connection.wants_transmit());
    }
}

#[test]
fn a_pong_that_waits_is_dropped_by_a_close_of_either_end() {
    // R5.5.1-8: exactly the Close leaves.
    for role in ROLES {
        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(&frame(role, 0x89, b"p"));
        let close = peer.connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(sent_by(role, &close), [(0x88, b"\x03\xe8".to_vec())]);
        assert!(!peer.connection.wants_transmit());

        let mut peer = Peer::new(role);
        peer.transmits = false;
        peer.feed(&frames(role, &[(0x89, b"p"), (0x88, b"")]));
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert_eq!(peer.frames(), [(0x88, vec![])]);
    }
}
