//! What the servers without a runtime share: one readiness loop.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{REQUEST, RESPONSE};

/// One connection behind its handshake.
pub trait Connection {
    /// Does all that can be done without waiting; an error ends the connection.
    fn ready(&mut self, stream: &mut TcpStream, shared: &mut Vec<u8>) -> io::Result<()>;
}

/// One read buffer serves all connections.
const SHARED: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

struct Client<C> {
    stream: TcpStream,
    /// How much of the request has come.
    request: usize,
    connection: C,
}

pub fn run<C: Connection>(listener: TcpListener, new: fn() -> C) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: HashMap<Token, Client<C>> = HashMap::new();
    let mut shared = vec![0; SHARED];
    let mut next = 0;
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Some((mut stream, _)) = ready(listener.accept())? {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(next), interest)?;
                    clients.insert(Token(next), Client { stream, request: 0, connection: new() });
                    next += 1;
                }
            } else if let Some(client) = clients.get_mut(&event.token())
                && client.ready(&mut shared).is_err()
            {
                clients.remove(&event.token());
            }
        }
    }
}

impl<C: Connection> Client<C> {
    fn ready(&mut self, shared: &mut Vec<u8>) -> io::Result<()> {
        while self.request < REQUEST.len() {
            let room = &mut shared[..REQUEST.len() - self.request];
            let Some(count) = ready(self.stream.read(room))? else { return Ok(()) };
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.request += count;
            if self.request == REQUEST.len() {
                self.stream.write_all(RESPONSE)?;
                return Ok(());
            }
        }
        self.connection.ready(&mut self.stream, shared)
    }
}

/// `None` if it would have to wait.
pub fn ready<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// A queue of bytes to be written, empty most of the time.
#[derive(Default)]
pub struct Unsent {
    bytes: Vec<u8>,
    written: usize,
}

impl Unsent {
    /// Writes what it holds. Says whether nothing is left.
    pub fn flush(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        while self.written < self.bytes.len() {
            let Some(count) = ready(stream.write(&self.bytes[self.written..]))? else {
                return Ok(false);
            };
            self.written += count;
        }
        self.bytes.clear();
        self.written = 0;
        Ok(true)
    }

    /// Writes, behind what is held, and keeps what does not go. Says whether all of it went.
    pub fn write(&mut self, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<bool> {
        if self.flush(stream)? {
            while !bytes.is_empty() {
                let Some(count) = ready(stream.write(bytes))? else { break };
                bytes = &bytes[count..];
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.is_empty())
    }
}
