//! Whole messages out of a byte stream, through `Endpoint`: both roles, text and binary.
//!
//! The stream lies in memory and is copied into the read buffer, as a socket would do it; what is
//! counted includes that copy. Each row's message count and bytes are checked once.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::connection::{Connection, Fragment, NoEntropy};
use websocket_proto::endpoint::{Config, Endpoint};
use websocket_proto::{Kind, Message};

/// About as much as a stream is long, in bytes, so that small messages come many to a read.
const STREAM: usize = 256 * 1024;

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

fn connection(masked: bool) -> Connection {
    let config = Config::default();
    if masked {
        Connection::client(&config.connection, keys)
    } else {
        Connection::server(&config.connection)
    }
}

fn payload(kind: &str, size: usize) -> Vec<u8> {
    let pattern = match kind {
        "mixed" => "grün, жёлтый, 赤い and plain — ",
        _ => "The quick brown fox jumps over it. ",
    };
    let mut text: String = pattern.chars().cycle().take(size).collect();
    while text.len() > size {
        text.pop();
    }
    let mut bytes = text.into_bytes();
    bytes.resize(size, b'.');
    bytes
}

/// The messages, encoded by the other role in fragments of at most `fragment` bytes.
fn stream(masked: bool, kind: Kind, payload: &[u8], fragment: usize) -> (Vec<u8>, usize) {
    let (mut peer, mut out, mut count) = (connection(masked), Vec::new(), 0);
    while count == 0 || out.len() < STREAM {
        let mut pieces: Vec<&[u8]> = payload.chunks(fragment).collect();
        if pieces.is_empty() {
            pieces.push(payload);
        }
        for (at, piece) in pieces.iter().enumerate() {
            let last = if at + 1 == pieces.len() { Fragment::Last } else { Fragment::More };
            let piece = match kind {
                Kind::Text => Message::Text(std::str::from_utf8(piece).expect("a whole text")),
                Kind::Binary => Message::Binary(piece),
            };
            if pieces.len() == 1 {
                peer.send(piece, &mut out).expect("open");
            } else {
                peer.send_part(piece, last, &mut out).expect("open");
            }
        }
        count += 1;
    }
    (out, count)
}

fn drain(endpoint: &mut Endpoint, mut stream: &[u8], read: usize) -> (usize, usize) {
    let (mut messages, mut bytes) = (0, 0);
    while !stream.is_empty() {
        let room = endpoint.read_buf();
        let count = room.len().min(read).min(stream.len());
        let (now, later) = stream.split_at(count);
        room[..count].copy_from_slice(now);
        stream = later;
        endpoint.advance_read(count);
        while let Some(received) = endpoint.next().expect("valid") {
            messages += 1;
            bytes += black_box(received.message).as_bytes().len();
        }
    }
    (messages, bytes)
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let rows = [0, 16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024]
        .map(|size| (size.to_string(), size, usize::MAX, usize::MAX))
        .into_iter()
        .chain([
            ("1MiB in 4KiB".into(), 1024 * 1024, 4096, usize::MAX),
            ("1KiB by 7B".into(), 1024, usize::MAX, 7),
        ]);
    for (name, size, fragment, read) in rows {
        for role in ["server", "client"] {
            for kind in ["binary", "ascii", "mixed"] {
                if kind == "mixed" && fragment != usize::MAX {
                    continue; // Pieces would end inside characters.
                }
                let wire = if kind == "binary" { Kind::Binary } else { Kind::Text };
                let masked = role == "server";
                let (stream, count) = stream(masked, wire, &payload(kind, size), fragment);
                let mut endpoint = Endpoint::new(connection(!masked), &Config::default());
                let (messages, bytes) = drain(&mut endpoint, &stream, read);
                assert_eq!((messages, bytes), (count, count * size));
                group.throughput(Throughput::Elements(count.try_into().unwrap_or(0)));
                group.bench_function(BenchmarkId::new(format!("{role}/{kind}"), &name), |b| {
                    b.iter(|| drain(&mut endpoint, &stream, read));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
