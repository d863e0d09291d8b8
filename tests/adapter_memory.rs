//! Memory of the adapters: what is used again instead of being allocated.
#![allow(clippy::unwrap_used)]

mod io;

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use counting_alloc::{Counting, counts, reset};
use futures_util::{SinkExt, StreamExt};
use io::{BINARY, masked};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::OwnedMessage;
use websocket_proto::endpoint::Config;
use websocket_proto::tokio::WebSocket;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A peer that sends the same for ever and takes everything, without any memory of its own.
struct Peer {
    wire: Vec<u8>,
    /// Whether every other call is not ready at first.
    stutters: bool,
    due: bool,
}

impl Peer {
    fn new(wire: Vec<u8>, stutters: bool) -> Self {
        Self { wire, stutters, due: false }
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
        if self.waits(cx) {
            return Poll::Pending;
        }
        buffer.put_slice(&self.wire);
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

fn over(stutters: bool) -> WebSocket<Peer> {
    let wire = masked(BINARY, &[7; 60]).repeat(3);
    WebSocket::new(Peer::new(wire, stutters), io::server(&without_timeouts()))
}

/// A timer is allocated when there is a deadline.
fn without_timeouts() -> Config {
    let mut config = Config::default();
    config.write_timeout = None;
    config
}

/// How often memory is allocated in the last of some rounds.
async fn allocations(mut round: impl AsyncFnMut()) -> u64 {
    for _ in 0..100 {
        round().await;
    }
    reset();
    round().await;
    counts().allocations
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
        assert_eq!(allocations(round).await, 0);
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
        assert_eq!(allocations(round).await, 1);
    }
}
