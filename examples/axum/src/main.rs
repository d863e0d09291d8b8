//! An echo server in axum, whose router and middleware see the request before this crate does.
//!
//! ```sh
//! cargo run --release --manifest-path examples/axum/Cargo.toml        # then open http://localhost:5000
//! ```
//!
//! What axum's `with_graceful_shutdown` waits for does not include connections that were upgraded:
//! tell their tasks to close (`Sender::try_close` with 1001), and wait for these yourself.
//!
//! `--listen ADDR` for another address. With hyper alone it is the same: all but the router is hyper's.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, Version};
use axum::response::Html;
use axum::routing::get;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use websocket_proto::endpoint::{Config, Endpoint, Received};
use websocket_proto::handshake::{self, Accept, Fields, Negotiated, OriginPolicy, Reply};
use websocket_proto::tokio::{Error, WebSocket};

/// The settings of all connections.
fn config() -> Config {
    let mut config = Config::default();
    config.deflate = Some(Default::default());
    config
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|it| it != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:5000".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/", get(async || Html(include_str!("../../echo.html"))))
        .route("/ws", get(upgrade));
    axum::serve(listener, router).await
}

/// Answers with the 101, and leaves the connection to a task of its own.
async fn upgrade(request: Request) -> Result<Response<Body>, Response<Body>> {
    let (mut parts, _) = request.into_parts();
    // HTTP/1.0 knows no upgrade, and HTTP/2 another one.
    let upgraded = parts.extensions.remove::<OnUpgrade>();
    let Some(upgraded) = upgraded.filter(|_| parts.version == Version::HTTP_11) else {
        return Err(refuse(426, "this is a WebSocket endpoint\n"));
    };
    let asked = handshake::Request::from_fields(
        parts.method.as_str(),
        &parts.uri.to_string(),
        &parts.headers,
        &OriginPolicy::Any,
    );
    let asked = asked.map_err(|error| refuse(error.status(), &error.to_string()))?;
    let config = config();
    let deflate = config.deflate.as_ref().and_then(|deflate| asked.deflate(deflate));
    let terms = Accept::new().subprotocol(asked.choose_subprotocol(&["echo"])).deflate(deflate);
    let (fields, negotiated) =
        terms.fields(&asked).map_err(|error| refuse(error.status(), &error.to_string()))?;
    tokio::spawn(async move {
        match upgraded.await {
            Ok(io) => {
                if let Err(error) = echo(io, config, negotiated).await {
                    eprintln!("{error}");
                }
            }
            Err(error) => eprintln!("upgrade: {error}"),
        }
    });
    Ok(answer(101, &fields, ""))
}

/// A refusal, with the fields that belong to it.
fn refuse(status: u16, why: &str) -> Response<Body> {
    let fields = Reply::new(status).fields().unwrap_or_default();
    answer(status, &fields, why)
}

fn answer(status: u16, fields: &Fields<'_>, body: &str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, &**value);
    }
    let failed = |_| Response::new(Body::empty());
    response.body(Body::from(body.to_owned())).unwrap_or_else(failed)
}

async fn echo(io: Upgraded, config: Config, negotiated: Negotiated) -> Result<(), Error> {
    let mut ws = WebSocket::new(TokioIo::new(io), Endpoint::server(&config, &negotiated));
    while let Some(Received { message, mut out }) = ws.next().await? {
        out.feed(message)?;
    }
    Ok(())
}
