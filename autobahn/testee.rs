//! What the Autobahn suite drives besides the `echo`, `by_hand` and `mio` examples: a server on the
//! blocking adapter, and a client on each. See `autobahn/README.md`.

use std::error::Error;
use std::net::{TcpListener, TcpStream};

use websocket_proto::blocking;
use websocket_proto::deflate;
use websocket_proto::endpoint::{Config, Received};
use websocket_proto::handshake::{Accept, ClientConfig, ClientRequest, Reply, ServerConfig};
use websocket_proto::tokio as async_ws;

const USAGE: &str = "\
usage: autobahn server --adapter blocking --listen ADDR [--deflate]
       autobahn client --adapter blocking|tokio --url ws://HOST:PORT --agent NAME [--deflate]";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    let adapter = option("--adapter").ok_or(USAGE)?;
    let mut config = Config::default();
    config.deflate = args.iter().any(|arg| arg == "--deflate").then(deflate::Config::default);
    match (args.first().map(String::as_str), adapter.as_str()) {
        (Some("server"), "blocking") => serve(&option("--listen").ok_or(USAGE)?, config),
        (Some("client"), adapter) => {
            let url = option("--url").ok_or(USAGE)?;
            let agent = option("--agent").ok_or(USAGE)?;
            run_cases(adapter, url.trim_end_matches('/'), &agent, &config)
        }
        _ => Err(USAGE.into()),
    }
}

fn serve(listen: &str, config: Config) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    for stream in listener.incoming().flatten() {
        let config = config.clone();
        std::thread::spawn(move || {
            if let Err(error) = echo_as_server(stream, &config) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn echo_as_server(stream: TcpStream, config: &Config) -> Result<(), blocking::Error> {
    stream.set_nodelay(true)?;
    let accepting = blocking::accept(stream, ServerConfig::default())?;
    if !accepting.request().is_upgrade() {
        return accepting.reject(&Reply::new(426));
    }
    let (ws, _) = accepting.accept(&Accept::new(), config)?;
    echo_blocking(ws).map(drop)
}

/// Echoes to the end; the last message is what the caller may want.
fn echo_blocking(
    mut ws: blocking::WebSocket<TcpStream>,
) -> Result<Option<String>, blocking::Error> {
    let mut last = None;
    while let Some(Received { message, mut out }) = ws.next()? {
        last = message.as_text().filter(|text| text.len() < 16).map(String::from);
        out.feed(message)?;
    }
    Ok(last)
}

async fn echo_tokio(
    mut ws: async_ws::WebSocket<tokio::net::TcpStream>,
) -> Result<Option<String>, async_ws::Error> {
    let mut last = None;
    while let Some(Received { message, mut out }) = ws.next().await? {
        last = message.as_text().filter(|text| text.len() < 16).map(String::from);
        out.feed(message)?;
    }
    Ok(last)
}

/// The client's side of the suite: ask for the number of cases, run each, ask for the report.
fn run_cases(adapter: &str, url: &str, agent: &str, config: &Config) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let visit = |path: String| -> Result<Option<String>, Box<dyn Error>> {
        let request = ClientRequest::new(&format!("{url}{path}"))?;
        let address = (request.url().host(), request.url().port());
        match adapter {
            "blocking" => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                let handshake = ClientConfig::default();
                let (ws, _) = blocking::connect(stream, &request, handshake, config)?;
                Ok(echo_blocking(ws)?)
            }
            "tokio" => runtime.block_on(async {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let handshake = ClientConfig::default();
                let (ws, _) = async_ws::connect(stream, &request, handshake, config).await?;
                Ok(echo_tokio(ws).await?)
            }),
            _ => Err(USAGE.into()),
        }
    };
    let count: u32 = visit("/getCaseCount".into())?.ok_or("no case count")?.parse()?;
    for case in 1..=count {
        // Most cases end in an error on purpose; the suite judges what was on the wire.
        if let Err(error) = visit(format!("/runCase?case={case}&agent={agent}")) {
            eprintln!("case {case}: {error}");
        }
    }
    visit(format!("/updateReports?agent={agent}"))?;
    Ok(())
}
