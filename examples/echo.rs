//! An echo server with a page to try it, on the tokio adapter.
//!
//! ```sh
//! cargo run --release --example echo        # then open http://localhost:5000
//! ```
//!
//! `GET /` is the page, `/ws` the socket; anything else is 404. `--help` lists the options.

use std::error::Error;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use websocket_proto::CloseCode;
use websocket_proto::endpoint::{Config, Received};
use websocket_proto::handshake::{Accept, OriginPolicy, Reply, ServerConfig};
use websocket_proto::tokio::{Accepting, WebSocket, accept};

const PAGE: &str = include_str!("echo.html");

const HELP: &str = "\
usage: echo [OPTIONS]
  --listen ADDR             address and port, 127.0.0.1:5000 by default; port 0 picks one
  --max-message BYTES       longest message that is taken, 16 MiB by default
  --ping-interval SECONDS   ping a client that has been silent for so long
  --ping-timeout SECONDS    drop a client that stays silent for so long after a ping
  --allowed-origin ORIGIN   let only pages of this origin connect; repeatable
  --subprotocol NAME        a subprotocol to speak; repeatable
  --deflate                 compress messages with clients that can (permessage-deflate)
  --deflate-window-bits N   the largest window of either side, 8 to 15; implies --deflate
  --deflate-no-context-takeover
                            begin each message with an empty window; implies --deflate
";

struct Options {
    listen: String,
    config: Config,
    handshake: ServerConfig,
    subprotocols: Vec<String>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        listen: "127.0.0.1:5000".into(),
        config: Config::default(),
        handshake: ServerConfig::default(),
        subprotocols: Vec::new(),
    };
    let mut origins = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        if option == "--help" {
            print!("{HELP}");
            std::process::exit(0);
        }
        let deflate = &mut options.config.deflate;
        match option.as_str() {
            "--deflate" => {
                deflate.get_or_insert_default();
                continue;
            }
            "--deflate-no-context-takeover" => {
                let deflate = deflate.get_or_insert_default();
                deflate.server_no_context_takeover = true;
                deflate.client_no_context_takeover = true;
                continue;
            }
            _ => {}
        }
        let value = args.next().ok_or_else(|| format!("{option} needs a value\n{HELP}"))?;
        let connection = &mut options.config.connection;
        match option.as_str() {
            "--listen" => options.listen = value,
            "--max-message" => {
                connection.max_message = value.parse()?;
                connection.max_frame = connection.max_message;
            }
            "--ping-interval" => connection.ping_interval = Some(seconds(&value)?),
            "--ping-timeout" => connection.pong_timeout = Some(seconds(&value)?),
            "--allowed-origin" => origins.push(value),
            "--deflate-window-bits" => {
                let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits));
                let bits = bits.ok_or("--deflate-window-bits is 8 to 15")?;
                let deflate = options.config.deflate.get_or_insert_default();
                deflate.server_max_window_bits = bits;
                deflate.client_max_window_bits = bits;
            }
            "--subprotocol" => options.subprotocols.push(value),
            _ => return Err(format!("unknown option {option}\n{HELP}").into()),
        }
    }
    let connection = &options.config.connection;
    if connection.pong_timeout.is_some() && connection.ping_interval.is_none() {
        return Err("--ping-timeout needs --ping-interval".into());
    }
    if !origins.is_empty() {
        options.handshake.origins = OriginPolicy::list(origins.iter().map(String::as_str))?;
    }
    Ok(options)
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options: &'static Options = Box::leak(Box::new(options()?));
    let listener = TcpListener::bind(&options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);

    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let stopped = stopped.clone();
                    connections.spawn(async move {
                        if let Err(error) = serve(stream, options, stopped).await {
                            eprintln!("{peer}: {error}");
                        }
                    });
                }
                // Out of file descriptors, say: others have to end first.
                Err(error) => {
                    eprintln!("accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            // Reap what has ended.
            Some(_) = connections.join_next() => {}
            result = tokio::signal::ctrl_c() => {
                result?;
                break;
            }
        }
    }
    drop(stop);
    // Each connection waits for its peer no longer than the close timeout.
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn serve(
    stream: TcpStream,
    options: &Options,
    stopped: watch::Receiver<()>,
) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut stop = stopped.clone();
    let accepting = tokio::select! {
        accepting = accept(stream, options.handshake.clone()) => accepting?,
        _ = stop.changed() => return Ok(()),
    };
    let request = accepting.request();
    match (request.method(), request.path()) {
        (_, "/ws") if request.is_upgrade() => {
            let supported: Vec<&str> = options.subprotocols.iter().map(String::as_str).collect();
            let reply = Accept::new().subprotocol(request.choose_subprotocol(&supported));
            let (ws, _) = accepting.accept(&reply, &options.config).await?;
            echo(ws, stopped).await
        }
        (_, "/ws") => refuse(accepting, 426, "this is a WebSocket endpoint\n").await,
        ("GET" | "HEAD", "/") => {
            let page = Reply::new(200)
                .header("Content-Type", "text/html; charset=utf-8")
                .header("Cache-Control", "no-cache")
                .body(PAGE.as_bytes());
            Ok(accepting.reject(&page).await?)
        }
        (_, "/") => refuse(accepting, 405, "only GET\n").await,
        _ => refuse(accepting, 404, "nothing here; the socket is at /ws\n").await,
    }
}

async fn refuse(
    accepting: Accepting<TcpStream>,
    status: u16,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    Ok(accepting.reject(&Reply::new(status).text(text)).await?)
}

async fn echo(
    mut ws: WebSocket<TcpStream>,
    mut stopped: watch::Receiver<()>,
) -> Result<(), Box<dyn Error>> {
    loop {
        tokio::select! {
            received = ws.next() => match received? {
                // Queued from the read buffer; `next` writes it before it waits again.
                Some(Received { message, mut out }) => out.feed(message)?,
                None => return Ok(()),
            },
            _ = stopped.changed() => break,
        }
    }
    ws.close(CloseCode::GOING_AWAY, "the server shuts down").await?;
    Ok(())
}
