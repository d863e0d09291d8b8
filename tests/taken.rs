//! Messages that are taken: large ones go with the buffer that they lie in, and that comes back.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use counting_alloc::{Counting, counts, reset};
use websocket_proto::OwnedMessage;
use websocket_proto::connection::Role;
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received, Status};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: i64 = 1024;

/// What a reference count takes at most, in bytes.
const COUNT: usize = 128;

/// In one frame: about half a read buffer and more, as long as what waits there, and longer.
const LENS: [usize; 8] = [8_500, 9_000, 16_000, 16_384, 65_536, 131_072, 131_073, 1_000_000];

fn pattern(len: usize, first: u8) -> Vec<u8> {
    (0..=250).cycle().skip(first.into()).take(len).collect()
}

/// Reads all of `wire`, at most so much at once, and takes each message.
fn take_all(
    endpoint: &mut Endpoint,
    mut wire: &[u8],
    most: usize,
    mut take: impl FnMut(OwnedMessage),
) {
    while !wire.is_empty() {
        read_some(endpoint, &mut wire, most);
        while endpoint.poll().unwrap() == Status::Message {
            take(endpoint.take_message().unwrap());
        }
    }
}

/// Takes the only message.
fn take_one(endpoint: &mut Endpoint, wire: &[u8]) -> OwnedMessage {
    let mut taken = None;
    take_all(endpoint, wire, usize::MAX, |message| assert_eq!(taken.replace(message), None));
    taken.unwrap()
}

/// One message, in fragments that are at most so long.
fn fragments(role: Role, kind: u8, payload: &[u8], fragment: usize) -> Vec<u8> {
    let count = payload.len().div_ceil(fragment).max(1);
    let piece = |index: usize| payload.chunks(fragment).nth(index).unwrap_or_default();
    let frames = (0..count).map(|index| {
        let opcode = if index == 0 { kind } else { 0 };
        let fin = if index + 1 == count { 0x80 } else { 0 };
        frame(role, fin | opcode, piece(index))
    });
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn a_large_binary_message_costs_a_reference_count() {
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let payload = pattern(len, 0);
        for fragment in [len, 4_096] {
            let wire = fragments(role, 0x02, &payload, fragment);
            let mut endpoint = endpoint(role);
            for _ in 0..3 {
                assert!(take_one(&mut endpoint, &wire).as_bytes() == payload);
            }
            for _ in 0..5 {
                reset();
                let message = take_one(&mut endpoint, &wire);
                let counts = counts();
                assert_eq!(counts.allocations, 1, "{role:?}, {len} by {fragment}: {counts:?}");
                assert!(counts.requested <= u64::try_from(COUNT).unwrap(), "{counts:?}");
                assert!(message.as_bytes() == payload);
            }
        }
    }
}

#[test]
fn it_does_so_with_the_next_one_behind_it() {
    // Of which the header, and a part, or all of a small one, have been read.
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let payload = pattern(len, 0);
        let wire = frame(role, 0x82, &payload);
        let small = frame(role, 0x81, b"small");
        let wire = [&wire[..], &small, &wire, &wire, &small, &small].concat().repeat(3);
        for most in [usize::MAX, 65_536, 1_460] {
            let mut endpoint = endpoint(role);
            let mut found = 0;
            reset();
            take_all(&mut endpoint, &wire, most, |message| {
                let expected = match found % 6 {
                    0 | 2 | 3 => message.as_bytes() == payload,
                    _ => message.as_text() == Some("small"),
                };
                assert!(expected, "message {found} of {len} by {most}");
                found += 1;
            });
            assert_eq!(found, 18);
            // Two buffers and what they grew by, instead of one for each message.
            let most = 6 * (len + 20_000) + 18 * COUNT;
            let counts = counts();
            assert!(
                counts.requested <= u64::try_from(most).unwrap(),
                "{role:?}, {len}: {counts:?}"
            );
        }
    }
}

#[test]
fn what_is_kept_does_not_change() {
    let lens = [0, 10, 5_000, 8_500, 9_000, 17_000, 60_000, 131_072, 200_000];
    for (role, most) in ROLES.into_iter().flat_map(|role| [7, 1_460, 65_536].map(|it| (role, it))) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for index in 0..40_u8 {
            let len = lens[usize::from(index) * 7 % lens.len()];
            let payload = pattern(len, index);
            let fragment = if index % 5 == 4 { 3_000 } else { usize::MAX };
            wire.extend(fragments(role, 0x02, &payload, fragment));
            expected.push(payload);
        }
        // All of them, each until the next, or each until the one after that.
        for keep in [usize::MAX, 1, 2] {
            let mut endpoint = endpoint(role);
            let mut buffers = Buffers::new();
            let (mut kept, mut found, mut rest) = (Vec::new(), 0, &wire[..]);
            while !rest.is_empty() {
                buffers.lend_to(&mut endpoint);
                read_some(&mut endpoint, &mut rest, most);
                while endpoint.poll().unwrap() == Status::Message {
                    kept.push((found, endpoint.take_message().unwrap()));
                    found += 1;
                    if kept.len() > keep {
                        let (index, message): (usize, OwnedMessage) = kept.remove(0);
                        assert!(message.as_bytes() == expected[index], "{index} by {most}");
                    }
                }
                if found % 3 == 2 {
                    buffers.take_back(&mut endpoint);
                }
            }
            assert_eq!(found, expected.len());
            for (index, message) in kept {
                assert!(message.as_bytes() == expected[index], "{index} by {most}, kept");
            }
        }
    }
}

#[test]
fn what_is_kept_takes_twice_its_size_at_most() {
    // D7: a message does not pin a buffer that was made for something much larger.
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let wire = frame(role, 0x82, &pattern(len, 0));
        let small = frame(role, 0x82, &[7; 4_096]);
        let mut endpoint = endpoint(role);
        reset();
        let mut kept = Vec::new();
        let mut sum = 0;
        for wire in [&wire, &small, &small, &wire, &small, &small].repeat(3) {
            let message = take_one(&mut endpoint, wire);
            sum += message.as_bytes().len();
            kept.push(message);
        }
        endpoint.release();
        let most = i64::try_from(2 * sum + 18 * 3 * COUNT).unwrap();
        assert!(counts().live <= most, "{role:?}, {len}: {:?} for {sum}", counts());
        drop(kept);
        assert_eq!(counts().live, 0, "{role:?}, {len}");
    }
}

#[test]
fn one_that_waits_leaves_the_buffer_to_who_has_the_message() {
    // Or it would hold it once it is dropped, for as long as nothing comes.
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let wire = frame(role, 0x82, &pattern(len, 0));
        let mut endpoint = endpoint(role);
        reset();
        let mut buffers = Buffers::new();
        buffers.lend_to(&mut endpoint);
        let message = take_one(&mut endpoint, &wire);
        buffers.take_back(&mut endpoint);
        drop(message);
        let held = counts().live - i64::try_from(buffers.capacity()).unwrap();
        assert!(held < KIB, "{role:?}, {len}: {held}");
        drop(buffers);
        assert_eq!(counts().live, 0);
        // Dropped before it waits, it goes to the others.
        let mut buffers = Buffers::new();
        drop(take_one(&mut endpoint, &wire));
        buffers.take_back(&mut endpoint);
        assert!(buffers.capacity() >= len, "{role:?}, {len}");
    }
}

#[test]
fn one_that_reads_on_leaves_it_too() {
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let mut endpoint = endpoint(role);
        reset();
        let message = take_one(&mut endpoint, &frame(role, 0x82, &pattern(len, 0)));
        for _ in 0..200 {
            drop(take_one(&mut endpoint, &frame(role, 0x81, b"small")));
        }
        drop(message);
        let most = 17 * KIB + 64 * KIB;
        assert!(counts().live < most, "{role:?}, {len}: {:?}", counts());
    }
}

#[test]
fn a_message_that_was_sent_back_may_be_taken_too() {
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        let payload = pattern(len, 0);
        let wire = fragments(role, 0x02, &payload, 4_096);
        let mut config = Config::default();
        config.high_watermark = 1 << 30;
        let mut endpoint = endpoint_with(role, &config);
        let mut taken = Vec::new();
        for round in 0..4 {
            let mut rest = &wire[..];
            while !rest.is_empty() {
                read_some(&mut endpoint, &mut rest, usize::MAX);
                if endpoint.poll().unwrap() == Status::Message {
                    let Received { message, mut out } = endpoint.received().unwrap();
                    out.feed(message).unwrap();
                    taken.push(endpoint.take_message().unwrap());
                }
            }
            if round == 1 {
                endpoint.advance_write(endpoint.queued());
                taken.clear();
            }
        }
        assert!(taken.iter().all(|message| message.as_bytes() == payload));
        let sent = endpoint.chunks().collect::<Vec<_>>().concat();
        assert_eq!(sent.len(), endpoint.queued());
        if role == Role::Server {
            assert!(sent.ends_with(&payload), "{len}");
        }
    }
}

#[test]
fn one_byte_at_a_time_it_is_the_same_message() {
    for role in ROLES {
        let payload = pattern(9_000, 3);
        let wire = [frame(role, 0x82, &payload), frame(role, 0x89, b"ping")].concat().repeat(2);
        let mut endpoint = endpoint(role);
        let mut taken = Vec::new();
        take_all(&mut endpoint, &wire, 1, |message| taken.push(message));
        assert_eq!(taken, [payload.clone().into(), OwnedMessage::from(payload)]);
    }
}
