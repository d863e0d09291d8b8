//! Sans-IO WebSocket (RFC 6455).
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod adapter;
#[cfg(feature = "alloc")]
mod assembler;
#[cfg(feature = "std")]
pub mod blocking;
mod close;
mod close_code;
pub mod connection;
#[cfg(feature = "alloc")]
pub mod endpoint;
mod error;
pub mod frame;
#[cfg(feature = "alloc")]
pub mod handshake;
mod input;
mod message;
#[cfg(feature = "getrandom")]
mod random;
mod timers;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod utf8;

#[cfg(feature = "alloc")]
pub use assembler::Assembler;
pub use close::{CloseFrame, MAX_REASON_LEN};
pub use close_code::CloseCode;
pub use connection::{Connection, Event};
#[cfg(feature = "alloc")]
pub use endpoint::Endpoint;
pub use error::{ProtocolError, SendError, TimeoutError, UncleanClose};
pub use input::Input;
#[cfg(feature = "alloc")]
pub use message::OwnedMessage;
pub use message::{Kind, Message};
#[cfg(feature = "getrandom")]
pub use random::random_keys;
