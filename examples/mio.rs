//! Many connections on one thread: `Endpoint` in a readiness loop of `mio`.
//!
//! ```sh
//! cargo run --release --example mio -- --listen 127.0.0.1:5000
//! ```
//!
//! Echoes on any path. A few buffers serve all connections: an endpoint borrows them while it has a
//! use for them, and gives them back when the socket has nothing more.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use websocket_proto::endpoint::{Buffers, Config, Endpoint, Received};
use websocket_proto::handshake::{Accept, Reply, ServerConfig, ServerHandshake};
use websocket_proto::{Connection, Input};

const LISTENER: Token = Token(0);

/// How often a client is written to and read from before the others have their turn.
const ROUNDS: u32 = 16;

/// Where a connection is in its life.
enum Stage {
    Opening {
        handshake: ServerHandshake,
        deadline: Instant,
    },
    Open(Box<Endpoint>),
    /// An answer other than 101 is being written, and the client given a moment to read it.
    Refusing {
        deadline: Instant,
    },
}

impl Stage {
    fn refusing() -> Self {
        Self::Refusing { deadline: Instant::now() + Duration::from_secs(1) }
    }
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    /// What the handshake has to say.
    answer: Vec<u8>,
    shut: bool,
}

/// What all clients share.
struct Server {
    config: Config,
    start: Instant,
    /// For heads of requests.
    head: Vec<u8>,
    buffers: Buffers,
}

fn main() -> Result<(), Box<dyn Error>> {
    let listen = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => "127.0.0.1:5000".to_owned(),
        [option, address] if option == "--listen" => address.clone(),
        _ => return Err("usage: mio [--listen ADDR]".into()),
    };
    let mut listener = TcpListener::bind(listen.parse()?)?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;

    let config = Config::default();
    let mut server =
        Server { config, start: Instant::now(), head: vec![0; 4096], buffers: Buffers::new() };
    let mut clients = HashMap::new();
    let mut events = Events::with_capacity(256);
    let mut next = 1;
    // Those that were not done when their turn was over; no event tells of them.
    let mut busy = Vec::new();
    loop {
        let wait = clients.values_mut().filter_map(|it: &mut Client| it.deadline(&server)).min();
        let wait = if busy.is_empty() { wait } else { Some(Duration::ZERO) };
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        let mut ready: Vec<Token> = events.iter().map(mio::event::Event::token).collect();
        // Deadlines are few and far between; a server with many clients would keep a heap of them.
        let due = clients.iter_mut().filter_map(|(id, it)| it.is_due(&server).then_some(*id));
        ready.extend(due.chain(busy.drain(..)));
        ready.sort_unstable();
        ready.dedup();
        for token in ready {
            if token == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let token = Token(next);
                    next += 1;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, token, interest)?;
                    clients.insert(token, Client::new(stream));
                }
            } else if let Some(client) = clients.get_mut(&token) {
                match client.drive(&mut server) {
                    Ok(true) => busy.push(token),
                    Ok(false) => {}
                    Err(_) => drop(clients.remove(&token)),
                }
            }
        }
    }
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        // An answer waits for nothing behind it.
        let _ = stream.set_nodelay(true);
        let config = ServerConfig::default();
        let deadline = Instant::now() + config.timeout;
        let stage = Stage::Opening { handshake: ServerHandshake::new(config), deadline };
        Self { stream, stage, answer: Vec::new(), shut: false }
    }

    fn deadline(&mut self, server: &Server) -> Option<Duration> {
        match &mut self.stage {
            Stage::Opening { deadline, .. } => {
                Some(deadline.saturating_duration_since(Instant::now()))
            }
            Stage::Open(endpoint) => {
                let now = server.start.elapsed();
                endpoint.poll_timeout(now).map(|at| at.saturating_sub(now))
            }
            Stage::Refusing { deadline } => {
                Some(deadline.saturating_duration_since(Instant::now()))
            }
        }
    }

    fn is_due(&mut self, server: &Server) -> bool {
        self.deadline(server).is_some_and(|left| left.is_zero())
    }

    /// Does what can be done without waiting, or a part of it if that is much. Says whether there
    /// is more. An error ends the connection.
    fn drive(&mut self, server: &mut Server) -> io::Result<bool> {
        let result = self.take_turn(server);
        let Stage::Open(endpoint) = &mut self.stage else { return result };
        let was_receiving = endpoint.connection().is_receiving();
        // The next client has a use for what this one does not need to wait with.
        server.buffers.take_back(endpoint);
        // The text of an unfinished message was not UTF-8: there is a Close frame to write.
        let has_failed = was_receiving && !endpoint.connection().is_receiving();
        Ok(result? || has_failed)
    }

    /// Writes, reads, and does what is due. Says whether there is more to do.
    fn take_turn(&mut self, server: &mut Server) -> io::Result<bool> {
        let more = self.pump(server)?;
        // Not before: what had come, or could be written, may have met the deadline.
        if self.is_due(server) {
            self.handle_timeout(server);
            self.write()?;
        }
        if self.is_over() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(more)
    }

    /// Writes and reads. Says whether there may be more to do.
    fn pump(&mut self, server: &mut Server) -> io::Result<bool> {
        for _ in 0..ROUNDS {
            let written = self.write()?;
            let more = self.read(server)?;
            // What was read before may have been answered although the socket has nothing more; and
            // nothing says again that the socket takes something.
            let has_answers = written && self.has_output();
            if !more && !has_answers {
                return Ok(false);
            }
            if !written && self.is_congested() {
                // Read on when what is queued has gone.
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn handle_timeout(&mut self, server: &Server) {
        match &mut self.stage {
            Stage::Opening { handshake, .. } => {
                let _ = handshake.handle_timeout();
                handshake.fail(&mut self.answer);
                self.stage = Stage::refusing();
            }
            // A failure is in the endpoint, with its Close frame.
            Stage::Open(endpoint) => drop(endpoint.handle_timeout(server.start.elapsed())),
            Stage::Refusing { .. } => {}
        }
    }

    fn has_output(&self) -> bool {
        match &self.stage {
            Stage::Open(endpoint) => endpoint.queued() > 0,
            Stage::Opening { .. } | Stage::Refusing { .. } => !self.answer.is_empty(),
        }
    }

    fn is_congested(&mut self) -> bool {
        match &mut self.stage {
            Stage::Open(endpoint) => endpoint.is_congested(),
            Stage::Opening { .. } | Stage::Refusing { .. } => false,
        }
    }

    /// Whether the peer has ended the connection, or had its time to. Who has only ended its own
    /// side may read on: it gets what is queued, as long as it takes some of that.
    fn is_over(&self) -> bool {
        match &self.stage {
            Stage::Opening { .. } => false,
            Stage::Open(endpoint) => endpoint.connection().is_over() && endpoint.queued() == 0,
            Stage::Refusing { deadline } => *deadline <= Instant::now(),
        }
    }

    /// Reads once and uses it up. Says whether there may be more.
    fn read(&mut self, server: &mut Server) -> io::Result<bool> {
        match &mut self.stage {
            Stage::Opening { .. } => {
                let read = read(&mut self.stream, &mut server.head)?;
                let Some(count) = read else { return Ok(false) };
                self.open(count, server);
                Ok(true)
            }
            Stage::Open(endpoint) => {
                server.buffers.lend_to(endpoint);
                read_frames(&mut self.stream, endpoint)
            }
            Stage::Refusing { .. } => {
                let read = read(&mut self.stream, &mut [0; 1024])?;
                if read == Some(0) && self.answer.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(read.is_some_and(|count| count > 0))
            }
        }
    }

    fn open(&mut self, count: usize, server: &mut Server) {
        let Stage::Opening { handshake, .. } = &mut self.stage else { return };
        let mut input = Input::new(&mut server.head[..count]);
        let received = match count {
            0 => handshake.receive_eof().map(|()| None),
            _ => handshake.receive(&mut input),
        };
        let refusal = Reply::new(426).text("this is a WebSocket endpoint\n");
        self.stage = match received {
            Ok(None) => return,
            Ok(Some(request)) => match handshake.accept(&request, &Accept::new(), &mut self.answer)
            {
                Ok(_) => {
                    let connection = Connection::server(&server.config.connection);
                    let mut endpoint = Endpoint::new(connection, &server.config);
                    endpoint.push_input(input.as_bytes());
                    Stage::Open(Box::new(endpoint))
                }
                Err(_) => {
                    // The reply is valid and there is a request to answer.
                    let _ = handshake.reject(&refusal, &mut self.answer);
                    Stage::refusing()
                }
            },
            Err(_) => {
                handshake.fail(&mut self.answer);
                Stage::refusing()
            }
        };
    }

    /// Writes what there is. Says whether all of it went.
    fn write(&mut self) -> io::Result<bool> {
        while !self.answer.is_empty() {
            let Some(count) = would_block(retry(|| self.stream.write(&self.answer)))? else {
                return Ok(false);
            };
            self.answer.drain(..count);
        }
        let ended = match &mut self.stage {
            Stage::Opening { .. } => false,
            Stage::Refusing { .. } => true,
            Stage::Open(endpoint) => {
                if would_block(endpoint.write_to(&mut self.stream))?.is_none() {
                    return Ok(false);
                }
                endpoint.should_close_transport()
            }
        };
        if ended && !self.shut {
            // The peer's end of the stream is waited for, so that no reset destroys our last bytes.
            self.shut = true;
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(true)
    }
}

fn read_frames(stream: &mut TcpStream, endpoint: &mut Endpoint) -> io::Result<bool> {
    if endpoint.connection().is_over() {
        return Ok(false);
    }
    // Bytes that came behind the handshake are there already.
    echo(endpoint);
    if endpoint.is_congested() {
        return Ok(true);
    }
    let Some(count) = read(stream, endpoint.read_buf())? else { return Ok(false) };
    if count == 0 {
        // Without a Close frame before, this is an unclean end.
        let _ = endpoint.receive_eof();
        return Ok(false);
    }
    endpoint.advance_read(count);
    echo(endpoint);
    Ok(true)
}

/// Answers messages while there is room for answers. An error ends the loop and leaves a Close
/// frame to write.
fn echo(endpoint: &mut Endpoint) {
    while !endpoint.is_congested() {
        let Ok(Some(Received { message, mut out })) = endpoint.next() else { return };
        // Fails only once the connection closes: nothing is to be sent then.
        let _ = out.feed(message);
    }
}

/// `None` if the socket has nothing.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    would_block(retry(|| stream.read(buffer)))
}

fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Calls again what a signal has interrupted.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
