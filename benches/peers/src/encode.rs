//! `encode`: binary messages into memory, flushed in batches.

use std::error::Error;

use bytes::Bytes;

use crate::fresh::Fresh;
use crate::memory::{Capture, Memory};
use crate::options::Options;
use crate::payload::Content;
use crate::peers::{self, Encoder, Peer};
use crate::race::{Contender, float, race};
use crate::results::{Better, Figure, Results};
use crate::shape::Column;
use crate::wire::{BINARY, Role, parse_frame};

const COLUMNS: [&str; 8] = ["0", "16", "125", "126", "1k", "16k", "64k", "1M"];

/// About what goes between two flushes, in bytes and in messages.
const BATCH_BYTES: usize = 16 * 1024;
const BATCH_MESSAGES: usize = 64;

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results = Results::default();
    let fresh = Fresh::new(options)?;
    let columns = options.columns(&COLUMNS)?;
    if columns.iter().any(|it| !it.is_size()) {
        return Err("sent whole, and not read: a shape is a size here".into());
    }
    for role in [Role::Server, Role::Client] {
        let table = format!("encode, {}", role.name());
        for Column { name: column, size, .. } in columns.clone() {
            let row = format!("{table}/{column}").replace(", ", "/");
            if !options.has_row(&row) {
                continue;
            }
            match &fresh {
                Some(fresh) => results.figures.extend(fresh.measure("encode", &row, options)?),
                None => measure(&table, &column, role, size, options, &mut results),
            }
        }
        if fresh.is_some() && results.figures.iter().any(|it| it.table == table) {
            println!("{}", results.table(&table, Better::Less, &peers::RATIOS));
            println!("{}", results.table(&writes(&table), Better::Less, &[]));
        }
    }
    let Some(fresh) = fresh else {
        print!("{}", results.lines());
        return Ok(());
    };
    println!("ns of CPU per message; `~`: half of the samples are more than 10 % off;");
    println!(
        "`*`: makes a write for each message although more are to follow, which costs nothing"
    );
    println!("here and a system call over a socket, and so is not called the best.");
    fresh.print_unordered();
    results.save("encode", options)?;
    Ok(())
}

fn measure(
    table: &str,
    column: &str,
    role: Role,
    size: usize,
    options: &Options,
    results: &mut Results,
) {
    let payload = Bytes::from(Content::Binary.payload(size, 0));
    let batch = (BATCH_BYTES / size.max(1)).clamp(1, BATCH_MESSAGES);
    let peers = options.peers();
    let (mut contenders, mut written) = (Vec::new(), Vec::new());
    for peer in &peers {
        written.push(check(peer, role, &payload, batch));
        let mut encoder = (peer.encoder)(role, Memory::writing(None));
        let payload = payload.clone();
        let work = move |messages| send(&mut *encoder, &payload, messages, batch);
        contenders.push(Contender { unit: batch, work: Box::new(work) });
    }
    let times = race(&mut contenders, options.pace());
    for ((peer, time), writes_each) in peers.iter().zip(times).zip(written) {
        let figure = Figure {
            table: table.to_owned(),
            column: column.to_owned(),
            peer: peer.name.to_owned(),
            value: time.nanos,
            noisy: time.noisy,
            unequal: batch > 1 && writes_each > 0.9,
        };
        results.push(Figure {
            table: writes(table),
            value: writes_each,
            noisy: false,
            unequal: false,
            ..figure.clone()
        });
        results.push(figure);
    }
}

/// The table beside: how many writes a message takes.
fn writes(table: &str) -> String {
    format!("{table}: writes per message")
}

fn send(encoder: &mut dyn Encoder, payload: &Bytes, messages: usize, batch: usize) {
    let mut left = messages;
    while left > 0 {
        let count = left.min(batch);
        encoder.encode(payload, count);
        left -= count;
    }
}

/// Takes apart what a peer has written, and counts its writes per message.
fn check(peer: &Peer, role: Role, payload: &Bytes, batch: usize) -> f64 {
    let capture = Capture::default();
    let count = 4 * batch;
    let mut encoder = (peer.encoder)(role, Memory::writing(Some(capture.clone())));
    send(&mut *encoder, payload, count, batch);
    let written = capture.borrow();
    let mut rest = &written.bytes[..];
    for _ in 0..count {
        let frame = parse_frame(rest).expect("a whole frame");
        assert_eq!(frame.first, 0x80 | BINARY, "{}", peer.name);
        assert_eq!(frame.masked, role == Role::Client, "{}", peer.name);
        assert!(frame.payload == *payload, "{}: not what was sent", peer.name);
        rest = &rest[frame.len..];
    }
    assert!(rest.is_empty(), "{}: more than was sent", peer.name);
    float(written.writes) / float(count)
}
