//! The head of an HTTP message: found incrementally, parsed once, kept as one allocation of bytes
//! with ranges into it.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::Range;
use core::str;

use crate::Input;

use super::error::HandshakeError;
use super::headers::{is_space, is_token, is_token_byte, parse_digits};

/// Finds the end of a head in bytes that arrive in any pieces.
///
/// Every byte is looked at once, when it arrives: [`scan`](Self::scan) gets no byte twice, and the
/// parser behind it runs once, on a head that is complete. Parsing again on every read is quadratic
/// (CVE-2023-43669 in another library).
pub(super) struct HeadReader {
    max_head: usize,
    max_headers: usize,
    /// Bytes of this head and of the interim heads before it.
    len: usize,
    /// Bytes of the line that is not complete yet.
    line: usize,
    /// Complete lines of this head.
    lines: usize,
    last: u8,
    /// What came in earlier inputs. A head that comes in one piece never passes through it.
    buffer: Vec<u8>,
}

/// A complete head that no parser has seen.
pub(super) struct RawHead {
    bytes: Box<[u8]>,
    fields: usize,
}

impl RawHead {
    /// The head that says this.
    pub(super) fn of_request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HandshakeError> {
        // Nothing that is put in may end its line, or the method.
        if !is_token(method.as_bytes()) {
            return Err(HandshakeError::MalformedStartLine);
        }
        if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HandshakeError::InvalidTarget);
        }
        Self::of(&[method, " ", target, " HTTP/1.1\r\n"], fields)
    }

    /// As [`of_request`](Self::of_request), of a response.
    pub(super) fn of_response<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        status: u16,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HandshakeError> {
        if !matches!(status, 100..=999) {
            return Err(HandshakeError::MalformedStartLine);
        }
        Self::of(&["HTTP/1.1 ", &status.to_string(), " \r\n"], fields)
    }

    fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        start: &[&str],
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HandshakeError> {
        let mut bytes = start.concat().into_bytes();
        let mut count = 0;
        for (name, value) in fields {
            let (name, value) = (name.as_ref(), value.as_ref());
            if !is_token(name) || value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                return Err(HandshakeError::MalformedHeader);
            }
            for part in [name, b": ", value, b"\r\n"] {
                bytes.extend_from_slice(part);
            }
            count += 1;
        }
        bytes.extend_from_slice(b"\r\n");
        Ok(Self { bytes: bytes.into_boxed_slice(), fields: count })
    }

    /// Whether the method is HEAD, known even if the rest turns out malformed.
    pub(super) fn is_head_request(&self) -> bool {
        self.bytes.starts_with(b"HEAD ")
    }
}

impl HeadReader {
    pub(super) fn new(max_head: usize, max_headers: usize) -> Self {
        Self { max_head, max_headers, len: 0, line: 0, lines: 0, last: 0, buffer: Vec::new() }
    }

    pub(super) fn max_head(&self) -> usize {
        self.max_head
    }

    /// Takes the head from `input`, and nothing behind it.
    pub(super) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<RawHead>, HandshakeError> {
        let available = input.as_bytes();
        let window = available.len().min(self.max_head - self.len);
        let Some(end) = self.scan(&available[..window])? else {
            if available.len() > window {
                return Err(self.too_long());
            }
            self.len += window;
            self.buffer.extend_from_slice(input.take(window));
            return Ok(None);
        };
        self.len += end;
        let bytes = if self.buffer.is_empty() {
            Box::from(&*input.take(end))
        } else {
            let mut bytes = mem::take(&mut self.buffer);
            bytes.extend_from_slice(input.take(end));
            bytes.into_boxed_slice()
        };
        let fields = self.lines - 1; // the first byte is part of a token, so line 1 is not empty
        (self.line, self.lines, self.last) = (0, 0, 0);
        Ok(Some(RawHead { bytes, fields }))
    }

    /// Whether the method is HEAD, as far as has come: `rest` is what came last and was not taken.
    pub(super) fn is_head_request(&self, rest: &[u8]) -> bool {
        let rest = rest.iter().take(self.max_head - self.len);
        self.buffer.iter().chain(rest).take(5).eq(b"HEAD ")
    }

    /// Looks at new bytes only. Returns how many of them belong to the head, once it ends.
    fn scan(&mut self, chunk: &[u8]) -> Result<Option<usize>, HandshakeError> {
        if let Some(first) = chunk.first()
            && self.line + self.lines == 0
            && !is_token_byte(*first)
        {
            // RFC 9112 §2.2 wants a server to skip an empty line before a request, for clients that
            // send one behind a body. Nothing comes before the first request of a connection.
            return Err(HandshakeError::NotHttp);
        }
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let before = at.checked_sub(1).map_or(self.last, |before| rest[before]);
            // RFC 9112 §2.2 allows a bare LF. Parsers that disagree about it let requests be
            // smuggled, and no client sends it.
            if before != b'\r' {
                return Err(HandshakeError::MalformedLineEnd);
            }
            rest = &rest[at + 1..];
            if self.line + at + 1 == 2 {
                return Ok(Some(chunk.len() - rest.len()));
            }
            (self.line, self.last) = (0, b'\n');
            self.lines += 1;
            if self.lines - 1 > self.max_headers {
                return Err(HandshakeError::TooManyHeaders { limit: self.max_headers });
            }
        }
        self.line += rest.len();
        self.last = rest.last().copied().unwrap_or(self.last);
        Ok(None)
    }

    fn too_long(&self) -> HandshakeError {
        let limit = self.max_head;
        if self.lines == 0 {
            HandshakeError::RequestLineTooLong { limit }
        } else {
            HandshakeError::HeadTooLong { limit }
        }
    }
}

/// Shows how much has come only: fields hold credentials.
impl fmt::Debug for HeadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadReader").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Field lines, verbatim and in order.
#[derive(Clone)]
pub(super) struct Head {
    bytes: Box<[u8]>,
    fields: Box<[Field]>,
}

#[derive(Clone)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// The version of HTTP that a message claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http10,
    Http11,
}

/// What a request line says.
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: Version,
}

/// What a status line says.
pub(super) struct StatusLine {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) reason: Range<usize>,
}

impl Head {
    pub(super) fn parse_request(raw: RawHead) -> Result<(RequestLine, Self), HandshakeError> {
        let bytes = raw.bytes;
        let mut headers = vec![httparse::EMPTY_HEADER; raw.fields];
        let mut parsed = httparse::Request::new(&mut headers);
        let end = parsed.parse(&bytes).map_err(|error| {
            let version = bytes.split(|byte| *byte == b'\r').next();
            let version = version.and_then(|line| line.rsplit(|byte| *byte == b' ').next());
            describe(error, version)
        })?;
        let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
            return Err(HandshakeError::MalformedStartLine);
        };
        let line = RequestLine {
            method: range_in(&bytes, method.as_bytes()),
            target: range_in(&bytes, target.as_bytes()),
            version: version(parsed.version),
        };
        let fields = fields(&bytes, end, parsed.headers)?;
        Ok((line, Self { bytes, fields }))
    }

    #[inline(always)] // What it gives is large, and goes through memory otherwise.
    pub(super) fn parse_response(raw: RawHead) -> Result<(StatusLine, Self), HandshakeError> {
        let RawHead { bytes, fields: lines } = raw;
        let mut headers = vec![httparse::EMPTY_HEADER; lines];
        let mut parsed = httparse::Response::new(&mut headers);
        let end = match parsed.parse(&bytes) {
            Ok(end) => end,
            Err(httparse::Error::HeaderName) => return Self::parse_unfolded(bytes, lines),
            Err(error) => return Err(describe(error, bytes.get(..8))),
        };
        let (Some(status @ 100..), Some(reason)) = (parsed.code, parsed.reason) else {
            return Err(HandshakeError::MalformedStartLine);
        };
        // The parser gives a static empty text for a reason that is missing or not ASCII.
        let reason = if reason.is_empty() { 0..0 } else { range_in(&bytes, reason.as_bytes()) };
        let line = StatusLine { version: version(parsed.version), status, reason };
        let fields = fields(&bytes, end, parsed.headers)?;
        Ok((line, Self { bytes, fields }))
    }

    /// RFC 9112 §5.2: a user agent replaces folds by spaces. A server refuses them.
    #[cold]
    #[inline(never)]
    fn parse_unfolded(
        mut bytes: Box<[u8]>,
        fields: usize,
    ) -> Result<(StatusLine, Self), HandshakeError> {
        if !unfold(&mut bytes) {
            return Err(HandshakeError::MalformedHeader);
        }
        // No fold is left for a third round.
        Self::parse_response(RawHead { bytes, fields })
    }

    /// Text of the start line, which the parser has found to be UTF-8.
    pub(super) fn text(&self, range: &Range<usize>) -> &str {
        str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default()
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.text(&field.name), &self.bytes[field.value.clone()]))
    }

    /// The values of a field, in order. Names are compared as bytes: to see that they are text
    /// would take longer.
    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name_of = |field: &Field| &self.bytes[field.name.clone()];
        let named = self.fields.iter();
        let named = named.filter(move |it| name_of(it).eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| &self.bytes[field.value.clone()])
    }

    /// The first value of a field, if it is UTF-8.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.values(name).next()?).ok()
    }

    /// The value of a field that may appear once.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<&[u8]>, HandshakeError> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(HandshakeError::RepeatedField(name));
        }
        Ok(first)
    }

    /// The value of a field that must appear once.
    pub(super) fn required(&self, name: &'static str) -> Result<&[u8], HandshakeError> {
        self.single(name)?.ok_or(HandshakeError::MissingField(name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether a body follows. Anything but no Content-Length or a single zero says so: octets
    /// whose meaning is in doubt must not be read as frames (RFC 9112 §6.3).
    pub(super) fn announces_body(&self) -> bool {
        let length = match self.single("Content-Length") {
            Ok(length) => length.map_or(Some(0), parse_digits),
            Err(_) => None,
        };
        length != Some(0) || self.has("Transfer-Encoding")
    }
}

/// Puts spaces where field lines are folded, and says whether any is. White space behind the start
/// line is no fold (RFC 9112 §2.2), and is left for the parser to refuse.
fn unfold(head: &mut [u8]) -> bool {
    let mut folded = false;
    let mut at = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    while let Some(len) = head[at..].iter().position(|byte| *byte == b'\n') {
        let end = at + len + 1;
        let spaces = head[end..].iter().take_while(|byte| is_space(**byte)).count();
        if spaces > 0 {
            let line = head[at..end].strip_suffix(b"\r\n").unwrap_or_default();
            let text = line.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
            head[at + text..end + spaces].fill(b' ');
            folded = true;
        }
        at = end + spaces;
    }
    folded
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(1) { Version::Http11 } else { Version::Http10 }
}

/// The ranges of the parsed fields, if parser and scan agree on where the head ends.
fn fields(
    bytes: &[u8],
    end: httparse::Status<usize>,
    headers: &[httparse::Header<'_>],
) -> Result<Box<[Field]>, HandshakeError> {
    if end != httparse::Status::Complete(bytes.len()) {
        return Err(HandshakeError::MalformedLineEnd);
    }
    let field = |header: &httparse::Header<'_>| Field {
        name: range_in(bytes, header.name.as_bytes()),
        value: range_in(bytes, header.value),
    };
    Ok(headers.iter().map(field).collect())
}

/// Where `part`, a part of `whole`, lies in it.
fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    debug_assert!(start + part.len() <= whole.len(), "the parser lends parts of its input");
    start..start + part.len()
}

fn describe(error: httparse::Error, version: Option<&[u8]>) -> HandshakeError {
    match error {
        httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            HandshakeError::MalformedHeader
        }
        httparse::Error::NewLine => HandshakeError::MalformedLineEnd,
        httparse::Error::Version => match version {
            Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => {
                HandshakeError::UnsupportedHttpVersion
            }
            _ => HandshakeError::MalformedStartLine,
        },
        // There are as many slots as lines, so there never are too many headers.
        httparse::Error::Status | httparse::Error::Token | httparse::Error::TooManyHeaders => {
            HandshakeError::MalformedStartLine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n";

    fn feed(reader: &mut HeadReader, bytes: &[u8]) -> Result<Option<RawHead>, HandshakeError> {
        reader.receive(&mut Input::new(&mut bytes.to_vec()))
    }

    // Defence A1, linear work: a piece is handed to `scan` once, so it suffices that all pieces
    // together are as long as the head, and that the head comes out once, at its last byte.
    #[test]
    fn scanning_is_linear_for_any_pieces() {
        let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
        head.resize(64 * 1024 - 4, b'x');
        head.extend(b"\r\n\r\n");
        let mut reader = HeadReader::new(64 * 1024, 64);
        let mut scanned = 0;
        for at in 0..head.len() {
            let mut byte = [head[at]];
            let mut input = Input::new(&mut byte);
            let complete = reader.receive(&mut input).expect("within the limits").is_some();
            assert!(input.is_empty());
            scanned += 1;
            assert_eq!(reader.len, scanned);
            assert_eq!(complete, scanned == head.len());
        }
    }

    #[test]
    fn head_in_one_piece_is_copied_once() {
        let mut reader = HeadReader::new(1024, 64);
        let raw = feed(&mut reader, HEAD).expect("valid").expect("complete");
        assert_eq!((&*raw.bytes, raw.fields), (HEAD, 2));
        assert_eq!(reader.buffer.capacity(), 0);
    }

    #[test]
    fn scan_result_does_not_depend_on_the_pieces() {
        for split in 0..HEAD.len() {
            let mut reader = HeadReader::new(HEAD.len(), 2);
            let (first, second) = HEAD.split_at(split);
            assert!(feed(&mut reader, first).expect("valid").is_none());
            let raw = feed(&mut reader, second).expect("valid").expect("complete");
            assert_eq!((&*raw.bytes, raw.fields), (HEAD, 2));
        }
    }

    #[test]
    fn fields_are_ranges_of_the_head() {
        let raw = feed(&mut HeadReader::new(1024, 64), HEAD).expect("valid").expect("complete");
        let (line, head) = Head::parse_request(raw).expect("valid");
        assert_eq!((head.text(&line.method), head.text(&line.target)), ("GET", "/"));
        let fields: Vec<_> = head.headers().collect();
        assert_eq!(fields, [("Host", &b"a"[..]), ("X", b"")]);
        assert_eq!(head.value("host"), Some("a"));
    }
}
