//! [`Config`]: buffer sizes, beside the limits and deadlines of the connection.

use core::time::Duration;

use crate::connection;

/// Buffer sizes, beside the limits and deadlines of the connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Limits and deadlines.
    pub connection: connection::Config,
    /// How much is read at once, in bytes; 16.5 KiB by default, which stays in the first-level
    /// cache and holds a frame of 16 KiB. For longer frames, up to 128 KiB, the buffer
    /// grows with what comes of them; larger ones are read straight into their message, in growing
    /// steps, and of what comes behind one no more than 5 KiB are read at first.
    pub read_buffer: usize,
    /// Over this much queued output, in bytes, nothing more can be sent; 256 KiB by default. One
    /// message may go beyond it. No more than 4 GiB count.
    pub high_watermark: usize,
    /// Once over the high watermark, adapters wait until no more than this is queued, in bytes;
    /// 64 KiB by default.
    pub low_watermark: usize,
    /// How long queued output may wait without a byte being written, before the peer is taken for
    /// one that does not read; 30 seconds by default, zero is off. A transport that keeps what it
    /// is given has as long to pass it on when an adapter flushes it. A socket that blocks may take
    /// up to twice as long: a write that has taken part of its bytes waits once more for the rest.
    pub write_timeout: Option<Duration>,
    /// permessage-deflate (RFC 7692): the adapters offer it, and accept it, if there are settings
    /// for it; none by default.
    #[cfg(feature = "deflate")]
    pub deflate: Option<crate::deflate::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection: connection::Config::default(),
            read_buffer: 16 * 1024 + 512,
            high_watermark: 256 * 1024,
            low_watermark: 64 * 1024,
            write_timeout: Some(Duration::from_secs(30)),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}
