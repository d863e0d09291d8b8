//! Sending (RFC 6455 §6.1): known bytes, fragments, and what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::{Bytes, BytesMut};
use common::*;
use websocket_proto::connection::{Config, Connection, Fragment, Role};
use websocket_proto::{Kind, Message, OwnedMessage, SendError, Text};

fn sent(role: Role, send: impl FnOnce(&mut Connection, &mut Vec<u8>)) -> Vec<u8> {
    let (mut connection, mut out) = (open(role), Vec::new());
    send(&mut connection, &mut out);
    out
}

#[test]
fn the_vectors_of_the_rfc_are_what_a_server_sends() {
    // R5.7-1, R6.1-4, R6.1-6, R6.1-7: V-F1, V-F3, V-F4, V-F6, V-F7.
    let out = sent(Role::Server, |server, out| server.send("Hello", out).unwrap());
    assert_eq!(out, b"\x81\x05\x48\x65\x6c\x6c\x6f");
    let out = sent(Role::Server, |server, out| {
        server.send_part("Hel", Fragment::More, out).unwrap();
        server.send_part("lo", Fragment::Last, out).unwrap();
    });
    assert_eq!(out, b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f");
    let out =
        sent(Role::Server, |server, out| out.extend_from_slice(&server.ping(b"Hello").unwrap()));
    assert_eq!(out, b"\x89\x05\x48\x65\x6c\x6c\x6f");
    let bytes: Vec<u8> = (0..=255).collect();
    let out = sent(Role::Server, |server, out| server.send(&bytes, out).unwrap());
    assert_eq!(out, [b"\x82\x7e\x01\x00", &bytes[..]].concat());
    let bytes = bytes.repeat(256);
    let out = sent(Role::Server, |server, out| server.send(&bytes, out).unwrap());
    assert_eq!(out, [b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", &bytes[..]].concat());
}

#[test]
fn the_vectors_of_the_rfc_are_what_a_client_with_that_key_sends() {
    // V-F2, V-F5.
    fn rfc(bytes: &mut [u8]) -> Result<(), websocket_proto::connection::NoEntropy> {
        bytes.copy_from_slice(&KEY);
        Ok(())
    }
    let (mut client, mut out) = (Connection::client(&Config::default(), rfc), Vec::new());
    client.send("Hello", &mut out).unwrap();
    assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    let pong = client.pong(b"Hello").unwrap();
    assert_eq!(&*pong, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

#[test]
fn every_length_is_sent_in_its_shortest_form() {
    // R5.2-9.
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
            let out = sent(role, |connection, out| connection.send(&payload, out).unwrap());
            assert_eq!(sent_by(role, &out), [(0x82, payload.clone())]);
            let mut in_place = payload.clone();
            let out = sent(role, |connection, out| {
                let head = connection.send_in_place(Kind::Binary, &mut in_place).unwrap();
                out.extend_from_slice(&head);
                out.extend_from_slice(&in_place);
            });
            assert_eq!(sent_by(role, &out), [(0x82, payload)]);
        }
    }
}

#[test]
fn output_is_appended() {
    for role in ROLES {
        let mut out = b"before".to_vec();
        let mut connection = open(role);
        connection.send("a", &mut out).unwrap();
        connection.send(b"b", &mut out).unwrap();
        assert_eq!(&out[..6], b"before");
        assert_eq!(sent_by(role, &out[6..]), [(0x81, b"a".to_vec()), (0x82, b"b".to_vec())]);
    }
}

#[test]
fn parts_make_one_message() {
    // R5.4-3, R5.4-18, R6.1-5, R6.1-7, R5.4-12: empty parts anywhere.
    for role in ROLES {
        let out = sent(role, |connection, out| {
            connection.send_part("", Fragment::More, out).unwrap();
            connection.send_part("a", Fragment::More, out).unwrap();
            connection.send_part("", Fragment::More, out).unwrap();
            connection.send_part("b", Fragment::Last, out).unwrap();
            connection.send_part(b"c", Fragment::Last, out).unwrap();
            connection.send_part(b"d", Fragment::More, out).unwrap();
            connection.send_part(b"", Fragment::Last, out).unwrap();
            connection.send("e", out).unwrap();
        });
        let expected = [
            (0x01, ""),
            (0x00, "a"),
            (0x00, ""),
            (0x80, "b"),
            (0x82, "c"),
            (0x02, "d"),
            (0x80, ""),
            (0x81, "e"),
        ];
        assert_eq!(sent_by(role, &out), expected.map(|(b0, payload)| (b0, payload.into())));
    }
}

#[test]
fn messages_are_not_interleaved() {
    // R5.4-10, R5.4-18: neither another message nor a part of the other kind; the first goes on.
    for role in ROLES {
        let out = sent(role, |connection, out| {
            connection.send_part("a", Fragment::More, out).unwrap();
            let error = Err(SendError::UnfinishedMessage);
            assert_eq!(connection.send("x", out), error);
            assert_eq!(connection.send(b"x", out), error);
            assert_eq!(connection.send_part(b"x", Fragment::More, out), error);
            assert_eq!(connection.send_part(b"x", Fragment::Last, out), error);
            let mut payload = *b"x";
            let head = connection.send_in_place(Kind::Text, &mut payload);
            assert_eq!((head.err(), payload), (error.err(), *b"x"));
            connection.send_part("b", Fragment::Last, out).unwrap();
        });
        assert_eq!(sent_by(role, &out), [(0x01, b"a".to_vec()), (0x80, b"b".to_vec())]);
    }
}

#[test]
fn a_close_may_come_between_the_parts_of_a_message() {
    // R5.4-7, R5.5.1-7.
    for role in ROLES {
        let out = sent(role, |connection, out| {
            connection.send_part("a", Fragment::More, out).unwrap();
            out.extend_from_slice(&connection.close(1001.into(), "").unwrap());
            assert_eq!(connection.send_part("b", Fragment::Last, out), Err(SendError::Closed));
        });
        assert_eq!(sent_by(role, &out), [(0x01, b"a".to_vec()), (0x88, b"\x03\xe9".to_vec())]);
    }
}

#[test]
fn bytes_sent_in_place_as_text_are_checked() {
    // R5.6-1: what is refused is not masked either.
    for role in ROLES {
        let mut connection = open(role);
        for bad in [&b"\xff"[..], b"abc\xe2\x82", b"\xed\xa0\x80"] {
            let mut payload = bad.to_vec();
            let head = connection.send_in_place(Kind::Text, &mut payload);
            assert_eq!((head.err(), &payload[..]), (Some(SendError::InvalidUtf8), bad));
            assert!(connection.send_in_place(Kind::Binary, &mut payload).is_ok());
        }
        let mut payload = "grün".as_bytes().to_vec();
        assert!(connection.send_in_place(Kind::Text, &mut payload).is_ok());
    }
}

#[test]
fn messages_convert_without_surprises() {
    let text = String::from("text");
    let bytes = vec![1, 2];
    assert_eq!(Message::from(&text), Message::Text("text"));
    assert_eq!(Message::from(&bytes), Message::Binary(&[1, 2]));
    assert_eq!(Message::from(&[1, 2]), Message::Binary(&[1, 2]));
    for owned in
        [OwnedMessage::from("text"), OwnedMessage::from(text), Message::from("text").into()]
    {
        assert_eq!((owned.kind(), owned.as_bytes()), (Kind::Text, &b"text"[..]));
        assert_eq!(
            (owned.as_message().as_text(), Message::from(&owned)),
            (Some("text"), "text".into())
        );
        assert_eq!(owned.into_bytes(), &b"text"[..]);
    }
    let built = BytesMut::from(&bytes[..]);
    assert_eq!(Message::from(&built), Message::Binary(&[1, 2]));
    for owned in [OwnedMessage::from(bytes), built.into()] {
        assert_eq!((owned.kind(), owned.as_message().as_text()), (Kind::Binary, None));
        assert_eq!(owned.into_bytes(), &[1u8, 2][..]);
    }
    let text = Text::from("text");
    assert_eq!(Message::from(&text), Message::Text("text"));
    assert_eq!(OwnedMessage::from(text).into_text(), Ok(Text::from("text")));
    let binary = OwnedMessage::from(vec![1]);
    assert_eq!(binary.clone().into_text(), Err(binary));
}

#[test]
fn what_a_client_gives_away_is_masked_where_it_lies() {
    let text = "grün".repeat(2_000);
    let bytes = text.clone().into_bytes();
    let given: [OwnedMessage; 4] = [
        text.into(),
        bytes.clone().into(),
        Bytes::from(bytes.clone()).into(),
        BytesMut::from(&bytes[..]).into(),
    ];
    for message in given {
        let place = message.as_bytes().as_ptr();
        let mut endpoint = endpoint(Role::Client);
        endpoint.send_owned(message).unwrap();
        assert!(endpoint.chunks().any(|chunk| chunk.as_ptr() == place));
        assert_eq!(sent_by(Role::Client, &queued(&endpoint))[0].1, bytes);
    }
}

#[test]
fn every_error_says_what_it_is_about() {
    // Defence 39: one line, no Debug output, the section last.
    let errors = [
        SendError::Closed,
        SendError::ControlTooLong { len: 126 },
        SendError::ReasonTooLong { len: 124 },
        SendError::InvalidCloseCode(1005.into()),
        SendError::UnfinishedMessage,
        SendError::InvalidUtf8,
        SendError::Full { queued: 9 },
        SendError::NoEntropy,
    ];
    for error in errors {
        let shown = error.to_string();
        assert!(!shown.is_empty() && !shown.ends_with('.') && !shown.contains(['\n', '{']));
        assert!(shown.starts_with(char::is_lowercase), "{shown}");
        let _: &dyn std::error::Error = &error;
    }
}
