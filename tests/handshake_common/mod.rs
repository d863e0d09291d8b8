//! Feeds one side of the handshake whole, one byte at a time, and split at every position, and
//! requires the same outcome each time.

#![allow(dead_code, reason = "each test crate uses its half")]

use std::fmt::Debug;

use websocket_proto::Input;
use websocket_proto::handshake::{
    ClientConfig, ClientHandshake, ClientRequest, HandshakeError, Request, Response, ServerConfig,
    ServerHandshake,
};

pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";

/// Past this length, split positions are sampled: the cost is quadratic.
const SPLIT_ALL: usize = 1024;

/// What the handshake made of the wire bytes, and the bytes it left.
pub(crate) struct Outcome<M, T> {
    pub(crate) machine: M,
    pub(crate) result: Result<Option<T>, HandshakeError>,
    pub(crate) rest: Vec<u8>,
}

pub(crate) type Served = Outcome<ServerHandshake, Request>;
pub(crate) type Answered = Outcome<ClientHandshake, Response>;

pub(crate) fn serve(wire: impl AsRef<[u8]>) -> Served {
    serve_with(&ServerConfig::default(), wire)
}

pub(crate) fn serve_with(config: &ServerConfig, wire: impl AsRef<[u8]>) -> Served {
    let new = || ServerHandshake::new(config.clone());
    in_all_pieces(wire.as_ref(), new, ServerHandshake::receive, request_text)
}

pub(crate) fn answer(request: &ClientRequest, wire: impl AsRef<[u8]>) -> Answered {
    answer_with(&ClientConfig::default(), request, wire)
}

pub(crate) fn answer_with(
    config: &ClientConfig,
    request: &ClientRequest,
    wire: impl AsRef<[u8]>,
) -> Answered {
    let new = || ClientHandshake::start_with(request, NONCE, config.clone(), &mut Vec::new());
    in_all_pieces(wire.as_ref(), new, ClientHandshake::receive, response_text)
}

fn in_all_pieces<M, T>(
    wire: &[u8],
    new: impl Fn() -> M,
    receive: impl Fn(&mut M, &mut Input<'_>) -> Result<Option<T>, HandshakeError>,
    text: impl Fn(&T) -> String,
) -> Outcome<M, T> {
    let run = |pieces: &[&[u8]]| {
        let mut machine = new();
        let mut result = Ok(None);
        let mut rest = Vec::new();
        for piece in pieces {
            if !matches!(result, Ok(None)) {
                rest.extend_from_slice(piece);
                continue;
            }
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            result = receive(&mut machine, &mut input);
            rest.extend_from_slice(input.as_bytes());
        }
        Outcome { machine, result, rest }
    };
    let whole = run(&[wire]);
    let check = |pieces: &[&[u8]]| {
        let other = run(pieces);
        let seen = |outcome: &Outcome<M, T>| {
            outcome.result.as_ref().map(|it| it.as_ref().map(&text)).map_err(|error| *error)
        };
        assert_eq!(seen(&other), seen(&whole), "cut after {}", pieces[0].len());
        if whole.result.is_ok() {
            assert_eq!(other.rest, whole.rest);
        }
    };
    if !wire.is_empty() {
        check(&wire.chunks(1).collect::<Vec<_>>());
    }
    let step = if wire.len() > SPLIT_ALL { 97 } else { 1 };
    for at in (0..=wire.len()).step_by(step) {
        let (first, second) = wire.split_at(at);
        check(&[first, second]);
    }
    whole
}

fn request_text(request: &Request) -> String {
    let headers: Vec<_> = request.headers().collect();
    format!("{request:?} {} {headers:?}", request.target())
}

fn response_text(response: &Response) -> String {
    let headers: Vec<_> = response.headers().collect();
    let body = (response.body(), response.is_body_complete());
    format!("{response:?} {headers:?} {body:?}")
}

impl<M, T: Debug> Outcome<M, T> {
    /// The message, which must have come.
    pub(crate) fn message(&self) -> &T {
        self.result.as_ref().expect("no error").as_ref().expect("complete")
    }

    /// The error, which must have come.
    pub(crate) fn error(&self) -> HandshakeError {
        *self.result.as_ref().expect_err("an error")
    }
}

/// The request of RFC 6455 §1.2 with some lines replaced: a pair names a field and its new lines.
pub(crate) fn request_but(changes: &[(&str, &str)]) -> Vec<u8> {
    let fields = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Version", "13"),
    ];
    message("GET /chat HTTP/1.1", &fields, changes)
}

/// A 101 response to [`KEY`] with some lines replaced.
pub(crate) fn response_but(changes: &[(&str, &str)]) -> Vec<u8> {
    let fields =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)];
    message("HTTP/1.1 101 Switching Protocols", &fields, changes)
}

fn message(start: &str, fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<u8> {
    let start = changes.iter().find(|(name, _)| name.is_empty()).map_or(start, |(_, line)| line);
    let mut head = format!("{start}\r\n");
    for (name, value) in fields {
        match changes.iter().find(|(other, _)| other == name) {
            Some((_, lines)) => head += lines,
            None => head += &format!("{name}: {value}\r\n"),
        }
    }
    for (name, lines) in changes {
        if !name.is_empty() && fields.iter().all(|(other, _)| other != name) {
            head += lines;
        }
    }
    (head + "\r\n").into_bytes()
}

pub(crate) fn text(out: &[u8]) -> &str {
    std::str::from_utf8(out).expect("heads are text")
}
