//! permessage-deflate (RFC 7692): compressed messages.
//!
//! Owns negotiation, coding and the contexts of the back end. Leaves the reserved bits of frames to
//! the [`Connection`](crate::Connection), and whole messages to the
//! [`Assembler`](crate::Assembler) and the [`Endpoint`](crate::Endpoint).

mod config;
mod negotiate;

pub use config::Config;
pub use negotiate::{NegotiationError, Offer, Params, agree, answer};
