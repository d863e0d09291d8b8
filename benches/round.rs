//! A round of the README's echo loop on tokio: the task is woken, reads messages that came
//! together, answers them by one write, and waits again; or it is woken for each segment of a
//! longer message. Over memory, so that it is all but the kernel.
//!
//! ```text
//! cargo bench --bench round                           ns per round, minimum of many
//! valgrind --tool=callgrind BINARY DEPTH LEN ROUNDS   instructions, exact on a busy machine
//! ```
//!
//! The instructions of a round are the difference between two counts of rounds.

use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::Connection;
use websocket_proto::connection::{Config as ConnectionConfig, NoEntropy};
use websocket_proto::endpoint::{Config, Endpoint, Received};
use websocket_proto::tokio::{Error, WebSocket};

/// Gives the batch so many times, a segment of it at each wake-up; between them it waits, and wakes
/// the task at once.
struct Batches {
    batch: Vec<u8>,
    segment: usize,
    /// What has been read of the batch.
    at: usize,
    /// What can be read before it waits again.
    ready: usize,
    left: usize,
}

impl AsyncRead for Batches {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.ready == 0 {
            self.ready = self.segment.min(self.batch.len() - self.at);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let count = self.ready.min(room.remaining());
        room.put_slice(&self.batch[self.at..][..count]);
        self.at += count;
        self.ready -= count;
        if self.at == self.batch.len() {
            self.at = 0;
            self.left -= 1;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Batches {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(black_box(bytes).len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn echo(batches: Batches) -> Result<(), Error> {
    let config = Config::default();
    let endpoint = Endpoint::new(Connection::server(&config.connection), &config);
    let mut ws = WebSocket::new(batches, endpoint);
    while let Some(Received { message, mut out }) = ws.next().await? {
        out.feed(message)?;
    }
    Ok(())
}

/// So many rounds, each with `depth` messages of `len` bytes that come in segments.
fn run(depth: usize, len: usize, segment: usize, rounds: usize) {
    let (mut sender, mut batch) =
        (Connection::client(&ConnectionConfig::default(), keys), Vec::new());
    for _ in 0..depth {
        sender.send(&vec![7; len], &mut batch).expect("open");
    }
    let batches = Batches { batch, segment, at: 0, ready: 0, left: rounds };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let task = async { tokio::spawn(echo(batches)).await.expect("no panic") };
    // The end of the stream is an unclean close.
    assert!(matches!(runtime.expect("a runtime").block_on(task), Err(Error::Unclean(_))));
}

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

/// An Ethernet frame's worth of TCP.
const SEGMENT: usize = 1_460;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    if let [depth, len, rounds] = *numbers {
        return run(depth, len, SEGMENT, rounds);
    }
    for (depth, len) in [(1, 20), (16, 20), (1, 3_000), (1, 20_000), (1, 200_000)] {
        let nanos = (0..200).map(|_| {
            let start = Instant::now();
            run(depth, len, SEGMENT, 100);
            start.elapsed().as_nanos() / 100
        });
        println!("{depth:2} of {len:6} B: {:6} ns per round", nanos.min().expect("some"));
    }
}
