//! [`ClientRequest`], what a client is going to ask.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
#[cfg(feature = "deflate")]
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "deflate")]
use crate::deflate;

use super::error::{RequestError, UrlError};
use super::headers::{check_field, is_token};
use super::origin::is_origin;
use super::reply::{HEAD, push_field};
use super::url::Url;

/// Fields that only the handshake writes.
const REQUEST_FIELDS: &[&str] = &[
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Content-Length",
    "Transfer-Encoding",
];

/// A request for a WebSocket connection. Everything in it was checked when it was put in, so that
/// nothing can inject a line, and writing it cannot fail.
///
/// ```
/// use websocket_proto::handshake::ClientRequest;
///
/// let request = ClientRequest::new("wss://example.com/chat")?
///     .subprotocol("chat.v2")?
///     .subprotocol("chat.v1")?
///     .header("Authorization", "Bearer 42")?;
/// assert_eq!((request.url().host(), request.url().port()), ("example.com", 443));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientRequest {
    url: Url,
    subprotocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Vec<deflate::Offer>,
    headers: Vec<(String, String)>,
}

impl ClientRequest {
    /// Asks for the resource at a URL.
    ///
    /// # Errors
    ///
    /// If the text is no WebSocket URI; see [`Url::parse`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Url::parse(url).map(Self::from)
    }

    /// Adds a field behind those of the handshake. Name and order are kept verbatim.
    ///
    /// # Errors
    ///
    /// If name or value are not valid, or the handshake writes the field itself. An Origin is
    /// checked as by [`origin`](Self::origin).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, RequestError> {
        if name.eq_ignore_ascii_case("Origin") {
            self.check_origin(value)?;
        } else {
            check_field(name, value, REQUEST_FIELDS)?;
        }
        self.headers.push((name.into(), value.into()));
        Ok(self)
    }

    /// Offers a subprotocol. Call it once for each, the favourite first.
    ///
    /// # Errors
    ///
    /// If the name is no token, or is offered already.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, RequestError> {
        if !is_token(name.as_bytes()) {
            return Err(RequestError::InvalidSubprotocol);
        }
        // RFC 6455 §4.1: the values are unique. Names compare exactly.
        if self.subprotocols.iter().any(|other| other == name) {
            return Err(RequestError::RepeatedSubprotocol);
        }
        self.subprotocols.push(name.into());
        Ok(self)
    }

    /// Offers permessage-deflate (RFC 7692 §5). Call it once for each set of parameters, the
    /// favourite first: servers take the first that they can do. [`deflate::Offer::new`] says what
    /// is offered.
    ///
    /// The server may decline, and its parameters need not equal the client's: see
    /// [`Negotiated::deflate`](super::Negotiated::deflate). A response that satisfies none of the
    /// offers is a [`HandshakeError`](super::HandshakeError).
    ///
    /// ```
    /// use websocket_proto::Input;
    /// use websocket_proto::connection::Role;
    /// use websocket_proto::deflate::Config;
    /// use websocket_proto::handshake::{ClientHandshake, ClientRequest};
    ///
    /// let mut small = Config::default();
    /// small.server_max_window_bits = 10; // inflating takes 1 KiB, not 32
    /// let request = ClientRequest::new("ws://example.com/chat")?
    ///     .deflate(&small)
    ///     .deflate(&Config::default()); // but rather a large window than none
    /// let nonce = *b"the sample nonce"; // from a random source, that is
    /// let mut out = Vec::new();
    /// let mut handshake = ClientHandshake::start(&request, nonce, &mut out);
    ///
    /// let mut head = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    ///     Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n";
    /// let response = handshake.receive(&mut Input::new(&mut head))?.expect("complete");
    /// let params = response.negotiated().and_then(|terms| terms.deflate()).expect("accepted");
    /// assert_eq!(params.max_window_bits(Role::Server), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, config: &deflate::Config) -> Self {
        self.deflate.push(deflate::Offer::new(config));
        self
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn has_deflate(&self) -> bool {
        !self.deflate.is_empty()
    }

    /// Says from which origin the request comes. Programs other than browsers need not.
    ///
    /// # Errors
    ///
    /// If it is not the ASCII serialization of an origin (no path, no slash at the end) nor
    /// `file://`, or there is one already.
    pub fn origin(self, origin: &str) -> Result<Self, RequestError> {
        self.header("Origin", origin)
    }

    fn check_origin(&self, origin: &str) -> Result<(), RequestError> {
        if !is_origin(origin) {
            return Err(RequestError::InvalidOrigin);
        }
        if self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Origin")) {
            return Err(RequestError::RepeatedOrigin);
        }
        Ok(())
    }

    /// The URL, from which the caller opens the transport.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The subprotocols offered, in order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str)
    }

    /// Appends the request to `out`.
    pub(super) fn write(&self, key: &str, out: &mut Vec<u8>) {
        let mut head = String::with_capacity(HEAD);
        head.push_str("GET ");
        head.push_str(self.url.resource_name());
        head.push_str(" HTTP/1.1\r\n");
        self.each_field(key, |name, value| push_field(&mut head, name, &value));
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
    }

    /// Gives each field of the request to `push`.
    pub(super) fn each_field<'f>(&'f self, key: &str, mut push: impl FnMut(&'f str, Cow<'f, str>)) {
        push("Host", self.url.authority().into());
        push("Upgrade", "websocket".into());
        // Some servers compare with exactly this spelling.
        push("Connection", "Upgrade".into());
        push("Sec-WebSocket-Key", key.to_owned().into());
        push("Sec-WebSocket-Version", "13".into());
        if !self.subprotocols.is_empty() {
            push("Sec-WebSocket-Protocol", self.subprotocols.join(", ").into());
        }
        #[cfg(feature = "deflate")]
        if !self.deflate.is_empty() {
            let offers: Vec<_> = self.deflate.iter().map(ToString::to_string).collect();
            push("Sec-WebSocket-Extensions", offers.join(", ").into());
        }
        for (name, value) in &self.headers {
            push(name, value.into());
        }
    }

    pub(super) fn offered_subprotocols(&self) -> Vec<String> {
        self.subprotocols.clone()
    }

    #[cfg(feature = "deflate")]
    pub(super) fn offered_deflate(&self) -> Vec<deflate::Offer> {
        self.deflate.clone()
    }
}

/// Shows whom it goes to only: queries and fields hold credentials.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("authority", &self.url.authority())
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}

impl From<Url> for ClientRequest {
    fn from(url: Url) -> Self {
        Self {
            url,
            subprotocols: Vec::new(),
            #[cfg(feature = "deflate")]
            deflate: Vec::new(),
            headers: Vec::new(),
        }
    }
}
