//! `decode`: whole messages out of the same stream in memory.

use std::error::Error;

use crate::fresh::Fresh;
use crate::memory::Memory;
use crate::options::Options;
use crate::payload::{Content, Seen, Stream};
use crate::peers::{self, Peer, Shape};
use crate::race::{Contender, race};
use crate::results::{Better, Figure, Results};
use crate::wire::Role;

const READ: usize = 64 * 1024;

struct Column {
    name: &'static str,
    size: usize,
    fragment: usize,
    read: usize,
}

const fn whole(name: &'static str, size: usize) -> Column {
    Column { name, size, fragment: usize::MAX, read: READ }
}

const COLUMNS: [Column; 12] = [
    whole("0 B", 0),
    whole("16 B", 16),
    whole("125 B", 125),
    whole("126 B", 126),
    whole("1 KiB", 1024),
    whole("16 KiB", 16 * 1024),
    whole("64 KiB", 64 * 1024),
    whole("1 MiB", 1024 * 1024),
    Column { fragment: 4096, ..whole("1 MiB in 4 KiB", 1024 * 1024) },
    Column { fragment: 128, ..whole("64 KiB in 128 B", 64 * 1024) },
    Column { read: 7, ..whole("1 KiB by 7 B", 1024) },
    Column { read: 1460, ..whole("64 KiB by 1460 B", 64 * 1024) },
];

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results = Results::default();
    let fresh = Fresh::new(options)?;
    for role in [Role::Server, Role::Client] {
        for content in Content::ALL {
            let table = format!("decode, {}, {}", role.name(), content.name());
            for Column { name, size, fragment, read } in COLUMNS {
                let row = format!("{table}/{name}").replace(", ", "/");
                if !options.has_row(&row) {
                    continue;
                }
                let shape = Shape { role, content, size, fragment, read };
                match &fresh {
                    Some(fresh) => {
                        results.figures.extend(fresh.measure("decode", &row, options)?);
                    }
                    None => measure(&table, name, shape, options, &mut results),
                }
            }
            if fresh.is_some() && results.figures.iter().any(|it| it.table == table) {
                println!("{}", results.table(&table, Better::Less, &peers::RATIOS));
            }
        }
    }
    if fresh.is_none() {
        print!("{}", results.lines());
        return Ok(());
    }
    println!("ns of CPU per message; `~`: half of the samples are more than 10 % off;");
    println!("`*`: hands out text without having checked it, and so is not called the best.");
    results.save("decode", options)?;
    Ok(())
}

fn measure(table: &str, column: &str, shape: Shape, options: &Options, results: &mut Results) {
    let Shape { role, content, size, fragment, read } = shape;
    let stream = Stream::new(role.peer(), content, size, fragment);
    let peers: Vec<&Peer> =
        peers::ALL.into_iter().filter(|peer| options.has_peer(peer.name)).collect();
    let mut contenders = Vec::new();
    for peer in &peers {
        let source = Memory::reading(stream.bytes.clone(), read);
        let mut decoder = (peer.decoder)(shape, source);
        // Two passes and a message: what is kept from one message to the next is in it.
        let mut seen = Seen::checking(stream.messages.clone());
        let count = 2 * stream.messages.len() + 1;
        decoder.decode(count, &mut seen);
        assert_eq!((seen.messages, seen.bytes), (count, count * size), "{}", peer.name);
        contenders.push(Contender {
            unit: stream.messages.len(),
            work: Box::new(move |messages| decoder.decode(messages, &mut Seen::counting())),
        });
    }
    for (peer, time) in peers.iter().zip(race(&mut contenders, options.pace())) {
        results.push(Figure {
            table: table.to_owned(),
            column: column.to_owned(),
            peer: peer.name.to_owned(),
            value: time.nanos,
            noisy: time.noisy,
            unequal: (peer.skips_utf8)(shape),
        });
    }
}
