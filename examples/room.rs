//! A room: what one client says, all others hear. On the tokio adapter.
//!
//! ```sh
//! cargo run --release --example room
//! cargo run --release --example client -- ws://localhost:5001/    # in two other terminals
//! ```
//!
//! A message is encoded once however many hear it, and sent from the task of who said it, which
//! waits for nobody: a client that does not keep up is closed.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use websocket_proto::endpoint::Config;
use websocket_proto::handshake::{Accept, Reply, ServerConfig};
use websocket_proto::tokio::{Sender, accept};
use websocket_proto::{CloseCode, Message, PreparedMessage, SendError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:5001").await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let room = Arc::new(Room::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Out of file descriptors, say: others have to leave first.
            Err(error) => {
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            // Small messages are not held back for more.
            let _ = stream.set_nodelay(true);
            if let Err(error) = serve(stream, &room).await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// The clients that are there, each by a number of its own.
pub struct Room<S> {
    members: Mutex<(u64, HashMap<u64, Sender<S>>)>,
}

impl<S> Default for Room<S> {
    fn default() -> Self {
        Self { members: Mutex::default() }
    }
}

/// Serves a client for as long as it stays.
pub async fn serve<S>(stream: S, room: &Room<S>) -> Result<(), Box<dyn Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepting = accept(stream, ServerConfig::default()).await?;
    if !accepting.request().is_upgrade() {
        let reply = Reply::new(426).text("this is a WebSocket endpoint\n");
        return Ok(accepting.reject(&reply).await?);
    }
    // What a client may leave unread before it is closed.
    let mut config = Config::default();
    config.high_watermark = 1024 * 1024;
    let (ws, _) = accepting.accept(&Accept::new(), &config).await?;
    let (mut receiver, sender) = ws.split();
    let member = room.enter(sender);
    // It waits here also while others send to it: that keeps the deadlines, and writes.
    while let Some(message) = receiver.next().await? {
        member.say(message);
    }
    Ok(())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Room<S> {
    fn enter(&self, sender: Sender<S>) -> Member<'_, S> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, senders) = &mut *members;
        *next += 1;
        senders.insert(*next, sender);
        Member { room: self, number: *next }
    }
}

/// A client's place in the room, until it is dropped.
struct Member<'r, S> {
    room: &'r Room<S>,
    number: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Member<'_, S> {
    fn say(&self, message: Message<'_>) {
        let prepared = PreparedMessage::new(message);
        let members = self.room.members.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, other) in &members.1 {
            if *number == self.number {
                continue;
            }
            if let Err(SendError::Full { .. }) = other.try_send(&prepared) {
                // Its task goes through the closing handshake, or gives up after the close timeout.
                let _ = other.try_close(CloseCode::TRY_AGAIN_LATER, "too slow");
            }
        }
    }
}

impl<S> Drop for Member<'_, S> {
    fn drop(&mut self) {
        let mut members = self.room.members.lock().unwrap_or_else(PoisonError::into_inner);
        let left = members.1.remove(&self.number);
        drop(members);
        // Without the lock: the connection may end with it.
        drop(left);
    }
}
