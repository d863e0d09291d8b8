//! What a server answers: [`Accept`], or any other [`Reply`].

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
#[cfg(feature = "deflate")]
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt::{self, Write};

#[cfg(feature = "deflate")]
use crate::deflate::Params;

use super::error::ReplyError;
use super::headers::check_field;
use super::request::Request;
use super::{Negotiated, accept_key};

/// Fields of a 101 response that only the handshake writes.
const SWITCHING_FIELDS: &[&str] = &[
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    // RFC 9110 §8.6, RFC 9112 §6.1: neither in a 1xx response.
    "Content-Length",
    "Transfer-Encoding",
];

/// Fields of another response that only the handshake writes.
const REPLY_FIELDS: &[&str] = &[
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Version",
    "Content-Length",
    "Transfer-Encoding",
];

/// How much room a head to be written has at first, in bytes: most need no more.
pub(super) const HEAD: usize = 256;

/// The terms on which a server accepts a request.
///
/// ```
/// use websocket_proto::handshake::Accept;
///
/// let reply = Accept::new().subprotocol("chat").header("Set-Cookie", "seen=1");
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    #[cfg(feature = "deflate")]
    deflate: Option<Params>,
    /// Whether the application has said yes or no to compression.
    #[cfg(feature = "deflate")]
    decides_deflate: bool,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Accept<'a> {
    /// Accepts without a subprotocol and without further fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses one of the subprotocols that the client offered.
    pub fn subprotocol(mut self, name: impl Into<Option<&'a str>>) -> Self {
        self.subprotocol = name.into();
        self
    }

    /// Compresses messages on these terms, which [`Request::deflate`] gives (RFC 7692 §5), or with
    /// `None` not at all: the adapters then do not go by their configuration.
    ///
    /// ```
    /// use websocket_proto::Input;
    /// use websocket_proto::deflate::Config;
    /// use websocket_proto::handshake::{Accept, ServerConfig, ServerHandshake};
    ///
    /// let mut head = *b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    ///     Sec-WebSocket-Version: 13\r\n\
    ///     Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    /// let mut handshake = ServerHandshake::new(ServerConfig::default());
    /// let request = handshake.receive(&mut Input::new(&mut head))?.expect("complete");
    ///
    /// let mut config = Config::default();
    /// config.client_max_window_bits = 12; // inflating takes 4 KiB, not 32
    /// let reply = Accept::new().deflate(request.deflate(&config));
    /// let mut out = Vec::new();
    /// let negotiated = handshake.accept(&request, &reply, &mut out)?;
    ///
    /// let params = negotiated.deflate().expect("offered");
    /// assert_eq!(params.to_string(), "permessage-deflate; client_max_window_bits=12");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, params: impl Into<Option<Params>>) -> Self {
        self.deflate = params.into();
        self.decides_deflate = true;
        self
    }

    /// Whether [`deflate`](Self::deflate) has been called.
    #[cfg(feature = "deflate")]
    pub(crate) fn has_deflate(&self) -> bool {
        self.decides_deflate
    }

    /// Adds a field, such as a cookie. It may not be one that the handshake writes.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Writes the 101 response. Nothing is written on an error.
    pub(super) fn write(
        &self,
        request: &Request,
        out: &mut Vec<u8>,
    ) -> Result<Negotiated, ReplyError> {
        let mut head = String::with_capacity(HEAD);
        // RFC 9110 §7.8: a client that expects 100 gets it before the 101.
        if request.expects_continue() {
            head.push_str("HTTP/1.1 100 Continue\r\n\r\n");
        }
        head.push_str("HTTP/1.1 101 Switching Protocols\r\n");
        let negotiated = self.each_field(request, |name, value| {
            push_field(&mut head, name, &value);
        })?;
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        Ok(negotiated)
    }

    /// The fields of the 101 response, in order, for an HTTP library that writes it (RFC 6455
    /// §4.2.2). The stream that it then gives is for the `new` of an adapter's `WebSocket`, with an
    /// [`Endpoint`](crate::Endpoint) on these terms; `examples/axum` is a whole server.
    ///
    /// ```
    /// use websocket_proto::handshake::{Accept, OriginPolicy, Request};
    ///
    /// let fields = [
    ///     ("host", "example.com"),
    ///     ("upgrade", "websocket"),
    ///     ("connection", "Upgrade"),
    ///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", "13"),
    /// ];
    /// let request = Request::from_fields("GET", "/chat", fields, &OriginPolicy::Any)?;
    /// let (fields, _negotiated) = Accept::new().fields(&request)?;
    /// assert!(fields.iter().any(|(name, value)| {
    ///     *name == "Sec-WebSocket-Accept" && value == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    /// }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A client that expects a 100 (Continue) gets it from that library, or not at all: none has a
    /// body to wait with.
    ///
    /// # Errors
    ///
    /// If the request is no upgrade, or the terms are not valid: [`Reply::fields`] has what belongs
    /// to a refusal.
    pub fn fields(&self, request: &Request) -> Result<(Fields<'a>, Negotiated), ReplyError> {
        let mut fields = Vec::new();
        let negotiated = self.each_field(request, |name, value| fields.push((name, value)))?;
        Ok((fields, negotiated))
    }

    /// Gives each field of the 101 response to `push`: none on an error.
    fn each_field(
        &self,
        request: &Request,
        mut push: impl FnMut(&'a str, Cow<'a, str>),
    ) -> Result<Negotiated, ReplyError> {
        let Some(key) = request.key().filter(|_| request.is_upgrade()) else {
            return Err(ReplyError::NotAnUpgrade);
        };
        // RFC 6455 §4.2.2: the subprotocol is one of the client's. Names compare exactly.
        if self.subprotocol.is_some_and(|name| request.subprotocols().all(|offer| offer != name)) {
            return Err(ReplyError::SubprotocolNotOffered);
        }
        // RFC 7692 §5: a response accepts an offer, or has no element.
        #[cfg(feature = "deflate")]
        if self.deflate.is_some_and(|params| !params.is_answer_to(&request.extensions())) {
            return Err(ReplyError::DeflateNotOffered);
        }
        for (name, value) in &self.headers {
            check_field(name, value, SWITCHING_FIELDS)?;
        }
        push("Upgrade", Cow::Borrowed("websocket"));
        push("Connection", Cow::Borrowed("Upgrade"));
        push("Sec-WebSocket-Accept", Cow::Owned(accept_key(key)));
        if let Some(name) = self.subprotocol {
            push("Sec-WebSocket-Protocol", Cow::Borrowed(name));
        }
        #[cfg(feature = "deflate")]
        if let Some(params) = self.deflate {
            push("Sec-WebSocket-Extensions", Cow::Owned(params.to_string()));
        }
        for (name, value) in &self.headers {
            push(name, Cow::Borrowed(value));
        }
        Ok(Negotiated {
            subprotocol: self.subprotocol.map(Box::from),
            #[cfg(feature = "deflate")]
            deflate: self.deflate,
        })
    }
}

/// Fields of a head: names and values, in order.
pub type Fields<'f> = Vec<(&'f str, Cow<'f, str>)>;

/// Any answer but 101: a refusal, a redirect, a page.
///
/// Content-Length and `Connection: close` are added, `Allow: GET` to a 405, and the fields that RFC
/// 6455 §4.2.2 and RFC 9110 §15.5.22 ask of it to a 426.
///
/// ```
/// use websocket_proto::handshake::Reply;
///
/// let reply = Reply::new(401).header("WWW-Authenticate", "Bearer").text("who are you?\n");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Reply<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Answers with a status from 200 to 999, without a body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: &[] }
    }

    /// Adds a field. It may not be one that the handshake writes.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets the body. Its type is the caller's to say.
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Sets a body of plain text, and its Content-Type.
    pub fn text(self, text: &'a str) -> Self {
        self.header("Content-Type", "text/plain; charset=utf-8").body(text.as_bytes())
    }

    /// The fields of the response, in order, for an HTTP library that writes it: with those that
    /// belong to a 405 and a 426, and without Content-Length and `Connection: close`, which are that
    /// library's to write.
    ///
    /// ```
    /// use websocket_proto::handshake::{HandshakeError, Reply};
    ///
    /// let reply = Reply::new(HandshakeError::UnsupportedVersion.status());
    /// let fields = reply.fields()?;
    /// assert!(fields.iter().any(|(name, value)| *name == "Sec-WebSocket-Version" && value == "13"));
    /// # Ok::<(), websocket_proto::handshake::ReplyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the status is not final or a field is not valid.
    pub fn fields(&self) -> Result<Fields<'a>, ReplyError> {
        self.check()?;
        let mut fields = Vec::new();
        self.each_due("Upgrade", |name, value| fields.push((name, Cow::Borrowed(value))));
        fields.extend(self.headers.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))));
        Ok(fields)
    }

    fn check(&self) -> Result<(), ReplyError> {
        // RFC 9110 §15: 1xx is not final.
        if !matches!(self.status, 200..=999) {
            return Err(ReplyError::InvalidStatus(self.status));
        }
        for (name, value) in &self.headers {
            check_field(name, value, REPLY_FIELDS)?;
        }
        Ok(())
    }

    /// Gives each field that the status asks for to `push`; `connection` is what the one of that
    /// name says beside an Upgrade.
    fn each_due(&self, connection: &'static str, mut push: impl FnMut(&'static str, &'static str)) {
        match self.status {
            // RFC 9110 §15.5.22 and RFC 6455 §4.4: what would have been accepted.
            426 => {
                push("Upgrade", "websocket");
                push("Connection", connection);
                push("Sec-WebSocket-Version", "13");
            }
            // RFC 9110 §15.5.6: a 405 says what is allowed.
            405 if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Allow")) => {
                push("Allow", "GET");
            }
            _ => {}
        }
    }

    /// Writes the response. Nothing is written on an error.
    pub(super) fn write(&self, content: Content, out: &mut Vec<u8>) -> Result<(), ReplyError> {
        self.check()?;
        let status = self.status;
        let mut head = String::with_capacity(HEAD);
        // Writing to a string does not fail.
        let _ = write!(head, "HTTP/1.1 {status} {}\r\n", reason(status));
        if status != 426 {
            push_field(&mut head, "Connection", "close");
        }
        self.each_due("Upgrade, close", |name, value| push_field(&mut head, name, value));
        // RFC 9110 §8.6, §15.3.6: no length in a 204, none of a page that is not shown in a 304,
        // and no content in a 205.
        let body = match status {
            204 | 205 | 304 => &[],
            _ => self.body,
        };
        if !matches!(status, 204 | 304) {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            push_field(&mut head, name, value);
        }
        head.push_str("\r\n");
        out.extend_from_slice(head.as_bytes());
        match content {
            Content::Send => out.extend_from_slice(body),
            Content::Omit => {}
        }
        Ok(())
    }
}

/// Shows the subprotocol only: fields hold cookies.
impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accept").field("subprotocol", &self.subprotocol).finish_non_exhaustive()
    }
}

/// Shows the status only: fields hold cookies.
impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Whether the content goes out: RFC 9110 §9.3.2 has a HEAD answered with the head alone.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Send,
    Omit,
}

/// Writes a field line.
pub(super) fn push_field(head: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        head.push_str(part);
    }
}

/// The phrase that RFC 9110 §15 and RFC 6585 give a status, or none: it is for people only.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
