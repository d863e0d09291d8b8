//! The server's side of the opening handshake (RFC 6455 §4.2).

mod handshake_common;

use handshake_common::{ACCEPT, KEY, request_but, serve, serve_with, text};
use websocket_proto::Input;
use websocket_proto::handshake::{
    Accept, HandshakeError as E, HeaderError, OriginPolicy, Reply, ReplyError, Request, Scheme,
    ServerConfig, ServerHandshake,
};

/// The answer to a request that must have failed.
fn failure(wire: &[u8]) -> (E, String) {
    let mut served = serve(wire);
    let mut out = Vec::new();
    served.machine.fail(&mut out);
    (served.error(), text(&out).to_owned())
}

fn accepted(wire: &[u8], reply: &Accept<'_>) -> Result<String, ReplyError> {
    let mut served = serve(wire);
    let request = served.result.expect("no error").expect("complete");
    let mut out = Vec::new();
    served.machine.accept(&request, reply, &mut out)?;
    Ok(text(&out).to_owned())
}

// V-HS-1, R4.2.2-1, R4.2.2-15..20, H-6, H-8, H-12, H-13
#[test]
fn example_of_the_rfc_is_accepted() {
    let reply = Accept::new().subprotocol("chat");
    let expected = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(accepted(&request_but(&[]), &reply), Ok(expected));
}

// R4.2.2-5, R4.1-48, defence B19
#[test]
fn request_is_handed_out_verbatim() {
    let wire =
        b"GET //a/../b%2F?x=%zz&y?z HTTP/1.1\r\nhOsT: Server:8080\r\nX: \t\xff y \r\nx: 2\r\n\r\n";
    let served = serve(wire);
    let request = served.message();
    assert_eq!((request.method(), request.target()), ("GET", "//a/../b%2F?x=%zz&y?z"));
    assert_eq!((request.path(), request.query()), ("//a/../b%2F", Some("x=%zz&y?z")));
    assert_eq!(request.host(), Some("Server:8080"));
    let headers: Vec<_> = request.headers().collect();
    assert_eq!(headers, [("hOsT", &b"Server:8080"[..]), ("X", b"\xff y"), ("x", b"2")]);
    assert_eq!(request.header("X"), None, "the first value is not UTF-8");
    assert_eq!(request.header_values("X").count(), 2);
    assert!(!request.is_upgrade());
}

// R4.2.1-3..6, R4.2.1-1: the order of fields, and unknown ones (R4.2.1-11), do not matter
#[test]
fn order_of_fields_and_unknown_fields_do_not_matter() {
    let wire = format!(
        "GET / HTTP/1.1\r\nX-Unknown: 1\r\nsec-websocket-version: 13\r\nSEC-WEBSOCKET-KEY: {KEY}\r\n\
         connection: upgrade\r\nupgrade: WEBSOCKET\r\nhost: a\r\n\r\n"
    );
    assert!(serve(wire).message().is_upgrade());
}

// B14, N-15, R4.1-49
#[test]
fn frames_behind_the_head_stay_in_the_input() {
    let mut wire = request_but(&[]);
    wire.extend(b"\x81\x80\0\0\0\0\r\n\r\n"); // an empty masked Text frame, and more
    let served = serve(&wire);
    assert!(served.message().is_upgrade());
    assert_eq!(served.rest, b"\x81\x80\0\0\0\0\r\n\r\n");
}

// R4.2.1-4, R4.2.1-5, H-1, H-4, H-5, defence 4
#[test]
fn upgrade_and_connection_are_token_lists() {
    for (field, lines) in [
        ("Connection", "Connection: keep-alive, Upgrade\r\n"),
        ("Connection", "Connection: keep-alive\r\nConnection: ,uPGRADE ,\r\n"),
        ("Upgrade", "Upgrade: h2c, websocket\r\n"),
        ("Upgrade", "Upgrade: h2c\r\nUpgrade: ,WebSocket\r\n"),
    ] {
        assert!(serve(request_but(&[(field, lines)])).message().is_upgrade(), "{lines}");
    }
    for lines in [
        "",
        "Connection: keep-alive\r\n",
        "Connection: upgradex, notupgrade\r\n",
        "Connection: keep-alive Upgrade\r\n",
        "Connection: \"x, upgrade\"\r\n",
    ] {
        let (error, answer) = failure(&request_but(&[("Connection", lines)]));
        assert_eq!(error, E::MissingConnectionUpgrade, "{lines}");
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    }
}

// R4.2.1-2, R4.2.1-4, H-9
#[test]
fn request_without_upgrade_is_plain() {
    for changes in [
        [("Upgrade", "")],
        [("Upgrade", "Upgrade: h2c\r\n")],
        [("Upgrade", "Upgrade: websocketx, web socket\r\n")],
        [("", "GET /chat HTTP/1.0")],
    ] {
        let mut served = serve(request_but(&changes));
        assert!(!served.message().is_upgrade(), "{changes:?}");
        let request = served.result.expect("no error").expect("complete");
        let mut out = Vec::new();
        let refused = served.machine.accept(&request, &Accept::new(), &mut out);
        assert_eq!((refused, out.len()), (Err(ReplyError::NotAnUpgrade), 0));
        assert_eq!(served.machine.reject(&Reply::new(404), &mut out), Ok(()));
    }
}

// R4.2.1-1..7, R4.3-1, R11.3.1-1, R11.3.5-2, H-19, H-22, N-4, N-7, E-3150, defences 5 and 6
#[test]
fn each_violation_has_its_error_and_status() {
    let two_keys = format!("Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Key: {KEY}\r\n");
    let key = "Sec-WebSocket-Key";
    let bad_key = E::InvalidField(key);
    let bad_protocol = E::InvalidField("Sec-WebSocket-Protocol");
    let bad_extensions = E::InvalidField("Sec-WebSocket-Extensions");
    let rows: &[(&str, &str, E, u16)] = &[
        ("", "POST /chat HTTP/1.1", E::UpgradeNotGet, 405),
        ("", "HEAD /chat HTTP/1.1", E::UpgradeNotGet, 405),
        ("", "get /chat HTTP/1.1", E::UpgradeNotGet, 405),
        ("", "GET * HTTP/1.1", E::InvalidTarget, 400),
        ("", "GET chat HTTP/1.1", E::InvalidTarget, 400),
        ("", "GET ws://a/ HTTP/1.1", E::InvalidTarget, 400),
        ("", "GET /chat#a HTTP/1.1", E::InvalidTarget, 400),
        ("", "GET /\u{e9} HTTP/1.1", E::InvalidTarget, 400),
        ("", "GET http://u@a/ HTTP/1.1", E::InvalidField("Host"), 400),
        ("", "GET /chat HTTP/2.0", E::UnsupportedHttpVersion, 505),
        ("", "GET /chat HTTP/1.2", E::UnsupportedHttpVersion, 505),
        ("", "GET /chat HTTP/11", E::MalformedStartLine, 400),
        ("", "GET /chat", E::MalformedStartLine, 400),
        ("", "GET  /chat HTTP/1.1", E::MalformedStartLine, 400),
        ("Host", "", E::MissingField("Host"), 400),
        ("Host", "Host: a\r\nHost: a\r\n", E::RepeatedField("Host"), 400),
        ("Host", "Host:\r\n", E::InvalidField("Host"), 400),
        ("Host", "Host: a b\r\n", E::InvalidField("Host"), 400),
        ("Host", "Host: u@a\r\n", E::InvalidField("Host"), 400),
        ("Host", "Host: a:65536\r\n", E::InvalidField("Host"), 400),
        ("Host", "Host: a/b\r\n", E::InvalidField("Host"), 400),
        (key, "", E::MissingField(key), 400),
        (key, &two_keys, E::RepeatedField(key), 400),
        (key, "Sec-WebSocket-Key:\r\n", bad_key, 400),
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4P\r\n", bad_key, 400), // 15 bytes
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEBE=\r\n", bad_key, 400), // 17 bytes
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEBES\r\n", bad_key, 400), // 18 bytes
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA\r\n", bad_key, 400),
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n", bad_key, 400),
        (key, "Sec-WebSocket-Key: __________-_____________\r\n", bad_key, 400),
        (key, "Sec-WebSocket-Key: AQIDBAUGBwgJ CgsMDQ4PEA==\r\n", bad_key, 400),
        ("TE", "Transfer-Encoding: chunked\r\n", E::BodyOnUpgrade, 400),
        ("CL", "Content-Length: 1\r\n", E::BodyOnUpgrade, 400),
        ("CL", "Content-Length: +0\r\n", E::BodyOnUpgrade, 400),
        ("CL", "Content-Length: 0\r\nContent-Length: 0\r\n", E::BodyOnUpgrade, 400),
        ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol:\r\n", bad_protocol, 400),
        ("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: a b\r\n", bad_protocol, 400),
        ("E", "Sec-WebSocket-Extensions:\r\n", bad_extensions, 400),
        ("E", "Sec-WebSocket-Extensions: a;;b\r\n", bad_extensions, 400),
        ("Origin", "Origin: a://b\r\nOrigin: a://b\r\n", E::RepeatedField("Origin"), 400),
        ("X", "X : a\r\n", E::MalformedHeader, 400), // H-20
        ("X", "X: a\r\n b\r\n", E::MalformedHeader, 400), // H-21
        ("X", "X: a\0b\r\n", E::MalformedHeader, 400),
        ("X", "X: a\rb\r\n", E::MalformedHeader, 400), // H-15
        ("X", "X: a\n", E::MalformedLineEnd, 400),     // H-15
        ("X", "\n", E::MalformedLineEnd, 400),
        ("", " GET / HTTP/1.1", E::NotHttp, 400),    // H-17
        ("", "\r\nGET / HTTP/1.1", E::NotHttp, 400), // H-16
        ("", "GET / HTTP/1.1\r\n X: y", E::MalformedHeader, 400), // H-17
    ];
    for (field, lines, error, status) in rows {
        let (seen, answer) = failure(&request_but(&[(field, lines)]));
        assert_eq!((seen, seen.status()), (*error, *status), "{lines:?}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        if !lines.starts_with("HEAD") {
            assert!(answer.ends_with(&format!("\r\n\r\n{error}\n")), "{answer}");
        }
        assert_eq!(answer.contains("\r\nAllow: GET\r\n"), *status == 405);
    }
}

// R4.2.1-7, R4.2.2-8, R4.3-5, R4.4-2, H-7, N-17, V-HS-2
#[test]
fn other_versions_are_answered_with_426() {
    let versions = ["8", "12", "14", "25", "0", "013", "256", "13,8", "13 8", ""];
    let lines = versions.map(|version| format!("Sec-WebSocket-Version: {version}\r\n"));
    for lines in lines.iter().map(String::as_str).chain([""]) {
        let (error, answer) = failure(&request_but(&[("Sec-WebSocket-Version", lines)]));
        assert_eq!(error, E::UnsupportedVersion, "{lines}");
        assert!(answer.starts_with(
            "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\
             Connection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
        ));
    }
    let twice = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n";
    let (error, _) = failure(&request_but(&[("Sec-WebSocket-Version", twice)]));
    assert_eq!((error, error.status()), (E::RepeatedField("Sec-WebSocket-Version"), 400));
}

// Defence A15: httparse alone takes the first head for complete
#[test]
fn bare_line_feeds_do_not_end_a_head() {
    let (error, _) = failure(b"GET / HTTP/1.1\r\nHost: a\n\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(error, E::MalformedLineEnd);
}

#[test]
fn what_is_no_http_fails_at_its_first_byte() {
    for wire in [&b"\x16\x03\x01\x02\0"[..], b"\r\n", b"\n", b" ", b"\0", b"\x81\x80"] {
        assert_eq!(serve(wire).error(), E::NotHttp, "{wire:?}");
    }
    // The HTTP/2 preface.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(serve(preface).error(), E::UnsupportedHttpVersion);
}

// R4.2.1-2, R4.1-22
#[test]
fn absolute_target_wins_over_host() {
    let wire = request_but(&[("", "GET HTTP://other:81?a=1 HTTP/1.1")]);
    let served = serve(wire);
    let request = served.message();
    assert!(request.is_upgrade());
    assert_eq!((request.host(), request.path()), (Some("other:81"), "/"));
    assert_eq!((request.query(), request.target()), (Some("a=1"), "HTTP://other:81?a=1"));
}

// R4.2.1-9, R4.1-34, R11.3.4-1, H-4
#[test]
fn subprotocols_are_joined_over_lines_in_order() {
    let lines = "Sec-WebSocket-Protocol: a,b\r\nSec-WebSocket-Protocol: , c\r\n";
    let served = serve(request_but(&[("Sec-WebSocket-Protocol", lines)]));
    let request = served.message();
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(request.choose_subprotocol(&["c", "b"]), Some("b"), "the client's preference");
    assert_eq!(request.choose_subprotocol(&["A"]), None);
}

// R4.2.1-10, R9.1-3, R11.3.2-1, V-EXT-1
#[test]
fn extension_offers_are_joined_over_lines_in_order() {
    let lines = "Sec-WebSocket-Extensions: foo\r\nSec-WebSocket-Extensions: bar; baz=2\r\n";
    let served = serve(request_but(&[("E", lines)]));
    let names: Vec<_> = served.message().extensions().iter().map(|it| it.name()).collect();
    assert_eq!(names, ["foo", "bar"]);
}

// R4.2.2-10, R4.2.2-11, R4.2.2-12, R4.2.2-14
#[test]
fn subprotocol_must_have_been_offered() {
    for name in ["Chat", "", "chat, superchat", "chat\r\nX: y"] {
        let reply = Accept::new().subprotocol(name);
        let answer = accepted(&request_but(&[]), &reply);
        assert_eq!(answer, Err(ReplyError::SubprotocolNotOffered), "{name:?}");
    }
    let answer = accepted(&request_but(&[]), &Accept::new()).expect("valid");
    assert!(!answer.contains("Sec-WebSocket-Protocol"));
    assert!(!answer.contains("Sec-WebSocket-Extensions"));
}

// H-10
#[test]
fn continue_precedes_the_101_if_expected() {
    let wire = request_but(&[("Expect", "Expect: 100-Continue\r\n")]);
    let answer = accepted(&wire, &Accept::new()).expect("valid");
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 "));
}

// Defences 10 and B8, R4.1-38
#[test]
fn answers_cannot_be_injected_into() {
    let cases = [
        ("X\r\nY", "a", HeaderError::InvalidName),
        ("X", "a\r\nSet-Cookie: b", HeaderError::InvalidValue),
        ("X", "a\nb", HeaderError::InvalidValue),
        ("X", "a\0b", HeaderError::InvalidValue),
        ("content-length", "5", HeaderError::Reserved),
        ("Transfer-Encoding", "chunked", HeaderError::Reserved),
        ("Sec-WebSocket-Accept", "x", HeaderError::Reserved),
        ("connection", "keep-alive", HeaderError::Reserved),
    ];
    for (name, value, error) in cases {
        let mut served = serve(request_but(&[]));
        let request = served.result.expect("no error").expect("complete");
        let mut out = Vec::new();
        let accept = Accept::new().header(name, value);
        let refused = served.machine.accept(&request, &accept, &mut out);
        assert_eq!(refused, Err(ReplyError::Header(error)));
        let refused = served.machine.reject(&Reply::new(200).header(name, value), &mut out);
        assert_eq!(refused, Err(ReplyError::Header(error)));
        assert!(out.is_empty());
        // After an error, another answer can still be given.
        assert_eq!(served.machine.reject(&Reply::new(500), &mut out), Ok(()));
    }
}

// R4.2.2-3, R4.2.2-4, R4.2.2-9, W: any status but 101
#[test]
fn any_final_status_can_be_answered() {
    let reject = |wire: &[u8], reply: Reply<'_>| {
        let mut served = serve(wire);
        let mut out = Vec::new();
        served.machine.reject(&reply, &mut out).map(|()| text(&out).to_owned())
    };
    let upgrade = request_but(&[]);
    let reply = Reply::new(401).header("WWW-Authenticate", "Basic").text("who?");
    assert_eq!(
        reject(&upgrade, reply).as_deref(),
        Ok("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 4\r\n\
            WWW-Authenticate: Basic\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nwho?")
    );
    let page = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    let shown = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(reject(page, Reply::new(200).body(b"hi")), Ok(format!("{shown}hi")));
    assert_eq!(reject(head, Reply::new(200).body(b"hi")), Ok(shown.into()));
    for status in [204, 304] {
        let answer = reject(page, Reply::new(status).body(b"hi")).expect("valid");
        assert!(answer.ends_with("Connection: close\r\n\r\n"), "{answer}");
    }
    let answer = reject(page, Reply::new(299)).expect("valid");
    assert!(answer.starts_with("HTTP/1.1 299 \r\n"));
    let answer = reject(page, Reply::new(405).header("Allow", "GET, HEAD")).expect("valid");
    assert_eq!(answer.matches("Allow:").count(), 1);
    for status in [0, 99, 100, 101, 199, 1000] {
        let refused = reject(page, Reply::new(status));
        assert_eq!(refused, Err(ReplyError::InvalidStatus(status)));
    }
}

#[test]
fn failure_of_a_head_request_has_no_body() {
    let (_, answer) = failure(&request_but(&[("", "HEAD / HTTP/1.1")]));
    assert!(answer.ends_with("\r\n\r\n"));
}

// RFC 9110 §9.3.2
#[test]
fn head_request_gets_no_content_although_its_head_is_not_complete() {
    let mut config = ServerConfig::default();
    (config.max_head, config.max_headers) = (40, 2);
    let rows: &[(&str, E)] = &[
        ("HEAD /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", E::RequestLineTooLong { limit: 40 }),
        ("HEAD / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaa", E::HeadTooLong { limit: 40 }),
        ("HEAD / HTTP/1.1\r\nX:\r\nY:\r\nZ:\r\n", E::TooManyHeaders { limit: 2 }),
        ("HEAD / HTTP/1.1\n", E::MalformedLineEnd),
        ("HEAD / HTTP/1.1\r\nHost: a\r\n", E::TimedOut),
        ("HEAD ", E::TimedOut),
        ("HEAD", E::TimedOut),
        ("HEADER / HTTP/1.1\n", E::MalformedLineEnd),
        ("HEAD\n", E::MalformedLineEnd),
        ("head / HTTP/1.1\n", E::MalformedLineEnd),
    ];
    for (wire, error) in rows {
        for size in 1..=wire.len() {
            let mut handshake = ServerHandshake::new(config.clone());
            let mut wire = wire.as_bytes().to_vec();
            let mut pieces = wire.chunks_mut(size);
            let failed = pieces.find_map(|it| handshake.receive(&mut Input::new(it)).err());
            let failed = failed.or_else(|| handshake.handle_timeout().err());
            assert_eq!(failed, Some(*error));
            let mut out = Vec::new();
            handshake.fail(&mut out);
            let (head, content) = text(&out).split_once("\r\n\r\n").expect("a head");
            let line = format!("{error}\n");
            assert!(head.contains(&format!("Content-Length: {}", line.len())), "{head}");
            let expected = if wire.starts_with(b"HEAD ") { "" } else { &line };
            assert_eq!(content, expected, "{} in {size}", text(&wire));
        }
    }
    // What is beyond the limit is not looked at, however much came at once.
    config.max_head = 4;
    for size in [1, 9] {
        let mut handshake = ServerHandshake::new(config.clone());
        let mut wire = *b"HEAD / HT";
        let mut pieces = wire.chunks_mut(size);
        assert!(pieces.any(|it| handshake.receive(&mut Input::new(it)).is_err()));
        let mut out = Vec::new();
        handshake.fail(&mut out);
        assert!(!out.ends_with(b"\r\n\r\n"));
    }
}

// Defences 7 and B1: an answer is final
#[test]
fn nothing_follows_an_answer() {
    let wire = request_but(&[]);
    let mut served = serve(&wire);
    let mut out = Vec::new();
    assert_eq!(served.machine.reject(&Reply::new(403), &mut out), Ok(()));
    let written = out.len();
    let mut again = wire.clone();
    let mut input = Input::new(&mut again);
    assert!(matches!(served.machine.receive(&mut input), Ok(None)));
    assert_eq!(input.len(), wire.len());
    let request = served.result.expect("no error").expect("complete");
    let refused = served.machine.accept(&request, &Accept::new(), &mut out);
    assert_eq!(refused, Err(ReplyError::NothingToAnswer));
    served.machine.fail(&mut out);
    assert_eq!(out.len(), written);
}

#[test]
fn errors_are_final() {
    let mut served = serve(b"\r\n");
    let mut wire = request_but(&[]);
    for _ in 0..2 {
        assert_eq!(served.machine.receive(&mut Input::new(&mut wire)).err(), Some(E::NotHttp));
        assert_eq!(served.machine.receive_eof(), Err(E::NotHttp));
        let mut out = Vec::new();
        let refused = served.machine.reject(&Reply::new(200), &mut out);
        assert_eq!(refused, Err(ReplyError::NothingToAnswer));
        served.machine.fail(&mut out);
    }
    let mut out = Vec::new();
    served.machine.fail(&mut out);
    assert!(out.is_empty(), "the answer is written once");
}

// Defence A11, A12
#[test]
fn head_can_be_cut_off_anywhere() {
    let wire = request_but(&[]);
    for at in 0..wire.len() {
        let mut prefix = wire[..at].to_vec();
        let mut handshake = ServerHandshake::new(ServerConfig::default());
        assert!(matches!(handshake.receive(&mut Input::new(&mut prefix)), Ok(None)));
        assert_eq!(handshake.receive_eof(), Err(E::UnexpectedEof));
        assert_eq!(handshake.handle_timeout(), Err(E::UnexpectedEof));
    }
    let mut handshake = ServerHandshake::new(ServerConfig::default());
    assert_eq!(handshake.timeout().as_secs(), 10);
    assert_eq!(handshake.handle_timeout(), Err(E::TimedOut));
    let mut out = Vec::new();
    handshake.fail(&mut out);
    assert!(out.starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    // With the head complete, neither the end of input nor the head's deadline matters.
    let mut served = serve(&wire);
    assert_eq!((served.machine.receive_eof(), served.machine.handle_timeout()), (Ok(()), Ok(())));
}

// Defences 2, A3, H-18
#[test]
fn head_length_is_limited_to_the_byte() {
    let wire = request_but(&[]);
    let mut config = ServerConfig::default();
    for (limit, fits) in [(wire.len() - 1, false), (wire.len(), true), (wire.len() + 1, true)] {
        config.max_head = limit;
        let served = serve_with(&config, &wire);
        assert_eq!(served.result.is_ok(), fits);
        if !fits {
            assert_eq!(served.error(), E::HeadTooLong { limit });
        }
    }
    // The error comes with the byte that exceeds the limit, not later.
    config.max_head = 20;
    assert!(matches!(serve_with(&config, &wire[..20]).result, Ok(None)));
    assert_eq!(serve_with(&config, &wire[..21]).error().status(), 431);
    config.max_head = 10;
    let error = serve_with(&config, &wire).error();
    assert_eq!((error, error.status()), (E::RequestLineTooLong { limit: 10 }, 414));
    config.max_head = 0;
    assert_eq!(serve_with(&config, b"G").error(), E::RequestLineTooLong { limit: 0 });
}

#[test]
fn default_limit_takes_a_request_line_of_8000_bytes() {
    let line = format!("GET /{} HTTP/1.1", "a".repeat(8000));
    assert!(serve(request_but(&[("", &line)])).message().is_upgrade());
}

// Defences 2, A5
#[test]
fn header_count_is_limited_exactly() {
    let wire =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    for count in [63, 64] {
        assert_eq!(serve(wire(count)).message().headers().count(), count);
    }
    let error = serve(wire(65)).error();
    assert_eq!((error, error.status()), (E::TooManyHeaders { limit: 64 }, 431));
    let mut config = ServerConfig::default();
    config.max_headers = 0;
    assert_eq!(serve_with(&config, wire(1)).error(), E::TooManyHeaders { limit: 0 });
    assert!(serve_with(&config, b"GET / HTTP/1.0\r\n\r\n").result.is_ok());
}

// R4.2.2-5, R4.2.2-6
#[test]
fn foreign_origin_is_forbidden() {
    let mut config = ServerConfig::default();
    config.origins = OriginPolicy::list(["https://example.com"]).expect("valid");
    let mut served = serve_with(&config, request_but(&[]));
    assert_eq!(served.error(), E::OriginNotAllowed);
    let mut out = Vec::new();
    served.machine.fail(&mut out);
    assert!(out.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
    config.origins = OriginPolicy::SameOrigin(Scheme::Http);
    assert_eq!(serve_with(&config, request_but(&[])).error(), E::OriginNotAllowed);
    for origin in ["", "Origin: http://Server.example.com:80\r\n"] {
        let served = serve_with(&config, request_but(&[("Origin", origin)]));
        assert!(served.message().is_upgrade(), "{origin}");
    }
    // A plain request is not the policy's business.
    assert!(serve_with(&config, request_but(&[("Upgrade", "")])).result.is_ok());
}

// Fixtures of real clients
#[test]
fn real_clients_are_understood() {
    let offer = "permessage-deflate; client_max_window_bits";
    let clients = [
        // Chromium 156
        format!(
            "GET /echo HTTP/1.1\r\nHost: localhost:9001\r\nConnection: Upgrade\r\n\
             Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0\r\n\
             Upgrade: websocket\r\nOrigin: http://localhost:8000\r\nSec-WebSocket-Version: 13\r\n\
             Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"
        ),
        // ws 8: Host last, subprotocols without a space
        format!(
            "GET / HTTP/1.1\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: {offer}\r\n\
             Sec-WebSocket-Protocol: a,b\r\nHost: localhost:9001\r\n\r\n"
        ),
        // Bun 1.4
        format!(
            "GET / HTTP/1.1\r\nHost: localhost:9001\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             Sec-WebSocket-Extensions: {offer}\r\n\r\n"
        ),
        // Deno 2.9: all names in lower case
        format!(
            "GET / HTTP/1.1\r\nuser-agent: Deno/2.9.6\r\nhost: localhost:9001\r\n\
             upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: {KEY}\r\n\
             sec-websocket-version: 13\r\n\r\n"
        ),
        // libcurl 8.21
        format!(
            "GET / HTTP/1.1\r\nHost: localhost:9001\r\nAccept: */*\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        ),
        // Java 17: Content-Length (N-7, H-22)
        format!(
            "GET / HTTP/1.1\r\nConnection: Upgrade\r\nContent-Length: 0\r\nHost: localhost:9001\r\n\
             Upgrade: websocket\r\nUser-Agent: Java-http-client/17.0.9\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ),
        // HAProxy 2.6, from HTTP/2: values in lower case
        format!(
            "GET / HTTP/1.1\r\nhost: localhost:9001\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {KEY}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        ),
        // Firefox: two options in Connection (B10)
        format!(
            "GET / HTTP/1.1\r\nHost: localhost:9001\r\nUser-Agent: Mozilla/5.0\r\n\
             Sec-WebSocket-Version: 13\r\nOrigin: http://localhost:8000\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: {KEY}\r\n\
             Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
        ),
    ];
    for wire in &clients {
        let answer = accepted(wire.as_bytes(), &Accept::new()).expect("valid");
        assert!(answer.contains(ACCEPT), "{wire}");
    }
}

#[test]
fn debug_output_hides_credentials() {
    let wire = request_but(&[("", "GET /a?token=1 HTTP/1.1"), ("C", "Cookie: secret\r\n")]);
    let mut shown = format!("{:?}", serve(&wire).message());
    shown += &format!("{:?}", serve(&wire[..wire.len() - 2]).machine);
    shown += &format!("{:?}", Accept::new().header("Set-Cookie", "secret"));
    shown += &format!("{:?}", Reply::new(200).header("Set-Cookie", "secret"));
    assert!(!shown.contains("token") && !shown.contains("secret"), "{shown}");
}

/// The fields of a request that another library has parsed.
fn parsed<'f>(but: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let mut fields = vec![
        ("Host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
    ];
    for (name, value) in but {
        fields.retain(|(other, _)| other != name);
        fields.push((name, value));
    }
    fields
}

// R4.2.1, by way of another HTTP library
#[test]
fn a_request_that_another_library_has_parsed_is_held_to_the_same_rules() {
    let from = |method, target, but: &[(&'static str, &'static str)]| {
        Request::from_fields(method, target, parsed(but), &OriginPolicy::SameOrigin(Scheme::Https))
    };
    let offers = [("sec-websocket-protocol", "chat, superchat"), ("X-Y", "z")];
    let request = from("GET", "/chat?a=1", &offers).expect("valid");
    assert!(request.is_upgrade());
    assert_eq!((request.method(), request.path(), request.query()), ("GET", "/chat", Some("a=1")));
    assert_eq!((request.header("x-y"), request.key()), (Some("z"), Some(KEY)));

    let name = request.choose_subprotocol(&["superchat"]);
    let reply = Accept::new().subprotocol(name).header("Set-Cookie", "seen=1");
    let (fields, negotiated) = reply.fields(&request).expect("valid");
    drop(request);
    let expected = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
        ("Sec-WebSocket-Protocol", "superchat"),
        ("Set-Cookie", "seen=1"),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
    assert_eq!(fields, expected);
    assert_eq!(negotiated.subprotocol(), Some("superchat"));

    let page = from("GET", "/", &[("upgrade", "h2c")]).expect("a page");
    assert!(!page.is_upgrade());
    assert_eq!(Accept::new().fields(&page).err(), Some(ReplyError::NotAnUpgrade));
    let but = |name, value| from("GET", "/", &[(name, value)]).err();
    assert_eq!(but("sec-websocket-version", "8"), Some(E::UnsupportedVersion));
    assert_eq!(but("sec-websocket-key", "short"), Some(E::InvalidField("Sec-WebSocket-Key")));
    assert_eq!(but("Origin", "https://evil.example"), Some(E::OriginNotAllowed));
    assert_eq!(but("Content-Length", "5"), Some(E::BodyOnUpgrade));
    assert_eq!(from("POST", "/", &[]).err(), Some(E::UpgradeNotGet));
    let no_fields: [(&str, &str); 0] = [];
    let none = Request::from_fields("GET", "/", no_fields, &OriginPolicy::Any);
    assert_eq!(none.err(), Some(E::MissingField("Host")));
}

// Defence B: what is put in ends neither its line nor the head
#[test]
fn a_parsed_request_cannot_bring_further_lines() {
    let from = |method, target, name, value| {
        let fields = [("Host", &b"a"[..]), (name, value)];
        Request::from_fields(method, target, fields, &OriginPolicy::Any).err()
    };
    assert_eq!(from("GET", "/", "X", b"\xff y"), None);
    for value in [&b"a\r\nY: b"[..], b"a\nY: b", b"a\r", b"a\0"] {
        assert_eq!(from("GET", "/", "X", value), Some(E::MalformedHeader), "{value:?}");
    }
    for name in ["", "X Y", "X:", "X\r\nY", "\u{e4}"] {
        assert_eq!(from("GET", "/", name, b"a"), Some(E::MalformedHeader), "{name:?}");
    }
    for method in ["", "G T", "GET /\r\n", "\u{e4}"] {
        assert_eq!(from(method, "/", "X", b"a"), Some(E::MalformedStartLine), "{method:?}");
    }
    for target in ["", "/a b", "/ HTTP/1.1\r\nX: y", "/\u{e4}", "/#a"] {
        assert_eq!(from("GET", target, "X", b"a"), Some(E::InvalidTarget), "{target:?}");
    }
}

// R4.2.2-8, H-7, behind another HTTP library
#[test]
fn a_refusal_behind_another_library_says_what_belongs_to_it() {
    let fields = |reply: &Reply<'static>| {
        let fields = reply.fields().expect("valid");
        fields.into_iter().map(|(name, value)| (name, value.into_owned())).collect::<Vec<_>>()
    };
    let own = |list: &[(&'static str, &str)]| {
        list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    let asked =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];
    assert_eq!(fields(&Reply::new(E::UnsupportedVersion.status())), own(&asked));
    assert_eq!(fields(&Reply::new(405)), own(&[("Allow", "GET")]));
    let listed = Reply::new(405).header("allow", "GET, HEAD");
    assert_eq!(fields(&listed), own(&[("allow", "GET, HEAD")]));
    assert_eq!(fields(&Reply::new(403).header("X", "y")), own(&[("X", "y")]));
    assert_eq!(Reply::new(101).fields(), Err(ReplyError::InvalidStatus(101)));
    assert!(Reply::new(403).header("Content-Length", "1").fields().is_err());
}
