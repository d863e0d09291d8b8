//! The least work that an echo server can do: frames are unmasked where they were read and turned
//! into their answers in place, and one write answers all of one read.
//!
//! Whole frames only; no text, no control frames, no limits. One buffer serves all connections. A
//! frame that was not read whole gets a place of its size, is read to its end there, and is
//! answered from there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::epoll::{self, Connection, Unsent};
use super::on_tokio::{self, Outcome};
use super::{BARE, FLOOR_EPOLL, FLOOR_TOKIO, Server};
use crate::floor::unmask;
use crate::wire::frame_len;

pub const SERVERS: &[Server] = &[
    Server { name: BARE, run: |listener| on_tokio::run(listener, accept_only) },
    Server { name: FLOOR_TOKIO, run: |listener| on_tokio::run(listener, echo) },
    Server { name: FLOOR_EPOLL, run: |listener| epoll::run(listener, Epoll::default) },
];

/// A frame of which the rest has not come.
#[derive(Default)]
struct Partial {
    /// Initialised; at least as long as the frame, if that is known.
    frame: Vec<u8>,
    filled: usize,
}

impl Partial {
    /// Where to read to.
    fn room<'a>(&'a mut self, shared: &'a mut [u8]) -> &'a mut [u8] {
        if self.filled == 0 { shared } else { &mut self.frame[self.filled..] }
    }

    /// Turns what was read into answers, and says where they are.
    fn answer<'a>(&'a mut self, count: usize, shared: &'a mut [u8]) -> &'a [u8] {
        if self.filled == 0 {
            let (used, answers) = answer_all(&mut shared[..count]);
            self.keep(&shared[used..count]);
            return &shared[..answers];
        }
        self.filled += count;
        match frame_len(&self.frame[..self.filled]) {
            Some((head, len)) if len <= self.filled => {
                // Read to its end and not further.
                self.filled = 0;
                answer_in_place(&mut self.frame[..len], head);
                &self.frame[4..len]
            }
            Some((_, len)) => {
                self.frame.resize(len, 0);
                &[]
            }
            // The smallest header there is: no more can be read without going too far.
            None => {
                self.frame.resize(self.filled + 1, 0);
                &[]
            }
        }
    }

    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            let len = frame_len(rest).map_or(rest.len() + 1, |(_, len)| len);
            self.frame.resize(len, 0);
            self.frame[..rest.len()].copy_from_slice(rest);
            self.filled = rest.len();
        }
    }
}

/// Answers the whole frames, to the front of the buffer. Says how much was used, and how much is
/// to be written.
fn answer_all(buffer: &mut [u8]) -> (usize, usize) {
    let (mut used, mut answers) = (0, 0);
    while let Some((head, len)) = frame_len(&buffer[used..])
        && used + len <= buffer.len()
    {
        answer_in_place(&mut buffer[used..used + len], head);
        // The answer is shorter than the frame by its key: it never reaches what comes next.
        buffer.copy_within(used + 4..used + len, answers);
        answers += len - 4;
        used += len;
    }
    (used, answers)
}

/// A masked frame becomes one without a key, four bytes further on.
fn answer_in_place(frame: &mut [u8], head: usize) {
    let (header, payload) = frame.split_at_mut(head);
    let key = header[head - 4..].try_into().expect("four");
    unmask(payload, key);
    header[1] &= 127;
    header.copy_within(..head - 4, 4);
}

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

async fn echo(stream: TcpStream) -> Outcome {
    let mut stream = on_tokio::open(stream).await?;
    let mut partial = Partial::default();
    let mut unsent = Vec::new();
    loop {
        poll_fn(|context| {
            SHARED.with_borrow_mut(|shared| {
                let mut room = ReadBuf::new(partial.room(shared));
                ready!(Pin::new(&mut stream).poll_read(context, &mut room))?;
                let count = room.filled().len();
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                let answers = partial.answer(count, shared);
                if answers.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let written = match Pin::new(&mut stream).poll_write(context, answers) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                unsent.extend_from_slice(&answers[written..]);
                Poll::Ready(io::Result::Ok(()))
            })
        })
        .await?;
        if !unsent.is_empty() {
            stream.write_all(&unsent).await?;
            unsent.clear();
        }
    }
}

async fn accept_only(stream: TcpStream) -> Outcome {
    let stream = on_tokio::open(stream).await?;
    loop {
        stream.readable().await?;
        SHARED.with_borrow_mut(|shared| match stream.try_read(shared) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        })?;
    }
}

#[derive(Default)]
struct Epoll {
    partial: Partial,
    unsent: Unsent,
}

impl Connection for Epoll {
    fn ready(&mut self, stream: &mut mio::net::TcpStream, shared: &mut Vec<u8>) -> io::Result<()> {
        while self.unsent.flush(stream)? {
            let room = self.partial.room(shared);
            let len = room.len();
            let Some(count) = epoll::ready(stream.read(room))? else { return Ok(()) };
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.unsent.write(stream, self.partial.answer(count, shared))?;
            // A socket that gave less than there was room for has no more.
            if count < len {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{BINARY, Role, push_message};

    #[test]
    fn every_cut_gives_the_same_answers() {
        let (mut sent, mut expected) = (Vec::new(), Vec::new());
        for size in [0, 20, 126, 300] {
            let payload = vec![u8::try_from(size % 251).expect("small"); size];
            push_message(&mut sent, Role::Client, BINARY, &payload, usize::MAX);
            push_message(&mut expected, Role::Server, BINARY, &payload, usize::MAX);
        }
        for step in 1..=sent.len() {
            let (mut partial, mut shared) = (Partial::default(), vec![0; 512]);
            let (mut rest, mut answers) = (&sent[..], Vec::new());
            while !rest.is_empty() {
                let room = partial.room(&mut shared);
                let count = step.min(room.len()).min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                answers.extend_from_slice(partial.answer(count, &mut shared));
            }
            assert!(answers == expected, "{step} bytes a read");
        }
    }
}
