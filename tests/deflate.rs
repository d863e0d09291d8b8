//! Receiving with permessage-deflate (RFC 7692 §6.2, §7.2.2): vectors, odd senders, limits. What is
//! sent is in `deflate_sending`.
#![allow(clippy::unwrap_used)]

mod common;

use common::inflate::{Puff, TAIL, Writer, inflate};
use common::*;
use proptest::prelude::*;
use websocket_proto::connection::{Config, Fragment, Role};
use websocket_proto::deflate::{self, Compression, Pool};
use websocket_proto::endpoint::{Endpoint, Status};
use websocket_proto::frame::Rsv;
use websocket_proto::{
    Assembler, CloseCode, Event, Input, Kind, Message, Outbound, OwnedMessage, ProtocolError,
};

/// V-D1 to V-D6: payloads of "Hello", but for the last. V-D2 refers to one before it.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
const HELLO_AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";
const HELLO_STORED: &[u8] = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
const HELLO_FINAL: &[u8] = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
const HELLO_TWO_BLOCKS: &[u8] = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
const EMPTY: &[u8] = b"\x00";

const NO_TAKEOVER: &str = "; server_no_context_takeover; client_no_context_takeover";

/// Text with RSV1, whole.
const TEXT: u8 = 0xc1;
const BINARY: u8 = 0xc2;

fn hello(count: usize) -> Vec<Seen> {
    vec![Seen::text("Hello"); count]
}

/// Whole messages with RSV1.
fn messages(to: Role, b0: u8, payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().flat_map(|payload| frame(to, b0, payload)).collect()
}

/// A message in fragments of one byte, with a Ping behind each of them.
fn crumbs(to: Role, b0: u8, payload: &[u8]) -> Vec<u8> {
    let mut wire = if payload.is_empty() { frame(to, b0, b"") } else { Vec::new() };
    for (i, byte) in payload.iter().enumerate() {
        let b0 = if i == 0 { b0 & 0x7f } else { 0 };
        let fin = if i + 1 == payload.len() { 0x80 } else { 0 };
        wire.extend(frame(to, b0 | fin, &[*byte]));
        wire.extend(frame(to, 0x89, b"p"));
    }
    wire
}

fn text_of(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().filter(|seen| !matches!(seen, Seen::Ping(_))).cloned().collect()
}

/// Refused with this error, after these messages, and never in doubt how it was cut.
#[track_caller]
fn refuses(parameters: &str, payloads: &[&[u8]], before: &[Seen], error: ProtocolError) {
    for role in ROLES {
        // What follows must not be understood in any way.
        let mut wire = messages(role, BINARY, payloads);
        wire.extend(frame(role, TEXT, HELLO));
        let peer = receive_deflate(role, parameters, &wire);
        assert_eq!((&peer.seen[..], peer.error), (before, Some(error)));
        assert_eq!(peer.close_code(), Some(error.close_code().into()));
    }
}

#[track_caller]
fn refuses_data(payloads: &[&[u8]], before: &[Seen]) {
    assert_eq!(
        ProtocolError::InvalidDeflate.close_code(),
        CloseCode::INVALID_PAYLOAD,
        "N-2, D-P-2"
    );
    refuses("", payloads, before, ProtocolError::InvalidDeflate);
    refuses(NO_TAKEOVER, payloads, before, ProtocolError::InvalidDeflate);
}

/// Binary messages with these payloads come out as `expected`, with takeover and without.
#[track_caller]
fn takes(payloads: &[&[u8]], expected: &[&[u8]]) {
    let expected: Vec<_> = expected.iter().map(|bytes| Seen::binary(bytes)).collect();
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let wire = messages(role, BINARY, payloads);
            let peer = receive_deflate(role, parameters, &wire);
            assert_eq!((&peer.seen, peer.error), (&expected, None), "{parameters}");
            let wire: Vec<u8> = payloads.iter().flat_map(|it| crumbs(role, BINARY, it)).collect();
            let peer = receive_deflate(role, parameters, &wire);
            assert_eq!((&text_of(&peer.seen), peer.error), (&expected, None), "{parameters}");
        }
    }
}

// ---- the vectors ----------------------------------------------------------------------------------

#[test]
fn the_inflater_of_the_tests_knows_the_vectors() {
    for payload in [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS] {
        assert_eq!(inflate(payload).unwrap().output, b"Hello");
    }
    let mut puff = Puff::default();
    puff.message(HELLO).unwrap();
    assert_eq!(puff.message(HELLO_AGAIN).unwrap().output, b"Hello");
    assert_eq!(puff.largest(), 5);
    assert_eq!(inflate(EMPTY).unwrap().output, b"");
    assert_eq!(inflate(HELLO_AGAIN), Err("too far back"));
    assert_eq!(inflate(b"\xf2\x48"), Err("the data ends inside a block"));
    // Level 9 of Python's zlib, so that dynamic codes are known too.
    let text: Vec<u8> = (0..2_000u32).map(|i| u8::try_from(i * i % 61 + 60).unwrap()).collect();
    let dynamic = Writer::default().dynamic(false, &STAIRS, &[1, 1]).symbol(&STAIRS, 3);
    let dynamic = dynamic.symbol(&STAIRS, 256).message();
    assert_eq!(inflate(&dynamic).unwrap().output, [3]);
    assert_eq!(inflate(&Writer::default().stored(false, &text).message()).unwrap().output, text);
}

#[test]
fn the_vectors_of_the_rfc_are_decompressed() {
    // V-D1, V-D3, V-D5, V-D2n, V-D6; D7.2.1-2, D7.2.1-3, D7.2.2-1, D7.2.3-1, D6.2-1, D6.1-5.
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            for payload in [HELLO, HELLO_STORED, HELLO_TWO_BLOCKS, HELLO_FINAL] {
                let wire = messages(role, TEXT, &[payload, HELLO, payload, EMPTY, HELLO]);
                let peer = receive_deflate(role, parameters, &wire);
                let mut expected = hello(5);
                expected[3] = Seen::text("");
                assert_eq!((peer.seen, peer.error), (expected, None));
            }
        }
    }
}

#[test]
fn a_compressed_message_may_be_fragmented_anywhere() {
    // V-D1b, D6-2, D7.2.1-6, D6.2-1: RSV1 on the first fragment speaks for all.
    for role in ROLES {
        for payload in [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS] {
            for at in 0..=payload.len() {
                let (a, b) = payload.split_at(at);
                let wire = frames(role, &[(0x41, a), (0x80, b), (TEXT, HELLO_AGAIN)]);
                let peer = receive_deflate(role, "", &wire);
                assert_eq!((peer.seen, peer.error), (hello(2), None), "at {at}");
            }
            let wire = frames(role, &[(0x41, b""), (0, payload), (0, b""), (0x80, b"")]);
            assert_eq!(receive_deflate(role, "", &wire).seen, hello(1), "empty fragments");
        }
    }
}

#[test]
fn control_frames_between_the_fragments_of_a_compressed_message_are_plain() {
    // D6-1, R5.4: one byte in each fragment, and a Ping behind it.
    for role in ROLES {
        for payload in [HELLO, HELLO_STORED, HELLO_FINAL, HELLO_TWO_BLOCKS] {
            let wire = [crumbs(role, TEXT, payload), crumbs(role, TEXT, HELLO_AGAIN)].concat();
            let peer = receive_deflate(role, "", &wire);
            assert_eq!((text_of(&peer.seen), peer.error), (hello(2), None));
            assert_eq!(peer.frames().len(), payload.len() + HELLO_AGAIN.len());
            assert!(peer.frames().iter().all(|sent| *sent == (0x8a, b"p".to_vec())), "D6.1-3");
        }
    }
}

#[test]
fn the_window_is_kept_between_messages_unless_that_was_agreed_on() {
    // V-D2; D7.2.2-3, D7.2.2-5, D7.2.2-6: only what the response says counts.
    for role in ROLES {
        for own in ["", "; client_no_context_takeover", "; server_no_context_takeover"] {
            let wire = messages(role, TEXT, &[HELLO, HELLO_AGAIN, HELLO_AGAIN, HELLO]);
            let peer = receive_deflate(role, own, &wire);
            let peers = if role == Role::Server { "client" } else { "server" };
            if own.contains(peers) {
                // D7.2.2-2, D7.2.2-4: the window may be dropped, and is.
                let expected = (hello(1), Some(ProtocolError::InvalidDeflate));
                assert_eq!((peer.seen, peer.error), expected);
            } else {
                assert_eq!((peer.seen, peer.error), (hello(4), None), "D7-9: {own}");
            }
        }
    }
}

#[test]
fn messages_without_rsv1_leave_the_window_alone() {
    // D6-3, D6.2-2, D7.2.3-2.
    for role in ROLES {
        let wire = frames(
            role,
            &[
                (TEXT, HELLO),
                (0x81, b"plain"),
                (0x82, HELLO),
                (0x01, b"in "),
                (0x80, b"parts"),
                (TEXT, HELLO_AGAIN),
            ],
        );
        let peer = receive_deflate(role, "", &wire);
        let expected = [
            Seen::text("Hello"),
            Seen::text("plain"),
            Seen::binary(HELLO),
            Seen::text("in parts"),
            Seen::text("Hello"),
        ];
        assert_eq!((&peer.seen[..], peer.error), (&expected[..], None));
    }
}

// ---- odd senders ----------------------------------------------------------------------------------

#[test]
fn the_window_survives_a_final_block() {
    // V-D4 then V-D2; D7.2.1-4, D-P-3: also where the context goes back to the pool in between.
    for role in ROLES {
        let wire = messages(role, TEXT, &[HELLO_FINAL, HELLO_AGAIN, HELLO_FINAL, HELLO_AGAIN]);
        let peer = receive_deflate(role, "", &wire);
        assert_eq!((peer.seen, peer.error), (hello(4), None));
        // Without takeover it does not.
        let peer = receive_deflate(role, NO_TAKEOVER, &wire);
        assert_eq!((peer.seen, peer.error), (hello(1), Some(ProtocolError::InvalidDeflate)));
    }
}

#[test]
fn a_message_may_hold_several_final_blocks_and_refer_across_them() {
    // D7.2.1-4, D7.2.1-5: each is padded to a byte, and the next one refers to what came before.
    let several = Writer::default()
        .literals(true, b"one ")
        .stored(true, b"two ")
        .fixed(false)
        .fixed_symbol(258)
        .code(5, 5)
        .bits(1, 1) // distance 7 + 1
        .fixed_symbol(256)
        .literals(true, b"three")
        .message();
    assert_eq!(inflate(&several).unwrap().output, b"one two one three");
    let after = Writer::default().fixed(true).fixed_symbol(259).code(4, 5).bits(0, 1);
    let after = after.fixed_symbol(256).align().message();
    takes(&[&several, &several], &[&b"one two one three"[..]; 2]);
    for role in ROLES {
        let wire = messages(role, TEXT, &[&several, &after, HELLO_FINAL, HELLO_AGAIN]);
        let expected = ["one two one three", "three", "Hello", "Hello"].map(Seen::text);
        assert_eq!(receive_deflate(role, "", &wire).seen, expected);
    }
}

#[test]
fn a_message_may_end_with_a_final_block_and_nothing_behind_it() {
    // Not by the letter of §7.2.1, which wants an empty block behind; several senders do it.
    let bare = &HELLO_FINAL[..HELLO_FINAL.len() - 1];
    takes(&[bare, HELLO, bare, EMPTY, bare], &[b"Hello", b"Hello", b"Hello", b"", b"Hello"]);
    let stored = Writer::default().stored(true, b"Hello").bytes();
    takes(&[&stored, &stored], &[&b"Hello"[..]; 2]);
    for role in ROLES {
        let wire = messages(role, TEXT, &[bare, HELLO_AGAIN, bare, HELLO_AGAIN]);
        assert_eq!(receive_deflate(role, "", &wire).seen, hello(4), "D-P-3");
    }
}

#[test]
fn the_block_that_is_left_out_may_be_a_final_one() {
    // D7.2.1-4: 01 is the first octet of an empty stored block with BFINAL.
    let last = Writer::default().literals(false, b"Hello").bits(1, 3).bytes();
    assert_eq!(inflate(&last).unwrap().output, b"Hello");
    takes(&[&last, &last, b"\x01", &last], &[b"Hello", b"Hello", b"", b"Hello"]);
    for role in ROLES {
        let wire = messages(role, TEXT, &[&last, HELLO_AGAIN, HELLO_AGAIN]);
        assert_eq!(receive_deflate(role, "", &wire).seen, hello(3), "D-P-3");
    }
}

#[test]
fn blocks_of_each_type_are_taken() {
    // D7.2.1-2, D7.2.1-3: stored only, several and empty ones; dynamic codes; all in one.
    let long: Vec<u8> = (0..=255).cycle().take(600).collect();
    let stored = Writer::default().stored(false, b"").stored(false, &long).stored(false, b"x");
    let stored = stored.message();
    takes(
        &[&stored, EMPTY, &stored],
        &[&[&long[..], b"x"].concat(), b"", &[&long[..], b"x"].concat()],
    );
    let dynamic = Writer::default()
        .dynamic(false, &STAIRS, &[1, 1])
        .symbol(&STAIRS, 0)
        .symbol(&STAIRS, 3)
        .symbol(&STAIRS, 12)
        .symbol(&STAIRS, 256)
        .literals(false, b"a")
        .stored(false, b"b")
        .dynamic(true, &STAIRS, &[1, 1])
        .symbol(&STAIRS, 1)
        .symbol(&STAIRS, 256)
        .align()
        .message();
    takes(&[&dynamic, &dynamic], &[&b"\x00\x03\x0cab\x01"[..]; 2]);
}

#[test]
fn an_empty_message_is_one_octet_or_none() {
    // V-D6, D7.2.3-3, J6. Nothing at all is not what §7.2.3.6 says, but cannot be misunderstood.
    takes(&[EMPTY, EMPTY, b"", HELLO, b"", EMPTY], &[b"", b"", b"", b"Hello", b"", b""]);
    for role in ROLES {
        let wire = frames(role, &[(TEXT, HELLO), (TEXT, b""), (0x41, b""), (0x80, b"")]);
        let wire = [wire, frame(role, TEXT, HELLO_AGAIN)].concat();
        let empty = Seen::text("");
        let expected = [Seen::text("Hello"), empty.clone(), empty, Seen::text("Hello")];
        assert_eq!(receive_deflate(role, "", &wire).seen, expected);
    }
}

#[test]
fn matches_may_reach_to_the_end_of_the_window() {
    // D7.2.2-8, D7.2.2-10: 32,768 bytes back, over many messages, and one byte more is too far.
    let filler = vec![b'f'; 1_000];
    let filler = Writer::default().stored(false, &filler).message();
    let first = Writer::default().stored(false, b"the first").message();
    let back = |distance| Writer::default().fixed(false).fixed_match(distance);
    let message = |distance| back(distance).fixed_symbol(256).message();
    for role in ROLES {
        for reads in [100, 16_384, usize::MAX] {
            for release in [false, true] {
                let mut run = Run::new(deflating(role, "", &deflate::Config::default()));
                run.read(&frame(role, BINARY, &first), reads);
                for _ in 0..32 {
                    run.read(&frame(role, BINARY, &filler), reads);
                    if release {
                        run.endpoint.release();
                    }
                }
                run.read(&frame(role, BINARY, &message(32_009)), reads);
                let Some(Seen::Binary(bytes)) = run.messages.last() else { panic!("binary") };
                assert_eq!(&bytes[..10], b"the firstf");
                // The window now ends 258 bytes later.
                let padding = Writer::default().stored(false, &[7; 501]).message();
                run.read(&frame(role, BINARY, &padding), reads);
                run.read(&frame(role, BINARY, &message(32_768)), reads);
                let Some(Seen::Binary(bytes)) = run.messages.last() else { panic!("binary") };
                assert_eq!((&bytes[..10], run.error), (&b"the firstf"[..], None));
            }
        }
    }
    let far =
        |distance| Writer::default().fixed(false).fixed_literals(b"abc").fixed_match(distance);
    let far = |distance| far(distance).fixed_symbol(256).message();
    takes(&[&far(3)], &[&b"abc".repeat(87)]);
    refuses_data(&[&far(4)], &[]);
    refuses_data(&[&far(32_768)], &[]);
}

#[test]
fn a_pooled_window_is_not_to_be_seen_by_another_connection() {
    // What one connection has received is secret to all others.
    let deflate = deflate::Config::default();
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let secret = Writer::default().stored(false, &[b'S'; 40_000]).message();
            let mut run = Run::new(deflating(role, parameters, &deflate));
            run.read(&frame(role, BINARY, &secret), usize::MAX);
            run.endpoint.release();
            assert_eq!(deflate.pool.idle().1, 1);
            for distance in [1, 258, 32_768] {
                let mut run = Run::new(deflating(role, parameters, &deflate));
                let spy = Writer::default().fixed(false).fixed_match(distance).fixed_symbol(256);
                run.read(&frame(role, BINARY, &spy.message()), usize::MAX);
                assert_eq!(run.error, Some(ProtocolError::InvalidDeflate), "{distance}");
                assert!(run.messages.is_empty());
            }
            // Nor behind a little of its own.
            let mut run = Run::new(deflating(role, parameters, &deflate));
            let spy = Writer::default().fixed(false).fixed_literals(b"a").fixed_match(2);
            run.read(&frame(role, BINARY, &spy.fixed_symbol(256).message()), usize::MAX);
            assert_eq!(run.error, Some(ProtocolError::InvalidDeflate));
            deflate.pool.clear();
        }
    }
}

// ---- what is refused ------------------------------------------------------------------------------

/// Code lengths 1 to 15 and 15 once more, for literals 0 to 14 and the end of the block: its code is
/// fifteen ones.
const STAIRS: [u8; 257] = {
    let mut lengths = [0; 257];
    let (mut i, mut len) = (0, 1);
    while i < 15 {
        lengths[i] = len;
        (i, len) = (i + 1, len + 1);
    }
    lengths[256] = 15;
    lengths
};

#[test]
fn data_that_is_not_deflate_fails_the_connection_with_1007() {
    // D-P-2, N-2.
    refuses_data(&[b"\x06"], &[]); // block type 3
    refuses_data(&[b"\xff\xff\xff\xff"], &[]);
    refuses_data(&[b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00"], &[]); // the lengths differ
    refuses_data(&[b"Hello"], &[]);
    refuses_data(&[HELLO, b"Hello"], &[Seen::binary(b"Hello")]);
    let no_symbol = Writer::default().fixed(false).fixed_symbol(286).fixed_symbol(256).message();
    refuses_data(&[&no_symbol], &[]);
    let no_distance = Writer::default().literals(false, b"a").fixed(false).fixed_symbol(257);
    refuses_data(&[&no_distance.code(30, 5).fixed_symbol(256).message()], &[]);
}

#[test]
fn a_message_that_ends_inside_a_block_is_refused() {
    // J5: nothing of it may reach into the next one. Every prefix of these, at every byte.
    let dynamic = Writer::default().dynamic(false, &STAIRS, &[1, 1]).symbol(&STAIRS, 7);
    let dynamic = dynamic.symbol(&STAIRS, 256).message();
    for payload in [HELLO, HELLO_STORED, HELLO_TWO_BLOCKS, HELLO_FINAL, &dynamic] {
        for at in 1..payload.len() {
            let cut = &payload[..at];
            if let Ok(whole) = inflate(cut) {
                takes(&[cut], &[&whole.output]);
            } else {
                refuses_data(&[cut], &[]);
                refuses_data(&[HELLO, cut], &[Seen::binary(b"Hello")]);
            }
        }
    }
}

#[test]
fn trailing_garbage_is_refused() {
    // J5, D7.2.2-1: behind a whole message, and behind a final block.
    for garbage in [&b"\xff"[..], b"\x07", b"garbage", &TAIL] {
        refuses_data(&[&[HELLO, garbage].concat()], &[]);
        refuses_data(&[&[HELLO_FINAL, garbage].concat()], &[]);
        let bare = &HELLO_FINAL[..HELLO_FINAL.len() - 1];
        if garbage != TAIL {
            refuses_data(&[&[bare, garbage].concat()], &[]);
        }
    }
    // The tail that should have been left out, and another empty block: that is allowed.
    let twice = [HELLO, &TAIL, b"\x00"].concat();
    takes(&[&twice, &twice], &[&b"Hello"[..]; 2]);
}

#[test]
fn a_tail_that_ends_a_block_inside_a_byte_is_refused() {
    // J5: the rest of that byte would begin the next message. Sixteen zeros are sixteen literals,
    // then fifteen ones end the block, and one bit is left over.
    for first in [&[][..], &[5], &[5, 6, 7]] {
        let mut block = Writer::default().dynamic(false, &STAIRS, &[1, 1]);
        for literal in first {
            block = block.symbol(&STAIRS, *literal);
        }
        while !block.used().is_multiple_of(8) {
            block = block.symbol(&STAIRS, 0);
        }
        refuses_data(&[&block.bytes()], &[]);
    }
    // All other numbers of bits, with and without literals before the end of the block.
    for skipped in 0..15 {
        let mut lengths = STAIRS;
        // The code of the end of the block has `len` ones.
        let len = 15 - skipped;
        for literal in 0..15u8 {
            lengths[usize::from(literal)] = if literal < len { literal + 1 } else { 0 };
        }
        if len < 15 {
            lengths[usize::from(len)] = 0;
        }
        lengths[256] = len;
        for literals in 0..9 {
            let mut block = Writer::default().dynamic(false, &lengths, &[1, 1]);
            for _ in 0..literals {
                block = block.symbol(&lengths, 0);
            }
            refuses_data(&[&block.bytes()], &[]);
        }
    }
}

#[test]
fn a_tail_that_ends_a_block_inside_a_byte_after_the_codes_is_refused() {
    // As above, but the tail is the end of the code lengths, so that no literal comes of it.
    // Lengths with codes of one bit: 0 is "0", 1 is "10", and "11" repeats zeros.
    for padding in 0..8 {
        // HLIT 257, HDIST 1, HCLEN 18: code lengths for 0, 1 and 18.
        let mut lengths = [0; 19];
        (lengths[0], lengths[1], lengths[18]) = (1, 2, 2);
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
        let mut block = Writer::default().bits(2, 3).bits(0, 5).bits(0, 5).bits(14, 4);
        for symbol in order {
            block = block.bits(lengths[symbol], 3);
        }
        let code = |block: Writer, symbol| match symbol {
            0 => block.code(0, 1),
            1 => block.code(2, 2),
            _ => block.code(3, 2),
        };
        // Literal 0 has one bit ("0"), and the end of the block the other ("1"): it is the 257th
        // length, so there are 255 zeros between.
        block = code(block, 1);
        let mut zeros = 255 - 16 + padding;
        while zeros >= 11 {
            let run = zeros.min(138);
            block = code(block, 18).bits(run - 11, 7);
            zeros -= run;
        }
        for _ in 0..zeros {
            block = code(block, 0);
        }
        while !block.used().is_multiple_of(8) {
            block = code(block, 0);
        }
        refuses_data(&[&block.bytes()], &[]);
    }
}

#[test]
fn a_tail_that_fills_the_room_for_output_is_refused() {
    // J5: matches of 258 bytes in two bits, so that the tail yields more than any room left, and
    // the block goes on.
    let mut lengths = [0; 287];
    // Canonical codes: 285 is "0"; the end of the block "10"; 284 "11".
    (lengths[285], lengths[256], lengths[284]) = (1, 2, 2);
    for literals in 0..64 {
        for matches in 0..8 {
            let mut block = Writer::default().stored(false, &vec![b'a'; 1 + literals * 16]);
            block = block.dynamic(false, &lengths[..286], &[1, 1]);
            for _ in 0..matches {
                block = block.symbol(&lengths, 285).code(0, 1);
            }
            while !block.used().is_multiple_of(8) {
                block = block.bits(0, 1);
            }
            let payload = block.bytes();
            for role in ROLES {
                let wire = messages(role, BINARY, &[&payload, HELLO]);
                let mut run = Run::new(deflating(role, "", &deflate::Config::default()));
                run.read(&wire, usize::MAX);
                assert_eq!(run.error, Some(ProtocolError::InvalidDeflate), "{literals} {matches}");
                assert!(run.messages.is_empty());
            }
        }
    }
}

#[test]
fn reserved_bits_are_refused_where_they_do_not_belong() {
    // D6.1-3, D6.1-4, R5.2: RSV1 without negotiation, on continuations and on control frames; RSV2
    // and RSV3 whatever was agreed on.
    for role in ROLES {
        let refused = |parameters: Option<&str>, wire: &[u8], rsv| {
            let peer = match parameters {
                None => receive(role, wire),
                Some(parameters) => receive_deflate(role, parameters, wire),
            };
            assert_eq!(peer.error, Some(ProtocolError::ReservedBits(rsv)));
            assert_eq!(peer.close_code(), Some(1002));
        };
        refused(None, &frame(role, TEXT, HELLO), 0x40);
        for first in [0x41, 0x42, 0x01, 0x02] {
            let wire = frames(role, &[(first, b"\xf2"), (0xc0, &HELLO[1..])]);
            refused(Some(""), &wire, 0x40);
            let wire = frames(role, &[(first, b"\xf2"), (0x40, &HELLO[1..])]);
            refused(Some(""), &wire, 0x40);
        }
        for control in [0xc8, 0xc9, 0xca] {
            refused(Some(""), &frame(role, control, b""), 0x40);
            let wire = frames(role, &[(0x41, b"\xf2"), (control, b"")]);
            refused(Some(""), &wire, 0x40);
        }
        for (b0, rsv) in [(0xa1, 0x20), (0x91, 0x10), (0xe1, 0x60)] {
            refused(Some(""), &frame(role, b0, HELLO), rsv);
        }
    }
}

// ---- text -----------------------------------------------------------------------------------------

#[test]
fn text_is_checked_after_it_was_decompressed() {
    // D6.1-6, R8.1-1.
    let text = "ä€😀".repeat(30);
    for role in ROLES {
        let payload = Writer::default().literals(false, text.as_bytes()).message();
        assert!(std::str::from_utf8(&payload).is_err(), "compressed bytes need not be text");
        let wire = messages(role, TEXT, &[&payload, &payload]);
        assert_eq!(receive_deflate(role, "", &wire).seen, [Seen::text(&text), Seen::text(&text)]);
        let crumbs = crumbs(role, TEXT, &payload);
        assert_eq!(text_of(&receive_deflate(role, "", &crumbs).seen), [Seen::text(&text)]);
        for bad in [&b"a\xffb"[..], b"\xc3", b"ab\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
            for payload in [
                Writer::default().stored(false, bad).message(),
                Writer::default().literals(false, bad).message(),
                Writer::default().literals(true, bad).message(),
                Writer::default().literals(true, bad).bytes(),
            ] {
                let peer = receive_deflate(role, "", &frame(role, TEXT, &payload));
                assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
                assert_eq!(peer.close_code(), Some(1007));
                let peer = receive_deflate(role, "", &frame(role, BINARY, &payload));
                assert_eq!(peer.seen, [Seen::binary(bad)]);
            }
        }
    }
}

#[test]
fn text_is_refused_at_its_first_bad_byte() {
    // N-8: as soon as it has been decompressed, in a message that goes on.
    for role in ROLES {
        let good = Writer::default().stored(false, b"good \xe2\x82").message();
        for (next, error) in [(&b"\xac"[..], None), (b"a", Some(ProtocolError::InvalidUtf8))] {
            let next = Writer::default().stored(false, next).bytes();
            let wire = frames(role, &[(0x41, &[&good[..], &TAIL].concat()), (0x00, &next)]);
            let peer = receive_deflate(role, "", &wire);
            assert_eq!((peer.seen.len(), peer.error), (0, error));
        }
    }
}

#[test]
fn what_is_wrong_first_is_what_is_told_however_the_bytes_were_cut() {
    // Text that is not UTF-8, and behind it data that is not DEFLATE: `receive` compares.
    let fixed = Writer::default().fixed(false).fixed_literals(b"ab\xff").fixed_symbol(286);
    let fixed = fixed.fixed_symbol(256).message();
    let stored = [&Writer::default().stored(false, b"ab\xff").bytes()[..], b"\x06"].concat();
    for payload in [&fixed, &stored] {
        for role in ROLES {
            let peer = receive_deflate(role, "", &frame(role, TEXT, payload));
            assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
        }
    }
}

// ---- limits ---------------------------------------------------------------------------------------

fn limited(max_message: u64) -> Config {
    let mut config = Config::default();
    config.max_message = max_message;
    config
}

/// `len` bytes as matches, as one block of literals, or as stored blocks.
fn shapes(len: usize) -> Vec<Vec<u8>> {
    let bytes = vec![b'a'; len];
    let runs = bytes[1..].chunks(258);
    let mut matches = Writer::default().fixed(false).fixed_literals(b"a");
    for run in runs {
        matches = match run.len() {
            258 => matches.fixed_match(1),
            len => matches.fixed_literals(&vec![b'a'; len]),
        };
    }
    let matches = matches.fixed_symbol(256).message();
    // RFC 1951 §3.2.6: what `fixed_literals` would look up each time.
    let literals = Writer::default().fixed(false);
    let literals = bytes.iter().fold(literals, |it, byte| it.code(0x30 + usize::from(*byte), 8));
    let literals = literals.fixed_symbol(256).message();
    let stored = bytes.chunks(65_535);
    let stored = stored.fold(Writer::default(), |writer, chunk| writer.stored(false, chunk));
    vec![matches, literals, stored.message()]
}

#[test]
fn the_limit_on_messages_is_one_of_decompressed_bytes() {
    // D-P-1, R10.4-1, defence 44: at the limit it passes, and one over it does not.
    for role in ROLES {
        for limit in [300, 1_024, 4_096, 70_000] {
            for (len, passes) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
                for payload in shapes(len) {
                    let config = limited(u64::try_from(limit).unwrap());
                    let deflate = deflate::Config::default();
                    let make = || Peer::with_deflate(role, &config, params(""), &deflate);
                    let peer = receive_by(make, &frame(role, BINARY, &payload));
                    if passes {
                        assert_eq!(peer.seen, [Seen::Binary(vec![b'a'; len])]);
                    } else {
                        let limit = u64::try_from(limit).unwrap();
                        assert_eq!(peer.error, Some(ProtocolError::MessageTooLong { limit }));
                        assert_eq!(peer.close_code(), Some(1009));
                    }
                }
            }
        }
    }
}

#[test]
fn a_message_within_the_limit_is_taken_though_it_is_longer_compressed() {
    // What the back end makes of noise at level 1: fixed codes, of nine bits for half of all bytes.
    let mut random = 1u32;
    let mut noise = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.to_be_bytes()[0]
    };
    for len in [1, 100, 1_024, 100_000] {
        let noise: Vec<u8> = (0..len).map(|_| noise()).collect();
        for role in ROLES {
            let mut config = websocket_proto::endpoint::Config::default();
            let len = u64::try_from(len).unwrap();
            (config.connection.max_message, config.connection.max_frame) = (len, len);
            let receiving = connection(role, &config.connection);
            let mut run = Run::new(Endpoint::with_deflate(receiving, &config, params("")));
            let mut sender = deflating(other(role), "", &deflate::Config::default());
            sender.send(Outbound::from(&noise).compression(Compression::Always)).unwrap();
            let wire = drain(&mut sender);
            assert!(
                wire.len() > noise.len() + 16 || noise.len() < 1_000,
                "longer, but for headers"
            );
            run.read(&wire, 1_000);
            for (part, fragment) in [(0, Fragment::More), (1, Fragment::Last)] {
                let (first, second) = noise.split_at(noise.len() / 2);
                let part = Outbound::from([first, second][part]);
                sender.send_part(part, fragment).unwrap();
            }
            run.read(&drain(&mut sender), 1_000);
            assert_eq!(run.error, None, "{len}");
            assert!(run.messages == [Seen::binary(&noise), Seen::binary(&noise)]);
            // One byte more is too much.
            sender.send(&[&noise[..], b"x"].concat()).unwrap();
            run.read(&drain(&mut sender), 1_000);
            assert!(run.error.is_some());
        }
    }
}

#[test]
fn the_limit_counts_over_all_fragments() {
    // D-P-1, D1.
    for role in ROLES {
        let part = Writer::default().literals(false, &[b'a'; 100]).message();
        let part = [&part[..], &TAIL].concat();
        let wire = frames(role, &[(0x42, &part), (0, &part), (0, &part), (0, b"\x00")]);
        let config = limited(299);
        let make = || Peer::with_deflate(role, &config, params(""), &deflate::Config::default());
        let error = Some(ProtocolError::MessageTooLong { limit: 299 });
        assert_eq!(receive_by(make, &wire).error, error);
    }
}

#[test]
fn a_ratio_limit_refuses_what_grows_too_much() {
    // Beyond the first 64 KiB, and with 1009.
    for role in ROLES {
        let mut deflate = deflate::Config::default();
        deflate.max_ratio = Some(100);
        let run = |payload: &[u8]| {
            let mut run = Run::new(deflating(role, "", &deflate));
            run.read(&frame(role, BINARY, payload), 999);
            run
        };
        let bomb = &shapes(100_000)[0];
        assert!(bomb.len() < 1_000);
        let mut refused = run(bomb);
        assert_eq!(refused.error, Some(ProtocolError::CompressionRatio { limit: 100 }));
        let sent = sent_by(role, &drain(&mut refused.endpoint));
        assert_eq!((sent.len(), sent[0].0, &sent[0].1[..2]), (1, 0x88, &b"\x03\xf1"[..]));
        // The same ratio, in a small message.
        assert_eq!(run(&shapes(60_000)[0]).messages.len(), 1);
        // A large one that stays below.
        let fair = vec![b'a'; 200_000];
        let mut writer = Writer::default();
        for part in fair.chunks(1_000) {
            writer = writer.stored(false, &part[..100]).fixed(false);
            for _ in 0..3 {
                writer = writer.fixed_match(1);
            }
            writer = writer.fixed_symbol(256);
        }
        assert_eq!(run(&writer.message()).messages.len(), 1);
    }
}

/// What comes of a binary message with this payload, in reads of at most `reads` before `cut` and
/// behind it: how many messages, and the error.
fn judged(
    role: Role,
    deflate: &deflate::Config,
    payload: &[u8],
    (cut, reads): (usize, usize),
) -> (usize, Option<ProtocolError>) {
    let mut run = Run::new(deflating(role, "", deflate));
    let wire = frame(role, BINARY, payload);
    let (before, after) = wire.split_at(cut.min(wire.len()));
    run.read(before, reads);
    run.read(after, reads);
    (run.messages.len(), run.error)
}

#[test]
fn the_ratio_does_not_depend_on_how_the_bytes_were_cut() {
    let zeros = |len: usize| {
        let writer = Writer::default().fixed(false).fixed_literals(&[0]);
        let writer = (0..(len - 1) / 258).fold(writer, |writer, _| writer.fixed_match(1));
        writer.fixed_literals(&vec![0; (len - 1) % 258])
    };
    let mut deflate = deflate::Config::default();
    deflate.max_ratio = Some(100);
    // What does not grow at all makes up for what came before, wherever a read ends.
    let noise = zeros(70_000).fixed_symbol(256);
    let noise = noise.stored(false, &[7; 50_000]).stored(false, &[8; 50_000]).message();
    let accepted = (1, None);
    for cut in (440..480).chain((0..noise.len()).step_by(3_000)) {
        assert_eq!(judged(Role::Client, &deflate, &noise, (cut, usize::MAX)), accepted, "{cut}");
    }
    assert_eq!(judged(Role::Server, &deflate, &noise, (0, 13)), accepted);
    // And it is judged behind 128 KiB by how many bytes those took, with what comes before the
    // next byte of the message, whether or not that has been there.
    const LEN: usize = 128 * 1024;
    let empty = |writer: Writer| (0..40).fold(writer, |writer, _| writer.stored(false, b""));
    let inside = zeros(LEN - 100).fixed_match(1).fixed_symbol(256);
    let shapes = [
        zeros(LEN).fixed_symbol(256),
        zeros(LEN).fixed_match(1).fixed_symbol(256),
        zeros(LEN).fixed_literals(b"more").fixed_symbol(256),
        empty(zeros(LEN).fixed_symbol(256)),
        empty(zeros(LEN).fixed_symbol(256)).stored(false, &[7; 2_000]),
        empty(zeros(LEN).fixed_symbol(256)).dynamic(false, &STAIRS, &[1, 1]).symbol(&STAIRS, 256),
        empty(zeros(LEN).fixed_symbol(256).literals(true, b"")).literals(true, b"more"),
        empty(zeros(LEN).fixed_symbol(256).literals(true, b"").stored(true, b"")),
        empty(inside.clone()),
        empty(inside.stored(true, b"")).stored(false, &[7; 2_000]),
        zeros(LEN - 500).fixed_symbol(256).stored(false, &[7; 1_000]),
        zeros(LEN - 500).fixed_symbol(256).stored(true, &[7; 500]).fixed(false).fixed_symbol(286),
    ];
    let mut verdicts = Vec::new();
    for (i, shape) in shapes.into_iter().enumerate() {
        let payload = shape.message();
        for limit in [90, 125, 150, 158] {
            deflate.max_ratio = Some(limit);
            let whole = judged(Role::Client, &deflate, &payload, (0, usize::MAX));
            verdicts.push(whole);
            // 128 KiB take 835 bytes.
            let cuts = (830..850).chain((0..payload.len()).step_by(61));
            for cut in cuts.map(|cut| (cut, usize::MAX)).chain([(0, 1)]) {
                let other = judged(Role::Client, &deflate, &payload, cut);
                assert_eq!(other, whole, "shape {i}, limit {limit}, {cut:?}");
            }
        }
    }
    let count = |verdict| verdicts.iter().filter(|it| it.1 == verdict).count();
    let fine = count(None);
    let wrong = count(Some(ProtocolError::InvalidDeflate));
    assert_eq!((fine, wrong, verdicts.len()), (21, 4, 48));
}

#[test]
fn final_blocks_are_bounded() {
    // Each costs the receiver a copy of the window and the sender two bytes. How many there may be
    // does not depend on how the bytes were cut.
    let one = Writer::default().fixed(true).fixed_symbol(256).align().bytes();
    assert_eq!(one.len(), 2);
    let filled = vec![b'f'; 40_000];
    let filled = Writer::default().stored(false, &filled).message();
    for role in ROLES {
        for count in [32, 33, 34, 1_000] {
            let payload = [one.repeat(count), vec![0]].concat();
            let peer = receive_deflate(role, "", &messages(role, BINARY, &[&payload]));
            let error = (count > 32).then_some(ProtocolError::TooManyFinalBlocks { blocks: 33 });
            assert_eq!(peer.error, error, "{count}");
            // Not 1007: the data is valid.
            assert_eq!(peer.close_code(), error.map(|_| 1008));
        }
        // One for each KiB, and some more: a sender that flushes like that is left alone.
        let kib = Writer::default().stored(true, &[7; 1_100]).bytes();
        let payload = [kib.repeat(200), vec![0]].concat();
        let wire = messages(role, BINARY, &[&filled, &payload, &payload]);
        let mut run = Run::new(deflating(role, "", &deflate::Config::default()));
        run.read(&wire, 10_000);
        assert_eq!((run.messages.len(), run.error), (3, None));
        // Where a long tail of bytes follows, they do not pay for what came before.
        let late = [one.repeat(100), Writer::default().stored(false, &[7; 60_000]).message()];
        for reads in [7, usize::MAX] {
            let mut run = Run::new(deflating(role, "", &deflate::Config::default()));
            run.read(&frame(role, BINARY, &late.concat()), reads.min(200_000));
            let error = ProtocolError::TooManyFinalBlocks { blocks: 33 };
            assert_eq!(run.error, Some(error), "reads of {reads}");
        }
    }
}

// ---- endpoints ------------------------------------------------------------------------------------

#[test]
fn large_compressed_frames_arrive_whole_whatever_the_sizes_of_reads() {
    // Where a plain frame would be read straight into the message; several MiB of noise and text.
    let noise: Vec<u8> = (0..3_000_000u64)
        .map(|i| u8::try_from(i.wrapping_mul(i).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56).unwrap())
        .collect();
    let mut stored = Writer::default();
    for part in noise.chunks(65_535) {
        stored = stored.stored(false, part);
    }
    let stored = stored.message();
    for role in ROLES {
        let wire = frames(
            role,
            &[(BINARY, &stored), (0x82, &noise), (BINARY, &stored), (0x89, b"p"), (TEXT, HELLO)],
        );
        for (most, read_buffer) in [(5_000, 16_384), (usize::MAX, 1_000_000), (100_000, 70_000)] {
            let mut config = websocket_proto::endpoint::Config::default();
            config.read_buffer = read_buffer;
            let connection = connection(role, &config.connection);
            let mut run = Run::new(Endpoint::with_deflate(connection, &config, params("")));
            run.read(&wire, most);
            assert_eq!(run.error, None);
            assert_eq!(run.messages.len(), 4);
            assert!(run.messages[..3].iter().all(|seen| *seen == Seen::Binary(noise.clone())));
            assert_eq!(run.messages[3], Seen::text("Hello"));
        }
    }
}

#[test]
fn compressed_messages_can_be_taken_lent_and_answered() {
    for role in ROLES {
        for len in [5usize, 4_096, 100_000] {
            let payload = vec![b'a'; len];
            let shape = &shapes(len)[0];
            for b0 in [TEXT, BINARY] {
                let wire = messages(role, b0, &[shape, HELLO, shape]);
                let mut endpoint = deflating(role, "", &deflate::Config::default());
                endpoint.push_input(&wire);
                let expected: OwnedMessage = match b0 {
                    TEXT => String::from_utf8(payload.clone()).unwrap().into(),
                    _ => payload.clone().into(),
                };
                assert_eq!(endpoint.poll(), Ok(Status::Message));
                assert_eq!(endpoint.take_message(), Ok(expected.clone()));
                assert_eq!(endpoint.next().unwrap().unwrap().message.as_bytes(), b"Hello");
                let received = endpoint.next().unwrap().unwrap();
                assert_eq!(received.message, expected.as_message());
                assert_eq!(received.into_owned(), expected);
                assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
            }
        }
    }
}

#[test]
fn contexts_come_with_the_first_compressed_message_and_go_back() {
    // J7: what is not used is not there, and what is dropped goes back, broken or not.
    let deflate = deflate::Config::default();
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            deflate.pool.clear();
            let mut run = Run::new(deflating(role, parameters, &deflate));
            run.read(&frame(role, 0x81, b"plain"), 99);
            run.endpoint.release();
            assert_eq!(deflate.pool.idle(), (0, 0), "nothing was needed");
            run.read(&frame(role, TEXT, HELLO), 99);
            assert_eq!(deflate.pool.idle(), (0, 0), "in use");
            run.endpoint.release();
            assert_eq!(deflate.pool.idle(), (0, 1));
            run.read(&frame(role, TEXT, HELLO), 99);
            assert_eq!(deflate.pool.idle(), (0, 0), "taken out again");
            // In the middle of a message it stays.
            run.read(&frame(role, 0x41, &HELLO[..3]), 99);
            run.endpoint.release();
            assert_eq!(deflate.pool.idle(), (0, 0), "a message is under way");
            run.read(&frame(role, 0x80, &HELLO[3..]), 99);
            assert_eq!(run.messages.last(), Some(&Seen::text("Hello")));
            drop(run);
            assert_eq!(deflate.pool.idle(), (0, 1), "given back by the drop");
            let mut run = Run::new(deflating(role, parameters, &deflate));
            run.read(&frame(role, BINARY, b"\xff"), 99);
            assert_eq!(run.error, Some(ProtocolError::InvalidDeflate));
            drop(run);
            assert_eq!(deflate.pool.idle(), (0, 1), "a broken one can be used again");
            let mut run = Run::new(deflating(role, parameters, &deflate));
            run.read(&messages(role, TEXT, &[HELLO, HELLO]), 99);
            assert_eq!(run.messages, hello(2));
        }
    }
}

#[test]
fn the_window_outlives_the_context() {
    // D7.2.2-3, D7.2.2-5: after each release, and whatever else used the context meanwhile; also with
    // a smaller window (D7.2.2-7, D7.2.2-9).
    for role in ROLES {
        for bits in [8usize, 9, 12, 15] {
            let parameters =
                format!("; server_max_window_bits={bits}; client_max_window_bits={bits}");
            let mut deflate = deflate::Config::default();
            deflate.pool = Pool::new(1);
            let window = 1 << bits;
            let mut run = Run::new(deflating(role, &parameters, &deflate));
            let mut other = Run::new(deflating(role, &parameters, &deflate));
            let mut history = Vec::new();
            for round in 0..40u8 {
                let new = vec![round; usize::from(round) * window / 100 + 1];
                let distance = (history.len() + new.len()).min(window);
                let payload = Writer::default().stored(false, &new).fixed(false);
                let payload = payload.fixed_match(distance).fixed_symbol(256).message();
                history.extend(&new);
                let from = history.len() - distance;
                for i in 0..258 {
                    history.push(history[from + i]);
                }
                run.read(&frame(role, BINARY, &payload), 777);
                let Some(Seen::Binary(bytes)) = run.messages.last() else { panic!("binary") };
                assert!(history.ends_with(bytes), "window of {bits} bits, round {round}");
                run.endpoint.release();
                other.read(&frame(role, TEXT, HELLO), 777);
                other.endpoint.release();
                assert_eq!((run.error, other.error, deflate.pool.idle().1), (None, None, 1));
            }
        }
    }
}

// ---- without an endpoint --------------------------------------------------------------------------

#[test]
fn a_connection_that_allows_rsv1_hands_compressed_pieces_on_as_they_are() {
    // For relays: `send_coded` on the other side.
    let mut config = Config::default();
    config.rsv = Rsv::RSV1;
    for role in ROLES {
        let mut from = connection(role, &config);
        let mut to = connection(other(role), &config);
        let mut wire = frames(
            role,
            &[
                (0x41, &HELLO[..2]),
                (0x89, b"p"),
                (0x80, &HELLO[2..]),
                (0x81, b"x"),
                (BINARY, HELLO_AGAIN),
            ],
        );
        let mut input = Input::new(&mut wire);
        let mut out = Vec::new();
        while let Some(event) = from.receive(&mut input).unwrap() {
            if let Event::Data(piece) = event {
                let fragment = if piece.last { Fragment::Last } else { Fragment::More };
                to.send_coded(piece.kind, piece.rsv, piece.payload, fragment, &mut out).unwrap();
            }
        }
        let peer = receive_deflate(role, "", &out);
        let expected = [Seen::text("Hello"), Seen::text("x"), Seen::binary(b"Hello")];
        assert_eq!((&peer.seen[..], peer.error), (&expected[..], None));
        // An assembler that knows nothing of compression gives the payload as it is.
        let mut plain = connection(role, &config);
        let mut wire = frame(role, BINARY, HELLO);
        let mut input = Input::new(&mut wire);
        let Some(Event::Data(piece)) = plain.receive(&mut input).unwrap() else { panic!("data") };
        assert_eq!((piece.rsv, piece.kind), (Rsv::RSV1, Kind::Binary));
        let message = Assembler::new().push(piece, &mut plain).unwrap().map(Message::into_owned);
        assert_eq!(message, Some(HELLO.to_vec().into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn hostile_bytes_give_the_same_however_they_are_cut(
        payloads in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..40), any::<bool>(), any::<bool>()),
            1..4,
        ),
        takeover: bool,
    ) {
        // J5: and what our own inflater takes is what comes out.
        let parameters = if takeover { "" } else { NO_TAKEOVER };
        let role = Role::Client;
        let mut puff = Puff::default();
        let mut expected = Vec::new();
        let mut wire = Vec::new();
        let mut valid = true;
        for (bytes, hello, text) in &payloads {
            let payload = if *hello { [HELLO, &TAIL, bytes].concat() } else { bytes.clone() };
            wire.extend(frame(role, if *text { TEXT } else { BINARY }, &payload));
            if !takeover {
                puff.forget();
            }
            let output = if payload.is_empty() { Ok(Vec::new()) } else {
                puff.message(&payload).map(|it| it.output)
            };
            valid &= output.as_ref().is_ok_and(|it| !text || std::str::from_utf8(it).is_ok());
            if let (true, Ok(output)) = (valid, output) {
                expected.push(if *text {
                    Seen::Text(String::from_utf8(output).unwrap())
                } else {
                    Seen::Binary(output)
                });
            }
        }
        let peer = receive_deflate(role, parameters, &wire);
        prop_assert_eq!(peer.error.is_none(), valid);
        prop_assert_eq!(peer.seen, expected);
    }
}
