//! A round of the README's echo loop on tokio: the task is woken, reads messages that came together,
//! answers them by one write, and waits again. Over memory, so that it is all but the kernel.
//!
//! ```text
//! cargo bench --bench round                       ns per round with 1 and 16 messages, minimum of many
//! valgrind --tool=callgrind BINARY DEPTH ROUNDS   instructions, exact on a busy machine
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
use websocket_proto::endpoint::{Config, Endpoint, Received};
use websocket_proto::tokio::{Error, WebSocket};

/// Every second read gives the batch; the others wait, and wake the task at once.
struct Batches {
    batch: Vec<u8>,
    waits: bool,
    left: usize,
}

impl AsyncRead for Batches {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left > 0 {
            self.left -= 1;
            room.put_slice(&self.batch);
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

/// So many rounds, each with `depth` messages of 20 bytes.
fn run(depth: usize, rounds: usize) {
    let mut message = vec![0x82, 0x80 | 20, 1, 2, 3, 4];
    message.extend_from_slice(&[7; 20]);
    let batches = Batches { batch: message.repeat(depth), waits: false, left: rounds };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let task = async { tokio::spawn(echo(batches)).await.expect("no panic") };
    // The end of the stream is an unclean close.
    assert!(matches!(runtime.expect("a runtime").block_on(task), Err(Error::Unclean(_))));
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    if let [depth, rounds] = *numbers {
        return run(depth, rounds);
    }
    for depth in [1, 16] {
        let nanos = (0..200).map(|_| {
            let start = Instant::now();
            run(depth, 1000);
            start.elapsed().as_nanos() / 1000
        });
        println!("{depth:2} messages: {:5} ns per round", nanos.min().expect("some"));
    }
}
