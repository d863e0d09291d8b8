//! The tokio adapter: opening, echo loops, closing, deadlines, cancelled futures, lost wakers.

mod io;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use io::{
    BINARY, CLOSE, Fault, Mock, PING, PONG, TEXT, Task, answers, client, conversation, frame,
    is_torn_off, masked, opcodes, server,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};
use websocket_proto::connection::{Failure, Fragment, Initiator};
use websocket_proto::deflate::{self, Compression};
use websocket_proto::endpoint::{Buffers, Config, Received};
use websocket_proto::handshake::{
    Accept, ClientConfig, ClientRequest, HandshakeError, OriginPolicy, Reply, ReplyError,
    ServerConfig,
};
use websocket_proto::tokio::{Error, Receiver, Sender, WebSocket, accept, connect};
use websocket_proto::{
    CloseCode, Kind, Message, Outbound, OwnedMessage, ProtocolError, SendError, TimeoutError,
    UncleanClose,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs what must end: within an hour of the paused clock, and in so many polls.
async fn ends<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        assert!(polls < 5_000, "the task is woken without end");
        future.as_mut().poll(cx)
    });
    timeout(HOUR, counted).await.expect("the future hangs")
}

/// A server over a transport without a peer.
fn over(mock: &Mock) -> WebSocket<Mock> {
    over_with(mock, &Config::default())
}

fn over_with(mock: &Mock, config: &Config) -> WebSocket<Mock> {
    WebSocket::new(mock.clone(), server(config))
}

/// A client and a server with a pipe of `size` bytes between them.
fn pair(size: usize, config: &Config) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(size);
    (WebSocket::new(near, client(config)), WebSocket::new(far, server(config)))
}

/// Receives and echoes until the end; what came, and how it ended.
async fn echo(ws: &mut WebSocket<Mock>) -> (Vec<String>, Result<(), Error>) {
    let mut messages = Vec::new();
    loop {
        match ws.next().await {
            Ok(Some(Received { message, mut out })) => {
                messages.push(message.as_text().expect("text").to_owned());
                // Not when the connection closes: the next round says so.
                let _ = out.feed(message);
            }
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

fn text(received: Result<Option<Received<'_>>, Error>) -> String {
    let received = received.expect("no error").expect("a message");
    received.message.as_text().expect("text").to_owned()
}

// --- opening ---

fn request() -> ClientRequest {
    ClientRequest::new("ws://example.org/chat").expect("valid")
}

/// What a server with `config` answers to `wire`, which ends, and the error it reports.
async fn refusal(config: ServerConfig, wire: &[u8]) -> (String, Error) {
    let (mut near, far) = duplex(64 * 1024);
    let client = async {
        near.write_all(wire).await.expect("there is room");
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.expect("text");
        answer
    };
    let (answer, accepted) = ends(async { tokio::join!(client, accept(far, config)) }).await;
    (answer, accepted.expect_err("an error"))
}

#[tokio::test(start_paused = true)]
async fn subprotocol_is_agreed_on_end_to_end() {
    let (near, far) = duplex(64);
    let request = request().subprotocol("chat").expect("valid").subprotocol("soap").expect("valid");
    let config = Config::default();
    let serve = async {
        let accepting = accept(far, ServerConfig::default()).await?;
        // As the server spells it: it does not borrow the request, which goes with the answer.
        let name = accepting.request().choose_subprotocol(&["soap"]);
        let reply = Accept::new().subprotocol(name).header("X-Y", "z");
        let (mut ws, negotiated) = accepting.accept(&reply, &config).await?;
        assert_eq!(negotiated.subprotocol(), Some("soap"));
        let Some(Received { message, mut out }) = ws.next().await? else { panic!("a message") };
        out.feed(message)?;
        assert!(ws.next().await?.is_none());
        Ok::<_, Error>(ws.outcome().expect("ended"))
    };
    let call = async {
        let (mut ws, response) = connect(near, &request, ClientConfig::default(), &config).await?;
        assert_eq!(response.negotiated().and_then(|it| it.subprotocol()), Some("soap"));
        assert_eq!(response.header("X-Y"), Some("z"));
        ws.send("hello").await?;
        assert_eq!(text(ws.next().await), "hello");
        ws.close(CloseCode::NORMAL, "bye").await
    };
    let (served, called) = ends(async { tokio::join!(serve, call) }).await;
    let (served, called) = (served.expect("clean"), called.expect("clean"));
    assert!(served.is_clean() && called.is_clean());
    assert_eq!((served.initiator, called.initiator), (Initiator::Peer, Initiator::Local));
}

#[tokio::test(start_paused = true)]
async fn plain_request_is_handed_out_and_gets_a_page() {
    let (mut near, far) = duplex(4096);
    near.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let accepting = ends(accept(far, ServerConfig::default())).await.expect("a request");
    assert!(!accepting.request().is_upgrade());
    assert_eq!(accepting.request().path(), "/page");
    let mut answer = String::new();
    let page = Reply::new(200).text("hello\n");
    let (rejected, read) =
        ends(async { tokio::join!(accepting.reject(&page), near.read_to_string(&mut answer)) })
            .await;
    rejected.expect("written");
    read.expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn refusal_reaches_the_client_with_status_headers_and_body() {
    for status in [302, 401, 403, 404, 426, 503] {
        let (near, far) = duplex(4096);
        let serve = async {
            let accepting = accept(far, ServerConfig::default()).await?;
            accepting.reject(&Reply::new(status).header("X-Y", "z").text("no\n")).await
        };
        let request = request();
        let config = Config::default();
        let call = connect(near, &request, ClientConfig::default(), &config);
        let (served, called) = ends(async { tokio::join!(serve, call) }).await;
        served.expect("written");
        let Err(Error::Refused(response)) = called else { panic!("{called:?}") };
        assert_eq!((response.status(), response.body()), (status, &b"no\n"[..]));
        assert_eq!(response.header("x-y"), Some("z"));
    }
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test(start_paused = true)]
async fn bad_request_is_answered_with_its_status() {
    let mut config = ServerConfig::default();
    config.origins = OriginPolicy::list(["https://a"]).expect("valid");
    config.max_head = 512;
    let big = format!("{UPGRADE}X: {}\r\n\r\n", "x".repeat(600));
    for (wire, status) in [
        (b"\x16\x03\x01\x02\0\x01".to_vec(), 400), // a TLS record
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(), 400),
        (format!("{UPGRADE}Sec-WebSocket-Version: 8\r\n\r\n").into_bytes(), 426),
        (
            format!("{UPGRADE}Sec-WebSocket-Version: 13\r\nOrigin: http://b\r\n\r\n").into_bytes(),
            403,
        ),
        (big.into_bytes(), 431),
    ] {
        let (answer, error) = refusal(config.clone(), &wire).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert!(matches!(error, Error::Handshake(error) if error.status() == status), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn request_that_does_not_come_in_time_is_answered_408() {
    let mut config = ServerConfig::default();
    config.timeout = Duration::from_secs(30);
    let start = Instant::now();
    let (answer, error) = refusal(config, b"GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(matches!(error, Error::Handshake(HandshakeError::TimedOut)), "{error}");
    assert!((30..35).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn eof_inside_the_request_is_an_error() {
    let wire = format!("{UPGRADE}Sec-WebSocket-Version: 13\r\n\r\n");
    for end in 0..wire.len() {
        let mock = Mock::ending(&wire.as_bytes()[..end]);
        let error = ends(accept(mock, ServerConfig::default())).await.expect_err("an error");
        assert!(matches!(error, Error::Handshake(HandshakeError::UnexpectedEof)), "{end}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn accepting_what_asks_for_no_connection_is_answered_426() {
    let (mut near, far) = duplex(4096);
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let accepting = ends(accept(far, ServerConfig::default())).await.expect("a request");
    let mut answer = String::new();
    let (reply, config) = (Accept::new(), Config::default());
    let accept = accepting.accept(&reply, &config);
    let (accepted, _) =
        ends(async { tokio::join!(accept, near.read_to_string(&mut answer)) }).await;
    assert!(matches!(accepted, Err(Error::Reply(ReplyError::NotAnUpgrade))));
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn mistake_of_the_application_is_told_of_although_the_client_is_gone() {
    for gone in [true, false] {
        let mock = Mock::new(format!("{UPGRADE}Sec-WebSocket-Version: 13\r\n\r\n"));
        let accepting = ends(accept(mock.clone(), ServerConfig::default())).await.expect("fine");
        if gone {
            mock.lock().write_error = Some(ErrorKind::BrokenPipe);
        } else {
            mock.lock().room = 0;
        }
        let reply = Accept::new().subprotocol("chat");
        let accepted = ends(accepting.accept(&reply, &Config::default())).await;
        let error = accepted.expect_err("it was not offered");
        assert!(matches!(error, Error::Reply(ReplyError::SubprotocolNotOffered)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_glued_to_the_request_are_received() {
    let mut wire = format!("{UPGRADE}Sec-WebSocket-Version: 13\r\n\r\n").into_bytes();
    wire.extend(masked(TEXT, b"early"));
    wire.extend(&masked(TEXT, b"bird")[..3]);
    for step in [1, 7, usize::MAX] {
        let mock = Mock::new(&wire);
        mock.lock().step = step;
        let accepting = ends(accept(mock.clone(), ServerConfig::default())).await.expect("fine");
        let (mut ws, _) =
            accepting.accept(&Accept::new(), &Config::default()).await.expect("accepted");
        assert_eq!(text(ends(ws.next()).await), "early");
        mock.push(&masked(TEXT, b"bird")[3..]);
        assert_eq!(text(ends(ws.next()).await), "bird");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_glued_to_the_101_are_received() {
    let (near, mut far) = duplex(4096);
    let serve = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.expect("a request"));
        }
        let head = String::from_utf8(head).expect("text");
        let key = head.split("Sec-WebSocket-Key: ").nth(1).expect("a key");
        let accept = websocket_proto::handshake::accept_key(&key[..24]);
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .into_bytes();
        answer.extend(frame(TEXT, b"early"));
        far.write_all(&answer).await.expect("room");
    };
    let (request, config) = (request(), Config::default());
    let call = connect(near, &request, ClientConfig::default(), &config);
    let ((), called) = ends(async { tokio::join!(serve, call) }).await;
    let (mut ws, _) = called.expect("connected");
    assert_eq!(text(ends(ws.next()).await), "early");
}

#[tokio::test(start_paused = true)]
async fn connect_gives_up_on_a_server_that_does_not_answer() {
    let (near, _far) = duplex(4096);
    let (request, config) = (request(), Config::default());
    let called = ends(connect(near, &request, ClientConfig::default(), &config)).await;
    assert!(matches!(called, Err(Error::Handshake(HandshakeError::TimedOut))), "{called:?}");
}

#[tokio::test(start_paused = true)]
async fn connect_gives_up_on_a_server_that_does_not_read() {
    let (near, _far) = duplex(16);
    let (request, config) = (request(), Config::default());
    let called = ends(connect(near, &request, ClientConfig::default(), &config)).await;
    assert!(matches!(called, Err(Error::Timeout(TimeoutError::Write))), "{called:?}");
}

#[tokio::test(start_paused = true)]
async fn time_to_connect_counts_from_the_first_write() {
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (request, config) = (request(), Config::default());
    let start = Instant::now();
    let called = ends(async {
        let read = async {
            tokio::time::advance(Duration::from_secs(6)).await;
            mock.allow(usize::MAX);
        };
        let call = connect(mock.clone(), &request, ClientConfig::default(), &config);
        tokio::join!(call, read).0
    })
    .await;
    assert!(matches!(called, Err(Error::Handshake(HandshakeError::TimedOut))), "{called:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

const CHUNKED: &str = "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn refusal_in_chunks_is_told_of_at_its_end() {
    let mock = Mock::new(CHUNKED);
    let (request, config) = (request(), Config::default());
    let start = Instant::now();
    let called = ends(connect(mock, &request, ClientConfig::default(), &config)).await;
    let Err(Error::Refused(response)) = called else { panic!("{called:?}") };
    assert_eq!((response.body(), response.is_body_complete()), (&b"busy"[..], true));
    assert_eq!(start.elapsed(), Duration::ZERO, "the connection is kept alive");
}

#[tokio::test(start_paused = true)]
async fn refusal_is_told_of_although_the_transport_fails_in_its_body() {
    let wire = "HTTP/1.1 403 No\r\nConnection: close\r\n\r\nbusy";
    let (request, config) = (request(), Config::default());
    for kind in [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset] {
        for end in 0..=wire.len() {
            let mock = Mock::new(&wire[..end]);
            mock.lock().read_error = Some(kind);
            let called = ends(connect(mock, &request, ClientConfig::default(), &config)).await;
            match called {
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

#[tokio::test(start_paused = true)]
async fn page_for_a_client_that_does_not_read_is_given_up() {
    let (mut near, far) = duplex(64);
    near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let accepting = ends(accept(far, ServerConfig::default())).await.expect("a request");
    let page = Reply::new(200).body(&[0; 4096]);
    assert!(ends(accepting.reject(&page)).await.is_err());
}

// --- echo loops ---

#[tokio::test(start_paused = true)]
async fn messages_read_together_are_answered_by_one_write() {
    let wire = (0..10).flat_map(|_| masked(TEXT, b"hi")).collect::<Vec<_>>();
    let mock = Mock::new(&wire);
    let mut ws = over(&mock);
    let task = Task::new();
    let mut run = Box::pin(echo(&mut ws));
    assert!(task.poll(&mut run).is_pending());
    assert_eq!(mock.lock().writes, 1);
    assert_eq!(mock.lock().flushes, 1);
    // D17: the answers are out before it waits.
    assert_eq!(mock.written(), frame(TEXT, b"hi").repeat(10));
}

#[tokio::test(start_paused = true)]
async fn feed_queues_and_send_flushes() {
    let mock = Mock::new([]);
    let mut ws = over(&mock);
    ends(ws.feed("a")).await.expect("open");
    ends(ws.feed(b"b")).await.expect("open");
    assert_eq!(mock.lock().calls, 0);
    ends(ws.send("c")).await.expect("open");
    assert_eq!(mock.lock().writes, 1);
    let all = [frame(TEXT, b"a"), frame(BINARY, b"b"), frame(TEXT, b"c")].concat();
    assert_eq!(mock.written(), all);
    ends(ws.ping(b"?")).await.expect("open");
    ends(ws.send_part("x", Fragment::More)).await.expect("open");
    ends(ws.send_part("y", Fragment::Last)).await.expect("open");
    assert_eq!(mock.written()[all.len()..], *b"\x89\x01?\x01\x01x\x80\x01y");
}

#[tokio::test(start_paused = true)]
async fn large_messages_go_both_ways() {
    for (len, pipe) in [(1 << 20, 1000), (16 << 20, 1 << 20)] {
        let (mut near, mut far) = pair(pipe, &Config::default());
        let bytes: Vec<u8> = (0..len).map(|at: usize| at.to_le_bytes()[1]).collect();
        let call = async {
            near.send(&bytes).await?;
            let Some(received) = near.next().await? else { panic!("a message") };
            assert!(received.message.as_bytes() == bytes);
            near.close(CloseCode::NORMAL, "").await
        };
        let serve = async {
            while let Some(Received { message, mut out }) = far.next().await? {
                out.feed(message)?;
            }
            Ok::<_, Error>(())
        };
        // A pipe of 1,000 bytes takes its polls.
        let (called, served) =
            timeout(HOUR, async { tokio::join!(call, serve) }).await.expect("no hang");
        assert!(called.expect("closed").is_clean());
        served.expect("closed");
    }
}

#[tokio::test(start_paused = true)]
async fn short_reads_and_writes_change_nothing() {
    let (wire, messages) = conversation();
    for step in [1, 2, 3, 5, usize::MAX] {
        for stutter in [false, true] {
            let mock = Mock::ending(&wire);
            mock.lock().step = step;
            mock.lock().stutter = stutter;
            let mut ws = over(&mock);
            let (came, end) = ends(echo(&mut ws)).await;
            end.expect("clean");
            assert_eq!(came, messages.iter().map(|(_, text)| *text).collect::<Vec<_>>());
            assert_eq!(mock.written(), answers(), "step {step}");
            assert!(mock.lock().shut);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn owned_large_message_is_written_without_being_glued() {
    let mock = Mock::new([]);
    mock.lock().step = 1000;
    let mut ws = over(&mock);
    let big = vec![7; 10_000];
    for message in [OwnedMessage::from("a"), big.clone().into(), "b".into()] {
        ends(SinkExt::feed(&mut ws, message)).await.expect("open");
    }
    ends(SinkExt::flush(&mut ws)).await.expect("open");
    let all = [frame(TEXT, b"a"), frame(BINARY, &big), frame(TEXT, b"b")].concat();
    assert!(mock.written() == all);
}

#[tokio::test(start_paused = true)]
async fn message_that_is_given_away_is_flushed() {
    let text = "large".repeat(2_000);
    for split in [false, true] {
        let mock = Mock::new([]);
        mock.lock().step = 999;
        let mut ws = WebSocket::new(mock.clone(), io::client(&Config::default()));
        if split {
            let (_receiver, sender) = ws.split();
            ends(sender.send_owned("small")).await.expect("open");
            ends(sender.send_owned(text.clone())).await.expect("open");
        } else {
            ends(ws.send_owned("small")).await.expect("open");
            ends(ws.send_owned(text.clone())).await.expect("open");
        }
        let all = [masked(TEXT, b"small"), masked(TEXT, text.as_bytes())].concat();
        assert!(mock.written() == all);
    }
}

/// Sends a message between two small ones, and drops that where the transport takes nothing more:
/// what is left is queued. Whether it takes all at once is `ready`.
async fn send_between(mut ws: WebSocket<Mock>, mock: &Mock, big: &[u8], split: bool, ready: bool) {
    let task = Task::new();
    if split {
        let (_receiver, sender) = ws.split();
        ends(sender.feed("a")).await.expect("open");
        assert_eq!(task.poll(&mut Box::pin(sender.send(big))).is_ready(), ready);
        mock.allow(1 << 21);
        ends(sender.send("b")).await.expect("open");
    } else {
        ends(ws.feed("a")).await.expect("open");
        assert_eq!(task.poll(&mut Box::pin(ws.send(big))).is_ready(), ready);
        mock.allow(1 << 21);
        ends(ws.send("b")).await.expect("open");
    }
}

#[tokio::test(start_paused = true)]
async fn large_message_is_sent_from_where_it_lies() {
    for big in [vec![7; 4096], vec![7; 100_000]] {
        let all = [frame(TEXT, b"a"), frame(BINARY, &big), frame(TEXT, b"b")].concat();
        let steps = [(usize::MAX, usize::MAX), (999, usize::MAX), (usize::MAX, 3), (7, 0)];
        for ((step, room), split) in steps.into_iter().flat_map(|it| [(it, false), (it, true)]) {
            let mock = Mock::new([]);
            (mock.lock().step, mock.lock().room) = (step, room);
            send_between(over(&mock), &mock, &big, split, room == usize::MAX).await;
            assert!(mock.written() == all, "{step}, {room}");
        }
        // In one write, together with what was queued.
        let mock = Mock::new([]);
        let mut ws = over(&mock);
        ends(ws.feed("a")).await.expect("open");
        ends(ws.send(&big)).await.expect("open");
        assert_eq!(mock.lock().writes, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn long_payloads_begin_at_lines_of_the_cache() {
    // In the read buffer, and in a buffer that is lent by the thread.
    for len in [20_000, 65_536, 200_000] {
        let wire = masked(BINARY, &vec![7; len]).repeat(20);
        let mut ws = over(&Mock::ending(&wire));
        let mut places = Vec::new();
        while let Ok(Some(received)) = ends(ws.next()).await {
            assert_eq!(received.message.as_bytes().len(), len);
            places.push(received.message.as_bytes().as_ptr().addr() % 64);
        }
        // How long they are is not known at first, and buffers grow.
        assert_eq!((places.len(), &places[16..]), (20, &[0; 4][..]), "{len}: {places:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn large_message_of_a_client_is_sent_in_steps() {
    let big = vec![7; 1_200_000];
    let all = [masked(TEXT, b"a"), masked(BINARY, &big), masked(TEXT, b"b")].concat();
    for (step, room) in [(usize::MAX, usize::MAX), (99_999, usize::MAX), (usize::MAX, 700_000)] {
        for split in [false, true] {
            let mock = Mock::new([]);
            (mock.lock().step, mock.lock().room) = (step, room);
            let ws = WebSocket::new(mock.clone(), io::client(&Config::default()));
            send_between(ws, &mock, &big, split, room == usize::MAX).await;
            assert!(mock.written() == all, "{step}, {room}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn large_message_over_a_transport_that_fails_is_torn_off_for_good() {
    let big = vec![7; 10_000];
    for kind in [ErrorKind::BrokenPipe, ErrorKind::WriteZero] {
        for at in 0..12 {
            let mock = Mock::new([]);
            mock.lock().step = 999;
            mock.lock().faults = vec![(at, Fault::Error(kind))];
            let mut ws = over(&mock);
            let sent = ends(ws.send(&big)).await;
            assert_eq!(sent.is_err(), at < 12, "{at}");
            let _ = ends(ws.send("more")).await;
            let _ = ends(ws.close(CloseCode::NORMAL, "")).await;
            assert!(is_torn_off(&frame(BINARY, &big), &mock.written()), "{at}");
        }
    }
}

// --- faults of the transport ---

#[tokio::test(start_paused = true)]
async fn transport_that_fails_at_any_call_ends_the_connection() {
    let (wire, messages) = conversation();
    let run = async |fault: Option<usize>| {
        let mock = Mock::ending(&wire);
        mock.lock().step = 3;
        let kind = Fault::Error(ErrorKind::ConnectionReset);
        mock.lock().faults = fault.map(|at| (at, kind)).into_iter().collect();
        let mut ws = over(&mock);
        let (came, end) = ends(echo(&mut ws)).await;
        let all: Vec<_> = messages.iter().map(|(_, text)| *text).collect();
        assert!(all.starts_with(&came.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(is_torn_off(&answers(), &mock.written()), "{fault:?}: writes behind a torn frame");
        // It stays at that.
        let (more, again) = ends(echo(&mut ws)).await;
        assert!(more.is_empty());
        assert_eq!(again.is_err(), end.is_err());
        ends(ws.close(CloseCode::NORMAL, "")).await.expect("an outcome");
        mock.lock().calls
    };
    let calls = run(None).await;
    assert!(calls > 20);
    for at in 0..calls {
        run(Some(at)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_behind_a_torn_frame() {
    let mock = Mock::new([]);
    let mut ws = over(&mock);
    ends(ws.feed("hello")).await.expect("open");
    mock.lock().step = 3;
    mock.lock().faults = vec![(1, Fault::Error(ErrorKind::Other))];
    let task = Task::new();
    let _ = task.poll(&mut Box::pin(ws.next()));
    mock.lock().step = usize::MAX;
    mock.push([masked(PING, b""), masked(TEXT, b"more")].concat());
    // Whatever comes of it: the peer would take it for the payload of the torn frame.
    let _ = task.poll(&mut Box::pin(echo(&mut ws)));
    let _ = task.poll(&mut Box::pin(ws.send("again")));
    for message in [OwnedMessage::from("small"), "large".repeat(1_000).into()] {
        let _ = task.poll(&mut Box::pin(ws.feed_owned(message)));
        let _ = task.poll(&mut Box::pin(ws.flush()));
    }
    let _ = task.poll(&mut Box::pin(ws.close(CloseCode::NORMAL, "")));
    let written = mock.written();
    assert!(is_torn_off(&frame(TEXT, b"hello"), &written), "{}", written.escape_ascii());
}

#[tokio::test(start_paused = true)]
async fn transport_that_is_not_ready_at_any_call_changes_nothing() {
    let (wire, messages) = conversation();
    for at in 0..60 {
        let mock = Mock::ending(&wire);
        mock.lock().step = 7;
        mock.lock().faults = vec![(at, Fault::Pending)];
        let mut ws = over(&mock);
        let (came, end) = ends(echo(&mut ws)).await;
        end.expect("clean");
        assert_eq!(came.len(), messages.len());
        assert_eq!(mock.written(), answers(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn eof_at_any_offset_gives_one_answer_for_good() {
    let (wire, messages) = conversation();
    for end in 0..=wire.len() {
        let mock = Mock::ending(&wire[..end]);
        let mut ws = over(&mock);
        let (came, result) = ends(echo(&mut ws)).await;
        let whole = messages.iter().filter(|(at, _)| *at <= end).count();
        assert_eq!(came.len(), whole, "offset {end}");
        for result in [result, ends(echo(&mut ws)).await.1, ends(echo(&mut ws)).await.1] {
            match result {
                Ok(()) => assert_eq!(end, wire.len()),
                Err(Error::Unclean(UncleanClose)) => assert!(end < wire.len()),
                Err(error) => panic!("offset {end}: {error}"),
            }
        }
        let outcome = ws.outcome().expect("ended");
        assert_eq!(outcome.is_clean(), end == wire.len());
        assert!(mock.lock().shut);
        assert!(is_torn_off(&answers(), &mock.written()));
    }
}

#[tokio::test(start_paused = true)]
async fn transport_that_takes_no_bytes_is_an_error() {
    struct Full;
    impl tokio::io::AsyncRead for Full {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Pending
        }
    }
    impl tokio::io::AsyncWrite for Full {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let mut ws = WebSocket::new(Full, server(&Config::default()));
    let Err(Error::Io(error)) = ends(ws.send("a")).await else { panic!("an error") };
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[tokio::test(start_paused = true)]
async fn error_after_the_closing_handshake_is_none() {
    let mock = Mock::new(masked(CLOSE, b"\x03\xe8"));
    mock.lock().read_error = Some(ErrorKind::ConnectionReset);
    let mut ws = over(&mock);
    assert!(ends(ws.next()).await.expect("clean").is_none());
    assert_eq!(mock.written(), frame(CLOSE, b"\x03\xe8"));

    // The reset comes before the answer can be written.
    let mock = Mock::new(masked(CLOSE, b"\x03\xe8"));
    mock.lock().faults = vec![(1, Fault::Error(ErrorKind::BrokenPipe))];
    mock.lock().read_error = Some(ErrorKind::ConnectionReset);
    let mut ws = over(&mock);
    assert!(ends(ws.next()).await.expect("clean").is_none());
    let outcome = ws.outcome().expect("ended");
    assert_eq!((outcome.sent, outcome.received), (None, CloseCode::NORMAL));
    assert!(!outcome.is_clean(), "the answer never left");
}

#[tokio::test(start_paused = true)]
async fn close_that_the_peer_sent_before_it_stopped_reading_is_received() {
    let mock = Mock::new([]);
    mock.lock().faults = vec![(0, Fault::Error(ErrorKind::BrokenPipe))];
    let mut ws = over(&mock);
    assert!(matches!(ends(ws.send("a")).await, Err(Error::Io(_))));
    mock.push(masked(CLOSE, b"\x03\xe9")); // 1001
    mock.end();
    assert!(ends(ws.next()).await.expect("clean").is_none());
    let outcome = ws.outcome().expect("ended");
    assert_eq!((outcome.sent, outcome.received), (None, CloseCode::GOING_AWAY));
    assert!(!outcome.is_clean(), "nothing leaves any more");
}

#[tokio::test(start_paused = true)]
async fn peer_that_ends_its_side_while_it_does_not_read_makes_no_busy_loop() {
    let mock = Mock::new(masked(TEXT, b"hello"));
    mock.lock().room = 2;
    mock.end();
    let mut ws = over(&mock);
    // All that is left is to be written, or not for the write timeout.
    let (_, end) = ends(echo(&mut ws)).await;
    assert!(end.is_err());
    assert!(mock.lock().reads < 100, "{} reads", mock.lock().reads);
}

// --- cancelled futures ---

#[tokio::test(start_paused = true)]
async fn dropped_next_loses_nothing() {
    let (wire, messages) = conversation();
    let mock = Mock::ending(&wire);
    mock.lock().step = 3;
    mock.lock().stutter = true;
    let mut ws = over(&mock);
    let task = Task::new();
    let mut came = Vec::new();
    for _ in 0..1000 {
        // Polled once, and dropped if it is not ready.
        let mut next = Box::pin(ws.next());
        match task.poll(&mut next) {
            Poll::Pending => {}
            Poll::Ready(Ok(Some(Received { message, mut out }))) => {
                came.push(message.as_text().expect("text").to_owned());
                let _ = out.feed(message);
            }
            Poll::Ready(Ok(None)) => break,
            Poll::Ready(Err(error)) => panic!("{error}"),
        }
    }
    assert_eq!(came, messages.iter().map(|(_, text)| *text).collect::<Vec<_>>());
    assert_eq!(mock.written(), answers());
    assert!(mock.lock().shut);
}

#[tokio::test(start_paused = true)]
async fn dropped_send_leaves_the_message_queued_once() {
    for polls in 1..40 {
        let mock = Mock::new([]);
        mock.lock().step = 1;
        mock.lock().stutter = true;
        let mut ws = over(&mock);
        let task = Task::new();
        {
            let mut send = Box::pin(ws.send("hello"));
            for _ in 0..polls {
                if task.poll(&mut send).is_ready() {
                    break;
                }
            }
        }
        let mut polls_of_flush = 0;
        loop {
            polls_of_flush += 1;
            // Dropped at each of its awaits as well.
            if let Poll::Ready(result) = task.poll(&mut Box::pin(ws.flush())) {
                result.expect("open");
                break;
            }
            assert!(polls_of_flush < 100);
        }
        ends(ws.send("b")).await.expect("open");
        assert_eq!(mock.written(), [frame(TEXT, b"hello"), frame(TEXT, b"b")].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_feed_that_waits_for_room_queues_nothing() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(ws.feed("first"))).is_ready());
    for _ in 0..5 {
        assert!(task.poll(&mut Box::pin(ws.feed("never"))).is_pending());
        assert!(task.poll(&mut Box::pin(ws.ping(b"never"))).is_pending());
    }
    mock.allow(1000);
    ends(ws.send("last")).await.expect("open");
    assert_eq!(mock.written(), [frame(TEXT, b"first"), frame(TEXT, b"last")].concat());
}

#[tokio::test(start_paused = true)]
async fn dropped_close_goes_on() {
    for polls in 1..12 {
        let mock = Mock::new([]);
        mock.lock().step = 1;
        mock.lock().stutter = true;
        let mut ws = over(&mock);
        let task = Task::new();
        {
            let mut close = Box::pin(ws.close(CloseCode::NORMAL, "x"));
            for _ in 0..polls {
                assert!(task.poll(&mut close).is_pending());
            }
        }
        mock.push(masked(CLOSE, b"\x03\xe8"));
        mock.end();
        // Another code is not sent: there is one Close.
        let outcome = ends(ws.close(CloseCode::GOING_AWAY, "")).await.expect("closed");
        assert!(outcome.is_clean());
        assert_eq!(outcome.sent, Some(CloseCode::NORMAL));
        assert_eq!(mock.written(), frame(CLOSE, b"\x03\xe8x"));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_next_while_the_connection_fails_goes_on() {
    let mock = Mock::new([masked(TEXT, b"\xff"), masked(TEXT, b"late")].concat());
    mock.lock().step = 3;
    mock.lock().stutter = true;
    mock.lock().eof = true;
    let mut ws = over(&mock);
    let task = Task::new();
    for _ in 0..100 {
        match task.poll(&mut Box::pin(ws.next())) {
            Poll::Pending => {}
            Poll::Ready(Err(Error::Protocol(ProtocolError::InvalidUtf8))) => {
                assert!(mock.lock().shut);
                assert_eq!(opcodes(&mock.written()), [CLOSE]);
                return;
            }
            Poll::Ready(other) => panic!("{other:?}"),
        }
    }
    panic!("no end");
}

// --- split: wakers ---

/// A split connection over a transport that takes nothing.
fn blocked() -> (Mock, Receiver<Mock>, Sender<Mock>) {
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (receiver, sender) = over(&mock).split();
    (mock, receiver, sender)
}

#[tokio::test(start_paused = true)]
async fn blocked_sender_is_woken_beside_a_receiver_that_waits() {
    for receiver_polled_last in [false, true] {
        let (mock, mut receiver, sender) = blocked();
        let (reading, writing) = (Task::new(), Task::new());
        let mut next = Box::pin(receiver.next());
        let mut send = Box::pin(sender.send("hello"));
        assert!(reading.poll(&mut next).is_pending());
        assert!(writing.poll(&mut send).is_pending());
        assert!(reading.wakes() > 0, "there is a deadline to keep now");
        if receiver_polled_last {
            assert!(reading.poll(&mut next).is_pending());
        }
        mock.allow(1000);
        assert!(writing.wakes() > 0);
        assert!(writing.poll(&mut send).is_ready());
        assert_eq!(mock.written(), frame(TEXT, b"hello"));
    }
}

#[tokio::test(start_paused = true)]
async fn receiver_that_writes_the_rest_does_not_leave_the_sender_asleep() {
    let (mock, mut receiver, sender) = blocked();
    let (reading, writing) = (Task::new(), Task::new());
    let mut next = Box::pin(receiver.next());
    let mut send = Box::pin(sender.send("hello"));
    assert!(writing.poll(&mut send).is_pending());
    assert!(reading.poll(&mut next).is_pending());
    writing.wakes();
    mock.allow(1000);
    mock.push(masked(PING, b"p"));
    assert!(reading.poll(&mut next).is_pending());
    assert_eq!(opcodes(&mock.written()), [TEXT, PONG]);
    assert!(writing.wakes() > 0);
    assert!(writing.poll(&mut send).is_ready());
}

#[tokio::test(start_paused = true)]
async fn dropped_sender_future_does_not_take_the_wake_up_along() {
    let (mock, mut receiver, sender) = blocked();
    let other = sender.clone();
    let (reading, first, second) = (Task::new(), Task::new(), Task::new());
    let mut next = Box::pin(receiver.next());
    let mut waits = Box::pin(other.send("b"));
    assert!(second.poll(&mut waits).is_pending());
    {
        // The transport remembers the waker of this one.
        let mut dropped = Box::pin(sender.send("a"));
        assert!(first.poll(&mut dropped).is_pending());
    }
    assert!(reading.poll(&mut next).is_pending());
    reading.wakes();
    mock.allow(3);
    assert!(second.wakes() > 0 && reading.wakes() > 0);
    assert!(second.poll(&mut waits).is_pending());
    {
        let mut dropped = Box::pin(sender.flush());
        assert!(first.poll(&mut dropped).is_pending());
    }
    mock.allow(1000);
    assert!(second.wakes() > 0);
    assert!(second.poll(&mut waits).is_ready());
    assert_eq!(mock.written(), [frame(TEXT, b"b"), frame(TEXT, b"a")].concat());
}

#[tokio::test(start_paused = true)]
async fn every_blocked_clone_is_woken() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (_receiver, sender) = over_with(&mock, &config).split();
    let senders = vec![sender; 5];
    let mut tasks: Vec<_> =
        senders.iter().map(|sender| (Task::new(), Box::pin(sender.send("hello")))).collect();
    for (task, send) in &mut tasks {
        assert!(task.poll(send).is_pending());
    }
    let mut rounds = 0;
    while !tasks.is_empty() {
        rounds += 1;
        assert!(rounds < 100, "{} senders sleep for ever", tasks.len());
        mock.allow(1);
        // Only who was woken is polled.
        tasks.retain_mut(|(task, send)| task.wakes() == 0 || task.poll(send).is_pending());
    }
    assert_eq!(mock.written(), frame(TEXT, b"hello").repeat(5));
}

#[tokio::test(start_paused = true)]
async fn sender_stays_registered_when_its_task_sends_something_else() {
    let (mock, _receiver, sender) = blocked();
    let task = Task::new();
    let mut blocked = Box::pin(sender.send("a"));
    assert!(task.poll(&mut blocked).is_pending());
    // Another future of the same task is ready at once.
    assert!(task.poll(&mut Box::pin(sender.feed("b"))).is_ready());
    if task.wakes() > 0 {
        assert!(task.poll(&mut blocked).is_pending());
    }
    mock.allow(1000);
    assert!(task.wakes() > 0, "lost wake-up");
    assert!(task.poll(&mut blocked).is_ready());
}

#[tokio::test(start_paused = true)]
async fn sender_stays_registered_when_its_task_receives_a_message() {
    let (mock, mut receiver, sender) = blocked();
    let task = Task::new();
    let mut blocked = Box::pin(sender.send("a"));
    assert!(task.poll(&mut blocked).is_pending());
    mock.push(masked(TEXT, b"hello"));
    assert!(task.poll(&mut Box::pin(receiver.next())).is_ready());
    if task.wakes() > 0 {
        assert!(task.poll(&mut blocked).is_pending());
    }
    mock.allow(1000);
    assert!(task.wakes() > 0, "lost wake-up");
}

#[tokio::test(start_paused = true)]
async fn receiver_is_woken_when_the_transport_can_be_shut_down() {
    let mock = Mock::new(masked(CLOSE, b"\x03\xe8"));
    mock.lock().shutdown_waits = true;
    let (mut receiver, _sender) = over(&mock).split();
    let task = Task::new();
    let mut next = Box::pin(receiver.next());
    assert!(task.poll(&mut next).is_pending());
    assert_eq!((opcodes(&mock.written()), task.wakes()), (vec![CLOSE], 0));
    mock.lock().shutdown_waits = false;
    mock.allow(0);
    assert!(task.wakes() > 0, "lost wake-up");
    assert!(task.poll(&mut next).is_pending());
    assert!(mock.lock().shut, "and now the peer is to end its side");
}

#[tokio::test(start_paused = true)]
async fn one_task_with_both_halves_does_not_wake_itself_for_ever() {
    let (_mock, mut receiver, sender) = blocked();
    let task = Task::new();
    let mut next = Box::pin(receiver.next());
    let mut send = Box::pin(sender.send("hello"));
    let mut rounds = 0;
    for _ in 0..2 {
        loop {
            assert!(task.poll(&mut send).is_pending());
            assert!(task.poll(&mut next).is_pending());
            rounds += 1;
            assert!(rounds < 10, "busy loop");
            if task.wakes() == 0 {
                // Something else wakes the task.
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sink_and_stream_of_two_tasks_are_both_woken() {
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (mut sink, mut stream) = StreamExt::split(over(&mock));
    let (reading, writing) = (Task::new(), Task::new());
    let mut next = Box::pin(stream.next());
    let mut send = Box::pin(sink.send(OwnedMessage::from("hello")));
    assert!(writing.poll(&mut send).is_pending());
    // The receiving task is woken by input and finds the output blocked.
    assert!(reading.poll(&mut next).is_pending());
    writing.wakes();
    mock.allow(1000);
    let mut rounds = 0;
    while reading.wakes() > 0 && rounds < 10 {
        assert!(reading.poll(&mut next).is_pending());
        rounds += 1;
    }
    assert!(writing.wakes() > 0, "lost wake-up");
    assert!(writing.poll(&mut send).is_ready());
}

#[tokio::test(start_paused = true)]
async fn sink_does_not_take_the_deadline_from_the_stream() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_millis(50));
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (mut sink, mut stream) = StreamExt::split(over_with(&mock, &config));
    let receiving = tokio::spawn(async move { stream.next().await });
    tokio::task::yield_now().await;
    {
        // Registers for the deadline, and is dropped.
        let mut send = Box::pin(sink.send(OwnedMessage::from("hello")));
        assert!(Task::new().poll(&mut send).is_pending());
    }
    let item = ends(receiving).await.expect("no panic").expect("an item");
    assert!(matches!(item, Err(Error::Timeout(TimeoutError::Idle))), "{item:?}");
}

#[tokio::test(start_paused = true)]
async fn sender_that_closes_gives_the_waiting_receiver_a_deadline() {
    let (near, _far) = duplex(1024);
    let (mut receiver, sender) = WebSocket::new(near, server(&Config::default())).split();
    let receiving = tokio::spawn(async move {
        let result = receiver.next().await.map(|it| it.is_some());
        (result, receiver.outcome())
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    ends(sender.close(CloseCode::NORMAL, "")).await.expect("written");
    let (result, outcome) = ends(receiving).await.expect("no panic");
    assert!(matches!(result, Err(Error::Timeout(TimeoutError::Close))), "{result:?}");
    assert_eq!(outcome.expect("ended").sent, Some(CloseCode::NORMAL));
    assert!((4..7).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn blocked_sender_learns_that_the_connection_has_failed() {
    let (near, _far) = duplex(16);
    let (mut receiver, sender) = WebSocket::new(near, server(&Config::default())).split();
    let receiving = tokio::spawn(async move { receiver.next().await.map(|it| it.is_some()) });
    let sending = tokio::spawn(async move { sender.send(&[0; 1000]).await });
    let sent = ends(sending).await.expect("no panic");
    assert!(matches!(sent, Err(Error::Timeout(TimeoutError::Write))), "{sent:?}");
    let received = ends(receiving).await.expect("no panic");
    assert!(matches!(received, Err(Error::Timeout(TimeoutError::Write))), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn halves_of_two_tasks_exchange_many_messages() {
    let (near, far) = duplex(100);
    let (mut receiver, sender) = WebSocket::new(near, client(&Config::default())).split();
    let mut tasks = tokio::task::JoinSet::new();
    for id in 0..4_u8 {
        let sender = sender.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                sender.send(&[id; 30]).await.expect("open");
            }
        });
    }
    let mut server = WebSocket::new(far, server(&Config::default()));
    let serving = tokio::spawn(async move {
        while let Some(Received { message, mut out }) = server.next().await? {
            out.feed(message)?;
        }
        Ok::<_, Error>(server.outcome())
    });
    let mut counts = [0; 4];
    for _ in 0..200 {
        let message = ends(receiver.next()).await.expect("open").expect("a message");
        let id = message.as_bytes()[0];
        assert_eq!(message.as_bytes(), [id; 30], "messages mix");
        counts[usize::from(id)] += 1;
    }
    assert_eq!(counts, [50; 4]);
    ends(sender.close(CloseCode::NORMAL, "")).await.expect("open");
    assert!(ends(receiver.next()).await.expect("clean").is_none());
    assert!(ends(serving).await.expect("no panic").expect("clean").expect("ended").is_clean());
}

// --- replies and back pressure ---

#[tokio::test(start_paused = true)]
async fn reader_flushes_pong_and_close_after_a_write_that_had_to_wait() {
    let mock = Mock::new(masked(PING, b"p"));
    mock.lock().room = 0;
    let mut ws = over(&mock);
    let task = Task::new();
    {
        let mut next = Box::pin(ws.next());
        assert!(task.poll(&mut next).is_pending());
        mock.allow(100);
        assert!(task.wakes() > 0);
        assert!(task.poll(&mut next).is_pending());
        assert_eq!(mock.written(), frame(PONG, b"p"));
        mock.lock().room = 0;
        mock.push(masked(CLOSE, b""));
        assert!(task.poll(&mut next).is_pending());
        mock.allow(100);
        assert!(task.wakes() > 0);
        assert!(task.poll(&mut next).is_pending());
        assert_eq!(opcodes(&mock.written()), [PONG, CLOSE]);
        assert!(mock.lock().shut, "the server ends the transport first");
        mock.end();
        assert!(matches!(task.poll(&mut next), Poll::Ready(Ok(None))));
    }
    assert_eq!(ws.outcome().expect("ended").received, CloseCode::NO_STATUS);
}

#[tokio::test(start_paused = true)]
async fn flood_of_pings_from_a_peer_that_does_not_read_makes_nothing_grow() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (1000, 100);
    let flood = masked(PING, b"ping").repeat(10_000);
    let mock = Mock::new(&flood);
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    let (_, endpoint) = ws.into_parts();
    assert!(endpoint.queued() <= 1000 + 131, "{}", endpoint.queued());
}

#[tokio::test(start_paused = true)]
async fn slow_consumer_is_handed_no_messages_while_its_answers_wait() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (10, 2);
    let mock = Mock::new(masked(TEXT, b"hello").repeat(3));
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    for _ in 0..2 {
        let Ok(Some(Received { message, mut out })) = ends(ws.next()).await else { panic!() };
        out.feed(message).expect("room");
    }
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    assert!(Task::new().poll(&mut Box::pin(ws.feed("x"))).is_pending());
    // Between the watermarks it goes on waiting.
    mock.allow(8);
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    mock.allow(4);
    let Ok(Some(Received { message, mut out })) = ends(ws.next()).await else { panic!() };
    assert_eq!(message, Message::Text("hello"));
    out.feed("0123456789").expect("room");
    assert_eq!(out.feed("x"), Err(SendError::Full { queued: 14 }));
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_read_is_given_up_by_who_receives() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_millis(40));
    config.connection.close_timeout = Duration::from_millis(20);
    for room in [0, 3] {
        let mock = Mock::new(masked(TEXT, b"hello"));
        mock.lock().room = room;
        let mut ws = over_with(&mock, &config);
        let (_, end) = ends(echo(&mut ws)).await;
        assert!(matches!(end, Err(Error::Timeout(TimeoutError::Write))), "{end:?}");
        assert!(mock.lock().shut);
        mock.allow(1000);
        let (_, end) = ends(echo(&mut ws)).await;
        assert!(matches!(end, Err(Error::Timeout(TimeoutError::Write))), "{end:?}");
        assert!(
            is_torn_off(&frame(TEXT, b"hello"), &mock.written()),
            "nothing behind a torn frame"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_read_is_given_up_by_who_sends() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_millis(40));
    let mock = Mock::new([]);
    mock.lock().room = 3;
    let mut ws = over_with(&mock, &config);
    let sent = ends(ws.send("hello")).await;
    assert!(matches!(sent, Err(Error::Timeout(TimeoutError::Write))), "{sent:?}");
    assert!(matches!(ends(ws.send("x")).await, Err(Error::Send(SendError::Closed))));
    assert!(matches!(ends(ws.flush()).await, Err(Error::Timeout(TimeoutError::Write))));
}

#[tokio::test(start_paused = true)]
async fn close_waits_no_longer_than_the_close_timeout_for_a_peer_that_does_not_read() {
    for write_timeout in [None, Some(Duration::from_secs(3000))] {
        let mut config = Config::default();
        config.connection.close_timeout = Duration::from_millis(50);
        config.write_timeout = write_timeout;
        let mock = Mock::new([]);
        mock.lock().room = 0;
        let mut ws = over_with(&mock, &config);
        let start = Instant::now();
        let outcome = ends(ws.close(CloseCode::NORMAL, "")).await.expect("valid");
        assert!(!outcome.is_clean());
        assert!(start.elapsed() < Duration::from_secs(1));
        assert!(mock.lock().shut);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_that_hangs_does_not_outlast_the_close_timeout() {
    let mut config = Config::default();
    config.connection.close_timeout = Duration::from_millis(50);
    // A TLS stream whose peer does not read cannot write its own goodbye.
    let mock = Mock::new(masked(CLOSE, b"\x03\xe8"));
    mock.lock().shutdown_waits = true;
    let mut ws = over_with(&mock, &config);
    let start = Instant::now();
    assert!(ends(ws.next()).await.expect("clean").is_none());
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
}

// --- deadlines ---

#[tokio::test(start_paused = true)]
async fn deadlines_follow_the_clock_of_tokio() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_secs(600));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    let start = Instant::now();
    let end = ends(ws.next()).await.map(|it| it.is_some());
    assert!(matches!(end, Err(Error::Timeout(TimeoutError::Idle))), "{end:?}");
    assert!((600..610).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn silent_peer_is_pinged_and_then_taken_for_gone() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_millis(30));
    config.connection.pong_timeout = Some(Duration::from_millis(20));
    config.connection.close_timeout = Duration::from_millis(10);
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    let start = Instant::now();
    let end = ends(ws.next()).await.map(|it| it.is_some());
    assert!(matches!(end, Err(Error::Timeout(TimeoutError::Pong))), "{end:?}");
    assert!((50..500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(opcodes(&mock.written()), [PING, CLOSE]);
    assert!(mock.lock().shut);
    let again = ends(ws.next()).await.map(|it| it.is_some());
    assert!(matches!(again, Err(Error::Timeout(TimeoutError::Pong))), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn peer_that_answers_pings_is_kept() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let (mut near, mut far) = pair(1024, &config);
    // Both ping; whoever waits answers.
    let near = tokio::spawn(async move { near.next().await.map(|it| it.is_some()) });
    let far = tokio::spawn(async move { far.next().await.map(|it| it.is_some()) });
    for _ in 0..60 {
        tokio::time::advance(Duration::from_secs(10)).await;
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(!near.is_finished() && !far.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn pong_that_waits_in_the_transport_counts() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    assert_eq!(opcodes(&mock.written()), [PING]);
    // The peer answers at once, while the application is busy with something else.
    mock.push(masked(PONG, b""));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    assert!(ws.outcome().is_none(), "{:?}", ws.outcome());
}

#[tokio::test(start_paused = true)]
async fn peer_that_takes_a_large_message_slowly_is_not_taken_for_gone() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    let task = Task::new();
    let mut send = Box::pin(ws.send(&[7; 10_000]));
    for _ in 0..20 {
        // The Ping is behind the message: no answer can have come.
        let polled = task.poll(&mut send);
        assert!(polled.is_pending(), "{polled:?}");
        tokio::time::advance(Duration::from_secs(10)).await;
        mock.allow(100);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_without_messages_ends_with_1001() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_millis(50));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    mock.lock().eof = false;
    let task = Task::new();
    {
        let mut next = Box::pin(ws.next());
        assert!(task.poll(&mut next).is_pending());
    }
    let started = mock.clone();
    let ended = ends(async move {
        let end = ws.next().await.map(|it| it.is_some());
        (end, ws.outcome())
    });
    let (end, outcome) = tokio::join!(ended, async {
        // Answered as soon as it is seen.
        while started.written().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.end();
    })
    .0;
    assert!(matches!(end, Err(Error::Timeout(TimeoutError::Idle))), "{end:?}");
    let outcome = outcome.expect("ended");
    assert_eq!(outcome.sent, Some(CloseCode::GOING_AWAY));
    assert_eq!(outcome.failure, Some(Failure::Timeout(TimeoutError::Idle)));
    assert_eq!(mock.written()[..4], *b"\x88\x13\x03\xe9"); // "idle for too long"
}

#[tokio::test(start_paused = true)]
async fn idle_deadline_does_not_pass_over_messages_that_wait_in_the_transport() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_secs(30));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    mock.push(masked(TEXT, b"in time"));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(text(ends(ws.next()).await), "in time");
}

#[tokio::test(start_paused = true)]
async fn deadlines_start_anew_when_a_connection_is_put_together_again() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    let mock = Mock::new([]);
    let mut ws = over_with(&mock, &config);
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    tokio::time::advance(Duration::from_secs(3000)).await;
    mock.push(masked(PONG, b""));
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    let pings = mock.written().len();
    let (io, endpoint) = ws.into_parts();
    let mut ws = WebSocket::new(io, endpoint);
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(Task::new().poll(&mut Box::pin(ws.next())).is_pending());
    assert!(mock.written().len() > pings, "no ping for an hour");
}

// --- failing and closing ---

#[tokio::test(start_paused = true)]
async fn bad_text_is_told_of_although_the_rest_of_its_frame_does_not_come() {
    for b0 in [TEXT, 0x01] {
        for step in [1, usize::MAX] {
            let wire = masked(b0, b"fine, and then \xff and more");
            let mock = Mock::new(&wire[..wire.len() - 5]);
            mock.lock().step = step;
            let mut ws = over(&mock);
            let task = Task::new();
            {
                let mut next = Box::pin(ws.next());
                assert!(task.poll(&mut next).is_pending(), "waits for the peer to end");
                assert_eq!(opcodes(&mock.written()), [CLOSE]);
            }
            mock.end();
            let end = ends(ws.next()).await.map(|it| it.is_some());
            assert!(matches!(end, Err(Error::Protocol(ProtocolError::InvalidUtf8))), "{end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_frame_with_the_right_code_goes_out_before_the_error() {
    for (wire, error, code) in [
        (frame(TEXT, b"x"), ProtocolError::UnmaskedFrame, CloseCode::PROTOCOL_ERROR),
        (masked(0xc1, b"x"), ProtocolError::ReservedBits(0x40), CloseCode::PROTOCOL_ERROR),
        (masked(TEXT, b"\xff"), ProtocolError::InvalidUtf8, CloseCode::INVALID_PAYLOAD),
        (
            [masked(0x01, b"\xc3"), masked(0x80, b"x")].concat(),
            ProtocolError::InvalidUtf8,
            CloseCode::INVALID_PAYLOAD,
        ),
        (
            masked(BINARY, &[0; 200]),
            ProtocolError::FrameTooLong { len: 200, limit: 100 },
            CloseCode::MESSAGE_TOO_BIG,
        ),
    ] {
        for step in [1, usize::MAX] {
            let mut config = Config::default();
            config.connection.max_frame = 100;
            // What follows does not matter, and is a lot.
            let mock = Mock::ending([wire.clone(), vec![0xff; 10_000]].concat());
            mock.lock().step = step;
            let mut ws = over_with(&mock, &config);
            for _ in 0..2 {
                let end = ends(ws.next()).await.map(|it| it.is_some());
                assert!(matches!(end, Err(Error::Protocol(got)) if got == error), "{end:?}");
                assert!(mock.lock().shut);
                assert!(mock.lock().input.is_empty(), "a reset would destroy the Close frame");
                let written = mock.written();
                assert_eq!(opcodes(&written), [CLOSE]);
                assert_eq!(written[2..4], u16::from(code).to_be_bytes());
            }
            let outcome = ws.outcome().expect("ended");
            assert_eq!(outcome.failure, Some(Failure::Protocol(error)));
            assert_eq!(outcome.received, CloseCode::ABNORMAL);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bad_text_is_an_item_of_the_stream_and_its_last() {
    for wire in [masked(TEXT, b"\xff"), [masked(0x01, b"a"), masked(0x80, b"\xff")].concat()] {
        let mock = Mock::ending([masked(TEXT, b"good"), wire].concat());
        let mut ws = over(&mock);
        assert!(matches!(ends(StreamExt::next(&mut ws)).await, Some(Ok(OwnedMessage::Text(_)))));
        let item = ends(StreamExt::next(&mut ws)).await;
        assert!(matches!(item, Some(Err(Error::Protocol(ProtocolError::InvalidUtf8)))), "{item:?}");
        assert!(ends(StreamExt::next(&mut ws)).await.is_none());
        assert_eq!(opcodes(&mock.written()), [CLOSE]);
    }
}

#[tokio::test(start_paused = true)]
async fn failing_does_not_wait_for_a_peer_that_sends_for_ever() {
    let (near, mut far) = duplex(4096);
    let mut config = Config::default();
    config.connection.close_timeout = Duration::from_millis(50);
    let mut ws = WebSocket::new(near, server(&config));
    let sending = tokio::spawn(async move {
        while far.write_all(&[0xff; 1024]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let end = ends(ws.next()).await.map(|it| it.is_some());
    assert!(matches!(end, Err(Error::Protocol(_))), "{end:?}");
    drop(ws);
    ends(sending).await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn clean_close_names_who_began_and_both_codes() {
    for server_closes in [false, true] {
        let (client, server) = pair(1024, &Config::default());
        let (mut closing, mut other) =
            if server_closes { (server, client) } else { (client, server) };
        let closed = async {
            let outcome = closing.close(CloseCode(4000), "done").await.expect("valid");
            assert_eq!(closing.outcome(), Some(outcome));
            outcome
        };
        let seen = async {
            for _ in 0..3 {
                assert!(other.next().await.expect("clean").is_none());
            }
            other.outcome().expect("ended")
        };
        let start = Instant::now();
        let (closed, seen) = ends(async { tokio::join!(closed, seen) }).await;
        for (outcome, initiator) in [(closed, Initiator::Local), (seen, Initiator::Peer)] {
            assert!(outcome.is_clean());
            assert_eq!(outcome.initiator, initiator);
            assert_eq!((outcome.sent, outcome.received), (Some(CloseCode(4000)), CloseCode(4000)));
        }
        assert!(start.elapsed() < Duration::from_secs(1), "nobody waits for a deadline");
        // What is closed stays closed.
        assert!(matches!(ends(closing.send("x")).await, Err(Error::Send(SendError::Closed))));
        ends(closing.flush()).await.expect("nothing to write");
        let again = ends(closing.close(CloseCode::NORMAL, "")).await.expect("closed");
        assert_eq!(again, closed);
    }
}

#[tokio::test(start_paused = true)]
async fn crossing_closes_are_clean() {
    let (mut near, mut far) = pair(1024, &Config::default());
    let (near, far) = ends(async {
        tokio::join!(near.close(CloseCode(4001), "a"), far.close(CloseCode(4002), "b"))
    })
    .await;
    let (near, far) = (near.expect("valid"), far.expect("valid"));
    assert!(near.is_clean() && far.is_clean());
    assert_eq!((near.sent, near.received), (Some(CloseCode(4001)), CloseCode(4002)));
    assert_eq!((far.sent, far.received), (Some(CloseCode(4002)), CloseCode(4001)));
    assert_eq!((near.initiator, far.initiator), (Initiator::Local, Initiator::Local));
}

#[tokio::test(start_paused = true)]
async fn invalid_close_sends_nothing_and_the_connection_goes_on() {
    let mock = Mock::new(masked(TEXT, b"hello"));
    let mut ws = over(&mock);
    for (code, reason) in [(CloseCode::NO_STATUS, ""), (CloseCode::NORMAL, &*"x".repeat(124))] {
        assert!(matches!(ends(ws.close(code, reason)).await, Err(Error::Send(_))));
    }
    assert_eq!(text(ends(ws.next()).await), "hello");
    assert!(mock.written().is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_come_after_the_own_close_until_the_peers() {
    let mock = Mock::new(masked(TEXT, b"first"));
    let mut ws = over(&mock);
    let Ok(Some(Received { mut out, .. })) = ends(ws.next()).await else { panic!() };
    out.close(CloseCode::NORMAL, "").expect("valid");
    assert_eq!(out.feed("late"), Err(SendError::Closed));
    mock.push([masked(TEXT, b"second"), masked(PING, b"p"), masked(CLOSE, b"\x03\xe8")].concat());
    mock.end();
    assert_eq!(text(ends(ws.next()).await), "second");
    assert!(ends(ws.next()).await.expect("clean").is_none());
    assert_eq!(mock.written(), frame(CLOSE, b"\x03\xe8"), "nothing follows a Close frame");
}

#[tokio::test(start_paused = true)]
async fn client_waits_for_the_server_to_end_the_transport() {
    let mock = Mock::new(frame(CLOSE, b"\x03\xe8"));
    let mut ws = WebSocket::new(mock.clone(), client(&Config::default()));
    let task = Task::new();
    let mut next = Box::pin(ws.next());
    assert!(task.poll(&mut next).is_pending());
    assert_eq!(opcodes(&mock.written()), [CLOSE]);
    assert!(!mock.lock().shut);
    mock.end();
    assert!(task.wakes() > 0);
    assert!(matches!(task.poll(&mut next), Poll::Ready(Ok(None))));
    assert!(mock.lock().shut);
}

// --- Stream, Sink, parts ---

#[tokio::test(start_paused = true)]
async fn stream_forwards_into_its_own_sink() {
    let (near, far) = pair(1000, &Config::default());
    let serving = tokio::spawn(async move {
        let (sink, stream) = StreamExt::split(far);
        // Ends when the stream does, and closes.
        let _ = stream.forward(sink).await;
    });
    let (mut receiver, sender) = near.split();
    for message in [OwnedMessage::from("hello"), vec![7; 100_000].into(), "".into()] {
        let send = async {
            sender.feed_owned(message.clone()).await?;
            sender.flush().await
        };
        let (sent, received) = ends(async { tokio::join!(send, receiver.next()) }).await;
        sent.expect("open");
        assert_eq!(received.expect("open").map(Message::into_owned), Some(message.clone()));
    }
    ends(sender.close(CloseCode::NORMAL, "")).await.expect("open");
    assert!(ends(receiver.next()).await.expect("clean").is_none());
    ends(serving).await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn sink_and_stream_echo_owned_messages() {
    let (mut near, mut far) = pair(1000, &Config::default());
    let serve = async {
        while let Some(message) = StreamExt::next(&mut far).await {
            SinkExt::send(&mut far, message?).await?;
        }
        Ok::<_, Error>(far.outcome())
    };
    let call = async {
        for message in [OwnedMessage::from("hello"), vec![7; 100_000].into(), "".into()] {
            SinkExt::send(&mut near, message.clone()).await?;
            let answer = StreamExt::next(&mut near).await.expect("an answer")?;
            assert_eq!(answer, message);
        }
        SinkExt::close(&mut near).await?;
        assert!(StreamExt::next(&mut near).await.is_none());
        Ok::<_, Error>(near.outcome())
    };
    let (served, called) = ends(async { tokio::join!(serve, call) }).await;
    assert!(served.expect("clean").expect("ended").is_clean());
    assert_eq!(called.expect("clean").expect("ended").sent, Some(CloseCode::NORMAL));
}

/// Receives owned messages until the end, in each of the ways that there are.
async fn owned_in_each_way(open: impl Fn() -> WebSocket<Mock>) -> [Owned; 4] {
    let mut ws = open();
    let socket = ends(collect(async || ws.next_owned().await)).await;
    let (mut receiver, _sender) = open().split();
    let half = ends(collect(async || receiver.next_owned().await)).await;
    let mut ws = open();
    let stream = ends(collect(async || StreamExt::next(&mut ws).await.transpose())).await;
    let (mut receiver, _sender) = open().split();
    let next = async || StreamExt::next(&mut receiver).await.transpose();
    let half_as_stream = ends(collect(next)).await;
    assert!(ends(StreamExt::next(&mut receiver)).await.is_none(), "it has ended");
    [socket, half, stream, half_as_stream]
}

type Owned = (Vec<OwnedMessage>, Result<(), Error>);

async fn collect(mut next: impl AsyncFnMut() -> Result<Option<OwnedMessage>, Error>) -> Owned {
    let mut messages = Vec::new();
    loop {
        match next().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn owned_messages_are_what_has_come_in_each_way() {
    let text = "grün, 😀 ".repeat(10_000);
    let messages = [
        OwnedMessage::from("small"),
        text.clone().into(),
        vec![7; 20_000].into(),
        "".into(),
        text.clone().into(),
        vec![8; 300_000].into(),
    ];
    let fragments: Vec<u8> = text.as_bytes().chunks(4_999).flat_map(|it| masked(0, it)).collect();
    let wire = [
        masked(TEXT, b"small"),
        masked(TEXT, text.as_bytes()),
        masked(PING, b"p"),
        masked(BINARY, &[7; 20_000]),
        masked(TEXT, b""),
        [masked(0x01, b""), fragments, masked(0x80, b"")].concat(),
        masked(BINARY, &vec![8; 300_000]),
        masked(CLOSE, b"\x03\xe8"),
    ];
    let wire = wire.concat();
    for step in [1_460, 16_384, usize::MAX] {
        let open = || {
            let mock = Mock::ending(wire.clone());
            mock.lock().step = step;
            over(&mock)
        };
        for (received, end) in owned_in_each_way(open).await {
            assert!(received == messages, "by {step}: {} messages", received.len());
            end.expect("clean");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bad_text_is_not_given_away_in_any_way() {
    for size in [2, 9_000, 200_000] {
        let mut bad = vec![b'a'; size];
        bad[size - 1] = 0xC3;
        let in_two = [masked(0x01, &bad[..size / 2]), masked(0x80, &bad[size / 2..])].concat();
        for wire in [masked(TEXT, &bad), in_two] {
            let wire = [masked(TEXT, b"good"), wire].concat();
            let mocks = RefCell::new(Vec::new());
            let open = || {
                let mock = Mock::ending(wire.clone());
                mocks.borrow_mut().push(mock.clone());
                over(&mock)
            };
            for (received, end) in owned_in_each_way(open).await {
                assert_eq!(received, [OwnedMessage::from("good")]);
                let error = end.expect_err("bad text");
                assert!(matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)), "{error:?}");
            }
            assert!(mocks.borrow().iter().all(|mock| opcodes(&mock.written()) == [CLOSE]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stream_ends_after_an_error() {
    let mut ends_with = Vec::new();
    for error in [None, Some(ErrorKind::ConnectionReset)] {
        let mock = Mock::ending(masked(TEXT, b"a"));
        mock.lock().read_error = error;
        let mut ws = over(&mock);
        let items: Vec<_> = ends(StreamExt::collect(&mut ws)).await;
        ends_with.push(items.len());
        assert!(items.last().expect("an error").is_err());
    }
    assert_eq!(ends_with, [2, 2], "a message and one error");
}

#[tokio::test(start_paused = true)]
async fn sink_waits_for_room() {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (4, 0);
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let mut ws = over_with(&mock, &config);
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(SinkExt::feed(&mut ws, "hello".into()))).is_ready());
    let mut feed = Box::pin(SinkExt::feed(&mut ws, "hello".into()));
    assert!(task.poll(&mut feed).is_pending());
    mock.allow(1000);
    assert!(task.wakes() > 0);
    assert!(task.poll(&mut feed).is_ready());
}

#[tokio::test(start_paused = true)]
async fn taking_apart_loses_nothing() {
    let (wire, messages) = conversation();
    for step in [1, 4, usize::MAX] {
        let mock = Mock::ending(&wire);
        mock.lock().step = step;
        let mut ws = over(&mock);
        let mut came = Vec::new();
        loop {
            match ends(ws.next()).await.expect("clean") {
                None => break,
                Some(Received { message, mut out }) => {
                    came.push(message.as_text().expect("text").to_owned());
                    let _ = out.feed(message);
                }
            }
            let (io, endpoint) = ws.into_parts();
            ws = WebSocket::new(io, endpoint);
        }
        assert_eq!(came, messages.iter().map(|(_, text)| *text).collect::<Vec<_>>());
        assert_eq!(mock.written(), answers());
    }
}

#[tokio::test(start_paused = true)]
async fn connection_that_waits_holds_no_read_buffer() {
    let mock = Mock::new(masked(TEXT, b"hello"));
    let mut ws = over(&mock);
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(echo(&mut ws))).is_pending());
    let (_, mut endpoint) = ws.into_parts();
    let mut buffers = Buffers::new();
    buffers.take_back(&mut endpoint);
    assert_eq!((buffers.capacity(), endpoint.queued()), (0, 0));
}

#[test]
fn halves_can_be_sent_to_other_threads() {
    fn sends<T: Send>() {}
    fn shares<T: Sync>() {}
    fn value_is_send<T: Send>(_: &T) {}
    sends::<WebSocket<DuplexStream>>();
    sends::<Receiver<DuplexStream>>();
    sends::<Sender<DuplexStream>>();
    shares::<Sender<DuplexStream>>();
    sends::<Error>();
    let (mut near, _far) = pair(64, &Config::default());
    value_is_send(&near.next());
    value_is_send(&near.send("x"));
    value_is_send(&near.close(CloseCode::NORMAL, ""));
    let (mut receiver, sender) = near.split();
    value_is_send(&receiver.next());
    value_is_send(&sender.send("x"));
    value_is_send(&sender.close(CloseCode::NORMAL, ""));
}

#[tokio::test(start_paused = true)]
async fn next_in_a_select_can_be_followed_by_send_and_close() {
    let (mut near, mut far) = pair(64, &Config::default());
    let serving = tokio::spawn(async move {
        while let Some(Received { message, mut out }) = far.next().await? {
            out.feed(message)?;
        }
        Ok::<_, Error>(())
    });
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut kinds = Vec::new();
    let outcome = ends(async {
        while kinds.len() < 5 {
            tokio::select! {
                received = near.next() => match received? {
                    Some(Received { message, .. }) => kinds.push(message.kind()),
                    None => break,
                },
                _ = tick.tick() => near.send("tick").await?,
            }
        }
        near.close(CloseCode::NORMAL, "").await
    })
    .await;
    assert!(outcome.expect("clean").is_clean());
    assert_eq!(kinds, [Kind::Text; 5]);
    ends(serving).await.expect("no panic").expect("clean");
}

#[tokio::test(start_paused = true)]
async fn split_ends_that_both_send_before_they_receive_do_not_block_each_other() {
    let (near, far) = pair(64 * 1024, &Config::default());
    let big = vec![7; 4 << 20];
    let run = async |ws: WebSocket<DuplexStream>| {
        let (mut receiver, sender) = ws.split();
        let sending = async { sender.send(&big).await.expect("taken") };
        let receiving = async {
            let message = receiver.next().await.expect("open").expect("a message");
            assert!(message.as_bytes() == big);
        };
        tokio::join!(sending, receiving)
    };
    timeout(HOUR, async { tokio::join!(run(near), run(far)) }).await.expect("no deadlock");
}

#[tokio::test(start_paused = true)]
async fn sender_keeps_the_write_deadline_when_the_receiver_stops() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(5));
    let (near, _far) = pair(64, &config);
    let (mut receiver, sender) = near.split();
    let waits = tokio::spawn(async move { receiver.next().await.map(|it| it.is_some()) });
    let sends = tokio::spawn(async move { sender.send(&[0; 4096]).await });
    tokio::task::yield_now().await;
    waits.abort();
    let sent = timeout(HOUR, sends).await.expect("a deadline").expect("no panic");
    assert!(matches!(sent, Err(Error::Timeout(TimeoutError::Write))), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn ping_interval_of_zero_is_off() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::ZERO);
    let (mut near, _far) = pair(4096, &config);
    assert!(timeout(HOUR, near.next()).await.is_err(), "nothing happens");
}

// --- permessage-deflate ---

/// A configuration that compresses, and a text that is worth it.
fn deflating() -> (Config, String) {
    let mut config = Config::default();
    config.deflate = Some(deflate::Config::default());
    (config, "Hello, hello, hello. ".repeat(500))
}

/// What a server that echoes and a client have agreed on; the client has sent texts and got them
/// back, through whichever halves it uses.
async fn echo_between(
    reply: Accept<'_>,
    of_server: &Config,
    of_client: &Config,
    text: &str,
) -> Option<String> {
    let (near, far) = duplex(1000);
    let request = request();
    let serve = async {
        let accepting = accept(far, ServerConfig::default()).await?;
        let (mut ws, negotiated) = accepting.accept(&reply, of_server).await?;
        while let Some(Received { message, mut out }) = ws.next().await? {
            out.feed(message)?;
        }
        Ok::<_, Error>(negotiated.deflate().map(|params| params.to_string()))
    };
    let call = async {
        let config = ClientConfig::default();
        let (mut ws, response) = connect(near, &request, config, of_client).await?;
        for _ in 0..3 {
            ws.send(text).await?;
            assert_eq!(self::text(ws.next().await), text);
        }
        // As a Stream and a Sink,
        SinkExt::send(&mut ws, OwnedMessage::from(text)).await?;
        let echoed = StreamExt::next(&mut ws).await.expect("a message")?;
        assert_eq!(echoed, OwnedMessage::from(text));
        // and in halves.
        let (mut receiver, sender) = ws.split();
        for _ in 0..3 {
            sender.send(text).await?;
            let received = receiver.next().await?;
            assert_eq!(
                received.and_then(|it| it.as_text().map(str::to_owned)).as_deref(),
                Some(text)
            );
        }
        sender.close(CloseCode::NORMAL, "").await?;
        assert!(receiver.next().await?.is_none());
        let negotiated = response.negotiated().and_then(|it| it.deflate());
        Ok::<_, Error>(negotiated.map(|params| params.to_string()))
    };
    let (served, called) = ends(async { tokio::join!(serve, call) }).await;
    let (served, called) = (served.expect("clean"), called.expect("clean"));
    assert_eq!(served, called, "both have agreed on the same");
    served
}

#[tokio::test(start_paused = true)]
async fn compression_is_agreed_on_if_both_ends_ask_for_it() {
    // D5-15, D5-17.
    let (config, text) = deflating();
    let plain = Config::default();
    let agreed = echo_between(Accept::new(), &config, &config, &text).await;
    assert_eq!(agreed.as_deref(), Some("permessage-deflate"));
    assert_eq!(echo_between(Accept::new(), &plain, &config, &text).await, None);
    assert_eq!(echo_between(Accept::new(), &config, &plain, &text).await, None);
    let mut small = config.clone();
    let settings = small.deflate.as_mut().expect("just made");
    settings.server_max_window_bits = 9;
    settings.client_no_context_takeover = true;
    let agreed = echo_between(Accept::new(), &small, &config, &text).await;
    let expected = "permessage-deflate; client_no_context_takeover; server_max_window_bits=9";
    assert_eq!(agreed.as_deref(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn the_application_decides_on_compression_if_it_says_so() {
    // Its own terms are not replaced by those of the configuration.
    let (config, text) = deflating();
    let own: deflate::Params =
        "permessage-deflate; server_no_context_takeover".parse().expect("valid");
    let agreed = echo_between(Accept::new().deflate(own), &config, &config, &text).await;
    assert_eq!(agreed, Some(own.to_string()));
    let agreed = echo_between(Accept::new().deflate(own), &Config::default(), &config, &text).await;
    assert_eq!(agreed, Some(own.to_string()), "with settings by default");
    // RFC 7692 §8: no compression where a secret goes over the wire.
    let none = echo_between(Accept::new().deflate(None), &config, &config, &text).await;
    assert_eq!(none, None);
}

#[tokio::test(start_paused = true)]
async fn what_goes_over_the_wire_is_compressed() {
    // D6.1-1, seen by a client of bytes; an idle connection gives its contexts back.
    let (config, text) = deflating();
    let pool = config.deflate.as_ref().expect("just made").pool.clone();
    let (mut near, far) = duplex(64 * 1024);
    let serve = async {
        let accepting = accept(far, ServerConfig::default()).await?;
        let (mut ws, _) = accepting.accept(&Accept::new(), &config).await?;
        ws.send(text.as_str()).await?;
        ws.send(Outbound::from("never").compression(Compression::Never)).await?;
        assert_eq!(self::text(ws.next().await), "Hello");
        assert!(ws.next().await.is_err(), "the client is gone");
        assert_eq!(pool.idle(), (1, 1), "given back while nothing was to be read");
        Ok::<_, Error>(())
    };
    let call = async {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
            client_no_context_takeover\r\n\r\n";
        near.write_all(head.as_bytes()).await.expect("room");
        let mut answer = Vec::new();
        while !answer.ends_with(b"never") {
            near.read_buf(&mut answer).await.expect("bytes");
        }
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head") + 4;
        let (head, frames) = answer.split_at(end);
        let head = String::from_utf8_lossy(head).into_owned();
        assert!(
            head.contains("permessage-deflate; server_no_context_takeover; client_no"),
            "{head}"
        );
        assert_eq!(opcodes(frames), [0xc1, TEXT]);
        assert!(frames.len() < text.len() / 10, "{} bytes", frames.len());
        near.write_all(&masked(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00")).await.expect("room");
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(near);
    };
    ends(async { tokio::join!(serve, call) }).await.0.expect("as expected");
}

// ---- several threads ----------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_of_a_split_connection_wake_each_other_across_threads() {
    const EACH: usize = 300;
    const SENDERS: usize = 3;
    let mut config = Config::default();
    // They wait for room and for the transport, again and again.
    (config.high_watermark, config.low_watermark) = (1_000, 100);
    for room in [40, 700, 5_000] {
        let (near, far) = duplex(room);
        let mut tasks = Vec::new();
        let ends = [
            WebSocket::new(near, server(&config)).split(),
            WebSocket::new(far, client(&config)).split(),
        ];
        for (mut receiver, sender) in ends {
            for id in 0..SENDERS {
                let sender = sender.clone();
                tasks.push(tokio::spawn(async move {
                    for i in 0..EACH {
                        let payload = vec![u8::try_from(id).expect("few"); 1 + i * 7 % 900];
                        match i % 3 {
                            0 => sender.feed(&payload).await.expect("open"),
                            1 => sender.send(&payload).await.expect("open"),
                            _ => sender.send_owned(payload).await.expect("open"),
                        }
                    }
                    sender.flush().await.expect("open");
                }));
            }
            tasks.push(tokio::spawn(async move {
                let mut count = [0; SENDERS];
                while count != [EACH; SENDERS] {
                    let message = receiver.next().await.expect("open").expect("a message");
                    let id = usize::from(message.as_bytes()[0]);
                    assert_eq!(message.as_bytes().len(), 1 + count[id] * 7 % 900);
                    count[id] += 1;
                }
            }));
        }
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(60), task)
                .await
                .expect("none sleeps")
                .expect("no panic");
        }
    }
}
