//! The load generator, the same for every server: one thread, connections that each send a batch of
//! messages in one write, wait for all the echoes, compare them, and begin again.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::payload::Content;
use crate::serve::epoll::ready;
use crate::serve::{REQUEST, RESPONSE};
use crate::wire::{BINARY, Role, push_message};

/// What is asked of a server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    /// Messages under way on each.
    pub depth: usize,
    pub size: usize,
}

/// When no further batch is begun.
#[derive(Clone, Copy)]
pub enum Goal {
    After(Duration),
    Messages(usize),
}

pub struct Generator {
    poll: Poll,
    clients: Vec<Client>,
    depth: usize,
    request: Vec<u8>,
    expected: Vec<u8>,
    buffer: Vec<u8>,
}

struct Client {
    stream: mio::net::TcpStream,
    sent: usize,
    received: usize,
}

/// Connects, and has its handshake.
pub fn open(port: u16) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(REQUEST)?;
    // Servers may name and order their fields as they like.
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.extend_from_slice(&byte);
    }
    let status = RESPONSE.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if answer.starts_with(status) { Ok(stream) } else { Err("no WebSocket server".into()) }
}

/// One message out, and its echo back, on each of the connections.
pub fn exchange(streams: &mut [TcpStream], size: usize) -> io::Result<()> {
    let (request, expected) = wire(size, 1);
    let mut echo = vec![0; expected.len()];
    for stream in streams {
        stream.write_all(&request)?;
        stream.read_exact(&mut echo)?;
        compare(&echo, &expected)?;
    }
    Ok(())
}

/// A batch as it goes out, and as it comes back.
fn wire(size: usize, depth: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut request, mut expected) = (Vec::new(), Vec::new());
    for seed in 0..depth {
        let payload = Content::Binary.payload(size, seed);
        push_message(&mut request, Role::Client, BINARY, &payload, usize::MAX);
        push_message(&mut expected, Role::Server, BINARY, &payload, usize::MAX);
    }
    (request, expected)
}

fn compare(echo: &[u8], expected: &[u8]) -> io::Result<()> {
    if echo == expected { Ok(()) } else { Err(io::Error::other("not an echo")) }
}

impl Generator {
    pub fn open(port: u16, load: Load) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for at in 0..load.connections {
            let stream = open(port)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(at), interest)?;
            clients.push(Client { stream, sent: 0, received: 0 });
        }
        let (request, expected) = wire(load.size, load.depth);
        let buffer = vec![0; 256 * 1024];
        Ok(Self { poll, clients, depth: load.depth, request, expected, buffer })
    }

    /// Works towards the goal, waits for what is under way, and says how many messages came back.
    pub fn run(&mut self, goal: Goal) -> io::Result<usize> {
        let start = Instant::now();
        let (mut begun, mut done) = (0, 0);
        for at in 0..self.clients.len() {
            self.begin(at)?;
            begun += 1;
        }
        let mut events = Events::with_capacity(1024);
        while done < begun {
            match self.poll.poll(&mut events, Some(Duration::from_secs(10))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            if events.is_empty() {
                return Err(io::Error::new(ErrorKind::TimedOut, "the server does not answer"));
            }
            for event in &events {
                let Token(at) = event.token();
                while self.proceed(at)? {
                    done += 1;
                    let more = match goal {
                        Goal::After(time) => start.elapsed() < time,
                        Goal::Messages(count) => begun * self.depth < count,
                    };
                    if !more {
                        break;
                    }
                    self.begin(at)?;
                    begun += 1;
                }
            }
        }
        Ok(done * self.depth)
    }

    fn begin(&mut self, at: usize) -> io::Result<()> {
        let client = &mut self.clients[at];
        client.sent = 0;
        client.received = 0;
        client.write(&self.request)
    }

    /// Says whether a batch has ended.
    fn proceed(&mut self, at: usize) -> io::Result<bool> {
        let Self { clients, request, expected, buffer, .. } = self;
        let client = &mut clients[at];
        client.write(request)?;
        if client.received == expected.len() {
            return Ok(false);
        }
        while client.received < expected.len() {
            let Some(count) = ready(client.stream.read(buffer))? else { return Ok(false) };
            if count == 0 || client.received + count > expected.len() {
                return Err(io::Error::other("the server closed, or said too much"));
            }
            let end = client.received + count;
            compare(&buffer[..count], &expected[client.received..end])?;
            client.received = end;
            if count < buffer.len() && end < expected.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Client {
    fn write(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent < request.len() {
            let Some(count) = ready(self.stream.write(&request[self.sent..]))? else { break };
            self.sent += count;
        }
        Ok(())
    }
}
