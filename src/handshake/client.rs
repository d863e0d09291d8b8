//! [`ClientHandshake`], the client's side of the opening handshake.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::str;
use core::time::Duration;

use crate::Input;
#[cfg(feature = "deflate")]
use crate::deflate;

use super::client_request::ClientRequest;
use super::config::{ClientConfig, MissingSubprotocol};
use super::error::HandshakeError;
use super::head::{Head, HeadReader, RawHead, Version};
use super::headers::{any_element, is_token, parse_extensions};
use super::response::{BodyLength, Response};
use super::{Fields, Negotiated, accept_key};

/// The client's side of one opening handshake: gives a request, then takes one response.
///
/// The module documentation draws the flow. Nothing else may be sent before the response has come
/// (RFC 6455 §4.1). Bytes behind a 101 stay in the input: they are the first frames.
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
    offer: Offer,
    max_body: u64,
    timeout: Duration,
}

/// What the response is held against.
#[derive(Debug)]
struct Offer {
    accept: String,
    subprotocols: Vec<String>,
    #[cfg(feature = "deflate")]
    deflate: Vec<deflate::Offer>,
    missing_subprotocol: MissingSubprotocol,
}

/// `Head` to `Done`, by way of `Body` if the answer is not 101, or to `Failed`.
#[derive(Debug)]
enum State {
    Head(HeadReader),
    Body { response: Response, length: BodyLength },
    Done,
    Failed(HandshakeError),
}

impl ClientHandshake {
    /// Appends the request to `out` and waits for the response, with default limits.
    ///
    /// The nonce must be random, and drawn anew for each connection (RFC 6455 §4.1).
    #[must_use]
    pub fn start(request: &ClientRequest, nonce: [u8; 16], out: &mut Vec<u8>) -> Self {
        Self::start_with(request, nonce, ClientConfig::default(), out)
    }

    /// As [`start`](Self::start), with other limits and policies.
    #[must_use]
    pub fn start_with(
        request: &ClientRequest,
        nonce: [u8; 16],
        config: ClientConfig,
        out: &mut Vec<u8>,
    ) -> Self {
        let key = accept_key::encode_key(nonce);
        request.write(&key, out);
        Self::new(request, &key, config)
    }

    /// As [`start_with`](Self::start_with), for an HTTP library that sends the request, GET by
    /// HTTP/1.1 of the resource of [`ClientRequest::url`], and receives the response: gives the
    /// fields, in order. [`receive_fields`](Self::receive_fields) checks the answer; the limits and
    /// the timeout are that library's.
    ///
    /// ```
    /// use websocket_proto::handshake::{ClientConfig, ClientHandshake, ClientRequest};
    ///
    /// let request = ClientRequest::new("ws://example.com/chat")?;
    /// let nonce = *b"the sample nonce"; // from a random source, that is
    /// let config = ClientConfig::default();
    /// let (mut handshake, fields) = ClientHandshake::start_fields(&request, nonce, config);
    /// assert!(fields.iter().any(|(name, value)| {
    ///     *name == "Sec-WebSocket-Key" && value == "dGhlIHNhbXBsZSBub25jZQ=="
    /// }));
    ///
    /// let answer = [
    ///     ("upgrade", "websocket"),
    ///     ("connection", "upgrade"),
    ///     ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    /// ];
    /// let response = handshake.receive_fields(101, answer)?;
    /// assert!(response.is_switching()); // frames from here on, over the upgraded stream
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn start_fields(
        request: &ClientRequest,
        nonce: [u8; 16],
        config: ClientConfig,
    ) -> (Self, Fields<'_>) {
        let key = accept_key::encode_key(nonce);
        let mut fields = Vec::new();
        request.each_field(&key, |name, value| fields.push((name, value)));
        (Self::new(request, &key, config), fields)
    }

    fn new(request: &ClientRequest, key: &str, config: ClientConfig) -> Self {
        let ClientConfig { max_head, max_headers, timeout, max_body, missing_subprotocol } = config;
        let offer = Offer {
            accept: accept_key(key),
            subprotocols: request.offered_subprotocols(),
            #[cfg(feature = "deflate")]
            deflate: request.offered_deflate(),
            missing_subprotocol,
        };
        let state = State::Head(HeadReader::new(max_head, max_headers));
        Self { state, offer, max_body: u64::try_from(max_body).unwrap_or(u64::MAX), timeout }
    }

    /// Takes the response that another HTTP library has received, of HTTP/1.1: status and fields, in
    /// order, without the body. Names and values may be anything that gives bytes.
    ///
    /// # Errors
    ///
    /// If it is a 101 that breaks one of the rules, or no response; [`HandshakeError::NotHttp`] if
    /// there has been one already.
    pub fn receive_fields<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        status: u16,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Response, HandshakeError> {
        match &self.state {
            State::Head(_) => {}
            State::Failed(error) => return Err(*error),
            State::Body { .. } | State::Done => return Err(HandshakeError::NotHttp),
        }
        let raw = RawHead::of_response(status, fields);
        match raw.and_then(|raw| self.offer.check(raw)) {
            Ok(mut response) => {
                response.set_body_complete(response.is_switching());
                self.state = State::Done;
                Ok(response)
            }
            Err(error) => Err(self.end(error)),
        }
    }

    /// How long the response may take; see [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes the response: of a 101 the head and nothing behind it, of anything else the body as
    /// well. Interim responses are skipped. `None` if more bytes are needed, and after the response
    /// has been handed out.
    ///
    /// # Errors
    ///
    /// If the response is no HTTP/1, exceeds a limit, or is a 101 that breaks one of the rules.
    /// Close the connection.
    pub fn receive(&mut self, input: &mut Input<'_>) -> Result<Option<Response>, HandshakeError> {
        loop {
            let received = match &mut self.state {
                State::Head(reader) => match reader.receive(input) {
                    Ok(None) => return Ok(None),
                    Ok(Some(raw)) => self.offer.check(raw),
                    Err(HandshakeError::RequestLineTooLong { limit }) => {
                        Err(HandshakeError::HeadTooLong { limit })
                    }
                    Err(error) => Err(error),
                },
                State::Body { response, length } => {
                    if !receive_body(response, length, self.max_body, input) {
                        return Ok(None);
                    }
                    return Ok(self.finish());
                }
                State::Done => return Ok(None),
                State::Failed(error) => return Err(*error),
            };
            match received {
                // RFC 9110 §15.2: interim responses precede the final one. They share its limit.
                Ok(response) if matches!(response.status(), 100 | 102..=199) => {}
                Ok(response) if response.is_switching() => {
                    self.state = State::Done;
                    return Ok(Some(response));
                }
                Ok(response) => {
                    let length = response.body_length(self.max_head());
                    self.state = State::Body { response, length };
                }
                Err(error) => return Err(self.end(error)),
            }
        }
    }

    /// The limit of heads, as long as one is awaited.
    fn max_head(&self) -> usize {
        match &self.state {
            State::Head(reader) => reader.max_head(),
            State::Body { .. } | State::Done | State::Failed(_) => 0,
        }
    }

    /// Takes note that the server has closed its side. Returns the response if its body ends with
    /// the connection.
    ///
    /// # Errors
    ///
    /// If no head is complete.
    pub fn receive_eof(&mut self) -> Result<Option<Response>, HandshakeError> {
        if let State::Body { response, length } = &mut self.state {
            response.set_body_complete(matches!(length, BodyLength::UntilEof));
        }
        self.interrupt(HandshakeError::UnexpectedEof)
    }

    /// Takes note that [`timeout`](Self::timeout) has passed since [`start`](Self::start). Returns
    /// the response if all but its body has come.
    ///
    /// # Errors
    ///
    /// If no head is complete.
    pub fn handle_timeout(&mut self) -> Result<Option<Response>, HandshakeError> {
        if let State::Body { response, .. } = &mut self.state {
            response.set_body_complete(false);
        }
        self.interrupt(HandshakeError::TimedOut)
    }

    /// Takes note that the transport has failed, for instance by a reset or without the end that
    /// TLS prescribes. Returns the response if all but its body has come (RFC 9112 §8); otherwise
    /// there is nothing to tell but the failure.
    pub fn handle_read_error(&mut self) -> Option<Response> {
        if let State::Body { response, .. } = &mut self.state {
            response.set_body_complete(false);
        }
        self.interrupt(HandshakeError::UnexpectedEof).ok().flatten()
    }

    fn interrupt(&mut self, error: HandshakeError) -> Result<Option<Response>, HandshakeError> {
        match &self.state {
            State::Head(_) => Err(self.end(error)),
            State::Body { .. } => Ok(self.finish()),
            State::Done => Ok(None),
            State::Failed(error) => Err(*error),
        }
    }

    fn end(&mut self, error: HandshakeError) -> HandshakeError {
        self.state = State::Failed(error);
        error
    }

    /// Hands out the response whose body was being received.
    fn finish(&mut self) -> Option<Response> {
        match mem::replace(&mut self.state, State::Done) {
            State::Body { response, .. } => Some(response),
            State::Head(_) | State::Done | State::Failed(_) => None,
        }
    }
}

/// Takes what belongs to the body. Returns whether no more of it is wanted.
fn receive_body(
    response: &mut Response,
    length: &mut BodyLength,
    max_body: u64,
    input: &mut Input<'_>,
) -> bool {
    let have = u64::try_from(response.body().len()).unwrap_or(u64::MAX);
    let (wanted, complete) = match length {
        BodyLength::Known(length) => (max_body.min(*length), *length <= max_body),
        BodyLength::UntilEof | BodyLength::Coded => (max_body, false),
        BodyLength::Chunked(chunked) => {
            let room = max_body.saturating_sub(have);
            let end = chunked.receive(input, room, |data| response.push_body(data));
            response.set_body_complete(end == Some(true));
            return end.is_some();
        }
    };
    let missing = usize::try_from(wanted.saturating_sub(have)).unwrap_or(usize::MAX);
    let taken = input.take(missing);
    response.push_body(taken);
    response.set_body_complete(complete);
    taken.len() == missing
}

impl Offer {
    /// Parses a head, and checks it if it is a 101.
    fn check(&self, raw: RawHead) -> Result<Response, HandshakeError> {
        let (line, head) = Head::parse_response(raw)?;
        let mut response = Response::new(line, head);
        // RFC 6455 §4.1: another status is handled by the rules of HTTP, whatever its version.
        if response.status() == 101 {
            let negotiated = self.check_switching(&response)?;
            response.set_negotiated(negotiated);
        }
        Ok(response)
    }

    /// RFC 6455 §4.1: the response by which the server proves that it speaks WebSocket.
    fn check_switching(&self, response: &Response) -> Result<Negotiated, HandshakeError> {
        if response.version() != Version::Http11 {
            return Err(HandshakeError::UnsupportedHttpVersion);
        }
        let head = response.head();
        if !head.required("Upgrade")?.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::UpgradeNotWebSocket);
        }
        if !any_element(head.values("Connection"), "upgrade") {
            return Err(HandshakeError::MissingConnectionUpgrade);
        }
        if head.required("Sec-WebSocket-Accept")? != self.accept.as_bytes() {
            return Err(HandshakeError::AcceptMismatch);
        }
        if head.announces_body() {
            return Err(HandshakeError::BodyOnUpgrade);
        }
        const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
        let Ok(extensions) = parse_extensions(head.values(EXTENSIONS)) else {
            return Err(HandshakeError::InvalidField(EXTENSIONS));
        };
        #[cfg(feature = "deflate")]
        let deflate = deflate::agree(&self.deflate, &extensions)?;
        #[cfg(not(feature = "deflate"))]
        if !extensions.is_empty() {
            return Err(HandshakeError::ExtensionNotOffered);
        }
        Ok(Negotiated {
            subprotocol: self.check_subprotocol(head)?.map(Box::from),
            #[cfg(feature = "deflate")]
            deflate,
        })
    }

    fn check_subprotocol<'a>(&self, head: &'a Head) -> Result<Option<&'a str>, HandshakeError> {
        const FIELD: &str = "Sec-WebSocket-Protocol";
        let Some(value) = head.single(FIELD)? else {
            return match self.missing_subprotocol {
                MissingSubprotocol::Fail if !self.subprotocols.is_empty() => {
                    Err(HandshakeError::SubprotocolMissing)
                }
                MissingSubprotocol::Fail | MissingSubprotocol::Accept => Ok(None),
            };
        };
        // RFC 6455 §4.3: a single token, which the empty value is not.
        let name = str::from_utf8(value).map_err(|_| HandshakeError::InvalidField(FIELD))?;
        if !is_token(value) {
            return Err(HandshakeError::InvalidField(FIELD));
        }
        if self.subprotocols.iter().all(|offer| offer != name) {
            return Err(HandshakeError::SubprotocolNotOffered);
        }
        Ok(Some(name))
    }
}
