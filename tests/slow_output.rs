//! A peer that takes output slowly, late or not at all: deadlines begin when it can have seen what
//! they are about, and what was not written is not told of as sent (RFC 6455 §5.5, §7.1).
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use websocket_proto::connection::{CloseOutcome, Failure, Initiator, Role};
use websocket_proto::endpoint::{Config, Endpoint, Status};
use websocket_proto::{CloseCode, TimeoutError};

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Has the transport take so much.
fn take(endpoint: &mut Endpoint, count: usize) -> Vec<u8> {
    let taken = queued(endpoint)[..count.min(endpoint.queued())].to_vec();
    endpoint.advance_write(taken.len());
    taken
}

/// Nobody is too late so far.
fn on_time(endpoint: &mut Endpoint, now: u64) {
    endpoint.handle_timeout(at(now)).unwrap();
    assert!(endpoint.outcome().is_none_or(|outcome| outcome.failure.is_none()), "at {now}");
}

#[test]
fn what_was_queued_before_a_close_reaches_a_peer_that_takes_it_slowly() {
    for (role, write_timeout) in
        ROLES.into_iter().flat_map(|role| [None, Some(at(30))].map(|it| (role, it)))
    {
        let mut config = Config::default();
        config.write_timeout = write_timeout;
        let mut endpoint = endpoint_with(role, &config);
        on_time(&mut endpoint, 0);
        endpoint.send_owned(vec![7; 100_000]).unwrap();
        endpoint.close(CloseCode::NORMAL, "").unwrap();
        let (mut written, mut now) = (Vec::new(), 0);
        while endpoint.queued() > 0 {
            on_time(&mut endpoint, now);
            now += 4;
            written.extend(take(&mut endpoint, 9_000));
        }
        let sent = sent_by(role, &written);
        assert!(sent.iter().map(|(b0, _)| *b0).eq([0x82, 0x88]), "{role:?}");
        // From here on the peer has the close timeout, and not from its last progress on.
        assert_eq!(endpoint.poll_timeout(at(now)), Some(at(now + 5)), "{role:?}");
        on_time(&mut endpoint, now + 4);
        endpoint.handle_timeout(at(now + 5)).unwrap();
        let failure = Some(Failure::Timeout(TimeoutError::Close));
        let outcome = endpoint.outcome().unwrap();
        assert_eq!((outcome.sent, outcome.failure), (Some(CloseCode::NORMAL), failure));
    }
}

#[test]
fn the_idle_timeout_does_not_run_while_a_message_is_taken() {
    for role in ROLES {
        let mut config = Config::default();
        config.connection.idle_timeout = Some(at(10));
        let mut endpoint = endpoint_with(role, &config);
        on_time(&mut endpoint, 0);
        endpoint.send_owned(vec![7; 100_000]).unwrap();
        for now in (0..90).step_by(9) {
            on_time(&mut endpoint, now);
            take(&mut endpoint, 10_000);
        }
        take(&mut endpoint, usize::MAX);
        on_time(&mut endpoint, 82);
        // Nothing more was taken since: it counts from there.
        assert_eq!(endpoint.handle_timeout(at(93)), Err(TimeoutError::Idle), "{role:?}");
    }
}

/// Sends a keep-alive Ping after 3 s, and waits as long for its Pong.
fn keeps_alive() -> Config {
    let mut config = Config::default();
    config.connection.ping_interval = Some(at(3));
    config.connection.pong_timeout = Some(at(3));
    config.high_watermark = 1_000;
    config
}

#[test]
fn a_pong_is_due_from_when_its_ping_was_written() {
    // The Ping waits in the queue, or for room in it, behind what is taken late and at once.
    for (role, len) in ROLES.into_iter().flat_map(|role| [500, 1_500].map(|len| (role, len))) {
        let mut endpoint = endpoint_with(role, &keeps_alive());
        on_time(&mut endpoint, 0);
        endpoint.send(&vec![7; len]).unwrap();
        on_time(&mut endpoint, 3);
        endpoint.transmit().unwrap();
        on_time(&mut endpoint, 5);
        let written = [take(&mut endpoint, usize::MAX), take(&mut endpoint, usize::MAX)].concat();
        assert!(sent_by(role, &written).iter().map(|(b0, _)| *b0).eq([0x82, 0x89]), "{len}");
        on_time(&mut endpoint, 5);
        on_time(&mut endpoint, 7);
    }
}

#[test]
fn a_write_that_is_taken_is_no_answer_to_a_ping() {
    // A peer that is gone: the system takes what is written for a long time.
    for role in ROLES {
        let mut endpoint = endpoint_with(role, &keeps_alive());
        on_time(&mut endpoint, 0);
        on_time(&mut endpoint, 3);
        endpoint.transmit().unwrap();
        assert_eq!(take(&mut endpoint, usize::MAX)[0], 0x89);
        for now in [4, 5] {
            endpoint.send("tick").unwrap();
            on_time(&mut endpoint, now);
            take(&mut endpoint, usize::MAX);
        }
        // Written when it was due, and noted a second later.
        assert_eq!(endpoint.poll_timeout(at(5)), Some(at(7)));
        assert_eq!(endpoint.handle_timeout(at(7)), Err(TimeoutError::Pong), "{role:?}");
    }
}

/// An endpoint that has received a Close, and whose answer nobody takes.
fn answering(role: Role, config: &Config, message: bool) -> Endpoint {
    let mut endpoint = endpoint_with(role, config);
    on_time(&mut endpoint, 0);
    if message {
        endpoint.send("bye").unwrap();
    }
    read_some(&mut endpoint, &mut &frame(role, 0x88, &[3, 232])[..], usize::MAX);
    assert_eq!(endpoint.poll().unwrap(), Status::Closed);
    endpoint
}

#[test]
fn a_close_that_was_not_written_in_time_is_not_told_of_as_sent() {
    let write_timeouts = [None, Some(at(2)), Some(at(30))];
    for (role, write_timeout) in
        ROLES.into_iter().flat_map(|role| write_timeouts.map(|it| (role, it)))
    {
        let mut config = Config::default();
        config.write_timeout = write_timeout;
        // With the peer's end behind its Close or not: it does not read, and has to be given up.
        for (message, eof) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut endpoint = answering(role, &config, message);
            if eof {
                endpoint.receive_eof().unwrap();
            }
            let due = endpoint.poll_timeout(at(0)).unwrap();
            assert_eq!(due, write_timeout.unwrap_or(at(5)).min(at(5)));
            let result = endpoint.handle_timeout(due);
            assert_eq!(result.is_err(), due == at(2), "{result:?}");
            let outcome: CloseOutcome = endpoint.outcome().unwrap();
            assert_eq!((outcome.sent, outcome.received), (None, CloseCode::NORMAL));
            assert_eq!(outcome.failure, Some(Failure::Timeout(TimeoutError::Close)));
            assert!(!outcome.is_clean() && endpoint.queued() == 0);
            assert!(
                endpoint.connection().received_close().is_some()
                    && endpoint.should_close_transport()
            );
        }

        // One that was taken is.
        let mut endpoint = answering(role, &config, true);
        take(&mut endpoint, usize::MAX);
        let outcome = endpoint.outcome().unwrap();
        assert!(outcome.is_clean() && outcome.sent == Some(CloseCode::NORMAL));

        // One of this end that nobody takes.
        let mut endpoint = endpoint_with(role, &config);
        on_time(&mut endpoint, 0);
        endpoint.close(CloseCode::GOING_AWAY, "").unwrap();
        let due = endpoint.poll_timeout(at(0)).unwrap();
        let _ = endpoint.handle_timeout(due);
        let outcome = endpoint.outcome().unwrap();
        assert_eq!((outcome.sent, outcome.received), (None, CloseCode::ABNORMAL), "{due:?}");
    }
}

#[test]
fn who_began_to_close_did_so_although_its_close_was_not_written() {
    for (role, eof) in ROLES.into_iter().flat_map(|role| [false, true].map(|eof| (role, eof))) {
        let mut endpoint = endpoint_with(role, &Config::default());
        on_time(&mut endpoint, 0);
        endpoint.close(CloseCode::NORMAL, "").unwrap();
        // Nothing is taken, and the peer ends its side, or closes by itself.
        if eof {
            let _ = endpoint.receive_eof();
        } else {
            read_some(&mut endpoint, &mut &frame(role, 0x88, &[3, 232])[..], usize::MAX);
            assert_eq!(endpoint.poll().unwrap(), Status::Closed);
        }
        assert_eq!(endpoint.outcome().unwrap().initiator, Initiator::Local);
        let due = endpoint.poll_timeout(at(0)).unwrap();
        endpoint.handle_timeout(due).unwrap();
        let outcome = endpoint.outcome().unwrap();
        assert_eq!((outcome.initiator, outcome.sent), (Initiator::Local, None), "{role:?} {eof}");
    }
}
