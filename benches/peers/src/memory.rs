//! A transport in memory: the same bytes over and over to read, and a hole to write to.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was written, while somebody wants to check it.
#[derive(Default)]
pub struct Captured {
    pub bytes: Vec<u8>,
    /// How many system calls it would have taken.
    pub writes: usize,
}

pub type Capture = Rc<RefCell<Captured>>;

/// A read is copied in pieces of so many bytes. The C library copies longer ones by an instruction that
/// takes 15 times as long on some processors (Zen 3) if source and destination happen to lie 1 to 31
/// bytes apart within a page: who is hit would be a matter of luck.
const COPY: usize = 2048;

/// Reads a stream again and again, never across its end, so that a peer that has used up whole
/// passes holds nothing back. Everything is ready at once.
#[derive(Clone)]
pub struct Memory {
    stream: Arc<[u8]>,
    at: usize,
    /// The most that one read gives.
    read: usize,
    capture: Option<Capture>,
}

impl Memory {
    pub fn reading(stream: Arc<[u8]>, read: usize) -> Self {
        Self { stream, at: 0, read, capture: None }
    }

    pub fn writing(capture: Option<Capture>) -> Self {
        Self { stream: Arc::new([]), at: 0, read: 0, capture }
    }

    /// Reads a stream and keeps what is written.
    pub fn both(stream: Arc<[u8]>, capture: Capture) -> Self {
        Self { stream, at: 0, read: usize::MAX, capture: Some(capture) }
    }

    /// The bytes that a read into so much room gives; nothing is copied yet.
    #[inline]
    fn lend(&mut self, room: usize) -> &[u8] {
        if self.at == self.stream.len() {
            self.at = 0;
        }
        let count = room.min(self.read).min(self.stream.len() - self.at);
        self.at += count;
        &self.stream[self.at - count..self.at]
    }

    #[inline]
    pub fn fill(&mut self, room: &mut [u8]) -> usize {
        let bytes = self.lend(room.len());
        let count = bytes.len();
        for (room, bytes) in room.chunks_mut(COPY).zip(bytes.chunks(COPY)) {
            room[..bytes.len()].copy_from_slice(bytes);
        }
        count
    }

    /// A read into so much room behind what is in a buffer.
    #[inline]
    pub fn append(&mut self, room: usize, buffer: &mut BytesMut) {
        let bytes = self.lend(room);
        bytes.chunks(COPY).for_each(|bytes| buffer.extend_from_slice(bytes));
    }

    /// One write.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.put_all([bytes]);
    }

    /// One vectored write.
    #[inline]
    pub fn put_all<T: AsRef<[u8]>>(&mut self, slices: impl IntoIterator<Item = T>) -> usize {
        let mut capture = self.capture.as_ref().map(|it| it.borrow_mut());
        let mut sum = 0;
        for slice in slices {
            let slice = black_box(slice.as_ref());
            sum += slice.len();
            if let Some(capture) = &mut capture {
                capture.bytes.extend_from_slice(slice);
            }
        }
        if let Some(capture) = &mut capture {
            capture.writes += 1;
        }
        sum
    }
}

impl Read for Memory {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(self.fill(room))
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.put_all(slices.iter().map(|slice| &**slice)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = self.get_mut().lend(room.remaining());
        bytes.chunks(COPY).for_each(|bytes| room.put_slice(bytes));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
