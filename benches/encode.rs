//! Messages to frames, through `Endpoint`: copied, given away, and as client, masked.

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::connection::{Connection, NoEntropy};
use websocket_proto::endpoint::{Config, Endpoint};

fn keys(bytes: &mut [u8]) -> Result<(), NoEntropy> {
    bytes.fill(0x5a);
    Ok(())
}

fn flush(endpoint: &mut Endpoint) {
    let written = endpoint.chunks().map(|chunk| black_box(chunk).len()).sum();
    endpoint.advance_write(written);
}

fn encode(c: &mut Criterion) {
    let config = Config::default();
    let mut group = c.benchmark_group("encode");
    for size in [0, 16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024] {
        let payload = vec![0x5a; size];
        let shared = Bytes::from(payload.clone());
        group.throughput(Throughput::Elements(1));
        for role in ["server", "client"] {
            let connection = || match role {
                "server" => Connection::server(&config.connection),
                _ => Connection::client(&config.connection, keys),
            };
            let mut endpoint = Endpoint::new(connection(), &config);
            group.bench_function(BenchmarkId::new(format!("{role}/copied"), size), |b| {
                b.iter(|| {
                    endpoint.send(black_box(&payload)).expect("open");
                    // A write for each 16 KiB, as a loop over a socket would make them.
                    if endpoint.queued() > 16 * 1024 {
                        flush(&mut endpoint);
                    }
                });
            });
            let mut endpoint = Endpoint::new(connection(), &config);
            group.bench_function(BenchmarkId::new(format!("{role}/shared"), size), |b| {
                b.iter(|| {
                    endpoint.send_owned(black_box(shared.clone())).expect("open");
                    if endpoint.queued() > 16 * 1024 {
                        flush(&mut endpoint);
                    }
                });
            });
        }
        let mut endpoint = Endpoint::new(Connection::client(&config.connection, keys), &config);
        group.bench_function(BenchmarkId::new("client/given away", size), |b| {
            b.iter_batched(
                || payload.clone(),
                |payload| {
                    endpoint.send_owned(black_box(payload)).expect("open");
                    flush(&mut endpoint);
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
