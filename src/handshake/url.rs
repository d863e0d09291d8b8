//! WebSocket URIs (RFC 6455 §3).

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use super::authority::{Authority, Host, is_unreserved_or_sub_delim};
use super::error::UrlError;

/// A WebSocket URI, taken apart into what a client needs to connect.
///
/// The schemes are `ws` and `wss`, with `http` and `https` as other names for them (as in
/// browsers), in any case. The path is not normalised: dot segments (unless a reference is joined)
/// and percent-encoding stay.
/// Characters that a URI cannot have become UTF-8 in percent-encoding, in path and query
/// (RFC 6455 §11.1.1). Not accepted are user information (put it into an Authorization field),
/// fragments, control characters, and hosts outside ASCII (IDNA is not done here).
///
/// ```
/// use websocket_proto::handshake::Url;
///
/// let url = Url::parse("wss://Example.com/chat room?lang=de")?;
/// assert!(url.is_secure());
/// assert_eq!((url.host(), url.port()), ("example.com", 443));
/// assert_eq!(url.authority(), "example.com");
/// assert_eq!(url.resource_name(), "/chat%20room?lang=de");
/// # Ok::<(), websocket_proto::handshake::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    resource_name: String,
}

impl Url {
    /// Takes a URI apart.
    ///
    /// # Errors
    ///
    /// If it is no usable WebSocket URI; the [`UrlError`] says why.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::UnsupportedScheme)?;
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        // RFC 6455 §3: the secure flag is set by the scheme alone.
        let secure = is("wss") || is("https");
        if !(secure || is("ws") || is("http")) {
            return Err(UrlError::UnsupportedScheme);
        }
        // RFC 6455 §3: no fragment identifiers; a number sign is written %23.
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, resource) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = Authority::parse(authority)?;
        let default_port = if secure { 443 } else { 80 };
        let port = authority.port.unwrap_or(default_port);
        let (host, literal) = match authority.host {
            Host::Name(name) => (name.to_ascii_lowercase(), name.to_ascii_lowercase()),
            Host::V6(address) => (address.to_string(), format!("[{address}]")),
        };
        let authority = if port == default_port { literal } else { format!("{literal}:{port}") };
        Ok(Self { secure, host, port, authority, resource_name: resource_name(resource)? })
    }

    /// Resolves a reference against this URI, such as the Location of a redirect (RFC 3986 §5.2):
    /// an absolute URI, or what begins with an authority, a path or a query. Dot segments are
    /// removed.
    ///
    /// **Where it leads is the server's choice.** Fields such as Authorization and Cookie are for
    /// the origin that they were made for: whether to send them to one whose
    /// [`authority`](Self::authority) or [`is_secure`](Self::is_secure) differs is the caller's
    /// decision, and so is a redirect from `wss` to `ws`.
    /// [`blocking::connect`](crate::blocking::connect) shows how to follow redirects.
    ///
    /// ```
    /// use websocket_proto::handshake::Url;
    ///
    /// let url = Url::parse("wss://example.com/chat/room?lang=de")?;
    /// assert_eq!(url.join("/new")?.to_string(), "wss://example.com/new");
    /// assert_eq!(url.join("../lobby?lang=fr")?.to_string(), "wss://example.com/lobby?lang=fr");
    /// assert_eq!(url.join("//b.example/chat")?.to_string(), "wss://b.example/chat");
    /// assert_eq!(url.join("https://b.example")?.to_string(), "wss://b.example/");
    /// # Ok::<(), websocket_proto::handshake::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it leads to no usable WebSocket URI, as of [`parse`](Self::parse); a fragment is refused
    /// here too.
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        // RFC 3986 §4.2: a colon in the first segment ends a scheme.
        let end = reference.find([':', '/', '?', '#']).unwrap_or(reference.len());
        if reference[end..].starts_with(':') {
            return Ok(Self::parse(reference)?.without_dot_segments());
        }
        let scheme = self.scheme();
        if reference.starts_with("//") {
            return Ok(Self::parse(&format!("{scheme}:{reference}"))?.without_dot_segments());
        }
        let (path, _) = self.path_and_query();
        let (kept, is_path) = match reference.as_bytes() {
            [] => return Ok(self.clone()),
            [b'?', ..] => (path, false),
            [b'/', ..] => ("", true),
            // RFC 3986 §5.2.3: all but what is behind the last slash.
            _ => (path.rfind('/').map_or("/", |at| &path[..=at]), true),
        };
        let url = Self::parse(&format!("{scheme}://{}{kept}{reference}", self.authority))?;
        Ok(if is_path { url.without_dot_segments() } else { url })
    }

    /// RFC 3986 §5.2.4
    fn without_dot_segments(mut self) -> Self {
        let (path, query) = self.path_and_query();
        let mut name = String::with_capacity(self.resource_name.len());
        let mut segments = path.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            match segment {
                "." => {}
                ".." => name.truncate(name.rfind('/').unwrap_or(0)),
                _ => {
                    name.push('/');
                    name.push_str(segment);
                    continue;
                }
            }
            if segments.peek().is_none() {
                name.push('/');
            }
        }
        name.push_str(query);
        self.resource_name = name;
        self
    }

    /// The resource name, divided before the question mark.
    fn path_and_query(&self) -> (&str, &str) {
        let name = &self.resource_name;
        name.split_at(name.find('?').unwrap_or(name.len()))
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "wss" } else { "ws" }
    }

    /// Whether the connection is to run over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to, in lower case; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host field: the host, and the port unless it is the default.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The resource name: path and query, beginning with a slash.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        &self.resource_name
    }
}

/// Writes the URI with the scheme `ws` or `wss`.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.resource_name)
    }
}

impl core::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// RFC 6455 §3: a slash for an empty path, and the query only if it is not empty.
fn resource_name(text: &str) -> Result<String, UrlError> {
    let text = match text.split_once('?') {
        Some((path, "")) => path,
        _ => text,
    };
    let mut name = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        name.push('/');
    }
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().copied().enumerate() {
        match byte {
            b'%' if !bytes.get(at + 1..at + 3).is_some_and(is_hexadecimal) => {
                return Err(UrlError::InvalidPercentEncoding);
            }
            b'%' | b'/' | b'?' => name.push(char::from(byte)),
            _ if is_path_byte(byte) => name.push(char::from(byte)),
            _ => {
                name.push('%');
                name.extend([byte >> 4, byte & 15].map(hexadecimal));
            }
        }
    }
    Ok(name)
}

/// RFC 3986 §3.3: `pchar` without percent-encoding.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved_or_sub_delim(byte) || matches!(byte, b':' | b'@')
}

fn is_hexadecimal(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

fn hexadecimal(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase()
}
