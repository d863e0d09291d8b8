//! Messages that are taken: large ones go with the buffer that they lie in, and that comes back.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use counting_alloc::{Counting, counts, reset};
use websocket_proto::connection::Role;
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received, Status};
use websocket_proto::{OwnedMessage, ProtocolError};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KIB: i64 = 1024;

/// What a reference count takes at most, in bytes.
const COUNT: usize = 128;

/// In one frame: about half a read buffer and more, as long as what waits there, and longer.
const LENS: [usize; 8] = [8_500, 9_000, 16_000, 16_384, 65_536, 131_072, 131_073, 1_000_000];

/// What messages hold: bytes, characters of a byte each, characters of up to four.
const KINDS: [Holds; 3] = [Holds::Bytes, Holds::Ascii, Holds::Characters];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Bytes,
    Ascii,
    Characters,
}

impl Holds {
    fn opcode(self) -> u8 {
        if self == Self::Bytes { 0x02 } else { 0x01 }
    }

    fn payload(self, len: usize, first: u8) -> Vec<u8> {
        let pattern = pattern(len, first);
        match self {
            Self::Bytes => pattern,
            Self::Ascii => pattern.iter().map(|it| it % 128).collect(),
            Self::Characters => {
                let text = "aü€😀".repeat(len / 10 + 2);
                let start = [0, 1, 3, 6][usize::from(first % 4)];
                let mut text = text.as_bytes()[start..].to_vec();
                text.resize(len, 0);
                let end = std::str::from_utf8(&text).map_or_else(|it| it.valid_up_to(), str::len);
                text[end..].fill(b'.');
                text
            }
        }
    }

    fn message(self, len: usize, first: u8) -> OwnedMessage {
        let payload = self.payload(len, first);
        if self == Self::Bytes {
            payload.into()
        } else {
            String::from_utf8(payload).unwrap().into()
        }
    }
}

fn pattern(len: usize, first: u8) -> Vec<u8> {
    (0..=250).cycle().skip(first.into()).take(len).collect()
}

/// Each role with each kind of message, and each of these lengths.
fn all<const N: usize>(lens: [usize; N]) -> impl Iterator<Item = (Role, Holds, usize)> {
    let each = ROLES.into_iter().flat_map(|role| KINDS.map(|holds| (role, holds)));
    each.flat_map(move |(role, holds)| lens.map(|len| (role, holds, len)))
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
fn a_large_message_costs_a_reference_count() {
    for (role, holds, len) in all(LENS) {
        let payload = holds.payload(len, 0);
        for fragment in [len, 4_096] {
            let wire = fragments(role, holds.opcode(), &payload, fragment);
            let mut endpoint = endpoint(role);
            for _ in 0..3 {
                assert!(take_one(&mut endpoint, &wire).as_bytes() == payload);
            }
            for _ in 0..5 {
                reset();
                let message = take_one(&mut endpoint, &wire);
                let counts = counts();
                assert_eq!(counts.allocations, 1, "{role:?}, {holds:?}, {len} by {fragment}");
                assert!(counts.requested <= u64::try_from(COUNT).unwrap(), "{counts:?}");
                let copy = message.clone();
                assert!(copy.as_bytes() == payload && copy.kind() == message.kind());
            }
        }
    }
}

#[test]
fn it_does_so_with_the_next_one_behind_it() {
    // Of which the header, and a part, or all of a small one, have been read.
    for (role, holds, len) in all(LENS) {
        let payload = holds.payload(len, 0);
        let wire = frame(role, 0x80 | holds.opcode(), &payload);
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
    for (role, holds, most) in all([7, 1_460, 65_536]) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for index in 0..40_u8 {
            let len = lens[usize::from(index) * 7 % lens.len()];
            let payload = holds.payload(len, index);
            let fragment = if index % 5 == 4 { 3_000 } else { usize::MAX };
            wire.extend(fragments(role, holds.opcode(), &payload, fragment));
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
fn whenever_it_comes_back_nothing_else_changes() {
    // Messages of all kinds, read by pieces of any size; each is lent or taken, what was taken is
    // dropped at some time, and buffers are lent and taken back in between.
    let lens = [0, 10, 125, 4_096, 5_000, 8_500, 9_000, 16_000, 17_000, 60_000, 140_000, 300_000];
    for seed in 0..if cfg!(debug_assertions) { 60 } else { 1_500 } {
        let mut random = Random(seed);
        let role = ROLES[random.below(2)];
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for index in 0..30_u8 {
            let holds = KINDS[random.below(3)];
            let payload = holds.message(lens[random.below(lens.len())], index);
            let fragment = [usize::MAX, usize::MAX, 3_000, 9_000, 150_000][random.below(5)];
            wire.extend(fragments(role, holds.opcode(), payload.as_bytes(), fragment));
            expected.push(payload);
        }
        let mut config = Config::default();
        config.read_buffer = [16_896, 5_000, 200_000][random.below(3)];
        let mut endpoint = endpoint_with(role, &config);
        let mut buffers = Buffers::new();
        let (mut kept, mut found, mut rest) = (Vec::new(), 0, &wire[..]);
        let often = random.below(3) + 1;
        while !rest.is_empty() {
            let most = [1_460, 5_000, 9_014, 65_536, usize::MAX][random.below(5)];
            read_some(&mut endpoint, &mut rest, most);
            loop {
                if random.below(8) == 0 {
                    buffers.lend_to(&mut endpoint);
                }
                if endpoint.poll().unwrap() != Status::Message {
                    break;
                }
                match random.below(8) {
                    0 => buffers.lend_to(&mut endpoint),
                    1 | 2 => endpoint.advance_write(endpoint.queued()),
                    _ => {}
                }
                if random.below(4) == 0 {
                    let Received { message, mut out } = endpoint.received().unwrap();
                    assert!(message == expected[found].as_message(), "{found}, seed {seed}");
                    // Unless too much is queued.
                    let _ = out.feed(message);
                } else {
                    kept.push((found, endpoint.take_message().unwrap()));
                }
                found += 1;
                while kept.len() > 3 || (!kept.is_empty() && random.below(often) == 0) {
                    let (index, message) = kept.swap_remove(random.below(kept.len()));
                    assert!(message == expected[index], "{index}, seed {seed}");
                }
            }
            match random.below(12) {
                0 => endpoint.release(),
                1 => buffers.take_back(&mut endpoint),
                2 | 3 => buffers.lend_to(&mut endpoint),
                4 | 5 => kept.clear(),
                6 | 7 => endpoint.advance_write(endpoint.queued()),
                _ => {}
            }
        }
        assert_eq!(found, expected.len(), "seed {seed}");
        assert!(kept.iter().all(|(index, message)| *message == expected[*index]), "seed {seed}");
    }
}

/// As good as needed: xorshift.
struct Random(u32);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        let mut next = self.0.wrapping_add(0x9E37_79B9);
        self.0 = next;
        for (left, right) in [(13, 17), (5, 7), (16, 11)] {
            next ^= next << left;
            next ^= next >> right;
        }
        usize::try_from(next).unwrap() % end
    }
}

#[test]
fn what_comes_back_while_another_is_under_way_does_not_take_its_place() {
    for (role, holds, len) in all([5_000, 140_000]) {
        // The first one in one frame or put together.
        let ways = [9_000, 4_500].into_iter().flat_map(|first| {
            [(len, false), (4_999, false), (len, true), (4_999, true)].map(|it| (first, it))
        });
        for (fragment_of_first, (fragment, lends)) in ways {
            let (first, second) = (holds.payload(9_000, 0), holds.payload(len, 1));
            let mut wire = fragments(role, holds.opcode(), &first, fragment_of_first);
            let end_of_first = wire.len();
            wire.extend(fragments(role, holds.opcode(), &second, fragment));
            for begun in [100, 4_990, len - 1] {
                let mut endpoint = endpoint(role);
                let mut buffers = Buffers::new();
                let mut rest = &wire[..end_of_first + begun];
                let mut kept = None;
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, usize::MAX);
                    if endpoint.poll().unwrap() == Status::Message {
                        kept = Some(endpoint.take_message().unwrap());
                    }
                    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
                }
                if lends {
                    buffers.take_back(&mut endpoint);
                }
                assert!(kept.take().unwrap().as_bytes() == first);
                if lends {
                    buffers.lend_to(&mut endpoint);
                }
                let mut rest = &wire[end_of_first + begun..];
                while !rest.is_empty() {
                    read_some(&mut endpoint, &mut rest, usize::MAX);
                    let status = endpoint.poll().unwrap();
                    assert_eq!(status == Status::Message, rest.is_empty());
                }
                if lends {
                    buffers.lend_to(&mut endpoint);
                }
                assert!(
                    endpoint.take_message().unwrap().as_bytes() == second,
                    "{role:?}, {len} by {fragment} after {begun}"
                );
            }
        }
    }
}

#[test]
fn what_is_kept_takes_twice_its_size_at_most() {
    // D7: a message does not pin a buffer that was made for something much larger.
    for (role, holds, len) in all(LENS) {
        let wire = frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0));
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
    for (role, holds, len) in all(LENS) {
        let wire = frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0));
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
fn one_that_waits_for_the_rest_of_another_leaves_it_too() {
    for (role, holds, len) in all(LENS) {
        for takes_back in [false, true] {
            let mut endpoint = endpoint(role);
            let mut buffers = Buffers::new();
            reset();
            let message = take_one(
                &mut endpoint,
                &frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0)),
            );
            let mut begun = &frame(role, 0x02, &pattern(100, 0))[..];
            read_some(&mut endpoint, &mut begun, usize::MAX);
            assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            if takes_back {
                buffers.take_back(&mut endpoint);
            } else {
                endpoint.release();
            }
            drop(message);
            let held = counts().live - i64::try_from(buffers.capacity()).unwrap();
            assert!(held < 2 * KIB, "{role:?}, {len}: {held}");
        }
    }
}

#[test]
fn a_loop_takes_one_after_the_other_without_new_buffers() {
    // Lent and taken back each time or not; with one of a longer message kept for the next or not.
    for (role, holds, len) in all(LENS) {
        for (lends, longer) in [(false, false), (true, false), (false, true), (true, true)] {
            if longer && len > 131_072 {
                // In the longer buffer, of which it is too little: it is copied.
                continue;
            }
            let mut endpoint = endpoint(role);
            let mut buffers = Buffers::new();
            if longer {
                drop(take_one(
                    &mut endpoint,
                    &frame(role, 0x80 | holds.opcode(), &holds.payload(2_000_000, 0)),
                ));
            }
            let wire = frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0));
            let mut rounds = Vec::new();
            for _ in 0..12 {
                reset();
                let mut rest = &wire[..];
                while !rest.is_empty() {
                    if lends {
                        buffers.lend_to(&mut endpoint);
                    }
                    read_some(&mut endpoint, &mut rest, usize::MAX);
                    let status = endpoint.poll().unwrap();
                    assert_eq!(status == Status::Message, rest.is_empty());
                }
                drop(endpoint.take_message().unwrap());
                if lends {
                    buffers.take_back(&mut endpoint);
                }
                rounds.push(counts().requested);
            }
            // What of a longer frame is read with its header waits for its buffer in one of its own.
            let beginning = if lends && len > 131_072 { 6 * 1024 } else { 0 };
            let most = u64::try_from(2 * COUNT + beginning).unwrap();
            let late = &rounds[rounds.len() - 6..];
            assert!(
                late.iter().all(|&requested| requested <= most),
                "{role:?}, {len}, {lends}, {longer}: {rounds:?}"
            );
        }
    }
}

#[test]
fn a_short_buffer_of_another_message_does_not_end_that() {
    // It is kept, however seldom it is needed.
    for (role, holds, len) in all([9_000, 16_384, 65_536]) {
        let mut endpoint = endpoint(role);
        let mut rest = &fragments(role, holds.opcode(), &holds.payload(20_000, 0), 4_000)[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, 6_000);
            assert_eq!(endpoint.poll().unwrap() == Status::Message, rest.is_empty());
        }
        let wire = frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0));
        for round in 0..200 {
            reset();
            drop(take_one(&mut endpoint, &wire));
            let requested = counts().requested;
            let most = u64::try_from(COUNT).unwrap();
            assert!(round < 10 || requested <= most, "{role:?}, {len}, {round}: {requested}");
        }
    }
}

#[test]
fn what_lies_together_in_a_buffer_does_not_lose_it() {
    // The second one lies in what was left of the first; both are taken.
    for (role, holds, len) in all([30_000]) {
        let mut endpoint = endpoint(role);
        let both = [66_000, len]
            .map(|len| frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0)))
            .concat();
        for round in 0..20 {
            reset();
            let mut found = 0;
            take_all(&mut endpoint, &both, usize::MAX, |_| found += 1);
            assert_eq!(found, 2);
            let requested = counts().requested;
            // The rest is moved to a buffer of its size, at most.
            assert!(round < 10 || requested <= 31_000, "{role:?}, {round}: {requested}");
        }
    }
}

#[test]
fn a_read_buffer_that_is_configured_long_comes_back_too() {
    for role in ROLES {
        let mut config = Config::default();
        config.read_buffer = 300_000;
        let mut endpoint = endpoint_with(role, &config);
        let wire = frame(role, 0x82, &pattern(200_000, 0));
        for _ in 0..3 {
            drop(take_one(&mut endpoint, &wire));
        }
        reset();
        drop(take_one(&mut endpoint, &wire));
        assert!(counts().requested <= u64::try_from(2 * COUNT).unwrap(), "{:?}", counts());
    }
}

#[test]
fn one_that_reads_on_leaves_it_too() {
    for (role, holds, len) in all(LENS) {
        let mut endpoint = endpoint(role);
        reset();
        let message =
            take_one(&mut endpoint, &frame(role, 0x80 | holds.opcode(), &holds.payload(len, 0)));
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
    for (role, holds, len) in all(LENS) {
        let payload = holds.payload(len, 0);
        let wire = fragments(role, holds.opcode(), &payload, 4_096);
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
fn a_small_message_stays_when_a_large_one_before_it_has_been_sent_back() {
    // Its buffer comes back, and is longer, while this one is found and not taken.
    for kind in [0x01, 0x02] {
        let mut endpoint = endpoint(Role::Server);
        let large = fragments(Role::Server, 0x02, &pattern(100_000, 0), 4_096);
        let mut rest = &large[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, usize::MAX);
            if let Some(Received { message, mut out }) = endpoint.next().unwrap() {
                out.feed(message).unwrap();
            }
        }
        let small = fragments(Role::Server, kind, &[b'a'; 3_900], 1_300);
        let mut rest = &small[..];
        while !rest.is_empty() {
            read_some(&mut endpoint, &mut rest, 1_000);
            assert_eq!(endpoint.poll().unwrap() == Status::Message, rest.is_empty());
        }
        endpoint.advance_write(endpoint.queued());
        assert_eq!(endpoint.take_message().unwrap().as_bytes(), [b'a'; 3_900]);
    }
}

#[test]
fn one_byte_at_a_time_it_is_the_same_message() {
    for (role, holds, len) in all([9_000, 140_000]) {
        let payload = holds.payload(len, 3);
        let wire = frame(role, 0x80 | holds.opcode(), &payload);
        let wire = [wire, frame(role, 0x89, b"ping")].concat().repeat(2);
        let mut endpoint = endpoint(role);
        let mut taken = Vec::new();
        take_all(&mut endpoint, &wire, 1, |message| taken.push(message));
        assert_eq!(taken.len(), 2);
        assert!(taken.iter().all(|it| *it == holds.message(len, 3)), "{role:?}, {holds:?}, {len}");
    }
}

#[test]
fn a_text_is_checked_before_it_is_taken() {
    // In one frame, in fragments, read at once and in pieces; the bad byte anywhere.
    for (role, len) in ROLES.into_iter().flat_map(|role| LENS.map(|len| (role, len))) {
        for (holds, bad) in
            [(Holds::Ascii, 0), (Holds::Characters, len / 2), (Holds::Ascii, len - 1)]
        {
            let mut payload = holds.payload(len, 0);
            payload[bad] = 0xFF;
            for (fragment, most) in [(len, usize::MAX), (len, 1_460), (4_096, usize::MAX)] {
                let wire = [
                    frame(role, 0x82, &pattern(9_000, 0)),
                    fragments(role, 0x01, &payload, fragment),
                ];
                let (wire, mut endpoint) = (wire.concat(), endpoint(role));
                let (mut rest, mut taken) = (&wire[..], Vec::new());
                let error = loop {
                    read_some(&mut endpoint, &mut rest, most);
                    match endpoint.poll() {
                        Ok(Status::Message) => match endpoint.take_message() {
                            Ok(message) => taken.push(message),
                            Err(error) => {
                                assert_eq!(endpoint.received().err(), Some(error), "and again");
                                assert_eq!(endpoint.take_message(), Err(error), "and again");
                                break error;
                            }
                        },
                        Ok(_) => assert!(!rest.is_empty(), "{len} by {fragment}"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error, ProtocolError::InvalidUtf8);
                assert_eq!(endpoint.poll(), Err(ProtocolError::InvalidUtf8), "and again");
                assert_eq!(taken.len(), 1, "what came before it");
                let sent = sent_by(role, &queued(&endpoint));
                assert_eq!(sent.len(), 1);
                assert_eq!((sent[0].0, &sent[0].1[..2]), (0x88, &1007_u16.to_be_bytes()[..]));
            }
        }
    }
}

#[test]
fn a_text_that_was_taken_can_be_sent_on() {
    // By a server from where it lies; a client masks it in a copy, and others go on to see it.
    for (role, holds, len) in all(LENS) {
        if holds == Holds::Bytes {
            continue;
        }
        let text = holds.message(len, 1);
        let mut endpoint = endpoint(role);
        for fragment in [usize::MAX, 4_096] {
            let taken = take_one(&mut endpoint, &fragments(role, 0x01, text.as_bytes(), fragment));
            let kept = taken.clone().into_text().unwrap();
            endpoint.send_owned(taken).unwrap();
            let sent = sent_by(role, &drain(&mut endpoint));
            assert!(sent == [(0x81, text.as_bytes().to_vec())], "{role:?}, {len}");
            assert!(kept == text.as_text().unwrap());
            assert!(kept.clone().into_bytes() == text.as_bytes());
            assert_eq!(String::from(kept).as_bytes(), text.as_bytes());
        }
    }
}
