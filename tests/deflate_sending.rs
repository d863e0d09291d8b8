//! Sending with permessage-deflate (RFC 7692 §6.1, §7.2.1): what goes out, judged by an inflater of
//! the tests' own, and both ends against each other.
#![allow(clippy::unwrap_used)]

mod common;

use common::inflate::{Puff, TAIL, inflate};
use common::*;
use proptest::prelude::*;
use websocket_proto::connection::{Fragment, Role};
use websocket_proto::deflate::{Compression, Config, Pool};
use websocket_proto::endpoint::{self, Endpoint};
use websocket_proto::{Connection, Message, Outbound, OwnedMessage, PreparedMessage, SendError};

const NO_TAKEOVER: &str = "; server_no_context_takeover; client_no_context_takeover";

fn always<'m>(message: impl Into<Message<'m>>) -> Outbound<'m> {
    Outbound::from(message.into()).compression(Compression::Always)
}

fn never<'m>(message: impl Into<Message<'m>>) -> Outbound<'m> {
    Outbound::from(message.into()).compression(Compression::Never)
}

fn open(role: Role, parameters: &str) -> Endpoint {
    deflating(role, parameters, &Config::default())
}

/// What has been sent since the last time.
fn sent(role: Role, endpoint: &mut Endpoint) -> Vec<(u8, Vec<u8>)> {
    sent_by(role, &drain(endpoint))
}

/// The only frame that has been sent.
#[track_caller]
fn one(role: Role, endpoint: &mut Endpoint) -> (u8, Vec<u8>) {
    let mut frames = sent(role, endpoint);
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

/// Bytes that look like those of an application: records that repeat each other at all distances.
fn records(len: usize, seed: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = seed;
    while out.len() < len {
        i = i.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, price) = (i >> 33 & 0x3f, i >> 40 & 0xffff);
        out.extend(format!("{{\"id\":{id},\"price\":{price},\"side\":\"buy\"}}\n").bytes());
    }
    out.truncate(len);
    out
}

/// Bytes that do not shrink.
fn noise(len: usize) -> Vec<u8> {
    (0..u64::try_from(len).unwrap())
        .map(|i| u8::try_from((i + 7).wrapping_pow(3).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56))
        .collect::<Result<_, _>>()
        .unwrap()
}

// ---- what a message becomes -----------------------------------------------------------------------

#[test]
fn a_compressed_message_is_one_frame_with_rsv1_that_decompresses() {
    // D6.1-1, D6.1-5, D7.2.1-1, D7.2.3-1: the first "Hello" is V-D1 at every level.
    for role in ROLES {
        for level in 1..=9 {
            let mut config = Config::default();
            config.level = level;
            let mut endpoint = deflating(role, "", &config);
            let mut puff = Puff::default();
            endpoint.send(always("Hello")).unwrap();
            let (b0, payload) = one(role, &mut endpoint);
            assert_eq!((b0, &payload[..]), (0xc1, &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..]));
            assert_eq!(puff.message(&payload).unwrap().output, b"Hello");
            endpoint.send(always("Hello")).unwrap();
            let (b0, payload) = one(role, &mut endpoint);
            assert_eq!(
                (b0, payload.len()),
                (0xc1, if level == 1 { 4 } else { 5 }),
                "level {level}"
            );
            assert_eq!(puff.message(&payload).unwrap().output, b"Hello");
            assert!(puff.largest() > 0, "D7.2.1-10, D7.2.1-13: it refers to the first");
            endpoint.send(always(b"Hello")).unwrap();
            assert_eq!(one(role, &mut endpoint).0, 0xc2);
        }
    }
}

#[test]
fn the_window_of_the_compressor_keeps_to_what_was_agreed_on() {
    // D7.2.1-8, D7.2.1-14, D7.2.1-16, D7.2.2-11, D-P-5, N-12, J3; finding 3 on the back end.
    for bits in 8..=15u8 {
        let window = 1usize << bits;
        for (level, mem_level) in
            [(1, 8), (2, 1), (3, 9), (4, 8), (5, 4), (6, 8), (7, 8), (8, 1), (9, 9)]
        {
            for (role, own) in [(Role::Server, "server"), (Role::Client, "client")] {
                for takeover in [true, false] {
                    let mut config = Config::default();
                    (config.level, config.mem_level) = (level, mem_level);
                    let forget = if takeover { "" } else { NO_TAKEOVER };
                    let parameters = format!("{forget}; {own}_max_window_bits={bits}");
                    let mut endpoint = deflating(role, &parameters, &config);
                    let mut puff = Puff::default();
                    for (i, len) in [3 * window / 4, 100, 2 * window, window, 65].iter().enumerate()
                    {
                        let message = records(*len, i % 2);
                        endpoint.send(always(&message)).unwrap();
                        let (b0, payload) = one(role, &mut endpoint);
                        if !takeover {
                            // D7.2.1-9, D7.2.1-12.
                            puff.forget();
                        }
                        let inflated = puff.message(&payload).unwrap();
                        assert_eq!(b0, 0xc2);
                        assert!(inflated.output == message, "{parameters}, level {level}");
                    }
                    let far = puff.largest();
                    assert!(0 < far && far <= window, "{far} with {bits} bits, level {level}");
                    // The back end stays 262 bytes below its window, which is one of 9 bits for 8.
                    let of_encoder = window.max(512) - 262;
                    assert!(far <= of_encoder, "{far} with {bits} bits, level {level}");
                }
            }
        }
    }
}

#[test]
fn the_settings_of_this_end_may_ask_for_less_than_was_agreed_on() {
    // D7.2.1-11, D7.2.1-15.
    for role in ROLES {
        let mut config = Config::default();
        (config.server_max_window_bits, config.client_max_window_bits) = (9, 9);
        (config.server_no_context_takeover, config.client_no_context_takeover) = (true, true);
        let mut endpoint = deflating(role, "", &config);
        for i in 0..2 {
            endpoint.send(always(&records(3_000, i))).unwrap();
            let inflated = inflate(&one(role, &mut endpoint).1).unwrap();
            assert!(inflated.distance <= 512 && inflated.output == records(3_000, i));
        }
    }
}

#[test]
fn without_takeover_each_message_decompresses_alone() {
    // D7.2.1-9, D7.2.1-12, D7.1.1.1-2, D7-9: and the parameter of the other end does not count.
    for (role, own, others) in
        [(Role::Server, "server", "client"), (Role::Client, "client", "server")]
    {
        let mut endpoint = open(role, &format!("; {own}_no_context_takeover"));
        for _ in 0..3 {
            endpoint.send(always("Hello, Hello")).unwrap();
            assert_eq!(inflate(&one(role, &mut endpoint).1).unwrap().output, b"Hello, Hello");
        }
        let mut endpoint = open(role, &format!("; {others}_no_context_takeover"));
        endpoint.send(always("Hello, Hello")).unwrap();
        endpoint.send(always("Hello, Hello")).unwrap();
        let second = sent(role, &mut endpoint).remove(1).1;
        assert_eq!(inflate(&second), Err("too far back"));
    }
}

#[test]
fn an_empty_message_is_the_octet_zero_every_time() {
    // V-D6, D7.2.3-3, D-P-4; finding 4 on the back end.
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let mut endpoint = open(role, parameters);
            for text in ["", "", "Hello", "", ""] {
                endpoint.send(always(text)).unwrap();
                let (b0, payload) = one(role, &mut endpoint);
                assert_eq!(b0, 0xc1);
                assert_eq!(payload == [0], text.is_empty());
            }
            endpoint.send("").unwrap();
            assert_eq!(one(role, &mut endpoint), (0x81, vec![]), "not worth it");
        }
    }
}

#[test]
fn lengths_at_which_the_header_grows_are_right() {
    // The header is made once the payload is there: both sides of 126 and of 65,536 bytes.
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let mut endpoint = open(role, parameters);
            let mut puff = Puff::default();
            let noise = noise(140_000);
            for len in (1..140).chain([480, 504, 600, 65_500, 65_520, 65_530, 65_536, 131_000]) {
                for message in [&noise[..len], &records(len, 1), &vec![0; len]] {
                    endpoint.send(always(message)).unwrap();
                    let (b0, payload) = one(role, &mut endpoint);
                    if !parameters.is_empty() {
                        puff.forget();
                    }
                    assert_eq!(b0, 0xc2);
                    assert!(puff.message(&payload).unwrap().output == message, "{len}");
                }
            }
        }
    }
}

#[test]
fn a_flush_that_just_fills_the_room_is_whole() {
    // The back end may then write its marker twice, which is allowed and must not be torn.
    for role in ROLES {
        let mut endpoint = open(role, "");
        let mut puff = Puff::default();
        let noise = noise(5_000);
        for len in 400..700 {
            endpoint.send(always(&noise[..len])).unwrap();
            let payload = one(role, &mut endpoint).1;
            assert!(puff.message(&payload).unwrap().output == noise[..len], "{len}");
            endpoint.send(always(&noise[len..2 * len])).unwrap();
            let payload = one(role, &mut endpoint).1;
            assert!(puff.message(&payload).unwrap().output == noise[len..2 * len], "{len}");
        }
    }
}

// ---- whether a message is compressed --------------------------------------------------------------

#[test]
fn the_threshold_and_the_message_decide_what_is_compressed() {
    // D6.1-2, D8-1: one that says never is never.
    for role in ROLES {
        let mut config = Config::default();
        for threshold in [0, 64, 1_000] {
            config.threshold = threshold;
            let mut endpoint = deflating(role, NO_TAKEOVER, &config);
            for len in [1usize, 63, 64, 999, 1_000, 5_000] {
                let message = vec![b'a'; len];
                let kinds: [(Outbound<'_>, bool); 3] = [
                    ((&message).into(), len >= threshold && len > 4),
                    (always(&message), true),
                    (never(&message), false),
                ];
                for (outbound, compressed) in kinds {
                    endpoint.send(outbound).unwrap();
                    let (b0, payload) = one(role, &mut endpoint);
                    assert_eq!(b0, if compressed { 0xc2 } else { 0x82 }, "{len} of {threshold}");
                    assert_eq!(payload == message, !compressed);
                }
                endpoint.send_owned(message).unwrap();
                let b0 = sent(role, &mut endpoint)[0].0;
                assert_eq!(b0 == 0xc2, len >= threshold && len > 4);
            }
        }
    }
}

#[test]
fn a_message_that_does_not_shrink_goes_out_as_it_is() {
    // Without takeover always; with it if it is large, and both windows stay in step.
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let (mut endpoint, mut peer) =
                (open(role, parameters), Run::new(open(other(role), parameters)));
            let noise = noise(50_000);
            let text = records(2_000, 3);
            for message in [&text[..], &noise, &text, &noise[..200], &text, &noise[..4_096], &text]
            {
                endpoint.send(message).unwrap();
                let wire = drain(&mut endpoint);
                let (b0, payload) = sent_by(role, &wire).remove(0);
                let small_with_takeover = parameters.is_empty() && message.len() < 4_096;
                let shrinks = message[0] == b'{';
                assert_eq!(b0 == 0xc2, shrinks || small_with_takeover);
                assert!(payload.len() <= message.len() + 16);
                peer.read(&wire, 5_000);
                assert_eq!(peer.messages.last(), Some(&Seen::binary(message)));
            }
        }
    }
}

#[test]
fn plain_messages_in_between_leave_the_window_alone() {
    // D6-3, D7.2.3-2.
    for role in ROLES {
        let mut endpoint = open(role, "");
        let mut puff = Puff::default();
        for _ in 0..3 {
            endpoint.send(always("Hello, Hello")).unwrap();
            assert_eq!(puff.message(&one(role, &mut endpoint).1).unwrap().output, b"Hello, Hello");
            endpoint.send(never("something else entirely")).unwrap();
            endpoint.ping(b"ping").unwrap();
            endpoint.send_part(never("in "), Fragment::More).unwrap();
            endpoint.send_part("parts", Fragment::Last).unwrap();
            let plain = sent(role, &mut endpoint);
            assert_eq!(plain.iter().map(|it| it.0).collect::<Vec<_>>(), [0x81, 0x89, 0x01, 0x80]);
        }
        assert!(puff.largest() >= 12);
    }
}

// ---- in parts -------------------------------------------------------------------------------------

#[test]
fn parts_are_flushed_and_only_the_last_loses_its_tail() {
    // D7.2.1-6, D7.2.1-7, D6.1-3: each part decompresses as it comes.
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let mut endpoint = open(role, parameters);
            let mut puff = Puff::default();
            for _ in 0..2 {
                for (part, fragment) in [
                    ("Hello, ", Fragment::More),
                    ("Hello, ", Fragment::More),
                    ("Hello", Fragment::Last),
                ] {
                    endpoint.send_part(part, fragment).unwrap();
                }
                let frames = sent(role, &mut endpoint);
                assert_eq!(frames.iter().map(|it| it.0).collect::<Vec<_>>(), [0x41, 0x00, 0x80]);
                assert!(frames[..2].iter().all(|(_, part)| part.ends_with(&TAIL)));
                assert!(!frames[2].1.ends_with(&TAIL));
                let whole: Vec<u8> = frames.into_iter().flat_map(|it| it.1).collect();
                if !parameters.is_empty() {
                    puff.forget();
                }
                assert_eq!(puff.message(&whole).unwrap().output, b"Hello, Hello, Hello");
            }
        }
    }
}

#[test]
fn empty_parts_are_allowed_anywhere() {
    // D7.2.3-3: an empty last part is the octet 00.
    let lists: [&[&str]; 7] =
        [&["", ""], &["", "", ""], &["a", ""], &["", "a"], &["a", "", "b"], &["a", "", ""], &[""]];
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let mut endpoint = open(role, parameters);
            let mut peer = Run::new(open(other(role), parameters));
            let mut expected = Vec::new();
            for list in lists.into_iter().chain(lists) {
                for (i, part) in list.iter().enumerate() {
                    let last = i + 1 == list.len();
                    let fragment = if last { Fragment::Last } else { Fragment::More };
                    endpoint.send_part(*part, fragment).unwrap();
                    let wire = drain(&mut endpoint);
                    let (_, payload) = sent_by(role, &wire).remove(0);
                    if last && part.is_empty() && list.len() > 1 {
                        assert_eq!(payload, [0]);
                    }
                    peer.read(&wire, 3);
                }
                expected.push(Seen::text(&list.concat()));
                assert_eq!((&peer.messages, peer.error), (&expected, None));
            }
        }
    }
}

#[test]
fn the_first_part_decides_for_all() {
    use Compression::{Always, Auto, Never};
    for role in ROLES {
        for first in [Auto, Always, Never] {
            for second in [Auto, Always, Never] {
                let mut endpoint = open(role, "");
                let part = |text| Outbound::from(text);
                endpoint.send_part(part("one").compression(first), Fragment::More).unwrap();
                endpoint.send_part(part("two").compression(second), Fragment::More).unwrap();
                endpoint.send_part(part("three").compression(second), Fragment::Last).unwrap();
                let frames = sent(role, &mut endpoint);
                assert_eq!(frames[0].0, if first == Never { 0x01 } else { 0x41 });
                assert_eq!((frames[1].0, frames[2].0), (0x00, 0x80));
                let whole: Vec<u8> = frames.into_iter().flat_map(|it| it.1).collect();
                if first == Never {
                    assert_eq!(whole, b"onetwothree");
                } else {
                    assert_eq!(inflate(&whole).unwrap().output, b"onetwothree");
                }
                // The next message decides for itself.
                endpoint.send_part(never("plain"), Fragment::Last).unwrap();
                assert_eq!(one(role, &mut endpoint).0, 0x81);
            }
        }
    }
}

// ---- prepared messages ----------------------------------------------------------------------------

#[test]
fn a_prepared_message_goes_to_connections_with_any_parameters() {
    // Compressed once for each window, and the connection stays in step with its peer.
    let text = String::from_utf8(records(20_000, 5)).unwrap();
    let small = "a small message, a small message, a small message, a small message, a small one";
    for payload in [&text[..], small] {
        let prepared = PreparedMessage::new(payload);
        for role in ROLES {
            for bits in [8usize, 9, 11, 15] {
                for takeover in ["", NO_TAKEOVER] {
                    let windows =
                        format!("; server_max_window_bits={bits}; client_max_window_bits={bits}");
                    let parameters = format!("{takeover}{windows}");
                    let mut endpoint = open(role, &parameters);
                    let mut peer = Run::new(open(other(role), &parameters));
                    let mut count = 0;
                    for _ in 0..3 {
                        endpoint.send(&text).unwrap();
                        peer.read(&drain(&mut endpoint), 10_000);
                        endpoint.send(&prepared).unwrap();
                        let wire = drain(&mut endpoint);
                        let (b0, frame) = sent_by(role, &wire).remove(0);
                        let inflated = inflate(&frame).unwrap();
                        assert_eq!((b0, &inflated.output[..]), (0xc1, payload.as_bytes()));
                        assert!(inflated.distance <= 1 << bits);
                        peer.read(&wire, 10_000);
                        endpoint.send(&text).unwrap();
                        endpoint
                            .send(Outbound::from(&prepared).compression(Compression::Never))
                            .unwrap();
                        endpoint.send(&text).unwrap();
                        peer.read(&drain(&mut endpoint), 10_000);
                        count += 5;
                        assert_eq!(
                            (peer.messages.len(), peer.error),
                            (count, None),
                            "{parameters}"
                        );
                        assert_eq!(peer.messages.last(), Some(&Seen::text(&text)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_prepared_message_that_does_not_shrink_goes_out_as_it_is() {
    let noise = noise(10_000);
    let prepared = PreparedMessage::new(&noise);
    for role in ROLES {
        for parameters in ["", NO_TAKEOVER] {
            let mut endpoint = open(role, parameters);
            endpoint.send(&prepared).unwrap();
            assert_eq!(one(role, &mut endpoint), (0x82, noise.clone()));
            endpoint.send(Outbound::from(&prepared).compression(Compression::Always)).unwrap();
            let (b0, payload) = one(role, &mut endpoint);
            assert_eq!((b0, inflate(&payload).unwrap().output == noise), (0xc2, true));
            let small = PreparedMessage::new("small");
            endpoint.send(&small).unwrap();
            assert_eq!(one(role, &mut endpoint), (0x81, b"small".to_vec()), "threshold");
        }
    }
}

// ---- what cannot be sent --------------------------------------------------------------------------

#[test]
fn what_is_not_sent_is_not_in_the_window() {
    // Full, unfinished, without a key, closed: whole messages, parts and prepared ones.
    let text = records(300, 9);
    let prepared = PreparedMessage::new(&text);
    for role in ROLES {
        let mut config = endpoint::Config::default();
        config.high_watermark = 0;
        config.deflate = Some(Config::default());
        let connection: Connection = connection(role, &config.connection);
        let mut endpoint = Endpoint::with_deflate(connection, &config, params(""));
        let mut puff = Puff::default();
        let check = |endpoint: &mut Endpoint, puff: &mut Puff| {
            let frames = sent(role, endpoint);
            let whole: Vec<u8> = frames.into_iter().flat_map(|it| it.1).collect();
            assert!(puff.message(&whole).unwrap().output == text);
        };
        let refuses = |endpoint: &mut Endpoint, error: SendError| {
            for i in 0..2 {
                assert_eq!(endpoint.send(always(&records(200, i))), Err(error));
                assert_eq!(endpoint.send(Outbound::from(&prepared)), Err(error));
                assert_eq!(
                    endpoint.send_owned(records(6_000, i)).map_err(|it| it.error),
                    Err(error)
                );
                let part = String::from_utf8(records(200, i)).unwrap();
                assert_eq!(endpoint.send_part(&part, Fragment::Last), Err(error));
            }
        };
        endpoint.send(always(&text)).unwrap();
        let queued = endpoint.queued();
        refuses(&mut endpoint, SendError::Full { queued });
        check(&mut endpoint, &mut puff);
        if role == Role::Client {
            set_dry(true);
            refuses(&mut endpoint, SendError::NoEntropy);
            set_dry(false);
            assert_eq!(endpoint.queued(), 0);
        }
        endpoint.send(always(&text)).unwrap();
        check(&mut endpoint, &mut puff);
        endpoint.send_part(&text[..100], Fragment::More).unwrap();
        let mut first = sent(role, &mut endpoint).remove(0).1;
        refuses(&mut endpoint, SendError::UnfinishedMessage);
        endpoint.send_part(&text[100..], Fragment::Last).unwrap();
        first.extend(sent(role, &mut endpoint).remove(0).1);
        assert!(puff.message(&first).unwrap().output == text);
        endpoint.send(always(&text)).unwrap();
        check(&mut endpoint, &mut puff);
    }
}

// ---- contexts -------------------------------------------------------------------------------------

#[test]
fn compressors_come_from_the_pool_and_go_back() {
    // J7: made on first use, given back behind each message without takeover, and by the drop in
    // any case. That `release` is called is not needed.
    for role in ROLES {
        let mut config = Config::default();
        config.pool = Pool::new(2);
        let mut endpoint = deflating(role, NO_TAKEOVER, &config);
        endpoint.send(never("x")).unwrap();
        endpoint.send("below the threshold").unwrap();
        assert_eq!(config.pool.idle(), (0, 0), "nothing was needed");
        endpoint.send(always("x")).unwrap();
        assert_eq!(config.pool.idle(), (1, 0));
        endpoint.send_part("part", Fragment::More).unwrap();
        endpoint.release();
        assert_eq!(config.pool.idle(), (0, 0), "a message is under way");
        endpoint.send_part("part", Fragment::Last).unwrap();
        assert_eq!(config.pool.idle(), (1, 0));
        endpoint.send(&noise(100)).unwrap();
        assert_eq!(config.pool.idle(), (1, 0), "behind a message that goes out as it is");
        // With takeover it stays until the end.
        let mut keeping = deflating(role, "", &config);
        keeping.send(always("x")).unwrap();
        keeping.release();
        assert_eq!(config.pool.idle(), (0, 0));
        drop(keeping);
        assert_eq!(config.pool.idle(), (1, 0));
        // One that was dropped inside a message begins anew for the next.
        let mut torn = deflating(role, "", &config);
        torn.send_part("in the middle", Fragment::More).unwrap();
        drop(torn);
        drain(&mut endpoint);
        endpoint.send(always("in the middle")).unwrap();
        let inflated = inflate(&one(role, &mut endpoint).1).unwrap();
        assert_eq!(inflated.output, b"in the middle");
        // No more are kept than the pool was made for.
        let mut many: Vec<_> = (0..4).map(|_| deflating(role, "", &config)).collect();
        many.iter_mut().for_each(|it| it.send(always("x")).unwrap());
        drop(many);
        assert_eq!(config.pool.idle().0, 2);
        config.pool.clear();
        assert_eq!(config.pool.idle(), (0, 0));
    }
}

#[test]
fn a_compressor_goes_back_when_its_window_was_emptied() {
    // With takeover too: behind a prepared message, and behind a large one that did not shrink.
    let text = records(5_000, 1);
    let prepared = PreparedMessage::new(&text);
    open(Role::Server, "").send(&prepared).unwrap(); // Compressed apart, so that it is there.
    let noise = noise(10_000);
    for role in ROLES {
        for empties in [Outbound::from(&prepared), (&noise).into()] {
            let config = Config::default();
            let mut endpoint = deflating(role, "", &config);
            let mut peer = Run::new(open(other(role), ""));
            for _ in 0..2 {
                endpoint.send(&text).unwrap();
                let before = config.pool.idle().0;
                endpoint.send(empties).unwrap();
                endpoint.release();
                assert_eq!((before, config.pool.idle().0), (0, 1));
            }
            endpoint.send(&text).unwrap();
            peer.read(&drain(&mut endpoint), 10_000);
            assert_eq!((peer.messages.len(), peer.error), (5, None));
            assert_eq!(peer.messages[4], Seen::binary(&text));
        }
    }
}

/// An endpoint that is in the middle of a message, and so has a compressor.
fn busy(role: Role, bits: u8, config: &Config) -> Endpoint {
    let windows = format!("; server_max_window_bits={bits}; client_max_window_bits={bits}");
    let mut endpoint = deflating(role, &windows, config);
    endpoint.send_part("part", Fragment::More).unwrap();
    endpoint
}

#[test]
fn idle_compressors_of_one_window_do_not_keep_out_those_of_another() {
    // Which windows there are is for peers to choose.
    for role in ROLES {
        let mut config = Config::default();
        config.pool = Pool::new(4);
        let small: Vec<_> = (0..8).map(|_| busy(role, 9, &config)).collect();
        drop(small);
        assert_eq!(config.pool.idle().0, 4);
        // Two with the largest window take the places of two of them.
        let large: Vec<_> = (0..2).map(|_| busy(role, 15, &config)).collect();
        assert_eq!(config.pool.idle().0, 4, "none that fits");
        drop(large);
        assert_eq!(config.pool.idle().0, 4);
        let all = [15, 15, 9, 9].map(|bits| busy(role, bits, &config));
        assert_eq!(config.pool.idle().0, 0, "there were two of each");
        drop(all);
        drop([12, 12].map(|bits| busy(role, bits, &config)));
        let all = [9, 9, 12, 12].map(|bits| busy(role, bits, &config));
        assert_eq!(config.pool.idle().0, 0, "those that came back first have made way");
        drop(all);
    }
}

#[test]
fn windows_of_8_and_9_bits_have_the_same_compressors() {
    // The back end has none of 8 bits, and its 9 bits are enough of both.
    for role in ROLES {
        let config = Config::default();
        for bits in [8, 9, 8] {
            drop(busy(role, bits, &config));
            assert_eq!(config.pool.idle().0, 1, "{bits}");
        }
    }
}

// ---- both ends ------------------------------------------------------------------------------------

/// How a message of the property below is sent.
#[derive(Clone, Debug)]
enum How {
    Whole(Compression),
    Owned,
    Prepared(Compression),
    Parts(Compression, Vec<usize>),
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::Auto), Just(Compression::Always), Just(Compression::Never)]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        compression().prop_map(How::Whole),
        Just(How::Owned),
        compression().prop_map(How::Prepared),
        (compression(), proptest::collection::vec(0..3_000usize, 0..5))
            .prop_map(|(compression, sizes)| How::Parts(compression, sizes)),
    ]
}

fn message() -> impl Strategy<Value = OwnedMessage> {
    let text = prop_oneof![
        ".{0,200}",
        (0..9_000usize, 0..9usize)
            .prop_map(|(len, seed)| { String::from_utf8(records(len, seed)).unwrap() }),
        (0..700usize).prop_map(|count| "ä€😀".repeat(count)),
    ];
    prop_oneof![
        text.prop_map(OwnedMessage::from),
        proptest::collection::vec(any::<u8>(), 0..9_000).prop_map(OwnedMessage::from),
        (0..70_000usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len].into()),
    ]
}

fn send_as(endpoint: &mut Endpoint, message: &OwnedMessage, how: &How) {
    match how {
        How::Whole(compression) => {
            endpoint.send(Outbound::from(message).compression(*compression)).unwrap();
        }
        How::Owned => endpoint.send_owned(message.clone()).unwrap(),
        How::Prepared(compression) => {
            let prepared = PreparedMessage::new(message);
            endpoint.send(Outbound::from(&prepared).compression(*compression)).unwrap();
        }
        How::Parts(compression, sizes) => {
            let len = message.as_bytes().len();
            let mut at = 0;
            for i in 0..=sizes.len() {
                let last = i == sizes.len();
                let mut end = if last { len } else { len.min(at + sizes[i]) };
                let part = match message {
                    OwnedMessage::Text(text) => {
                        while !text.is_char_boundary(end) {
                            end += 1;
                        }
                        Message::Text(&text[at..end])
                    }
                    OwnedMessage::Binary(bytes) => Message::Binary(&bytes[at..end]),
                };
                at = end;
                let fragment = if last { Fragment::Last } else { Fragment::More };
                let part = Outbound::from(part).compression(*compression);
                endpoint.send_part(part, fragment).unwrap();
                if !last {
                    endpoint.ping(b"between").unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_sent_arrives(
        messages in proptest::collection::vec((message(), how(), any::<bool>()), 1..8),
        (server, client) in (8..=15u8, 8..=15u8),
        (forgets_server, forgets_client) in (any::<bool>(), any::<bool>()),
        (level, mem_level) in (1..=9u8, 1..=9u8),
        (reads, read_buffer) in (1..5_000usize, 1..20_000usize),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
    ) {
        let mut parameters = format!(
            "; server_max_window_bits={server}; client_max_window_bits={client}"
        );
        if forgets_server {
            parameters.push_str("; server_no_context_takeover");
        }
        if forgets_client {
            parameters.push_str("; client_no_context_takeover");
        }
        let mut config = Config::default();
        (config.level, config.mem_level) = (level, mem_level);
        let mut sender = deflating(role, &parameters, &config);
        let mut of_receiver = endpoint::Config::default();
        of_receiver.read_buffer = read_buffer;
        of_receiver.deflate = Some(config);
        let connection = connection(other(role), &of_receiver.connection);
        let receiver = Endpoint::with_deflate(connection, &of_receiver, params(&parameters));
        let mut receiver = Run::new(receiver);
        for (message, how, release) in &messages {
            send_as(&mut sender, message, how);
            receiver.read(&drain(&mut sender), reads);
            if *release {
                sender.release();
                receiver.endpoint.release();
            }
            receiver.endpoint.advance_write(receiver.endpoint.queued());
        }
        prop_assert_eq!(receiver.error, None);
        let expected: Vec<_> =
            messages.iter().map(|(message, ..)| Seen::from(message.as_message())).collect();
        prop_assert!(receiver.messages == expected);
    }
}
