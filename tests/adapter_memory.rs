//! Memory of the adapters: what is used again instead of being allocated.
#![allow(clippy::unwrap_used)]

mod io;

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use counting_alloc::{Counting, Counts, counts, reset};
use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use io::{BINARY, masked};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use websocket_proto::blocking::{self, Transport};
use websocket_proto::deflate::{self, Params, Pool};
use websocket_proto::endpoint::{Config, Endpoint};
use websocket_proto::handshake::{Accept, ServerConfig};
use websocket_proto::tokio::{Error, WebSocket, accept};
use websocket_proto::{Connection, OwnedMessage};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A peer that sends the same for ever, or nothing, and takes everything, without any memory of its
/// own.
struct Peer {
    wire: Arc<[u8]>,
    at: usize,
    /// Whether every other call is not ready at first.
    stutters: bool,
    due: bool,
    /// Whether it is gone when it has sent that once.
    breaks: bool,
}

impl Peer {
    fn new(wire: Arc<[u8]>, stutters: bool) -> Self {
        Self { wire, at: 0, stutters, due: false, breaks: false }
    }

    /// The next bytes; a read ends where the wire does.
    fn give(&mut self, room: usize) -> std::io::Result<&[u8]> {
        if self.breaks && self.at == self.wire.len() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let start = if self.at < self.wire.len() { self.at } else { 0 };
        self.at = self.wire.len().min(start + room);
        Ok(&self.wire[start..self.at])
    }

    /// Whether this call is not ready.
    fn waits(&mut self, cx: &Context<'_>) -> bool {
        self.due = self.stutters && !self.due;
        if self.due {
            cx.waker().wake_by_ref();
        }
        self.due
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.wire.is_empty() || self.waits(cx) {
            return Poll::Pending;
        }
        buffer.put_slice(self.give(buffer.remaining())?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.waits(cx) { Poll::Pending } else { Poll::Ready(Ok(bytes.len())) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let count = slices.iter().map(|slice| slice.len()).sum();
        if self.waits(cx) { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Read for Peer {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.give(room.len())?;
        room[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Transport for Peer {}

fn over(stutters: bool) -> WebSocket<Peer> {
    let wire = masked(BINARY, &[7; 60]).repeat(3);
    WebSocket::new(Peer::new(wire.into(), stutters), io::server(&without_timeouts()))
}

/// A timer is allocated when there is a deadline.
fn without_timeouts() -> Config {
    let mut config = Config::default();
    config.write_timeout = None;
    config
}

/// What is allocated in the last of some rounds.
async fn counted(mut round: impl AsyncFnMut()) -> Counts {
    for _ in 0..100 {
        round().await;
    }
    reset();
    round().await;
    counts()
}

#[tokio::test]
async fn halves_of_a_connection_allocate_nothing_in_steady_state() {
    for stutters in [false, true] {
        let (mut receiver, sender) = over(stutters).split();
        let round = async || {
            assert_eq!(receiver.next().await.unwrap().unwrap().as_bytes(), [7; 60]);
            sender.feed(&[7; 60]).await.unwrap();
            sender.send(&[7; 60]).await.unwrap();
            sender.send(&[7; 60_000]).await.unwrap();
        };
        assert_eq!(counted(round).await.allocations, 0);
    }
}

#[tokio::test]
async fn stream_and_sink_allocate_the_messages_that_they_give_away_only() {
    for stutters in [false, true] {
        let mut ws = over(stutters);
        let payload = Bytes::from_static(&[7; 60]);
        let round = async || {
            let message = StreamExt::next(&mut ws).await.unwrap().unwrap();
            assert_eq!(message.as_bytes(), [7; 60]);
            SinkExt::feed(&mut ws, OwnedMessage::from(payload.clone())).await.unwrap();
            SinkExt::send(&mut ws, OwnedMessage::from(payload.clone())).await.unwrap();
        };
        assert_eq!(counted(round).await.allocations, 1);
    }
}

#[tokio::test]
async fn large_messages_are_given_away_with_their_buffer_in_each_way() {
    for (opcode, size) in
        [0x81, BINARY].into_iter().flat_map(|it| [20_000, 300_000].map(|n| (it, n)))
    {
        let wire: Arc<[u8]> = masked(opcode, &vec![b'a'; size]).into();
        let open = || {
            let peer = Peer::new(Arc::clone(&wire), false);
            WebSocket::new(peer, io::server(&without_timeouts()))
        };
        let blocking = || {
            let peer = Peer::new(Arc::clone(&wire), false);
            blocking::WebSocket::new(peer, io::server(&without_timeouts())).unwrap()
        };
        let check = |message: Option<OwnedMessage>, way: &str| {
            let Counts { allocations, requested, .. } = counts();
            assert!(
                allocations <= 1 && requested <= 128,
                "{way}, {size}: {allocations}, {requested}"
            );
            assert_eq!(message.map(|it| it.as_bytes().len()), Some(size));
            reset();
        };
        // The first ones grow the buffers.
        let (mut ws, (mut receiver, _sender)) = (open(), open().split());
        let (mut blocks, other) = (blocking(), Peer::new(Arc::new([]), false));
        let (mut half, _other) = blocking().split(other).unwrap();
        for round in 0..20 {
            let check = |message, way| {
                if round >= 10 {
                    check(message, way)
                }
            };
            reset();
            check(ws.next_owned().await.unwrap(), "next_owned");
            check(StreamExt::next(&mut ws).await.transpose().unwrap(), "Stream");
            check(receiver.next_owned().await.unwrap(), "next_owned of the receiver");
            check(StreamExt::next(&mut receiver).await.transpose().unwrap(), "Stream of it");
            check(blocks.next_owned().unwrap(), "next_owned, blocking");
            check(half.next_owned().unwrap(), "next_owned of the receiver, blocking");
        }
    }
}

fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// With compression that remembers nothing, in contexts from `pool`.
fn forgetful(pool: &Pool) -> Endpoint {
    let mut config = without_timeouts();
    let mut deflate = deflate::Config::default();
    deflate.pool = pool.clone();
    config.deflate = Some(deflate);
    let params: Params = "permessage-deflate; server_no_context_takeover".parse().unwrap();
    Endpoint::with_deflate(Connection::server(&config.connection), &config, params)
}

#[tokio::test]
async fn connection_that_waits_holds_no_buffer_though_it_is_sent_to() {
    // Each of many has had a long queue. A thread keeps a few buffers as long.
    const MANY: usize = 100;
    for pool in [None, Some(Pool::default())] {
        let open = || {
            let endpoint = pool.as_ref().map_or_else(|| io::server(&without_timeouts()), forgetful);
            WebSocket::new(Peer::new(Arc::new([]), false), endpoint)
        };
        let compressors = || pool.as_ref().map(|pool| pool.idle().0);
        let mut halves = Vec::with_capacity(MANY);
        reset();
        for _ in 0..MANY {
            let (mut receiver, sender) = open().split();
            let mut waits = Box::pin(async move { receiver.next().await.is_ok() });
            assert!(is_pending(&mut waits));
            for _ in 0..15 {
                sender.feed(&[7; 4_000]).await.unwrap();
            }
            sender.flush().await.unwrap();
            assert!(compressors().is_none_or(|count| count == 1));
            halves.push((waits, sender));
        }
        let live = counts().live;
        assert!(live < 1_000_000, "{live}");
        // The next message finds a buffer.
        let (_waits, sender) = &halves[0];
        let round = async || {
            sender.feed(&[7; 60]).await.unwrap();
            sender.send(&[7; 600]).await.unwrap();
        };
        assert_eq!(counted(round).await.allocations, 0);
        drop(halves);

        let mut halves = Vec::with_capacity(MANY);
        reset();
        for _ in 0..MANY {
            let (mut sink, mut stream) = StreamExt::split(open());
            assert!(is_pending(&mut stream.next()));
            for _ in 0..15 {
                sink.feed(OwnedMessage::from(Bytes::from_static(&[7; 4_000]))).await.unwrap();
            }
            sink.flush().await.unwrap();
            assert!(compressors().is_none_or(|count| count == 1));
            halves.push((sink, stream));
        }
        let live = counts().live;
        assert!(live < 1_000_000, "{live}");
        let (sink, _stream) = &mut halves[0];
        let round = async || {
            let payload = Bytes::from_static(&[7; 600]);
            SinkExt::send(sink, OwnedMessage::from(payload.clone())).await.unwrap();
        };
        assert_eq!(counted(round).await.allocations, 0);
    }
}

#[tokio::test]
async fn message_that_is_written_from_where_it_lies_is_not_queued() {
    for (size, queued) in [(4095, true), (4096, false), (100_000, false)] {
        let payload = vec![7; size];
        let mut ws = over(false);
        reset();
        ws.send(&payload).await.unwrap();
        assert_eq!(counts().allocations > 0, queued, "{size}");
        // It leaves the next one no buffer.
        std::mem::forget(ws);
    }
}

/// A frame that waits in the read buffer, and one that is read to another place: how large they
/// are, and how much is allocated for each all the same. What comes with the header of the second
/// is put into a buffer of its own.
const SIZES: [(usize, u64); 2] = [(60, 0), (300_000, 17_000)];

#[tokio::test]
async fn connection_that_is_dropped_leaves_its_buffers_to_the_next() {
    for (size, expected) in SIZES {
        let wire: Arc<[u8]> = masked(BINARY, &vec![7; size]).into();
        let open = || {
            let peer = Peer::new(Arc::clone(&wire), false);
            WebSocket::new(peer, io::server(&without_timeouts()))
        };
        let whole = async || {
            let mut ws = open();
            let message = ws.next().await.unwrap().unwrap().message;
            assert_eq!(message.as_bytes().len(), size);
            ws.feed(&[7; 60]).await.unwrap();
        };
        let requested = counted(whole).await.requested;
        assert!(requested <= expected, "{requested} for {size}");
        // What the halves share is allocated, and who is woken.
        let halves = async || {
            let (mut receiver, sender) = open().split();
            let message = receiver.next().await.unwrap().unwrap();
            assert_eq!(message.as_bytes().len(), size);
            sender.feed(&[7; 60]).await.unwrap();
        };
        let requested = counted(halves).await.requested;
        assert!(requested <= expected + 1_500, "{requested} for {size}");
        let blocking = async || {
            let peer = Peer::new(Arc::clone(&wire), false);
            let mut ws = blocking::WebSocket::new(peer, io::server(&without_timeouts())).unwrap();
            let message = ws.next().unwrap().unwrap().message;
            assert_eq!(message.as_bytes().len(), size);
            ws.feed(&[7; 60]).unwrap();
        };
        let requested = counted(blocking).await.requested;
        assert!(requested <= expected, "{requested} for {size}");
    }
}

#[tokio::test]
async fn large_text_in_fragments_uses_the_buffers_of_its_thread_in_turns_with_binary() {
    // The second one is too large for the read buffer, and for that of the message until then.
    let mut wire = masked(0x01, &[b'a'; 5_000]);
    wire.extend(masked(0x80, &[b'b'; 295_000]));
    wire.extend(masked(BINARY, &[7; 300_000]));
    let wire: Arc<[u8]> = wire.into();
    let round = async || {
        let peer = Peer::new(Arc::clone(&wire), true);
        let mut ws = WebSocket::new(peer, io::server(&without_timeouts()));
        let text = ws.next().await.unwrap().unwrap().message.as_text().unwrap();
        let (first, second) = text.split_at(5_000);
        assert!(first.bytes().all(|it| it == b'a') && second.bytes().all(|it| it == b'b'));
        let binary = ws.next().await.unwrap().unwrap().message;
        assert!(binary.as_bytes().len() == 300_000 && binary.as_bytes().iter().all(|&it| it == 7));
    };
    // As above; the text is in a box, and waits in allocations of its own until a sixteenth of the
    // buffer has come.
    let requested = counted(round).await.requested;
    assert!(requested <= 150_000, "{requested}");
}

#[tokio::test]
async fn connection_that_is_dropped_with_messages_unread_leaves_its_buffers_too() {
    let wire: Arc<[u8]> = masked(BINARY, &[7; 60]).repeat(20).into();
    let one_of_many = async || {
        let peer = Peer::new(Arc::clone(&wire), false);
        let mut ws = WebSocket::new(peer, io::server(&without_timeouts()));
        assert!(ws.next().await.unwrap().is_some());
    };
    assert_eq!(counted(one_of_many).await.requested, 0);
}

#[tokio::test]
async fn handshake_allocates_no_buffer_to_read_to() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let wire: Arc<[u8]> = request.as_bytes().into();
    for stutters in [false, true] {
        let round = async || {
            let peer = Peer::new(Arc::clone(&wire), stutters);
            let accepting = accept(peer, ServerConfig::default()).await.unwrap();
            accepting.accept(&Accept::new(), &Config::default()).await.unwrap();
        };
        let requested = counted(round).await.requested;
        assert!(requested < 4_096, "{requested}");
    }
    let blocking = async || {
        let peer = Peer::new(Arc::clone(&wire), false);
        let accepting = blocking::accept(peer, ServerConfig::default()).unwrap();
        accepting.accept(&Accept::new(), &Config::default()).unwrap();
    };
    let requested = counted(blocking).await.requested;
    assert!(requested < 4_096, "{requested}");
}

#[tokio::test]
async fn connection_that_has_failed_holds_nothing_of_the_message_under_way() {
    // A megabyte of a message, then a frame with an opcode that there is not. A thread keeps two of
    // the buffers.
    let begun = [masked(0x02, &vec![7; 1 << 20]), masked(0x83, &[])].concat();
    reset();
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let (mut peer, io) = tokio::io::duplex(4_096);
        let mut ws = WebSocket::new(io, io::server(&without_timeouts()));
        let mut next = Box::pin(async move { ws.next().await.is_ok() });
        let all_written = Box::pin(peer.write_all(&begun));
        assert!(matches!(select(&mut next, all_written).await, Either::Right((Ok(()), _))));
        // The Close frame is out, and the peer does not end the transport.
        assert!(is_pending(&mut next));
        waiting.push((next, peer));
    }
    let live = counts().live;
    assert!(live < 3 << 20, "{live}");
    drop(waiting);

    // A transport that fails instead.
    let wire: Arc<[u8]> = begun[..1 << 20].into();
    reset();
    let (mut lost, mut blocking) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let peer = || Peer { breaks: true, ..Peer::new(Arc::clone(&wire), false) };
        let mut ws = WebSocket::new(peer(), io::server(&without_timeouts()));
        assert!(matches!(ws.next().await, Err(Error::Io(_))));
        lost.push(ws);
        let mut ws = blocking::WebSocket::new(peer(), io::server(&without_timeouts())).unwrap();
        assert!(matches!(ws.next(), Err(Error::Io(_))));
        blocking.push(ws);
    }
    let live = counts().live;
    assert!(live < 3 << 20, "{live}");
    drop((lost, blocking));

    let wire: Arc<[u8]> = begun.into();
    reset();
    let mut failed = Vec::new();
    for _ in 0..6 {
        let peer = Peer::new(Arc::clone(&wire), false);
        let mut ws = blocking::WebSocket::new(peer, io::server(&without_timeouts())).unwrap();
        assert!(matches!(ws.next(), Err(Error::Protocol(_))));
        failed.push(ws);
    }
    let live = counts().live;
    assert!(live < 3 << 20, "{live}");
}

#[test]
fn connection_may_be_dropped_after_the_buffers_of_its_thread() {
    thread_local! {
        static KEPT: Cell<Option<blocking::WebSocket<Peer>>> = const { Cell::new(None) };
    }
    let thread = std::thread::spawn(|| {
        // What a thread has is dropped in the reverse order of its first use.
        KEPT.set(None);
        let peer = Peer::new(masked(BINARY, &[7; 60]).into(), false);
        let mut ws = blocking::WebSocket::new(peer, io::server(&Config::default())).unwrap();
        ws.next().unwrap().unwrap();
        ws.feed("hello").unwrap();
        KEPT.set(Some(ws));
    });
    thread.join().unwrap();
}
