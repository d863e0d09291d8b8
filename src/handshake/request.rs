//! [`Request`], what a client asked of the server.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::str;

#[cfg(feature = "deflate")]
use crate::deflate::{self, Params};

use super::authority::Authority;
use super::error::HandshakeError;
use super::head::{Head, RawHead, RequestLine, Version};
use super::headers::{Extension, any_element, is_token, parse_extensions, tokens};
use super::origin::OriginPolicy;
use super::{accept_key, headers};

/// A request as it was received, with every field verbatim and in order.
///
/// It owns its head, one allocation that the bytes were copied into once: authorising a client can
/// take a database query, and a request that borrowed the read buffer could not be kept across it.
#[derive(Clone)]
pub struct Request {
    head: Head,
    method: Range<usize>,
    target: Range<usize>,
    version: Version,
    kind: Kind,
}

/// What the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A page: no upgrade, or HTTP/1.0, in which the Upgrade field means nothing.
    Plain,
    /// A WebSocket connection, by all the rules.
    Upgrade,
}

impl Request {
    /// Parses a head. Fails if it is no HTTP, or asks for a WebSocket connection the wrong way.
    pub(super) fn parse(raw: RawHead, origins: &OriginPolicy) -> Result<Self, HandshakeError> {
        let (RequestLine { method, target, version }, head) = Head::parse_request(raw)?;
        let mut request = Self { head, method, target, version, kind: Kind::Plain };
        if !request.target().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(HandshakeError::InvalidTarget);
        }
        request.check_host()?;
        // RFC 9110 §7.8: Upgrade in an HTTP/1.0 request is ignored.
        let modern = version == Version::Http11;
        if modern && any_element(request.head.values("Upgrade"), "websocket") {
            request.check_upgrade(origins)?;
            request.kind = Kind::Upgrade;
        }
        Ok(request)
    }

    /// The request that another HTTP library has parsed: its method, its target and its fields in
    /// order. All rules are applied to them as if the bytes had come here, but for the limits, which
    /// are that library's, and for its version: only one of HTTP/1.1 may be handed over, another is
    /// not an upgrade (RFC 6455 §4.2.1).
    ///
    /// Names and values may be anything that gives bytes, so of a request of the crate `http`, which
    /// hyper and axum have, `&parts.headers` will do (and `&parts.uri.to_string()` as target).
    /// [`Accept::fields`](super::Accept::fields) is the other half, and has an example,
    /// [`Reply::fields`](super::Reply::fields) what a refusal has to say; `examples/axum` is a whole
    /// server.
    ///
    /// # Errors
    ///
    /// As [`receive`](super::ServerHandshake::receive) of a server's handshake, with a
    /// [status](HandshakeError::status) to answer.
    pub fn from_fields<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        method: &str,
        target: &str,
        fields: impl IntoIterator<Item = (N, V)>,
        origins: &OriginPolicy,
    ) -> Result<Self, HandshakeError> {
        Self::parse(RawHead::of_request(method, target, fields)?, origins)
    }

    /// RFC 9112 §3.2: exactly one valid Host, which may be empty; HTTP/1.0 knew none.
    fn check_host(&self) -> Result<(), HandshakeError> {
        match self.head.single("Host")? {
            None if self.version == Version::Http10 => Ok(()),
            None => Err(HandshakeError::MissingField("Host")),
            Some(b"") => Ok(()),
            Some(host) => match str::from_utf8(host).map(Authority::parse) {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(HandshakeError::InvalidField("Host")),
            },
        }
    }

    /// RFC 6455 §4.2.1, and the rules of HTTP about a request without a body.
    fn check_upgrade(&self, origins: &OriginPolicy) -> Result<(), HandshakeError> {
        if self.method() != "GET" {
            return Err(HandshakeError::UpgradeNotGet);
        }
        if !(self.target().starts_with('/') || self.absolute().is_some()) {
            return Err(HandshakeError::InvalidTarget);
        }
        if self.host().is_none_or(|host| Authority::parse(host).is_err()) {
            return Err(HandshakeError::InvalidField("Host"));
        }
        if self.head.announces_body() {
            return Err(HandshakeError::BodyOnUpgrade);
        }
        if !any_element(self.head.values("Connection"), "upgrade") {
            return Err(HandshakeError::MissingConnectionUpgrade);
        }
        // The version comes before the key: other versions have other keys, and are to learn of 13.
        if self.head.single("Sec-WebSocket-Version")? != Some(b"13") {
            return Err(HandshakeError::UnsupportedVersion);
        }
        if !accept_key::is_key(self.head.required("Sec-WebSocket-Key")?) {
            return Err(HandshakeError::InvalidField("Sec-WebSocket-Key"));
        }
        const PROTOCOL: &str = "Sec-WebSocket-Protocol";
        // RFC 6455 §4.3: `1#token`, so at least one.
        if self.head.has(PROTOCOL)
            && tokens(self.head.values(PROTOCOL)).is_none_or(|list| list.is_empty())
        {
            return Err(HandshakeError::InvalidField(PROTOCOL));
        }
        const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
        if parse_extensions(self.head.values(EXTENSIONS)).is_err() {
            return Err(HandshakeError::InvalidField(EXTENSIONS));
        }
        let origin = match self.head.single("Origin")?.map(str::from_utf8) {
            None => None,
            Some(Ok(origin)) => Some(origin),
            Some(Err(_)) => return Err(HandshakeError::InvalidField("Origin")),
        };
        if !origins.allows(origin, self.host()) {
            return Err(HandshakeError::OriginNotAllowed);
        }
        Ok(())
    }

    /// Whether the request asks for a WebSocket connection, and does so by all the rules.
    ///
    /// If not, it is for a page: answer it with [`reject`](super::ServerHandshake::reject), which
    /// despite its name can send a page with status 200.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.kind == Kind::Upgrade
    }

    /// The method, verbatim. Methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.text(&self.method)
    }

    /// The request target, verbatim: neither decoded nor normalised, so that every check that the
    /// application makes sees what was sent. It is visible ASCII without `#`.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.text(&self.target)
    }

    /// The path of the target, verbatim. An absolute URI without a path has `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        let resource = self.resource();
        let path = resource.split('?').next().unwrap_or_default();
        if path.is_empty() { "/" } else { path }
    }

    /// The query of the target, verbatim and without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// The target from the path on.
    fn resource(&self) -> &str {
        self.absolute().map_or_else(|| self.target(), |(_, resource)| resource)
    }

    /// Authority and resource of a target that is an absolute http or https URI (RFC 6455 §4.2.1).
    fn absolute(&self) -> Option<(&str, &str)> {
        let target = self.target();
        // As nearly always: a path, whatever it contains.
        if target.starts_with('/') {
            return None;
        }
        let (scheme, rest) = target.split_once("://")?;
        if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
            return None;
        }
        Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
    }

    /// The fields: names and values verbatim and in order, values without surrounding white space.
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

    /// Host and port that the client asks, as it spelled them.
    ///
    /// An absolute target wins over the Host field (RFC 9112 §3.2.2).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self.absolute() {
            Some((authority, _)) => Some(authority),
            None => self.header("Host"),
        }
    }

    /// The origin of the web page that asks, verbatim.
    ///
    /// Check it unless an [`OriginPolicy`] does: **the browser does not**.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.header("Origin")
    }

    /// The Sec-WebSocket-Key, which is valid if this is an upgrade.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.header("Sec-WebSocket-Key")
    }

    /// The subprotocols that the client offers, over all lines, in its order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let elements =
            self.header_values("Sec-WebSocket-Protocol").flat_map(headers::list_elements);
        elements
            .filter(|element| is_token(element))
            .filter_map(|element| str::from_utf8(element).ok())
    }

    /// The client's favourite among the subprotocols that the server supports, as the server spells
    /// it: it lives as long as that list, beyond this request.
    ///
    /// The order of `supported` does not matter: RFC 6455 §4.1 has the client list subprotocols in
    /// order of preference. Names compare exactly. A server that prefers by itself goes through
    /// [`subprotocols`](Self::subprotocols).
    #[must_use]
    pub fn choose_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        self.subprotocols().find_map(|offer| supported.iter().copied().find(|name| *name == offer))
    }

    /// The extensions that the client offers, over all lines, in its order of preference.
    #[must_use]
    pub fn extensions(&self) -> Vec<Extension<'_>> {
        // Valid if this is an upgrade; nobody needs the offers of a plain request.
        parse_extensions(self.header_values("Sec-WebSocket-Extensions")).unwrap_or_default()
    }

    /// What to answer to the client's offers of permessage-deflate, for
    /// [`Accept::deflate`](super::Accept::deflate), which has an example. `None` if there are none
    /// that are acceptable: the connection is not compressed then.
    ///
    /// [`deflate::answer`] says how the offers and the server's configuration decide.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(&self, config: &deflate::Config) -> Option<Params> {
        deflate::answer(&self.extensions(), config)
    }

    /// RFC 9110 §10.1.1: whether the client waits for an interim answer.
    pub(super) fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && any_element(self.head.values("Expect"), "100-continue")
    }
}

/// Shows method and path only: queries and fields hold credentials.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("version", &self.version)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
