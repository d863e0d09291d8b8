//! WebSocket (RFC 6455) as a pure state machine: bytes, time and random keys go in, events and
//! bytes come out. It performs no I/O, reads no clock and never blocks; thin adapters drive it over
//! blocking streams and over tokio, and a loop of ten lines drives it over anything else.
//!
//! # The run loop
//!
//! What an adapter does, by hand (`examples/by_hand.rs` has it with handshake and deadlines):
//!
//! ```no_run
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::{io::{Read, Write}, net::TcpStream};
//! use websocket_proto::connection::{Config, Connection};
//! use websocket_proto::{Assembler, Event, Input};
//!
//! # let mut stream = TcpStream::connect("127.0.0.1:5000")?;
//! let (mut connection, mut assembler) = (Connection::server(&Config::default()), Assembler::new());
//! let (mut buffer, mut out) = ([0; 16 * 1024], Vec::new());
//! while !connection.should_close_transport() {
//!     let count = stream.read(&mut buffer)?;
//!     if count == 0 {
//!         connection.receive_eof()?; // an error unless a Close frame had come
//!     }
//!     let mut input = Input::new(&mut buffer[..count]);
//!     while let Ok(Some(event)) = connection.receive(&mut input) {
//!         if let Event::Data(piece) = event
//!             && let Ok(Some(message)) = assembler.push(piece, &mut connection)
//!         {
//!             connection.send(message, &mut out)?; // while it is still borrowed
//!         }
//!     }
//!     connection.poll_transmit(&mut out)?; // Pongs, and the Close that tells of an error
//!     stream.write_all(&out)?;
//!     out.clear();
//! }
//! println!("{:?}", connection.outcome());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! ```
//!
//! Errors are sticky, so the loop may ignore them where they arise: the connection has a Close
//! frame to transmit, and then asks for the transport to be closed. What was received before is
//! not lost. What a large message took stays in `out` and in the assembler; who has connections
//! that wait gives it back before the read: [`Assembler::release`], and `out.shrink_to`.
//!
//! # Layers
//!
//! ```text
//!   input   error   utf8   close codes                      leaves, core only
//!     ^       ^       ^        ^
//!   frame     |       |        |      headers, masking, decoder       core only
//!     ^       |       |        |
//!   connection (timers, close) +      the protocol, no buffers        core only
//!     ^                      handshake   HTTP/1.1 head, both sides    alloc
//!   assembler   message, text  ^      whole messages, UTF-8           alloc
//!     ^    deflate ------------+      compression and its terms       std
//!     |       ^                |
//!   endpoint ------------------+      buffers and queue, still no I/O alloc
//!     ^
//!   blocking   tokio                  the only code that reads, writes and sleeps
//! ```
//!
//! Arrows point at what is imported. Take the layer that fits:
//!
//! | you have | take |
//! |---|---|
//! | a tokio stream | `tokio::accept` and `tokio::connect`, `tokio::WebSocket` |
//! | a blocking stream | [`blocking::accept`], [`blocking::connect`], [`blocking::WebSocket`] |
//! | a readiness loop, io_uring, a runtime of your own | [`Endpoint`] |
//! | your own buffers, a proxy, messages that fit no memory | [`Connection`], with an [`Assembler`] for whole messages |
//! | no allocator | [`Connection`] and [`frame`] with `default-features = false` |
//! | an HTTP server: axum, hyper | [`Request::from_fields`](handshake::Request::from_fields), [`Accept::fields`](handshake::Accept::fields), and `WebSocket::new` over the upgraded stream |
//!
//! # Receiving
//!
//! [`Connection::receive`] takes an [`Input`] that borrows the caller's read buffer and lends
//! pieces of messages from it, unmasked where they lay. It always consumes everything: there is no
//! leftover to keep, and one read buffer can serve any number of connections. A message that came
//! in one piece is lent from that buffer to the application, and can be sent back from there:
//!
//! ```
//! # #[cfg(feature = "std")]
//! # fn f(mut endpoint: websocket_proto::Endpoint) -> Result<(), Box<dyn std::error::Error>> {
//! use websocket_proto::endpoint::Received;
//!
//! while let Some(Received { message, mut out }) = endpoint.next()? {
//!     out.feed(message)?; // one copy, into the output queue
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Sending
//!
//! `feed` queues, `send` is `feed` and a flush, and the adapters' `next` flushes before it waits:
//! the echo loop above makes one write for all the messages of one read, and no reply lies unsent
//! while its task waits for the peer. The queue has a high watermark; beyond it the adapters' `next`
//! hands out no further message and their `feed` waits. [`Endpoint::next`] goes on, and what answers
//! a message fails: ask [`Endpoint::is_congested`] before. A connection that was split receives on:
//! its messages are lent without the means to answer them.
//!
//! # Closing
//!
//! A clean close is the end of the messages, not an error.
//! [`CloseOutcome`](connection::CloseOutcome) says who began, both codes, and whether it was clean.
//! The adapters write the Close frame, shut their side of the transport down and wait for the
//! peer's end, so that no reset destroys that frame; they wait no longer than the close timeout
//! after the peer has taken something of what was queued.
//!
//! # Deadlines
//!
//! Times are `Duration`s since a point that the caller chose. Keep-alive (a Ping after silence, a
//! deadline for any answer), idle, close and write deadlines are settings of
//! [`connection::Config`] and, with the alloc feature, `endpoint::Config`.
//!
//! # Speed
//!
//! Which call copies, what costs what, how to repeat the figures: [`performance`].
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `std` | yes | the [`blocking`] adapter, SIMD chosen at run time; implies the next two |
//! | `alloc` | yes | [`handshake`], [`Assembler`], [`Endpoint`] |
//! | `getrandom` | yes | [`random_keys`]: masking keys from the operating system |
//! | `tokio` | no | the `tokio` adapter, with `Stream` and `Sink` |
//! | `deflate` | no | permessage-deflate (RFC 7692), in `deflate`; implies `std` |
//!
//! Without any, the protocol itself is there on `core` alone. A feature adds API and never changes
//! what a call does.
//!
//! # Limits and defaults
//!
//! | setting | default |
//! |---|---|
//! | message, and frame | 16 MiB, refused with 1009 at the header |
//! | data frames in one message | 1,024 and one more for each 16 bytes, refused with 1008 |
//! | handshake | 16 KiB, 64 fields, 10 s; refused with 414, 431 and 408 |
//! | close handshake | 5 s |
//! | keep-alive, idle timeout | off |
//! | compression | off; a message counts by its decompressed size |
//! | output queue | 256 KiB high, 64 KiB low; 30 s without progress |
//! | origin | any: see [`handshake`] before serving browsers |
//!
//! # Where this departs from what one might expect
//!
//! - `ping`, `pong` and `close` of a [`Connection`] give the frame back instead of appending it to
//!   a `Vec`: they work without an allocator, and the connection keeps no room for a reason.
//! - [`Assembler::push`] takes the connection, so that bad text cannot be noticed without the
//!   connection being failed.
//! - A [`Request`](handshake::Request) owns its head: it can be kept while the application asks its
//!   database who the client is.
//! - How a connection ended is asked for ([`Connection::outcome`]) and not an event: it also covers
//!   ends that no byte announces.
//! - A Ping that comes between our Close and the peer's is not answered: nothing follows a Close
//!   frame of ours, although RFC 6455 §5.5.2 would ask for the Pong.
//! - The run loop above transmits once a batch, so several Pings in one read get the latest Pong
//!   (RFC 6455 §5.5.3 allows it). [`Endpoint`] and the adapters transmit after each event.
//! - An adapter is a folder of files of less than 400 lines and not one such file: the loop, the
//!   opening handshake, and the halves of a split connection with what wakes them. No protocol is
//!   decided there, but that no wake-up is lost and no deadline judged unread is work that the core
//!   cannot do for them.
//! - Text that is owned is a [`Text`] and neither a `String` nor `Bytes`: a large one stays in the
//!   buffer that it was received in, which a `String` cannot, and is checked once, where `Bytes`
//!   would have to be checked again at each use. What makes a `str` and its buffer one value without
//!   `unsafe` here is `yoke`.
//! - Masking is a crate of its own, `websocket-proto-mask`, for the sake of building: cargo begins with
//!   what most others wait for, and the vectors that masking is built on take longest to compile. In
//!   one crate they came late, and building from cold took 1.17 to 1.23 of the time of `tungstenite`
//!   instead of 1.07 to 1.09 (`benches/peers/compile`; 1.07 to 1.17 since there is `yoke`).
#![no_std]
#![forbid(unsafe_code)]
// What is not in an adapter imports from core or alloc, so that it cannot reach a clock or I/O.
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation speaks of the whole crate; without a feature, what it brings is not there to
// link to.
#![cfg_attr(not(feature = "std"), allow(rustdoc::broken_intra_doc_links))]

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
#[cfg(feature = "std")]
mod buffers;
mod close;
mod close_code;
pub mod connection;
#[cfg(feature = "alloc")]
mod copy;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(feature = "alloc")]
pub mod endpoint;
mod error;
pub mod frame;
#[cfg(feature = "alloc")]
pub mod handshake;
#[cfg(feature = "alloc")]
mod hint;
mod input;
#[cfg(feature = "alloc")]
mod line;
mod message;
#[cfg(doc)]
pub mod performance;
#[cfg(feature = "alloc")]
mod prepared;
#[cfg(feature = "getrandom")]
mod random;
#[cfg(feature = "alloc")]
mod text;
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
pub use message::{Kind, Message};
#[cfg(feature = "alloc")]
pub use message::{Outbound, OwnedMessage, Unsent};
#[cfg(feature = "alloc")]
pub use prepared::PreparedMessage;
#[cfg(feature = "getrandom")]
pub use random::random_keys;
#[cfg(feature = "alloc")]
pub use text::Text;

/// The examples of the README compile.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
