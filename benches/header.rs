//! Frame headers: parsing and encoding, each form of the length.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use websocket_proto::frame::mask::MaskKey;
use websocket_proto::frame::{Header, OpCode, Rsv};

fn headers(c: &mut Criterion) {
    let key = MaskKey::new([1, 2, 3, 4]);
    let mut group = c.benchmark_group("header");
    for (name, mask) in [("server", None), ("client", Some(key))] {
        for len in [5, 300, 70_000] {
            let header = Header { fin: true, rsv: Rsv::NONE, opcode: OpCode::Binary, mask, len };
            let bytes = header.encode();
            group.bench_function(BenchmarkId::new(format!("parse/{name}"), len), |b| {
                b.iter(|| Header::parse(black_box(&bytes)));
            });
            group.bench_function(BenchmarkId::new(format!("encode/{name}"), len), |b| {
                b.iter(|| black_box(black_box(&header).encode()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, headers);
criterion_main!(benches);
