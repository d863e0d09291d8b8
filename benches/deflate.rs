//! Compressed messages through `Endpoint`: JSON-like and incompressible, with and without context
//! takeover, at the default level. `benches/peers` has the same beside other crates.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::connection::{Connection, NoEntropy};
use websocket_proto::deflate::{self, Params};
use websocket_proto::endpoint::{Config, Endpoint, Received};

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

/// Makes the message with this number, of this size.
type Make = fn(usize, u64) -> Vec<u8>;

/// Messages that resemble each other as those of a feed do.
fn json(size: usize, n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while out.len() < size {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (price, amount) = (n >> 48, n >> 20 & 0xffff);
        let trade = format!(
            "{{\"type\":\"trade\",\"symbol\":\"BTC-USD\",\"price\":\"{price}.25\",\"size\":{amount}}},"
        );
        out.extend(trade.bytes());
    }
    out.truncate(size);
    out
}

fn noise(size: usize, n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(|_| next()).collect()
}

fn flush(endpoint: &mut Endpoint) -> Vec<u8> {
    let out = endpoint.chunks().flatten().copied().collect::<Vec<u8>>();
    endpoint.advance_write(out.len());
    out
}

fn receive(endpoint: &mut Endpoint, mut bytes: &[u8]) -> usize {
    let mut received = 0;
    while !bytes.is_empty() {
        let room = endpoint.read_buf();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        endpoint.advance_read(count);
        bytes = &bytes[count..];
        while let Some(Received { message, .. }) = endpoint.next().expect("valid") {
            received += black_box(message.as_bytes()).len();
        }
    }
    received
}

fn deflate(c: &mut Criterion) {
    let mut config = Config::default();
    config.deflate = Some(deflate::Config::default());
    for (takeover, params) in [
        ("takeover", "permessage-deflate"),
        ("none", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
    ] {
        let params: Params = params.parse().expect("valid");
        let client = || Connection::client(&config.connection, keys);
        let contents: [(&str, Make); 2] = [("json", json), ("noise", noise)];
        for (content, make) in contents {
            let mut group = c.benchmark_group(format!("deflate/{content}/{takeover}"));
            for size in [64, 256, 1024, 16 * 1024, 64 * 1024] {
                let messages: Vec<_> = (0..64).map(|n| make(size, n)).collect();
                group.throughput(Throughput::Elements(64));
                let mut endpoint = Endpoint::with_deflate(client(), &config, params);
                group.bench_function(BenchmarkId::new("compress", size), |b| {
                    b.iter(|| {
                        for message in &messages {
                            endpoint.send(black_box(message)).expect("open");
                            let written = endpoint.queued();
                            endpoint.advance_write(written);
                        }
                    });
                });
                // With takeover a stream can be read from its beginning only: the first 64
                // messages fill the window, the others are read again and again.
                let mut sender = Endpoint::with_deflate(client(), &config, params);
                let stream: Vec<_> = messages
                    .iter()
                    .map(|message| {
                        sender.send(message).expect("open");
                        flush(&mut sender)
                    })
                    .collect();
                let server = || Connection::server(&config.connection);
                group.bench_function(BenchmarkId::new("decompress", size), |b| {
                    b.iter_batched_ref(
                        || Endpoint::with_deflate(server(), &config, params),
                        |endpoint| {
                            for frame in &stream {
                                black_box(receive(endpoint, frame));
                            }
                        },
                        criterion::BatchSize::PerIteration,
                    );
                });
            }
        }
    }
}

criterion_group!(benches, deflate);
criterion_main!(benches);
