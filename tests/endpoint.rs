//! Endpoints: buffers lent and given, large frames, the output queue and its watermarks.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::*;
use websocket_proto::connection::{Failure, Fragment, Role};
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received, Status};
use websocket_proto::{CloseCode, Kind, Message, OwnedMessage, ProtocolError, SendError};

fn put(endpoint: &mut Endpoint, bytes: &[u8]) {
    endpoint.read_buf()[..bytes.len()].copy_from_slice(bytes);
    endpoint.advance_read(bytes.len());
}

/// What an endpoint gave back that reads so many bytes at once.
fn buffers_of(read_buffer: usize) -> Buffers {
    let mut config = Config::default();
    config.read_buffer = read_buffer;
    let mut endpoint = endpoint_with(Role::Client, &config);
    assert_eq!(endpoint.read_buf().len(), read_buffer);
    let mut buffers = Buffers::new();
    buffers.take_back(&mut endpoint);
    assert_eq!(buffers.capacity(), read_buffer);
    buffers
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

// ---- receiving ----------------------------------------------------------------------------------

#[test]
fn a_begun_message_survives_a_release_at_any_moment() {
    // The bytes that were read behind the last poll are not taken with it.
    let message = vec![7; 100];
    for role in ROLES {
        let wire = [frame(role, 0x82, &message), frame(role, 0x81, b"next")].concat();
        for first in 0..wire.len() {
            for second in 0..wire.len() - first {
                let mut endpoint = endpoint(role);
                let read = |endpoint: &mut Endpoint, from: usize, to: usize| {
                    endpoint.read_buf()[..to - from].copy_from_slice(&wire[from..to]);
                    endpoint.advance_read(to - from);
                };
                let mut found = Vec::new();
                let mut poll = |endpoint: &mut Endpoint| {
                    while endpoint.poll().unwrap() == Status::Message {
                        found.push(endpoint.take_message().unwrap());
                    }
                };
                read(&mut endpoint, 0, first);
                poll(&mut endpoint);
                read(&mut endpoint, first, first + second);
                endpoint.release();
                poll(&mut endpoint);
                endpoint.release();
                read(&mut endpoint, first + second, wire.len());
                poll(&mut endpoint);
                assert_eq!(found, [message.clone().into(), "next".into()], "{first}, {second}");
            }
        }
    }
}

#[test]
fn messages_are_lent_until_the_next_poll() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        put(
            &mut endpoint,
            &frames(role, &[(0x81, b"one"), (0x02, b"tw"), (0x80, b"o"), (0x82, b"")]),
        );
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        for _ in 0..2 {
            assert_eq!(endpoint.received().unwrap().message, Message::Text("one"));
        }
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        assert_eq!(endpoint.received().unwrap().message, Message::Binary(b"two"));
        assert_eq!(endpoint.received().unwrap().into_owned(), OwnedMessage::from(b"two".to_vec()));
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        assert_eq!(endpoint.received().unwrap().message, Message::Binary(b""));
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead), "polling without a read changes nothing");
        assert_eq!(endpoint.received().unwrap().message, Message::Binary(b""));
        assert!(endpoint.next().unwrap().is_none());
    }
}

#[test]
fn messages_are_given_whatever_their_size_and_kind() {
    for role in ROLES {
        for len in [0, 1, 4_095, 4_096, 4_097, 70_000, 300_000] {
            for (b0, split) in [(0x81, false), (0x82, false), (0x01, true), (0x02, true)] {
                let payload = vec![b'a'; len];
                let wire = if split {
                    let (a, b) = payload.split_at(len / 3);
                    frames(role, &[(b0, a), (0x80, b), (0x81, b"next")])
                } else {
                    frames(role, &[(b0, &payload), (0x81, b"next")])
                };
                let mut endpoint = endpoint(role);
                endpoint.push_input(&wire);
                assert_eq!(endpoint.poll(), Ok(Status::Message));
                let taken = endpoint.take_message().unwrap();
                let kind = if b0 & 1 == 1 { Kind::Text } else { Kind::Binary };
                assert_eq!((taken.kind(), taken.as_bytes()), (kind, &payload[..]));
                assert_eq!(endpoint.next().unwrap().unwrap().message, Message::Text("next"));
                assert_eq!(taken.as_bytes(), payload, "it does not change any more");
            }
        }
    }
}

#[test]
fn a_message_is_answered_while_it_is_borrowed() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        put(
            &mut endpoint,
            &frames(role, &[(0x81, b"one"), (0x01, b"t"), (0x80, b"wo"), (0x82, b"3")]),
        );
        while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
            out.feed(message).unwrap();
            out.feed_owned(message).unwrap();
            out.ping(message.as_bytes()).unwrap();
            if message.as_bytes() == b"3" {
                out.close(CloseCode::NORMAL, "enough").unwrap();
                assert_eq!(out.feed("x"), Err(SendError::Closed));
            }
        }
        let sent: Vec<_> = [(0x81, "one"), (0x81, "one"), (0x89, "one")]
            .into_iter()
            .chain([(0x81, "two"), (0x81, "two"), (0x89, "two")])
            .chain([(0x82, "3"), (0x82, "3"), (0x89, "3"), (0x88, "\u{3}")])
            .map(|(b0, payload)| (b0, payload.as_bytes().to_vec()))
            .collect();
        let mut got = sent_by(role, &drain(&mut endpoint));
        assert_eq!(got.last().unwrap().1, close_body(1000, "enough"));
        got.last_mut().unwrap().1 = vec![3];
        assert_eq!(got, sent);
    }
}

#[test]
fn text_that_is_not_utf8_is_told_by_received_and_take() {
    // R8.1-1: in one piece it is checked when it is lent.
    for role in ROLES {
        for take in [false, true] {
            let mut endpoint = endpoint(role);
            put(&mut endpoint, &frames(role, &[(0x81, b"\xff"), (0x81, b"x")]));
            assert_eq!(endpoint.poll(), Ok(Status::Message));
            let error =
                if take { endpoint.take_message().err() } else { endpoint.received().err() };
            assert_eq!(error, Some(ProtocolError::InvalidUtf8));
            for _ in 0..2 {
                assert_eq!(endpoint.received().err(), error);
                assert_eq!(endpoint.take_message().err(), error);
            }
            assert_eq!(endpoint.poll().err(), error);
            let sent = sent_by(role, &drain(&mut endpoint));
            assert_eq!((sent.len(), &sent[0].1[..2]), (1, &b"\x03\xef"[..]), "1007, once");
            assert!(endpoint.should_close_transport());
        }
    }
}

#[test]
fn large_frames_arrive_whole_whatever_the_sizes_of_reads() {
    // R5.3-6, R6.2-1: read straight into the message, in growing steps; with a tail behind it.
    for role in ROLES {
        for b0 in [0x81, 0x82] {
            let payload: Vec<u8> = (0..90_000u32).map(|i| u8::try_from(i % 127).unwrap()).collect();
            let wire = frames(role, &[(b0, &payload), (0x89, b"p"), (0x81, b"tail"), (0x88, b"")]);
            for most in [1, 7, 4_095, 4_096, 4_097, 10_000, 16_384, usize::MAX] {
                for read_buffer in [1, 14, 5_000, 16_384] {
                    let mut config = Config::default();
                    config.read_buffer = read_buffer;
                    let mut run = Run::new(endpoint_with(role, &config));
                    run.read(&wire, most);
                    assert_eq!(run.messages.len(), 2, "reads of {most}, buffer of {read_buffer}");
                    let message = match &run.messages[0] {
                        Seen::Text(text) => text.as_bytes(),
                        Seen::Binary(bytes) => bytes,
                        other => panic!("{other:?}"),
                    };
                    assert!(message == payload, "reads of {most}, buffer of {read_buffer}");
                    assert_eq!((&run.messages[1], run.closed), (&Seen::text("tail"), true));
                    let sent = sent_by(role, &drain(&mut run.endpoint));
                    assert_eq!(sent, [(0x8a, b"p".to_vec()), (0x88, vec![])]);
                }
            }
        }
    }
}

#[test]
fn small_reads_of_a_large_frame_wait_for_more_of_it() {
    for role in ROLES {
        let mut config = Config::default();
        config.connection.idle_timeout = Some(Duration::from_secs(10));
        let mut endpoint = endpoint_with(role, &config);
        let payload = pattern(400_000);
        let wire = frame(role, 0x82, &payload);
        let (mut at, mut seconds, mut in_a_row) = (0, 0, 0);
        let mut place = core::ptr::null();
        while at < wire.len() {
            let room = endpoint.read_buf();
            in_a_row += usize::from(room.as_ptr() == place);
            let count = room.len().min(1_460).min(wire.len() - at);
            room[..count].copy_from_slice(&wire[at..at + count]);
            place = room[count..].as_ptr();
            endpoint.advance_read(count);
            at += count;
            if at == wire.len() {
                break;
            }
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            // Each of them is activity, once.
            seconds += 9;
            let deadline = Duration::from_secs(seconds + 10);
            assert_eq!(endpoint.poll_timeout(Duration::from_secs(seconds)), Some(deadline));
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            assert_eq!(endpoint.poll_timeout(Duration::from_secs(seconds + 1)), Some(deadline));
            // Nothing waits in the read buffer: it can be used elsewhere.
            if at % 7 == 0 {
                endpoint.release();
            }
        }
        assert!(in_a_row > 100, "{in_a_row} reads went where the last one ended");
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        assert_eq!(endpoint.received().unwrap().message, Message::Binary(&payload));
    }
}

#[test]
fn large_frames_are_read_in_larger_and_larger_steps() {
    let mut run = Run::new(endpoint(Role::Client));
    run.read(&header(0x82, 1 << 20, None), 99);
    let (mut got, mut reads) = (0, 0);
    while got < 1 << 20 {
        let room = run.endpoint.read_buf();
        room.fill(7);
        let count = room.len();
        assert!(count > 0 && (got < 4096 || got + count <= 1 << 20));
        run.endpoint.advance_read(count.min((1 << 20) - got));
        got += count;
        reads += 1;
        run.poll();
    }
    assert_eq!(run.messages, [Seen::Binary(vec![7; 1 << 20])]);
    assert!(reads < 12, "{reads} reads for 1 MiB");
}

#[test]
fn a_large_text_is_refused_at_its_first_bad_byte() {
    // N-8, also where it is read straight into the message.
    let mut run = Run::new(endpoint(Role::Client));
    run.read(&header(0x81, 1 << 20, None), 99);
    run.read(&vec![b'a'; 100_000], 50_000);
    assert_eq!(run.error, None);
    run.read(b"\xff", 1);
    assert_eq!(run.error, None, "the rest may be there at once: then it is checked in one go");
    run.endpoint.release();
    run.poll();
    assert_eq!(run.error, Some(ProtocolError::InvalidUtf8));
}

#[test]
fn more_than_there_was_room_for_counts_as_what_there_was() {
    // As `advance_read` promises: a reader that lies must not make the endpoint panic (G6).
    let mut endpoint = endpoint(Role::Client);
    let room = endpoint.read_buf();
    let len = room.len();
    room.fill(0);
    room[..2].copy_from_slice(b"\x8a\x00"); // a Pong, then empty continuations, which are an error
    endpoint.advance_read(len + 1);
    assert_eq!(endpoint.poll(), Err(ProtocolError::UnexpectedContinuation));
    endpoint.poll().unwrap_err();
    endpoint.advance_read(usize::MAX);
    endpoint.poll().unwrap_err();
}

#[test]
fn more_than_there_was_room_for_in_a_large_frame_counts_as_what_there_was() {
    for extra in [1, 1 << 20, usize::MAX >> 1, usize::MAX] {
        let mut run = Run::new(endpoint(Role::Client));
        run.read(&header(0x82, 1 << 20, None), 99);
        run.read(&vec![7; 10_000], 10_000);
        let room = run.endpoint.read_buf();
        room.fill(8);
        let len = room.len();
        run.endpoint.advance_read(len.saturating_add(extra));
        run.poll();
        let remaining = run.endpoint.connection().data_remaining();
        assert_eq!(remaining, (1 << 20) - 10_000 - u64::try_from(len).unwrap());
    }
}

#[test]
fn more_than_was_queued_counts_as_what_was() {
    for first in [0, 1] {
        let mut endpoint = endpoint(Role::Server);
        endpoint.send("hello").unwrap();
        endpoint.advance_write(first);
        endpoint.advance_write(usize::MAX);
        assert_eq!(endpoint.queued(), 0);
    }
}

#[test]
fn bytes_behind_the_handshake_come_first() {
    // N-15, B14: in front of what is read, in any portions, larger than the read buffer too.
    for role in ROLES {
        let payload = pattern(40_000);
        let wire = frames(role, &[(0x82, &payload), (0x81, b"next")]);
        for cut in [0, 1, 5, 13, 20_000, 39_999, wire.len()] {
            let mut run = Run::new(endpoint(role));
            run.endpoint.push_input(&wire[..cut / 2]);
            run.endpoint.push_input(&wire[cut / 2..cut]);
            run.poll();
            run.read(&wire[cut..], 10_000);
            assert_eq!(run.messages, [Seen::Binary(payload.clone()), Seen::text("next")]);
        }
    }
}

#[test]
fn bytes_may_be_read_behind_those_that_were_pushed() {
    for is_lent in [false, true] {
        let mut endpoint = endpoint(Role::Client);
        if is_lent {
            let mut buffers = buffers_of(1000);
            buffers.lend_to(&mut endpoint);
            assert_eq!(buffers.capacity(), 0);
        }
        endpoint.push_input(b"\x81\x02h");
        // Either there is room behind them, or there is none until they were polled.
        if endpoint.read_buf().is_empty() {
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        }
        put(&mut endpoint, b"i");
        assert_eq!(endpoint.next().unwrap().unwrap().message, Message::Text("hi"));
    }
}

#[test]
fn after_an_error_there_is_room_to_read_and_discard() {
    // What a lingering adapter needs: an empty buffer would look like the end of the transport.
    for role in ROLES {
        let mut config = Config::default();
        config.read_buffer = 64;
        let mut endpoint = endpoint_with(role, &config);
        let room = endpoint.read_buf();
        room.fill(0x83); // a reserved opcode, and more of it
        let len = room.len();
        endpoint.advance_read(len);
        assert_eq!(endpoint.poll(), Err(ProtocolError::ReservedOpcode(3)));
        assert!(!endpoint.read_buf().is_empty());

        // Text is looked at when it is lent or taken; what lies behind it fills the buffer.
        let bad = frame(role, 0x81, &[0xff]);
        let in_fragments = frames(role, &[(0x01, b"a"), (0x80, &[0xff])]);
        for (config, wire) in
            [(&config, &bad), (&config, &in_fragments), (&Config::default(), &bad)]
        {
            for ask in 0..3 {
                let mut endpoint = endpoint_with(role, config);
                let room = endpoint.read_buf();
                let behind = frames(role, &[(0x82, &b"behind"[..]); 4_000]);
                let bytes = wire.iter().chain(&behind);
                room.iter_mut().zip(bytes).for_each(|(room, byte)| *room = *byte);
                let len = room.len();
                endpoint.advance_read(len);
                let error = match ask {
                    0 => endpoint.next().err(),
                    1 => endpoint.poll().and_then(|_| endpoint.received().map(drop)).err(),
                    _ => endpoint.poll().and_then(|_| endpoint.take_message().map(drop)).err(),
                };
                assert_eq!(error, Some(ProtocolError::InvalidUtf8), "{role:?}");
                for _ in 0..3 {
                    let room = endpoint.read_buf();
                    assert!(!room.is_empty(), "{role:?}, {ask}");
                    let len = room.len();
                    endpoint.advance_read(len);
                }
                assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8), "it stays so");
            }
        }
    }
}

// ---- the buffers --------------------------------------------------------------------------------

#[test]
fn little_is_read_behind_a_large_message_and_as_much_as_before_behind_that() {
    // With a header, so that what comes of the next payload is a multiple of a cache line.
    for (role, read_buffer, little) in [
        (Role::Server, 16_896, 5 * 1024 + 14),
        (Role::Client, 16_896, 5 * 1024 + 10),
        (Role::Server, 100, 100),
    ] {
        let mut config = Config::default();
        config.read_buffer = read_buffer;
        let mut endpoint = endpoint_with(role, &config);
        let payload = pattern(300_000);
        for round in 0..2 {
            let wire = frame(role, 0x82, &payload);
            let mut rest = &wire[..];
            let message = loop {
                let room = endpoint.read_buf();
                let count = room.len().min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                endpoint.advance_read(count);
                rest = &rest[count..];
                if let Some(received) = endpoint.next().unwrap() {
                    break received.into_owned();
                }
            };
            assert!(message.as_bytes() == payload);
            assert!(endpoint.next().unwrap().is_none());
            if round == 1 {
                // The buffer had room for all of it, so its end was read into place. However often
                // it is asked for:
                assert_eq!([endpoint.read_buf().len(), endpoint.read_buf().len()], [little; 2]);
            }
        }
        let wire = frame(role, 0x81, b"small");
        endpoint.read_buf()[..wire.len()].copy_from_slice(&wire);
        endpoint.advance_read(wire.len());
        assert_eq!(endpoint.next().unwrap().unwrap().into_owned(), "small".into());
        assert!(endpoint.next().unwrap().is_none());
        assert_eq!(endpoint.read_buf().len(), read_buffer);
    }
}

#[test]
fn an_endpoint_that_waits_leaves_its_buffers_to_the_next() {
    for role in ROLES {
        let mut buffers = Buffers::new();
        let mut places = Vec::new();
        for _ in 0..3 {
            let mut endpoint = endpoint(role);
            buffers.take_back(&mut endpoint);
            buffers.lend_to(&mut endpoint);
            assert_eq!(buffers.capacity(), 0, "there is none yet, or both are lent");
            let place = endpoint.read_buf().as_ptr();
            let mut run = Run::new(endpoint);
            run.read(&frame(role, 0x81, b"one"), 99);
            assert_eq!(run.messages, [Seen::text("one")]);
            run.endpoint.send("two").unwrap();
            let output = frame(other(role), 0x81, b"two");
            let sent = queued(&run.endpoint);
            assert_eq!(sent_by(role, &sent), sent_by(role, &output));
            places.push((place, run.endpoint.chunks().next().unwrap().as_ptr()));
            // What holds something stays: the output, until it is written.
            buffers.take_back(&mut run.endpoint);
            assert_eq!(buffers.capacity(), 16 * 1024 + 512);
            assert_eq!(queued(&run.endpoint), sent);
            run.endpoint.advance_write(sent.len());
            buffers.take_back(&mut run.endpoint);
            assert!(buffers.capacity() > 16 * 1024 + 512);
        }
        places.dedup();
        assert_eq!(places.len(), 1, "always the same");
    }
}

#[test]
fn an_output_buffer_comes_back_unless_it_is_longer_than_is_kept() {
    // 64 KiB and 14 bytes, says the documentation.
    for (sent, comes_back) in [(65_526, true), (65_560, false)] {
        for steps in [1, 2] {
            let (mut endpoint, mut buffers) = (endpoint(Role::Server), Buffers::new());
            endpoint.send(&vec![7; sent]).unwrap();
            (0..steps).for_each(|_| endpoint.advance_write(endpoint.queued().div_ceil(steps)));
            endpoint.advance_write(endpoint.queued());
            buffers.take_back(&mut endpoint);
            assert_eq!(buffers.capacity() > 0, comes_back, "{sent}");
            assert!(buffers.capacity() <= 65_550);
        }
    }
}

#[test]
fn a_read_buffer_that_is_lent_is_grown_to_the_size_that_is_read_at_once() {
    for role in ROLES {
        for read_buffer in [1000, 16_896, 1 << 20] {
            let (mut endpoint, mut buffers) = (endpoint(role), buffers_of(read_buffer));
            buffers.lend_to(&mut endpoint);
            assert_eq!(buffers.capacity(), 0);
            assert_eq!(endpoint.read_buf().len(), 16_896);
            // One more is not taken.
            let mut more = buffers_of(1000);
            more.lend_to(&mut endpoint);
            assert_eq!(more.capacity(), 1000);
        }
    }
}

#[test]
fn the_buffer_of_large_messages_goes_to_the_next_endpoint() {
    // One frame that is read straight into its message, and fragments.
    for role in ROLES {
        let payload = pattern(1 << 20);
        let whole = frame(role, 0x82, &payload);
        let (first, rest) = payload.split_at(1 << 19);
        let fragments = frames(role, &[(0x02, first), (0x80, rest)]);
        let (mut buffers, mut places) = (Buffers::new(), Vec::new());
        for mut wire in [&whole[..], &fragments, &whole, &whole, &fragments] {
            let mut endpoint = endpoint(role);
            let mut messages = 0;
            while !wire.is_empty() {
                buffers.lend_to(&mut endpoint);
                read_some(&mut endpoint, &mut wire, 100_000);
                while let Some(Received { message, .. }) = endpoint.next().unwrap() {
                    assert!(message.as_bytes() == payload);
                    places.push(message.as_bytes().as_ptr().addr() / 64);
                    messages += 1;
                }
                buffers.take_back(&mut endpoint);
                // In the middle of a message it stays with that; before, it is not known to be long.
                if !wire.is_empty() && wire.len() < payload.len() - 20_000 {
                    assert!(buffers.capacity() < 1 << 20, "{role:?}: {} to come", wire.len());
                }
            }
            assert_eq!(messages, 1);
            assert!(buffers.capacity() > 1 << 20);
        }
        places.dedup();
        assert!(places.len() <= 2, "the first grew to its size, the others found it: {places:?}");
    }
}

#[test]
fn what_was_read_before_a_buffer_was_lent_is_not_taken_for_what_is_in_that() {
    for role in ROLES {
        let (others, ours) = (vec![0x55; 1 << 20], pattern(1 << 20));
        let (mut buffers, mut other) = (Buffers::new(), endpoint(role));
        let mut wire = &frame(role, 0x82, &others)[..];
        while !wire.is_empty() {
            read_some(&mut other, &mut wire, usize::MAX);
            while other.next().unwrap().is_some() {}
        }
        buffers.take_back(&mut other);
        let wire = frame(role, 0x82, &ours);
        let mut endpoint = endpoint(role);
        let (begun, mut rest) = wire.split_at(5_000);
        put(&mut endpoint, begun);
        assert!(endpoint.next().unwrap().is_none());
        // Read to a place that is none any more: it has not been read.
        let room = endpoint.read_buf();
        let count = room.len();
        room.copy_from_slice(&rest[..count]);
        buffers.lend_to(&mut endpoint);
        endpoint.advance_read(count);
        assert!(endpoint.next().unwrap().is_none());
        let mut messages = 0;
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, usize::MAX);
            while let Some(Received { message, .. }) = endpoint.next().unwrap() {
                assert!(message.as_bytes() == ours);
                messages += 1;
            }
        }
        assert_eq!(messages, 1);
    }
}

#[test]
fn no_more_is_kept_than_the_documentation_says() {
    let mut config = Config::default();
    config.connection.max_frame = 1 << 30;
    config.connection.max_message = 1 << 30;
    config.high_watermark = 1 << 30;
    // Of each length, how much is kept for reading, for output and for large messages.
    for (len, read, output, room) in [
        (100, 16_896, 1_000, 0),
        (60_000, 60_300, 65_550, 0),
        (128 * 1024, 128 * 1024 + 80, 65_550, 0),
        (1 << 20, 16_896, 65_550, 2 << 20),
        (4 << 20, 16_896, 65_550, (4 << 20) + 128),
        (9 << 20, 16_896, 65_550, 0),
    ] {
        let mut buffers = Buffers::new();
        let wire = frame(Role::Server, 0x82, &pattern(len));
        for _ in 0..20 {
            let mut endpoint = endpoint_with(Role::Server, &config);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                    out.feed(message.as_bytes()).unwrap();
                }
            }
            endpoint.advance_write(endpoint.queued());
            buffers.take_back(&mut endpoint);
        }
        let kept = buffers.capacity();
        assert!(kept >= 8 * 16_896, "{len}: {kept}");
        assert!(kept <= 8 * read + 8 * output + 2 * room, "{len}: {kept}");
    }
}

#[test]
fn the_buffer_of_a_large_message_that_is_sent_back_comes_back_once_it_is_written() {
    let (mut endpoint, mut buffers) = (endpoint(Role::Server), Buffers::new());
    let payload = pattern(1 << 20);
    let wire = frame(Role::Server, 0x82, &payload);
    let mut places = Vec::new();
    for _ in 0..3 {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            buffers.lend_to(&mut endpoint);
            read_some(&mut endpoint, &mut rest, 60_000);
            while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                places.push(message.as_bytes().as_ptr());
                out.feed(message).unwrap();
            }
        }
        // Before it is written, and after.
        buffers.take_back(&mut endpoint);
        assert!(buffers.capacity() < 1 << 20);
        assert!(queued(&endpoint).ends_with(&payload));
        endpoint.advance_write(endpoint.queued());
        buffers.take_back(&mut endpoint);
        assert!(buffers.capacity() > 1 << 20);
    }
    places.dedup();
    assert!(places.len() <= 2, "the first grew to its size: {places:?}");
}

#[test]
fn a_message_gets_the_shortest_buffer_that_is_long_enough() {
    // So that it fills most of it, and can be sent back or taken without a copy.
    let mut config = Config::default();
    config.connection.max_frame = 4 << 20;
    config.connection.max_message = 4 << 20;
    let mut buffers = Buffers::new();
    let mut two = [endpoint_with(Role::Server, &config), endpoint_with(Role::Server, &config)];
    for (endpoint, len) in two.iter_mut().zip([3 << 20, 1 << 20]) {
        receive_all(endpoint, &frame(Role::Server, 0x82, &pattern(len)));
    }
    two.iter_mut().for_each(|endpoint| buffers.take_back(endpoint));
    for (len, left) in [(1 << 20, 3 << 20), (2 << 20, 1 << 20), (1 << 20, 3 << 20)] {
        let before = buffers.capacity();
        let wire = frame(Role::Server, 0x82, &pattern(len));
        put(&mut two[0], &wire[..5_000]);
        assert!(two[0].next().unwrap().is_none());
        buffers.lend_to(&mut two[0]);
        assert!((left..left + (1 << 18)).contains(&buffers.capacity()), "{len} of {before}");
        receive_all(&mut two[0], &wire[5_000..]);
        buffers.take_back(&mut two[0]);
    }
}

/// Reads it in whatever room there is, and looks at the messages.
fn receive_all(endpoint: &mut Endpoint, mut wire: &[u8]) {
    while !wire.is_empty() {
        read_some(endpoint, &mut wire, usize::MAX);
        while endpoint.next().unwrap().is_some() {}
    }
}

#[test]
fn an_endpoint_that_receives_no_more_holds_and_gets_no_buffer() {
    for role in ROLES {
        let mut buffers = buffers_of_room();
        let kept = buffers.capacity();
        let mut endpoint = endpoint(role);
        // In the middle of a large message.
        receive_all(&mut endpoint, &frame(role, 0x82, &pattern(1 << 20))[..500_000]);
        endpoint.receive_eof().unwrap_err();
        buffers.lend_to(&mut endpoint);
        assert!(buffers.capacity() + 100_000 > kept, "nothing of use to it is lent");
        buffers.take_back(&mut endpoint);
        assert!(buffers.capacity() >= kept + 500_000, "and what it had comes back");
    }
}

/// What an endpoint gave back that had received 1 MiB.
fn buffers_of_room() -> Buffers {
    let (mut buffers, mut endpoint) = (Buffers::new(), endpoint(Role::Client));
    receive_all(&mut endpoint, &frame(Role::Client, 0x82, &pattern(1 << 20)));
    buffers.take_back(&mut endpoint);
    assert!(buffers.capacity() > 1 << 20);
    buffers
}

#[test]
fn release_at_any_byte_loses_nothing() {
    for role in ROLES {
        let wire = frames(
            role,
            &[
                (0x81, b"a"),
                (0x01, b"gr\xc3"),
                (0x89, b"ping"),
                (0x80, b"\xbcn"),
                (0x82, &[9; 200]),
            ],
        );
        for cut in 0..=wire.len() {
            let mut run = Run::new(endpoint(role));
            run.read(&wire[..cut], usize::MAX);
            run.endpoint.release();
            run.read(&wire[cut..], usize::MAX);
            run.endpoint.release();
            assert_eq!(
                run.messages,
                [Seen::text("a"), Seen::text("grün"), Seen::binary(&[9; 200])]
            );
            let sent = sent_by(role, &drain(&mut run.endpoint));
            assert_eq!(sent, [(0x8a, b"ping".to_vec())]);
        }
    }
}

#[test]
fn release_keeps_what_was_not_polled() {
    let mut endpoint = endpoint(Role::Client);
    put(&mut endpoint, b"\x81\x02hi");
    endpoint.release();
    assert_eq!(endpoint.next().unwrap().unwrap().message, Message::Text("hi"));
}

#[test]
fn taking_an_endpoint_apart_loses_nothing() {
    for role in ROLES {
        let wire = frames(role, &[(0x81, b"seen"), (0x81, b"unseen"), (0x82, b"und")]);
        let mut endpoint = endpoint(role);
        endpoint.send("sm").unwrap();
        endpoint.send_owned(pattern(5000)).unwrap();
        endpoint.send("all").unwrap();
        let output = queued(&endpoint);
        endpoint.advance_write(3);
        put(&mut endpoint, &wire[..wire.len() - 2]);
        assert!(endpoint.next().unwrap().is_some());
        let (connection, unread, unsent) = endpoint.into_parts();
        assert_eq!(connection.role(), role);
        assert_eq!(unsent, &output[3..]);
        // The rest goes on elsewhere.
        let mut run = Run::new(Endpoint::new(connection, &Config::default()));
        run.endpoint.push_input(&unread);
        run.poll();
        run.read(&wire[wire.len() - 2..], 99);
        assert_eq!(run.messages, [Seen::text("unseen"), Seen::binary(b"und")]);
    }
}

#[test]
fn taking_an_endpoint_apart_gives_what_was_read_into_a_large_frame() {
    let mut run = Run::new(endpoint(Role::Server));
    run.read(&header(0x82, 1 << 20, Some(KEY)), 99);
    run.read(&vec![7; 10_000], 10_000);
    let fresh = [1, 2, 3, 4, 5];
    put(&mut run.endpoint, &fresh);
    let (connection, unread, _) = run.endpoint.into_parts();
    assert_eq!(connection.data_remaining(), (1 << 20) - 10_000);
    assert_eq!(unread, fresh, "read and not decoded");
}

// ---- the output queue ---------------------------------------------------------------------------

#[test]
fn small_and_large_messages_leave_in_their_order() {
    // R6.1-10.
    for role in ROLES {
        let large = pattern(10_000);
        let shared = Bytes::from(pattern(6_000));
        let text = "ü".repeat(3_000);
        let mut endpoint = endpoint(role);
        endpoint.send("one").unwrap();
        endpoint.send_owned(large.clone()).unwrap();
        endpoint.send_owned(large.clone()).unwrap();
        endpoint.send(b"two").unwrap();
        endpoint.send_owned(shared.clone()).unwrap();
        endpoint.ping(b"p").unwrap();
        endpoint.send_owned("small").unwrap();
        endpoint.send_owned(text.clone()).unwrap();
        endpoint.send(&large).unwrap();
        endpoint.send_part("a", Fragment::More).unwrap();
        assert_eq!(
            endpoint.send_owned(large.clone()).map_err(|it| it.error),
            Err(SendError::UnfinishedMessage)
        );
        endpoint.send_part("b", Fragment::Last).unwrap();
        endpoint.close(CloseCode::NORMAL, "").unwrap();
        assert_eq!(
            endpoint.send_owned(large.clone()).map_err(|it| it.error),
            Err(SendError::Closed)
        );
        let sent = sent_by(role, &drain(&mut endpoint));
        let expected: Vec<(u8, Vec<u8>)> = vec![
            (0x81, b"one".into()),
            (0x82, large.clone()),
            (0x82, large.clone()),
            (0x82, b"two".into()),
            (0x82, shared.to_vec()),
            (0x89, b"p".into()),
            (0x81, b"small".into()),
            (0x81, text.into()),
            (0x82, large),
            (0x01, b"a".into()),
            (0x80, b"b".into()),
            (0x88, b"\x03\xe8".into()),
        ];
        assert!(sent == expected);
        assert_eq!(shared, pattern(6_000), "a payload that somebody else holds is not masked");
    }
}

#[test]
fn a_large_payload_is_sent_from_where_it_is() {
    for role in ROLES {
        let payload = pattern(5_000);
        let place = payload.as_ptr();
        let mut endpoint = endpoint(role);
        endpoint.send_owned(payload).unwrap();
        assert!(endpoint.chunks().any(|chunk| chunk.as_ptr() == place), "{role:?}");
    }
}

#[test]
fn output_may_be_written_in_any_portions() {
    // R6.1-10: partial writes at every position, and sends in between.
    for role in ROLES {
        let fill = |endpoint: &mut Endpoint| {
            endpoint.send("small").unwrap();
            endpoint.send_owned(pattern(4_100)).unwrap();
            endpoint.send("another").unwrap();
        };
        let mut whole = endpoint(role);
        fill(&mut whole);
        let all = queued(&whole);
        for cut in 0..=all.len() {
            let mut endpoint = endpoint(role);
            fill(&mut endpoint);
            endpoint.advance_write(cut);
            assert!(queued(&endpoint) == all[cut..], "{cut}");
        }
        for step in [1, 2, 3, 1000, 4_099] {
            let mut endpoint = endpoint(role);
            fill(&mut endpoint);
            let (mut written, mut sends) = (Vec::new(), 0);
            while endpoint.queued() > 0 {
                let now = queued(&endpoint);
                let count = step.min(now.len());
                written.extend_from_slice(&now[..count]);
                endpoint.advance_write(count);
                if sends < 3 && written.len() > 100 {
                    sends += 1;
                    fill(&mut endpoint);
                }
            }
            assert_eq!(sent_by(role, &written).len(), 12);
        }
    }
}

#[test]
fn the_queue_is_full_over_its_high_watermark() {
    // Defence 30, E3.
    for role in ROLES {
        let mut config = Config::default();
        config.high_watermark = 100;
        config.low_watermark = 40;
        let mut endpoint = endpoint_with(role, &config);
        let head = if role == Role::Client { 6 } else { 2 };
        endpoint.send(&vec![0; 100 - head]).unwrap();
        assert!(!endpoint.is_full(), "at the watermark, not over it");
        endpoint.send(b"").unwrap();
        let queued = 100 + head;
        assert!(endpoint.is_full() && endpoint.queued() == queued);
        let full = Err(SendError::Full { queued });
        assert_eq!(endpoint.send("x"), full);
        assert_eq!(endpoint.send_owned("x").map_err(|it| it.error), full);
        assert_eq!(endpoint.send_owned(vec![0; 5_000]).map_err(|it| it.error), full);
        assert_eq!(endpoint.send_part("x", Fragment::More), full);
        assert_eq!(endpoint.ping(b""), full);
        assert_eq!(endpoint.queued(), queued, "nothing was queued");
        endpoint.advance_write(head);
        assert!(!endpoint.is_full());
        // One message may go beyond, however large; closing is always possible.
        endpoint.send(&vec![0; 1_000]).unwrap();
        endpoint.close(CloseCode::NORMAL, "").unwrap();
        assert!(endpoint.is_full());
        endpoint.advance_write(100 - head); // the rest of the first
        let sent: Vec<_> = parse(&drain(&mut endpoint)).into_iter().map(|frame| frame.b0).collect();
        assert_eq!(sent, [0x82, 0x82, 0x88]);
    }
}

#[test]
fn congestion_lasts_from_the_high_watermark_down_to_the_low_one() {
    for (low, until) in [(40, 40), (0, 0), (1_000, 100)] {
        let mut config = Config::default();
        config.high_watermark = 100;
        config.low_watermark = low;
        let mut endpoint = endpoint_with(Role::Server, &config);
        assert!(!endpoint.is_congested());
        endpoint.send(&[0; 98]).unwrap();
        assert!(!endpoint.is_congested(), "at the high watermark");
        endpoint.send(b"").unwrap();
        while endpoint.queued() > until {
            assert!(endpoint.is_congested(), "{} queued", endpoint.queued());
            endpoint.advance_write(1);
        }
        assert!(!endpoint.is_congested());
        endpoint.send(b"").unwrap();
        assert!(!endpoint.is_congested() || until == 100);
    }
}

#[test]
fn the_transport_is_closed_only_after_everything_is_written() {
    // R5.5.1-14: after the Close has been flushed.
    let mut run = Run::new(endpoint(Role::Server));
    run.endpoint.send("before").unwrap();
    run.read(&frame(Role::Server, 0x88, b"\x03\xe8"), 99);
    assert!(run.closed);
    let len = run.endpoint.queued();
    for _ in 0..len {
        assert!(!run.endpoint.should_close_transport());
        run.endpoint.advance_write(1);
    }
    assert!(run.endpoint.should_close_transport());
}

#[test]
fn a_reading_loop_alone_answers_pings_and_closes() {
    // E4: the application never sends anything, and never flushes.
    for role in ROLES {
        let mut run = Run::new(endpoint(role));
        run.read(&frame(role, 0x89, b"p"), 99);
        assert_eq!(sent_by(role, &drain(&mut run.endpoint)), [(0x8a, b"p".to_vec())]);
        run.read(&frame(role, 0x88, b"\x03\xe8"), 99);
        assert!(run.closed);
        assert_eq!(parse(&drain(&mut run.endpoint))[0].b0, 0x88);
        assert_eq!(run.endpoint.poll(), Ok(Status::Closed));
    }
}

#[test]
fn debug_of_everything_is_total() {
    // Defence 39.
    let mut run = Run::new(endpoint(Role::Server));
    run.endpoint.send("\n\u{1b}").unwrap();
    let mut shown = format!("{run:?} {:?}", Config::default());
    run.read(
        &frames(Role::Server, &[(0x81, b"x"), (0x01, b"\xc3"), (0x89, b"\xff"), (0x83, b"")]),
        1,
    );
    shown += &format!("{:?} {:#?} {:?}", run.endpoint, run.endpoint.outcome(), run.error);
    put(&mut run.endpoint, b"\x81");
    if let Ok(received) = run.endpoint.received() {
        shown += &format!("{received:?} {:?}", Status::Closed);
    }
    assert!(!shown.contains('\u{1b}'));
}

#[test]
fn what_is_said_to_be_read_twice_counts_once() {
    // The room of a direct read is used up by `poll`.
    let mut endpoint = endpoint(Role::Client);
    let head = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
    put(&mut endpoint, &[&head[..], &[7; 8192]].concat());
    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
    let room = endpoint.read_buf().len();
    endpoint.advance_read(room);
    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
    endpoint.advance_read(room);
    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
}

#[test]
fn what_is_read_to_a_room_that_went_meanwhile_is_no_harm() {
    // A reader that polls between its two calls: the buffer of a message of which little came goes.
    let frame = frame(Role::Client, 0x82, &vec![7; 200_000]);
    for polls in 0..100 {
        let mut endpoint = endpoint(Role::Client);
        let mut bytes = &frame[..];
        while !bytes.is_empty() {
            read_some(&mut endpoint, &mut bytes, usize::MAX);
            let _ = endpoint.poll();
        }
        put(&mut endpoint, &frame[..5_000]);
        for _ in 0..polls {
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        }
        endpoint.read_buf();
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        endpoint.advance_read(100);
        endpoint.read_buf();
        endpoint.release();
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
    }
}

/// What a server that reads all of it answers, with `answer` for each message.
fn answered(reads: &[&[u8]], mut answer: impl FnMut(&mut Endpoint)) -> Vec<(u8, Vec<u8>)> {
    let mut config = Config::default();
    config.high_watermark = 1 << 20;
    let mut endpoint = endpoint_with(Role::Server, &config);
    for mut bytes in reads.iter().copied() {
        while !bytes.is_empty() {
            read_some(&mut endpoint, &mut bytes, usize::MAX);
            while endpoint.poll().unwrap() == Status::Message {
                answer(&mut endpoint);
            }
        }
    }
    sent_by(Role::Server, &drain(&mut endpoint))
}

#[test]
fn a_large_message_that_is_sent_back_is_what_was_received() {
    // Its buffer is shared with the queue: nothing that comes later may be written into it.
    let text = "ä€".repeat(20_000);
    let (first, second) = (pattern(70_000), vec![2; 300_000]);
    let wire: Vec<Vec<u8>> = [(0x82, &first[..]), (0x81, text.as_bytes()), (0x82, &second[..])]
        .map(|(b0, payload)| frame(Role::Server, b0, payload))
        .into();
    let reads: Vec<&[u8]> = wire.iter().map(|frame| &frame[..]).collect();
    let expected =
        vec![(0x82, first.clone()), (0x81, text.clone().into_bytes()), (0x82, second.clone())];

    let once = answered(&reads, |endpoint| {
        let Received { message, mut out } = endpoint.received().unwrap();
        out.feed(message).unwrap();
    });
    assert_eq!(once, expected);

    let then_taken = answered(&reads, |endpoint| {
        let Received { message, mut out } = endpoint.received().unwrap();
        out.feed(message).unwrap();
        let copy = message.into_owned();
        assert_eq!(endpoint.take_message().unwrap(), copy);
    });
    assert_eq!(then_taken, expected);

    let parts = [0..70_000, 0..60_000, 1..70_000, 30_000..70_000, 9..4_105, 69_000..70_000];
    let twice_and_parts = answered(&reads[..1], |endpoint| {
        let Received { message, mut out } = endpoint.received().unwrap();
        out.feed(message).unwrap();
        for part in parts.clone() {
            out.feed(&message.as_bytes()[part]).unwrap();
        }
        out.feed("other").unwrap();
        endpoint.release();
    });
    let mut expected = vec![(0x82, first.clone())];
    expected.extend(parts.map(|part| (0x82, first[part].to_vec())));
    expected.push((0x81, b"other".to_vec()));
    assert!(twice_and_parts == expected);
}

#[test]
fn the_error_that_came_first_stays_also_behind_our_close() {
    // RFC 6455 §7.1.7: nobody has been told of either, because our Close is out.
    let mut endpoint = endpoint(Role::Server);
    endpoint.close(CloseCode::NORMAL, "").unwrap();
    put(&mut endpoint, &frame(Role::Server, 0x01, b"\xff"));
    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
    // A continuation without a masking key.
    put(&mut endpoint, b"\x80\x00");
    for _ in 0..2 {
        assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8));
    }
    let failure = endpoint.outcome().unwrap().failure;
    assert_eq!(failure, Some(Failure::Protocol(ProtocolError::InvalidUtf8)));
}

#[test]
fn a_message_under_way_stays_in_its_buffer_when_the_last_one_has_been_written() {
    // The end of one and the beginning of the next come in one read.
    let mut endpoint = endpoint(Role::Server);
    let messages = [pattern(300_000), vec![5; 270_000], pattern(320_000)];
    let wire = messages.each_ref().map(|payload| frame(Role::Server, 0x82, payload)).concat();
    let (mut rest, mut written) = (&wire[..], Vec::new());
    while !rest.is_empty() {
        let count = endpoint.read_buf().len().min(rest.len()).min(7_000);
        put(&mut endpoint, &rest[..count]);
        rest = &rest[count..];
        while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
            out.feed(message).unwrap();
        }
        written.extend(drain(&mut endpoint));
    }
    assert_eq!(sent_by(Role::Server, &written), messages.map(|payload| (0x82, payload)));
}

// ---- frames longer than a read, and short fragments ---------------------------------------------

#[test]
fn frames_longer_than_a_read_come_whole_whatever_is_read_at_once() {
    // Around the read buffer and the longest frame that waits in it.
    for len in [16_000, 16_890, 16_896, 65_535, 65_536, 90_000, 131_072, 131_086, 131_087, 400_000]
    {
        for role in ROLES {
            let bytes = pattern(len);
            let text = "ü".repeat(len / 2);
            let wire = [
                frame(role, 0x81, b"before"),
                frame(role, 0x82, &bytes),
                frame(role, 0x89, b"?"),
                frame(role, 0x81, text.as_bytes()),
                frame(role, 0x81, b"after"),
            ];
            let wire = wire.concat();
            let expected: [OwnedMessage; 4] =
                ["before".into(), bytes.clone().into(), text.as_str().into(), "after".into()];
            for step in [997, 1460, 4096, 16_384, 65_536, usize::MAX] {
                for releases in [false, true] {
                    let (mut endpoint, mut found, mut rest) =
                        (endpoint(role), Vec::new(), &wire[..]);
                    while !rest.is_empty() {
                        read_some(&mut endpoint, &mut rest, step);
                        while let Some(received) = endpoint.next().unwrap() {
                            found.push(received.into_owned());
                        }
                        if releases {
                            endpoint.release();
                        }
                    }
                    assert!(found == expected, "{len} bytes, {role:?}, reads of {step}");
                    assert_eq!(sent_by(role, &queued(&endpoint)), [(0x8a, b"?".to_vec())]);
                    // What was grown for a frame is not read to for small ones.
                    put(&mut endpoint, &frame(role, 0x81, b"small"));
                    assert!(endpoint.next().unwrap().is_some());
                    assert_eq!(endpoint.read_buf().len(), Config::default().read_buffer);
                }
            }
        }
    }
}

#[test]
fn a_read_buffer_grows_with_what_arrives() {
    let mut endpoint = endpoint(Role::Server);
    let (wire, size) = (frame(Role::Server, 0x82, &pattern(40_000)), Config::default().read_buffer);
    put(&mut endpoint, &wire[..100]);
    assert!(endpoint.next().unwrap().is_none());
    assert_eq!(endpoint.read_buf().len(), size - 100, "nothing for what was announced only");
    put(&mut endpoint, &wire[100..size]);
    assert!(endpoint.next().unwrap().is_none());
    assert_eq!(endpoint.read_buf().len(), size, "as much as has come");
    put(&mut endpoint, &wire[size..2 * size]);
    assert!(endpoint.next().unwrap().is_none());
    put(&mut endpoint, &wire[2 * size..]);
    assert!(endpoint.next().unwrap().is_some());
    // The next one is likely to be as long, the one behind a short one is not.
    assert!((wire.len()..wire.len() + 1024).contains(&endpoint.read_buf().len()));
    endpoint.release();
    assert!((wire.len()..wire.len() + 1024).contains(&endpoint.read_buf().len()));
    put(&mut endpoint, &frame(Role::Server, 0x82, b"short"));
    assert!(endpoint.next().unwrap().is_some());
    assert_eq!(endpoint.read_buf().len(), size);
}

/// Reads `wire` as from a transport that is known to have no more when a read did not fill its room.
/// Says how many reads there were, and how many messages.
fn read_until_drained(endpoint: &mut Endpoint, mut wire: &[u8]) -> (usize, usize) {
    let (mut reads, mut messages) = (0, 0);
    loop {
        let room = endpoint.read_buf();
        assert!(!room.is_empty(), "everything has been polled");
        let (count, is_full) = (room.len().min(wire.len()), room.len() <= wire.len());
        room[..count].copy_from_slice(&wire[..count]);
        wire = &wire[count..];
        endpoint.advance_read(count);
        reads += 1;
        while endpoint.next().unwrap().is_some() {
            messages += 1;
        }
        if !is_full {
            return (reads, messages);
        }
    }
}

#[test]
fn who_waits_for_each_answer_is_read_without_a_read_too_many() {
    for role in ROLES {
        let default = Config::default().read_buffer;
        // Wherever the buffer lies: the payload begins at a line of the cache, and some end with it.
        let other = (8_100..8_184).step_by(4).map(|len| (len, 8_192));
        let lens = [3_000, 9_000, 16_384, 20_000, 70_000, 131_072].map(|len| (len, default));
        for (len, read_buffer) in lens.into_iter().chain(other) {
            let message = frame(role, 0x82, &pattern(len));
            for releases in [true, false] {
                let mut config = Config::default();
                config.read_buffer = read_buffer;
                let mut endpoint = endpoint_with(role, &config);
                let read = |endpoint: &mut Endpoint, wire: &[u8]| {
                    let read = read_until_drained(endpoint, wire);
                    if releases {
                        endpoint.release();
                    }
                    read
                };
                // What came together before, and filled its room.
                assert_eq!(read(&mut endpoint, &message.repeat(5)).1, 5);
                for _ in 0..3 {
                    let read = read(&mut endpoint, &message);
                    assert_eq!(read, (1, 1), "{len} bytes, {role:?}, {releases}");
                }
                // No more of another message is read than has to be, which would have to be moved.
                let room = endpoint.read_buf().len();
                assert!(len < 8_192 || room <= message.len() + 14, "{len} bytes: {room}");
                // The same in two segments.
                let (first, second) = message.split_at(message.len() / 2);
                for _ in 0..3 {
                    let reads = [first, second].map(|wire| read(&mut endpoint, wire));
                    assert_eq!(reads, [(1, 0), (1, 1)], "{len} bytes, {role:?}, {releases}");
                }
            }
        }
    }
}

#[test]
fn fragments_of_any_size_are_one_message() {
    // Characters are split between the fragments.
    let text = "aüz€".repeat(11_000);
    let sizes = [3, 0, 1, 125, 0, 126, 2, 300, 5000, 0, 1, 70_000, 17, 17, 17, 17, 17];
    for role in ROLES {
        for (kind, expected) in [(1, Seen::text(&text)), (2, Seen::binary(text.as_bytes()))] {
            for ends_empty in [false, true] {
                let (mut wire, mut rest) = (Vec::new(), text.as_bytes());
                for (index, size) in (0u8..).zip(sizes) {
                    let (fragment, behind) = rest.split_at(size);
                    wire.extend(frame(role, if index == 0 { kind } else { 0 }, fragment));
                    if index % 5 == 4 {
                        wire.extend(frame(role, 0x89, &[index]));
                    }
                    rest = behind;
                }
                if ends_empty {
                    wire.extend(frame(role, 0x00, rest));
                    rest = &[];
                }
                wire.extend(frame(role, 0x80, rest));
                wire.extend(frame(role, 0x81, b"next"));
                for step in [1, 7, 64, 1460, 16_384, usize::MAX] {
                    let mut run = Run::new(endpoint(role));
                    run.read(&wire, step);
                    assert_eq!(run.error, None);
                    let whole = [expected.clone(), Seen::text("next")];
                    assert!(run.messages == whole, "{role:?}, reads of {step}");
                    let pongs = sent_by(role, &queued(&run.endpoint));
                    assert_eq!(pongs.last(), Some(&(0x8a, vec![14])));
                }
            }
        }
    }
}

#[test]
fn of_many_fragments_more_is_read_at_once() {
    let payload = pattern(400_000);
    for role in ROLES {
        let mut wire = Vec::new();
        for (index, piece) in payload.chunks(4_000).enumerate() {
            wire.extend(frame(role, if index == 0 { 0x02 } else { 0x00 }, piece));
        }
        wire.extend(frame(role, 0x80, b""));
        let mut endpoint = endpoint(role);
        let (mut rest, mut came, mut steps) = (&wire[..], 0, Vec::new());
        while !rest.is_empty() {
            let step = endpoint.read_buf().len();
            assert!(came >= 128 * 1024 || step <= Config::default().read_buffer, "{step}");
            came += read_some(&mut endpoint, &mut rest, usize::MAX);
            steps.push(step);
            let complete = endpoint.poll().unwrap() == Status::Message;
            assert_eq!(complete, rest.is_empty());
        }
        // They end where fragments end.
        let longest = steps.iter().max().unwrap();
        assert!((60 * 1024..=64 * 1024).contains(longest), "{steps:?}");
        assert!(steps.len() < 15, "{steps:?}");
        let message = endpoint.take_message().unwrap();
        assert!(message.as_bytes() == payload, "{role:?}");

        put(&mut endpoint, &frame(role, 0x82, b"little"));
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
        assert_eq!(endpoint.read_buf().len(), Config::default().read_buffer, "as before");
    }
}

#[test]
fn of_frames_as_long_as_the_one_that_waits_whole_ones_are_read() {
    // What comes of another would have to be moved in the buffer.
    let size = Config::default().read_buffer;
    for (role, len) in ROLES.into_iter().flat_map(|role| [100, 6_000, 12_000].map(|it| (role, it)))
    {
        let frame = frame(role, 0x82, &pattern(len));
        let wire = frame.repeat(200_000 / frame.len());
        let mut run = Run::new(endpoint(role));
        let (mut rest, mut reads) = (&wire[..], Vec::new());
        while !rest.is_empty() {
            reads.push(read_some(&mut run.endpoint, &mut rest, usize::MAX));
            run.poll();
        }
        assert!(run.messages.len() * frame.len() == wire.len(), "{role:?}, {len}");
        assert!(run.messages.iter().all(|it| *it == Seen::binary(&pattern(len))));
        // A full read leaves a part, the next one none. Behind a long frame no read leaves one.
        assert_eq!(reads[0], size);
        let mut came = 0;
        for (at, read) in reads.iter().enumerate() {
            came += read;
            let may_leave = at % 2 == 0 && (at == 0 || len < 2048);
            assert!(may_leave || came % frame.len() == 0, "{role:?}, {len}: {reads:?}");
        }
        assert!(reads.len() <= 2 * wire.len().div_ceil(size), "{role:?}, {len}: {reads:?}");
    }
}

#[test]
fn of_fragments_as_long_as_the_last_one_whole_ones_are_read() {
    // What is there of another would be collected in two pieces.
    let read_size = Config::default().read_buffer;
    for (role, len) in
        ROLES.into_iter().flat_map(|role| [7, 100, 1_460, 4_000].map(|it| (role, it)))
    {
        let payload = pattern(100 * len);
        let mut wire: Vec<u8> = (payload.chunks(len).enumerate())
            .flat_map(|(index, piece)| frame(role, if index == 0 { 0x02 } else { 0x00 }, piece))
            .collect();
        let (fragment, all) = (wire.len() / 100, wire.len());
        wire.extend(frame(role, 0x80, b"."));
        let mut run = Run::new(endpoint(role));
        let (mut rest, mut reads) = (&wire[..], 0);
        while !rest.is_empty() {
            let room = run.endpoint.read_buf().len();
            assert!(room > read_size / 2, "{role:?}, {len}: {room}");
            read_some(&mut run.endpoint, &mut rest, usize::MAX);
            reads += 1;
            let came = wire.len() - rest.len();
            // The first read knows nothing of what comes.
            assert!(
                reads == 1 || came > all || came.is_multiple_of(fragment),
                "{role:?}, {len}: {came}"
            );
            run.poll();
        }
        assert!(run.messages == [Seen::binary(&[&payload[..], b"."].concat())], "{role:?}, {len}");
    }
}

#[test]
fn long_frames_begin_at_lines_of_the_cache() {
    let lens = [
        9_000, 16_000, 16_384, 17_000, 20_000, 40_001, 65_535, 65_536, 70_000, 131_072, 200_000,
        1_000_001,
    ];
    let kinds = ROLES.into_iter().flat_map(|role| [0x81, 0x82].map(|opcode| (role, opcode)));
    let cases = kinds.flat_map(|kind| lens.map(|len| (kind, len)));
    for ((role, opcode), len) in cases {
        // Without a break; and each by itself, with the buffers given back in between, if its first
        // read goes to the read buffer as a whole.
        for at_once in [20, 1].into_iter().filter(|it| *it > 1 || len <= 131_072) {
            let payload = vec![b'x'; len];
            let frame = frame(role, opcode, &payload);
            let wire = frame.repeat(at_once);
            let mut endpoint = endpoint(role);
            let mut places = Vec::new();
            while places.len() < 20 {
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, usize::MAX);
                    while let Some(received) = endpoint.next().unwrap() {
                        let message = received.message.as_bytes();
                        assert!(message == payload, "{role:?}, {len}");
                        places.push(message.as_ptr().addr() % 64);
                    }
                }
                endpoint.release();
            }
            // The payload does, if anything is done with it before it is lent, or it has a buffer of
            // its own; else the header does.
            let is_read = role == Role::Server || opcode == 0x81 || len > 131_072;
            let place = if is_read { 0 } else { frame.len() - len };
            // How long they are is not known at first, and buffers grow.
            assert_eq!(places[16..], [place; 4], "{role:?}, {opcode:#x}, {len}: {places:?}");
        }
    }
}

#[test]
fn frames_that_just_find_room_beside_shorter_ones_begin_at_lines_too() {
    for (role, opcode) in ROLES.into_iter().flat_map(|role| [0x81, 0x82].map(|it| (role, it))) {
        // Shorter ones of whole KiB, and such as fill what is left for those to begin at a line.
        for more in (4..=128).step_by(4) {
            let short = frame(role, opcode, &[b'x'; 20_400]);
            let len = 20_480 - (short.len() - 20_400) + more;
            let long = frame(role, opcode, &vec![b'x'; len]);
            let wire = [short.repeat(8), long.repeat(12)].concat();
            let mut endpoint = endpoint(role);
            let (mut rest, mut places) = (&wire[..], Vec::new());
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                while let Some(received) = endpoint.next().unwrap() {
                    places.push(received.message.as_bytes().as_ptr().addr() % 64);
                }
            }
            let is_read = role == Role::Server || opcode == 0x81;
            let place = if is_read { 0 } else { long.len() - len };
            assert_eq!(places.len(), 20);
            assert_eq!(places[16..], [place; 4], "{role:?}, {opcode:#x}, {more}: {places:?}");
        }
    }
}

#[test]
fn messages_of_any_length_come_out_of_reads_of_any_size() {
    // Around every bound at which they, or what is read, take another way.
    let lens = [
        0, 1, 60, 125, 126, 1_000, 2_047, 2_048, 2_049, 5_100, 5_120, 8_440, 9_000, 16_380, 16_384,
        16_888, 16_900, 20_000, 33_000, 65_000, 65_535, 65_536, 131_072, 131_200, 150_000,
    ];
    let steps = [1, 7, 63, 64, 1_000, 1_460, 5_000, 16_384, usize::MAX, usize::MAX];
    for role in ROLES {
        for seed in 0..60u64 {
            let mut state = seed;
            let mut random = |below: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed * 2 + 1);
                usize::try_from(state >> 33).unwrap() % below
            };
            let mut config = Config::default();
            config.read_buffer = [16_896, 16_896, 1, 100, 3_000, 70_000][random(6)];
            let (mut wire, mut expected) = (Vec::new(), Vec::new());
            while wire.len() < 600_000 {
                let len = lens[random(lens.len())];
                for _ in 0..=random(4) {
                    let payload = pattern(len);
                    let fragments = if random(4) == 0 { 1 + random(5) } else { 1 };
                    let pieces: Vec<_> = payload.chunks(len.div_ceil(fragments).max(1)).collect();
                    for (at, piece) in pieces.iter().enumerate() {
                        let first = if at == 0 { 0x02 } else { 0x00 };
                        let fin = if at + 1 == pieces.len() { 0x80 } else { 0x00 };
                        wire.extend(frame(role, first | fin, piece));
                    }
                    if pieces.is_empty() {
                        wire.extend(frame(role, 0x82, b""));
                    }
                    expected.push(Seen::binary(&payload));
                }
            }
            let mut run = Run::new(endpoint_with(role, &config));
            let mut buffers = Buffers::new();
            let step = steps[random(steps.len())].max(config.read_buffer / 100);
            let mut rest = &wire[..];
            while !rest.is_empty() {
                for _ in 0..=random(2) {
                    // Asked for once more, and read to without a poll in between.
                    let room = run.endpoint.read_buf().len();
                    assert_eq!(run.endpoint.read_buf().len(), room, "{role:?}, {seed}");
                    read_some(&mut run.endpoint, &mut rest, step);
                }
                run.poll();
                assert!(!run.endpoint.read_buf().is_empty(), "room after every poll");
                match random(10) {
                    0 => run.endpoint.release(),
                    1 => buffers.take_back(&mut run.endpoint),
                    2 | 3 => buffers.lend_to(&mut run.endpoint),
                    _ => {}
                }
            }
            assert_eq!(run.error, None);
            assert!(run.messages == expected, "{role:?}, {seed}");
        }
    }
}

#[test]
fn fragments_of_any_length_go_with_reads_that_end_with_others() {
    // What is read follows the length of the last one, and must not wait for it.
    let lens = [3, 4_000, 4_001, 130, 0, 125, 126, 2_000, 16_000, 40, 70_000, 1];
    for role in ROLES {
        for shift in 0..lens.len() {
            let mut payload = Vec::new();
            let mut wire = Vec::new();
            for at in 0..60 {
                let piece = pattern(lens[(at * at + shift) % lens.len()]);
                wire.extend(frame(role, if at == 0 { 0x02 } else { 0x00 }, &piece));
                payload.extend(piece);
            }
            wire.extend(frame(role, 0x80, b""));
            for step in [7, 1_460, 4_096, usize::MAX] {
                let mut run = Run::new(endpoint(role));
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    assert!(!run.endpoint.read_buf().is_empty(), "room after every poll");
                    read_some(&mut run.endpoint, &mut rest, step);
                    run.poll();
                }
                assert_eq!(run.error, None);
                assert!(run.messages == [Seen::binary(&payload)], "{role:?}, {shift}, {step}");
            }
        }
    }
}

#[test]
fn limits_hold_for_short_fragments_too() {
    let mut config = Config::default();
    (config.connection.max_frame, config.connection.max_message) = (100, 1000);
    config.connection.frame_allowance = 20;
    for role in ROLES {
        let begun = frame(role, 0x02, b"begun");
        let long = frame(role, 0x00, &[7; 101]);
        let many = frame(role, 0x00, &[7; 100]).repeat(10);
        let tiny = frame(role, 0x00, b"").repeat(20);
        let too_long = ProtocolError::FrameTooLong { len: 101, limit: 100 };
        let cases = [
            (long, too_long),
            (many, ProtocolError::MessageTooLong { limit: 1000 }),
            (tiny, ProtocolError::TooManyFrames { frames: 21 }),
        ];
        for (wire, error) in cases {
            for step in [1, 64, usize::MAX] {
                let mut run = Run::new(endpoint_with(role, &config));
                run.read(&[&begun[..], &wire].concat(), step);
                assert_eq!((run.error, run.messages.len()), (Some(error), 0));
            }
        }
    }
}

// ---- written from where it lies -----------------------------------------------------------------

#[test]
fn a_message_is_written_from_where_it_lies() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 4096, 65_535, 65_536, 100_000] {
            let ways = [(usize::MAX, false), (1000, false), (1, true), (3, true), (3000, true)];
            for (behind, (step, gives_up)) in
                [false, true].into_iter().flat_map(|it| ways.map(|way| (it, way)))
            {
                let payload = pattern(len);
                let (mut through, mut queues) = (endpoint(role), endpoint(role));
                for endpoint in [&mut through, &mut queues].into_iter().filter(|_| behind) {
                    endpoint.send("before").unwrap();
                    endpoint.send_owned(pattern(5000)).unwrap();
                }
                queues.send(&payload).unwrap();
                let (mut written, mut lies_there, mut calls) = (Vec::new(), false, 0);
                let sent = through.send_through(&payload, |chunks| {
                    assert!(chunks.iter().all(|chunk| !chunk.is_empty()));
                    let payload = payload.as_ptr();
                    lies_there |= chunks.iter().any(|chunk| len > 0 && chunk.as_ptr() == payload);
                    calls += 1;
                    if gives_up && calls > 1 {
                        return 0;
                    }
                    let all = chunks.concat();
                    written.extend_from_slice(&all[..step.min(all.len())]);
                    // More than there is counts as all of it.
                    step
                });
                assert_eq!(sent, Ok(()));
                assert_eq!(lies_there, role == Role::Server && len > 0);
                assert!(gives_up || through.queued() == 0);
                through.send("after").unwrap();
                queues.send("after").unwrap();
                written.extend(queued(&through));
                assert!(sent_by(role, &written) == sent_by(role, &queued(&queues)), "{len} {step}");
            }
        }
    }
}

#[test]
fn a_large_message_of_a_client_is_masked_and_written_in_steps() {
    const STEP: usize = 512 * 1024;
    let mut config = Config::default();
    config.high_watermark = 1 << 24;
    for len in [STEP - 14, STEP - 13, STEP, STEP + 1, 2 * STEP + 12_345] {
        let payload = pattern(len);
        for behind in [false, true] {
            // How much is taken each time, and how often.
            for (step, times) in [(usize::MAX, 99), (99_999, 99), (99_999, 3), (STEP, 1), (0, 0)] {
                let client = || endpoint_with(Role::Client, &config);
                let (mut through, mut queues) = (client(), client());
                for endpoint in [&mut through, &mut queues].into_iter().filter(|_| behind) {
                    endpoint.send("before").unwrap();
                    endpoint.send_owned(pattern(5000)).unwrap();
                }
                queues.send(&payload).unwrap();
                let (mut written, mut calls, mut most) = (Vec::new(), 0, 0);
                let sent = through.send_through(&payload, |chunks| {
                    let all = chunks.concat();
                    most = most.max(all.len());
                    calls += 1;
                    if calls > times {
                        return 0;
                    }
                    written.extend_from_slice(&all[..step.min(all.len())]);
                    step
                });
                assert_eq!(sent, Ok(()));
                // From one byte more on it goes in steps.
                assert!(most <= STEP + 6000 && (len <= STEP || most <= STEP), "{len}: {most}");
                let left = queues.queued() - written.len();
                assert!(through.queued() == left && (times < 99 || left == 0), "{len} {step}");
                through.send("after").unwrap();
                queues.send("after").unwrap();
                written.extend(queued(&through));
                let expected = sent_by(Role::Client, &queued(&queues));
                assert!(sent_by(Role::Client, &written) == expected, "{len} {step} {times}");
            }
        }
    }
}

#[test]
fn what_was_not_shown_does_not_count_as_written() {
    let mut server = endpoint(Role::Server);
    // More pieces than are shown at once.
    for i in 0..20 {
        server.send_owned(vec![i; 5000]).unwrap();
    }
    let expected = [queued(&server), b"\x81\x03end".to_vec()].concat();
    let (mut written, mut calls) = (Vec::new(), 0);
    server
        .send_through("end", |chunks| {
            assert!(chunks.len() <= 16);
            written.extend(chunks.concat());
            calls += 1;
            usize::MAX
        })
        .unwrap();
    assert!(written == expected && calls > 1);
    assert_eq!(server.queued(), 0);
}

#[test]
fn what_may_not_be_sent_is_not_written() {
    let mut config = Config::default();
    config.high_watermark = 10;
    let mut server = endpoint_with(Role::Server, &config);
    let try_to = |server: &mut Endpoint| server.send_through("b", |_| panic!("not to be written"));
    server.send_part("a", Fragment::More).unwrap();
    assert_eq!(try_to(&mut server), Err(SendError::UnfinishedMessage));
    server.send_part(&"a".repeat(20), Fragment::Last).unwrap();
    let queued = server.queued();
    assert_eq!(try_to(&mut server), Err(SendError::Full { queued }));
    server.advance_write(queued);
    server.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(try_to(&mut server), Err(SendError::Closed));
}

#[test]
fn a_transport_that_takes_nothing_is_asked_once() {
    for behind in [false, true] {
        let (mut server, mut calls) = (endpoint(Role::Server), 0);
        if behind {
            server.send("a").unwrap();
        }
        server
            .send_through("b", |_| {
                calls += 1;
                0
            })
            .unwrap();
        assert_eq!(calls, 1);
        let expected: &[u8] = if behind { b"\x81\x01a\x81\x01b" } else { b"\x81\x01b" };
        assert_eq!(queued(&server), expected);
    }
}

#[test]
fn reads_without_a_poll_between_them_lose_nothing() {
    for role in ROLES {
        let bytes = pattern(400_000);
        let wire = [frame(role, 0x82, &bytes), frame(role, 0x81, b"next")].concat();
        for step in [1, 7, 5000, usize::MAX] {
            let (mut endpoint, mut rest, mut reads) = (endpoint(role), &wire[..], 0);
            let mut found: Vec<OwnedMessage> = Vec::new();
            while !rest.is_empty() {
                let count = read_some(&mut endpoint, &mut rest, step);
                reads += 1;
                // Also whenever there is no room left.
                if reads % 3 == 0 || count == 0 || rest.is_empty() {
                    while let Some(received) = endpoint.next().unwrap() {
                        found.push(received.into_owned());
                    }
                }
            }
            assert!(found == [bytes.clone().into(), "next".into()], "{role:?}, reads of {step}");
        }
    }
}

#[test]
fn bad_text_is_found_by_a_release_whatever_was_read_behind_it() {
    for role in ROLES {
        let mut text = vec![b'a'; 300_000];
        text[20_000] = 0xff;
        let wire = frame(role, 0x81, &text);
        for behind in [0, 1, 100] {
            let (mut endpoint, mut at) = (endpoint(role), 0);
            while at < 30_000 {
                let room = endpoint.read_buf();
                let count = room.len();
                room.copy_from_slice(&wire[at..at + count]);
                endpoint.advance_read(count);
                at += count;
                assert!(endpoint.next().unwrap().is_none());
            }
            endpoint.read_buf()[..behind].copy_from_slice(&wire[at..at + behind]);
            endpoint.advance_read(behind);
            endpoint.release();
            for _ in 0..2 {
                assert_eq!(endpoint.next().err(), Some(ProtocolError::InvalidUtf8));
            }
            assert_eq!(endpoint.queued(), queued(&endpoint).len());
            assert_eq!(sent_by(role, &queued(&endpoint)).len(), 1);
        }
    }
}

#[test]
fn input_that_is_pushed_joins_the_frame_that_waits() {
    for role in ROLES {
        let wire = frame(role, 0x82, &pattern(30_000));
        for step in [1_000, 20_000] {
            let (mut endpoint, mut rest) = (endpoint(role), &wire[..]);
            let mut found = Vec::new();
            for round in 0.. {
                if rest.is_empty() {
                    break;
                }
                let room = if round % 2 == 0 { step } else { endpoint.read_buf().len().min(step) };
                let (now, later) = rest.split_at(room.min(rest.len()));
                if round % 2 == 0 {
                    endpoint.push_input(now)
                } else {
                    put(&mut endpoint, now)
                }
                endpoint.push_input(b"");
                rest = later;
                while let Some(received) = endpoint.next().unwrap() {
                    found.push(received.into_owned());
                }
            }
            assert!(found == [OwnedMessage::from(pattern(30_000))], "{role:?}, {step}");
        }
        // What a poll has seen of a bad text is known at the end, whatever was pushed behind it.
        for behind in [&b""[..], b"more"] {
            let mut endpoint = endpoint(role);
            put(&mut endpoint, &frame(role, 0x81, &[0xff; 100])[..50]);
            assert!(endpoint.next().unwrap().is_none());
            endpoint.push_input(behind);
            assert_eq!(endpoint.receive_eof(), Ok(()));
            assert_eq!(endpoint.next().err(), Some(ProtocolError::InvalidUtf8));
        }
    }
}

#[test]
fn what_is_due_is_queued_while_a_frame_waits() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    for role in ROLES {
        let mut endpoint = endpoint_with(role, &config);
        put(&mut endpoint, &frame(role, 0x82, b"begun")[..4]);
        assert!(endpoint.next().unwrap().is_none());
        assert_eq!(endpoint.poll_timeout(Duration::ZERO), Some(Duration::from_secs(30)));
        endpoint.handle_timeout(Duration::from_secs(30)).unwrap();
        assert!(endpoint.next().unwrap().is_none());
        assert_eq!(sent_by(role, &queued(&endpoint)), [(0x89, vec![])]);
    }
}

#[test]
fn input_that_is_pushed_behind_a_begun_large_frame_comes_before_what_is_read_later() {
    for role in ROLES {
        let payload = pattern(320_000);
        let wire = frame(role, 0x82, &payload);
        let mut run = Run::new(endpoint(role));
        run.read(&wire[..20_000], usize::MAX);
        // So little that it waits in the room of the message.
        run.read(&wire[20_000..20_700], usize::MAX);
        run.endpoint.push_input(&wire[20_700..21_000]);
        // As much as there is room for before a poll.
        let mut rest = &wire[21_000..];
        read_some(&mut run.endpoint, &mut rest, 500);
        run.poll();
        run.read(rest, 5_000);
        assert!(run.messages == [Seen::binary(&payload)], "{role:?}");
    }
}

#[test]
fn taking_an_endpoint_apart_while_a_message_is_lent_gives_what_is_behind_it() {
    for role in ROLES {
        // In the read buffer, in the assembler's, and shared with the queue.
        let fragments = frames(role, &[(0x02, &[7; 5_000]), (0x80, b"end")]);
        for message in [frame(role, 0x81, b"hi"), fragments, frame(role, 0x82, &[7; 300_000])] {
            let behind = frame(role, 0x81, b"behind");
            let wire = [&message[..], &behind].concat();
            let (mut endpoint, mut rest) = (endpoint(role), &wire[..]);
            loop {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                if endpoint.poll().unwrap() == Status::Message {
                    break;
                }
            }
            let (_, unread, _) = endpoint.into_parts();
            assert_eq!([&unread[..], rest].concat(), behind, "{role:?}");
        }
    }
}

#[test]
fn a_buffer_that_is_lent_does_not_replace_a_message() {
    for role in ROLES {
        let fragments = frames(role, &[(0x01, b"hel"), (0x80, b"lo")]);
        for message in [frame(role, 0x81, b"hello"), fragments] {
            let (mut endpoint, mut buffers) = (endpoint(role), buffers_of(16_896));
            endpoint.push_input(&message);
            assert_eq!(endpoint.poll().unwrap(), Status::Message);
            buffers.lend_to(&mut endpoint);
            assert_eq!(buffers.capacity(), 16_896, "it is not lost meanwhile");
            assert_eq!(endpoint.received().unwrap().message.as_text(), Some("hello"));
            assert_eq!(endpoint.poll().unwrap(), Status::NeedRead);
            buffers.lend_to(&mut endpoint);
            assert_eq!(buffers.capacity(), 0);
            assert_eq!(endpoint.read_buf().len(), 16_896);
        }
    }
}

#[test]
fn what_is_queued_outlives_the_end_of_what_the_peer_sends() {
    // R5.5.1-8: a peer that shuts its sending side down behind its Close waits for the answer.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        endpoint.poll_timeout(Duration::from_secs(1));
        endpoint.send("bye").unwrap();
        put(&mut endpoint, &frame(role, 0x88, &[3, 232]));
        assert_eq!(endpoint.poll().unwrap(), Status::Closed);
        endpoint.receive_eof().unwrap();
        // Woken for something else.
        endpoint.handle_timeout(Duration::from_secs(2)).unwrap();
        let sent = parse(&drain(&mut endpoint));
        assert_eq!(sent.iter().map(|frame| frame.b0).collect::<Vec<_>>(), [0x81, 0x88], "{role:?}");
    }
}
