//! Sans-IO WebSocket (RFC 6455).
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
pub mod handshake;
mod input;

pub use input::Input;
