//! Deadlines: keep-alive, idle, close and write. Time is a plain number.
#![allow(clippy::unwrap_used)]

mod common;

use core::time::Duration;

use common::*;
use proptest::prelude::*;
use websocket_proto::connection::{Config, Failure, Fragment, Initiator, Role};
use websocket_proto::{CloseCode, TimeoutError, UncleanClose, endpoint};

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config(ping: Option<u64>, pong: Option<u64>, idle: Option<u64>) -> Config {
    let mut config = Config::default();
    config.ping_interval = ping.map(at);
    config.pong_timeout = pong.map(at);
    config.idle_timeout = idle.map(at);
    config
}

fn due(peer: &mut Peer) -> Vec<(u8, Vec<u8>)> {
    let mut out = Vec::new();
    peer.connection.poll_transmit(&mut out).unwrap();
    sent_by(peer.role, &out)
}

#[test]
fn nothing_is_due_by_default() {
    for role in ROLES {
        let mut peer = Peer::new(role);
        assert_eq!(peer.connection.poll_timeout(at(1)), None);
        assert_eq!(peer.connection.handle_timeout(at(1_000_000)), Ok(()));
        assert_eq!(due(&mut peer), []);
    }
}

#[test]
fn a_quiet_peer_is_pinged() {
    // R5.5.2-4: after the interval without a byte, and again an interval later.
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(30), None, None));
        assert_eq!(peer.connection.poll_timeout(at(100)), Some(at(130)));
        assert_eq!(peer.connection.handle_timeout(at(129)), Ok(()));
        assert_eq!(due(&mut peer), []);
        for n in 1..4 {
            assert_eq!(peer.connection.poll_timeout(at(110)), Some(at(100 + 30 * n)));
            assert_eq!(peer.connection.handle_timeout(at(100 + 30 * n)), Ok(()));
            assert_eq!(due(&mut peer), [(0x89, vec![])]);
        }
    }
}

#[test]
fn any_byte_puts_the_ping_off() {
    for role in ROLES {
        let message = frame(role, 0x82, &[0; 300]);
        let mut peer = Peer::with(role, &config(Some(30), None, None));
        assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(30)));
        // A byte of a header, a byte of a payload, a Ping, a Pong.
        for (i, bytes) in [&message[..1], &message[1..]].into_iter().enumerate() {
            peer.feed(bytes);
            let now = 10 * (u64::try_from(i).unwrap() + 1);
            assert_eq!(peer.connection.poll_timeout(at(now)), Some(at(now + 30)));
        }
        peer.feed(&frame(role, 0x8a, b""));
        assert_eq!(peer.connection.poll_timeout(at(100)), Some(at(130)));
        assert_eq!(peer.connection.handle_timeout(at(110)), Ok(()));
        assert_eq!(due(&mut peer), []);
    }
}

#[test]
fn the_answer_to_a_keep_alive_ping_is_measured() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(30), Some(10), None));
        let ping = |peer: &mut Peer, due_at: u64, written_at: u64| {
            assert_eq!(peer.connection.poll_timeout(at(due_at - 30)), Some(at(due_at)));
            assert_eq!(peer.connection.handle_timeout(at(due_at)), Ok(()));
            assert_eq!(due(peer), [(0x89, vec![])]);
            peer.connection.note_written();
            // From when it is written; it may have waited behind other output.
            let until = peer.connection.poll_timeout(at(written_at));
            assert_eq!(until, Some(at(written_at + 10)));
        };
        assert_eq!(peer.connection.latency(), None);
        ping(&mut peer, 30, 32);
        peer.feed(&frame(role, 0x8a, b""));
        peer.connection.poll_timeout(at(32) + Duration::from_micros(1_234));
        let measured = Some(Duration::from_micros(1_234));
        assert_eq!(peer.connection.latency(), measured);

        // A Pong that nobody asked for, the answer to another Ping, one behind something else.
        peer.feed(&frame(role, 0x8a, b""));
        peer.connection.poll_timeout(at(70));
        ping(&mut peer, 100, 101);
        peer.feed(&frame(role, 0x8a, b"other"));
        peer.connection.poll_timeout(at(102));
        ping(&mut peer, 132, 133);
        peer.feed(&frame(role, 0x82, b"data"));
        peer.connection.poll_timeout(at(134));
        peer.feed(&frame(role, 0x8a, b""));
        peer.connection.poll_timeout(at(135));
        assert_eq!(peer.connection.latency(), measured);

        ping(&mut peer, 165, 165);
        peer.feed(&frame(role, 0x8a, b""));
        assert_eq!(peer.connection.handle_timeout(at(169)), Ok(()));
        assert_eq!(peer.connection.latency(), Some(at(4)));
    }
}

#[test]
fn a_peer_that_does_not_answer_a_ping_is_gone() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(30), Some(10), None));
        peer.connection.poll_timeout(at(0));
        peer.connection.handle_timeout(at(30)).unwrap();
        assert_eq!(due(&mut peer), [(0x89, vec![])]);
        assert_eq!(peer.connection.poll_timeout(at(31)), Some(at(40)));
        assert_eq!(peer.connection.handle_timeout(at(39)), Ok(()));
        assert_eq!(peer.connection.handle_timeout(at(40)), Err(TimeoutError::Pong));
        // 1011 with a reason, R7.1.7-5, if it still listens.
        let body = close_body(1011, TimeoutError::Pong.reason());
        assert!(!peer.connection.should_close_transport());
        assert_eq!(due(&mut peer), [(0x88, body)]);
        let outcome = peer.outcome().unwrap();
        assert_eq!(outcome.failure, Some(Failure::Timeout(TimeoutError::Pong)));
        assert_eq!(outcome.initiator, Initiator::Local);
        assert_eq!((outcome.sent, outcome.received), (Some(CloseCode(1011)), CloseCode(1006)));
        assert!(peer.connection.should_close_transport());
        // R7.1.7-7.
        peer.feed(&frame(role, 0x81, b"late"));
        assert_eq!((peer.seen.len(), peer.error), (0, None));
    }
}

#[test]
fn any_data_is_life_and_not_only_the_pong() {
    for role in ROLES {
        for alive in
            [frame(role, 0x8a, b""), frame(role, 0x81, b"x"), frame(role, 0x82, b"x")[..1].to_vec()]
        {
            let mut peer = Peer::with(role, &config(Some(30), Some(10), None));
            peer.connection.poll_timeout(at(0));
            peer.connection.handle_timeout(at(30)).unwrap();
            due(&mut peer);
            peer.feed(&alive);
            assert_eq!(peer.connection.poll_timeout(at(39)), Some(at(69)));
            assert_eq!(peer.connection.handle_timeout(at(40)), Ok(()));
            assert_eq!(due(&mut peer), []);
        }
    }
}

#[test]
fn a_ping_of_the_application_is_not_waited_for() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(None, Some(10), None));
        let _ = peer.connection.ping(b"mine").unwrap();
        assert_eq!(peer.connection.poll_timeout(at(0)), None);
    }
}

#[test]
fn a_keep_alive_ping_does_not_pile_up() {
    // Bounded output for a peer that does not read: one Ping, however often it is due.
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(1), None, None));
        peer.connection.poll_timeout(at(0));
        for now in 1..1000 {
            peer.connection.handle_timeout(at(now)).unwrap();
        }
        assert_eq!(due(&mut peer), [(0x89, vec![])]);
    }
}

#[test]
fn an_idle_connection_is_closed() {
    // Messages in either direction count, Pings and Pongs do not.
    for role in ROLES {
        let mut peer = Peer::with(role, &config(None, None, Some(60)));
        let mut out = Vec::new();
        assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(60)));
        peer.connection.send("x", &mut out).unwrap();
        assert_eq!(peer.connection.poll_timeout(at(10)), Some(at(70)));
        peer.connection.send_part("x", Fragment::Last, &mut out).unwrap();
        assert_eq!(peer.connection.poll_timeout(at(20)), Some(at(80)));
        let _ = peer.connection.send_in_place(websocket_proto::Kind::Binary, &mut [1]).unwrap();
        assert_eq!(peer.connection.poll_timeout(at(30)), Some(at(90)));
        peer.feed(&frame(role, 0x81, b"x"));
        assert_eq!(peer.connection.poll_timeout(at(40)), Some(at(100)));
        peer.feed(&frames(role, &[(0x89, b""), (0x8a, b"")]));
        let _ = peer.connection.ping(b"").unwrap();
        assert_eq!(peer.connection.poll_timeout(at(50)), Some(at(100)));
        assert_eq!(peer.connection.handle_timeout(at(99)), Ok(()));
        assert_eq!(peer.connection.handle_timeout(at(100)), Err(TimeoutError::Idle));
        peer.connection.poll_transmit(&mut peer.sent).unwrap();
        assert_eq!(peer.close_code(), Some(1001));
        let failure = peer.outcome().unwrap().failure;
        assert_eq!(failure, Some(Failure::Timeout(TimeoutError::Idle)));
        assert_eq!(peer.connection.handle_timeout(at(500)), Ok(()), "it is told once");
    }
}

#[test]
fn the_earliest_deadline_is_given() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(30), Some(10), Some(35)));
        assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(30)));
        peer.connection.handle_timeout(at(30)).unwrap();
        assert_eq!(peer.connection.poll_timeout(at(30)), Some(at(35)));
        assert_eq!(peer.connection.handle_timeout(at(35)), Err(TimeoutError::Idle));
    }
}

#[test]
fn a_closing_connection_has_the_close_timeout_only() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(1), Some(1), Some(1)));
        peer.connection.poll_timeout(at(0));
        let _ = peer.connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(5)));
        assert_eq!(peer.connection.handle_timeout(at(4)), Ok(()));
        assert_eq!(due(&mut peer), [], "no keep-alive after a Close");
        assert_eq!(peer.connection.poll_timeout(at(4)), Some(at(5)));
        assert_eq!(peer.connection.handle_timeout(at(5)), Ok(()));
        let outcome = peer.outcome().unwrap();
        assert_eq!(outcome.failure, Some(Failure::Timeout(TimeoutError::Close)));
        assert_eq!(outcome.sent, Some(CloseCode::NORMAL));
        assert_eq!(outcome.received, CloseCode::ABNORMAL, "RFC 6455 §7.1.5");
        assert_eq!(peer.connection.poll_timeout(at(5)), None);
    }
}

#[test]
fn a_keep_alive_ping_that_waits_is_dropped_by_a_close() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(1), None, None));
        peer.connection.poll_timeout(at(0));
        peer.connection.handle_timeout(at(1)).unwrap();
        assert!(peer.connection.wants_transmit());
        let _ = peer.connection.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(due(&mut peer), []);
    }
}

#[test]
fn nothing_times_out_once_the_transport_has_ended() {
    // F7, defence 34: one terminal result. There is no Close to queue and nobody to wait for.
    for role in ROLES {
        for config in [config(None, None, Some(10)), config(Some(10), Some(10), None)] {
            let mut peer = Peer::with(role, &config);
            assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(10)));
            assert_eq!(peer.connection.receive_eof(), Err(UncleanClose));
            for now in [10, 20, 30, 40] {
                assert_eq!(peer.connection.poll_timeout(at(now)), None);
                assert_eq!(peer.connection.handle_timeout(at(now)), Ok(()), "at {now}");
            }
        }
    }
}

#[test]
fn spans_of_zero_do_not_spin() {
    for role in ROLES {
        let mut peer = Peer::with(role, &config(Some(0), Some(0), None));
        let now = at(7);
        peer.connection.poll_timeout(now);
        for _ in 0..3 {
            let _ = peer.connection.handle_timeout(now);
            assert!(peer.connection.poll_timeout(now).is_none_or(|next| next > now));
        }
    }
}

#[test]
fn a_moment_beyond_all_reckoning_is_no_timeout() {
    // Nothing is configured, so nothing can be due, whenever it is.
    for role in ROLES {
        let mut peer = Peer::new(role);
        assert_eq!(peer.connection.poll_timeout(Duration::MAX), None);
        assert_eq!(peer.connection.handle_timeout(Duration::MAX), Ok(()));
        assert!(peer.connection.is_open());

        // Nor is it one of what is off.
        let mut connection = connection(role, &config(Some(30), None, None));
        connection.poll_timeout(at(0));
        assert_eq!(connection.handle_timeout(Duration::MAX), Ok(()));
        let mut connection = self::connection(role, &config(Some(30), Some(10), None));
        connection.poll_timeout(at(0));
        connection.handle_timeout(at(30)).unwrap();
        assert_eq!(connection.handle_timeout(Duration::MAX), Err(TimeoutError::Pong));
    }
}

#[test]
fn each_byte_that_an_endpoint_reads_of_a_frame_is_life() {
    // By `next`, which takes note of it later; a moment after each, one of the ways to look.
    for role in ROLES {
        let message = frame(role, 0x82, &[0; 300]);
        for look in 0..4 {
            let mut endpoint_config = endpoint::Config::default();
            endpoint_config.connection = config(Some(30), Some(10), None);
            let mut endpoint = endpoint_with(role, &endpoint_config);
            let mut buffers = endpoint::Buffers::new();
            assert_eq!(endpoint.poll_timeout(at(0)), Some(at(30)));
            for (i, byte) in message[..message.len() - 1].iter().enumerate() {
                endpoint.read_buf()[0] = *byte;
                endpoint.advance_read(1);
                let now = 25 * (u64::try_from(i).unwrap() + 1);
                let unseen = endpoint.poll_timeout(at(now - 1));
                assert_eq!(unseen, Some(at(now + 5)), "read, but not polled");
                assert!(endpoint.next().unwrap().is_none());
                let next = match look {
                    0 => endpoint.poll_timeout(at(now)),
                    1 => {
                        assert_eq!(endpoint.handle_timeout(at(now)), Ok(()));
                        endpoint.poll_timeout(at(now + 1))
                    }
                    2 => {
                        buffers.take_back(&mut endpoint);
                        buffers.lend_to(&mut endpoint);
                        endpoint.poll_timeout(at(now))
                    }
                    _ => {
                        let (mut connection, _, _) = endpoint.into_parts();
                        let next = connection.poll_timeout(at(now));
                        endpoint = endpoint::Endpoint::new(connection, &endpoint_config);
                        endpoint.push_input(&message[..=i]);
                        assert!(endpoint.next().unwrap().is_none());
                        // What it is given again is news to it.
                        assert_eq!(endpoint.poll_timeout(at(now)), next);
                        next
                    }
                };
                assert_eq!(next, Some(at(now + 30)), "{role:?}, {look}, byte {i}");
                assert_eq!(endpoint.poll_timeout(at(now + 24)), Some(at(now + 30)), "nothing new");
            }
            assert_eq!(endpoint.queued(), 0, "no Ping");
        }
    }
}

#[test]
fn what_an_endpoint_has_to_send_at_a_deadline_is_queued_by_it() {
    // A loop that writes only while something is queued calls nothing in between.
    for role in ROLES {
        for (config, error, sent) in [
            (config(Some(30), Some(10), None), Ok(()), (0x89, vec![])),
            (
                config(None, None, Some(30)),
                Err(TimeoutError::Idle),
                (0x88, close_body(1001, TimeoutError::Idle.reason())),
            ),
        ] {
            let mut endpoint_config = endpoint::Config::default();
            endpoint_config.connection = config;
            let mut endpoint = endpoint_with(role, &endpoint_config);
            assert_eq!(endpoint.poll_timeout(at(0)), Some(at(30)));
            assert_eq!(endpoint.handle_timeout(at(30)), error);
            assert_eq!(sent_by(role, &queued(&endpoint)), [sent]);
            assert_eq!(endpoint.handle_timeout(at(30)), Ok(()));
            endpoint.transmit().unwrap();
            assert_eq!(sent_by(role, &queued(&endpoint)).len(), 1, "once");
        }
    }
}

#[test]
fn the_close_that_tells_a_peer_that_it_is_taken_for_gone_has_time_to_be_written() {
    // With completions (io_uring) a timer may come first, although the write was begun before.
    for role in ROLES {
        let mut endpoint_config = endpoint::Config::default();
        endpoint_config.connection = config(Some(30), Some(10), None);
        let gone = || {
            let mut endpoint = endpoint_with(role, &endpoint_config);
            assert_eq!(endpoint.poll_timeout(at(0)), Some(at(30)));
            endpoint.handle_timeout(at(30)).unwrap();
            endpoint.advance_write(endpoint.queued());
            assert_eq!(endpoint.poll_timeout(at(30)), Some(at(40)));
            assert_eq!(endpoint.handle_timeout(at(40)), Err(TimeoutError::Pong));
            endpoint.transmit().unwrap();
            endpoint
        };
        let millis = |millis| at(40) + Duration::from_millis(millis);

        let mut endpoint = gone();
        assert_eq!(endpoint.poll_timeout(at(40)), Some(millis(100)));
        for later in [millis(1), millis(99)] {
            assert_eq!(endpoint.handle_timeout(later), Ok(()));
        }
        let close = close_body(1011, TimeoutError::Pong.reason());
        assert_eq!(sent_by(role, &queued(&endpoint)), [(0x88, close)]);
        endpoint.advance_write(endpoint.queued());
        assert!(endpoint.should_close_transport());
        // There is nothing left to wait for.
        let next = endpoint.poll_timeout(millis(99)).unwrap();
        assert!(next < millis(100), "{next:?}");
        assert_eq!(endpoint.handle_timeout(next), Ok(()));
        assert!(endpoint.connection().is_over());
        assert_eq!(endpoint.outcome().unwrap().sent, Some(CloseCode(1011)));

        // Who takes nothing of it is not waited for.
        let mut endpoint = gone();
        assert_eq!(endpoint.handle_timeout(millis(50)), Ok(()));
        assert_eq!(endpoint.handle_timeout(millis(150)), Ok(()));
        assert!(endpoint.connection().is_over() && endpoint.should_close_transport());
        assert_eq!(endpoint.outcome().unwrap().sent, None);

        // The Ping is written late: the Close is not.
        let mut peer = Peer::with(role, &endpoint_config.connection);
        peer.connection.poll_timeout(at(0));
        peer.connection.handle_timeout(at(30)).unwrap();
        due(&mut peer);
        assert_eq!(peer.connection.handle_timeout(at(40)), Err(TimeoutError::Pong));
        peer.connection.note_written();
        assert_eq!(peer.connection.poll_timeout(at(40)), Some(millis(100)));
    }
}

// ---- the write timeout of an endpoint -------------------------------------------------------------

#[test]
fn a_peer_that_takes_nothing_is_given_up_at_the_write_timeout() {
    // E6, defence 43: 30 seconds by default.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        assert_eq!(endpoint.poll_timeout(at(0)), None);
        endpoint.send("x").unwrap();
        assert_eq!(endpoint.poll_timeout(at(10)), Some(at(40)));
        assert_eq!(endpoint.poll_timeout(at(20)), Some(at(40)), "it is not moved by looking");
        endpoint.send("y").unwrap();
        assert_eq!(endpoint.poll_timeout(at(25)), Some(at(40)), "nor by sending more");
        assert_eq!(endpoint.handle_timeout(at(39)), Ok(()));
        assert_eq!(endpoint.handle_timeout(at(40)), Err(TimeoutError::Write));
        assert_eq!(endpoint.queued(), 0, "the output is dropped");
        let failure = endpoint.outcome().unwrap().failure;
        assert_eq!(failure, Some(Failure::Timeout(TimeoutError::Write)));
    }
}

#[test]
fn progress_in_writing_starts_the_write_timeout_anew() {
    let mut endpoint = endpoint(Role::Server);
    endpoint.send("hello").unwrap();
    assert_eq!(endpoint.poll_timeout(at(0)), Some(at(30)));
    endpoint.advance_write(1);
    assert_eq!(endpoint.poll_timeout(at(20)), Some(at(50)));
    endpoint.advance_write(6);
    assert_eq!(endpoint.poll_timeout(at(30)), None);
    endpoint.send("again").unwrap();
    assert_eq!(endpoint.poll_timeout(at(100)), Some(at(130)));
}

#[test]
fn a_peer_that_takes_output_slowly_is_not_taken_for_gone() {
    // A Ping may lie behind what it has not taken yet: each byte that it takes is a sign of life.
    for role in ROLES {
        let config = config(Some(60), Some(10), None);
        let mut peer = Peer::with(role, &config);
        assert_eq!(peer.connection.poll_timeout(at(0)), Some(at(60)));
        peer.connection.note_progress();
        assert_eq!(peer.connection.poll_timeout(at(50)), Some(at(110)), "the Ping is put off");
        assert_eq!(peer.connection.handle_timeout(at(110)), Ok(()));
        assert_eq!(peer.connection.poll_timeout(at(110)), Some(at(120)));
        peer.connection.note_progress();
        assert_eq!(peer.connection.poll_timeout(at(115)), Some(at(175)), "so is its deadline");

        let mut endpoint_config = endpoint::Config::default();
        endpoint_config.connection = config;
        endpoint_config.write_timeout = None;
        let connection = Peer::with(role, &endpoint_config.connection).connection;
        let mut endpoint = endpoint::Endpoint::new(connection, &endpoint_config);
        endpoint.send("hello").unwrap();
        assert_eq!(endpoint.poll_timeout(at(0)), Some(at(60)));
        endpoint.advance_write(1);
        assert_eq!(endpoint.poll_timeout(at(50)), Some(at(110)));
        endpoint.advance_write(endpoint.queued());
        assert_eq!(endpoint.poll_timeout(at(60)), Some(at(110)), "nothing waits any more");
    }
}

#[test]
fn a_write_of_nothing_is_no_progress() {
    // "without a byte being written".
    let mut endpoint = endpoint(Role::Server);
    endpoint.send("hello").unwrap();
    assert_eq!(endpoint.poll_timeout(at(0)), Some(at(30)));
    endpoint.advance_write(0);
    assert_eq!(endpoint.poll_timeout(at(20)), Some(at(30)));
}

#[test]
fn the_write_timeout_leaves_no_other_deadline_in_the_past() {
    // "`poll_timeout(now)` is later than `now` afterwards": both were due, the call came late.
    for role in ROLES {
        let mut run = Run::new(endpoint(role));
        run.read(&frame(role, 0x88, b""), 9); // answered; the answer is not written
        assert_eq!(run.endpoint.poll_timeout(at(0)), Some(at(5)));
        assert_eq!(run.endpoint.handle_timeout(at(30)), Err(TimeoutError::Write));
        let next = run.endpoint.poll_timeout(at(30));
        assert!(next.is_none_or(|next| next > at(30)), "{next:?}");
    }
}

/// What an adapter does with a peer that neither reads nor writes: until when does it?
fn stuck_until(mut endpoint: endpoint::Endpoint, from: u64) -> Option<u64> {
    for now in from..from + 1000 {
        let _ = endpoint.poll();
        let _ = endpoint.transmit();
        if endpoint.should_close_transport() {
            return Some(now);
        }
        if endpoint.poll_timeout(at(now)).is_some_and(|next| next <= at(now)) {
            let _ = endpoint.handle_timeout(at(now));
        }
    }
    None
}

#[test]
fn the_transport_of_a_peer_that_takes_nothing_is_closed_in_the_end() {
    // E6, F6: a Close queued for the write timeout's sake must not keep the transport open.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        endpoint.send("x").unwrap();
        let until = stuck_until(endpoint, 0);
        assert!(until.is_some_and(|until| until <= 36), "{role:?}: closed at {until:?}");
    }
}

#[test]
fn the_close_timeout_holds_for_output_that_is_stuck() {
    // R5.5.1-16, R7.1.1-4, F6: with and without a write timeout, a close takes 5 seconds.
    for role in ROLES {
        for write_timeout in [Some(at(30)), None] {
            let mut config = endpoint::Config::default();
            config.write_timeout = write_timeout;
            let mut endpoint = endpoint_with(role, &config);
            endpoint.close(CloseCode::NORMAL, "").unwrap();
            let until = stuck_until(endpoint, 0);
            assert!(
                until.is_some_and(|until| until <= 6),
                "{role:?}, write timeout {write_timeout:?}: closed at {until:?}"
            );
        }
    }
}

// ---- any sequence of operations -----------------------------------------------------------------

#[derive(Clone, Debug)]
enum Op {
    Wait(u16),
    Handle,
    Read(u8, u8),
    ReadPart(u8),
    Send(u8),
    SendLarge,
    Part(bool),
    Ping,
    Close,
    Transmit,
    Write(u16),
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..40u16).prop_map(Op::Wait),
        6 => Just(Op::Handle),
        6 => (prop::sample::select(vec![0x81u8, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a]), 0..20u8)
            .prop_map(|(b0, len)| Op::Read(b0, len)),
        1 => (prop::sample::select(vec![0x88u8, 0x83]), Just(0u8)).prop_map(|(b0, len)| Op::Read(b0, len)),
        2 => any::<u8>().prop_map(Op::ReadPart),
        4 => any::<u8>().prop_map(Op::Send),
        1 => Just(Op::SendLarge),
        2 => any::<bool>().prop_map(Op::Part),
        1 => Just(Op::Ping),
        1 => Just(Op::Close),
        3 => Just(Op::Transmit),
        4 => (0..600u16).prop_map(Op::Write),
        2 => Just(Op::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn whatever_happens_deadlines_lie_ahead_and_output_is_in_order(
        role in prop::sample::select(&ROLES),
        ping in prop::option::of(0..30u64),
        pong in prop::option::of(0..30u64),
        idle in prop::option::of(0..60u64),
        write in prop::option::of(0..30u64),
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let mut config = endpoint::Config::default();
        config.connection = self::config(ping, pong, idle);
        config.write_timeout = write.map(at);
        config.high_watermark = 9_000;
        let mut run = Run::new(endpoint_with(role, &config));
        let (mut now, mut written) = (at(0), Vec::new());
        let mut dropped = false;
        for op in ops {
            match op {
                Op::Wait(millis) => now += Duration::from_millis(u64::from(millis) * 250),
                Op::Handle => {
                    let before = run.endpoint.queued();
                    let _ = run.endpoint.handle_timeout(now);
                    // It writes nothing: what is gone was given up, perhaps inside a frame.
                    dropped |= run.endpoint.queued() < before;
                    let next = run.endpoint.poll_timeout(now);
                    prop_assert!(next.is_none_or(|next| next > now), "{:?} at {:?}", next, now);
                    // Handled once, nothing is due at the same moment.
                    prop_assert_eq!(run.endpoint.handle_timeout(now), Ok(()));
                }
                Op::Read(b0, len) => run.read(&frame(role, b0, &vec![b'x'; usize::from(len)]), 9),
                Op::ReadPart(byte) => run.read(&[byte], 9),
                Op::Send(len) => {
                    let _ = run.endpoint.send(&vec![7; usize::from(len)]);
                }
                Op::SendLarge => {
                    let _ = run.endpoint.send_owned(vec![7; 5_000]);
                }
                Op::Part(last) => {
                    let fragment = if last { Fragment::Last } else { Fragment::More };
                    let _ = run.endpoint.send_part("part", fragment);
                }
                Op::Ping => {
                    let _ = run.endpoint.ping(b"ping");
                }
                Op::Close => {
                    let _ = run.endpoint.close(CloseCode::NORMAL, "");
                }
                Op::Transmit => run.endpoint.transmit().unwrap(),
                Op::Write(count) => {
                    let queued = queued(&run.endpoint);
                    let count = queued.len().min(usize::from(count));
                    written.extend_from_slice(&queued[..count]);
                    run.endpoint.advance_write(count);
                }
                Op::Release => {
                    run.endpoint.release();
                }
            }
            prop_assert!(run.endpoint.queued() <= 9_000 + 5_014 + 2 * 131);
            prop_assert_eq!(run.endpoint.is_full(), run.endpoint.queued() > 9_000);
            let connection = run.endpoint.connection();
            prop_assert!(!connection.is_open() || connection.is_receiving());
            if run.endpoint.should_close_transport() {
                prop_assert!(!connection.is_open() && run.endpoint.queued() == 0);
            }
        }
        if !dropped {
            written.extend(queued(&run.endpoint));
            let sent = sent_by(role, &written);
            let close = sent.iter().position(|(b0, _)| *b0 == 0x88);
            prop_assert!(close.is_none_or(|at| at + 1 == sent.len()), "something follows a Close");
        }
    }
}
