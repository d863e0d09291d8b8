//! Both sides of the opening handshake (RFC 6455 §4), without I/O.
//!
//! Owns the HTTP/1.1 request and its response: parsing, checking, choosing a subprotocol, writing.
//! Leaves sockets, TLS, proxies, clocks and random numbers to its driver, redirects and credentials
//! to the application, the terms of compression to the `deflate` module, and everything behind the
//! head to the connection.
//!
//! ```text
//!  ServerHandshake                            ClientHandshake
//!
//!   new                                        start ----> out: request
//!    |                                           |
//!  receive <---- input: request                receive <---- input: response
//!    |      \                                    |      \
//!    |       Err: fail ----> out: 4xx            |       Err: close
//!  Request (yours to keep)                     Response
//!    |      \                                    |      \
//!  accept   reject ----> out: any status       101     anything else: data, with its body
//!    |             then close                    |
//!  out: 101                                  Negotiated
//!    |                                           |
//!  Negotiated                                  frames, beginning with what is left of the input
//!    |
//!  frames, beginning with what is left of the input
//! ```
//!
//! # Security: check the origin
//!
//! **Browsers let every web page connect to every WebSocket server, with the user's cookies.**
//! Unless what your server does is the same for everybody, or its clients authenticate inside the
//! protocol, set [`ServerConfig::origins`] to something else than [`OriginPolicy::Any`], or check
//! [`Request::origin`] yourself. See [`OriginPolicy`].
//!
//! # A server
//!
//! ```
//! use websocket_proto::Input;
//! use websocket_proto::handshake::{Accept, ServerConfig, ServerHandshake};
//!
//! let mut buffer = *b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
//!     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: superchat, chat\r\n\r\n\x81\x80";
//! let mut input = Input::new(&mut buffer); // what a read put into the buffer
//! let mut out = Vec::new(); // what is to be written
//!
//! let mut handshake = ServerHandshake::new(ServerConfig::default());
//! let request = match handshake.receive(&mut input) {
//!     Ok(Some(request)) => request,
//!     Ok(None) => return Ok(()), // read more
//!     Err(error) => {
//!         handshake.fail(&mut out); // write, and close
//!         return Err(error.into());
//!     }
//! };
//! let reply = Accept::new().subprotocol(request.choose_subprotocol(&["chat"]));
//! let negotiated = handshake.accept(&request, &reply, &mut out)?;
//!
//! assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! assert_eq!(negotiated.subprotocol(), Some("chat"));
//! assert_eq!(input.as_bytes(), b"\x81\x80"); // the beginning of the first frame
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A client
//!
//! ```
//! use websocket_proto::Input;
//! use websocket_proto::handshake::{ClientHandshake, ClientRequest};
//!
//! let request = ClientRequest::new("ws://example.com/chat")?;
//! let nonce = *b"the sample nonce"; // from a random source, that is
//! let mut out = Vec::new();
//! let mut handshake = ClientHandshake::start(&request, nonce, &mut out);
//! assert!(out.starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
//!
//! let mut buffer = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
//! match handshake.receive(&mut Input::new(&mut buffer))? {
//!     Some(response) if response.is_switching() => {} // frames from here on
//!     Some(response) => println!("the server answers {}", response.status()),
//!     None => {} // read more
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Choices that the specifications leave open
//!
//! - An empty line before the request is refused, against the advice of RFC 9112 §2.2: it is there
//!   for clients that send one behind a body, and this is the first request of its connection.
//! - A bare LF is refused (RFC 9112 §2.2 allows both).
//! - A folded field line is refused in a request; in a response spaces take the place of the fold
//!   (RFC 9112 §5.2 allows either in a request).
//! - A key that is not *canonical* base64 is refused, the one misprinted in RFC 6455 §4.1 (erratum
//!   3150) among them: no encoder makes it.
//! - `Content-Length: 0` on an upgrade is accepted, because Java's client sends it. Any other
//!   length and any Transfer-Encoding is refused.
//! - A version other than 13 and a missing one are answered with 426, not with the 400 of the
//!   example in RFC 6455 §4.4.
//! - The client accepts further options in Connection, but `websocket` alone in Upgrade.
//! - User information in a URL is refused; put it into an Authorization field.
//! - Empty elements in lists are skipped. A client that offers a subprotocol twice is heard.

mod accept_key;
mod authority;
mod chunked;
mod client;
mod client_request;
mod config;
mod error;
mod head;
mod headers;
mod origin;
mod reply;
mod request;
mod response;
mod server;
mod url;

use alloc::boxed::Box;

#[cfg(feature = "deflate")]
use crate::deflate::Params;

pub use accept_key::accept_key;
pub use client::ClientHandshake;
pub use client_request::ClientRequest;
pub use config::{ClientConfig, MissingSubprotocol, ServerConfig};
pub use error::{HandshakeError, HeaderError, OriginError, ReplyError, RequestError, UrlError};
pub use headers::{Extension, ExtensionSyntaxError, is_token, list_elements, parse_extensions};
pub use origin::{OriginList, OriginPolicy, Scheme};
pub use reply::{Accept, Fields, Reply};
pub use request::Request;
pub use response::Response;
pub use server::ServerHandshake;
pub use url::Url;

/// What both sides have agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    deflate: Option<Params>,
}

impl Negotiated {
    /// The subprotocol in use, if there is one.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The parameters of permessage-deflate, if messages may be compressed (RFC 7692 §5).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self) -> Option<Params> {
        self.deflate
    }
}
