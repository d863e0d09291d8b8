//! The blocking adapter: opening, echo loops, closing, faults of the stream, two threads.

mod io;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use io::{
    BINARY, CLOSE, Fault, Mock, PATIENCE, PING, PONG, TEXT, answers, client, conversation, ends,
    frame, is_torn_off, masked, opcodes, server,
};
use websocket_proto::blocking::{
    Error, Plain, Receiver, Sender, Transport, WebSocket, accept, connect,
};
use websocket_proto::connection::{Failure, Fragment, Initiator};
use websocket_proto::deflate::{self, Params, Pool};
use websocket_proto::endpoint::{Config, Endpoint, Received};
use websocket_proto::handshake::{
    Accept, ClientConfig, ClientRequest, HandshakeError, Reply, ReplyError, ServerConfig,
};
use websocket_proto::{
    CloseCode, Connection, Message, OwnedMessage, ProtocolError, SendError, TimeoutError,
    UncleanClose,
};

fn fault(fault: Option<Fault>) -> std::io::Result<()> {
    match fault {
        None => Ok(()),
        Some(Fault::Error(kind)) => Err(kind.into()),
        Some(Fault::Pending) => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Read for Mock {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut state = self.lock();
        fault(state.call())?;
        let bytes = state.read(buffer.len()).unwrap_or(Err(ErrorKind::WouldBlock.into()))?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl Write for Mock {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let mut state = self.lock();
        fault(state.call())?;
        state.write(slices).unwrap_or(Err(ErrorKind::WouldBlock.into()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut state = self.lock();
        fault(state.call())?;
        state.flush();
        Ok(())
    }
}

impl Transport for Mock {
    fn shutdown_write(&mut self) -> std::io::Result<()> {
        self.lock().shut = true;
        Ok(())
    }
}

fn over(mock: &Mock) -> WebSocket<Mock> {
    over_with(mock, &Config::default())
}

fn over_with(mock: &Mock, config: &Config) -> WebSocket<Mock> {
    WebSocket::new(mock.clone(), server(config)).expect("no timeouts to set")
}

/// A server, and the raw stream of its client.
fn served(config: &Config) -> (WebSocket<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("sockets");
    far.set_read_timeout(Some(PATIENCE)).expect("a socket");
    (WebSocket::new(near, server(config)).expect("a socket"), far)
}

fn pair(config: &Config) -> (WebSocket<UnixStream>, WebSocket<UnixStream>) {
    let (near, far) = UnixStream::pair().expect("sockets");
    let near = WebSocket::new(near, client(config)).expect("a socket");
    (near, WebSocket::new(far, server(config)).expect("a socket"))
}

/// Receives and echoes until the end, and calls again what would block.
fn echo(ws: &mut WebSocket<Mock>) -> (Vec<String>, Result<(), Error>) {
    let mut messages = Vec::new();
    loop {
        match ws.next() {
            Ok(Some(Received { message, mut out })) => {
                messages.push(message.as_text().expect("text").to_owned());
                let _ = out.feed(message);
            }
            Ok(None) => return (messages, Ok(())),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return (messages, Err(error)),
        }
    }
}

fn echo_all<S: Transport>(mut ws: WebSocket<S>) -> Result<WebSocket<S>, Error> {
    while let Some(Received { message, mut out }) = ws.next()? {
        out.feed(message)?;
    }
    Ok(ws)
}

fn would_block<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
        other => panic!("{other:?}"),
    }
}

// --- opening ---

fn request() -> ClientRequest {
    ClientRequest::new("ws://example.org/chat").expect("valid")
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn subprotocol_is_agreed_on_end_to_end() {
    let (near, far) = UnixStream::pair().expect("sockets");
    let serving = thread::spawn(move || {
        let accepting = accept(far, ServerConfig::default())?;
        let reply = Accept::new().subprotocol("soap");
        let (ws, negotiated) = accepting.accept(&reply, &Config::default())?;
        assert_eq!(negotiated.subprotocol(), Some("soap"));
        echo_all(ws).map(|ws| ws.outcome().expect("ended"))
    });
    let request = request().subprotocol("chat").expect("valid").subprotocol("soap").expect("valid");
    let (mut ws, response) =
        connect(near, &request, ClientConfig::default(), &Config::default()).expect("connected");
    assert_eq!(response.negotiated().and_then(|it| it.subprotocol()), Some("soap"));
    ws.send("hello").expect("open");
    assert_eq!(ws.next().expect("open").expect("a message").message, Message::Text("hello"));
    let closed = ws.close(CloseCode::NORMAL, "bye").expect("valid");
    let served = serving.join().expect("no panic").expect("clean");
    assert!(closed.is_clean() && served.is_clean());
    assert_eq!((served.initiator, closed.initiator), (Initiator::Peer, Initiator::Local));
}

#[test]
fn refusal_reaches_the_client_with_status_headers_and_body() {
    for status in [302, 403, 404, 426, 503] {
        let (near, far) = UnixStream::pair().expect("sockets");
        let serving = thread::spawn(move || {
            let accepting = accept(far, ServerConfig::default())?;
            accepting.reject(&Reply::new(status).header("X-Y", "z").text("no\n"))
        });
        let called = connect(near, &request(), ClientConfig::default(), &Config::default());
        let Err(Error::Refused(response)) = called else { panic!("{called:?}") };
        assert_eq!((response.status(), response.body()), (status, &b"no\n"[..]));
        assert_eq!(response.header("x-y"), Some("z"));
        serving.join().expect("no panic").expect("written");
    }
}

#[test]
fn bad_request_is_answered_with_its_status() {
    let mut config = ServerConfig::default();
    config.max_head = 512;
    config.timeout = Duration::from_millis(50);
    let big = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(600));
    let late = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for (wire, status) in [("\x16\x03\x01".to_owned(), 400), (big, 431), (late, 408)] {
        let (mut near, far) = UnixStream::pair().expect("sockets");
        near.write_all(wire.as_bytes()).expect("room");
        let config = config.clone();
        let serving = thread::spawn(move || accept(far, config).expect_err("an error"));
        let mut answer = String::new();
        near.read_to_string(&mut answer).expect("text");
        drop(near);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let error = serving.join().expect("no panic");
        assert!(matches!(error, Error::Handshake(error) if error.status() == status), "{error}");
    }
}

#[test]
fn accepting_what_asks_for_no_connection_is_answered_426() {
    let mock = Mock::ending("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let accepting = accept(mock.clone(), ServerConfig::default()).expect("a request");
    let accepted = accepting.accept(&Accept::new(), &Config::default());
    assert!(matches!(accepted, Err(Error::Reply(ReplyError::NotAnUpgrade))));
    assert!(mock.written().starts_with(b"HTTP/1.1 426 "));
    assert!(mock.lock().shut);
}

#[test]
fn mistake_of_the_application_is_told_of_although_the_client_is_gone() {
    let mock = Mock::new(UPGRADE);
    let accepting = accept(mock.clone(), ServerConfig::default()).expect("a request");
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    let reply = Accept::new().subprotocol("chat");
    let error = accepting.accept(&reply, &Config::default()).expect_err("it was not offered");
    assert!(matches!(error, Error::Reply(ReplyError::SubprotocolNotOffered)), "{error}");
}

#[test]
fn eof_and_interruption_inside_the_request_are_told_apart() {
    for end in 0..UPGRADE.len() {
        let mock = Mock::ending(&UPGRADE[..end]);
        mock.lock().faults = vec![(0, Fault::Error(ErrorKind::Interrupted))];
        let error = accept(mock, ServerConfig::default()).expect_err("an error");
        assert!(matches!(error, Error::Handshake(HandshakeError::UnexpectedEof)), "{error}");
    }
}

#[test]
fn frames_glued_to_the_request_are_received() {
    for step in [1, 7, usize::MAX] {
        let mock = Mock::new([UPGRADE.as_bytes(), &masked(TEXT, b"early")].concat());
        mock.lock().step = step;
        let accepting = accept(mock, ServerConfig::default()).expect("a request");
        let (mut ws, _) = accepting.accept(&Accept::new(), &Config::default()).expect("accepted");
        assert_eq!(ws.next().expect("open").expect("a message").message, Message::Text("early"));
    }
}

#[test]
fn stream_handed_on_blocks_as_before() {
    let (mut near, far) = UnixStream::pair().expect("sockets");
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("room");
    let accepting = accept(far, ServerConfig::default()).expect("a request");
    let (stream, request, rest) = accepting.into_parts();
    assert_eq!((request.path(), rest.len()), ("/", 0));
    assert_eq!(stream.read_timeout().expect("a socket"), None);
}

#[test]
fn connect_gives_up_on_a_server_that_does_not_answer() {
    let (near, _far) = UnixStream::pair().expect("sockets");
    let mut config = ClientConfig::default();
    config.timeout = Duration::from_millis(50);
    let called = connect(near, &request(), config, &Config::default());
    assert!(matches!(called, Err(Error::Handshake(HandshakeError::TimedOut))), "{called:?}");
}

const CHUNKED: &str = "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";

#[test]
fn refusal_in_chunks_is_told_of_at_its_end() {
    // What follows would block: the connection is kept alive.
    let mock = Mock::new(CHUNKED);
    let called = connect(mock, &request(), ClientConfig::default(), &Config::default());
    let Err(Error::Refused(response)) = called else { panic!("{called:?}") };
    assert_eq!((response.body(), response.is_body_complete()), (&b"busy"[..], true));
}

#[test]
fn refusal_is_told_of_although_the_stream_fails_in_its_body() {
    let wire = "HTTP/1.1 403 No\r\nConnection: close\r\n\r\nbusy";
    for kind in [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset] {
        for end in 0..=wire.len() {
            let mock = Mock::new(&wire[..end]);
            mock.lock().read_error = Some(kind);
            match connect(mock, &request(), ClientConfig::default(), &Config::default()) {
                Err(Error::Refused(response)) if end >= wire.len() - 4 => {
                    let body = &wire.as_bytes()[wire.len() - 4..end];
                    assert_eq!((response.body(), response.is_body_complete()), (body, false));
                }
                Err(Error::Io(error)) if end < wire.len() - 4 => assert_eq!(error.kind(), kind),
                other => panic!("{end}: {other:?}"),
            }
        }
    }
}

#[test]
fn page_for_a_client_that_does_not_read_is_given_up() {
    let (mut near, far) = UnixStream::pair().expect("sockets");
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("room");
    let mut config = ServerConfig::default();
    config.timeout = Duration::from_millis(50);
    let accepting = accept(far, config).expect("a request");
    let rejected = ends(move || accepting.reject(&Reply::new(200).body(&vec![0; 4 << 20])));
    assert!(matches!(rejected, Err(Error::Timeout(TimeoutError::Write))), "{rejected:?}");
}

/// A stream that has been written `wire`, with a peer that takes little of what is sent to it.
#[derive(Debug)]
struct Drain {
    wire: &'static str,
    calls: usize,
    /// How much a write takes.
    room: usize,
    /// The timeouts set, for reads and for writes.
    reads: Vec<Duration>,
    writes: Vec<Duration>,
    /// How long writes are put off from the first on, and until when that is.
    late: Duration,
    busy: Option<Instant>,
}

impl Drain {
    fn new(wire: &'static str, room: usize) -> Self {
        let (reads, writes) = (Vec::new(), Vec::new());
        Self { wire, calls: 0, room, reads, writes, late: Duration::ZERO, busy: None }
    }
}

impl Read for Drain {
    fn read(&mut self, mut buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.write(self.wire.as_bytes())?;
        self.wire = &self.wire[count..];
        if count == 0 { Err(ErrorKind::ConnectionReset.into()) } else { Ok(count) }
    }
}

impl Write for Drain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(16) {
            return Err(ErrorKind::Interrupted.into());
        }
        if *self.busy.get_or_insert_with(|| Instant::now() + self.late) > Instant::now() {
            return Err(ErrorKind::WouldBlock.into()); // sooner than it was allowed to
        }
        Ok(bytes.len().min(self.room))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.room == usize::MAX { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Transport for &mut Drain {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.reads.extend(timeout);
        Ok(true)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.writes.extend(timeout);
        Ok(true)
    }
}

#[test]
fn client_that_takes_a_little_now_and_then_does_not_hold_the_thread() {
    let mut config = ServerConfig::default();
    config.timeout = Duration::from_millis(50);
    // A byte with each write; the second page is taken whole, but its flush is not.
    for (room, size) in [(1, 32 << 20), (usize::MAX - 1, 1)] {
        let mut drain = Drain::new("GET / HTTP/1.1\r\nHost: a\r\n\r\n", room);
        let accepting = accept(&mut drain, config.clone()).expect("a request");
        let rejected = accepting.reject(&Reply::new(200).body(&vec![0; size]));
        assert!(matches!(rejected, Err(Error::Timeout(TimeoutError::Write))), "{rejected:?}");
        let timeouts = &drain.writes;
        assert!(timeouts.iter().all(|it| !it.is_zero() && *it <= config.timeout));
        assert!(timeouts.is_sorted_by(|one, two| one >= two), "there is one deadline");
        // The same for what opens a connection.
        let mut drain = Drain::new(UPGRADE, room);
        let accepting = accept(&mut drain, config.clone()).expect("a request");
        let cookie = "x".repeat(size);
        let reply = Accept::new().header("Set-Cookie", &cookie);
        let accepted = accepting.accept(&reply, &Config::default());
        assert!(matches!(accepted, Err(Error::Timeout(TimeoutError::Write))), "{accepted:?}");
    }
}

#[test]
fn time_to_connect_counts_from_the_first_write() {
    let mut drain = Drain::new("", usize::MAX);
    drain.late = Duration::from_millis(30);
    let config = ClientConfig::default();
    let most = config.timeout - drain.late;
    let called = connect(&mut drain, &request(), config, &Config::default());
    assert!(matches!(called, Err(Error::Io(_))), "{called:?}");
    assert!(matches!(drain.reads[..], [timeout] if timeout <= most), "{:?}", drain.reads);
}

// --- echo loops ---

#[test]
fn messages_read_together_are_answered_by_one_write() {
    let mock = Mock::new(masked(TEXT, b"hi").repeat(10));
    let mut ws = over(&mock);
    for _ in 0..10 {
        let Ok(Some(Received { message, mut out })) = ws.next() else { panic!() };
        out.feed(message).expect("room");
    }
    assert_eq!(mock.lock().writes, 0);
    would_block(ws.next());
    assert_eq!(mock.lock().writes, 1);
    assert_eq!(mock.written(), frame(TEXT, b"hi").repeat(10));
}

#[test]
fn feed_queues_and_send_flushes() {
    let mock = Mock::new([]);
    let mut ws = over(&mock);
    ws.feed("a").expect("open");
    ws.feed(b"b").expect("open");
    assert_eq!(mock.lock().calls, 0);
    ws.send("c").expect("open");
    ws.ping(b"?").expect("open");
    ws.send_part("x", Fragment::More).expect("open");
    ws.send_part("y", Fragment::Last).expect("open");
    assert_eq!(mock.written(), b"\x81\x01a\x82\x01b\x81\x01c\x89\x01?\x01\x01x\x80\x01y");
    assert_eq!(mock.lock().writes, 4);
}

#[test]
fn large_messages_go_both_ways() {
    for len in [1 << 20, 16 << 20] {
        let (mut near, far) = pair(&Config::default());
        let serving = thread::spawn(move || echo_all(far).map(drop));
        let bytes: Vec<u8> = (0..len).map(|at: usize| at.to_le_bytes()[1]).collect();
        near.send(&bytes).expect("open");
        let received = near.next().expect("open").expect("a message");
        assert!(received.message.as_bytes() == bytes);
        assert!(near.close(CloseCode::NORMAL, "").expect("valid").is_clean());
        serving.join().expect("no panic").expect("clean");
    }
}

#[test]
fn short_reads_and_writes_change_nothing() {
    let (wire, messages) = conversation();
    for step in [1, 2, 3, 5, usize::MAX] {
        for stutter in [false, true] {
            let mock = Mock::ending(&wire);
            mock.lock().step = step;
            mock.lock().stutter = stutter;
            let (came, end) = echo(&mut over(&mock));
            end.expect("clean");
            assert_eq!(came, messages.iter().map(|(_, text)| *text).collect::<Vec<_>>());
            assert_eq!(mock.written(), answers());
            assert!(mock.lock().shut);
        }
    }
}

#[test]
fn message_that_is_given_away_is_flushed() {
    let mock = Mock::new([]);
    mock.lock().step = 999;
    let mut ws = over(&mock);
    let text = "large".repeat(2_000);
    ws.send_owned("small").expect("open");
    ws.send_owned(text.clone()).expect("open");
    assert!(mock.written() == [frame(TEXT, b"small"), frame(TEXT, text.as_bytes())].concat());
}

#[test]
fn large_message_is_sent_from_where_it_lies() {
    let big = vec![7; 100_000];
    let all = [frame(TEXT, b"a"), frame(BINARY, &big), frame(TEXT, b"b")].concat();
    for step in [usize::MAX, 999] {
        let mock = Mock::new([]);
        mock.lock().step = step;
        let mut ws = over(&mock);
        ws.feed("a").expect("open");
        ws.send(&big).expect("open");
        assert!(step != usize::MAX || mock.lock().writes == 1);
        ws.send("b").expect("open");
        assert!(mock.written() == all);
    }
    // A stream that would block in between: the rest stays queued, and is written later.
    for at in 0..100 {
        let mock = Mock::new([]);
        mock.lock().step = 999;
        mock.lock().faults = vec![(at, Fault::Error(ErrorKind::WouldBlock))];
        let mut ws = over(&mock);
        ws.feed("a").expect("open");
        would_block(ws.send(&big));
        ws.send("b").expect("open");
        assert!(mock.written() == all, "{at}");
    }
}

#[test]
fn large_message_of_a_client_is_sent_in_steps() {
    let big = vec![7; 1_200_000];
    let all = [masked(TEXT, b"a"), masked(BINARY, &big), masked(TEXT, b"b")].concat();
    // A stream that would block in between: the rest stays queued, and is written later.
    for at in [0, 1, 2, 3, 5, 8, 99] {
        let mock = Mock::new([]);
        mock.lock().step = 200_000;
        mock.lock().faults = vec![(at, Fault::Error(ErrorKind::WouldBlock))];
        let mut ws = WebSocket::new(mock.clone(), io::client(&Config::default())).expect("set up");
        ws.feed("a").expect("open");
        let sent = ws.send(&big);
        if at < 99 {
            would_block(sent);
        } else {
            sent.expect("open");
        }
        ws.send("b").expect("open");
        assert!(mock.written() == all, "{at}");
    }
}

// --- faults of the stream ---

#[test]
fn stream_that_fails_at_any_call_ends_the_connection() {
    let (wire, messages) = conversation();
    let run = |fault: Option<(usize, ErrorKind)>| {
        let mock = Mock::ending(&wire);
        mock.lock().step = 3;
        mock.lock().faults = fault.map(|(at, kind)| (at, Fault::Error(kind))).into_iter().collect();
        let mut ws = over(&mock);
        let (came, end) = echo(&mut ws);
        assert!(came.len() <= messages.len());
        assert!(is_torn_off(&answers(), &mock.written()), "{fault:?}: writes behind a torn frame");
        assert_eq!(echo(&mut ws).1.is_err(), end.is_err());
        ws.close(CloseCode::NORMAL, "").expect("an outcome");
        (mock.lock().calls, end)
    };
    let (calls, _) = run(None);
    assert!(calls > 20);
    for at in 0..calls {
        let (_, end) = run(Some((at, ErrorKind::Interrupted)));
        end.unwrap_or_else(|error| panic!("call {at}: {error}"));
        run(Some((at, ErrorKind::ConnectionReset))).1.err();
    }
}

#[test]
fn stream_that_would_block_at_any_call_changes_nothing() {
    let (wire, messages) = conversation();
    for buffering in [false, true] {
        for at in 0..60 {
            let mock = Mock::ending(&wire);
            mock.lock().step = 3;
            mock.lock().buffering = buffering;
            mock.lock().faults = vec![(at, Fault::Pending)];
            let (came, end) = echo(&mut over(&mock));
            end.expect("clean");
            assert_eq!(came.len(), messages.len());
            assert_eq!(mock.written(), answers(), "call {at}");
        }
    }
}

#[test]
fn flush_that_would_block_is_called_again() {
    for kind in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
        let mock = Mock::new(masked(PING, b"p"));
        mock.lock().buffering = true;
        // Read, write, flush.
        mock.lock().faults = vec![(2, Fault::Error(kind))];
        let mut ws = over(&mock);
        for _ in 0..3 {
            would_block(ws.next());
        }
        assert_eq!(mock.written(), frame(PONG, b"p"), "{kind}: it stays in the stream's buffer");
    }
}

#[test]
fn eof_at_any_offset_gives_one_answer_for_good() {
    let (wire, messages) = conversation();
    for end in 0..=wire.len() {
        let mock = Mock::ending(&wire[..end]);
        let mut ws = over(&mock);
        let (came, result) = echo(&mut ws);
        assert_eq!(came.len(), messages.iter().filter(|(at, _)| *at <= end).count());
        for result in [result, echo(&mut ws).1, echo(&mut ws).1] {
            match result {
                Ok(()) => assert_eq!(end, wire.len()),
                Err(Error::Unclean(UncleanClose)) => assert!(end < wire.len()),
                Err(error) => panic!("offset {end}: {error}"),
            }
        }
        assert_eq!(ws.outcome().expect("ended").is_clean(), end == wire.len());
        assert!(mock.lock().shut);
    }
}

#[test]
fn reader_that_claims_more_than_it_was_asked_for_is_an_error() {
    #[derive(Debug)]
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            Ok(buffer.len() + 1)
        }
    }
    impl Write for Liar {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // It lies here as well.
            Ok(bytes.len() + 1)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut ws = WebSocket::new(Plain(Liar), server(&Config::default())).expect("plain");
    ws.send("hello").expect("taken for written");
    let end = ws.next().map(|it| it.is_some());
    assert!(matches!(&end, Err(Error::Io(e)) if e.kind() == ErrorKind::InvalidData), "{end:?}");
    let accepted = accept(Plain(Liar), ServerConfig::default());
    assert!(matches!(&accepted, Err(Error::Io(e)) if e.kind() == ErrorKind::InvalidData));
}

#[test]
fn stream_that_takes_no_bytes_is_an_error() {
    #[derive(Debug)]
    struct Full;
    impl Read for Full {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Ok(0)
        }
    }
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Ok(0)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut ws = WebSocket::new(Plain(Full), server(&Config::default())).expect("plain");
    let sent = ws.send("hello");
    assert!(matches!(&sent, Err(Error::Io(e)) if e.kind() == ErrorKind::WriteZero), "{sent:?}");
    assert!(matches!(ws.next().map(|it| it.is_some()), Err(Error::Unclean(_))));
}

#[test]
fn stream_that_has_failed_takes_no_more_messages() {
    for len in [1, 100_000] {
        let mock = Mock::new([]);
        mock.lock().write_error = Some(ErrorKind::BrokenPipe);
        let mut ws = over(&mock);
        let sent = ws.send(&vec![7; len]);
        assert!(matches!(&sent, Err(Error::Io(error)) if error.kind() == ErrorKind::BrokenPipe));
        assert!(!ws.is_open(), "{len}");
        let fed = ws.feed("x");
        assert!(matches!(fed, Err(Error::Send(SendError::Closed))), "{fed:?}");
    }
}

#[test]
fn error_after_the_closing_handshake_is_none() {
    for faults in [vec![], vec![(1, Fault::Error(ErrorKind::BrokenPipe))]] {
        let mock = Mock::new(masked(CLOSE, b"\x03\xe8"));
        mock.lock().read_error = Some(ErrorKind::ConnectionReset);
        mock.lock().faults = faults;
        let mut ws = over(&mock);
        assert!(ws.next().expect("clean").is_none());
        assert_eq!(ws.outcome().expect("ended").received, CloseCode::NORMAL);
    }
}

#[test]
fn stream_that_the_kernel_gives_up_has_failed() {
    // `TimedOut` without a timeout.
    for closes in [false, true] {
        let mock = Mock::new(if closes { frame(CLOSE, b"\x03\xe8") } else { Vec::new() });
        mock.lock().read_error = Some(ErrorKind::TimedOut);
        let mut ws = WebSocket::new(mock, client(&Config::default())).expect("a stream");
        let end = ws.next().map(|it| it.is_some());
        if closes {
            assert!(!end.expect("clean"));
        } else {
            assert!(
                matches!(&end, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut),
                "{end:?}"
            );
            assert!(matches!(ws.next().map(drop), Err(Error::Unclean(UncleanClose))));
        }
    }
}

#[test]
fn peers_close_is_received_although_writing_fails_over_the_high_watermark() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let mock = Mock::ending(masked(CLOSE, b"\x03\xe9"));
    let mut ws = over_with(&mock, &config);
    ws.feed("more than four").expect("one goes beyond");
    // Every call but the reads of the Close and of the end.
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    let _ = ws.next();
    let outcome = ws.close(CloseCode::NORMAL, "").expect("valid");
    assert_eq!(outcome.received, CloseCode::GOING_AWAY);
}

#[test]
fn socket_that_does_not_block_is_no_socket_that_has_timed_out() {
    let (mut ws, mut far) = served(&Config::default());
    ws.get_ref().set_nonblocking(true).expect("a socket");
    would_block(ws.next());
    let big = vec![7; 4 << 20];
    would_block(ws.send(&big));
    let mut bytes = vec![0; big.len() + 10];
    let reading = thread::spawn(move || far.read_exact(&mut bytes).map(|()| bytes));
    while let Err(error) = ws.flush() {
        would_block(Err::<(), _>(error));
        thread::yield_now();
    }
    assert!(reading.join().expect("no panic").expect("all of it") == frame(BINARY, &big));
}

#[test]
fn what_finds_no_room_over_a_stream_that_does_not_block_is_refused() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let first = frame(TEXT, b"more than four");
    let is_full = |sent: Result<(), Error>| {
        let Err(Error::Send(SendError::Full { queued })) = sent else { panic!("{sent:?}") };
        assert_eq!(queued, first.len());
    };
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    ws.feed("more than four").expect("one goes beyond");
    is_full(ws.feed("x"));
    is_full(ws.send("x"));
    is_full(ws.send(&[7; 100_000]));
    is_full(ws.send_owned("x"));
    is_full(ws.send_part("x", Fragment::Last));
    is_full(ws.ping(b"x"));
    mock.allow(100);
    ws.flush().expect("there is room");
    assert_eq!(mock.written(), first);
    // Of what has found room it is said that it waits.
    mock.lock().room = 0;
    would_block(ws.send("more than four"));

    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (_receiver, sender) = over_with(&mock, &config).split(mock.clone()).expect("a handle");
    would_block(sender.send("more than four"));
    is_full(sender.feed("x"));
    is_full(sender.send_owned("x"));
    is_full(sender.ping(b"x"));
    mock.allow(100);
    sender.send("y").expect("there is room");
    assert_eq!(mock.written(), [first.clone(), frame(TEXT, b"y")].concat());
}

// --- replies and deadlines ---

#[test]
fn reader_flushes_pong_and_close_after_a_write_that_would_have_blocked() {
    let mock = Mock::new(masked(PING, b"p"));
    mock.lock().room = 0;
    let mut ws = over(&mock);
    would_block(ws.next());
    mock.allow(100);
    would_block(ws.next());
    assert_eq!(mock.written(), frame(PONG, b"p"));
    mock.lock().room = 0;
    mock.push(masked(CLOSE, b""));
    would_block(ws.next());
    mock.allow(100);
    // Over a stream without timeouts nothing is waited for.
    assert!(ws.next().expect("clean").is_none());
    assert_eq!(opcodes(&mock.written()), [PONG, CLOSE]);
    assert!(mock.lock().shut);
}

#[test]
fn flood_of_pings_from_a_peer_that_does_not_read_makes_nothing_grow() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (1000, 100);
    let mock = Mock::new(masked(PING, b"ping").repeat(10_000));
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    for _ in 0..1000 {
        would_block(ws.next());
    }
    let (_, endpoint) = ws.into_parts();
    assert!(endpoint.queued() <= 1000 + 131, "{}", endpoint.queued());
}

#[test]
fn peer_that_does_not_read_is_given_up() {
    for receives in [false, true] {
        let mut config = Config::default();
        config.write_timeout = Some(Duration::from_millis(50));
        config.connection.close_timeout = Duration::from_millis(50);
        let (mut ws, _far) = served(&config);
        let (end, outcome) = ends(move || {
            let big = vec![7; 4 << 20];
            let end = if receives {
                ws.feed(&big).expect("one goes beyond");
                ws.next().map(|_| ())
            } else {
                ws.send(&big)
            };
            (end, ws.outcome())
        });
        assert!(matches!(end, Err(Error::Timeout(TimeoutError::Write))), "{end:?}");
        assert_eq!(outcome.expect("ended").failure, Some(Failure::Timeout(TimeoutError::Write)));
    }
}

#[test]
fn silent_peer_is_pinged_and_then_taken_for_gone() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_millis(50));
    config.connection.pong_timeout = Some(Duration::from_millis(50));
    config.connection.close_timeout = Duration::from_millis(50);
    let (mut ws, mut far) = served(&config);
    let (first, again) = ends(move || {
        let mut end = || ws.next().map(|it| it.is_some());
        (end(), end())
    });
    for end in [first, again] {
        assert!(matches!(end, Err(Error::Timeout(TimeoutError::Pong))), "{end:?}");
    }
    let mut written = Vec::new();
    far.read_to_end(&mut written).expect("shut down");
    assert_eq!(opcodes(&written), [PING, CLOSE]);
}

#[test]
fn pong_that_lies_unread_over_a_plain_stream_that_does_not_block_is_read_before_the_peer_is_judged()
{
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_millis(50));
    config.connection.pong_timeout = Some(Duration::from_millis(50));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    while mock.written().is_empty() {
        would_block(ws.next());
        thread::yield_now();
        mock.lock().calls = 0;
    }
    assert_eq!(opcodes(&mock.written()), [PING]);
    mock.push(masked(PONG, b""));
    // The application calls late.
    let pinged = Instant::now();
    while pinged.elapsed() < Duration::from_millis(60) {
        thread::yield_now();
    }
    would_block(ws.next());
    assert!(ws.is_open());
}

#[test]
fn connection_without_messages_ends_with_1001() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_millis(50));
    let (mut ws, mut far) = served(&config);
    let ending = thread::spawn(move || ws.next().map(|it| it.is_some()));
    let mut written = Vec::new();
    far.read_to_end(&mut written).expect("shut down");
    drop(far);
    assert_eq!(written[2..4], *b"\x03\xe9");
    let end = ending.join().expect("no panic");
    assert!(matches!(end, Err(Error::Timeout(TimeoutError::Idle))), "{end:?}");
}

#[test]
fn peer_that_never_answers_a_close_has_the_close_timeout() {
    let mut config = Config::default();
    config.connection.close_timeout = Duration::from_millis(50);
    let (mut ws, _far) = served(&config);
    let outcome = ends(move || ws.close(CloseCode::NORMAL, "")).expect("valid");
    assert_eq!(outcome.sent, Some(CloseCode::NORMAL));
    assert_eq!(outcome.failure, Some(Failure::Timeout(TimeoutError::Close)));
}

// --- failing and closing ---

#[test]
fn bad_text_is_told_of_although_the_rest_of_its_frame_does_not_come() {
    for b0 in [TEXT, 0x01] {
        let (mut ws, mut far) = served(&Config::default());
        let wire = masked(b0, b"fine, and then \xff and more");
        let sending = thread::spawn(move || {
            far.write_all(&wire[..wire.len() - 5]).expect("read");
            let mut written = Vec::new();
            far.read_to_end(&mut written).expect("no reset");
            written
        });
        let end = ws.next().map(|it| it.is_some());
        assert!(matches!(end, Err(Error::Protocol(ProtocolError::InvalidUtf8))), "{end:?}");
        assert_eq!(opcodes(&sending.join().expect("no panic")), [CLOSE]);
    }
}

#[test]
fn bad_text_is_told_of_although_the_rest_of_a_large_frame_does_not_come() {
    // Of which a read brings as much as it has room for, or much, or comes in many; whole or in
    // fragments, with a second handle or without.
    for (b0, len, piece) in [
        (TEXT, 5_000, 5_000),
        (TEXT, 17_000, 17_000),
        (TEXT, 60_000, 20_000),
        (TEXT, 15_000, 1_000),
        (0x01, 5_000, 5_000),
        (0x01, 60_000, 20_000),
        (0x01, 15_000, 1_000),
    ] {
        for splits in [false, true] {
            let mut config = Config::default();
            config.read_buffer = 5_000;
            let (mut ws, mut far) = served(&config);
            let mut text = vec![b'a'; 100_000];
            text[len - 100] = 0xFF;
            let wire = masked(b0, &text);
            let sending = thread::spawn(move || {
                wire[..len].chunks(piece).for_each(|piece| far.write_all(piece).expect("read"));
                let mut written = Vec::new();
                far.read_to_end(&mut written).expect("no reset");
                written
            });
            let end = ends(move || {
                if !splits {
                    return ws.next().map(|it| it.is_some());
                }
                let (mut receiver, _sender) = split(ws);
                receiver.next().map(|it| it.is_some())
            });
            assert!(matches!(end, Err(Error::Protocol(ProtocolError::InvalidUtf8))), "{end:?}");
            assert_eq!(opcodes(&sending.join().expect("no panic")), [CLOSE]);
        }
    }
}

#[test]
fn bad_text_is_told_of_although_its_frame_goes_on_to_come_little_by_little() {
    // Each byte before the reader has waited for long.
    let (mut ws, mut far) = served(&Config::default());
    let mut text = vec![b'a'; 100_000];
    text[20] = 0xFF;
    let wire = masked(TEXT, &text);
    let sending = thread::spawn(move || {
        let begun = Instant::now();
        for byte in &wire[..50_000] {
            let (written, due) = (far.write_all(&[*byte]), begun + PATIENCE);
            if written.is_err() || Instant::now() > due {
                return written.is_err();
            }
            let _ = far.set_read_timeout(Some(Duration::from_millis(10)));
            // It waits, or there is the Close frame.
            if far.read(&mut [0; 100]).is_ok() {
                return true;
            }
        }
        false
    });
    let end = ws.next().map(|it| it.is_some());
    assert!(matches!(end, Err(Error::Protocol(ProtocolError::InvalidUtf8))), "{end:?}");
    assert!(sending.join().expect("no panic"), "before it gave up");
}

#[test]
fn close_frame_with_the_right_code_goes_out_before_the_error() {
    for (wire, error, code) in [
        (frame(TEXT, b"x"), ProtocolError::UnmaskedFrame, CloseCode::PROTOCOL_ERROR),
        (masked(TEXT, b"\xff"), ProtocolError::InvalidUtf8, CloseCode::INVALID_PAYLOAD),
        (
            [masked(0x01, b"\xc3"), masked(0x80, b"x")].concat(),
            ProtocolError::InvalidUtf8,
            CloseCode::INVALID_PAYLOAD,
        ),
    ] {
        // A big rest that nobody reads would make the socket reset.
        let (mut ws, mut far) = served(&Config::default());
        let sending = thread::spawn(move || {
            far.write_all(&[wire, vec![0xff; 1 << 20]].concat()).expect("read to the end");
            let mut written = Vec::new();
            far.read_to_end(&mut written).expect("no reset");
            written
        });
        let first = ws.next().map(|it| it.is_some());
        let again = ws.next().map(|it| it.is_some());
        for end in [first, again] {
            assert!(matches!(end, Err(Error::Protocol(got)) if got == error), "{end:?}");
        }
        let written = sending.join().expect("no panic");
        assert_eq!(opcodes(&written), [CLOSE]);
        assert_eq!(written[2..4], u16::from(code).to_be_bytes());
    }
}

#[test]
fn owned_messages_are_what_has_come_whether_or_not_the_connection_is_split() {
    let text = "grün, 😀 ".repeat(10_000);
    let messages = [OwnedMessage::from("small"), text.clone().into(), vec![7; 300_000].into()];
    let mut bad = vec![b'a'; 20_000];
    bad[19_999] = 0xC3;
    let fragments: Vec<u8> = text.as_bytes().chunks(4_999).flat_map(|it| masked(0, it)).collect();
    for text in
        [masked(TEXT, text.as_bytes()), [masked(1, b""), fragments, masked(0x80, b"")].concat()]
    {
        for step in [1_460, usize::MAX] {
            let wire = [masked(TEXT, b"small"), text.clone(), masked(BINARY, &vec![7; 300_000])];
            for bad in [None, Some(&bad)] {
                let mut wire = wire.concat();
                match bad {
                    Some(bad) => wire.extend(masked(TEXT, bad)),
                    None => wire.extend(masked(CLOSE, b"\x03\xe8")),
                }
                let open = || {
                    let mock = Mock::ending(&wire);
                    mock.lock().step = step;
                    (over(&mock), mock)
                };
                let (mut ws, mock) = open();
                let whole = (owned(|| ws.next_owned()), mock);
                let (ws, mock) = open();
                let (mut receiver, _sender) = ws.split(mock.clone()).expect("no timeouts to set");
                for ((received, end), mock) in [whole, (owned(|| receiver.next_owned()), mock)] {
                    assert!(received == messages, "by {step}: {} messages", received.len());
                    let is_bad = matches!(end, Err(Error::Protocol(ProtocolError::InvalidUtf8)));
                    assert_eq!((is_bad, end.is_ok()), (bad.is_some(), bad.is_none()), "{end:?}");
                    assert_eq!(opcodes(&mock.written()), [CLOSE]);
                }
            }
        }
    }
}

fn owned(
    mut next: impl FnMut() -> Result<Option<OwnedMessage>, Error>,
) -> (Vec<OwnedMessage>, Result<(), Error>) {
    let mut messages = Vec::new();
    loop {
        match next() {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

#[test]
fn crossing_closes_are_clean() {
    let (mut near, mut far) = pair(&Config::default());
    let far = thread::spawn(move || far.close(CloseCode(4002), "b"));
    let near = near.close(CloseCode(4001), "a").expect("valid");
    let far = far.join().expect("no panic").expect("valid");
    assert!(near.is_clean() && far.is_clean());
}

#[test]
fn messages_come_after_the_own_close_until_the_peers() {
    let mock = Mock::new(masked(TEXT, b"first"));
    let mut ws = over(&mock);
    let Ok(Some(Received { mut out, .. })) = ws.next() else { panic!() };
    out.close(CloseCode::NORMAL, "").expect("valid");
    assert_eq!(out.feed("late"), Err(SendError::Closed));
    mock.push([masked(TEXT, b"second"), masked(PING, b"p"), masked(CLOSE, b"\x03\xe8")].concat());
    assert_eq!(ws.next().expect("open").expect("a message").message, Message::Text("second"));
    assert!(ws.next().expect("clean").is_none());
    assert!(ws.next().expect("clean").is_none());
    assert_eq!(mock.written(), frame(CLOSE, b"\x03\xe8"), "nothing follows a Close frame");
    assert!(matches!(ws.send("x"), Err(Error::Send(SendError::Closed))));
    assert!(ws.close(CloseCode::NORMAL, "").expect("closed").is_clean());
}

#[test]
fn taking_apart_loses_nothing() {
    let (wire, messages) = conversation();
    for step in [1, 4, usize::MAX] {
        let mock = Mock::ending(&wire);
        mock.lock().step = step;
        let mut ws = over(&mock);
        let mut came = 0;
        while let Some(Received { message, mut out }) = ws.next().expect("clean") {
            came += 1;
            let _ = out.feed(message);
            let (io, endpoint) = ws.into_parts();
            ws = WebSocket::new(io, endpoint).expect("no timeouts to set");
        }
        assert_eq!(came, messages.len());
        assert_eq!(mock.written(), answers());
    }
}

// --- split ---

type Halves = (Receiver<UnixStream, UnixStream>, Sender<UnixStream>);

fn split(ws: WebSocket<UnixStream>) -> Halves {
    let writer = ws.get_ref().try_clone().expect("a socket");
    ws.split(writer).expect("a socket")
}

#[test]
fn halves_of_several_threads_exchange_many_messages() {
    let (near, far) = pair(&Config::default());
    let serving = thread::spawn(move || echo_all(far).map(|ws| ws.outcome().expect("ended")));
    let (mut receiver, sender) = split(near);
    let senders: Vec<_> = (0..4_u8)
        .map(|id| {
            let sender = sender.clone();
            thread::spawn(move || (0..200).try_for_each(|_| sender.send(&[id; 300])))
        })
        .collect();
    let counts = ends(move || {
        let mut counts = [0; 4];
        for _ in 0..800 {
            let message = receiver.next().expect("open").expect("a message");
            let id = message.as_bytes()[0];
            assert_eq!(message.as_bytes(), [id; 300], "messages mix");
            counts[usize::from(id)] += 1;
        }
        sender.close(CloseCode::NORMAL, "").expect("open");
        assert!(receiver.next().expect("clean").is_none());
        counts
    });
    assert_eq!(counts, [200; 4]);
    senders.into_iter().for_each(|it| it.join().expect("no panic").expect("open"));
    assert!(serving.join().expect("no panic").expect("clean").is_clean());
}

#[test]
fn sender_that_closes_ends_a_receiver_that_waits() {
    let mut config = Config::default();
    config.connection.close_timeout = Duration::from_millis(100);
    let (ws, _far) = served(&config);
    let (mut receiver, sender) = split(ws);
    let receiving = thread::spawn(move || (receiver.next().map(|_| ()), receiver.outcome()));
    sender.close(CloseCode::NORMAL, "").expect("valid");
    let (end, outcome) = ends(move || receiving.join().expect("no panic"));
    assert!(matches!(end, Err(Error::Timeout(TimeoutError::Close))), "{end:?}");
    assert_eq!(outcome.expect("ended").sent, Some(CloseCode::NORMAL));
}

#[test]
fn close_of_the_peer_does_not_cut_off_what_a_sender_is_writing() {
    let (ws, mut far) = served(&Config::default());
    let (mut receiver, sender) = split(ws);
    let big = vec![7; 4 << 20];
    let expected = [frame(BINARY, &big), frame(CLOSE, b"\x03\xe8")].concat();
    // In one piece: the message, and the Close frame behind it.
    sender.feed(&big).expect("one goes beyond");
    let sending = thread::spawn(move || sender.close(CloseCode::NORMAL, ""));
    let mut first = [0; 1];
    far.read_exact(&mut first).expect("it writes");
    // The peer closes as well, and only then reads on.
    far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("room");
    let (peer, peer_reads) = mpsc::channel();
    let receiving = thread::spawn(move || {
        // Ready when the receiver has seen the Close; it goes on to its end from there.
        let end = receiver.next().map(|it| it.is_some());
        let _ = peer.send(());
        end
    });
    // The receiver waits for the sender, so there is nothing that says when; it has had its time.
    let _ = peer_reads.recv_timeout(Duration::from_millis(300));
    let mut written = first.to_vec();
    far.read_to_end(&mut written).expect("no reset");
    drop(far);
    assert_eq!(written.len(), expected.len(), "cut off");
    assert!(written == expected);
    sending.join().expect("no panic").expect("written");
    assert!(!receiving.join().expect("no panic").expect("clean"));
}

#[test]
fn end_of_the_peer_does_not_cut_off_what_a_sender_is_writing() {
    let (ws, mut far) = served(&Config::default());
    let (mut receiver, sender) = split(ws);
    let big = vec![7; 4 << 20];
    let expected = [frame(BINARY, &big), frame(CLOSE, b"\x03\xe8")].concat();
    let sending = thread::spawn(move || sender.send(&big));
    let mut first = [0; 1];
    far.read_exact(&mut first).expect("it writes");
    // The peer has nothing more to say, and reads on.
    far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("room");
    far.shutdown(Shutdown::Write).expect("open");
    let (peer, peer_reads) = mpsc::channel();
    let receiving = thread::spawn(move || {
        let end = receiver.next().map(|it| it.is_some());
        let _ = peer.send(());
        end
    });
    // As above.
    let _ = peer_reads.recv_timeout(Duration::from_millis(300));
    let mut written = first.to_vec();
    far.read_to_end(&mut written).expect("no reset");
    assert_eq!(written.len(), expected.len(), "cut off");
    assert!(written == expected);
    sending.join().expect("no panic").expect("written");
    assert!(!receiving.join().expect("no panic").expect("clean"));
}

#[test]
fn sender_that_a_peer_takes_nothing_of_has_the_close_timeout_behind_its_end() {
    let mut config = Config::default();
    config.write_timeout = None;
    config.connection.close_timeout = Duration::from_millis(50);
    let (ws, mut far) = served(&config);
    let (mut receiver, sender) = split(ws);
    let sending = thread::spawn(move || sender.send(&vec![7; 4 << 20]));
    far.read_exact(&mut [0; 1]).expect("it writes");
    far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("room");
    far.shutdown(Shutdown::Write).expect("open");
    let (outcome, sent) = ends(move || {
        receiver.next().map(|it| it.is_some()).expect_err("it has not taken the answer");
        (receiver.outcome().expect("ended"), sending.join().expect("no panic"))
    });
    assert_eq!((outcome.sent, outcome.received), (None, CloseCode::NORMAL));
    sent.expect_err("it was not taken");
}

/// Takes 1,000 bytes at a time, slowly.
#[derive(Debug)]
struct Slow(UnixStream);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let until = Instant::now() + Duration::from_millis(20);
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        self.0.write(&bytes[..bytes.len().min(1000)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Slow {}

#[test]
fn peer_that_takes_a_large_message_slowly_is_not_given_up() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_millis(200));
    let (ws, mut far) = served(&config);
    let writer = Slow(ws.get_ref().try_clone().expect("a socket"));
    let (mut receiver, sender) = ws.split(writer).expect("a socket");
    // The answer to this waits behind the message.
    let sending = thread::spawn(move || sender.send(&[7; 50_000]));
    let receiving = thread::spawn(move || receiver.next().map(|it| it.is_some()));
    let mut first = [0; 1];
    far.read_exact(&mut first).expect("it writes");
    far.write_all(&masked(PING, b"p")).expect("room");
    let mut rest = vec![0; 50_004 - 1 + 3];
    let read = far.read_exact(&mut rest);
    // The sender may not have returned yet; it is not to see the end.
    let sent = sending.join().expect("no panic");
    drop(far);
    let received = receiving.join().expect("no panic");
    assert!(read.is_ok() && sent.is_ok(), "{sent:?}, {received:?}");
    assert!(rest.ends_with(&frame(PONG, b"p")));
}

#[test]
fn ping_of_a_sender_waits_for_room_as_a_message_does() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let (ws, _far) = served(&config);
    let (_receiver, sender) = split(ws);
    sender.feed("more than four").expect("one goes beyond");
    sender.ping(b"?").expect("there is room after a flush");
}

#[test]
fn senders_blocked_on_a_peer_that_does_not_read_are_given_up() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_millis(50));
    config.connection.close_timeout = Duration::from_millis(50);
    let (ws, _far) = served(&config);
    let (mut receiver, sender) = split(ws);
    let receiving = thread::spawn(move || receiver.next().map(|it| it.is_some()));
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(&vec![7; 4 << 20]))
        })
        .collect();
    ends(move || {
        for sending in senders {
            let sent = sending.join().expect("no panic");
            assert!(sent.is_err());
        }
        let end = receiving.join().expect("no panic");
        assert!(matches!(end, Err(Error::Timeout(TimeoutError::Write))), "{end:?}");
    });
}

#[test]
fn halves_can_be_sent_to_other_threads() {
    fn sends<T: Send>() {}
    fn shares<T: Sync>() {}
    sends::<WebSocket<UnixStream>>();
    sends::<Receiver<UnixStream, UnixStream>>();
    sends::<Sender<UnixStream>>();
    shares::<Sender<UnixStream>>();
    sends::<Error>();
}

// --- permessage-deflate ---

/// What a server that echoes and a client have agreed on; texts have gone there and back, whole and
/// in halves.
/// Has something to read, is interrupted, and ends. Notes what the pool holds whenever a read finds
/// nothing.
struct Waiting {
    input: Vec<u8>,
    pool: Pool,
    idle: Vec<(usize, usize)>,
}

impl Read for Waiting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let input = std::mem::take(&mut self.input);
        if input.is_empty() {
            self.idle.push(self.pool.idle());
            return if self.idle.len() > 1 { Ok(0) } else { Err(ErrorKind::Interrupted.into()) };
        }
        buffer[..input.len()].copy_from_slice(&input);
        Ok(input.len())
    }
}

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Transport for Waiting {}

#[test]
fn connection_that_waits_holds_no_context_but_those_with_windows_to_keep() {
    // Two compressed messages, which are echoed compressed.
    const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let input = [masked(0xc1, HELLO), masked(0xc1, HELLO)].concat();
    for (parameters, expected) in [
        ("; server_no_context_takeover; client_no_context_takeover", [(1, 1), (1, 1)]),
        ("; client_no_context_takeover", [(0, 1), (0, 1)]),
        // What has come of the peer's window is kept without a decompressor from then on.
        ("; server_no_context_takeover", [(1, 0), (1, 1)]),
        ("", [(0, 0), (0, 1)]),
    ] {
        let pool = Pool::default();
        let mut config = Config::default();
        let mut deflate = deflate::Config::default();
        (deflate.pool, deflate.threshold) = (pool.clone(), 0);
        config.deflate = Some(deflate);
        let params: Params = format!("permessage-deflate{parameters}").parse().expect("valid");
        let endpoint =
            Endpoint::with_deflate(Connection::server(&config.connection), &config, params);
        let stream = Waiting { input: input.clone(), pool, idle: Vec::new() };
        let mut ws = WebSocket::new(stream, endpoint).expect("no timeouts to set");
        for _ in 0..2 {
            let Received { message, mut out } = ws.next().expect("open").expect("a message");
            assert_eq!(message, Message::Text("Hello"));
            out.feed(message).expect("open");
        }
        assert!(matches!(ws.next(), Err(Error::Unclean(UncleanClose))));
        assert_eq!(ws.get_ref().idle, expected, "{parameters}");
    }
}

fn agreed_between(own: Option<deflate::Params>, server: bool, client: bool) -> Option<String> {
    let config = |compresses: bool| {
        let mut config = Config::default();
        config.deflate = compresses.then(deflate::Config::default);
        config
    };
    let (near, far) = UnixStream::pair().expect("sockets");
    let serving = thread::spawn(move || {
        let accepting = accept(far, ServerConfig::default())?;
        let reply = match own {
            Some(own) => Accept::new().deflate(own),
            None => Accept::new(),
        };
        let (ws, negotiated) = accepting.accept(&reply, &config(server))?;
        echo_all(ws)?;
        Ok::<_, Error>(negotiated.deflate().map(|params| params.to_string()))
    });
    let text = "Hello, hello, hello. ".repeat(500);
    let (mut ws, response) =
        connect(near, &request(), ClientConfig::default(), &config(client)).expect("connected");
    for _ in 0..3 {
        ws.send(text.as_str()).expect("open");
        assert_eq!(ws.next().expect("open").expect("a message").message, Message::Text(&text));
    }
    let (mut receiver, sender) = split(ws);
    for _ in 0..3 {
        sender.send(text.as_str()).expect("open");
        let received = receiver.next().expect("open").expect("a message");
        assert_eq!(received, Message::Text(&text));
    }
    sender.close(CloseCode::NORMAL, "").expect("open");
    assert!(receiver.next().expect("clean").is_none());
    let served = serving.join().expect("no panic").expect("clean");
    let called = response.negotiated().and_then(|it| it.deflate());
    assert_eq!(served, called.map(|params| params.to_string()), "both have agreed on the same");
    served
}

#[test]
fn compression_is_agreed_on_if_both_ends_ask_for_it() {
    // D5-15, D5-17; the terms of the application go first.
    let plain = "permessage-deflate".to_owned();
    assert_eq!(ends(|| agreed_between(None, true, true)), Some(plain));
    assert_eq!(ends(|| agreed_between(None, false, true)), None);
    assert_eq!(ends(|| agreed_between(None, true, false)), None);
    let own = "permessage-deflate; server_max_window_bits=10";
    let params = own.parse::<deflate::Params>().expect("valid");
    assert_eq!(ends(move || agreed_between(Some(params), true, true)), Some(own.to_owned()));
}

#[test]
fn closing_what_has_ended_is_no_error() {
    let (near, far) = UnixStream::pair().expect("a pair");
    let writer = near.try_clone().expect("a handle");
    let ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (mut receiver, sender) = ws.split(writer).expect("a socket");
    drop(far);
    assert!(matches!(receiver.next(), Err(Error::Unclean(_))));
    sender.close(CloseCode::NORMAL, "").expect("nothing happens");
}

#[test]
fn what_is_sent_without_waiting_is_written_with_what_is_sent_next() {
    let (near, mut far) = UnixStream::pair().expect("a pair");
    let writer = near.try_clone().expect("a handle");
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (100, 10);
    let ws = WebSocket::new(near, server(&config)).expect("a socket");
    let (_receiver, sender) = ws.split(writer).expect("a socket");
    sender.try_send("a").expect("there is room");
    sender.try_send(&[7; 100]).expect("there is room");
    assert!(sender.queued() > 100, "nothing is written while there is room");
    sender.try_send("b").expect("what finds no room makes some");
    assert_eq!(sender.queued(), frame(TEXT, b"b").len());
    sender.flush().expect("taken");
    assert!(sender.try_close(CloseCode::NO_STATUS, "").is_err() && sender.is_open());
    sender.try_close(CloseCode::GOING_AWAY, "bye").expect("valid");
    sender.try_close(CloseCode::NORMAL, "").expect("nothing happens");
    sender.flush().expect("taken");
    let expected = [
        frame(TEXT, b"a"),
        frame(BINARY, &[7; 100]),
        frame(TEXT, b"b"),
        frame(CLOSE, b"\x03\xe9bye"),
    ];
    let expected = expected.concat();
    let mut came = vec![0; expected.len()];
    far.read_exact(&mut came).expect("written");
    assert_eq!(came, expected);
}

#[test]
fn a_peer_that_does_not_keep_up_is_full() {
    let (near, _far) = UnixStream::pair().expect("a pair");
    let writer = near.try_clone().expect("a handle");
    let ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (_receiver, sender) = ws.split(writer).expect("a socket");
    let refused = (0..10_000).find_map(|_| sender.try_send(&[7; 4096]).err());
    assert_eq!(refused, Some(SendError::Full { queued: sender.queued() }));
    assert!(sender.is_open());
}

#[test]
fn a_receiver_can_wait_for_a_while_only() {
    for pings in [false, true] {
        let mut config = Config::default();
        config.connection.ping_interval = pings.then_some(Duration::from_millis(30));
        for splits in [false, true] {
            let (near, mut far) = UnixStream::pair().expect("a pair");
            let writer = near.try_clone().expect("a handle");
            let mut ws = WebSocket::new(near, server(&config)).expect("a socket");
            let limit = Duration::from_millis(100);
            let timed_out = |result: Result<bool, Error>, begun: Instant| {
                assert!(begun.elapsed() >= limit && begun.elapsed() < PATIENCE);
                matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut)
            };
            let begun = Instant::now();
            assert!(timed_out(ws.next_timeout(limit).map(|it| it.is_some()), begun));
            // The beginning of a message is not lost.
            let message = masked(TEXT, b"hello");
            far.write_all(&message[..3]).expect("room");
            let begun = Instant::now();
            assert!(timed_out(ws.next_timeout(limit).map(|it| it.is_some()), begun));
            far.write_all(&message[3..]).expect("room");
            far.write_all(&message).expect("room");
            let received = ws.next_timeout(PATIENCE).expect("open").expect("a message");
            assert_eq!(received.message.as_text(), Some("hello"));
            // What has been read takes no time.
            let received = ws.next_timeout(Duration::ZERO).expect("open").expect("a message");
            assert_eq!(received.message.as_text(), Some("hello"));
            if splits {
                let (mut receiver, _sender) = ws.split(writer).expect("a socket");
                let begun = Instant::now();
                assert!(timed_out(receiver.next_timeout(limit).map(|it| it.is_some()), begun));
                far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("room");
                drop(far);
                assert!(receiver.next_timeout(PATIENCE).expect("clean").is_none());
            }
        }
    }
}

#[test]
fn a_peer_that_sends_without_a_message_does_not_hold_a_receiver_up() {
    let (near, mut far) = UnixStream::pair().expect("a pair");
    let mut ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let pings = thread::spawn(move || {
        // Faster than they are read, until nobody is there to read them.
        while far.write_all(&masked(PING, b"")).is_ok() {
            far.set_nonblocking(true).expect("a socket");
            let _ = far.read(&mut [0; 4096]);
            far.set_nonblocking(false).expect("a socket");
        }
    });
    let begun = Instant::now();
    let result = ws.next_timeout(Duration::from_millis(50)).map(|it| it.is_some());
    assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut));
    assert!(begun.elapsed() < PATIENCE);
    drop(ws);
    pings.join().expect("no panic");
}

#[test]
fn a_socket_that_does_not_block_any_more_says_so_at_once() {
    let (near, _far) = UnixStream::pair().expect("a pair");
    let same = near.try_clone().expect("a socket");
    let mut ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let result = ws.next_timeout(Duration::from_millis(60)).map(|it| it.is_some());
    assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut));
    same.set_nonblocking(true).expect("a socket");
    let mut would_block = 0;
    for _ in 0..20 {
        let result = ws.next_timeout(Duration::from_millis(20)).map(|it| it.is_some());
        let Err(Error::Io(error)) = result else { panic!("{result:?}") };
        would_block += usize::from(error.kind() == ErrorKind::WouldBlock);
    }
    // But for one or the other in which this thread was not run.
    assert!(would_block > 10, "{would_block}");
}

/// A socket on a kernel whose clock ticks when a wait of less than a tick has just begun.
struct Ticking {
    socket: UnixStream,
    at_once: bool,
}

impl Read for Ticking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match std::mem::take(&mut self.at_once) {
            true => Err(ErrorKind::WouldBlock.into()),
            false => self.socket.read(buffer),
        }
    }
}

impl Write for Ticking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

impl Transport for Ticking {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.at_once = timeout.is_some_and(|timeout| timeout < Duration::from_millis(16));
        self.socket.set_read_timeout(timeout).map(|()| true)
    }
}

#[test]
fn a_wait_that_ends_early_is_not_taken_for_a_stream_that_does_not_block() {
    let (socket, mut far) = UnixStream::pair().expect("a pair");
    let again = Ticking { socket: socket.try_clone().expect("a socket"), at_once: false };
    let near = Ticking { socket, at_once: false };
    let mut ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    for limit in [1, 5, 15, 1] {
        let limit = Duration::from_millis(limit);
        let result = ws.next_timeout(limit).map(|it| it.is_some());
        assert!(matches!(result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut));
    }
    // A deadline is met by it as well.
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_millis(5));
    config.connection.close_timeout = Duration::from_millis(5);
    far.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut ws = WebSocket::new(again, server(&config)).expect("a socket");
    assert!(matches!(ws.next(), Err(Error::Timeout(TimeoutError::Idle))));
    let mut close = [0; 4];
    far.read_exact(&mut close).expect("a Close frame");
    assert_eq!((close[0], &close[2..]), (0x88, &b"\x03\xe9"[..]));
}

/// Takes everything, and has one more message queued each time, if there is a sender.
struct Flooded(Arc<Mutex<Option<Sender<Flooded>>>>);

impl Read for Flooded {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
}

impl Write for Flooded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(sender) = &*self.0.lock().expect("no panic") {
            sender.try_send("more").expect("there is room");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Transport for Flooded {
    fn set_write_timeout(&mut self, _timeout: Option<Duration>) -> std::io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn others_that_go_on_sending_keep_nobody_from_reading_or_flushing() {
    let (near, mut far) = UnixStream::pair().expect("a pair");
    let ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let flood = Arc::new(Mutex::new(None));
    let (mut receiver, sender) = ws.split(Flooded(Arc::clone(&flood))).expect("a socket");
    *flood.lock().expect("no panic") = Some(sender.clone());
    sender.feed("first").expect("there is room");
    far.write_all(&masked(TEXT, b"hello")).expect("room");
    let message = ends(move || {
        let message = receiver.next().expect("open").expect("a message");
        (message.as_text() == Some("hello"), receiver)
    });
    assert!(message.0);
    ends(move || sender.flush().expect("what was queued is written"));
    flood.lock().expect("no panic").take();
}

#[test]
fn a_peer_that_takes_everything_is_not_full() {
    let (near, _far) = UnixStream::pair().expect("a pair");
    let ws = WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (_receiver, sender) = ws.split(Flooded(Arc::default())).expect("a socket");
    // More than the high watermark, and nobody else writes.
    for _ in 0..200 {
        sender.try_send(&[7; 4096]).expect("the peer keeps up");
    }
}

#[test]
fn a_peer_that_does_not_end_the_stream_is_not_waited_for_longer_than_said() {
    for (bytes, is_clean) in [(masked(CLOSE, b"\x03\xe8"), true), (masked(TEXT, b"\xff"), false)] {
        let (near, mut far) = UnixStream::pair().expect("a pair");
        let mut config = Config::default();
        config.connection.close_timeout = PATIENCE;
        let mut ws = WebSocket::new(near, server(&config)).expect("a socket");
        far.write_all(&bytes).expect("room");
        for _ in 0..2 {
            let result = ws.next_timeout(Duration::from_millis(50)).map(|it| it.is_some());
            let Err(Error::Io(error)) = result else { panic!("{result:?}") };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
        drop(far);
        match ws.next_timeout(PATIENCE) {
            Ok(None) => assert!(is_clean),
            Err(Error::Protocol(ProtocolError::InvalidUtf8)) => assert!(!is_clean),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_limit_over_a_stream_that_cannot_time_out_is_none() {
    let ping = masked(PING, b"");
    let mock = Mock::new([]);
    mock.push(ping.clone());
    mock.push(masked(TEXT, b"hello"));
    // What comes first is no message, and the limit has passed then.
    mock.lock().step = ping.len();
    let mut ws = WebSocket::new(Plain(mock), server(&Config::default())).expect("a stream");
    let received = ws.next_timeout(Duration::ZERO).expect("open").expect("a message");
    assert_eq!(received.message.as_text(), Some("hello"));
}
