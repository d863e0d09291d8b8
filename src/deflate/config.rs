//! [`Config`]: what is asked for in the handshake, and how messages are compressed.

use super::Pool;

/// What is asked for in the handshake, and how messages are compressed.
///
/// ```
/// use websocket_proto::deflate::Config;
///
/// let mut config = Config::default();
/// config.client_no_context_takeover = true;
/// config.server_no_context_takeover = true; // idle connections hold no context
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The server begins each message with an empty window (RFC 7692 §7.1.1.1). A client demands
    /// it; a server declares it, and does so in any case for a client that demands it. Off by
    /// default.
    pub server_no_context_takeover: bool,
    /// The client begins each message with an empty window (RFC 7692 §7.1.1.2). A server demands
    /// it; a client hints that it will, and a server of this crate agrees to that. Off by default.
    pub client_no_context_takeover: bool,
    /// The largest window of the server's compressor as a power of two, 8 to 15 (RFC 7692
    /// §7.1.2.1); 15 by default. Values outside are taken for the nearest inside. A client demands
    /// it if it is less than 15, and a server then uses the smaller of both.
    pub server_max_window_bits: u8,
    /// The largest window of the client's compressor, likewise (RFC 7692 §7.1.2.2); 15 by default.
    /// A server can demand less only of a client that offers the parameter, as clients of this
    /// crate always do; from others it takes 15. To a client this is a hint to give.
    pub client_max_window_bits: u8,
    /// How hard the compressor tries: 1 (fast) to 9 (small); 1 by default.
    pub level: u8,
    /// How much memory the compressor takes: 1 (least) to 9; 8 by default.
    pub mem_level: u8,
    /// Messages of fewer bytes go out as they are; 64 by default.
    pub threshold: usize,
    /// How many times larger than its compressed form a message may be, beyond the first 64 KiB of
    /// it; `None` (the default) leaves it to the limit on the size of a message. More fails the
    /// connection with 1009. It is judged behind each 64 KiB and at the end, whatever the sizes of
    /// reads.
    pub max_ratio: Option<u32>,
    /// Where contexts come from and go back to; clones of this configuration share it.
    pub pool: Pool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
            level: 1,
            mem_level: 8,
            threshold: 64,
            max_ratio: None,
            pool: Pool::default(),
        }
    }
}

/// Whether a message is compressed, where that was agreed on.
///
/// RFC 7692 §8: over an encrypted transport the length of what is compressed together tells about
/// its content. Messages that hold a secret next to what an attacker chose go out with `Never`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// From the threshold on. What does not become smaller goes out as it is, unless it is shorter
    /// than 4 KiB and its window is taken over.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}
