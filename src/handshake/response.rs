//! [`Response`], what the server answered.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::Negotiated;
use super::chunked::Chunked;
use super::head::{Head, StatusLine, Version};
use super::headers::{list_elements, parse_digits};

/// A final response: the 101 that opens the connection, or anything else, as data.
///
/// Redirects, demands for credentials and refusals are not followed or interpreted here. A caller
/// that follows a redirect ([`Url::join`](super::Url::join)) decides which credentials may go to
/// the new place.
#[derive(Clone)]
#[must_use]
pub struct Response {
    head: Head,
    version: Version,
    status: u16,
    reason: Range<usize>,
    negotiated: Option<Negotiated>,
    body: Vec<u8>,
    body_complete: bool,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug)]
pub(super) enum BodyLength {
    Known(u64),
    /// By the end of the connection. A Content-Length that is not valid says nothing.
    UntilEof,
    /// By the coding `chunked`.
    Chunked(Chunked),
    /// By a coding that is not undone here: the raw bytes are kept, up to the limit or the end of
    /// the connection.
    Coded,
}

impl Response {
    pub(super) fn new(line: StatusLine, head: Head) -> Self {
        let StatusLine { version, status, reason } = line;
        let (negotiated, body) = (None, Vec::new());
        Self { head, version, status, reason, negotiated, body, body_complete: true }
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn set_negotiated(&mut self, negotiated: Negotiated) {
        self.negotiated = Some(negotiated);
    }

    /// How the end of the body is found. What is in chunks besides data is limited as a head is.
    pub(super) fn body_length(&self, max_head: usize) -> BodyLength {
        if matches!(self.status, 204 | 304) {
            return BodyLength::Known(0);
        }
        if self.head.has("Transfer-Encoding") {
            let codings = self.head.values("Transfer-Encoding").flat_map(list_elements);
            return match codings.last() {
                Some(last) if last.eq_ignore_ascii_case(b"chunked") => {
                    BodyLength::Chunked(Chunked::new(max_head))
                }
                Some(_) | None => BodyLength::Coded,
            };
        }
        let length = self.head.single("Content-Length").ok().flatten();
        length.and_then(parse_digits).map_or(BodyLength::UntilEof, BodyLength::Known)
    }

    pub(super) fn push_body(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    pub(super) fn set_body_complete(&mut self, complete: bool) {
        self.body_complete = complete;
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, empty if there is none or it is not ASCII.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.head.text(&self.reason)
    }

    /// The fields: names and values verbatim and in order, values without surrounding white space
    /// and with spaces where their lines were folded (RFC 9112 §5.2).
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.headers()
    }

    /// The first value of a field, in any case of its name, if the value is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.value(name)
    }

    /// All values of a field, in any case of its name.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.values(name)
    }

    /// The body, as far as [`ClientConfig::max_body`](super::ClientConfig::max_body) allows.
    ///
    /// The transfer coding `chunked` has been undone (RFC 9112 §7.1) and its trailers dropped;
    /// another coding, such as `gzip`, is not undone. A 101 has no body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether [`body`](Self::body) is the whole body. Not so if it was cut at the limit, by the
    /// end or a failure of the connection or by the timeout, if its chunks are malformed or have
    /// more than [`ClientConfig::max_head`](super::ClientConfig::max_head) bytes of extensions and
    /// trailers, nor if another transfer coding than `chunked` hides where it ends.
    #[must_use]
    pub fn is_body_complete(&self) -> bool {
        self.body_complete
    }

    /// Whether this is the 101 that opens the connection.
    #[must_use]
    pub fn is_switching(&self) -> bool {
        self.negotiated.is_some()
    }

    /// What was agreed, if this is the 101 that opens the connection.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// What was agreed.
    ///
    /// # Errors
    ///
    /// Gives the response back if it does not open the connection.
    pub fn into_negotiated(mut self) -> Result<Negotiated, Self> {
        self.negotiated.take().ok_or(self)
    }
}

/// Shows status and reason only: fields hold credentials.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("reason", &self.reason())
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}
