//! Which web pages may connect: the defence against cross-site WebSocket hijacking.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use super::authority::{Authority, Host};
use super::error::OriginError;

/// Which origins a server accepts upgrade requests from (RFC 6455 §10.2).
///
/// # Security
///
/// **A browser lets any web page open a WebSocket to any server, and sends that server's cookies
/// along.** The same-origin policy does not apply, and there is no preflight. A server that
/// authenticates by cookie, by client certificate or by network position (a service on localhost)
/// and does not look at the origin hands every page that its user visits a session of that user.
/// This is *cross-site WebSocket hijacking*. With [`Any`](Self::Any), the default, the check is the
/// application's: see [`Request::origin`](super::Request::origin).
///
/// A request **without** an Origin passes every policy. Browsers always send one, so it does not
/// come from a web page; other programs can write any Origin they like, so this policy is no
/// authentication (RFC 6455 §4.2.1). A request with two Origins is malformed and never passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Accepts every origin. Right for public data, for tokens inside the protocol, and for servers
    /// that check for themselves.
    #[default]
    Any,
    /// Accepts pages of the server itself: scheme, host and port of the Origin equal those of the
    /// request, where the scheme is the one given here and host and port are those of its Host
    /// field. Behind a proxy that ends TLS, the scheme is [`Scheme::Https`].
    ///
    /// **This does not stop DNS rebinding.** Origin and Host both come from the page: one at
    /// `http://evil.example`, a name whose address is then changed to 127.0.0.1, sends
    /// `evil.example` in both. Cookies are not sent then, because they belong to the other name;
    /// but where the network position is the credential (localhost, an intranet), use a
    /// [`List`](Self::List), or check that [`Request::host`](super::Request::host) is a name of
    /// the server.
    SameOrigin(Scheme),
    /// Accepts the origins in a list.
    List(OriginList),
}

impl OriginPolicy {
    /// Accepts the origins in a list, such as `https://example.com`, `http://localhost:8080`,
    /// `null`, or `file://`, which Electron and web views send of a page from any file.
    ///
    /// ```
    /// use websocket_proto::handshake::OriginPolicy;
    ///
    /// let policy = OriginPolicy::list(["https://example.com"])?;
    /// assert!(policy.allows(Some("https://example.com:443"), Some("ws.example.com")));
    /// assert!(!policy.allows(Some("https://example.com.evil.example"), Some("ws.example.com")));
    /// # Ok::<(), websocket_proto::handshake::OriginError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If an entry is no origin, for instance because a slash follows the host.
    pub fn list<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        OriginList::new(origins).map(Self::List)
    }

    /// Whether a request with this Origin and this Host (or `:authority`) may pass.
    #[must_use]
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Self::Any => true,
            Self::SameOrigin(scheme) => is_same(origin, *scheme, host).unwrap_or(false),
            Self::List(list) => list.contains(origin),
        }
    }
}

/// The scheme under which a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// Origins that were found valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginList {
    entries: Vec<String>,
}

impl OriginList {
    /// Collects origins.
    ///
    /// # Errors
    ///
    /// If an entry is neither the ASCII serialization of an origin (RFC 6454 §6.2) nor `file://`.
    pub fn new<'a>(origins: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        let check = |entry: &'a str| Origin::parse(entry).map(|_| String::from(entry));
        let entries: Option<Vec<_>> = origins.into_iter().map(check).collect();
        entries.map(|entries| Self { entries }).ok_or(OriginError)
    }

    /// Whether `origin` is in the list: same scheme, host and port, or the same of `null` and
    /// `file://`.
    #[must_use]
    pub fn contains(&self, origin: &str) -> bool {
        let Some(origin) = Origin::parse(origin) else { return false };
        self.entries.iter().any(|entry| Origin::parse(entry) == Some(origin))
    }
}

/// A serialized origin, taken apart.
#[derive(Clone, Copy, Debug)]
enum Origin<'a> {
    /// The origin of a sandboxed frame, a file, a redirect: everybody's, hence nobody's.
    Null,
    /// `file://`, which some send for a file. RFC 6454 §4 leaves the origin of a file open.
    File,
    Tuple {
        scheme: &'a str,
        host: Host<'a>,
        /// `None` if the scheme has no default that is known here.
        port: Option<u16>,
    },
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::File, Self::File) => true,
            (
                Self::Tuple { scheme, host, port },
                Self::Tuple { scheme: scheme2, host: host2, port: port2 },
            ) => scheme.eq_ignore_ascii_case(scheme2) && host == host2 && port == port2,
            (Self::Null | Self::File | Self::Tuple { .. }, _) => false,
        }
    }
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        match text {
            "null" => return Some(Self::Null),
            "file://" => return Some(Self::File),
            _ => {}
        }
        let (scheme, authority) = text.split_once("://")?;
        let mut letters = scheme.bytes();
        // RFC 3986 §3.1
        let valid = letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && letters
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !valid || authority.ends_with(':') {
            return None;
        }
        let Authority { host, port } = Authority::parse(authority).ok()?;
        Some(Self::Tuple { scheme, host, port: port.or(default_port(scheme)) })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else {
        None
    }
}

/// RFC 6454 §5: scheme, host and port are identical. `None` if one side is no tuple.
fn is_same(origin: &str, scheme: Scheme, host: Option<&str>) -> Option<bool> {
    let Authority { host, port } = Authority::parse(host?).ok()?;
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let own = Origin::Tuple { scheme, host, port: port.or(default_port(scheme)) };
    Some(Origin::parse(origin)? == own)
}

/// Whether `text` is a serialized origin, which a client may send.
pub(super) fn is_origin(text: &str) -> bool {
    Origin::parse(text).is_some()
}
