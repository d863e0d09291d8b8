//! `idle`: what a connection costs in memory while nothing happens on it.

use std::error::Error;

use crate::load::{exchange, open};
use crate::options::Options;
use crate::process::Process;
use crate::race::float;
use crate::results::{Better, Figure, OURS, Ratio, Results, is_peer};
use crate::serve::{self, BARE, OURS_EPOLL, uwebsockets};

const TABLE: &str = "resident bytes per idle connection";
const OPENED: &str = "opened";
const USED: &str = "after one message of 20 B";
const BEYOND: &str = "that, beyond the bare accept loop";

const RATIOS: [Ratio; 3] = [
    Ratio {
        name: "ours / best peer on tokio",
        ours: OURS,
        is_other: |name| is_peer(name) && !name.ends_with("(epoll)"),
    },
    Ratio { name: "ours / uWebSockets", ours: OURS, is_other: |name| name == uwebsockets::NAME },
    Ratio {
        name: "ours on epoll / uWebSockets",
        ours: OURS_EPOLL,
        is_other: |name| name == uwebsockets::NAME,
    },
];

/// Opened before anything is measured: the first ones make the runtime and the allocator grow.
const FIRST: usize = 200;

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let connections = if options.quick { 1000 } else { 5000 };
    let mut results = Results::default();
    let mut bare = None;
    // The bare loop comes first, and is needed whoever was asked for.
    for server in serve::names().filter(|&name| name == BARE || options.has_peer(name)) {
        let (opened, used) =
            measure(server, connections).map_err(|error| format!("{server}: {error}"))?;
        let base = *bare.get_or_insert(used);
        for (column, value) in [(OPENED, opened), (USED, used), (BEYOND, used - base)] {
            results.push(Figure {
                table: TABLE.to_owned(),
                column: column.to_owned(),
                peer: server.to_owned(),
                value,
                noisy: false,
                unequal: false,
            });
        }
    }
    println!("{}", results.table(TABLE, Better::Less, &RATIOS));
    println!("{connections} connections; the kernel's socket buffers are not in these figures.");
    uwebsockets::print_left_out();
    results.save("idle", options)?;
    Ok(())
}

/// Growth for each connection, when all are open, and when each has echoed a message.
fn measure(server: &str, connections: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let process = Process::start(server)?;
    let echoes = server != BARE;
    let mut streams = Vec::new();
    for _ in 0..FIRST {
        streams.push(open(process.port)?);
    }
    if echoes {
        exchange(&mut streams, 20)?;
    }
    let before = process.resident()?;
    for _ in 0..connections {
        streams.push(open(process.port)?);
    }
    let growth = || -> Result<f64, Box<dyn Error>> {
        Ok(float(process.resident()?.saturating_sub(before)) / float(connections))
    };
    let opened = growth()?;
    if echoes {
        exchange(&mut streams, 20)?;
    }
    Ok((opened, growth()?))
}
