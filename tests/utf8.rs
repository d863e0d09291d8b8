//! Text (RFC 6455 §5.6, §8.1): the streaming validator equals `std`, and fails at the first bad
//! byte.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use websocket_proto::connection::{Config, Role};
use websocket_proto::endpoint::{Buffers, Status};
use websocket_proto::utf8::{InvalidUtf8, Validator, validate};
use websocket_proto::{Event, Input, ProtocolError};

/// How many bytes it takes to know that no text begins so; `None` if some text does.
fn proven_bad(bytes: &[u8]) -> Option<usize> {
    let first = std::str::from_utf8(bytes).err()?;
    let from = first.valid_up_to();
    (from + 1..=bytes.len()).find(|end| {
        let prefix = std::str::from_utf8(&bytes[from..*end]);
        prefix.is_err_and(|error| error.error_len().is_some())
    })
}

fn pushed(pieces: &[&[u8]]) -> Result<(), InvalidUtf8> {
    let mut validator = Validator::default();
    for piece in pieces {
        validator.push(piece)?;
    }
    let complete = validator.is_complete();
    let result = validator.finish();
    assert_eq!(complete, result.is_ok());
    result
}

#[test]
fn a_validator_that_is_used_behind_its_error_does_not_panic() {
    for first in [&b"\xe2"[..], b"\xf0\x9f", b"\xf0\x9f\x98"] {
        let mut validator = Validator::default();
        validator.push(first).unwrap();
        for _ in 0..10 {
            let _ = validator.push(b"\xff");
        }
    }
}

/// What Autobahn's section 6 and RFC 3629 call valid and invalid.
const SAMPLES: &[&[u8]] = &[
    b"",
    b"plain",
    "κόσμε".as_bytes(),
    "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
    "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}".as_bytes(),
    "\u{10000}\u{10ffff}".as_bytes(),
    "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{feff}".as_bytes(),
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64", // a surrogate inside
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65", // over U+10FFFF
    b"\xf8\x88\x80\x80\x80",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xc1\xbf",
    b"\x80",
    b"ab\xbfcd",
    b"\xed\xbf\xbf",
    b"\xfe",
    b"\xff",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xc3",
    b"\xc3\xc3\xa4",
    b"\xe2\x28\xa1",
    b"\xf0\x9f\x41\x80",
];

#[test]
fn samples_are_judged_as_std_judges_them_in_every_split() {
    // R5.6-1, R8.1-1, H1, H2, defence 38.
    for sample in SAMPLES {
        let valid = std::str::from_utf8(sample);
        assert_eq!(validate(sample).ok(), valid.ok());
        assert_eq!(pushed(&[sample]).is_ok(), valid.is_ok());
        let bytes: Vec<_> = sample.chunks(1).collect();
        assert_eq!(pushed(&bytes).is_ok(), valid.is_ok());
        // Every subset of the places to cut, for what is short enough.
        let places = sample.len().saturating_sub(1).min(12);
        for cuts in 0..1u32 << places {
            let (mut pieces, mut rest) = (Vec::new(), *sample);
            let mut taken = 0;
            for place in 0..places {
                if cuts & (1 << place) != 0 {
                    let (piece, after) = rest.split_at(place + 1 - taken);
                    pieces.push(piece);
                    pieces.push(b"");
                    (rest, taken) = (after, place + 1);
                }
            }
            pieces.push(rest);
            assert_eq!(pushed(&pieces).is_ok(), valid.is_ok(), "{sample:x?} in {pieces:x?}");
        }
    }
}

#[test]
fn text_is_refused_at_its_first_bad_byte() {
    // N-8, R8.1-1, H3, defence 38: inside a frame that announces much more, whole or a fragment.
    for role in ROLES {
        for sample in SAMPLES {
            for b0 in [0x81, 0x01] {
                let mut peer = Peer::new(role);
                let key = (role == Role::Server).then_some(KEY);
                peer.feed(&header(b0, 300_000, key));
                let payload = key.map_or(sample.to_vec(), |key| masked(sample, key));
                let mut failed_at = None;
                for (i, byte) in payload.iter().enumerate() {
                    peer.feed(&[*byte]);
                    if peer.error.is_some() && failed_at.is_none() {
                        failed_at = Some(i + 1);
                    }
                }
                assert_eq!(failed_at, proven_bad(sample), "{sample:x?}");
                if failed_at.is_some() {
                    assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
                    assert_eq!((peer.close_code(), peer.seen), (Some(1007), vec![]));
                }
            }
        }
    }
}

#[test]
fn an_endpoint_checks_text_when_nothing_more_comes_and_when_it_is_complete() {
    // R8.1-1: a frame that waits in the read buffer, one that is read straight into its message,
    // and a fragment; released after each byte, after some, and never.
    for role in ROLES {
        for sample in SAMPLES {
            for (b0, rest) in [(0x81, 100), (0x01, 100), (0x81, 300_000)] {
                for every in [1, 3, usize::MAX] {
                    let mut run = Run::new(endpoint(role));
                    let key = (role == Role::Server).then_some(KEY);
                    let text = [sample, &vec![b'a'; rest][..]].concat();
                    let payload = key.map_or(text.clone(), |key| masked(&text, key));
                    let len = u64::try_from(text.len()).unwrap();
                    run.read(&header(b0, len, key), usize::MAX);
                    let mut failed_at = None;
                    for (i, byte) in payload[..sample.len()].iter().enumerate() {
                        run.read(&[*byte], 1);
                        if (i + 1) % every == 0 {
                            run.endpoint.release();
                            run.poll();
                        }
                        if run.error.is_some() {
                            failed_at = Some(i + 1);
                            break;
                        }
                    }
                    let bad_at = proven_bad(&text).filter(|at| *at <= sample.len());
                    let expected = bad_at.map(|at| at.div_ceil(every) * every);
                    assert_eq!(failed_at, expected.filter(|at| *at <= sample.len()), "{sample:x?}");
                    if failed_at.is_none() {
                        run.read(&payload[sample.len()..], 5000);
                        if b0 == 0x01 {
                            run.endpoint.release();
                            run.poll();
                        }
                        assert_eq!(run.error.is_some(), proven_bad(&text).is_some());
                    }
                    let error = proven_bad(&text).map(|_| ProtocolError::InvalidUtf8);
                    assert_eq!(run.error, error);
                    let whole = b0 == 0x81 && error.is_none();
                    assert_eq!(run.messages.len(), usize::from(whole));
                    if error.is_some() {
                        let sent = sent_by(role, &drain(&mut run.endpoint));
                        assert_eq!((sent.len(), &sent[0].1[..2]), (1, &b"\x03\xef"[..]), "1007");
                    }
                }
            }
        }
    }
}

#[test]
fn text_that_waits_in_the_read_buffer_is_checked_there() {
    // R8.1-1: also so much of it that the buffer stays when the endpoint is released.
    let good = "grün, 😀 ".repeat(500).into_bytes();
    for role in ROLES {
        for step in [7, 100, 256, 257, 1300, 1301, 1302, 1303, 5_000] {
            for bad_at in [None, Some(0), Some(2_000), Some(4_097), Some(good.len() - 1)] {
                let mut text = good.clone();
                if let Some(at) = bad_at {
                    text[at] = 0xff;
                }
                // A message before it, so that it does not begin where the buffer does.
                let wire = frames(role, &[(0x82, b"before"), (0x81, &text)]);
                let head = wire.len() - text.len();
                let mut run = Run::new(endpoint(role));
                let mut buffers = Buffers::new();
                let mut at = 0;
                while at < wire.len() && run.error.is_none() {
                    let end = wire.len().min(at + step);
                    run.read(&wire[at..end], usize::MAX);
                    at = end;
                    buffers.take_back(&mut run.endpoint);
                    let waits = at < wire.len() && run.endpoint.connection().is_receiving();
                    if step > 1_200 {
                        assert_eq!(buffers.capacity() == 0, waits, "what waits stays");
                    }
                    buffers.lend_to(&mut run.endpoint);
                    if at < wire.len() {
                        run.poll();
                    }
                }
                match bad_at {
                    None => assert_eq!(
                        run.messages,
                        [Seen::binary(b"before"), Seen::text(str::from_utf8(&good).unwrap())]
                    ),
                    Some(bad_at) => {
                        assert_eq!(run.error, Some(ProtocolError::InvalidUtf8));
                        let seen = at - head;
                        assert!(
                            (bad_at + 1..bad_at + 1 + step).contains(&seen),
                            "{bad_at}: {seen}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn an_endpoint_says_at_the_end_of_the_stream_that_the_text_was_bad() {
    for role in ROLES {
        // The bad byte is among the last ones that came, or not: in reads of 1 to 20 bytes.
        for (b0, most) in [0x81, 0x01].into_iter().flat_map(|b0| (1..=20).map(move |it| (b0, it))) {
            let mut run = Run::new(endpoint(role));
            let wire = frames(role, &[(b0, b"\xff and more")]);
            run.read(&wire[..wire.len() - 1], most);
            assert_eq!(run.error, None);
            assert_eq!(run.endpoint.receive_eof(), Ok(()), "it failed before");
            run.poll();
            assert_eq!(run.error, Some(ProtocolError::InvalidUtf8));
        }
    }
}

#[test]
fn messages_are_judged_as_std_judges_them() {
    // R5.6-1: whole, in two fragments cut anywhere, and with an empty one at the end.
    for role in ROLES {
        for sample in SAMPLES {
            let expected = std::str::from_utf8(sample);
            for cut in 0..=sample.len() {
                let (a, b) = sample.split_at(cut);
                for list in [
                    vec![(0x81, *sample)],
                    vec![(0x01, a), (0x80, b)],
                    vec![(0x01, a), (0x00, b), (0x80, b"")],
                ] {
                    let peer = receive(role, &frames(role, &list));
                    match expected {
                        Ok(text) => assert_eq!(peer.seen, [Seen::text(text)]),
                        Err(_) => {
                            assert_eq!(peer.error, Some(ProtocolError::InvalidUtf8));
                            assert_eq!((peer.close_code(), peer.seen), (Some(1007), vec![]));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_character_cut_off_at_the_end_does_not_reach_into_the_next_message() {
    // H2: the validator starts anew with each message, also after one that was dropped by nothing.
    let list: [(u8, &[u8]); 4] =
        [(0x01, b"\xe2\x82"), (0x80, b"\xac"), (0x01, b"x"), (0x80, "ü".as_bytes())];
    for role in ROLES {
        let peer = receive(role, &frames(role, &list));
        assert_eq!(peer.seen, [Seen::text("€"), Seen::text("xü")]);
    }
}

#[test]
fn binary_is_not_judged() {
    // R5.6-2.
    for role in ROLES {
        for sample in SAMPLES {
            let peer = receive(role, &frames(role, &[(0x82, sample), (0x02, sample), (0x80, b"")]));
            assert_eq!(peer.seen, [Seen::binary(sample), Seen::binary(sample)]);
        }
    }
}

#[test]
fn all_sequences_of_up_to_three_bytes_are_judged_as_std_judges_them() {
    // R8.1-1, H4: all 16,777,216 of them.
    for a in 0..=255u8 {
        let prefix = [a];
        assert_eq!(pushed(&[&prefix]).is_ok(), std::str::from_utf8(&prefix).is_ok());
        for b in 0..=255u8 {
            let mut validator = Validator::default();
            let alive = validator.push(&[a]).is_ok() && validator.push(&[b]).is_ok();
            assert_eq!(alive, proven_bad(&[a, b]).is_none(), "{a:x} {b:x}");
            assert_eq!(pushed(&[&[a, b]]).is_ok(), std::str::from_utf8(&[a, b]).is_ok());
            for c in 0..=255u8 {
                let bytes = [a, b, c];
                let valid = std::str::from_utf8(&bytes).is_ok();
                assert_eq!(validate(&bytes).is_ok(), valid, "{bytes:x?}");
                if alive {
                    // The state after two bytes is known; go on from there.
                    let mut validator = validator;
                    let ok = validator.push(&[c]).is_ok() && validator.is_complete();
                    assert_eq!(ok, valid, "{bytes:x?} in three pieces");
                }
            }
        }
    }
}

#[test]
fn all_leads_of_four_bytes_are_judged_as_std_judges_them() {
    // R8.1-1, H4: each first and second byte, with the edges of what may follow.
    let edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    for a in 0xf0..=0xff {
        for b in 0..=255 {
            for c in edges {
                for d in edges {
                    let bytes = [a, b, c, d];
                    let valid = std::str::from_utf8(&bytes).is_ok();
                    assert_eq!(validate(&bytes).is_ok(), valid, "{bytes:x?}");
                    let pieces: [&[u8]; 4] = [&[a], &[b], &[c], &[d]];
                    assert_eq!(pushed(&pieces).is_ok(), valid, "{bytes:x?}");
                    assert_eq!(pushed(&[&[a, b], &[c, d]]).is_ok(), valid, "{bytes:x?}");
                    assert_eq!(pushed(&[&bytes]).is_ok(), valid, "{bytes:x?}");
                }
            }
        }
    }
}

#[test]
fn a_bad_byte_is_found_wherever_it_stands() {
    // The vector code works in blocks of 16 to 64 bytes.
    for len in [1usize, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300] {
        for at in 0..len {
            for bad in [b"\xff".as_slice(), b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf"] {
                let mut text = vec![b'a'; len];
                text.splice(at..at, bad.iter().copied());
                let valid = std::str::from_utf8(&text).is_ok();
                assert!(!valid && validate(&text).is_err() && pushed(&[&text]).is_err());
                let (a, b) = text.split_at(at + bad.len() / 2);
                assert!(pushed(&[a, b]).is_err());
            }
        }
    }
}

#[test]
fn one_byte_that_is_not_ascii_is_seen_in_text_of_every_length() {
    // Short text that is ASCII takes a way of its own, by words that overlap.
    for len in 0..140 {
        let text = vec![b'~'; len];
        assert_eq!(validate(&text).unwrap().as_bytes(), text);
        for at in 0..len {
            let mut text = text.clone();
            text[at] = 0x80;
            assert!(validate(&text).is_err(), "{at} of {len}");
            text[at] = 0x7f;
            assert!(validate(&text).is_ok(), "{at} of {len}");
            text.splice(at..=at, "ß".bytes());
            assert_eq!(validate(&text).unwrap(), std::str::from_utf8(&text).unwrap());
        }
    }
}

#[test]
fn a_finished_validator_is_ready_for_the_next_text() {
    let mut validator = Validator::default();
    validator.push(b"\xc3").unwrap();
    assert_eq!(validator.finish(), Err(InvalidUtf8));
    validator.push(b"\xc3").unwrap();
    validator.push(b"\xbc").unwrap();
    assert_eq!(validator.finish(), Ok(()));
}

#[test]
fn pieces_of_text_are_bytes_until_somebody_checks_them() {
    // The connection alone does not judge text; whoever takes its pieces does.
    let mut client = websocket_proto::Connection::client(&Config::default(), counting_keys);
    let mut bytes = frame(Role::Client, 0x81, b"\xff");
    let event = client.receive(&mut Input::new(&mut bytes)).unwrap();
    assert!(matches!(event, Some(Event::Data(piece)) if piece.payload == b"\xff"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_text_in_any_pieces_is_judged_as_std_judges_it(
        text in "\\PC{0,60}",
        hit in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        sizes in prop::collection::vec(1usize..9, 1..5),
    ) {
        let mut bytes = text.into_bytes();
        if let (Some((at, byte)), false) = (hit, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let valid = std::str::from_utf8(&bytes).is_ok();
        prop_assert_eq!(validate(&bytes).is_ok(), valid);
        let (mut rest, mut pieces) = (&bytes[..], Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*size));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(pushed(&pieces).is_ok(), valid);
    }
}

#[test]
fn bad_text_is_told_of_before_what_comes_behind_an_empty_fragment() {
    // R8.1-1, H3: the Ping that follows is not answered any more.
    for role in ROLES {
        for (empty, behind) in [(0x00, 0x89), (0x00, 0x88), (0x00, 0x81), (0x80, 0x89)] {
            let rest = frames(role, &[(empty, b""), (0x00, b""), (behind, &[0x03, 0xe8])]);
            let wire = [frame(role, 0x01, b"a\xff"), rest].concat();
            for (first, second) in
                (0..=wire.len()).flat_map(|it| (it..=wire.len()).map(move |to| (it, to)))
            {
                let mut run = Run::new(endpoint(role));
                for read in [&wire[..first], &wire[first..second], &wire[second..]] {
                    run.read(read, usize::MAX);
                }
                assert_eq!(run.error, Some(ProtocolError::InvalidUtf8), "{first} {second}");
                let sent = sent_by(role, &drain(&mut run.endpoint));
                assert_eq!(
                    (sent.len(), &sent[0].1[..2]),
                    (1, &b"\x03\xef"[..]),
                    "1007 and no more"
                );
            }
        }
    }
}

/// Every sample at the end of ASCII that makes it as long as `len`, and at its front.
fn short_texts(len: usize) -> impl Iterator<Item = Vec<u8>> {
    let samples = SAMPLES.iter().filter(move |sample| sample.len() <= len);
    samples.flat_map(move |&sample| {
        let rest = vec![b'a'; len - sample.len()];
        [[&rest[..], sample].concat(), [sample, &rest[..]].concat()]
    })
}

#[test]
fn short_text_is_judged_as_std_judges_it_wherever_it_lies() {
    // R5.6-1: checked among what is in the buffer beside it, which must come out as it was.
    let lens = (0..=66).filter(|len| len % 8 < 2 || *len > 61);
    for (role, len) in lens.flat_map(|len| ROLES.map(|role| (role, len))) {
        let other = vec![0xa5; len];
        let before = frame(role, 0x82, &other);
        let behind = frames(role, &[(0x81, "nächste".as_bytes()), (0x82, &other)]);
        for text in short_texts(len) {
            let valid = std::str::from_utf8(&text);
            let (first, second) = text.split_at(len / 3);
            for message in [
                frame(role, 0x81, &text),
                frames(role, &[(0x01, first), (0x80, second)]),
                frames(role, &[(0x01, first), (0x89, b"?"), (0x80, second)]),
            ] {
                for (has_before, has_behind) in
                    [(false, false), (false, true), (true, true), (true, false)]
                {
                    let before = if has_before { &before[..] } else { &[] };
                    let behind = if has_behind { &behind[..] } else { &[] };
                    let mut run = Run::new(endpoint(role));
                    run.read(&[before, &message, behind].concat(), usize::MAX);
                    let mut expected = Vec::new();
                    if has_before {
                        expected.push(Seen::Binary(other.clone()));
                    }
                    if let Ok(text) = valid {
                        expected.push(Seen::text(text));
                        if has_behind {
                            expected.extend([Seen::text("nächste"), Seen::Binary(other.clone())]);
                        }
                    }
                    assert_eq!(run.error.is_some(), valid.is_err(), "{role:?} {text:x?}");
                    assert_eq!(run.messages, expected, "{role:?} {text:x?}");
                }
            }
        }
    }
}

#[test]
fn text_of_any_length_beside_anything_is_lent_and_checked() {
    // As server it is unmasked together with zeros, in place of what came before, or behind it if
    // nothing more was read.
    let source = "grün, 😀 ".repeat(100);
    for role in ROLES {
        for (before, is_last) in [0, 1, 20, 57, 58, 63, 64, 200]
            .into_iter()
            .flat_map(|before| [(before, false), (before, true)])
        {
            for len in (0..200).chain([254, 255, 256, 320, 511, 512, 700, 1023, 1024, 1025]) {
                // As many characters as fit, and the rest in ASCII.
                let good = (0..=len).rev().find_map(|end| source.get(..end)).unwrap();
                let good = good.to_owned() + &"x".repeat(len - good.len());
                let bads = [None, Some(0), Some(len / 2), len.checked_sub(1)];
                for bad in if len == 0 { &bads[..1] } else { &bads[..] } {
                    let mut torn = good.clone().into_bytes();
                    if let Some(at) = bad {
                        // The beginning of a character that ends with the text, or not at all.
                        torn[*at] = 0xe2;
                    }
                    let first = vec![7; before];
                    let sent = [(0x82, &first[..]), (0x81, &torn)];
                    let sent = if before == 0 { &sent[1..] } else { &sent[..] };
                    let (mut wire, next) = (frames(role, sent), frame(role, 0x81, b"next"));
                    if !is_last {
                        wire.extend_from_slice(&next);
                    }
                    let mut run = Run::new(endpoint(role));
                    run.read(&wire, usize::MAX);
                    let mut expected = vec![Seen::binary(&first); usize::from(before > 0)];
                    if bad.is_some() {
                        assert_eq!(run.messages, expected, "{len} bytes, {bad:?} behind {before}");
                        assert_eq!(run.error, Some(ProtocolError::InvalidUtf8));
                        continue;
                    }
                    if is_last {
                        run.read(&next, usize::MAX);
                    }
                    expected.extend([Seen::text(&good), Seen::text("next")]);
                    assert_eq!(run.messages, expected, "{len} behind {before}");
                }
            }
        }
    }
}

#[test]
fn text_that_was_found_outlives_what_is_pushed_behind_it() {
    let text = "grün, 😀 ".repeat(9);
    for role in ROLES {
        for (before, is_pushed) in [(1000, true), (1000, false), (0, true), (0, false)] {
            let first = vec![7; before];
            let sent = [(0x82, &first[..]), (0x81, text.as_bytes())];
            let wire = frames(role, &sent[usize::from(before == 0)..]);
            let mut endpoint = endpoint(role);
            if is_pushed {
                endpoint.push_input(&wire);
            } else {
                read_some(&mut endpoint, &mut &wire[..], usize::MAX);
            }
            if before > 0 {
                assert!(endpoint.next().unwrap().is_some());
            }
            assert_eq!(endpoint.poll().unwrap(), Status::Message);
            endpoint.push_input(&frame(role, 0x81, b"next"));
            assert_eq!(endpoint.received().unwrap().message.as_text(), Some(&text[..]));
            assert_eq!(endpoint.next().unwrap().unwrap().message.as_text(), Some("next"));
        }
    }
}
