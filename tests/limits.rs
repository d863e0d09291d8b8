//! Limits (RFC 6455 §10.4): frames, messages and fragments, judged at the header.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use websocket_proto::connection::{Config, Role};
use websocket_proto::frame::Rsv;
use websocket_proto::{Input, ProtocolError};

fn config(max_frame: u64, max_message: u64) -> Config {
    let mut config = Config::default();
    config.max_frame = max_frame;
    config.max_message = max_message;
    config
}

fn key_to(role: Role) -> Option<[u8; 4]> {
    (role == Role::Server).then_some(KEY)
}

#[test]
fn defaults_are_as_documented() {
    // R10.4-2, N-16: E3 was a default that the documentation had wrong.
    let config = Config::default();
    assert_eq!((config.max_frame, config.max_message), (16 << 20, 16 << 20));
    assert_eq!(config.frame_allowance, 1024);
    assert!(config.rsv.is_empty());
    assert_eq!(
        (config.ping_interval, config.pong_timeout, config.idle_timeout),
        (None, None, None)
    );
    assert_eq!(config.close_timeout.as_secs(), 5);
    let config = websocket_proto::endpoint::Config::default();
    assert_eq!(config.read_buffer, 16 * 1024 + 512);
    assert_eq!((config.high_watermark, config.low_watermark), (256 * 1024, 64 * 1024));
    assert_eq!(config.write_timeout.map(|timeout| timeout.as_secs()), Some(30));
}

#[test]
fn a_frame_is_refused_at_its_header_if_it_is_over_the_limit() {
    // R10.4-1, R10.4-2, C6: one below, at, one above the limit, at every length form.
    for role in ROLES {
        for limit in [0u64, 1, 125, 126, 65_535, 65_536, 1 << 40] {
            for b0 in [0x81, 0x82, 0x01, 0x02] {
                for len in [limit.saturating_sub(1), limit, limit + 1] {
                    let head = header(b0, len, key_to(role));
                    let peer = receive_with(role, &config(limit, u64::MAX), &head);
                    let error = ProtocolError::FrameTooLong { len, limit };
                    assert_eq!(peer.error, (len > limit).then_some(error));
                    assert_eq!(peer.close_code(), (len > limit).then_some(1009));
                }
            }
        }
    }
}

#[test]
fn compressed_messages_may_be_longer_on_the_wire_by_a_quarter_and_1_kib() {
    // RFC 7692 §6: RSV1 on the first frame. They are held to the limit itself when decompressed.
    for role in ROLES {
        for limit in [0u64, 1, 1_000, 1 << 40, u64::MAX / 2, u64::MAX] {
            let most = limit.saturating_add(limit / 4 + 1024);
            let cases = [
                // What was compressed before does not count, nor does what others may do.
                (config(limit, u64::MAX), &[][..]),
                (config(u64::MAX, limit), &[]),
                (config(u64::MAX, limit), &[(0x41, 1_024)]),
                (config(u64::MAX, limit), &[(0xc2, 1), (0x42, 0), (0, 0)]),
            ];
            for (mut config, before) in cases {
                config.rsv = Rsv::RSV1;
                let sent: u64 = if before.len() == 1 { 1_024 } else { 0 };
                let b0 = if before.is_empty() { 0xc2 } else { 0x80 };
                let head = |len| {
                    let frame = |&(b0, len): &(u8, usize)| frame(role, b0, &vec![7; len]);
                    let before: Vec<u8> = before.iter().flat_map(frame).collect();
                    [before, header(b0, len, key_to(role))].concat()
                };
                // A frame may announce less than 2^63.
                let longest = (most - sent).min(i64::MAX.unsigned_abs());
                assert_eq!(receive_with(role, &config, &head(longest)).error, None, "{limit}");
                if longest == most - sent {
                    let error = receive_with(role, &config, &head(longest + 1)).error;
                    let frame = ProtocolError::FrameTooLong { len: longest + 1, limit };
                    let message = ProtocolError::MessageTooLong { limit };
                    assert_eq!(
                        error,
                        Some(if config.max_frame == limit { frame } else { message })
                    );
                }
            }
            // A message without the bit is held to the limit itself, also behind one with it.
            if limit < u64::MAX / 4 {
                let mut config = config(u64::MAX, limit);
                config.rsv = Rsv::RSV1;
                for before in [&[][..], &frame(role, 0xc2, b"")] {
                    let wire = [before, &header(0x82, limit + 1, key_to(role))].concat();
                    let error = receive_with(role, &config, &wire).error;
                    assert_eq!(error, Some(ProtocolError::MessageTooLong { limit }));
                }
            }
        }
    }
}

#[test]
fn lengths_are_compared_as_64_bits() {
    // Defence 17, C1, C2: 2^32 + 5 is not 5, and 2^63 - 1 is not negative.
    let long = i64::MAX.unsigned_abs();
    for role in ROLES {
        for len in [(1 << 32) + 5, 1 << 31, 1 << 32, 1 << 62, long] {
            let head = header(0x82, len, key_to(role));
            let peer = receive_with(role, &config(5, 5), &head);
            assert_eq!(peer.error, Some(ProtocolError::FrameTooLong { len, limit: 5 }));
            let peer = receive_with(role, &config(u64::MAX, len - 1), &head);
            assert_eq!(peer.error, Some(ProtocolError::MessageTooLong { limit: len - 1 }));
            let peer = receive_with(role, &config(u64::MAX, u64::MAX), &head);
            assert_eq!((peer.error, peer.connection.data_remaining()), (None, len));
        }
    }
}

#[test]
fn a_message_is_refused_at_the_header_that_takes_it_over_the_limit() {
    // R10.4-2, defence 22, D1: the running total, with what is announced, not what has come.
    for role in ROLES {
        for over in [0, 1, 2] {
            let wire = [
                frames(role, &[(0x02, &[1; 60]), (0x89, b"p"), (0x00, &[2; 40])]),
                header(0x80, 100 - 1 + over, key_to(role)),
            ]
            .concat();
            let peer = receive_with(role, &config(u64::MAX, 200), &wire);
            let error = (over == 2).then_some(ProtocolError::MessageTooLong { limit: 200 });
            assert_eq!(peer.error, error, "{over}");
            assert_eq!(peer.close_code(), error.map(|_| 1009));
        }
    }
}

#[test]
fn the_total_does_not_wrap_around() {
    // C1: fragments of almost 2^63 bytes would, if any of their bytes could come; empty frames of
    // a message at its limit are taken.
    for role in ROLES {
        let config = config(u64::MAX, 10);
        let list: [(u8, &[u8]); 4] = [(0x02, &[7; 10]), (0x00, b""), (0x00, b""), (0x80, b"")];
        let peer = receive_with(role, &config, &frames(role, &list));
        assert_eq!(peer.seen, [Seen::binary(&[7; 10])]);
        let head = header(0x80, i64::MAX.unsigned_abs(), key_to(role));
        let wire = [frame(role, 0x02, &[7; 10]), head].concat();
        let peer = receive_with(role, &config, &wire);
        assert_eq!(peer.error, Some(ProtocolError::MessageTooLong { limit: 10 }));
    }
}

#[test]
fn the_total_starts_anew_with_each_message() {
    // R6.2-4.
    for role in ROLES {
        let one = frames(role, &[(0x02, &[7; 6]), (0x80, &[8; 4])]);
        let peer = receive_with(role, &config(10, 10), &one.repeat(5));
        assert_eq!((peer.error, peer.seen.len()), (None, 5));
    }
}

#[test]
fn limits_do_not_touch_control_frames() {
    // R5.5-2 bounds those already.
    for role in ROLES {
        let list: [(u8, &[u8]); 3] = [(0x89, b"ping"), (0x8a, b"pong"), (0x88, b"\x03\xe8why")];
        let peer = receive_with(role, &config(0, 0), &frames(role, &list));
        assert_eq!((peer.error, peer.seen.len()), (None, 3));
    }
}

#[test]
fn a_limit_of_nothing_takes_empty_messages() {
    for role in ROLES {
        let peer = receive_with(role, &config(0, 0), &frames(role, &[(0x81, b""), (0x82, b"")]));
        assert_eq!(peer.seen, [Seen::text(""), Seen::binary(b"")]);
    }
}

#[test]
fn an_error_that_text_shows_first_is_the_one_that_counts() {
    // The limit fails at the header, text at its byte: whichever is on the wire earlier.
    let wire = frames(Role::Server, &[(0x01, b"\xff"), (0x80, &[b'x'; 20])]);
    let peer = receive_with(Role::Server, &config(10, 10), &wire);
    assert_eq!((peer.error, peer.close_code()), (Some(ProtocolError::InvalidUtf8), Some(1007)));
}

// ---- fragments ----------------------------------------------------------------------------------

#[test]
fn fragments_are_counted_against_what_they_bring() {
    // R10.4-2, D4, N-16: the allowance, and one more for each 16 bytes; 1008.
    for role in ROLES {
        for allowance in [0u32, 1, 5, 40] {
            for size in [0u32, 1, 5, 16] {
                let mut config = Config::default();
                config.frame_allowance = allowance;
                // How many frames of this size pass, counted by the words of the documentation.
                let passes = |n: u32| (1..=n).all(|n| n <= allowance + n * size / 16);
                let most = (0..200).take_while(|n| passes(*n)).last().unwrap();
                let payload = vec![7; usize::try_from(size).unwrap()];
                for count in [most.saturating_sub(1), most, most + 1] {
                    let wire: Vec<u8> = (0..count)
                        .flat_map(|i| frame(role, if i == 0 { 0x02 } else { 0 }, &payload))
                        .collect();
                    let mut peer = Peer::with(role, &config);
                    peer.feed(&wire);
                    let error = ProtocolError::TooManyFrames { frames: count };
                    let over = count > most && !passes(count);
                    assert_eq!(peer.error, over.then_some(error), "{allowance} {size} {count}");
                    assert_eq!(peer.close_code(), over.then_some(1008));
                }
            }
        }
    }
}

#[test]
fn the_default_allowance_ends_at_1024_empty_fragments() {
    for role in ROLES {
        for count in [1023, 1024, 1025] {
            let mut peer = Peer::new(role);
            peer.feed(&frame(role, 0x01, b""));
            peer.feed(&frame(role, 0x00, b"").repeat(count - 1));
            let error = ProtocolError::TooManyFrames { frames: 1025 };
            assert_eq!(peer.error, (count > 1024).then_some(error));
        }
    }
}

#[test]
fn fragments_are_refused_in_every_split() {
    for role in ROLES {
        let mut config = Config::default();
        config.frame_allowance = 3;
        let wire =
            frames(role, &[(0x01, b"a"), (0x00, b""), (0x89, b""), (0x00, b""), (0x00, b"")]);
        let peer = receive_with(role, &config, &wire);
        assert_eq!(peer.error, Some(ProtocolError::TooManyFrames { frames: 4 }));
        assert_eq!(peer.seen, [Seen::Ping(vec![])], "control frames do not count");
    }
}

#[test]
fn the_count_starts_anew_with_each_message() {
    for role in ROLES {
        let mut config = Config::default();
        config.frame_allowance = 3;
        let one = frames(role, &[(0x01, b""), (0x00, b""), (0x80, b"")]);
        let peer = receive_with(role, &config, &one.repeat(20));
        assert_eq!((peer.error, peer.seen.len()), (None, 20));
    }
}

#[test]
fn honest_traffic_never_meets_the_bound() {
    // D3: 65,537 fragments of 64 bytes are what some senders make of 4 MiB.
    for role in ROLES {
        let mut peer = Peer::new(role);
        let payload = [0x5a; 64];
        peer.feed(&frame(role, 0x02, &payload));
        let some = frame(role, 0x00, &payload).repeat(4096);
        for _ in 0..16 {
            peer.feed(&some);
        }
        assert_eq!((peer.error, peer.seen.len()), (None, 0));
        peer.feed(&frame(role, 0x80, b""));
        assert_eq!(peer.seen, [Seen::Binary(vec![0x5a; 65_537 * 64])]);
    }
}

#[test]
fn ten_million_empty_continuations_make_no_event_and_no_output() {
    // Defence 24, D4: with the allowance at its largest. That memory stays constant is tested with
    // the other allocations.
    let count = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };
    for role in ROLES {
        let mut config = Config::default();
        config.frame_allowance = u32::MAX;
        let mut connection = connection(role, &config);
        let mut start = frame(role, 0x01, b"");
        assert_eq!(connection.receive(&mut Input::new(&mut start)), Ok(None));
        let mut batch = frame(role, 0x00, b"").repeat(10_000);
        for _ in 0..count / 10_000 {
            assert_eq!(connection.receive(&mut Input::new(&mut batch)), Ok(None));
            assert!(!connection.wants_transmit());
        }
        let mut end = frame(role, 0x80, b"x");
        assert!(connection.receive(&mut Input::new(&mut end)).unwrap().is_some());
    }
}
