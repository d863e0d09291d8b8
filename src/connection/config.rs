//! [`Config`]: limits and deadlines; [`Role`].

use core::time::Duration;

use crate::frame::Rsv;

/// Which end of the connection this is (RFC 6455 §5.1: the client masks, the server does not).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opened the connection.
    Client,
    /// The end that accepted it.
    Server,
}

/// Limits and deadlines of a [`Connection`](super::Connection).
///
/// ```
/// use core::time::Duration;
/// use websocket_proto::connection::Config;
///
/// let mut config = Config::default();
/// config.max_message = 64 * 1024;
/// config.ping_interval = Some(Duration::from_secs(30));
/// config.pong_timeout = Some(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The longest data frame that is taken, in bytes; 16 MiB by default. Longer ones fail the
    /// connection with 1009 at their header (RFC 6455 §10.4).
    pub max_frame: u64,
    /// The longest message that is taken, in bytes over all its frames; 16 MiB by default. Who
    /// raises it raises `max_frame` too: most messages come in one frame.
    ///
    /// A message with RSV1 is compressed (RFC 7692 §6), which makes some longer. On the wire it and
    /// its frames may be longer by a quarter and 1 KiB than these two limits. It is held to this
    /// one when it is decompressed. Who allows [`rsv`](Self::rsv) and decompresses by other means,
    /// or gives the bit another meaning, has to compare what comes out with a limit.
    pub max_message: u64,
    /// How many data frames a message may have beyond one for each 16 bytes; 1,024 by default,
    /// `u32::MAX` for no bound. Fragments are cheap to send and not free to take; more of them
    /// fail the connection with 1008.
    pub frame_allowance: u32,
    /// The reserved bits that a negotiated extension has given a meaning; none by default.
    pub rsv: Rsv,
    /// After how long without a byte from the peer a Ping is sent; off by default. Zero is off in
    /// each of these three.
    pub ping_interval: Option<Duration>,
    /// How long after such a Ping something must have come, or the peer is taken for gone; off by
    /// default. Any byte counts, not only the Pong. The time begins when the Ping is due, and anew
    /// when output is taken that it waits behind, and when it is written.
    pub pong_timeout: Option<Duration>,
    /// How long a connection may be without a message in either direction, or a part of one that
    /// comes or is taken; off by default. Pings do not count.
    pub idle_timeout: Option<Duration>,
    /// How long the peer has to complete the closing handshake, and then to end the transport;
    /// 5 seconds by default. What was queued before goes out first: as long as the peer takes some
    /// of that, the time begins anew.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame: 16 * 1024 * 1024,
            max_message: 16 * 1024 * 1024,
            frame_allowance: 1024,
            rsv: Rsv::NONE,
            ping_interval: None,
            pong_timeout: None,
            idle_timeout: None,
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// What a limit on what a message comes to is for its compressed form. Fixed codes take 9 bits for
/// a byte at most, stored blocks next to nothing; the rest is for flushes.
pub(super) fn on_wire(limit: u64) -> u64 {
    limit.saturating_add(limit / 4 + 1024)
}
