//! Memory (RFC 6455 §10.4): it follows what was received, never what was announced, and goes back.
#![allow(clippy::unwrap_used)]

mod common;

use std::hint::black_box;

use bytes::Bytes;
use common::*;
use counting_alloc::{Counting, Counts, counts, reset};
use websocket_proto::connection::{Config, Role};
use websocket_proto::endpoint::{self, Endpoint, Status};
use websocket_proto::{Assembler, Connection, Event, Input};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: i64 = 1024;
const READ_BUFFER: i64 = 16 * KIB;

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
        let room = endpoint.read_buf();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        endpoint.advance_read(count);
        bytes = &bytes[count..];
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
    assert!(size_of::<Connection>() <= 416, "{}", size_of::<Connection>());
    assert!(size_of::<Endpoint>() <= 696, "{}", size_of::<Endpoint>());
    for role in ROLES {
        let config = Config::default();
        let mut wire = frames(
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
        reset();
        let mut connection = connection(role, &config);
        for byte in &mut wire {
            let mut input = Input::new(std::slice::from_mut(byte));
            while let Some(event) = connection.receive(&mut input).unwrap() {
                black_box(&event);
            }
            black_box(connection.poll_control().unwrap());
        }
        black_box(connection.outcome());
        assert_eq!(counts(), Counts::default());
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
                (0x89, b"ping"),
                (0x02, &[7; 9_000]),
                (0x80, &[7; 9_000]),
            ],
        );
        reset();
        let mut endpoint = endpoint_with(role, &config);
        assert_eq!(counts(), Counts::default(), "nothing is allocated before it is needed");
        assert_eq!(read(&mut endpoint, &wire), 4);
        endpoint.send("answer").unwrap();
        endpoint.send_owned(vec![1; 50_000]).unwrap();
        endpoint.send("answer").unwrap();
        endpoint.advance_write(endpoint.queued());
        drop(endpoint.release());
        assert_eq!(counts().live, 0);
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
        drop(endpoint.release());
        // The buffer of the pushed bytes is gone, and nothing has come in its place.
        assert!(counts().live <= -signed(wire.len()), "{:?}", counts());
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
            let (one, two) = (work(5_000), work(10_000));
            assert!(two < one * 5 / 2, "{what}, {role:?}: {one} for n, {two} for 2 n");
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
        let wire = frame(role, 0x82, &vec![7; 1 << 20]);
        assert_eq!(read(&mut endpoint, &wire), 1);
        reset();
        for _ in 0..4 {
            assert_eq!(read(&mut endpoint, &wire), 1);
        }
        assert_eq!(counts(), Counts::default(), "{role:?}");
    }
}

// ---- after something large --------------------------------------------------------------------------

#[test]
fn the_buffer_of_a_large_message_goes_back() {
    // Defence 27, D7: 16 MiB in one frame, in fragments, taken, and lent.
    for fragments in [1usize, 64] {
        for take in [false, true] {
            let len = 16 << 20;
            let piece = vec![7; len / fragments];
            let mut endpoint = endpoint(Role::Client);
            reset();
            let mut found = false;
            for i in 0..fragments {
                let b0 = if i == 0 { 2 } else { 0 } | if i + 1 == fragments { 0x80 } else { 0 };
                let wire = frame(Role::Client, b0, &piece);
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
            assert_eq!(read(&mut endpoint, &frame(Role::Client, 0x81, b"small")), 1);
            let live = counts().live;
            assert!(live <= READ_BUFFER + 64 * KIB, "{live} bytes are held");
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
    for _ in 0..10 {
        // `read` begins with read_buf: "ends the life of the message lent before".
        assert_eq!(read(&mut endpoint, &frame(Role::Client, 0x81, b"small")), 1);
    }
    assert!(counts().live <= READ_BUFFER + 64 * KIB, "{} bytes are held", counts().live);
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
fn large_payloads_that_are_given_away_are_not_copied() {
    // A client masks what nobody else holds where it is, and copies what somebody does.
    for role in ROLES {
        let mut endpoint = endpoint(role);
        let payload = vec![7; 1 << 20];
        reset();
        endpoint.send_owned(payload).unwrap();
        assert!(counts().peak < 4 * KIB, "{role:?}: {:?}", counts());
        endpoint.advance_write(endpoint.queued());
        let shared = Bytes::from(vec![7; 1 << 20]);
        reset();
        endpoint.send_owned(shared.clone()).unwrap();
        assert_eq!(counts().peak < 4 * KIB, role == Role::Server);
    }
}
