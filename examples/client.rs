//! A small interactive client: sends the lines that are typed, prints what comes.
//!
//! ```sh
//! cargo run --release --example client -- ws://localhost:5000/ws
//! ```
//!
//! Options before the URL: `--subprotocol NAME`, `--header 'NAME: VALUE'`, `--origin ORIGIN`, and
//! for compression those of `echo`: `--deflate`, `--deflate-window-bits N`,
//! `--deflate-no-context-takeover`.
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

const USAGE: &str = "\
usage: client [--subprotocol NAME] [--header 'NAME: VALUE'] [--origin ORIGIN]
              [--deflate] [--deflate-window-bits N] [--deflate-no-context-takeover] URL";

fn options() -> Result<(ClientRequest, Config), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut request = ClientRequest::new(&args.pop().ok_or(USAGE)?)?;
    let mut config = Config::default();
    config.connection.ping_interval = Some(Duration::from_secs(20));
    config.connection.pong_timeout = Some(Duration::from_secs(20));
    let mut args = args.iter().map(String::as_str);
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or(USAGE);
        let deflate = &mut config.deflate;
        match option {
            "--subprotocol" => request = request.subprotocol(value()?)?,
            "--origin" => request = request.origin(value()?)?,
            "--header" => {
                let (name, value) = value()?.split_once(':').ok_or(USAGE)?;
                request = request.header(name, value.trim())?;
            }
            "--deflate" => {
                deflate.get_or_insert_default();
            }
            "--deflate-window-bits" => {
                let bits = value()?.parse().ok().filter(|bits| (8..=15).contains(bits));
                let bits = bits.ok_or("--deflate-window-bits is 8 to 15")?;
                let deflate = deflate.get_or_insert_default();
                deflate.server_max_window_bits = bits;
                deflate.client_max_window_bits = bits;
            }
            "--deflate-no-context-takeover" => {
                let deflate = deflate.get_or_insert_default();
                deflate.server_no_context_takeover = true;
                deflate.client_no_context_takeover = true;
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok((request, config))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (request, config) = options()?;
    let url = request.url();
    if url.is_secure() {
        return Err("wss needs TLS: wrap the stream, in tokio-rustls say, before `connect`".into());
    }
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    stream.set_nodelay(true)?;
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
