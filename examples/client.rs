//! A small interactive client: sends the lines that are typed, prints what comes.
//!
//! ```sh
//! cargo run --release --example client -- ws://localhost:5000/ws
//! ```
//!
//! Options before the URL: `--subprotocol NAME`, `--header 'NAME: VALUE'`, `--origin ORIGIN`.
//! The end of the input closes the connection.

use std::error::Error;
use std::io::BufRead;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use websocket_proto::endpoint::Config;
use websocket_proto::handshake::{ClientConfig, ClientRequest};
use websocket_proto::tokio::{self as ws, connect};
use websocket_proto::{CloseCode, Message};

fn request() -> Result<ClientRequest, Box<dyn Error>> {
    let usage = "usage: client [--subprotocol NAME] [--header 'NAME: VALUE'] [--origin ORIGIN] URL";
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let url = args.pop().ok_or(usage)?;
    let mut request = ClientRequest::new(&url)?;
    for option in args.chunks(2) {
        request = match option {
            [name, value] if name == "--subprotocol" => request.subprotocol(value)?,
            [name, value] if name == "--origin" => request.origin(value)?,
            [name, value] if name == "--header" => {
                let (name, value) = value.split_once(':').ok_or(usage)?;
                request.header(name, value.trim())?
            }
            _ => return Err(usage.into()),
        };
    }
    Ok(request)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let request = request()?;
    let url = request.url();
    if url.is_secure() {
        return Err("wss needs TLS: wrap the stream, in tokio-rustls say, before `connect`".into());
    }
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    stream.set_nodelay(true)?;
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(20));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let (socket, response) = match connect(stream, &request, ClientConfig::default(), &config).await
    {
        Ok(connected) => connected,
        Err(ws::Error::Refused(response)) => {
            for (name, value) in response.headers() {
                eprintln!("{name}: {}", value.escape_ascii());
            }
            return Err(format!("{} {}", response.status(), response.reason()).into());
        }
        Err(error) => return Err(error.into()),
    };
    let negotiated = response.negotiated().and_then(|it| it.subprotocol());
    eprintln!("connected, subprotocol {}", negotiated.unwrap_or("none"));

    // The keyboard cannot be waited for without a thread of its own.
    let (lines, mut typed) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                break;
            }
        }
    });

    let (mut receiver, sender) = socket.split();
    let sending = tokio::spawn(async move {
        while let Some(line) = typed.recv().await {
            if let Err(error) = sender.send(&line).await {
                return eprintln!("not sent: {error}");
            }
        }
        // How it ends is the receiver's to see.
        let _ = sender.close(CloseCode::NORMAL, "").await;
    });
    while let Some(message) = receiver.next().await? {
        match message {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("[{} bytes] {}", bytes.len(), bytes.escape_ascii()),
        }
    }
    sending.abort();
    if let Some(outcome) = receiver.outcome() {
        eprintln!("closed with {}", outcome.received);
    }
    Ok(())
}
