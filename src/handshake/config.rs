//! Limits and policies of both handshakes.

use core::time::Duration;

use super::origin::OriginPolicy;

/// Longest head by default, in bytes: above the 8,000 that RFC 9112 §3 asks of a request line.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Limits and policies of a [`ServerHandshake`](super::ServerHandshake).
///
/// ```
/// use websocket_proto::handshake::{OriginPolicy, Scheme, ServerConfig};
///
/// let mut config = ServerConfig::default();
/// config.origins = OriginPolicy::SameOrigin(Scheme::Https);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Longest head that is accepted, in bytes with the empty line. 16 KiB by default.
    pub max_head: usize,
    /// Most field lines that are accepted. 64 by default.
    pub max_headers: usize,
    /// How long the head may take from the first call. 10 s by default. The handshake has no
    /// clock: its driver measures, and calls
    /// [`handle_timeout`](super::ServerHandshake::handle_timeout).
    pub timeout: Duration,
    /// Which web pages may connect. **[`OriginPolicy::Any`] by default: read its documentation**
    /// before serving browsers with cookies.
    pub origins: OriginPolicy,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_head: MAX_HEAD,
            max_headers: MAX_HEADERS,
            timeout: TIMEOUT,
            origins: OriginPolicy::Any,
        }
    }
}

/// Limits and policies of a [`ClientHandshake`](super::ClientHandshake).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Longest head that is accepted, in bytes with the empty line and with all interim responses
    /// before it. 16 KiB by default. In a chunked body, extensions and trailers may be as long.
    pub max_head: usize,
    /// Most field lines that are accepted in one head. 64 by default.
    pub max_headers: usize,
    /// How long the response may take from the first call, with the writing of the request. 10 s by
    /// default. The handshake has no clock: its driver measures, and calls
    /// [`handle_timeout`](super::ClientHandshake::handle_timeout).
    pub timeout: Duration,
    /// How much of the body of another answer than 101 is kept, in bytes. 16 KiB by default.
    pub max_body: usize,
    /// What to do if subprotocols were offered and the server chose none.
    pub missing_subprotocol: MissingSubprotocol,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            max_head: MAX_HEAD,
            max_headers: MAX_HEADERS,
            timeout: TIMEOUT,
            max_body: 16 * 1024,
            missing_subprotocol: MissingSubprotocol::Accept,
        }
    }
}

/// What a client does if it offered subprotocols and the server chose none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingSubprotocol {
    /// Opens the connection without a subprotocol, as RFC 6455 §4.1 says.
    #[default]
    Accept,
    /// Fails, as browsers do.
    Fail,
}
