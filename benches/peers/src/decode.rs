//! `decode`: whole messages out of the same stream in memory.

use std::error::Error;

use crate::fresh::Fresh;
use crate::memory::Memory;
use crate::options::Options;
use crate::payload::{Content, Seen, Stream};
use crate::peers::{self, Shape};
use crate::race::{Contender, race};
use crate::results::{Better, Figure, Results};
use crate::shape::Column;
use crate::wire::Role;

const COLUMNS: [&str; 13] = [
    "0", "16", "125", "126", "1k", "16k", "64k", "1M", "1M/4k", "64k/128", "1k@7", "64k@1460",
    "..256k",
];

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results = Results::default();
    let fresh = Fresh::new(options)?;
    let columns = options.columns(&COLUMNS)?;
    for role in [Role::Server, Role::Client] {
        for content in Content::ALL {
            let table = format!("decode, {}, {}", role.name(), content.name());
            for Column { name, size, mixed, fragment, read } in columns.clone() {
                let row = format!("{table}/{name}").replace(", ", "/");
                if !options.has_row(&row) {
                    continue;
                }
                let shape = Shape { role, content, size, fragment, read };
                match &fresh {
                    Some(fresh) => {
                        results.figures.extend(fresh.measure("decode", &row, options)?);
                    }
                    None => measure(&table, &name, shape, mixed, options, &mut results),
                }
            }
            if fresh.is_some() && results.figures.iter().any(|it| it.table == table) {
                println!("{}", results.table(&table, Better::Less, &peers::RATIOS));
            }
        }
    }
    let Some(fresh) = fresh else {
        print!("{}", results.lines());
        return Ok(());
    };
    println!("ns of CPU per message; `~`: half of the samples are more than 10 % off;");
    println!("`*`: hands out text without having checked it, and so is not called the best.");
    fresh.print_unordered();
    results.save("decode", options)?;
    Ok(())
}

fn measure(
    table: &str,
    column: &str,
    shape: Shape,
    mixed: bool,
    options: &Options,
    results: &mut Results,
) {
    let Shape { role, content, size, fragment, read } = shape;
    let make = if mixed { Stream::mixed } else { Stream::new };
    let stream = make(role.peer(), content, size, fragment);
    let peers = options.peers();
    let mut contenders = Vec::new();
    for peer in &peers {
        let source = Memory::reading(stream.bytes.clone(), read);
        let mut decoder = (peer.decoder)(shape, source);
        // Two passes and a message: what is kept from one message to the next is in it.
        let mut seen = Seen::checking(stream.messages.clone());
        let count = 2 * stream.messages.len() + 1;
        decoder.decode(count, &mut seen);
        let sizes = stream.messages.iter().cycle().take(count).map(Vec::len);
        assert_eq!((seen.messages, seen.bytes), (count, sizes.sum()), "{}", peer.name);
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
