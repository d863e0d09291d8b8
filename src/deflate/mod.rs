//! permessage-deflate (RFC 7692): compressed messages.
//!
//! Owns negotiation, coding and the contexts of the back end. Leaves the reserved bits of frames to
//! the [`Connection`](crate::Connection), and whole messages to the
//! [`Assembler`](crate::Assembler) and the [`Endpoint`](crate::Endpoint).

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
