//! Memory (RFC 6455 §10.4): it follows what was received, never what was announced, and goes back.
#![allow(clippy::unwrap_used)]

mod common;

use std::hint::black_box;

use bytes::Bytes;
use common::inflate::Writer;
use common::*;
use counting_alloc::{Counting, Counts, counts, reset};
use websocket_proto::connection::{Config, Fragment, Role};
use websocket_proto::deflate::{self, Pool};
use websocket_proto::endpoint::{self, Buffers, Endpoint, Received, Status};
use websocket_proto::{Assembler, Connection, Event, Input, ProtocolError, SendError};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: i64 = 1024;
const READ_BUFFER: i64 = 16 * KIB;

/// For so many reads and a few more a large buffer is kept that they had no use for.
const SPARED: usize = 64 + 4;

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

fn limits_of(bytes: u64) -> endpoint::Config {
    let mut config = endpoint::Config::default();
    config.connection.max_frame = bytes;
    config.connection.max_message = bytes;
    config.connection.frame_allowance = u32::MAX;
    config
}

/// Receives all of `bytes`, in place; how many messages there were.
fn receive(connection: &mut Connection, assembler: &mut Assembler, bytes: &mut [u8]) -> usize {
    let (mut input, mut messages) = (Input::new(bytes), 0);
    while let Some(event) = connection.receive(&mut input).unwrap() {
        if let Event::Data(piece) = event {
            messages += usize::from(assembler.push(piece, connection).unwrap().is_some());
        }
    }
    messages
}

/// One read of these bytes, and polling until more is needed; how many messages there were.
fn read(endpoint: &mut Endpoint, mut bytes: &[u8]) -> usize {
    let mut messages = 0;
    while !bytes.is_empty() {
        read_some(endpoint, &mut bytes, usize::MAX);
        while endpoint.poll().unwrap() == Status::Message {
            black_box(endpoint.received().unwrap().message);
            messages += 1;
        }
    }
    messages
}

// ---- what a connection is -----------------------------------------------------------------------

#[test]
fn a_connection_is_small_and_has_no_heap() {
    // Defence 27, and the documentation of `Connection`: at most 512 bytes.
    // 64 bits, every feature.
    assert!(size_of::<Connection>() <= 296, "{}", size_of::<Connection>());
    assert!(size_of::<Endpoint>() <= 512, "{}", size_of::<Endpoint>());
    for role in ROLES {
        let config = Config::default();
        let wire = frames(
            role,
            &[
                (0x81, b"text"),
                (0x01, b"a"),
                (0x89, b"ping"),
                (0x80, b"b"),
                (0x8a, b""),
                (0x88, b""),
            ],
        );
        for size in [wire.len(), 1] {
            let mut wire = wire.clone();
            reset();
            let mut connection = connection(role, &config);
            for bytes in wire.chunks_mut(size) {
                let mut input = Input::new(bytes);
                while let Some(event) = connection.receive(&mut input).unwrap() {
                    black_box(&event);
                }
                black_box(connection.poll_control().unwrap());
            }
            black_box(connection.outcome());
            // The payload of a control frame in pieces is put together on the heap, 125 bytes at
            // most: in the connection it would take room while there is none.
            let in_pieces = Counts { allocations: 1, requested: 126, live: 0, peak: 126 };
            let expected = if size == 1 { in_pieces } else { Counts::default() };
            assert_eq!(counts(), expected);
        }
    }
}

#[test]
fn an_endpoint_that_is_released_holds_no_heap() {
    // Defence 27, D7: before the first byte, and after traffic of every kind.
    for role in ROLES {
        let config = limits_of(1 << 30);
        let wire = frames(
            role,
            &[
                (0x81, b"small"),
                (0x01, b"in "),
                (0x80, b"two"),
                (0x82, &[7; 100_000]),
                (0x82, &[7; 300_000]),
                (0x89, b"ping"),
                (0x02, &[7; 9_000]),
                (0x80, &[7; 9_000]),
            ],
        );
        reset();
        let mut endpoint = endpoint_with(role, &config);
        assert_eq!(counts(), Counts::default(), "nothing is allocated before it is needed");
        assert_eq!(read(&mut endpoint, &wire), 5);
        endpoint.send("answer").unwrap();
        endpoint.send_owned(vec![1; 50_000]).unwrap();
        endpoint.send("answer").unwrap();
        endpoint.advance_write(endpoint.queued());
        endpoint.release();
        assert_eq!(counts().live, 0);
    }
}

#[test]
fn a_round_with_lent_buffers_allocates_nothing() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let wire = frames(role, &[(0x81, &b"small"[..]); 16]);
        let mut buffers = Buffers::new();
        for round in 0..4 {
            if round == 1 {
                reset();
            }
            buffers.lend_to(&mut endpoint);
            endpoint.read_buf()[..wire.len()].copy_from_slice(&wire);
            endpoint.advance_read(wire.len());
            while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                out.feed(message).unwrap();
            }
            endpoint.advance_write(endpoint.queued());
            buffers.take_back(&mut endpoint);
        }
        assert_eq!(counts(), Counts::default());
    }
}

#[test]
fn release_after_the_last_message_without_another_poll_gives_its_buffer_back() {
    // "Gives back the buffers that hold nothing ... Ends the life of the message lent before."
    for role in ROLES {
        let wire = frames(role, &[(0x02, &[7; 9_000]), (0x80, &[7; 9_000])]);
        let mut endpoint = endpoint(role);
        endpoint.push_input(&wire);
        reset();
        assert_eq!(endpoint.poll(), Ok(Status::Message));
        endpoint.release();
        // The buffer of the pushed bytes is gone, and nothing has come in its place.
        assert!(counts().live <= -signed(wire.len()), "{:?}", counts());
    }
}

#[test]
fn a_release_that_finds_bad_text_gives_its_buffer_back() {
    // It waits for its end in the read buffer, and fills more than a sixteenth of that.
    for role in ROLES {
        let wire = frames(role, &[(0x81, &[0xff; 9_000])]);
        reset();
        let mut endpoint = endpoint(role);
        assert_eq!(read(&mut endpoint, &wire[..8_000]), 0);
        endpoint.release();
        assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8));
        // The Close frame, in a buffer of its own.
        assert!(endpoint.queued() > 0);
        assert!(counts().live <= 1_000, "{:?}", counts());
    }
}

#[test]
fn input_that_is_only_pushed_is_forgotten_once_it_is_used_up() {
    // By an owner of buffers that never asks for one of the endpoint's.
    for role in ROLES {
        let payload = [7; 1024];
        let message = frame(role, 0x82, &payload);
        let in_fragments = [0x02, 0x00, 0x00, 0x80].map(|b0| frame(role, b0, &payload)).concat();
        let large = frame(role, 0x82, &vec![7; 1 << 20]);
        // What comes how often, in pieces of which size, and how much may be held.
        for (wire, times, step, most) in [
            (&message, 10_000, message.len(), 8 * KIB),
            // Each ends in another frame.
            (&message, 10_000, 1_000, 8 * KIB),
            (&in_fragments, 2_500, in_fragments.len() / 4, 16 * KIB),
            (&large, 10, 16 * 1024, 2_200 * KIB),
        ] {
            let mut rest = wire.repeat(times);
            let total = rest.len();
            let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
            let mut messages = 0;
            reset();
            for piece in rest.chunks_mut(step) {
                endpoint.push_input(piece);
                while let Some(received) = endpoint.next().unwrap() {
                    assert_eq!(received.message.as_bytes()[0], 7);
                    messages += 1;
                }
            }
            assert_eq!(messages, times);
            assert!(counts().peak <= most, "{role:?}, {total} in {step}: {:?}", counts());
        }
        // Who asks once for each that is pushed: the last one found, or one more, is there still.
        for behind in 0..2 {
            let mut endpoint = endpoint(role);
            reset();
            (0..behind).for_each(|_| endpoint.push_input(&message));
            for _ in 0..10_000 {
                endpoint.push_input(&message);
                let received = endpoint.next().unwrap().unwrap();
                assert_eq!(received.message.as_bytes(), payload);
            }
            assert!(counts().peak <= 16 * KIB, "{role:?}, {behind} behind: {:?}", counts());
        }
    }
}

#[test]
fn a_message_that_was_found_outlives_what_is_pushed_behind_it() {
    for role in ROLES {
        for wire in [
            frame(role, 0x81, b"found"),
            frames(role, &[(0x01, b"fo"), (0x00, b"un"), (0x80, b"d")]),
        ] {
            let mut endpoint = endpoint(role);
            endpoint.push_input(&frame(role, 0x82, &[7; 10_000]));
            endpoint.push_input(&wire);
            assert_eq!(endpoint.poll(), Ok(Status::Message));
            for round in 0..100 {
                assert_eq!(endpoint.poll(), Ok(Status::Message));
                // Behind it nothing is unread, then the beginning of the next.
                endpoint.push_input(&wire[..3]);
                endpoint.push_input(&wire[3..]);
                let message = endpoint.received().unwrap().message;
                assert_eq!(message.as_bytes(), b"found", "{role:?}, {round}");
            }
        }
    }
}

// ---- what the peer announces ----------------------------------------------------------------------

#[test]
fn a_header_that_announces_a_gibibyte_allocates_nothing() {
    // R10.4-1, defence 19, C3.
    for role in ROLES {
        let config = limits_of(1 << 30);
        let head = header(0x82, 1 << 30, (role == Role::Server).then_some(KEY));
        let mut connection = connection(role, &config.connection);
        let mut assembler = Assembler::new();
        let mut bytes = head.clone();
        reset();
        assert_eq!(receive(&mut connection, &mut assembler, &mut bytes), 0);
        assert_eq!((counts().allocations, connection.data_remaining()), (0, 1 << 30));

        let mut endpoint = endpoint_with(role, &config);
        read(&mut endpoint, &frame(role, 0x8a, b"")); // the read buffer is there
        reset();
        read(&mut endpoint, &head);
        black_box(endpoint.read_buf());
        assert_eq!(counts().allocations, 0);
        assert_eq!(endpoint.connection().data_remaining(), 1 << 30);
        // And a little of it costs a little.
        read(&mut endpoint, &[7; 100]);
        assert!(counts().peak <= 2 * 100 + 4 * KIB, "{:?}", counts());
    }
}

#[test]
fn memory_is_at_most_twice_what_was_received_for_tiny_fragments() {
    // Defences 19 and 23, D2: 131,000 fragments of one byte, at every moment.
    for role in ROLES {
        let config = limits_of(1 << 30);
        let one = frame(role, 0x00, b"x");
        let start = frame(role, 0x02, b"x");
        let mut bytes = one.clone();
        let mut connection = connection(role, &config.connection);
        let mut assembler = Assembler::new();
        reset();
        receive(&mut connection, &mut assembler, &mut start.clone());
        for received in 2..=131_000 {
            bytes.copy_from_slice(&one);
            receive(&mut connection, &mut assembler, &mut bytes);
            let live = counts().live;
            assert!(live <= 2 * received + 4 * KIB, "{live} for {received}");
        }

        let mut endpoint = endpoint_with(role, &config);
        reset();
        read(&mut endpoint, &start);
        for received in 2..=131_000 {
            read(&mut endpoint, &one);
            let live = counts().live;
            assert!(live <= 2 * received + 4 * KIB + READ_BUFFER, "{live} for {received}");
        }
    }
}

#[test]
fn memory_is_at_most_twice_what_was_received_for_tiny_reads() {
    // Defence 25, D5: a frame of 1 MiB in reads of one byte, through a connection.
    let config = limits_of(1 << 30);
    let mut connection = connection(Role::Client, &config.connection);
    let mut assembler = Assembler::new();
    let mut head = header(0x82, 1 << 20, None);
    reset();
    receive(&mut connection, &mut assembler, &mut head);
    for received in 1..=1 << 20 {
        receive(&mut connection, &mut assembler, &mut [7]);
        assert!(counts().live <= 2 * received + 4 * KIB, "{:?} for {received}", counts());
    }
}

#[test]
fn memory_is_at_most_twice_what_was_received_for_tiny_reads_of_an_endpoint() {
    // Defence 25, D5: also where it is read straight into the message.
    for step in [1usize, 100, 5_000] {
        let mut endpoint = endpoint_with(Role::Client, &limits_of(1 << 30));
        let bytes = vec![7; step];
        reset();
        read(&mut endpoint, &header(0x82, 1 << 20, None));
        let mut worst = (0, 0, 0);
        for received in (step..1 << 20).step_by(step) {
            read(&mut endpoint, &bytes);
            let over = counts().live - (2 * signed(received) + 4 * KIB + READ_BUFFER);
            worst = worst.max((over, counts().live, received));
        }
        let (over, live, received) = worst;
        assert!(over <= 0, "reads of {step}: {live} bytes held for {received} received");
    }
}

#[test]
fn memory_is_at_most_twice_what_was_received_for_fragments_of_any_size() {
    // Defence 19: also while more is read at once because many fragments have come, and where a
    // large one follows them, and where a short one just fits. Found by fuzzing and by reading.
    let sizes = [40, 100, 130, 1_000, 4_000, 16_700, 30_000, 50_000, 65_000, 65_536, 70_000];
    let kinds = [0x01, 0x02];
    let cases = ROLES.into_iter().flat_map(|role| sizes.map(|len| (role, len)));
    for ((role, len), kind) in cases.flat_map(|case| kinds.map(|kind| (case, kind))) {
        for small in [
            0, 50_000, 65_535, 95_000, 98_304, 130_000, 131_072, 150_000, 200_000, 250_123, 700_000,
        ] {
            // From 4 KiB on text is taken for ASCII.
            let first = if len % 1_000 == 0 { small % 4_001 } else { 4_096 };
            let mut wire = frame(role, kind, &vec![7; first]);
            for _ in 0..small / len {
                wire.extend(frame(role, 0x00, &vec![7; len]));
            }
            wire.extend(frame(role, 0x00, &vec![7; 400_000]));
            for (read_buffer, most) in [(500, 600), (500, usize::MAX), (16 * 1024, usize::MAX)] {
                let mut config = limits_of(1 << 30);
                config.read_buffer = read_buffer;
                let mut endpoint = endpoint_with(role, &config);
                reset();
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, most);
                    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
                    let (live, received) = (counts().live, signed(wire.len() - rest.len()));
                    let bound = 2 * received + 4 * KIB + signed(read_buffer);
                    assert!(live <= bound, "{live} for {received} of {small} by {len}, {role:?}");
                }
            }
        }
    }
}

#[test]
fn memory_is_at_most_twice_what_was_received_of_a_long_text() {
    for (role, most) in ROLES.into_iter().flat_map(|role| [900, 20_000].map(|most| (role, most))) {
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        let wire = frame(role, 0x81, &vec![b'a'; 1_500_000]);
        reset();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, most);
            let status = endpoint.poll();
            assert_eq!(status == Ok(Status::Message), rest.is_empty());
            let (live, received) = (counts().live, signed(wire.len() - rest.len()));
            let bound = 2 * received + 4 * KIB + READ_BUFFER;
            assert!(live <= bound, "{live} for {received} by {most}, {role:?}");
        }
        assert_eq!(endpoint.take_message().unwrap().as_bytes().len(), 1_500_000);
    }
}

#[test]
fn a_read_buffer_that_grows_between_messages_takes_no_more_than_it_is_to_hold() {
    for role in ROLES {
        let mut config = endpoint::Config::default();
        config.read_buffer = 1;
        let mut endpoint = endpoint_with(role, &config);
        let wire = frame(role, 0x82, &[7; 2_100]);
        reset();
        assert_eq!(read(&mut endpoint, &wire), 1);
        let room = endpoint.read_buf().len();
        assert!(counts().live <= 3 * 1024 + 64, "{room} bytes of room: {:?}", counts());
    }
}

#[test]
fn what_waits_while_nothing_is_read_takes_sixteen_times_its_size_at_most() {
    // Defence 25: a peer that begins a message and says no more, on an endpoint that is released.
    for role in ROLES {
        for len in [20, 2_000, 60_000, 120_000, 1 << 20] {
            let wire = frame(role, 0x82, &vec![7; len]);
            for cut in [1, 3, 15, 900, 1_000, 1_055, 1_057, 5_000, 20_000, 65_000, 100_000] {
                let Some(begun) = wire.get(..cut).filter(|_| cut < wire.len()) else { break };
                reset();
                let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
                read(&mut endpoint, begun);
                endpoint.release();
                let live = counts().live;
                assert!(live <= 16 * signed(cut) + 64, "{live} bytes held for {cut} of {len}");
                assert_eq!(read(&mut endpoint, &wire[cut..]), 1, "{cut} of {len}");
            }
        }
    }
}

#[test]
fn an_endpoint_that_has_sent_large_messages_back_holds_nothing() {
    for role in ROLES {
        for large in [5_000, 300_000] {
            let wire = frames(role, &[(0x02, &vec![7; large]), (0x80, &vec![7; large])]);
            let mut endpoint = endpoint(role);
            let live = counts().live;
            let mut buffers = Buffers::new();
            for turn in 0..4 {
                buffers.lend_to(&mut endpoint);
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, usize::MAX);
                    while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                        out.feed(message).unwrap();
                    }
                }
                // Given back before it is written, or after, or both.
                if turn > 1 {
                    buffers.take_back(&mut endpoint);
                }
                endpoint.advance_write(endpoint.queued());
                buffers.take_back(&mut endpoint);
            }
            drop(buffers);
            assert_eq!(counts().live, live, "{role:?}, {large}");
        }
    }
}

#[test]
fn a_written_message_is_not_held_for_the_beginning_of_the_next() {
    let mut endpoint = endpoint_with(Role::Server, &limits_of(1 << 30));
    let (large, next) = (frame(Role::Server, 0x82, &vec![7; 4 << 20]), vec![7; 1 << 20]);
    let mut rest = &large[..];
    let live = counts().live;
    while !rest.is_empty() {
        read_some(&mut endpoint, &mut rest, usize::MAX);
        while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
            out.feed(message).unwrap();
        }
    }
    read(&mut endpoint, &frame(Role::Server, 0x82, &next)[..5_000]);
    endpoint.advance_write(endpoint.queued());
    endpoint.release();
    let held = counts().live - live;
    assert!(held <= 16 * 5_000, "{held} bytes");
}

#[test]
fn a_peer_that_trickles_costs_few_copies() {
    // Each time that nothing more comes a long buffer is given back and lent again.
    for role in ROLES {
        let mut buffers = Buffers::new();
        let wire = frame(role, 0x82, &vec![7; 4 << 20]);
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        assert_eq!(read(&mut endpoint, &wire), 1);
        buffers.take_back(&mut endpoint);
        let mut rest = &wire[..300_000];
        reset();
        while !rest.is_empty() {
            buffers.lend_to(&mut endpoint);
            let read = if rest.len() > 290_000 { 2_000 } else { 100 };
            read_some(&mut endpoint, &mut rest, read);
            assert!(endpoint.next().unwrap().is_none());
            buffers.take_back(&mut endpoint);
        }
        // For each doubling a few, and no more.
        assert!(counts().allocations < 60, "{:?}", counts());
    }
}

#[test]
fn a_message_that_waits_leaves_a_long_buffer_that_was_lent() {
    // Defence 25 with a pool: 4 MiB are lent, because so much is announced.
    for role in ROLES {
        let mut buffers = Buffers::new();
        let whole = frame(role, 0x82, &vec![7; 4 << 20]);
        let fragments = frames(role, &[(0x01, &vec![b'x'; 4 << 20]), (0x80, b"end")]);
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        assert_eq!(read(&mut endpoint, &whole), 1);
        buffers.take_back(&mut endpoint);
        let kept = buffers.capacity();
        assert!(kept > 4 << 20);
        for wire in [whole, fragments] {
            for cut in [5_000, 20_000, 100_000, 260_000] {
                let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
                for begun in [&wire[..5_000], &wire[5_000..cut]] {
                    buffers.lend_to(&mut endpoint);
                    read(&mut endpoint, begun);
                }
                buffers.lend_to(&mut endpoint);
                assert!(buffers.capacity() < 1 << 20, "it is lent");
                reset();
                buffers.take_back(&mut endpoint);
                assert!(buffers.capacity() >= kept - 20_000, "{} of {kept}", buffers.capacity());
                assert!(counts().live <= 16 * signed(cut), "{:?}", counts());
                let mut messages = 0;
                let mut rest = &wire[cut..];
                while !rest.is_empty() {
                    buffers.lend_to(&mut endpoint);
                    read_some(&mut endpoint, &mut rest, 1 << 20);
                    while let Some(Received { message, .. }) = endpoint.next().unwrap() {
                        assert!(message.as_bytes().len() >= 4 << 20);
                        messages += 1;
                    }
                }
                assert_eq!(messages, 1);
                buffers.take_back(&mut endpoint);
            }
        }
    }
}

#[test]
fn a_message_that_comes_over_several_wake_ups_allocates_nothing() {
    for role in ROLES {
        for len in [3_000, 20_000] {
            let mut endpoint = endpoint(role);
            let wire = frame(role, 0x82, &vec![7; len]);
            let mut buffers = Buffers::new();
            for round in 0..6 {
                if round == 2 {
                    reset();
                }
                let mut messages = 0;
                for segment in wire.chunks(1_460) {
                    buffers.lend_to(&mut endpoint);
                    messages += read(&mut endpoint, segment);
                    buffers.take_back(&mut endpoint);
                }
                assert_eq!(messages, 1);
            }
            assert_eq!(counts().allocations, 0, "{role:?} {len}");
        }
    }
}

#[test]
fn empty_fragments_take_no_memory() {
    // Defence 24, D4.
    for role in ROLES {
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        read(&mut endpoint, &frame(role, 0x01, b""));
        let many = frame(role, 0x00, b"").repeat(1_000);
        reset();
        for _ in 0..100 {
            read(&mut endpoint, &many);
        }
        assert_eq!((counts().allocations, endpoint.queued()), (0, 0));
    }
}

#[test]
fn the_work_is_in_proportion_to_the_input() {
    // Defence 26, D6, by the bytes that allocations asked for, which no clock can blur.
    type Shape = fn(Role, usize) -> Vec<u8>;
    let shapes: [(&str, Shape, usize); 5] = [
        ("small frames in one read", |role, n| frame(role, 0x81, b"hello").repeat(n), usize::MAX),
        ("small frames, small reads", |role, n| frame(role, 0x81, b"hello").repeat(n), 1),
        (
            "fragments",
            |role, n| [frame(role, 0x02, b""), frame(role, 0x00, &[7; 20]).repeat(n)].concat(),
            999,
        ),
        ("a large frame", |role, n| frame(role, 0x82, &vec![7; n * 20]), 16_384),
        ("a large frame in small reads", |role, n| frame(role, 0x82, &vec![7; n * 20]), 3),
    ];
    for role in ROLES {
        for (what, shape, most) in shapes {
            let work = |n: usize| {
                let wire = shape(role, n);
                let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
                reset();
                wire.chunks(most.min(wire.len()))
                    .for_each(|bytes| assert!(read(&mut endpoint, bytes) < wire.len()));
                counts().requested.max(READ_BUFFER.unsigned_abs())
            };
            // Buffers grow in steps of up to a half, so twice as much can ask for three times as
            // much; what is not in proportion would be sixteen times.
            let (one, four) = (work(5_000), work(20_000));
            assert!(four < one * 7, "{what}, {role:?}: {one} for n, {four} for 4 n");
        }
    }
}

// ---- steady state -------------------------------------------------------------------------------

#[test]
fn receiving_borrowed_messages_allocates_nothing() {
    for role in ROLES {
        let batch: Vec<u8> = frames(
            role,
            &[
                (0x81, b"text"),
                (0x82, &[7; 5_000]),
                (0x89, b"ping"),
                (0x01, b"in "),
                (0x00, b""),
                (0x80, b"parts"),
            ],
        );
        let mut endpoint = endpoint(role);
        let round = |endpoint: &mut Endpoint| {
            let messages = read(endpoint, &batch);
            endpoint.advance_write(endpoint.queued());
            messages
        };
        round(&mut endpoint);
        reset();
        for _ in 0..100 {
            assert_eq!(round(&mut endpoint), 3);
        }
        assert_eq!(counts().allocations, 0);

        let (mut connection, mut assembler) = (open(role), Assembler::new());
        let mut bytes = batch.clone();
        receive(&mut connection, &mut assembler, &mut bytes);
        reset();
        for _ in 0..100 {
            bytes.copy_from_slice(&batch);
            assert_eq!(receive(&mut connection, &mut assembler, &mut bytes), 3);
        }
        assert_eq!(counts().allocations, 0);
    }
}

#[test]
fn sending_into_a_warm_queue_allocates_nothing() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let payload = [7; 3_000];
        let round = |endpoint: &mut Endpoint| {
            endpoint.send("text").unwrap();
            endpoint.send(&payload).unwrap();
            endpoint.ping(b"ping").unwrap();
            endpoint.advance_write(10);
            endpoint.advance_write(endpoint.queued());
        };
        round(&mut endpoint);
        reset();
        for _ in 0..100 {
            round(&mut endpoint);
        }
        assert_eq!(counts().allocations, 0);
    }
}

#[test]
fn a_queue_that_is_never_quite_empty_does_not_grow() {
    // Defence 30, E3: the watermarks bound what waits, so they must bound what is held for it. The
    // peer takes everything, always one message late.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let payload = [7; 1_000];
        reset();
        endpoint.send(&payload).unwrap();
        let one = endpoint.queued();
        for _ in 0..5_000 {
            endpoint.send(&payload).unwrap();
            endpoint.advance_write(one);
            assert_eq!(endpoint.queued(), one);
        }
        let high = signed(endpoint::Config::default().high_watermark);
        assert!(counts().live <= 2 * high, "{} bytes held for {one} queued", counts().live);
    }
}

#[test]
fn pings_of_a_peer_that_never_reads_hold_at_most_the_watermark() {
    // Defence 29.
    let mut config = endpoint::Config::default();
    config.high_watermark = 20_000;
    for role in ROLES {
        let mut endpoint = endpoint_with(role, &config);
        let pings = frame(role, 0x89, &[0x2e; 125]).repeat(100);
        reset();
        for _ in 0..500 {
            read(&mut endpoint, &pings);
        }
        assert!(counts().live <= 2 * 20_131 + READ_BUFFER, "{:?}", counts());
    }
}

#[test]
fn large_messages_in_a_row_share_one_buffer() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        // Longer than what is kept where it is not needed, too.
        for len in [1 << 20, 6 << 20] {
            let wire = frame(role, 0x82, &vec![7; len]);
            assert_eq!(read(&mut endpoint, &wire), 1);
            reset();
            for _ in 0..4 {
                assert_eq!(read(&mut endpoint, &wire), 1);
            }
            assert_eq!(counts(), Counts::default(), "{role:?}");
        }
    }
}

#[test]
fn large_texts_in_fragments_share_one_buffer_and_are_taken_over_without_a_copy() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let mut wire = frame(role, 0x01, &[b'a'; 4_096]);
        for last in (0..63).map(|index| index == 62) {
            wire.extend(frame(role, if last { 0x80 } else { 0x00 }, &[b'b'; 4_096]));
        }
        assert_eq!(read(&mut endpoint, &wire), 1);
        reset();
        for _ in 0..4 {
            assert_eq!(read(&mut endpoint, &wire), 1);
        }
        assert_eq!(counts(), Counts::default(), "{role:?}");
        let mut rest = &wire[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, usize::MAX);
            assert_eq!(endpoint.poll().unwrap() == Status::Message, rest.is_empty());
        }
        let taken = endpoint.take_message().unwrap();
        assert_eq!(taken.as_message().as_text().unwrap().len(), 64 * 4_096);
        // Reference counts.
        assert!(counts().requested <= 128, "{role:?}: {:?}", counts());
    }
}

#[test]
fn fragments_that_fill_their_room_do_not_make_it_grow() {
    // Wherever the allocator has put the buffer, some of them end with what 64 KiB are read into,
    // which is longer, so that what is read can begin at a line of the cache.
    let lens = [4_093, 4_094, 4_095, 4_096, 8_185, 8_187, 8_189, 8_191];
    for (role, len) in ROLES.into_iter().flat_map(|role| lens.map(|len| (role, len))) {
        let mut endpoint = endpoint(role);
        let mut wire = frame(role, 0x02, &vec![7; len]);
        for last in (0..99).map(|index| index == 98) {
            wire.extend(frame(role, if last { 0x80 } else { 0x00 }, &vec![7; len]));
        }
        assert_eq!(read(&mut endpoint, &wire), 1);
        reset();
        for _ in 0..4 {
            assert_eq!(read(&mut endpoint, &wire), 1);
        }
        assert_eq!(counts(), Counts::default(), "{role:?}, {len}");
    }
}

#[test]
fn a_large_message_and_a_part_of_it_are_sent_back_without_a_copy() {
    // A client masks what it sends, and so copies it.
    for role in ROLES {
        let mut config = endpoint::Config::default();
        config.high_watermark = 1 << 20;
        let (mut endpoint, mut written) =
            (endpoint_with(role, &config), Vec::with_capacity(3 << 20));
        let wire = frame(role, 0x82, &vec![7; 1 << 20]);
        let mut round = || {
            let mut rest = &wire[..];
            written.clear();
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                    out.feed(&message.as_bytes()[9..900_009]).unwrap();
                    out.feed(message).unwrap();
                }
                endpoint.chunks().for_each(|chunk| written.extend_from_slice(chunk));
                endpoint.advance_write(endpoint.queued());
            }
            let lens = [1 << 20, 900_000].map(|len| endpoint_frame_len(role, len));
            assert_eq!(written.len(), lens.iter().sum());
        };
        round();
        reset();
        (0..4).for_each(|_| round());
        // Nor is there a new buffer: what was written is the next one.
        assert_eq!(counts().requested < 2_000, role == Role::Server, "{:?}", counts());
    }
}

#[test]
fn a_small_part_of_a_large_message_does_not_keep_all_of_it() {
    // The queue counts what is to be written, and so has to hold no more than about that.
    let (mut endpoint, role) = (endpoint(Role::Server), Role::Server);
    let wire = frame(role, 0x82, &vec![7; 1 << 20]);
    reset();
    while !endpoint.is_full() {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, usize::MAX);
            while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                out.feed(&message.as_bytes()[..4_096]).unwrap();
            }
        }
    }
    endpoint.read_buf();
    endpoint.release();
    assert!(counts().live < 3 * signed(endpoint.queued()), "{:?}", counts());
}

fn endpoint_frame_len(role: Role, payload: usize) -> usize {
    10 + payload + if role == Role::Client { 4 } else { 0 }
}

// ---- after something large --------------------------------------------------------------------------

#[test]
fn the_buffer_of_a_large_message_goes_back() {
    // Defence 27, D7: 64 MiB in one frame, in fragments, taken, and lent.
    for (role, fragments) in [(Role::Client, 1usize), (Role::Client, 64), (Role::Server, 64)] {
        for take in [false, true] {
            let len = 64 << 20;
            let piece = vec![7; len / fragments];
            let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
            reset();
            let mut found = false;
            for i in 0..fragments {
                let b0 = if i == 0 { 2 } else { 0 } | if i + 1 == fragments { 0x80 } else { 0 };
                let wire = frame(role, b0, &piece);
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    let room = endpoint.read_buf();
                    let count = room.len().min(rest.len());
                    room[..count].copy_from_slice(&rest[..count]);
                    endpoint.advance_read(count);
                    rest = &rest[count..];
                    found |= endpoint.poll().unwrap() == Status::Message;
                }
            }
            assert!(found);
            if take {
                assert_eq!(endpoint.take_message().unwrap().as_bytes().len(), len);
            } else {
                assert_eq!(endpoint.received().unwrap().message.as_bytes().len(), len);
            }
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            // Kept for another of its kind; one further read without such a one, and it goes.
            assert_eq!(read(&mut endpoint, &frame(role, 0x81, b"small")), 1);
            let live = counts().live;
            assert!(live <= READ_BUFFER + 64 * KIB, "{live} bytes are held");
        }
    }
}

#[test]
fn the_read_buffer_that_a_long_frame_waited_in_goes_back() {
    // Defence 27: one that reads on without a release, for as many reads as large messages may well
    // come again in.
    for role in ROLES {
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        let wire = frame(role, 0x82, &vec![7; 120_000]);
        reset();
        for _ in 0..2 {
            let mut rest = &wire[..];
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                assert_eq!(endpoint.poll().unwrap() == Status::Message, rest.is_empty());
            }
            for _ in 0..SPARED {
                assert_eq!(read(&mut endpoint, &frame(role, 0x81, b"small")), 1);
            }
            assert!(counts().live <= READ_BUFFER + 64 * KIB, "{} bytes are held", counts().live);
        }
    }
}

#[test]
fn the_buffer_of_a_large_message_goes_back_when_reading_goes_on_at_once() {
    // Defence 27: a loop that reads after each message instead of polling to the end.
    let mut endpoint = endpoint(Role::Client);
    let wire = frame(Role::Client, 0x82, &vec![7; 1 << 20]);
    reset();
    let mut rest = &wire[..];
    while !rest.is_empty() {
        let room = endpoint.read_buf();
        let count = room.len().min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        endpoint.advance_read(count);
        rest = &rest[count..];
        if endpoint.poll().unwrap() == Status::Message {
            black_box(endpoint.received().unwrap().message);
        }
    }
    for _ in 0..SPARED {
        // `read` begins with read_buf: "ends the life of the message lent before".
        assert_eq!(read(&mut endpoint, &frame(Role::Client, 0x81, b"small")), 1);
    }
    assert!(counts().live <= READ_BUFFER + 64 * KIB, "{} bytes are held", counts().live);
}

#[test]
fn the_buffer_of_a_large_message_goes_back_whatever_small_ones_come_as() {
    // Put together of pieces, compressed, or in reads that always end in the middle of a frame: none
    // of them is a use for so large a buffer.
    for role in ROLES {
        for len in [1 << 20, 6 << 20] {
            let large = frame(role, 0x82, &vec![7; len]);
            let pieces = frames(role, &[(0x02, &[7; 3_000]), (0x80, &[7; 3_000])]);
            let compressed =
                frame(role, 0xc2, &Writer::default().stored(false, b"small").message());
            let torn = frame(role, 0x82, &[7; 1_000]).repeat(20);
            for small in [pieces, compressed, torn] {
                let deflate = deflate::Config::default();
                let mut config = limits_of(1 << 30);
                config.deflate = Some(deflate);
                let connection = connection(role, &config.connection);
                let mut endpoint = Endpoint::with_deflate(connection, &config, params(""));
                reset();
                assert_eq!(read(&mut endpoint, &large), 1);
                assert!(counts().live > signed(len));
                let mut left = Vec::new();
                for _ in 0..SPARED {
                    left.extend_from_slice(&small);
                    let room = endpoint.read_buf();
                    // A read buffer is not made to end where a frame does.
                    let count = room.len().min(left.len() - 1);
                    room[..count].copy_from_slice(&left[..count]);
                    left.drain(..count);
                    endpoint.advance_read(count);
                    while let Some(Received { message, .. }) = endpoint.next().unwrap() {
                        black_box(message);
                    }
                }
                // The history of compression, and what is left here, is in it too.
                let live = counts().live - signed(left.capacity());
                assert!(live < 260 * KIB, "{live} bytes are held");
            }
        }
    }
}

#[test]
fn what_lies_behind_an_error_is_not_held() {
    for role in ROLES {
        let mut wire = frame(role, 0x01, b"\xff");
        wire.extend(frame(role, 0x89, b"ping").repeat(100));
        reset();
        let mut endpoint = endpoint(role);
        endpoint.read_buf()[..wire.len()].copy_from_slice(&wire);
        endpoint.advance_read(wire.len());
        assert!(endpoint.poll().is_err());
        endpoint.transmit().unwrap();
        endpoint.advance_write(endpoint.queued());
        endpoint.release();
        assert_eq!(counts().live, 0);
    }
}

#[test]
fn of_two_buffers_for_large_messages_in_turns_one_goes_back_with_the_next_read() {
    let wire = frame(Role::Server, 0x82, &vec![7; 1 << 20]);
    let mut config = limits_of(1 << 30);
    config.high_watermark = 8 << 20;
    let mut endpoint = endpoint_with(Role::Server, &config);
    reset();
    // The first one is written while the second one is under way.
    for part in [&wire[..], &wire[..1 << 19], &wire[1 << 19..]] {
        let mut rest = part;
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, usize::MAX);
            while let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                out.feed(message).unwrap();
            }
        }
        if part.len() < wire.len() {
            endpoint.advance_write(endpoint.queued());
        }
    }
    // Nor does one go while a third one is under way, of which little has come.
    let (begun, rest) = wire.split_at(6_000);
    assert_eq!(read(&mut endpoint, begun), 0);
    assert!(counts().live > 3 << 19, "two buffers: {:?}", counts());
    assert_eq!(read(&mut endpoint, rest), 1);
    for _ in 0..3 {
        assert_eq!(read(&mut endpoint, &frame(Role::Server, 0x81, b"small")), 1);
    }
    assert!(counts().live < 3 << 19, "{:?}", counts());
}

#[test]
fn large_messages_that_come_now_and_then_allocate_nothing() {
    // What they need is not made anew because small ones came between them.
    for role in ROLES {
        let mut wire = frames(role, &[(0x82, &[7; 100_000]), (0x82, &[7; 300_000])]);
        wire.extend(frames(role, &[(0x01, &[b'x'; 9_000]), (0x80, &[b'x'; 400_000])]));
        for _ in 0..20 {
            wire.extend(frame(role, 0x82, &[7; 30_000]));
        }
        let mut endpoint = endpoint_with(role, &limits_of(1 << 30));
        let mut round = || {
            let mut rest = &wire[..];
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                while let Some(Received { message, .. }) = endpoint.next().unwrap() {
                    black_box(message);
                }
            }
        };
        round();
        round();
        reset();
        round();
        assert_eq!(counts().allocations, 0, "{role:?}: {:?}", counts());
    }
}

#[test]
fn a_small_message_that_is_kept_does_not_pin_a_large_buffer() {
    // Defence 27, D7.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        endpoint.push_input(&frame(role, 0x82, b"x").repeat(4));
        let mut kept = Vec::with_capacity(4);
        reset();
        while endpoint.poll().unwrap() == Status::Message {
            kept.push(endpoint.take_message().unwrap());
        }
        assert_eq!(kept.len(), 4);
        assert!(counts().live <= 4 * 64, "{:?}", counts());
    }
}

#[test]
fn the_room_of_large_output_goes_back() {
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let payload = vec![7; 4 << 20];
        reset();
        endpoint.send(&payload).unwrap();
        endpoint.advance_write(endpoint.queued());
        assert!(counts().live <= 64 * KIB, "{:?}", counts());
    }
}

#[test]
fn a_large_message_of_a_client_takes_no_room_for_all_of_it() {
    let mut endpoint = endpoint(Role::Client);
    let payload = vec![7; 8 << 20];
    reset();
    let takes = |chunks: &[&[u8]]| chunks.iter().map(|chunk| chunk.len()).sum();
    endpoint.send_through(&payload, takes).unwrap();
    assert!(counts().peak <= 513 * KIB && counts().allocations <= 2, "{:?}", counts());
    assert_eq!((endpoint.queued(), counts().live), (0, 0));
    // What is not taken is queued, once.
    endpoint.send_through(&payload, |_| 0).unwrap();
    assert!(counts().peak <= (8 << 20) + 2 * 513 * KIB, "{:?}", counts());
}

#[test]
fn queueing_what_is_given_away_allocates_nothing_into_a_warm_queue() {
    let mut endpoint = endpoint(Role::Server);
    let payload = Bytes::from(vec![7; 16 << 10]);
    // Shared: the count of references is in place.
    let shared = payload.clone();
    let mut round = || {
        for _ in 0..4 {
            endpoint.send("small").unwrap();
            endpoint.send_owned(shared.clone()).unwrap();
        }
        assert_eq!(endpoint.chunks().count(), 8);
        endpoint.advance_write(endpoint.queued());
    };
    round();
    reset();
    (0..10).for_each(|_| round());
    assert_eq!(counts().allocations, 0);
}

#[test]
fn large_payloads_that_are_given_away_are_not_copied() {
    // A client masks what nobody else holds where it is, and copies what somebody does.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let payload = vec![7; 1 << 20];
        reset();
        endpoint.send_owned(payload).unwrap();
        assert!(counts().peak < 4 * KIB, "{role:?}: {:?}", counts());
        endpoint.advance_write(endpoint.queued());
        let text = "7".repeat(1 << 20);
        reset();
        endpoint.send_owned(text).unwrap();
        assert!(counts().peak < 4 * KIB, "{role:?}: {:?}", counts());
        endpoint.advance_write(endpoint.queued());
        let shared = Bytes::from(vec![7; 1 << 20]);
        reset();
        endpoint.send_owned(shared.clone()).unwrap();
        assert_eq!(counts().peak < 4 * KIB, role == Role::Server);
    }
}

// ---- permessage-deflate ---------------------------------------------------------------------------

/// What the back end takes for one context, as the documentation of `Pool` has it, in bytes.
const COMPRESSOR: i64 = 380_000;
const DECOMPRESSOR: i64 = 47_500;

const NO_TAKEOVER: &str = "; server_no_context_takeover; client_no_context_takeover";

fn about(count: i64, expected: i64) -> bool {
    (expected * 9 / 10..expected * 11 / 10).contains(&count)
}

/// `len` zeros in DEFLATE: 258 of them in two bits, so a little over 1:1,000.
fn bomb(len: usize) -> Vec<u8> {
    let mut lengths = [0; 286];
    (lengths[0], lengths[256], lengths[285]) = (2, 2, 1);
    let start = Writer::default().dynamic(false, &lengths, &[1, 1]).symbol(&lengths, 0);
    let mut bomb = (0..8).fold(start, |bomb, _| bomb.symbol(&lengths, 285).code(0, 1));
    while !bomb.used().is_multiple_of(8) {
        bomb = bomb.symbol(&lengths, 285).code(0, 1);
    }
    // A match is "0" for its length and "0" for its distance.
    let mut bytes = bomb.bytes();
    bytes.resize(bytes.len() + len / 258 / 4, 0);
    bytes
}

#[test]
fn a_bomb_is_refused_within_the_memory_of_the_limit() {
    // D-P-1, J1, defence 44: 10 GiB in 10 MiB, in one frame and in fragments, at any read size.
    let limit = 16u64 << 20;
    let bomb = bomb(10 << 30);
    assert!(bomb.len() * 1_000 < 10 << 30);
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            for (fragment, most) in
                [(bomb.len(), 16_384), (100_000, 3_000), (bomb.len(), usize::MAX)]
            {
                let mut config = limits_of(limit);
                config.read_buffer = most.min(1 << 20);
                let mut endpoint = Endpoint::with_deflate(
                    connection(role, &config.connection),
                    &config,
                    params(parameters),
                );
                let mut wire = Vec::new();
                for (i, part) in bomb.chunks(fragment).enumerate() {
                    wire.extend(frame(role, if i == 0 { 0x42 } else { 0 }, part));
                }
                let mut rest = &wire[..];
                reset();
                let error = loop {
                    let room = endpoint.read_buf();
                    let count = room.len().min(most).min(rest.len());
                    assert!(count > 0, "refused before its end");
                    room[..count].copy_from_slice(&rest[..count]);
                    endpoint.advance_read(count);
                    rest = &rest[count..];
                    if let Err(error) = endpoint.poll() {
                        break error;
                    }
                };
                assert_eq!(error, ProtocolError::MessageTooLong { limit });
                let limit = i64::try_from(limit).unwrap();
                let reading = signed(config.read_buffer);
                // While the buffer is moved to a larger place there may be two of them.
                let peak = counts().peak;
                assert!(peak <= 2 * limit + DECOMPRESSOR + reading + 100 * KIB, "{peak}");
                assert!(
                    counts().live <= limit + DECOMPRESSOR + reading + 100 * KIB,
                    "{:?}",
                    counts()
                );
                assert!(wire.len() - rest.len() <= 3 << 20, "most was never looked at");
                let sent = sent_by(role, &drain(&mut endpoint));
                assert_eq!((sent.len(), sent[0].0, &sent[0].1[..2]), (1, 0x88, &b"\x03\xf1"[..]));
                reset();
                drop(endpoint);
                assert!(counts().live < 0);
            }
        }
    }
}

#[test]
fn memory_follows_what_was_decompressed() {
    // D5 for compressed messages: at most twice what there is, and a block.
    let mut config = limits_of(1 << 30);
    config.read_buffer = 1;
    let bomb = bomb(16 << 20);
    let mut endpoint =
        Endpoint::with_deflate(connection(Role::Client, &config.connection), &config, params(""));
    let head = header(0x42, signed(bomb.len()).try_into().unwrap(), None);
    reset();
    read(&mut endpoint, &head);
    for (i, byte) in bomb.iter().enumerate() {
        read(&mut endpoint, &[*byte]);
        let decompressed = signed(i) * 4 * 258;
        let live = counts().live;
        assert!(live <= 2 * decompressed + DECOMPRESSOR + 80 * KIB, "{live} for {decompressed}");
    }
}

#[test]
fn final_blocks_and_empty_blocks_take_no_memory() {
    // What a message of blocks without content costs does not grow with their number.
    for role in ROLES {
        let empty = [b"\x00\x00\x00\xff\xff".repeat(100_000), vec![0]].concat();
        let finals = b"\x03\x00".repeat(100_000);
        for (payload, refused) in [(empty, false), (finals, true)] {
            let config = limits_of(1 << 30);
            let connection = connection(role, &config.connection);
            let mut endpoint = Endpoint::with_deflate(connection, &config, params(""));
            let window = Writer::default().stored(false, &[7; 40_000]).message();
            read(&mut endpoint, &frame(role, 0xc2, &window));
            let wire = frame(role, 0xc2, &payload);
            reset();
            let mut rest = &wire[..];
            let mut error = None;
            while error.is_none() && !rest.is_empty() {
                let room = endpoint.read_buf();
                let count = room.len().min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                endpoint.advance_read(count);
                rest = &rest[count..];
                error = endpoint.poll().err();
            }
            assert_eq!(error.is_some(), refused);
            assert!(counts().peak <= 200 * KIB, "{:?}", counts());
            // Work: a copy of the window for each KiB at most.
            assert!(counts().requested <= 64 * u64::try_from(payload.len()).unwrap() + 4_000_000);
        }
    }
}

#[test]
fn an_idle_connection_holds_what_was_agreed_on_and_no_context() {
    // J7, and the documentation: nothing without takeover; with it the peer's window, and the
    // compressor once it was used.
    for role in ROLES {
        for (bits, takeover) in [(15u32, true), (10, true), (15, false)] {
            let windows = format!("; server_max_window_bits={bits}; client_max_window_bits={bits}");
            let parameters = format!("{}{windows}", if takeover { "" } else { NO_TAKEOVER });
            let mut config = deflate::Config::default();
            config.pool = Pool::new(0);
            let payload = Writer::default().stored(false, &[7; 60_000]).message();
            let wire = frame(role, 0xc2, &payload);
            reset();
            let mut endpoint = deflating(role, &parameters, &config);
            assert!(counts().live <= KIB, "before anything is compressed: {:?}", counts());
            for _ in 0..3 {
                assert_eq!(read(&mut endpoint, &wire), 1);
                endpoint.release();
                let window = if takeover { 1 << bits } else { 0 };
                assert!(counts().live <= window + KIB, "{:?} with {parameters}", counts());
                assert!(counts().live >= window);
            }
            let before = counts().live;
            endpoint.send("Hello, ".repeat(100).as_str()).unwrap();
            endpoint.advance_write(endpoint.queued());
            endpoint.release();
            let held = counts().live - before;
            if !takeover {
                assert_eq!(held, 0, "nothing of the compressor stays");
            } else if bits == 15 {
                assert!(about(held, COMPRESSOR), "{held}");
            }
            drop(endpoint);
            assert_eq!(counts().live, 0);
        }
    }
}

#[test]
fn a_connection_that_has_ended_holds_nothing_of_compression() {
    // In the middle of a compressed message, and after it has compressed itself.
    let mut config = deflate::Config::default();
    config.pool = Pool::new(0);
    let message = Writer::default().stored(false, &[7; 60_000]).message();
    for role in ROLES {
        let [whole, begun] = [0xc2, 0x42].map(|first| frame(role, first, &message[..]));
        for end in [frame(role, 0x88, &[0x03, 0xe8]), frame(role, 0x83, &[])] {
            reset();
            let mut endpoint = deflating(role, "", &config);
            assert_eq!(read(&mut endpoint, &whole), 1);
            endpoint.send("Hello, ".repeat(100).as_str()).unwrap();
            assert_eq!(read(&mut endpoint, &begun), 0);
            endpoint.read_buf()[..end.len()].copy_from_slice(&end);
            endpoint.advance_read(end.len());
            assert!(!matches!(endpoint.poll(), Ok(Status::Message | Status::NeedRead)));
            endpoint.transmit().unwrap();
            endpoint.advance_write(endpoint.queued());
            endpoint.release();
            assert_eq!(counts().live, 0, "{end:?}");
            assert_eq!(endpoint.send("Hello"), Err(SendError::Closed));
        }
    }
}

#[test]
fn contexts_take_what_the_documentation_says_and_are_shared() {
    // J7: as many as connections are busy at once, however many there are.
    for (window, mem_level, expected) in [(15, 8, COMPRESSOR), (12, 4, 158_000), (9, 1, 137_000)] {
        let mut config = deflate::Config::default();
        config.mem_level = mem_level;
        let parameters = format!("{NO_TAKEOVER}; server_max_window_bits={window}");
        let mut endpoint = deflating(Role::Server, &parameters, &config);
        endpoint.send(&[7; 100]).unwrap();
        endpoint.advance_write(endpoint.queued());
        reset();
        drop(endpoint);
        config.pool.clear();
        assert!(about(-counts().live, expected), "{:?}", counts());
    }
    let config = deflate::Config::default();
    reset();
    let mut endpoints: Vec<_> =
        (0..100).map(|_| deflating(Role::Server, NO_TAKEOVER, &config)).collect();
    let wire = frame(Role::Server, 0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    for endpoint in &mut endpoints {
        read(endpoint, &wire);
        endpoint.send(&[7; 100]).unwrap();
        endpoint.advance_write(endpoint.queued());
        endpoint.release();
    }
    assert_eq!(config.pool.idle(), (1, 1));
    let each = (counts().live - COMPRESSOR - DECOMPRESSOR) / 100;
    assert!(each <= 2 * KIB, "{each} bytes for each idle connection");
}

#[test]
fn compressing_in_steady_state_allocates_nothing() {
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let config = deflate::Config::default();
            let mut near = deflating(role, parameters, &config);
            let mut far = deflating(other(role), parameters, &config);
            let text = "{\"id\":17,\"price\":4242}".repeat(50);
            let mut wire = Vec::with_capacity(10_000);
            let mut round = || {
                near.send(&text).unwrap();
                near.send_part(&text, Fragment::More).unwrap();
                near.send_part(&text, Fragment::Last).unwrap();
                wire.clear();
                near.chunks().for_each(|chunk| wire.extend_from_slice(chunk));
                near.advance_write(near.queued());
                assert_eq!(read(&mut far, &wire), 2);
            };
            (0..100).for_each(|_| round());
            reset();
            (0..100).for_each(|_| round());
            assert_eq!(counts().allocations, 0, "{parameters}");
        }
    }
}
