//! The client's side of the opening handshake (RFC 6455 §4.1).

mod handshake_common;

use handshake_common::{ACCEPT, KEY, NONCE, answer, answer_with, response_but, serve, text};
use proptest::prelude::*;
use websocket_proto::Input;
use websocket_proto::handshake::{
    Accept, ClientConfig, ClientHandshake, ClientRequest, HandshakeError as E, HeaderError,
    MissingSubprotocol, RequestError,
};

fn request() -> ClientRequest {
    ClientRequest::new("ws://server.example.com/chat").expect("valid")
}

fn chat() -> ClientRequest {
    request().subprotocol("chat").and_then(|it| it.subprotocol("superchat")).expect("valid")
}

fn written(request: &ClientRequest) -> Vec<u8> {
    let mut out = Vec::new();
    let _ = ClientHandshake::start(request, NONCE, &mut out);
    out
}

// V-HS-1, V-HS-4, R4.1-18..28, R4.1-32..34, W-OH-6, B10
#[test]
fn request_is_that_of_the_rfc() {
    let request = chat().origin("http://example.com").expect("valid");
    let expected = format!(
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n"
    );
    assert_eq!(text(&written(&request)), expected);
}

// R4.1-28
#[test]
fn key_follows_from_the_nonce() {
    let mut out = Vec::new();
    let _ = ClientHandshake::start(&request(), [1; 16], &mut out);
    assert_ne!(out, written(&request()));
}

#[test]
fn debug_output_hides_credentials() {
    let request = ClientRequest::new("ws://a/?token=1").expect("valid");
    let shown = format!("{:?}", request.header("Authorization", "secret").expect("valid"));
    assert!(!shown.contains("token") && !shown.contains("secret"), "{shown}");
    let wire = response_but(&[("C", "Set-Cookie: secret\r\n")]);
    let shown = format!("{:?}", answer(&chat(), wire).message());
    assert!(!shown.contains("secret"), "{shown}");
}

// R4.1-35, R4.1-36, W-CT-4
#[test]
fn subprotocols_are_unique_tokens() {
    for name in ["", "a b", "a,b", "(", "\x7f", "\u{e9}", "a\r\n"] {
        let refused = request().subprotocol(name).err();
        assert_eq!(refused, Some(RequestError::InvalidSubprotocol), "{name:?}");
    }
    assert_eq!(chat().subprotocol("chat").err(), Some(RequestError::RepeatedSubprotocol));
    assert!(chat().subprotocol("Chat").is_ok(), "comparison is exact");
}

// R4.1-38, defences 11 and B8
#[test]
fn fields_cannot_inject_or_override() {
    for (name, value, error) in [
        ("X", "a\r\nHost: b", HeaderError::InvalidValue),
        ("X", "a\nb", HeaderError::InvalidValue),
        ("X", "a\0", HeaderError::InvalidValue),
        ("X", " a", HeaderError::InvalidValue),
        ("X: y\r\nZ", "a", HeaderError::InvalidName),
        ("", "a", HeaderError::InvalidName),
        ("host", "a", HeaderError::Reserved),
        ("UPGRADE", "a", HeaderError::Reserved),
        ("Sec-WebSocket-Key", "a", HeaderError::Reserved),
        ("Content-Length", "1", HeaderError::Reserved),
        ("Transfer-Encoding", "chunked", HeaderError::Reserved),
    ] {
        let refused = request().header(name, value).err();
        assert_eq!(refused, Some(RequestError::Header(error)), "{name:?}: {value:?}");
    }
}

// R4.1-30, R4.1-31
#[test]
fn origin_is_one_serialized_origin() {
    for origin in ["", "a", "http://a/", "http://a/b", "http://a\r\n", "http://", "http:// a"] {
        assert_eq!(request().origin(origin).err(), Some(RequestError::InvalidOrigin), "{origin:?}");
    }
    assert!(request().origin("file://").is_ok());
    let request = request().origin("null").expect("valid");
    assert_eq!(request.header("origin", "http://a").err(), Some(RequestError::RepeatedOrigin));
}

#[test]
fn names_of_fields_are_kept_verbatim() {
    let mut request = request();
    for (name, value) in [("x-b", "1"), ("oRIGIN", "http://a"), ("X-A", "2")] {
        request = request.header(name, value).expect("valid");
    }
    let out = written(&request);
    assert!(text(&out).ends_with("\r\nx-b: 1\r\noRIGIN: http://a\r\nX-A: 2\r\n\r\n"));
    // Under any name there is one.
    assert_eq!(request.clone().origin("null").err(), Some(RequestError::RepeatedOrigin));
    assert_eq!(request.header("ORIGIN", "null").err(), Some(RequestError::RepeatedOrigin));
}

// V-HS-1, R4.1-40, R4.1-42..44, R4.1-49, R4.1-50, N-6
#[test]
fn valid_responses_open_the_connection() {
    for changes in [
        &[][..],
        &[("Upgrade", "upgrade: WEBSOCKET\r\n")],
        &[("Connection", "Connection: keep-alive, upgrade\r\n")],
        &[("Connection", "Connection: keep-alive\r\nConnection: ,Upgrade\r\n")],
        &[("Set-Cookie", "Set-Cookie: a=b\r\n")],
        &[("CL", "Content-Length: 0\r\n")],
        &[("", "HTTP/1.1 101")],
    ] {
        let answered = answer(&chat(), response_but(changes));
        assert!(answered.message().is_switching(), "{changes:?}");
        assert_eq!(answered.message().negotiated().map(|it| it.subprotocol()), Some(None));
    }
    let spaced = format!("Sec-WebSocket-Accept: \t {ACCEPT} \t\r\n");
    assert!(answer(&chat(), response_but(&[("Sec-WebSocket-Accept", &spaced)])).result.is_ok());
    let answered = answer(&chat(), response_but(&[("P", "Sec-WebSocket-Protocol: superchat\r\n")]));
    let response = answered.result.expect("no error").expect("complete");
    let negotiated = response.into_negotiated().expect("a 101");
    assert_eq!(negotiated.subprotocol(), Some("superchat"));
}

// R4.1-42..47, R11.3.3-1, R11.3.4-2, R4.2.2-12, R9.1-1, H-12, H-13, H-22, defence 12
#[test]
fn each_violation_in_a_101_fails() {
    let key = "Sec-WebSocket-Accept";
    let accept = format!("{key}: {ACCEPT}\r\n");
    let two_accepts = accept.repeat(2);
    let lower = accept.replace("s3p", "S3p");
    let (protocol, extensions) = ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions");
    let rows: &[(&str, &str, E)] = &[
        ("", "HTTP/1.0 101 Switching Protocols", E::UnsupportedHttpVersion),
        ("Upgrade", "", E::MissingField("Upgrade")),
        ("Upgrade", "Upgrade: h2c\r\n", E::UpgradeNotWebSocket),
        ("Upgrade", "Upgrade: websocket, h2c\r\n", E::UpgradeNotWebSocket),
        ("Upgrade", "Upgrade: web\u{17f}ocket\r\n", E::UpgradeNotWebSocket),
        ("Upgrade", "Upgrade: websocket\r\nUpgrade: a\r\n", E::RepeatedField("Upgrade")),
        ("Connection", "", E::MissingConnectionUpgrade),
        ("Connection", "Connection: Upgraded\r\n", E::MissingConnectionUpgrade),
        (key, "", E::MissingField(key)),
        (key, "Sec-WebSocket-Accept:\r\n", E::AcceptMismatch),
        (key, &lower, E::AcceptMismatch),
        (key, &two_accepts, E::RepeatedField(key)),
        ("P", "Sec-WebSocket-Protocol: other\r\n", E::SubprotocolNotOffered),
        ("P", "Sec-WebSocket-Protocol: Chat\r\n", E::SubprotocolNotOffered),
        ("P", "Sec-WebSocket-Protocol:\r\n", E::InvalidField(protocol)),
        ("P", "Sec-WebSocket-Protocol: chat, superchat\r\n", E::InvalidField(protocol)),
        (
            "P",
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n",
            E::RepeatedField(protocol),
        ),
        ("E", "Sec-WebSocket-Extensions: permessage-deflate\r\n", E::ExtensionNotOffered),
        ("E", "Sec-WebSocket-Extensions:\r\n", E::InvalidField(extensions)),
        ("E", "Sec-WebSocket-Extensions: a;x=\"\r\n", E::InvalidField(extensions)),
        ("TE", "Transfer-Encoding: chunked\r\n", E::BodyOnUpgrade),
        ("CL", "Content-Length: 1\r\n", E::BodyOnUpgrade),
        ("X", "X : y\r\n", E::MalformedHeader),
        ("X", "X\r\n : y\r\n", E::MalformedHeader),
        ("X", "X: y\r\n z\0\r\n", E::MalformedHeader),
        ("X", "X: y\r\n z\n", E::MalformedLineEnd),
        ("", "HTTP/1.1 101 a\r\n X: y", E::MalformedHeader),
        ("X", "X: y\n", E::MalformedLineEnd),
        ("", "HTTP/2.0 101 Switching Protocols", E::UnsupportedHttpVersion),
        ("", "HTTP/x 101 Switching Protocols", E::MalformedStartLine),
        ("", "HTTP/1.1 0101 Switching", E::MalformedStartLine),
        ("", "HTTP/1.1 099 Low", E::MalformedStartLine),
        ("", "\r\nHTTP/1.1 101 Switching Protocols", E::NotHttp),
    ];
    for (field, lines, error) in rows {
        let mut answered = answer(&chat(), response_but(&[(field, lines)]));
        assert_eq!(answered.error(), *error, "{lines:?}");
        // The error is final.
        let mut valid = response_but(&[]);
        let again = answered.machine.receive(&mut Input::new(&mut valid));
        assert_eq!(again.err(), Some(*error));
    }
    // No subprotocol offered, but one returned.
    let wire = response_but(&[("P", "Sec-WebSocket-Protocol: chat\r\n")]);
    assert_eq!(answer(&request(), wire).error(), E::SubprotocolNotOffered);
}

// H-21; a server refuses them
#[test]
fn lines_that_are_folded_in_a_response_are_one_value() {
    let lines = "X: a\r\n \tb\t\r\n  c\r\nY:\r\n d\r\nZ: e\r\n \r\n\t\r\n";
    let wire = response_but(&[
        ("Upgrade", "Upgrade:\r\n\twebsocket\r\n"),
        ("Connection", "Connection: keep-alive,\r\n Upgrade\r\n"),
        ("X", lines),
    ]);
    let answered = answer(&request(), &wire);
    let response = answered.message();
    assert!(response.is_switching());
    let values: Vec<_> = ["X", "Y", "Z"].iter().map(|name| response.header(name)).collect();
    assert_eq!(values, [Some("a    b     c"), Some("d"), Some("e")]);
    assert_eq!(response.headers().count(), 6);
    // A value in two lines is not that in one.
    let accept = format!("Sec-WebSocket-Accept: {}\r\n {}\r\n", &ACCEPT[..4], &ACCEPT[4..]);
    let wire = response_but(&[("Sec-WebSocket-Accept", &accept)]);
    assert_eq!(answer(&request(), wire).error(), E::AcceptMismatch);
    // Interim responses too; and each line counts.
    let mut wire = b"HTTP/1.1 103 Hints\r\nLink: a,\r\n b\r\n\r\n".to_vec();
    wire.extend(response_but(&[]));
    assert!(answer(&request(), wire).message().is_switching());
    let mut config = ClientConfig::default();
    config.max_headers = 3;
    let wire = response_but(&[("Upgrade", "Upgrade:\r\n websocket\r\n")]);
    let error = answer_with(&config, &request(), wire).error();
    assert_eq!(error, E::TooManyHeaders { limit: 3 });
}

// N-5, W-OH-4
#[test]
fn missing_subprotocol_fails_on_demand() {
    let mut config = ClientConfig::default();
    config.missing_subprotocol = MissingSubprotocol::Fail;
    let wire = response_but(&[]);
    assert_eq!(answer_with(&config, &chat(), &wire).error(), E::SubprotocolMissing);
    assert!(answer_with(&config, &request(), &wire).result.is_ok());
}

// Defences 14 and B14, N-15
#[test]
fn frames_behind_the_101_stay_in_the_input() {
    let mut wire = response_but(&[]);
    wire.extend(b"\x81\x02hi\r\n\r\n");
    let answered = answer(&request(), &wire);
    assert!(answered.message().is_switching());
    assert_eq!(answered.rest, b"\x81\x02hi\r\n\r\n");
}

// H-11
#[test]
fn interim_responses_are_skipped_within_the_limit() {
    let mut wire =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n".to_vec();
    wire.extend(response_but(&[]));
    assert!(answer(&request(), &wire).message().is_switching());
    let mut config = ClientConfig::default();
    for (limit, fits) in [(wire.len() - 1, false), (wire.len(), true), (wire.len() + 1, true)] {
        config.max_head = limit;
        let answered = answer_with(&config, &request(), &wire);
        assert_eq!(answered.result.is_ok(), fits);
        if !fits {
            assert_eq!(answered.error(), E::HeadTooLong { limit });
        }
    }
    let endless = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000);
    assert_eq!(answer(&request(), endless).error(), E::HeadTooLong { limit: 16 * 1024 });
}

// Defences 15 and A4
#[test]
fn response_heads_are_limited() {
    let mut config = ClientConfig::default();
    config.max_headers = 3;
    assert!(answer_with(&config, &request(), response_but(&[])).result.is_ok());
    let wire = response_but(&[("X", "X: y\r\n")]);
    let error = answer_with(&config, &request(), wire).error();
    assert_eq!(error, E::TooManyHeaders { limit: 3 });
    config.max_head = 5;
    let error = answer_with(&config, &request(), b"HTTP/1.1").error();
    assert_eq!(error, E::HeadTooLong { limit: 5 });
}

// R4.1-41, R4.1-51, R4.4-1, W-OH-2, W-OH-3, defences 13 and B15
#[test]
fn other_answers_are_data() {
    for (status, fields, name, value) in [
        ("HTTP/1.1 301 Moved", "Location: https://a/\r\n", "location", "https://a/"),
        ("HTTP/1.1 401 Unauthorized", "WWW-Authenticate: Basic\r\n", "WWW-Authenticate", "Basic"),
        ("HTTP/1.1 404 Not Found", "Set-Cookie: a=b\r\n", "set-cookie", "a=b"),
        (
            "HTTP/1.1 426 Upgrade",
            "Sec-WebSocket-Version: 13, 8\r\n",
            "Sec-WebSocket-Version",
            "13, 8",
        ),
        ("HTTP/1.0 503 Busy", "Retry-After: 5\r\n", "Retry-After", "5"),
        ("HTTP/1.1 200 OK", "Upgrade: websocket\r\n", "upgrade", "websocket"),
    ] {
        let wire = format!("{status}\r\n{fields}Content-Length: 2\r\n\r\nhi and more");
        let answered = answer(&request(), wire);
        let response = answered.message();
        assert!(status.contains(&response.status().to_string()));
        assert!(status.ends_with(response.reason()) && !response.reason().is_empty());
        assert_eq!(response.header(name), Some(value));
        assert_eq!((response.body(), response.is_body_complete()), (&b"hi"[..], true));
        assert_eq!(answered.rest, b" and more");
        assert!(!response.is_switching());
        let response = answered.result.expect("no error").expect("complete");
        assert!(response.into_negotiated().is_err());
    }
}

#[test]
fn answers_without_content_end_with_their_head() {
    for head in [
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 304 \r\n\r\n",
        "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
    ] {
        let answered = answer(&request(), head);
        assert!(answered.message().is_body_complete() && answered.message().body().is_empty());
    }
}

// Defence A13
#[test]
fn body_is_kept_up_to_the_limit() {
    let mut config = ClientConfig::default();
    config.max_body = 4;
    for (length, complete) in [(3, true), (4, true), (5, false)] {
        let wire = format!("HTTP/1.1 500 X\r\nContent-Length: {length}\r\n\r\n12345");
        let answered = answer_with(&config, &request(), wire);
        assert_eq!(answered.message().is_body_complete(), complete);
        assert_eq!(answered.message().body().len(), length.min(4));
    }
    for field in ["X: y", "Transfer-Encoding: gzip", "Content-Length: +5", "Content-Length: -1"] {
        let wire = format!("HTTP/1.1 500 X\r\n{field}\r\n\r\n12345");
        let answered = answer_with(&config, &request(), wire);
        let response = answered.message();
        assert_eq!((response.body(), response.is_body_complete()), (&b"1234"[..], false));
    }
    // An announcement costs nothing.
    let wire = "HTTP/1.1 500 X\r\nContent-Length: 18446744073709551615\r\n\r\n";
    assert!(matches!(answer(&request(), wire).result, Ok(None)));
    config.max_body = 0;
    let answered = answer_with(&config, &request(), "HTTP/1.1 500 X\r\n\r\n");
    assert!(answered.message().body().is_empty());
}

#[test]
fn body_without_length_ends_with_the_connection() {
    for (fields, body, complete) in [
        ("", "busy", true),
        ("Content-Length: 9\r\n", "busy", false),
        ("Transfer-Encoding: chunked, gzip\r\n", "4\r\nbusy\r\n0\r\n\r\n", false),
        ("Transfer-Encoding: chunked;a=b\r\n", "4\r\nbusy\r\n0\r\n\r\n", false),
    ] {
        let wire = format!("HTTP/1.1 503 X\r\n{fields}\r\n{body}");
        let mut answered = answer(&request(), wire);
        assert!(matches!(answered.result, Ok(None)));
        let response = answered.machine.receive_eof().expect("no error").expect("a response");
        assert_eq!((text(response.body()), response.is_body_complete()), (body, complete));
        assert!(matches!(answered.machine.receive_eof(), Ok(None)), "handed out once");
    }
    let mut answered = answer(&request(), "HTTP/1.1 503 X\r\n\r\nbus");
    let response = answered.machine.handle_timeout().expect("no error").expect("a response");
    assert_eq!((response.body(), response.is_body_complete()), (&b"bus"[..], false));
}

// RFC 9112 §8
#[test]
fn response_survives_a_transport_that_fails_in_its_body() {
    for (fields, body) in [
        ("", "bus"),
        ("", ""),
        ("Content-Length: 4\r\n", "bus"),
        ("Transfer-Encoding: chunked\r\n", "4\r\nbus"),
        ("Transfer-Encoding: gzip\r\n", "bus"),
    ] {
        let wire = format!("HTTP/1.1 503 X\r\n{fields}\r\n{body}");
        let mut answered = answer(&request(), wire);
        let response = answered.machine.handle_read_error().expect("a response");
        assert!(body.ends_with(text(response.body())) && !response.is_body_complete());
        assert!(answered.machine.handle_read_error().is_none(), "handed out once");
    }
    let wire = response_but(&[]);
    for at in 0..wire.len() {
        let mut answered = answer(&request(), &wire[..at]);
        assert!(answered.machine.handle_read_error().is_none());
        assert_eq!(answered.machine.handle_timeout().err(), Some(E::UnexpectedEof));
    }
    let mut answered = answer(&request(), wire);
    assert!(answered.machine.handle_read_error().is_none(), "handed out already");
}

// RFC 9112 §7.1
#[test]
fn chunked_body_ends_with_its_last_chunk() {
    for field in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked\r\nContent-Length: 1",
        "Transfer-Encoding: gzip,\tCHUNKED ,",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    ] {
        for (chunks, body) in [
            ("4\r\nbusy\r\n0\r\n\r\n", "busy"),
            ("1\r\nb\r\n3\r\nusy\r\n0\r\n\r\n", "busy"),
            ("0\r\n\r\n", ""),
            ("000\r\n\r\n", ""),
            ("00000000000000000000000c\r\n0\r\n\r\n12345\r\n\r\n0\r\n\r\n", "0\r\n\r\n12345\r\n"),
            ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
            ("4;a=b\r\nbusy\r\n0;c=\"d;e\"\r\n\r\n", "busy"),
            ("4 \t; a\r\nbusy\r\n0 \r\n\r\n", "busy"),
            ("4\r\nbusy\r\n0\r\nX: y\r\nZ:\r\n\r\n", "busy"),
        ] {
            let wire = format!("HTTP/1.1 503 X\r\n{field}\r\n\r\n{chunks}HTTP/1.1 200 OK");
            let answered = answer(&request(), wire);
            let response = answered.message();
            assert_eq!((text(response.body()), response.is_body_complete()), (body, true));
            assert_eq!(text(&answered.rest), "HTTP/1.1 200 OK", "{chunks:?}");
            assert!(response.header("X").is_none(), "trailers are dropped");
        }
    }
}

#[test]
fn chunked_body_that_is_malformed_is_not_complete() {
    let head = "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, body) in [
        ("\r\n", ""),
        ("x\r\n", ""),
        (";a\r\n", ""),
        (" 4\r\nbusy", ""),
        ("-4\r\nbusy", ""),
        ("+4\r\nbusy", ""),
        ("0x4\r\nbusy", ""),
        ("4g\r\nbusy", ""),
        ("4\nbusy", ""),
        ("4\rbusy", ""),
        ("4;a\nbusy", ""),
        ("4;a\rbusy", ""),
        ("10000000000000000\r\nbusy", ""), // 2^64
        ("fffffffffffffffff\r\nbusy", ""),
        ("4\r\nbusybusy", "busy"),
        ("4\r\nbusy\nx", "busy"),
        ("4\r\nbusy\rx", "busy"),
        ("4\r\nbusy\r\n\r\n", "busy"),
        ("4\r\nbusy\r\nx", "busy"),
        ("4\r\nbusy\r\n0\r\n\n", "busy"),
        ("4\r\nbusy\r\n0\r\n\rx", "busy"),
        ("4\r\nbusy\r\n0\r\nX: y\n", "busy"),
        ("4\r\nbusy\r\n0\r\nX: y\rz", "busy"),
    ] {
        let answered = answer(&request(), format!("{head}{chunks}"));
        let response = answered.message();
        let seen = (text(response.body()), response.is_body_complete());
        assert_eq!(seen, (body, false), "{chunks:?}");
    }
}

// Defence A13
#[test]
fn chunked_body_is_limited_with_all_that_surrounds_it() {
    let head = "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut config = ClientConfig::default();
    config.max_body = 4;
    for (chunks, body, complete) in [
        ("3\r\n123\r\n0\r\n\r\n", "123", true),
        ("4\r\n1234\r\n0\r\n\r\n", "1234", true),
        ("3\r\n123\r\n1\r\n4\r\n0\r\n\r\n", "1234", true),
        ("5\r\n12345\r\n0\r\n\r\n", "1234", false),
        ("4\r\n1234\r\n1\r\n5\r\n0\r\n\r\n", "1234", false),
        // An announcement costs nothing, and is not waited for.
        ("ffffffffffffffff\r\n1234", "1234", false),
    ] {
        let answered = answer_with(&config, &request(), format!("{head}{chunks}"));
        let response = answered.message();
        assert_eq!((text(response.body()), response.is_body_complete()), (body, complete));
    }
    config.max_body = 0;
    for (chunks, complete) in [("0\r\n\r\n", true), ("1\r\n", false)] {
        let answered = answer_with(&config, &request(), format!("{head}{chunks}"));
        assert_eq!(answered.message().is_body_complete(), complete);
    }
    config.max_body = 100;
    config.max_head = head.len();
    let spare = head.len();
    for (room, complete) in [(spare, true), (spare + 1, false)] {
        for chunks in [
            format!("1{}\r\na\r\n0\r\n\r\n", ";".repeat(room - 1)),
            format!("1;\r\na\r\n1{}\r\nb\r\n0\r\n\r\n", ";".repeat(room - 2)),
            format!("{}1\r\na\r\n0\r\n\r\n", "0".repeat(room - 1)),
            format!("0\r\n{}\r\n\r\n", "x".repeat(room - 1)),
            format!("0\r\n{}\r\ny\r\n\r\n", "x".repeat(room - 2)),
        ] {
            let answered = answer_with(&config, &request(), format!("{head}{chunks}"));
            assert_eq!(answered.message().is_body_complete(), complete, "{chunks:?}");
        }
    }
}

#[test]
fn chunked_body_can_be_cut_off_anywhere() {
    let head = "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = "2;a\r\nbu\r\n2\r\nsy\r\n0\r\nX: y\r\n\r\n";
    for at in 0..chunks.len() {
        let mut answered = answer(&request(), format!("{head}{}", &chunks[..at]));
        assert!(matches!(answered.result, Ok(None)), "{at}");
        let response = answered.machine.receive_eof().expect("no error").expect("a response");
        assert!(!response.is_body_complete() && b"busy".starts_with(response.body()));
    }
}

// R4.1-13, defence A11
#[test]
fn head_can_be_cut_off_anywhere() {
    let wire = response_but(&[]);
    for at in 0..wire.len() {
        let mut prefix = wire[..at].to_vec();
        let mut out = Vec::new();
        let mut handshake = ClientHandshake::start(&request(), NONCE, &mut out);
        assert!(matches!(handshake.receive(&mut Input::new(&mut prefix)), Ok(None)));
        assert_eq!(handshake.receive_eof().err(), Some(E::UnexpectedEof));
        assert_eq!(handshake.handle_timeout().err(), Some(E::UnexpectedEof));
    }
    let mut handshake = ClientHandshake::start(&request(), NONCE, &mut Vec::new());
    assert_eq!(handshake.timeout().as_secs(), 10);
    assert_eq!(handshake.handle_timeout().err(), Some(E::TimedOut));
}

// R12-1: both sides of this crate understand each other
#[test]
fn server_and_client_agree() {
    let mut served = serve(written(&chat()));
    let asked = served.result.expect("no error").expect("complete");
    let reply = Accept::new().subprotocol(asked.choose_subprotocol(&["superchat"]));
    let mut out = Vec::new();
    let agreed = served.machine.accept(&asked, &reply, &mut out).expect("valid");
    let answered = answer(&chat(), &out);
    assert_eq!(answered.message().negotiated(), Some(&agreed));
    assert_eq!(agreed.subprotocol(), Some("superchat"));
}

proptest! {
    // R4.1-19, defences 11 and B8: what is written parses to exactly what was put in
    #[test]
    fn serialised_requests_parse_to_the_same_fields(
        path in "(/\\PC{0,12}){0,3}",
        fields in prop::collection::vec(("[!#$%&'*+.^_`|~a-zA-Z0-9]{1,12}", "\\PC{0,20}"), 0..8),
        subprotocols in prop::collection::vec("[!-~]{0,6}", 0..4),
    ) {
        let Ok(mut request) = ClientRequest::new(&format!("ws://a{path}")) else { return Ok(()) };
        let mut expected = Vec::new();
        for (name, value) in &fields {
            if let Ok(next) = request.clone().header(name, value) {
                request = next;
                expected.push((name.as_str(), value.as_bytes()));
            }
        }
        for name in &subprotocols {
            request = request.clone().subprotocol(name).unwrap_or(request);
        }
        let served = serve(written(&request));
        let seen = served.message();
        prop_assert!(seen.is_upgrade());
        prop_assert_eq!(seen.target(), request.url().resource_name());
        prop_assert_eq!(seen.key(), Some(KEY));
        let own = if request.subprotocols().count() == 0 { 5 } else { 6 };
        prop_assert_eq!(seen.headers().skip(own).collect::<Vec<_>>(), expected);
        let offered: Vec<_> = request.subprotocols().collect();
        prop_assert_eq!(seen.subprotocols().collect::<Vec<_>>(), offered);
    }

    #[test]
    fn no_bytes_panic_either_side(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = serve(&bytes);
        let _ = answer(&request(), &bytes);
        for start in ["GET / HTTP/1.1\r\nUpgrade: websocket\r\nHost: ", "HTTP/1.1 101 a\r\nUpgrade:"] {
            let mut wire = start.as_bytes().to_vec();
            wire.extend(&bytes);
            wire.extend(b"\r\n\r\n");
            let _ = serve(&wire);
            let _ = answer(&request(), &wire);
        }
    }
}

// R4.1, by way of another HTTP library
#[test]
fn an_answer_that_another_library_has_received_is_held_to_the_same_rules() {
    let request = ClientRequest::new("ws://server.example.com:81/chat?a=1").expect("valid");
    let request = request.subprotocol("chat").expect("valid").header("X", "y").expect("valid");
    let start =
        || ClientHandshake::start_fields(&request, *b"the sample nonce", ClientConfig::default());
    let (_, fields) = start();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    let expected = [
        ("Host", "server.example.com:81"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("X", "y"),
    ];
    assert_eq!(fields, expected);

    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let answer = |but: &[(&'static str, &'static str)]| {
        let mut fields = vec![
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", accept),
        ];
        fields.retain(|(name, _)| but.iter().all(|(other, _)| other != name));
        fields.extend(but);
        fields
    };
    let (mut handshake, _) = start();
    let response = handshake.receive_fields(101, answer(&[("sec-websocket-protocol", "chat")]));
    let response = response.expect("valid");
    assert!(response.is_switching() && response.is_body_complete());
    assert_eq!(response.negotiated().and_then(|it| it.subprotocol()), Some("chat"));
    let again = handshake.receive_fields(101, answer(&[]));
    assert_eq!(again.err(), Some(E::NotHttp));

    let check = |status, fields: Vec<(&'static str, &'static str)>| {
        let (mut handshake, _) = start();
        let first = handshake.receive_fields(status, fields);
        if let Err(error) = &first {
            let again = handshake.receive_fields(101, answer(&[]));
            assert_eq!(again.err(), Some(*error), "sticky");
        }
        first
    };
    let error = |but| check(101, answer(&[but])).err();
    assert_eq!(error(("sec-websocket-accept", "wrong")), Some(E::AcceptMismatch));
    assert_eq!(error(("sec-websocket-protocol", "other")), Some(E::SubprotocolNotOffered));
    assert_eq!(error(("upgrade", "h2c")), Some(E::UpgradeNotWebSocket));
    assert_eq!(error(("X", "a\r\nY: b")), Some(E::MalformedHeader));
    let moved = check(302, vec![("Location", "/other")]).expect("no 101");
    assert_eq!((moved.status(), moved.header("location")), (302, Some("/other")));
    assert!(!moved.is_switching() && !moved.is_body_complete());
    assert_eq!(check(99, Vec::new()).err(), Some(E::MalformedStartLine));
}
