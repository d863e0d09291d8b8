//! The frame codec (RFC 6455 §5.2, §5.3), usable alone, without alloc.
//!
//! Owns headers, masking and the splitting of a byte stream into frames. Fragmentation, control
//! frames and every rule that needs more than one header are left to
//! [`Connection`](crate::Connection).

mod decoder;
#[cfg(feature = "alloc")]
mod fragments;
mod header;
pub mod mask;
mod opcode;
mod plain;

pub(crate) use decoder::len64;
pub use decoder::{Decoder, Part};
#[cfg(feature = "alloc")]
pub(crate) use fragments::Fragments;
pub use header::{EncodedHeader, Header, MAX_CONTROL_LEN, Masking, Order, Rsv, Rules};
pub use opcode::OpCode;
pub(crate) use plain::Plain;
