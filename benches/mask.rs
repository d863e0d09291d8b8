//! Masking in place: `mask::apply` over payloads of several sizes.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::frame::mask::{self, MaskKey};

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    let key = MaskKey::new([0x37, 0xfa, 0x21, 0x3d]);
    for size in [16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024] {
        let mut payload = vec![0x5a; size];
        group.throughput(Throughput::Bytes(size.try_into().unwrap_or(0)));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| mask::apply(black_box(&mut payload), black_box(key)));
        });
    }
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
