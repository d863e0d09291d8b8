//! [`ServerHandshake`], the server's side of the opening handshake.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Input;

use super::Negotiated;
use super::config::ServerConfig;
use super::error::{HandshakeError, ReplyError};
use super::head::HeadReader;
use super::origin::OriginPolicy;
use super::reply::{Accept, Content, Reply};
use super::request::Request;

/// The server's side of one opening handshake: takes a request, then gives one answer.
///
/// The module documentation draws the flow. After the answer the machine is spent. If it was a 101,
/// the bytes that are left in the input are the first frames. If it was anything else, they are to
/// be dropped and the connection to be closed: a proxy that believes the upgrade happened must not
/// get a second request through.
#[derive(Debug)]
pub struct ServerHandshake {
    state: State,
    origins: OriginPolicy,
    timeout: Duration,
    /// What the method of the request says about the content of an answer.
    content: Content,
}

/// `Reading` to `Received` to `Answered`, or `Reading` to `Failed` to `Answered`.
#[derive(Debug)]
enum State {
    Reading(HeadReader),
    /// The application has the request and decides.
    Received,
    /// The request was at fault and has had no answer yet.
    Failed(HandshakeError),
    /// Holds the error if that was the reason.
    Answered(Option<HandshakeError>),
}

impl ServerHandshake {
    /// Waits for a request.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        let ServerConfig { max_head, max_headers, timeout, origins } = config;
        let state = State::Reading(HeadReader::new(max_head, max_headers));
        Self { state, origins, timeout, content: Content::Send }
    }

    /// How long the head may take; see [`handle_timeout`](Self::handle_timeout).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes the head of a request, and nothing behind it. `None` if more bytes are needed, and
    /// after the request has been handed out.
    ///
    /// A request that does not ask for a WebSocket connection is handed out as well, so that one
    /// server can answer pages and sockets on one port: see
    /// [`is_upgrade`](Request::is_upgrade).
    ///
    /// # Errors
    ///
    /// If the request is no HTTP/1, exceeds a limit, or asks for a WebSocket connection and breaks
    /// one of its rules. Write [`fail`](Self::fail) to the client, then close.
    pub fn receive(&mut self, input: &mut Input<'_>) -> Result<Option<Request>, HandshakeError> {
        let reader = match &mut self.state {
            State::Reading(reader) => reader,
            State::Received | State::Answered(None) => return Ok(None),
            State::Failed(error) | State::Answered(Some(error)) => return Err(*error),
        };
        let result = match reader.receive(input) {
            Ok(None) => return Ok(None),
            Ok(Some(raw)) => {
                if raw.is_head_request() {
                    self.content = Content::Omit;
                }
                Request::parse(raw, &self.origins)
            }
            Err(error) => {
                if reader.is_head_request(input.as_bytes()) {
                    self.content = Content::Omit;
                }
                Err(error)
            }
        };
        match result {
            Ok(request) => {
                self.state = State::Received;
                Ok(Some(request))
            }
            Err(error) => Err(self.end(error)),
        }
    }

    /// Takes note that the client has closed its side.
    ///
    /// # Errors
    ///
    /// If the head was not complete.
    pub fn receive_eof(&mut self) -> Result<(), HandshakeError> {
        self.interrupt(HandshakeError::UnexpectedEof)
    }

    /// Takes note that [`timeout`](Self::timeout) has passed since the connection was made.
    ///
    /// # Errors
    ///
    /// If the head was not complete.
    pub fn handle_timeout(&mut self) -> Result<(), HandshakeError> {
        self.interrupt(HandshakeError::TimedOut)
    }

    fn interrupt(&mut self, error: HandshakeError) -> Result<(), HandshakeError> {
        match &self.state {
            State::Reading(reader) => {
                if reader.is_head_request(&[]) {
                    self.content = Content::Omit;
                }
                Err(self.end(error))
            }
            State::Received | State::Answered(None) => Ok(()),
            State::Failed(error) | State::Answered(Some(error)) => Err(*error),
        }
    }

    fn end(&mut self, error: HandshakeError) -> HandshakeError {
        self.state = State::Failed(error);
        error
    }

    /// Appends the 101 response to `out`. The connection is open once it is written, and frames may
    /// follow at once.
    ///
    /// # Errors
    ///
    /// If the request is no upgrade, or the terms are not valid. Nothing is written then, and
    /// another answer can be given.
    pub fn accept(
        &mut self,
        request: &Request,
        reply: &Accept<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Negotiated, ReplyError> {
        self.check_unanswered()?;
        let negotiated = reply.write(request, out)?;
        self.state = State::Answered(None);
        Ok(negotiated)
    }

    /// Appends any other response to `out`. Close the connection once it is written.
    ///
    /// The body is left out if the request was a HEAD.
    ///
    /// # Errors
    ///
    /// If the status is not final or a field is not valid. Nothing is written then, and another
    /// answer can be given.
    pub fn reject(&mut self, reply: &Reply<'_>, out: &mut Vec<u8>) -> Result<(), ReplyError> {
        self.check_unanswered()?;
        reply.write(self.content, out)?;
        self.state = State::Answered(None);
        Ok(())
    }

    fn check_unanswered(&self) -> Result<(), ReplyError> {
        match self.state {
            State::Received => Ok(()),
            State::Reading(_) | State::Failed(_) | State::Answered(_) => {
                Err(ReplyError::NothingToAnswer)
            }
        }
    }

    /// Appends the response for the error that ended the handshake to `out`: the status of
    /// [`HandshakeError::status`], and a line of text that names the fact, unless the method is
    /// HEAD (RFC 9110 §9.3.2). Close the connection once it is written.
    ///
    /// Writes nothing if the handshake has not failed, or the second time.
    pub fn fail(&mut self, out: &mut Vec<u8>) {
        let State::Failed(error) = self.state else { return };
        self.state = State::Answered(Some(error));
        let text = error.to_string() + "\n";
        let written = Reply::new(error.status()).text(&text).write(self.content, out);
        debug_assert!(written.is_ok(), "every error has a final status and a fixed field");
    }
}
