//! `deflate`: messages compressed and decompressed by those peers that have the extension.
//!
//! All of them stand on the same zlib here (`flate2` with `zlib-rs`, one for the whole build), so
//! that what differs is how they use it. What is decompressed was compressed by the bench.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::memory::{Capture, Memory};
use crate::options::Options;
use crate::payload::{Content, Seen};
use crate::peers::{self, Deflate, Peer, Takeover};
use crate::race::{Contender, float, race};
use crate::results::{Better, Figure, Results};
use crate::wire::{BINARY, Role, TEXT, parse_frame, push_frame};

const SIZES: [(&str, usize); 6] = [
    ("64 B", 64),
    ("256 B", 256),
    ("1 KiB", 1024),
    ("4 KiB", 4 * 1024),
    ("16 KiB", 16 * 1024),
    ("64 KiB", 64 * 1024),
];

/// So much goes by, in bytes, before a message comes again: far more than any window.
const LENGTH: usize = 512 * 1024;
const LEVEL: u32 = 6;
/// RSV1, with FIN: a compressed message (RFC 7692 §6).
const COMPRESSED: u8 = 0xc0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Data {
    Json,
    Random,
}

impl Data {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Random => "incompressible",
        }
    }

    fn opcode(self) -> u8 {
        match self {
            Self::Json => TEXT,
            Self::Random => BINARY,
        }
    }

    fn message(self, size: usize, seed: usize) -> Vec<u8> {
        match self {
            Self::Json => json(size, seed),
            Self::Random => Content::Binary.payload(size, seed),
        }
    }
}

/// Records as a service would send them, cut to size.
fn json(size: usize, seed: usize) -> Vec<u8> {
    let random = Content::Binary.payload(4 * size + 64, seed);
    let mut numbers =
        random.chunks_exact(4).map(|it| u32::from_be_bytes([it[0], it[1], it[2], it[3]]));
    let mut next = || numbers.next().unwrap_or_default();
    let mut text = "[".to_owned();
    while text.len() < size {
        let kind = ["trade", "quote", "order", "cancel"][usize::try_from(next() % 4).unwrap_or(0)];
        let user =
            ["alice", "bob", "carol", "dave", "erin"][usize::try_from(next() % 5).unwrap_or(0)];
        text += &format!(
            "{{\"type\":\"{kind}\",\"id\":{},\"user\":\"{user}\",\"price\":{}.{:02},\"live\":{}}},",
            next(),
            next() % 1000,
            next() % 100,
            next() % 2 == 0,
        );
    }
    text.truncate(size);
    text.into_bytes()
}

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results = Results::default();
    for data in [Data::Json, Data::Random] {
        for takeover in [Takeover::On, Takeover::Off] {
            let kind = match takeover {
                Takeover::On => "takeover",
                Takeover::Off => "no takeover",
            };
            let tables = Tables {
                compress: format!("compress, {}, {kind}", data.name()),
                decompress: format!("decompress, {}, {kind}", data.name()),
            };
            for (column, size) in SIZES {
                compress(&tables.compress, column, data, takeover, size, options, &mut results);
                decompress(&tables.decompress, column, data, takeover, size, options, &mut results);
            }
            for table in [&tables.compress, &tables.decompress] {
                if results.figures.iter().any(|it| it.table == *table) {
                    println!("{}", results.table(table, Better::More, &peers::RATIOS[..1]));
                }
            }
            let wire = wire(&tables.compress);
            if results.figures.iter().any(|it| it.table == wire) {
                println!("{}", results.table(&wire, Better::Less, &peers::RATIOS[..1]));
            }
        }
    }
    println!(
        "Thousand messages per second of CPU, as server, window 15, level 6; `*`: another level,"
    );
    println!("or messages that were not compressed, and so not called the best.");
    results.save("deflate", options)?;
    Ok(())
}

struct Tables {
    compress: String,
    decompress: String,
}

/// The table beside: how long a message is afterwards.
fn wire(table: &str) -> String {
    format!("{table}: bytes on the wire")
}

fn candidates(options: &Options) -> impl Iterator<Item = (&'static Peer, &'static Deflate)> {
    peers::ALL
        .into_iter()
        .filter(|peer| options.has_peer(peer.name))
        .filter_map(|peer| Some((peer, peer.deflate.as_ref()?)))
}

fn messages(data: Data, size: usize) -> Vec<Vec<u8>> {
    (0..LENGTH / size).map(|seed| data.message(size, seed)).collect()
}

fn compress(
    table: &str,
    column: &str,
    data: Data,
    takeover: Takeover,
    size: usize,
    options: &Options,
    results: &mut Results,
) {
    if !options.has_row(&format!("deflate, {table}/{column}")) {
        return;
    }
    let payloads: Vec<Bytes> = messages(data, size).into_iter().map(Bytes::from).collect();
    let (mut names, mut contenders) = (Vec::new(), Vec::new());
    for (peer, deflate) in candidates(options) {
        let capture = Capture::default();
        let sink = Memory::writing(Some(capture.clone()));
        let Some(mut checked) = (deflate.encoder)(takeover, sink) else { continue };
        payloads.iter().for_each(|payload| checked.encode(payload, 1));
        let (written, compresses) = check(peer.name, &capture.borrow().bytes, &payloads, takeover);
        let Some(mut encoder) = (deflate.encoder)(takeover, Memory::writing(None)) else {
            continue;
        };
        names.push((peer.name, written, deflate.level != LEVEL || !compresses));
        let mut at = 0;
        let payloads = &payloads;
        let work = move |count| {
            for _ in 0..count {
                encoder.encode(&payloads[at], 1);
                at = (at + 1) % payloads.len();
            }
        };
        contenders.push(Contender { unit: payloads.len(), work: Box::new(work) });
    }
    for ((peer, written, unequal), time) in
        names.into_iter().zip(race(&mut contenders, options.pace()))
    {
        let figure = Figure {
            table: table.to_owned(),
            column: column.to_owned(),
            peer: peer.to_owned(),
            value: 1e6 / time.nanos,
            noisy: time.noisy,
            unequal,
        };
        let on_wire = Figure { table: wire(table), value: written, noisy: false, ..figure.clone() };
        results.push(figure);
        results.push(on_wire);
    }
}

/// Takes apart what a peer has written, and says how long a message is on the wire, and whether all
/// were compressed.
fn check(peer: &str, written: &[u8], payloads: &[Bytes], takeover: Takeover) -> (f64, bool) {
    let (mut rest, mut inflate, mut all) = (written, Decompress::new(false), true);
    for payload in payloads {
        let frame = parse_frame(rest).expect("a whole frame");
        rest = &rest[frame.len..];
        let mut out = Vec::with_capacity(payload.len() + 1024);
        if frame.first & 0x40 == 0 {
            (out, all) = (frame.payload, false);
        } else {
            if takeover == Takeover::Off {
                inflate.reset(false);
            }
            let mut compressed = frame.payload;
            compressed.extend_from_slice(&TAIL);
            inflate
                .decompress_vec(&compressed, &mut out, FlushDecompress::Sync)
                .expect("a deflate stream");
        }
        assert!(out == *payload, "{peer}: not what was sent");
    }
    assert!(rest.is_empty(), "{peer}: more than was sent");
    (float(written.len()) / float(payloads.len()), all)
}

/// What the sender takes off and the receiver puts back (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

fn decompress(
    table: &str,
    column: &str,
    data: Data,
    takeover: Takeover,
    size: usize,
    options: &Options,
    results: &mut Results,
) {
    if !options.has_row(&format!("deflate, {table}/{column}")) {
        return;
    }
    let payloads = messages(data, size);
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    let mut stream = Vec::new();
    for payload in &payloads {
        if takeover == Takeover::Off {
            deflate.reset();
        }
        let mut out = Vec::with_capacity(payload.len() + 1024);
        deflate.compress_vec(payload, &mut out, FlushCompress::Sync).expect("room");
        let body = out.strip_suffix(&TAIL).expect("flushed");
        push_frame(&mut stream, Role::Client, COMPRESSED | data.opcode(), body);
    }
    let stream: Arc<[u8]> = stream.into();
    let expected: Arc<[Vec<u8>]> = payloads.into();
    let (mut names, mut contenders) = (Vec::new(), Vec::new());
    for (peer, deflate) in candidates(options) {
        let source = Memory::reading(stream.clone(), 64 * 1024);
        let Some(mut decoder) = (deflate.decoder)(takeover, source) else { continue };
        let mut seen = Seen::checking(expected.clone());
        // A second pass over the stream is as valid as the first: nothing in it points back over its
        // beginning.
        decoder.decode(2 * expected.len(), &mut seen);
        assert_eq!(seen.bytes, 2 * expected.len() * size, "{}", peer.name);
        names.push(peer.name);
        let work = move |count| decoder.decode(count, &mut Seen::counting());
        contenders.push(Contender { unit: expected.len(), work: Box::new(work) });
    }
    for (peer, time) in names.into_iter().zip(race(&mut contenders, options.pace())) {
        results.push(Figure {
            table: table.to_owned(),
            column: column.to_owned(),
            peer: peer.to_owned(),
            value: 1e6 / time.nanos,
            noisy: time.noisy,
            unequal: false,
        });
    }
}
