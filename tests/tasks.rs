//! Several tasks on one connection of the tokio adapter: whoever waits is woken, keeps its deadline
//! whatever the others do, and is told the truth about what it sent.

mod io;

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{Sink, Stream, StreamExt};
use io::{BINARY, CLOSE, Mock, PING, PONG, TEXT, Task, frame, masked, opcodes, server};
use tokio::time::{advance, timeout};
use websocket_proto::connection::Fragment;
use websocket_proto::endpoint::Config;
use websocket_proto::tokio::{Error, Receiver, Sender, WebSocket};
use websocket_proto::{CloseCode, OwnedMessage, SendError, TimeoutError};

/// What is waited for no longer than for everything else.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("hangs")
}

fn over(mock: &Mock) -> WebSocket<Mock> {
    WebSocket::new(mock.clone(), server(&Config::default()))
}

/// A connection that was split, over a transport that takes nothing.
fn stuck(mut config: Config) -> (Mock, Receiver<Mock>, Sender<Mock>) {
    (config.high_watermark, config.low_watermark) = (1000, 100);
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let (receiver, sender) = WebSocket::new(mock.clone(), server(&config)).split();
    (mock, receiver, sender)
}

/// A connection in two halves that holds little output.
fn with_little_room(mock: &Mock) -> (Receiver<Mock>, Sender<Mock>) {
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (1000, 100);
    WebSocket::new(mock.clone(), server(&config)).split()
}

fn is_closed(result: &Poll<Result<(), Error>>) -> bool {
    matches!(result, Poll::Ready(Err(Error::Send(SendError::Closed))))
}

// ---- what is lost is not told of as sent ---------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn each_sender_is_told_when_what_it_sent_is_lost() {
    let (mock, _receiver, sender) = stuck(Config::default());
    let (first, second) = (Task::new(), Task::new());
    let mut one = Box::pin(sender.send("one"));
    let mut two = Box::pin(sender.send("two"));
    assert!(first.poll(&mut one).is_pending() && second.poll(&mut two).is_pending());
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    mock.allow(0);
    assert!(matches!(first.poll(&mut one), Poll::Ready(Err(Error::Io(_)))));
    assert!(second.wakes() > 0);
    assert!(is_closed(&second.poll(&mut two)));
    assert!(matches!(ends(sender.flush()).await, Err(Error::Send(SendError::Closed))));
    assert!(!sender.is_open(), "nothing can be sent");
    ends(sender.close(CloseCode::NORMAL, "")).await.expect("nothing happens");
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_told_of_what_the_receiver_could_not_write() {
    let (mock, mut receiver, sender) = stuck(Config::default());
    let (receives, sends) = (Task::new(), Task::new());
    let mut send = Box::pin(sender.send("lost"));
    assert!(sends.poll(&mut send).is_pending());
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    let mut next = Box::pin(receiver.next());
    assert!(receives.poll(&mut next).is_pending(), "the peer may have said why");
    assert!(is_closed(&sends.poll(&mut send)));
}

#[tokio::test(start_paused = true)]
async fn flush_does_not_succeed_behind_output_that_was_lost() {
    let mock = Mock::new([]);
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    let mut ws = over(&mock);
    ends(ws.feed("lost")).await.expect("there is room");
    let task = Task::new();
    {
        let mut next = Box::pin(async { ws.next().await.map(drop) });
        assert!(task.poll(&mut next).is_pending());
    }
    assert!(matches!(ends(ws.flush()).await, Err(Error::Send(SendError::Closed))));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_learns_that_a_sender_could_not_write() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = over(&mock).split();
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    assert!(matches!(ends(sender.send("lost")).await, Err(Error::Io(_))));
    // The peer says nothing any more: the receiver has to keep a deadline that is new.
    assert!(task.wakes() > 0);
    assert!(task.poll(&mut next).is_pending());
    advance(Duration::from_secs(6)).await;
    assert!(task.wakes() > 0);
    assert!(matches!(task.poll(&mut next), Poll::Ready(Err(Error::Unclean(_)))));
}

// ---- deadlines -----------------------------------------------------------------------------------

/// Settings that make the receiver keep a deadline before that of a write, or none.
fn settings(pings: bool) -> Config {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_secs(30));
    config.connection.ping_interval = pings.then_some(Duration::from_secs(10));
    config
}

fn poll_next(ws: &mut WebSocket<Mock>, task: &Arc<Task>) -> bool {
    let mut next = Box::pin(std::future::poll_fn(|cx| Pin::new(&mut *ws).poll_next(cx)));
    task.poll(&mut next).is_pending()
}

fn poll_flush(ws: &mut WebSocket<Mock>, task: &Arc<Task>) -> Poll<Result<(), Error>> {
    let mut flush = Box::pin(std::future::poll_fn(|cx| Pin::new(&mut *ws).poll_flush(cx)));
    task.poll(&mut flush)
}

#[tokio::test(start_paused = true)]
async fn a_sink_keeps_the_write_deadline_whatever_the_stream_does() {
    for pings in [false, true] {
        let mock = Mock::new([]);
        mock.lock().room = 0;
        let mut ws = WebSocket::new(mock.clone(), server(&settings(pings)));
        // The task that receives has something else to do from now on.
        let (receives, sends) = (Task::new(), Task::new());
        assert!(poll_next(&mut ws, &receives));
        let message = OwnedMessage::from(vec![7; 100]);
        Pin::new(&mut ws).start_send(message).expect("there is room");
        assert!(poll_flush(&mut ws, &sends).is_pending());
        sends.wakes();
        advance(Duration::from_secs(31)).await;
        assert!(sends.wakes() > 0, "pings {pings}");
        let flushed = poll_flush(&mut ws, &sends);
        let timed_out = Poll::Ready(Err::<(), _>(Error::Timeout(TimeoutError::Write)));
        assert_eq!(format!("{flushed:?}"), format!("{timed_out:?}"), "pings {pings}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_keeps_the_write_deadline_whatever_received_before() {
    for pings in [false, true] {
        let mock = Mock::new([]);
        mock.lock().room = 0;
        let mut ws = WebSocket::new(mock.clone(), server(&settings(pings)));
        assert!(poll_next(&mut ws, &Task::new()));
        let (_receiver, sender) = ws.split();
        let sent = ends(sender.send("hello")).await;
        assert!(matches!(sent, Err(Error::Timeout(TimeoutError::Write))), "{sent:?}");
    }
}

#[tokio::test]
async fn a_deadline_is_not_judged_before_the_transport_was_looked_at() {
    // The thread was busy for longer than the idle timeout, and the runtime has not seen yet that
    // the peer has sent something.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut far = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
    let (near, _) = listener.accept().expect("connected");
    near.set_nonblocking(true).expect("a socket");
    let near = tokio::net::TcpStream::from_std(near).expect("a runtime");
    let mut config = Config::default();
    let idle = Duration::from_millis(300);
    config.connection.idle_timeout = Some(idle);
    let mut ws = WebSocket::new(near, server(&config));
    far.write_all(&masked(TEXT, b"one")).expect("connected");
    assert!(ws.next().await.expect("valid").is_some());
    let task = Task::new();
    {
        let mut next = Box::pin(async { ws.next().await.map(drop) });
        assert!(task.poll(&mut next).is_pending());
    }
    far.write_all(&masked(TEXT, b"two")).expect("connected");
    let busy = Instant::now();
    while busy.elapsed() < idle + Duration::from_millis(20) {
        thread::yield_now();
    }
    let next = ws.next().await.map(|received| received.map(|it| it.message.into_owned()));
    assert!(matches!(&next, Ok(Some(text)) if *text == "two".into()), "{next:?}");
}

// ---- who waits is woken, and nobody else -----------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn sends_that_were_given_up_leave_nothing_behind() {
    let (mock, _receiver, sender) = stuck(Config::default());
    ends(sender.feed(&vec![0; 1_500])).await.expect("there is room");
    let tasks: Vec<_> = (0..100).map(|_| Task::new()).collect();
    for task in &tasks {
        let mut send = Box::pin(sender.send("late"));
        assert!(task.poll(&mut send).is_pending());
        drop(send);
        assert_eq!(Arc::strong_count(task), 1, "a waker is left");
    }
    mock.allow(1 << 20);
    assert_eq!(tasks.iter().map(|task| task.wakes()).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_given_up_takes_no_other_one_of_its_task_along() {
    let (mock, _receiver, sender) = stuck(Config::default());
    ends(sender.feed(&vec![0; 1_500])).await.expect("there is room");
    let task = Task::new();
    let mut stays = Box::pin(sender.send("stays"));
    let mut goes = Box::pin(sender.send("goes"));
    assert!(task.poll(&mut stays).is_pending() && task.poll(&mut goes).is_pending());
    drop(goes);
    task.wakes();
    mock.allow(1 << 20);
    assert!(task.wakes() > 0);
    assert!(matches!(task.poll(&mut stays), Poll::Ready(Ok(()))));
    assert_eq!(opcodes(&mock.written()), [BINARY, TEXT]);
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_send_has_begun_is_written_by_who_receives() {
    let timeouts = [None, Some(Duration::from_secs(30))];
    for (pings, write) in timeouts.into_iter().flat_map(|it| timeouts.map(|write| (it, write))) {
        let mut config = Config::default();
        config.connection.ping_interval = pings.map(|_| Duration::from_secs(20));
        config.write_timeout = write;
        let mock = Mock::new([]);
        let (mut receiver, sender) = WebSocket::new(mock.clone(), server(&config)).split();
        let (receives, sends) = (Task::new(), Task::new());
        let mut next = Box::pin(async { receiver.next().await.map(drop) });
        assert!(receives.poll(&mut next).is_pending());
        mock.lock().room = 100;
        let payload = vec![7; 1_000];
        let mut send = Box::pin(sender.send(&payload));
        assert!(sends.poll(&mut send).is_pending());
        drop(send);
        assert!(receives.wakes() > 0 && receives.poll(&mut next).is_pending());
        mock.allow(1 << 20);
        assert!(receives.wakes() > 0 && receives.poll(&mut next).is_pending());
        assert_eq!(mock.written(), frame(BINARY, &payload), "{pings:?} {write:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_left_no_more_than_its_beginning_is_not_told_of_as_sent() {
    // The peer ends its side behind its Close, and takes nothing.
    for splits in [false, true] {
        let mock = Mock::ending(masked(CLOSE, b"\x03\xe8"));
        mock.lock().room = 0;
        let mut ws = over(&mock);
        let outcome = if splits {
            let (mut receiver, _sender) = ws.split();
            let _ = ends(receiver.next()).await;
            receiver.outcome()
        } else {
            let _ = ends(ws.next()).await;
            ws.outcome()
        };
        let outcome = outcome.expect("ended");
        assert!(outcome.sent.is_none() && !outcome.is_clean(), "{outcome:?}");
    }
}

// ---- what a sender can do --------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn what_is_sent_without_waiting_is_written_by_who_receives() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = with_little_room(&mock);
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    sender.try_send("news").expect("there is room");
    assert!(task.wakes() > 0 && task.poll(&mut next).is_pending());
    assert_eq!(mock.written(), frame(TEXT, b"news"));

    // One that does not keep up is seen, and others are not kept waiting for it.
    mock.lock().room = 0;
    let refused = (0..).find_map(|count| Some((count, sender.try_send(&[7; 100]).err()?)));
    let Some((10, SendError::Full { queued })) = refused else { panic!("{refused:?}") };
    assert_eq!(sender.queued(), queued);
    assert!(task.poll(&mut next).is_pending());
    mock.allow(1 << 20);
    assert!(task.wakes() > 0 && task.poll(&mut next).is_pending());
    assert_eq!(sender.queued(), 0);
    sender.try_send("again").expect("there is room");
}

#[tokio::test(start_paused = true)]
async fn a_message_in_parts_goes_on_after_the_split() {
    let mock = Mock::new([]);
    let mut ws = over(&mock);
    ends(ws.send_part("a", Fragment::More)).await.expect("open");
    let (mut receiver, sender) = ws.split();
    let other = sender.clone();
    let refused = ends(other.send("x")).await;
    assert!(matches!(refused, Err(Error::Send(SendError::UnfinishedMessage))), "{refused:?}");
    ends(sender.send_part("b", Fragment::Last)).await.expect("open");
    ends(other.send("c")).await.expect("open");
    assert_eq!(mock.written(), [&b"\x01\x01a\x80\x01b"[..], &frame(TEXT, b"c")].concat());

    assert!(sender.is_open() && sender.outcome().is_none());
    mock.push(masked(CLOSE, b"\x03\xe8"));
    mock.end();
    assert!(ends(receiver.next()).await.expect("clean").is_none());
    assert!(!sender.is_open() && sender.outcome().is_some_and(|outcome| outcome.is_clean()));
    assert_eq!(sender.try_send("late"), Err(SendError::Closed));
}

// ---- the end -----------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn senders_can_learn_that_nobody_receives() {
    let mock = Mock::new([]);
    let (receiver, sender) = over(&mock).split();
    let closes = Task::new();
    let mut closed = Box::pin(sender.closed());
    assert!(closes.poll(&mut closed).is_pending());
    drop(receiver);
    assert!(closes.wakes() > 0 && closes.poll(&mut closed).is_ready());
    // They may have something to say all the same.
    ends(sender.send("bye")).await.expect("open");
    assert_eq!(mock.written(), frame(TEXT, b"bye"));
}

#[tokio::test(start_paused = true)]
async fn closing_what_has_ended_is_no_error() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = over(&mock).split();
    mock.end();
    assert!(matches!(ends(receiver.next()).await, Err(Error::Unclean(_))));
    ends(sender.close(CloseCode::NORMAL, "")).await.expect("nothing happens");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_is_woken_by_it_and_by_nothing_else() {
    // The peer's Close, this end's, and a transport that is lost.
    for end in 0..4 {
        let mock = Mock::new([]);
        let (mut receiver, sender) = over(&mock).split();
        let other = sender.clone();
        let (receives, closes, second) = (Task::new(), Task::new(), Task::new());
        let mut closed = Box::pin(sender.closed());
        let mut also = Box::pin(other.closed());
        let given_up = Task::new();
        assert!(given_up.poll(&mut Box::pin(other.closed())).is_pending());
        assert!(closes.poll(&mut closed).is_pending() && second.poll(&mut also).is_pending());
        {
            mock.push(masked(TEXT, b"news"));
            ends(receiver.next()).await.expect("open").expect("a message");
            ends(other.send("answer")).await.expect("open");
        }
        assert_eq!((closes.wakes(), second.wakes()), (0, 0), "messages are not the end");
        let mut next = Box::pin(async { receiver.next().await.map(drop) });
        assert!(receives.poll(&mut next).is_pending());
        match end {
            0 => mock.push(masked(CLOSE, b"\x03\xe8")),
            1 => other.try_close(CloseCode::NORMAL, "").expect("valid"),
            2 => ends(other.close(CloseCode::NORMAL, "")).await.expect("valid"),
            _ => mock.end(),
        }
        let _ = receives.poll(&mut next);
        assert!(closes.wakes() > 0 && second.wakes() > 0, "{end}");
        assert!(closes.poll(&mut closed).is_ready() && second.poll(&mut also).is_ready(), "{end}");
        assert_eq!(given_up.wakes(), 0, "{end}");
        ends(sender.closed()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_without_waiting_is_written_by_who_receives() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = over(&mock).split();
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    let refused = sender.try_close(CloseCode::NO_STATUS, "");
    assert!(refused.is_err() && sender.is_open(), "{refused:?}");
    sender.try_close(CloseCode::POLICY_VIOLATION, "too slow").expect("valid");
    sender.try_close(CloseCode::NORMAL, "").expect("nothing happens");
    assert!(task.wakes() > 0 && task.poll(&mut next).is_pending());
    assert_eq!(mock.written(), frame(CLOSE, b"\x03\xf0too slow"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_taken_for_gone_is_not_waited_for_once_more() {
    for splits in [false, true] {
        let mut config = Config::default();
        config.connection.ping_interval = Some(Duration::from_secs(10));
        config.connection.pong_timeout = Some(Duration::from_secs(5));
        let mock = Mock::new([]);
        let mut ws = WebSocket::new(mock.clone(), server(&config));
        let begun = tokio::time::Instant::now();
        let (error, outcome) = if splits {
            let (mut receiver, _sender) = ws.split();
            (ends(receiver.next()).await.err(), receiver.outcome())
        } else {
            (ends(ws.next()).await.err(), ws.outcome())
        };
        assert!(matches!(error, Some(Error::Timeout(TimeoutError::Pong))), "{error:?}");
        assert!(begun.elapsed() < Duration::from_millis(15_100), "{:?}", begun.elapsed());
        // It is told all the same: it may only have been cut off for a while.
        let close = frame(CLOSE, &[b"\x03\xf3", TimeoutError::Pong.reason().as_bytes()].concat());
        assert!(mock.written().ends_with(&close));
        assert_eq!(outcome.expect("ended").sent, Some(CloseCode::INTERNAL_ERROR));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_not_waited_for_once_more() {
    let mut config = Config::default();
    config.write_timeout = Some(Duration::from_secs(10));
    let mock = Mock::new([]);
    mock.lock().room = 0;
    let mut ws = WebSocket::new(mock, server(&config));
    let begun = tokio::time::Instant::now();
    ends(ws.feed("stuck")).await.expect("there is room");
    let error = ends(ws.next()).await.err();
    assert!(matches!(error, Some(Error::Timeout(TimeoutError::Write))), "{error:?}");
    assert!(begun.elapsed() < Duration::from_millis(10_100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_keep_alive_ping_is_measured() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(10));
    config.connection.pong_timeout = Some(Duration::from_secs(5));
    let mock = Mock::new([]);
    let (mut receiver, sender) = WebSocket::new(mock.clone(), server(&config)).split();
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    advance(Duration::from_secs(10)).await;
    assert!(task.poll(&mut next).is_pending());
    assert_eq!(mock.written(), frame(PING, b""));
    advance(Duration::from_millis(25)).await;
    mock.push(masked(PONG, b""));
    assert!(task.poll(&mut next).is_pending());
    assert_eq!(sender.latency(), Some(Duration::from_millis(25)));
}

#[tokio::test(start_paused = true)]
async fn a_close_without_waiting_ends_who_waits_to_send_where_nobody_receives() {
    for write_timeout in [Some(Duration::from_secs(30)), None] {
        let mut config = Config::default();
        config.write_timeout = write_timeout;
        let (_mock, receiver, sender) = stuck(config);
        let other = sender.clone();
        // Who receives sends, as an echo does.
        let echo = tokio::spawn(async move {
            let _receiver = receiver;
            sender.send(&[7; 5_000]).await
        });
        tokio::task::yield_now().await;
        other.try_close(CloseCode::POLICY_VIOLATION, "too slow").expect("valid");
        let ended = timeout(Duration::from_secs(6), echo).await.expect("the close timeout");
        assert!(ended.expect("no panic").is_err(), "{write_timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_ping_of_another_clock_took_is_not_known() {
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(30));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let mock = Mock::new([]);
    let mut ws = WebSocket::new(mock.clone(), server(&config));
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    advance(Duration::from_secs(31)).await;
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    assert_eq!(mock.written(), frame(PING, b""));
    let (io, endpoint) = ws.into_parts();
    advance(Duration::from_secs(3)).await;
    mock.push(masked(PONG, b""));
    let mut ws = WebSocket::new(io, endpoint);
    assert!(task.poll(&mut Box::pin(ws.next())).is_pending());
    assert_eq!(ws.latency(), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_without_waiting_is_written_at_once_where_nobody_receives() {
    let mock = Mock::new([]);
    let (receiver, sender) = with_little_room(&mock);
    // The task that receives is busy with a message, and the peer keeps up.
    for _ in 0..100 {
        sender.try_send(&[7; 100]).expect("the transport takes it");
    }
    assert_eq!(sender.queued(), 0);
    assert_eq!(mock.written(), frame(BINARY, &[7; 100]).repeat(100));
    // One that does not keep up is seen all the same.
    mock.lock().room = 0;
    let refused = (0..).find_map(|count| Some((count, sender.try_send(&[7; 100]).err()?)));
    let Some((10, SendError::Full { .. })) = refused else { panic!("{refused:?}") };
    mock.allow(1 << 20);
    sender.try_send("again").expect("the transport takes it");
    sender.try_close(CloseCode::GOING_AWAY, "").expect("valid");
    let expected = [&frame(TEXT, b"again")[..], &frame(CLOSE, b"\x03\xe9")].concat();
    assert!(mock.written().ends_with(&expected));
    assert!(!receiver.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_burst_without_waiting_is_written_where_it_would_not_fit() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = with_little_room(&mock);
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    for _ in 0..100 {
        sender.try_send(&[7; 100]).expect("the transport takes it");
    }
    assert!(task.wakes() > 0 && task.poll(&mut next).is_pending());
    assert_eq!(mock.written(), frame(BINARY, &[7; 100]).repeat(100));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_without_waiting_is_told() {
    let mock = Mock::new([]);
    let (receiver, sender) = over(&mock).split();
    let closes = Task::new();
    let mut closed = Box::pin(sender.closed());
    assert!(closes.poll(&mut closed).is_pending());
    mock.lock().write_error = Some(ErrorKind::BrokenPipe);
    assert_eq!(sender.try_send("lost"), Err(SendError::Closed));
    assert!(!sender.is_open() && closes.wakes() > 0);
    // A sender can be had from who receives.
    let other = receiver.sender();
    assert_eq!(other.try_send("late"), Err(SendError::Closed));
}

#[tokio::test]
async fn what_is_sent_without_waiting_is_written_however_much_its_task_has_written() {
    // A stream of tokio's, which makes a task wait after 128 operations.
    let (near, _far) = tokio::io::duplex(1 << 20);
    let mut config = Config::default();
    (config.high_watermark, config.low_watermark) = (1000, 100);
    let (_receiver, sender) = WebSocket::new(near, server(&config)).split();
    for _ in 0..300 {
        sender.try_send(&[7; 100]).expect("the transport takes it");
    }
    assert_eq!(sender.queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_burst_without_waiting_are_written_together_by_who_receives() {
    let mock = Mock::new([]);
    let (mut receiver, sender) = over(&mock).split();
    let task = Task::new();
    let mut next = Box::pin(async { receiver.next().await.map(drop) });
    assert!(task.poll(&mut next).is_pending());
    let before = mock.lock().writes;
    for _ in 0..10 {
        sender.try_send("news").expect("there is room");
    }
    assert!(task.wakes() > 0 && task.poll(&mut next).is_pending());
    assert_eq!(mock.lock().writes - before, 1);
    assert_eq!(mock.written(), frame(TEXT, b"news").repeat(10));
}

// ---- a receiver as a stream -----------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_polled_and_left_does_not_hold_up_what_is_sent() {
    // As in a `select!`, after which its task does something else.
    let mock = Mock::new([]);
    let (mut receiver, sender) = over(&mock).split();
    let task = Task::new();
    assert!(task.poll(&mut Box::pin(StreamExt::next(&mut receiver))).is_pending());
    sender.try_send("now").expect("room");
    assert_eq!(mock.written(), frame(TEXT, b"now"));
    assert!(task.wakes() > 0, "it may go on all the same");
    assert!(task.poll(&mut Box::pin(StreamExt::next(&mut receiver))).is_pending());
    sender.try_close(CloseCode::NORMAL, "").expect("valid");
    assert_eq!(opcodes(&mock.written()), [TEXT, CLOSE]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_tells_who_waits_to_send() {
    let (mock, mut receiver, sender) = stuck(settings(false));
    let (receives, sends) = (Task::new(), Task::new());
    let mut send = Box::pin(sender.send("stuck"));
    assert!(sends.poll(&mut send).is_pending());
    assert!(receives.poll(&mut Box::pin(StreamExt::next(&mut receiver))).is_pending());
    let wakes = sends.wakes();
    drop(receiver);
    assert!(sends.wakes() > wakes, "it keeps the deadline itself");
    mock.allow(usize::MAX);
    assert!(matches!(sends.poll(&mut send), Poll::Ready(Ok(()))));
}
