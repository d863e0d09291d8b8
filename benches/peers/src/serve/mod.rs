//! Echo servers, one process each: one thread, one loop over many connections.
//!
//! The opening handshake is the bench's own and the same for all but uWebSockets and ours on tokio,
//! which have no way around theirs; nothing is timed while connections open.

pub mod epoll;
pub mod floor;
pub mod on_tokio;
pub mod uwebsockets;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::peers;

/// A server that `serve` can be asked for.
pub struct Server {
    pub name: &'static str,
    pub run: fn(TcpListener) -> io::Result<()>,
}

/// Ours without a runtime.
pub const OURS_EPOLL: &str = "websocket-proto (epoll)";
/// Does the least work, on tokio and on epoll; and one that only accepts.
pub const FLOOR_TOKIO: &str = "(floor, tokio)";
pub const FLOOR_EPOLL: &str = "(floor, epoll)";
pub const BARE: &str = "(bare accept, tokio)";

/// Everybody who can be measured.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|server| server.name).chain(uwebsockets::PROGRAM.map(|_| uwebsockets::NAME))
}

/// Starts one of them, out of this program or of a copy.
pub fn command(name: &str, program: &Path) -> Command {
    if let (uwebsockets::NAME, Some(program)) = (name, uwebsockets::PROGRAM) {
        return Command::new(program);
    }
    let mut command = Command::new(program);
    command.args(["serve", name]);
    command
}

fn all() -> impl Iterator<Item = &'static Server> {
    floor::SERVERS.iter().chain(peers::ALL.into_iter().flat_map(|peer| peer.servers))
}

/// The sub-command: says the port on standard output, and serves until its parent ends it.
pub fn run(name: &str) -> Result<(), Box<dyn Error>> {
    let server = all().find(|it| it.name == name).ok_or(format!("no server {name}"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    io::stdout().flush()?;
    // A parent that has died must not leave servers behind.
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    (server.run)(listener)?;
    Ok(())
}

pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The answer to [`REQUEST`], and to no other.
pub const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
