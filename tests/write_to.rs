//! `Endpoint::write_to`: all that is queued, over a transport that takes it in pieces.
#![cfg(feature = "std")]
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::Bytes;
use websocket_proto::SendError;
use websocket_proto::connection::{Connection, NoEntropy};
use websocket_proto::endpoint::{Config, Endpoint, Status};

/// Takes everything, or as many bytes as it is told to, or fails so; keeps what it was given.
#[derive(Default)]
struct Transport {
    calls: VecDeque<Result<usize, ErrorKind>>,
    taken: Vec<u8>,
    /// Of each call how many slices it was given, 0 for a plain one.
    slices: Vec<usize>,
}

impl Transport {
    fn take(&mut self, slices: &[&[u8]]) -> io::Result<usize> {
        assert!(slices.iter().all(|slice| !slice.is_empty()));
        let all = slices.concat();
        let count = self.calls.pop_front().unwrap_or(Ok(all.len()))?.min(all.len());
        self.taken.extend_from_slice(&all[..count]);
        Ok(count)
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.slices.push(0);
        self.take(&[bytes])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.slices.push(slices.len());
        self.take(&slices.iter().map(|slice| &slice[..]).collect::<Vec<_>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        panic!("that is for the caller")
    }
}

/// Small frames, and a large payload between them that is not copied.
fn queued() -> (Endpoint, Vec<u8>) {
    let config = Config::default();
    let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
    endpoint.send("Hello").unwrap();
    endpoint.send_owned(Bytes::from(vec![7; 5000])).unwrap();
    endpoint.send("bye").unwrap();
    let wire = endpoint.chunks().collect::<Vec<_>>().concat();
    assert_eq!(endpoint.chunks().count(), 3);
    (endpoint, wire)
}

#[test]
fn all_of_it_takes_one_call() {
    let (mut endpoint, wire) = queued();
    let mut transport = Transport::default();
    endpoint.write_to(&mut transport).unwrap();
    assert_eq!((transport.taken, endpoint.queued()), (wire, 0));
    // One piece is not worth a vectored write, and nothing no write at all.
    endpoint.send("once more").unwrap();
    transport.taken = Vec::new();
    endpoint.write_to(&mut transport).unwrap();
    endpoint.write_to(&mut transport).unwrap();
    assert_eq!((&transport.slices[..], &transport.taken[..2]), (&[3, 0][..], &b"\x81\x09"[..]));
}

#[test]
fn what_is_not_taken_stays_queued_wherever_it_ends() {
    for cut in [1, 6, 7, 8, 11, 4000, 5010, 5011, 5012, 5015] {
        let (mut endpoint, wire) = queued();
        let mut transport = Transport::default();
        transport.calls.extend([Ok(cut), Err(ErrorKind::Interrupted), Ok(1)]);
        transport.calls.push_back(Err(ErrorKind::WouldBlock));
        let result = endpoint.write_to(&mut transport);
        let left = wire.len().saturating_sub(cut + 1);
        assert_eq!(endpoint.queued(), left, "{cut}");
        assert_eq!(result.err().map(|it| it.kind()), (left > 0).then_some(ErrorKind::WouldBlock));
        transport.calls.clear();
        endpoint.write_to(&mut transport).unwrap();
        assert_eq!(transport.taken, wire, "{cut}");
    }
}

#[test]
fn a_transport_that_takes_nothing_or_fails_is_an_error_and_loses_nothing() {
    let (mut endpoint, wire) = queued();
    let mut transport = Transport::default();
    transport.calls.extend([Ok(0), Err(ErrorKind::BrokenPipe)]);
    for kind in [ErrorKind::WriteZero, ErrorKind::BrokenPipe] {
        assert_eq!(endpoint.write_to(&mut transport).unwrap_err().kind(), kind);
        assert_eq!(endpoint.queued(), wire.len());
    }
    endpoint.write_to(&mut transport).unwrap();
    assert_eq!(transport.taken, wire);
}

fn ping(endpoint: &mut Endpoint) {
    let ping = [0x89, 2, b'h', b'i'];
    endpoint.read_buf()[..4].copy_from_slice(&ping);
    endpoint.advance_read(4);
    assert_eq!(endpoint.poll(), Ok(Status::NeedRead));
}

#[test]
fn what_the_protocol_has_to_send_goes_with_it_or_stays_due() {
    /// Two keys, and no more.
    fn few(bytes: &mut [u8]) -> Result<(), NoEntropy> {
        thread_local! {
            static LEFT: Cell<u8> = const { Cell::new(2) };
        }
        let left = LEFT.get().checked_sub(1).ok_or(NoEntropy)?;
        LEFT.set(left);
        bytes.fill(left);
        Ok(())
    }
    let config = Config::default();
    let mut endpoint = Endpoint::new(Connection::client(&config.connection, few), &config);
    ping(&mut endpoint);
    let mut transport = Transport::default();
    endpoint.write_to(&mut transport).unwrap();
    assert_eq!((transport.taken[0], transport.taken.len()), (0x8a, 8));
    // What is queued is written although there is no key for the next one.
    endpoint.send("Hello").unwrap();
    ping(&mut endpoint);
    transport.taken.clear();
    for _ in 0..2 {
        let error = endpoint.write_to(&mut transport).unwrap_err();
        let source = error.get_ref().and_then(|it| it.downcast_ref::<SendError>());
        assert_eq!((error.kind(), source), (ErrorKind::Other, Some(&SendError::NoEntropy)));
        assert!(endpoint.connection().wants_transmit(), "it stays due");
        assert_eq!((transport.taken[0], transport.taken.len()), (0x81, 11));
    }
}

#[test]
fn more_pieces_than_one_call_takes_and_a_count_that_is_not_true() {
    let config = Config::default();
    let mut endpoint = Endpoint::new(Connection::server(&config.connection), &config);
    for _ in 0..20 {
        endpoint.send_owned(Bytes::from(vec![7; 5000])).unwrap();
    }
    let wire = endpoint.chunks().collect::<Vec<_>>().concat();
    assert_eq!(endpoint.chunks().count(), 40);
    // Sixteen pieces are eight messages.
    let mut transport = Liar(Vec::new());
    endpoint.write_to(&mut transport).unwrap();
    assert_eq!(transport.0, wire);
}

/// Takes what it is given, and says that it has taken more.
struct Liar(Vec<u8>);

impl Write for Liar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(usize::MAX)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        slices.iter().for_each(|slice| self.0.extend_from_slice(slice));
        Ok(usize::MAX)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
