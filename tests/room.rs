//! The example `room`: what one client says, all others hear, also when one of them does not listen.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/room.rs"]
mod room;

use std::sync::Arc;
use std::time::Duration;

use room::{Room, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use websocket_proto::endpoint::Config;
use websocket_proto::handshake::{ClientConfig, ClientRequest};
use websocket_proto::tokio::{WebSocket, connect};
use websocket_proto::{CloseCode, OwnedMessage};

type Client = WebSocket<DuplexStream>;

async fn ends<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("hangs")
}

/// A client that has come in, and the end of its task.
async fn enter(room: &Arc<Room<DuplexStream>>) -> (Client, JoinHandle<bool>) {
    let (near, far) = duplex(1_000);
    let room = Arc::clone(room);
    let serving = tokio::spawn(async move { serve(far, &room).await.is_ok() });
    let request = ClientRequest::new("ws://localhost/").unwrap();
    let config = Config::default();
    let connecting = connect(near, &request, ClientConfig::default(), &config);
    (ends(connecting).await.unwrap().0, serving)
}

async fn hears(client: &mut Client, expected: &OwnedMessage) {
    let message = ends(client.next_owned()).await.unwrap();
    assert!(message.as_ref() == Some(expected), "{message:?}");
}

#[tokio::test(start_paused = true)]
async fn what_one_says_the_others_hear() {
    let room = Arc::default();
    let (mut first, mut second, mut third) =
        (enter(&room).await.0, enter(&room).await, enter(&room).await.0);
    for message in [OwnedMessage::from("hello"), vec![7; 100_000].into()] {
        ends(first.send_owned(message.clone())).await.unwrap();
        hears(&mut second.0, &message).await;
        hears(&mut third, &message).await;
    }
    ends(second.0.close(CloseCode::NORMAL, "")).await.unwrap();
    assert!(ends(second.1).await.unwrap(), "a clean end");
    ends(third.send("for you")).await.unwrap();
    // The first that it hears: not what it said itself.
    hears(&mut first, &"for you".into()).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_listen_holds_up_nobody_and_is_closed() {
    let room = Arc::default();
    let (mut first, _first) = enter(&room).await;
    let (deaf, serving) = enter(&room).await;
    let (mut third, _third) = enter(&room).await;
    let message = OwnedMessage::from(vec![7; 100_000]);
    for _ in 0..30 {
        ends(first.send_owned(message.clone())).await.unwrap();
        hears(&mut third, &message).await;
    }
    let full_at = Instant::now();
    assert!(!ends(serving).await.unwrap(), "it has not answered the Close");
    // That is the close timeout, and not yet the one for writing.
    assert!(full_at.elapsed() < Duration::from_secs(10));
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_page_is_told_that_there_is_none() {
    let (mut near, far) = duplex(1_000);
    let serving = tokio::spawn(async move { serve(far, &Room::default()).await.is_ok() });
    near.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    ends(near.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(ends(serving).await.unwrap());
}
