//! What holds for both sides of the opening handshake, whatever bytes they are given.
//!
//! What is accepted is looked at again by [`Lines`], a reading of the head that shares no code with
//! the crate and knows only the rules named here.

use std::fmt::Debug;

use websocket_proto::Input;
use websocket_proto::handshake::{
    Accept, ClientConfig, ClientHandshake, ClientRequest, HandshakeError, OriginPolicy, Request,
    Response, ServerConfig, ServerHandshake, accept_key,
};

use crate::{Setup, Split, memory};

const HEADS: [usize; 4] = [16 * 1024, 40, 200, 1000];
const HEADERS: [usize; 4] = [64, 0, 3, 8];
const NONCE: [u8; 16] = *b"the sample nonce";

/// A server gives the same request, error and remaining bytes in any split; a request that it
/// accepts keeps to RFC 6455 §4.2.1, and its 101 is accepted by a client; an error stays, and is
/// answered once.
pub fn server(setup: Setup, wire: &[u8]) {
    let mut config = ServerConfig::default();
    config.max_head = HEADS[setup.limits() & 3];
    config.max_headers = HEADERS[setup.limits() >> 2 & 3];
    let new = || ServerHandshake::new(config.clone());
    let (mut handshake, result, used) =
        in_any_split(wire, setup.split(), new, ServerHandshake::receive, request_text);
    let mut out = Vec::new();
    match result {
        Ok(Some(request)) => {
            assert!(used <= config.max_head && request.headers().count() <= config.max_headers);
            if request.is_upgrade() {
                check_request(&request, &Lines::new(&wire[..used]));
                let protocol = request.subprotocols().next();
                let terms = Accept::new().subprotocol(protocol);
                let negotiated = handshake.accept(&request, &terms, &mut out);
                let negotiated = negotiated.expect("valid terms");
                assert_eq!(negotiated.subprotocol(), protocol);
                let (method, target) = (request.method(), request.target());
                let fields = request.headers();
                let again = Request::from_fields(method, target, fields, &OriginPolicy::Any);
                let again = again.expect("it came like this");
                assert!(again.is_upgrade() && again.headers().eq(request.headers()));
                let (fields, agreed) = terms.fields(&again).expect("valid terms");
                assert_eq!(agreed, negotiated);
                let written = String::from_utf8_lossy(&out);
                for (name, value) in fields {
                    assert!(written.contains(&format!("\r\n{name}: {value}\r\n")), "{name}");
                }
                client_accepts(&request, &out);
            } else {
                assert!(handshake.accept(&request, &Accept::new(), &mut out).is_err());
                assert!(out.is_empty());
            }
        }
        Ok(None) => {
            assert!(used == wire.len() && used <= config.max_head);
            let error = handshake.receive_eof();
            assert_eq!(error, Err(HandshakeError::UnexpectedEof));
            assert_eq!(handshake.handle_timeout(), error, "an error stays");
        }
        Err(error) => {
            assert_eq!(handshake.receive_eof(), Err(error), "an error stays");
            handshake.fail(&mut out);
            let status = format!("HTTP/1.1 {} ", error.status());
            assert!(out.starts_with(status.as_bytes()));
            assert_eq!(client_reads(&out).status(), error.status());
            assert_eq!(out.ends_with(b"\r\n\r\n"), wire.starts_with(b"HEAD "), "content");
            let length = out.len();
            handshake.fail(&mut out);
            assert_eq!(out.len(), length, "an error is answered once");
        }
    }
}

/// A client gives the same response, error and remaining bytes in any split; a 101 that it accepts
/// keeps to RFC 6455 §4.1; an error stays.
pub fn client(setup: Setup, wire: &[u8]) {
    let mut config = ClientConfig::default();
    config.max_head = HEADS[setup.limits() & 3];
    config.max_headers = HEADERS[setup.limits() >> 2 & 3];
    config.max_body = HEADS[setup.limits() >> 4 & 3];
    let request = ClientRequest::new("ws://example.com/chat").expect("a valid URL");
    let request = request.subprotocol("chat").expect("a token").subprotocol("b").expect("a token");
    let new = || ClientHandshake::start_with(&request, NONCE, config.clone(), &mut Vec::new());
    let (mut handshake, result, used) =
        in_any_split(wire, setup.split(), new, ClientHandshake::receive, response_text);
    match result {
        Ok(Some(response)) => {
            assert!(response.headers().count() <= config.max_headers);
            assert!(response.body().len() <= config.max_body);
            assert_eq!(response.is_switching(), response.status() == 101);
            if let Some(negotiated) = response.negotiated() {
                check_response(&wire[..used]);
                assert!(matches!(negotiated.subprotocol(), None | Some("chat" | "b")));
                assert!(response.body().is_empty());
            } else if response.is_body_complete() && !matches!(response.status(), 204 | 304) {
                let coded = response.header_values("transfer-encoding").next().is_some();
                assert!(!coded || response.body() == data_of_chunks(&wire[..used]));
            }
            assert_eq!(handshake.receive_eof().map(|more| more.is_some()), Ok(false));
            let (mut again, _) = ClientHandshake::start_fields(&request, NONCE, config);
            let again = again.receive_fields(response.status(), response.headers());
            let again = again.expect("it came like this");
            assert_eq!(again.negotiated(), response.negotiated());
            assert!(again.headers().eq(response.headers()));
        }
        Ok(None) => {
            assert_eq!(used, wire.len(), "None means that the input is used up");
            match handshake.receive_eof() {
                Ok(response) => {
                    let response = response.expect("its head is complete");
                    assert!(!response.is_switching() && response.body().len() <= config.max_body);
                    assert_eq!(handshake.handle_timeout().map(|more| more.is_some()), Ok(false));
                }
                Err(error) => {
                    assert_eq!(error, HandshakeError::UnexpectedEof);
                    assert_eq!(handshake.handle_timeout().err(), Some(error), "an error stays");
                }
            }
        }
        Err(error) => assert_eq!(handshake.receive_eof().err(), Some(error), "an error stays"),
    }
}

type Outcome<M, T> = (M, Result<Option<T>, HandshakeError>, usize);

/// Runs `wire` through machines in three splits, and gives the whole one and how much it took.
fn in_any_split<M, T: Debug>(
    wire: &[u8],
    split: Split,
    new: impl Fn() -> M,
    receive: impl Fn(&mut M, &mut Input<'_>) -> Result<Option<T>, HandshakeError>,
    text: impl Fn(&T) -> String,
) -> Outcome<M, T> {
    let run = |split: Split| -> Outcome<M, T> {
        let mut wire = wire.to_vec();
        let (before, mut received) = (memory::live(), 0);
        let (mut machine, mut result, mut used) = (new(), Ok(None), 0);
        for piece in split.pieces(&mut wire) {
            let length = piece.len();
            received += length;
            let mut input = Input::new(piece);
            result = receive(&mut machine, &mut input);
            used += length - input.len();
            if !matches!(result, Ok(None)) {
                break;
            }
            memory::assert_bounded(before, received, 0);
        }
        if let Err(error) = result {
            let mut more = *b"GET / HTTP/1.1\r\n\r\n";
            let again = receive(&mut machine, &mut Input::new(&mut more));
            assert_eq!(again.err(), Some(error), "an error stays");
        }
        (machine, result, used)
    };
    let whole = run(Split::Whole);
    let seen = |(_, result, used): &Outcome<M, T>| match result {
        Ok(message) => (Ok(message.as_ref().map(&text)), *used),
        // Nobody uses what follows an error.
        Err(error) => (Err(*error), 0),
    };
    for split in [Split::Bytewise, split] {
        assert_eq!(seen(&run(split)), seen(&whole), "{split:?}");
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

/// A head, split at CR LF and at the first colon of each line.
struct Lines<'a> {
    start: &'a [u8],
    fields: Vec<(String, &'a [u8])>,
}

impl<'a> Lines<'a> {
    fn new(head: &'a [u8]) -> Self {
        let lines = head.strip_suffix(b"\r\n\r\n").expect("a head ends in an empty line");
        let mut lines = lines.split(|byte| *byte == b'\n').map(|line| match line {
            [line @ .., b'\r'] => line,
            line => line, // the last one, whose CR LF has been taken off
        });
        let start = lines.next().expect("one at least");
        let field = |line: &'a [u8]| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a field has a colon");
            let name = str::from_utf8(&line[..colon]).expect("a token").to_ascii_lowercase();
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(!line.contains(&b'\r') && !line.contains(&0), "one line each");
            (name, line[colon + 1..].trim_ascii())
        };
        Self { start, fields: lines.map(field).collect() }
    }

    fn values(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|field| field.0 == name).map(|field| field.1).collect()
    }

    /// Whether a comma-separated list has `token`, in any case.
    fn lists(&self, name: &str, token: &str) -> bool {
        let values = self.values(name);
        let mut elements = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
        elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// RFC 9112 §6: no body may follow, where frames do.
    fn assert_no_body(&self) {
        assert!(self.values("transfer-encoding").is_empty());
        let lengths = self.values("content-length");
        assert!(lengths.is_empty() || lengths.len() == 1 && lengths[0].iter().all(|b| *b == b'0'));
    }
}

/// RFC 6455 §4.2.1, items 1 to 6.
fn check_request(request: &Request, lines: &Lines<'_>) {
    assert_eq!(lines.start, format!("GET {} HTTP/1.1", request.target()).as_bytes());
    assert_eq!(lines.values("host").len(), 1);
    assert!(lines.lists("upgrade", "websocket") && lines.lists("connection", "upgrade"));
    assert_eq!(lines.values("sec-websocket-version"), [b"13"]);
    assert_eq!(lines.values("sec-websocket-key").len(), 1);
    decode_nonce(lines.values("sec-websocket-key")[0]);
    assert!(lines.values("origin").len() <= 1);
    assert_eq!(request.headers().count(), lines.fields.len());
    lines.assert_no_body();
}

/// RFC 6455 §4.1, "If the response ...". Interim responses may come before.
fn check_response(heads: &[u8]) {
    let text = b"\r\n\r\n";
    let body = heads.strip_suffix(text).expect("a head ends in an empty line");
    let last = (0..body.len()).rev().find(|&at| body[at..].starts_with(text));
    let mut head = heads[last.map_or(0, |at| at + text.len())..].to_vec();
    for at in 3..head.len() {
        // RFC 9112 §5.2: spaces take the place of a fold.
        if let [end @ .., b' ' | b'\t'] = &mut head[at - 2..=at]
            && end == b"\r\n"
        {
            end.fill(b' ');
        }
    }
    let lines = Lines::new(&head);
    assert!(lines.start.starts_with(b"HTTP/1.1 101"));
    let upgrade = lines.values("upgrade");
    assert!(upgrade.len() == 1 && upgrade[0].eq_ignore_ascii_case(b"websocket"));
    assert!(lines.lists("connection", "upgrade"));
    assert_eq!(lines.values("sec-websocket-accept"), [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    let protocols = lines.values("sec-websocket-protocol");
    assert!(protocols.is_empty() || protocols == [b"chat"] || protocols == [b"b"]);
    assert!(lines.values("sec-websocket-extensions").iter().all(|value| {
        value.split(|byte| *byte == b',').all(|element| element.trim_ascii().is_empty())
    }));
    lines.assert_no_body();
}

/// RFC 9112 §7.1: what is in the chunks of a response that ends with its trailers.
fn data_of_chunks(mut rest: &[u8]) -> Vec<u8> {
    // Interim responses have no body.
    while take_to(&mut rest, b"\r\n\r\n")[9] == b'1' {}
    let mut data = Vec::new();
    loop {
        let line = take_to(&mut rest, b"\r\n");
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let digits = str::from_utf8(&line[..digits]).expect("ASCII");
        let size = usize::from_str_radix(digits, 16).expect("not above the limit");
        if size == 0 {
            break;
        }
        data.extend(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").expect("the end of a chunk");
    }
    while !take_to(&mut rest, b"\r\n").is_empty() {}
    assert!(rest.is_empty(), "nothing is taken behind the end");
    data
}

fn take_to<'a>(rest: &mut &'a [u8], end: &[u8]) -> &'a [u8] {
    let at = rest.windows(end.len()).position(|bytes| bytes == end).expect("is complete");
    let (taken, behind) = rest.split_at(at);
    *rest = &behind[end.len()..];
    taken
}

/// A client that had sent this request takes the response for the start of the connection.
fn client_accepts(request: &Request, response: &[u8]) {
    let key = request.key().expect("an upgrade has one");
    let nonce = decode_nonce(key.as_bytes());
    let mut ask = ClientRequest::new("ws://example.com/").expect("a valid URL");
    let mut seen = Vec::new();
    for name in request.subprotocols() {
        if !seen.contains(&name) {
            ask = ask.subprotocol(name).expect("a token that is new");
            seen.push(name);
        }
    }
    let (mut sent, mut response) = (Vec::new(), response.to_vec());
    let mut client = ClientHandshake::start(&ask, nonce, &mut sent);
    let answer = client.receive(&mut Input::new(&mut response));
    assert!(answer.is_ok_and(|answer| answer.is_some_and(|it| it.is_switching())));
    assert!(String::from_utf8_lossy(&response).contains(&accept_key(key)));
}

fn client_reads(response: &[u8]) -> Response {
    let ask = ClientRequest::new("ws://example.com/").expect("a valid URL");
    let mut response = response.to_vec();
    let mut client = ClientHandshake::start(&ask, NONCE, &mut Vec::new());
    let mut input = Input::new(&mut response);
    match client.receive(&mut input).expect("a response") {
        Some(response) => response,
        // The answer to a HEAD announces a body that does not come.
        None => client.receive_eof().expect("a head").expect("a response"),
    }
}

/// Canonical base64 of 16 bytes (RFC 4648 §4).
fn decode_nonce(key: &[u8]) -> [u8; 16] {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = key.strip_suffix(b"==").expect("padding");
    let value = digits.iter().fold(0_u128, |value, digit| {
        let digit = SYMBOLS.iter().position(|symbol| symbol == digit).expect("a symbol");
        // 22 digits are 132 bits: the first 128 are the nonce, which the last digit fills up.
        value << 6 | u128::try_from(digit).expect("below 64")
    });
    assert_eq!(digits.len(), 22);
    let last = SYMBOLS.iter().position(|symbol| Some(symbol) == digits.last()).expect("a symbol");
    assert_eq!(last & 15, 0, "the bits behind the nonce are 0");
    let top = SYMBOLS.iter().position(|symbol| Some(symbol) == digits.first()).expect("a symbol");
    // The fold has shifted the top four bits out; the bottom four are padding.
    (value >> 4 | u128::try_from(top >> 2).expect("four bits") << 124).to_be_bytes()
}
