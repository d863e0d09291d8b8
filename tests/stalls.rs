//! What is due is written, bad text is told of and deadlines hold, whatever waits: a queue that was
//! full, a transport that keeps what it is given, a stream that does not block.

mod io;

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use io::{
    BINARY, CLOSE, Mock, PATIENCE, PING, PONG, TEXT, Task, client, ends, frame, masked, opcodes,
    server,
};
use tokio::io::{BufStream, duplex};
use tokio::time::timeout;
use websocket_proto::connection::{CloseOutcome, Fragment};
use websocket_proto::endpoint::{Config, Received, Status};
use websocket_proto::{CloseCode, Endpoint, SendError, TimeoutError, blocking, tokio as adapter};

/// As much as is queued without that nothing more is: a Pong has no room beside some of them.
const NEARLY_FULL: usize = 262_100;

/// A message, and so many Pings that their Pongs do not find room beside the answer.
fn message_and_pings() -> Vec<u8> {
    let mut wire = masked(TEXT, b"request");
    (0..20).for_each(|at| wire.extend(masked(PING, &[at; 4])));
    wire
}

/// Whether the latest Ping is answered, behind a message.
fn ends_with_the_latest(written: &[u8]) -> bool {
    written.len() > NEARLY_FULL && written.ends_with(&frame(PONG, &[19; 4]))
}

// ---- what finds no room in the queue is written once it has some ----------------------------------

#[tokio::test(start_paused = true)]
async fn the_latest_ping_is_answered_behind_a_queue_that_was_full() {
    let mock = Mock::new(message_and_pings());
    let mut ws = adapter::WebSocket::new(mock.clone(), server(&Config::default()));
    let Some(Received { mut out, .. }) = ws.next().await.expect("valid") else { panic!("ended") };
    out.feed(&vec![0; NEARLY_FULL]).expect("there is room");
    let mut next = Box::pin(async { ws.next().await.map(drop) });
    assert!(Task::new().poll(&mut next).is_pending());
    assert!(ends_with_the_latest(&mock.written()));
}

#[test]
fn the_latest_ping_is_answered_behind_a_queue_that_was_full_blocking() {
    let (near, mut far) = UnixStream::pair().expect("sockets");
    let written = ends(move || {
        far.write_all(&message_and_pings()).expect("there is room");
        let mut ws = blocking::WebSocket::new(near, server(&Config::default())).expect("a socket");
        thread::spawn(move || {
            while let Some(Received { mut out, .. }) = ws.next()? {
                out.feed(&vec![0; NEARLY_FULL])?;
            }
            Ok::<_, blocking::Error>(())
        });
        let (mut written, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
        while !ends_with_the_latest(&written) {
            let count = far.read(&mut piece).expect("open");
            written.extend_from_slice(&piece[..count]);
        }
        written
    });
    assert_eq!(opcodes(&written)[0], BINARY);
}

/// A split connection whose transport takes nothing, with more than the high watermark queued.
async fn stuck(mut config: Config) -> (Mock, adapter::Receiver<Mock>, adapter::Sender<Mock>) {
    (config.high_watermark, config.low_watermark) = (1000, 100);
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let ws = adapter::WebSocket::new(mock.clone(), server(&config));
    let (receiver, sender) = ws.split();
    sender.feed(&vec![0; 1500]).await.expect("there is room");
    (mock, receiver, sender)
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_once_a_stuck_transport_takes_everything() {
    let (mock, mut receiver, _sender) = stuck(Config::default()).await;
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    mock.push(masked(PING, b"p"));
    assert!(task.poll(&mut next).is_pending());
    assert!(mock.written().is_empty(), "it takes nothing");
    mock.allow(1 << 20);
    assert!(task.poll(&mut next).is_pending());
    assert_eq!(opcodes(&mock.written()), [BINARY, PONG]);
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_ping_is_written_once_a_stuck_transport_takes_everything() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(3));
    config.connection.pong_timeout = Some(Duration::from_secs(3));
    let (mock, mut receiver, _sender) = stuck(config).await;
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    tokio::time::advance(Duration::from_secs(4)).await;
    assert!(task.poll(&mut next).is_pending());
    mock.allow(1 << 20);
    assert!(task.poll(&mut next).is_pending());
    assert_eq!(opcodes(&mock.written()), [BINARY, PING]);
}

// ---- a transport that keeps what it is given until it is flushed ----------------------------------

#[tokio::test(start_paused = true)]
async fn a_flush_has_the_write_deadline() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_secs(5));
    let (_far, near) = duplex(1);
    let mut ws = adapter::WebSocket::new(BufStream::new(near), server(&config));
    let sent = timeout(PATIENCE, ws.send("hello")).await.expect("hangs");
    assert!(matches!(sent, Err(adapter::Error::Timeout(TimeoutError::Write))), "{sent:?}");

    // Also where the receiver keeps the deadlines.
    config.connection.close_timeout = Duration::from_secs(1);
    let (far, near) = duplex(1);
    let ws = adapter::WebSocket::new(BufStream::new(near), server(&config));
    let (mut receiver, sender) = ws.split();
    let send = sender.send("hello");
    let ends = async { tokio::join!(send, receiver.next()) };
    let (sent, received) = timeout(PATIENCE, ends).await.expect("hangs");
    assert!(matches!(sent, Err(adapter::Error::Timeout(TimeoutError::Write))), "{sent:?}");
    assert!(matches!(received, Err(adapter::Error::Timeout(TimeoutError::Write))));
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn the_write_deadline_begins_anew_behind_each_flush() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_secs(5));
    let mock = Mock::new([]);
    let mut ws = adapter::WebSocket::new(mock.clone(), server(&config));
    let task = Task::new();
    let wait = |seconds| tokio::time::advance(Duration::from_secs(seconds));
    {
        mock.lock().flush_waits = true;
        let mut send = Box::pin(ws.send("hello"));
        assert!(task.poll(&mut send).is_pending());
        wait(3).await;
        assert!(task.poll(&mut send).is_pending());
        mock.lock().flush_waits = false;
        let Poll::Ready(Ok(())) = task.poll(&mut send) else { panic!("it is flushed") };
    }
    mock.lock().room = 0;
    let mut send = Box::pin(ws.send("again"));
    wait(60).await;
    assert!(task.poll(&mut send).is_pending());
    wait(4).await;
    assert!(task.poll(&mut send).is_pending(), "not from the first one on");
    wait(2).await;
    let sent = task.poll(&mut send);
    assert!(matches!(sent, Poll::Ready(Err(adapter::Error::Timeout(TimeoutError::Write)))));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_flushed_stays_with_the_transport() {
    let mock = Mock::new([]);
    mock.lock().flush_waits = true;
    let mut ws = adapter::WebSocket::new(mock.clone(), server(&Config::default()));
    assert!(Task::new().poll(&mut Box::pin(ws.send("hello"))).is_pending());
    let (_, mut endpoint) = ws.into_parts();
    assert_eq!((endpoint.queued(), endpoint.poll_timeout(Duration::ZERO)), (0, None));
    endpoint.close(CloseCode::NORMAL, "").expect("open");
    endpoint.push_input(&masked(CLOSE, &[3, 232]));
    assert_eq!(endpoint.poll().expect("valid"), Status::Closed);
    endpoint.advance_write(endpoint.queued());
    assert!(endpoint.should_close_transport());
}

// ---- blocking: streams that do not block -----------------------------------------------------------

fn served(config: &Config) -> (blocking::WebSocket<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().expect("sockets");
    let ws = blocking::WebSocket::new(near, server(config)).expect("a socket");
    ws.get_ref().set_nonblocking(true).expect("a socket");
    (ws, far)
}

/// Calls again what would block.
fn again<T>(mut act: impl FnMut() -> Result<T, blocking::Error>) -> Result<T, blocking::Error> {
    loop {
        match act() {
            Err(blocking::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                thread::yield_now();
            }
            result => return result,
        }
    }
}

#[test]
fn deadlines_hold_over_a_stream_that_does_not_block() {
    let mut config = Config::default();
    config.connection.close_timeout = Duration::from_millis(50);
    let outcome: CloseOutcome = ends(move || {
        let (mut ws, _far) = served(&config);
        again(|| ws.close(CloseCode::NORMAL, "")).expect("an outcome")
    });
    assert!(!outcome.is_clean());

    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_millis(30));
    config.connection.pong_timeout = Some(Duration::from_millis(30));
    config.connection.close_timeout = Duration::from_millis(50);
    let (written, end) = ends(move || {
        let (mut ws, mut far) = served(&config);
        let end = again(|| ws.next().map(|message| message.is_some()));
        drop(ws);
        let mut written = Vec::new();
        far.read_to_end(&mut written).expect("ended");
        (written, end)
    });
    assert!(matches!(end, Err(blocking::Error::Timeout(TimeoutError::Pong))), "{end:?}");
    assert_eq!(opcodes(&written), [PING, CLOSE]);
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_over_a_stream_that_does_not_block() {
    for split in [false, true] {
        let mut config = Config::default();
        config.write_timeout = Some(Duration::from_millis(50));
        config.connection.close_timeout = Duration::from_millis(50);
        config.high_watermark = 16 << 20;
        let end = ends(move || {
            let (mut ws, _far) = served(&config);
            ws.feed(&vec![0; 4 << 20]).expect("there is room");
            if !split {
                return again(|| ws.next().map(|message| message.is_some()));
            }
            let writer = ws.get_ref().try_clone().expect("a socket");
            let (mut receiver, _sender) = ws.split(writer).expect("a socket");
            again(|| receiver.next().map(|message| message.is_some()))
        });
        assert!(matches!(end, Err(blocking::Error::Timeout(TimeoutError::Write))), "{end:?}");
    }
}

/// A stream with timeouts that does not block: gives what there is, and takes all or nothing.
#[derive(Debug)]
struct Script {
    input: VecDeque<u8>,
    ends: bool,
    written: Option<mpsc::Sender<Vec<u8>>>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        if count > 0 || self.ends { Ok(count) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.written.as_ref().ok_or(ErrorKind::WouldBlock)?;
        written.send(bytes.to_vec()).expect("the test waits");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Script {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> std::io::Result<bool> {
        Ok(true)
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> std::io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn a_peer_that_ended_its_side_and_takes_nothing_makes_no_busy_loop() {
    // Its Pings are answered beyond the high watermark, and in the same round it ends.
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark, config.write_timeout) = (1000, 100, None);
    let input = masked(PING, b"ping").repeat(200).into();
    let stream = Script { input, ends: true, written: None };
    let next = ends(move || {
        let mut ws = blocking::WebSocket::new(stream, server(&config)).expect("set up");
        ws.next().map(|message| message.is_some())
    });
    let Err(blocking::Error::Io(error)) = next else { panic!("{next:?}") };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn bad_text_that_fills_the_room_is_told_of_although_the_next_read_would_block() {
    let config = Config::default();
    let mut wire = masked(TEXT, &vec![b'a'; 60_000]);
    wire[20] = 0xff;
    wire.truncate(config.read_buffer);
    let (sender, written) = mpsc::channel();
    let stream = Script { input: wire.into(), ends: false, written: Some(sender) };
    let mut ws = blocking::WebSocket::new(stream, server(&config)).expect("set up");
    ws.next().expect_err("nothing more comes");
    let frame = written.try_recv().expect("a Close frame");
    assert_eq!((frame[0], &frame[2..4]), (CLOSE, &[0x03, 0xef][..]));
}

#[test]
fn what_comes_is_received_while_a_stream_that_does_not_block_takes_nothing() {
    for split in [false, true] {
        ends(move || {
            let mut config = Config::default();
            config.high_watermark = 16 << 20;
            let (mut ws, mut far) = served(&config);
            // More than the socket takes.
            let large = vec![7; 4 << 20];
            ws.feed(&large).expect("there is room");
            far.write_all(&masked(TEXT, b"hi")).expect("there is room");
            let drain = move || {
                let mut written = vec![0; frame(BINARY, &large).len()];
                far.read_exact(&mut written).expect("open");
                assert!(written == frame(BINARY, &large));
            };
            if split {
                let writer = ws.get_ref().try_clone().expect("a socket");
                let (mut receiver, sender) = ws.split(writer).expect("a socket");
                let text = receiver.next().expect("received").expect("a message");
                assert_eq!(text.as_text(), Some("hi"));
                let reader = thread::spawn(drain);
                // It has not been given up, and goes on where it was.
                again(|| sender.flush()).expect("open");
                reader.join().expect("all of it");
            } else {
                let received = ws.next().expect("received").expect("a message");
                assert_eq!(received.message.as_text(), Some("hi"));
                let reader = thread::spawn(drain);
                again(|| ws.flush()).expect("open");
                reader.join().expect("all of it");
            }
        });
    }
}

#[test]
fn a_close_that_would_block_is_not_said_to_be_written() {
    let (ws, mut far) = served(&Config::default());
    let writer = ws.get_ref().try_clone().expect("a socket");
    let (_receiver, sender) = ws.split(writer).expect("a socket");
    let large = vec![7; 4 << 20];
    sender.feed(&large).expect("one goes beyond");
    for _ in 0..3 {
        let closed = sender.close(CloseCode::NORMAL, "");
        let Err(blocking::Error::Io(error)) = closed else { panic!("{closed:?}") };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
    let expected = [frame(BINARY, &large), frame(CLOSE, b"\x03\xe8")].concat();
    let mut written = vec![0; expected.len()];
    let reader = thread::spawn(move || far.read_exact(&mut written).map(|()| written));
    ends(move || again(|| sender.close(CloseCode::NORMAL, ""))).expect("written");
    assert!(reader.join().expect("no panic").expect("all of it") == expected);
}

// ---- blocking: bad text --------------------------------------------------------------------------

#[test]
fn bad_text_of_a_fragment_is_told_of_although_no_other_comes() {
    // A read that would wait for the next fragment: also if the last one filled all of its room.
    for (len, short) in [(40_000, 1), (40_000, 0), (20_000, 0), (16_896 - 8, 0), (100, 0)] {
        let (near, mut far) = UnixStream::pair().expect("sockets");
        let answer = ends(move || {
            let mut ws =
                blocking::WebSocket::new(near, server(&Config::default())).expect("a socket");
            thread::spawn(move || ws.next().map(|message| message.is_some()));
            let mut wire = masked(1, &vec![b'a'; len]);
            wire[12] = 0xff;
            far.write_all(&wire[..wire.len() - short]).expect("there is room");
            let mut answer = [0; 4];
            far.read_exact(&mut answer).expect("a Close frame");
            answer
        });
        assert_eq!((answer[0], &answer[2..]), (CLOSE, &[0x03, 0xef][..]), "{len} {short}: 1007");
    }
}

/// A stream that does not block, takes nothing, and ends behind what it gives.
struct Deaf(Vec<u8>);

impl Read for Deaf {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let given = std::mem::take(&mut self.0);
        buffer[..given.len()].copy_from_slice(&given);
        Ok(given.len())
    }
}

impl Write for Deaf {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Deaf {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> std::io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn a_close_behind_the_end_of_a_peer_that_takes_nothing_ends() {
    for write_timeout in [None, Some(Duration::from_secs(30))] {
        let mut config = Config::default();
        config.write_timeout = write_timeout;
        config.connection.close_timeout = Duration::from_millis(50);
        let outcome = ends(move || {
            let stream = Deaf(masked(CLOSE, b"\x03\xe8"));
            let mut ws = blocking::WebSocket::new(stream, server(&config)).expect("a stream");
            let _ = again(|| ws.next().map(|message| message.is_some()));
            ws.outcome()
        });
        assert_eq!(outcome.expect("ended").sent, None);
    }
}

/// The ends of a connection, of which the far one reads nothing, and how long they have to close.
fn deaf(write_timeout: Option<Duration>) -> (blocking::WebSocket<UnixStream>, UnixStream) {
    let mut config = Config::default();
    (config.write_timeout, config.high_watermark) = (write_timeout, 16 << 20);
    config.connection.close_timeout = Duration::from_millis(50);
    let (near, far) = UnixStream::pair().expect("sockets");
    (blocking::WebSocket::new(near, server(&config)).expect("a socket"), far)
}

#[test]
fn a_close_behind_more_than_the_peer_takes_ends() {
    for write_timeout in [None, Some(Duration::from_secs(30))] {
        let outcome = ends(move || {
            let (mut ws, _far) = deaf(write_timeout);
            ws.feed(&vec![7; 4 << 20]).expect("there is room");
            ws.close(CloseCode::NORMAL, "").expect("an outcome")
        });
        assert_eq!((outcome.sent, outcome.is_clean()), (None, false), "{write_timeout:?}");
    }
}

#[test]
fn a_peer_that_closes_and_takes_nothing_has_the_close_timeout() {
    for write_timeout in [None, Some(Duration::from_secs(30))] {
        let outcome = ends(move || {
            let (mut ws, mut far) = deaf(write_timeout);
            let wire = [masked(TEXT, b"?"), masked(CLOSE, b"\x03\xe8")].concat();
            far.write_all(&wire).expect("there is room");
            let Ok(Some(Received { mut out, .. })) = ws.next() else { panic!("a message") };
            out.feed(&vec![7; 4 << 20]).expect("there is room");
            ws.next().map(|message| message.is_some()).expect_err("it has not taken the answer");
            ws.outcome().expect("ended")
        });
        assert_eq!(
            (outcome.sent, outcome.received),
            (None, CloseCode::NORMAL),
            "{write_timeout:?}"
        );
    }
}

#[test]
fn a_peer_of_several_threads_that_closes_and_takes_nothing_has_the_close_timeout() {
    for write_timeout in [None, Some(Duration::from_secs(30))] {
        let outcome = ends(move || {
            let (ws, mut far) = deaf(write_timeout);
            let writer = ws.get_ref().try_clone().expect("a socket");
            let (mut receiver, sender) = ws.split(writer).expect("a socket");
            sender.feed(&vec![7; 4 << 20]).expect("there is room");
            far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("there is room");
            let next = receiver.next().map(|message| message.is_some());
            next.expect_err("it has not taken the answer");
            receiver.outcome().expect("ended")
        });
        assert_eq!(
            (outcome.sent, outcome.received),
            (None, CloseCode::NORMAL),
            "{write_timeout:?}"
        );
    }
}

/// A stream that does not block, whose end would block this many times.
struct Lasting {
    input: Vec<u8>,
    blocks: usize,
    shut: Option<mpsc::Sender<()>>,
}

impl Read for Lasting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.as_slice().read(buffer)?;
        self.input.drain(..count);
        if count > 0 { Ok(count) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Write for Lasting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Lasting {
    fn shutdown_write(&mut self) -> std::io::Result<()> {
        if self.blocks == 0 {
            self.shut = None;
            return Ok(());
        }
        self.blocks -= 1;
        Err(ErrorKind::WouldBlock.into())
    }
}

#[test]
fn an_end_of_the_stream_that_would_block_is_tried_again_for_the_close_timeout() {
    for blocks in [0, 3, usize::MAX] {
        let mut config = Config::default();
        config.connection.close_timeout = Duration::from_millis(50);
        let (sender, shut) = mpsc::channel();
        let input = masked(CLOSE, b"\x03\xe8");
        let stream = Lasting { input, blocks, shut: Some(sender) };
        let mut ws = blocking::WebSocket::new(stream, server(&config)).expect("a stream");
        let (calls, ws) = ends(move || {
            let mut calls = 0;
            let end = again(|| {
                calls += 1;
                ws.next().map(|message| message.is_some())
            });
            assert!(!end.expect("clean"));
            (calls, ws)
        });
        match blocks {
            usize::MAX => assert_eq!(shut.try_recv(), Err(mpsc::TryRecvError::Empty)),
            _ => {
                assert_eq!(shut.try_recv(), Err(mpsc::TryRecvError::Disconnected));
                assert_eq!(calls, blocks + 1);
            }
        }
        drop(ws);
    }
}

/// A peer that sends Pings without a pause, and takes what it is sent.
struct Pinging;

impl Read for Pinging {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        masked(PING, b"").as_slice().read(buffer)
    }
}

impl Write for Pinging {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Pinging {
    fn set_read_timeout(&mut self, _: Option<Duration>) -> std::io::Result<bool> {
        Ok(true)
    }
}

#[test]
fn pings_do_not_put_off_the_idle_timeout() {
    let mut config = Config::default();
    config.connection.idle_timeout = Some(Duration::from_millis(50));
    config.connection.close_timeout = Duration::from_millis(50);
    let next = ends(move || {
        let mut ws = blocking::WebSocket::new(Pinging, server(&config)).expect("a stream");
        ws.next().map(|message| message.is_some())
    });
    assert!(matches!(next, Err(blocking::Error::Timeout(TimeoutError::Idle))), "{next:?}");
}

// ---- several threads -----------------------------------------------------------------------------

type Halves = (blocking::Receiver<UnixStream, UnixStream>, blocking::Sender<UnixStream>);

fn split(stream: UnixStream, endpoint: Endpoint) -> Halves {
    let writer = stream.try_clone().expect("a socket");
    let ws = blocking::WebSocket::new(stream, endpoint).expect("a socket");
    ws.split(writer).expect("a socket")
}

#[test]
fn ends_that_both_have_much_to_write_while_they_receive_do_not_wait_for_each_other() {
    // More than the sockets hold, queued and to be written by who receives.
    const LEN: usize = 4 << 20;
    let (near, far) = UnixStream::pair().expect("sockets");
    let config = Config::default();
    let ends_of_both = [split(near, server(&config)), split(far, client(&config))];
    let lens = ends(move || {
        let threads = ends_of_both.map(|(mut receiver, sender)| {
            sender.feed_owned(vec![7; LEN]).expect("there is room");
            thread::spawn(move || {
                let len = receiver.next().expect("valid").map(|message| message.as_bytes().len());
                sender.flush().expect("written");
                (len, receiver, sender)
            })
        });
        threads.map(|thread| thread.join().expect("no panic").0)
    });
    assert_eq!(lens, [Some(LEN), Some(LEN)]);
}

/// A handle that says `TimedOut` once it has waited, as it may.
struct Other(UnixStream);

impl Read for Other {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it only writes")
    }
}

impl Write for Other {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl blocking::Transport for Other {
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.0.set_write_timeout(timeout).map(|()| true)
    }
}

#[test]
fn who_receives_goes_on_behind_a_write_that_has_timed_out() {
    let (near, mut far) = UnixStream::pair().expect("sockets");
    let writer = Other(near.try_clone().expect("a socket"));
    let ws = blocking::WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (mut receiver, sender) = ws.split(writer).expect("a handle");
    let large = vec![7; 4 << 20];
    sender.feed(&large).expect("one goes beyond");
    ends(move || {
        let reading = thread::spawn(move || receiver.next().map(|it| it.is_some()));
        // It has begun to write, and is stuck.
        let mut written = vec![0; frame(BINARY, &large).len()];
        far.read_exact(&mut written[..1]).expect("open");
        far.write_all(&masked(TEXT, b"hi")).expect("there is room");
        assert!(reading.join().expect("no panic").expect("received"));
        let draining = thread::spawn(move || far.read_exact(&mut written[1..]));
        sender.flush().expect("open");
        draining.join().expect("no panic").expect("all of it");
    });
}

#[test]
fn each_thread_is_told_when_what_it_sent_is_lost() {
    let (near, far) = UnixStream::pair().expect("sockets");
    let (_receiver, sender) = split(near, server(&Config::default()));
    sender.feed("lost").expect("there is room");
    drop(far);
    assert!(matches!(sender.flush(), Err(blocking::Error::Io(_))));
    let flushed = sender.clone().flush();
    assert!(matches!(flushed, Err(blocking::Error::Send(SendError::Closed))), "{flushed:?}");
    sender.close(CloseCode::NORMAL, "").expect("nothing happens");
}

/// A handle that notes how much is written at once.
struct Noting(mpsc::Sender<usize>);

impl Read for Noting {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it only writes")
    }
}

impl Write for Noting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.len()).expect("somebody looks");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Noting {}

#[test]
fn a_thread_that_receives_sees_the_progress_of_one_that_sends() {
    // It keeps the write deadline, and a call that writes all may take longer than that.
    let (near, _far) = UnixStream::pair().expect("sockets");
    let ws = blocking::WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (note, noted) = mpsc::channel();
    let (_receiver, sender) = ws.split(Noting(note)).expect("a handle");
    sender.send_owned(vec![7; 1 << 20]).expect("written");
    let lens: Vec<usize> = noted.try_iter().collect();
    assert_eq!(lens.iter().sum::<usize>(), 10 + (1 << 20));
    assert!(lens.iter().all(|&len| len <= 32 * 1024), "{lens:?}");
}

/// A handle that takes part of what it is given and panics.
struct Panicking(mpsc::Sender<u8>);

impl Read for Panicking {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it only writes")
    }
}

impl Write for Panicking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes[0]).expect("somebody looks");
        panic!("as meant");
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl blocking::Transport for Panicking {}

#[test]
fn nothing_follows_what_a_thread_that_panicked_has_written() {
    let (near, far) = UnixStream::pair().expect("sockets");
    let ws = blocking::WebSocket::new(near, server(&Config::default())).expect("a socket");
    let (note, noted) = mpsc::channel();
    let (mut receiver, sender) = ws.split(Panicking(note)).expect("a handle");
    let other = sender.clone();
    thread::spawn(move || other.send("torn")).join().expect_err("it panics");
    for _ in 0..2 {
        let sent = sender.send("x");
        assert!(matches!(sent, Err(blocking::Error::Send(SendError::Closed))), "{sent:?}");
    }
    assert!(!sender.is_open());
    drop(far);
    receiver.next().map(|message| message.is_some()).expect_err("the peer is gone");
    assert_eq!(noted.try_iter().collect::<Vec<_>>(), [TEXT]);
}

#[test]
fn a_blocking_sender_can_do_what_the_connection_could() {
    let (near, mut far) = UnixStream::pair().expect("sockets");
    let (mut receiver, sender) = split(near, server(&Config::default()));
    sender.send_owned("one").expect("open");
    sender.send_part("a", Fragment::More).expect("open");
    let refused = sender.clone().feed("x");
    assert!(matches!(refused, Err(blocking::Error::Send(SendError::UnfinishedMessage))));
    sender.send_part("b", Fragment::Last).expect("open");
    sender.feed("two").expect("open");
    assert_eq!(sender.queued(), 5);
    sender.flush().expect("open");
    assert!(sender.is_open() && sender.outcome().is_none() && sender.queued() == 0);
    far.write_all(&masked(CLOSE, b"\x03\xe8")).expect("open");
    let (written, sender) = ends(move || {
        let receiving = thread::spawn(move || receiver.next().map(|message| message.is_some()));
        let mut written = Vec::new();
        far.read_to_end(&mut written).expect("ended");
        drop(far);
        assert!(!receiving.join().expect("no panic").expect("clean"));
        (written, sender)
    });
    let close = frame(CLOSE, b"\x03\xe8");
    let parts = [&frame(TEXT, b"one")[..], b"\x01\x01a\x80\x01b", &frame(TEXT, b"two"), &close];
    assert_eq!(written, parts.concat());
    assert!(!sender.is_open() && sender.outcome().is_some_and(|outcome| outcome.is_clean()));
}
