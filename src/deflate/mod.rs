//! permessage-deflate (RFC 7692): compressed messages.
//!
//! Owns negotiation, coding and the contexts of the back end. Leaves the reserved bits of frames to
//! the [`Connection`](crate::Connection), and whole messages to the
//! [`Assembler`](crate::Assembler) and the [`Endpoint`](crate::Endpoint).
//!
//! ```text
//!   Config --> Offer ---- request ----> answer --> Params
//!                |                                   |
//!              agree <---- response ------------- Display
//!                |
//!              Params --> Endpoint::with_deflate, Assembler::with_deflate
//! ```
//!
//! # Turning it on
//!
//! With an adapter it is one setting, the same on both sides:
//!
//! ```
//! use websocket_proto::{deflate, endpoint};
//!
//! let mut config = endpoint::Config::default();
//! config.deflate = Some(deflate::Config::default());
//! // for `accept` and `connect` of `blocking` and `tokio`
//! ```
//!
//! Without one, the handshake says what was agreed on, and
//! [`Endpoint::with_deflate`](crate::Endpoint::with_deflate) takes it. With an HTTP library of your
//! own, [`answer`] and [`agree`] work on the values of the fields.
//!
//! # What is compressed
//!
//! Messages from [`Config::threshold`] on, unless one is sent with another [`Compression`]. What
//! does not become smaller goes out as it is, if the window need not hold it. Control frames never.
//!
//! **Security**: over TLS the length of what is compressed tells something of its content. A
//! message that holds a secret beside what an attacker chose goes out with
//! [`Compression::Never`], or nothing does (RFC 7692 §8).
//!
//! # Bounds
//!
//! The limit on the size of a message is checked while it is decompressed: memory grows with what
//! has come out, to one byte over the limit at most. [`Config::max_ratio`] is a second one. Both
//! fail the connection with 1009, data that is not DEFLATE with 1007. A message has to end where a
//! block does, so that nothing of it is taken for the beginning of the next.
//!
//! Behind a block with BFINAL a message may go on (RFC 7692 §7.2.1), for the price of a copy of the
//! window. It may do so 32 times, and once more for each KiB that it brings; more fail the
//! connection with 1008.
//!
//! # Memory
//!
//! A context is made when the first message needs it. Bytes of heap that an idle connection holds
//! (server's end, `cargo bench --bench deflate_memory`; zlib-rs 0.6.8 on 64 bits):
//!
//! | agreed on | memory level | before the first message | after 100 B each way | after 100 kB each way |
//! |---|---:|---:|---:|---:|
//! | nothing more (defaults) | 8 | 368 | 380,500 | 413,168 |
//! | windows of 12 bits | 4 | 368 | 158,292 | 162,288 |
//! | windows of 9 bits | 1 | 368 | 137,684 | 138,096 |
//! | `server_no_context_takeover` | any | 368 | 468 | 33,136 |
//! | no context takeover, both | any | 368 | 368 | 368 |
//!
//! With `server_no_context_takeover` 5,000 idle connections that have had a message each way take
//! 1,253 bytes each, with the endpoint and their share of the pool (same command).
//!
//! So a server with many clients sets [`Config::server_no_context_takeover`]. Its compressors are
//! then in the [`Pool`] but for the time that a message takes. Decompressors are there while a
//! connection waits ([`Endpoint::release`](crate::Endpoint::release)): it keeps of the peer's
//! window what has come of it, not the 47 kB of a decompressor. The blocking adapter keeps that for
//! longer where the peer takes its context over.
//!
//! # The back end
//!
//! `zlib-rs`: pure Rust, the fastest measured together with zlib-ng, and it keeps to the window
//! that was agreed on. Its encoder knows no window of 8 bits; that of 9 bits makes no distance
//! above 250 bytes, which a window of 8 bits has.

mod codec;
mod config;
mod deflater;
mod inflater;
mod negotiate;
mod pool;

pub use config::{Compression, Config};
pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub use negotiate::{NegotiationError, Offer, Params, agree, answer};
pub use pool::Pool;
