//! `echo`: servers over loopback, what they cost the machine.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::copies::Copies;
use crate::load::{Generator, Goal, Load};
use crate::options::Options;
use crate::process::{Process, Trace};
use crate::race::{float, medians, order};
use crate::results::{Better, Figure, OURS, Ratio, Results, is_peer};
use crate::serve::{self, BARE, FLOOR_EPOLL, FLOOR_TOKIO, OURS_EPOLL, uwebsockets};

const LOADS: [(&str, Load); 5] = [
    ("1 x 20 B", Load { connections: 1, depth: 1, size: 20 }),
    ("64 x 20 B", Load { connections: 64, depth: 1, size: 20 }),
    ("64 x 16 x 20 B", Load { connections: 64, depth: 16, size: 20 }),
    ("16 x 16 KiB", Load { connections: 16, depth: 1, size: 16 * 1024 }),
    ("4 x 1 MiB", Load { connections: 4, depth: 1, size: 1024 * 1024 }),
];

pub const CPU: &str = "echo, server CPU, us per message";
pub const RATE: &str = "echo, thousand messages per second";
pub const CALLS: &str = "echo, system calls per message";
/// Where the clock cannot tell servers apart.
pub const INSTRUCTIONS: &str = "echo, instructions per message outside of the kernel";

/// Like with like: a runtime has its price.
const RATIOS: [Ratio; 6] = [
    Ratio {
        name: "ours / best peer on tokio",
        ours: OURS,
        is_other: |name| is_peer(name) && !name.ends_with("(epoll)"),
    },
    Ratio { name: "ours / floor on tokio", ours: OURS, is_other: |name| name == FLOOR_TOKIO },
    Ratio { name: "ours on epoll / best peer", ours: OURS_EPOLL, is_other: is_peer },
    Ratio {
        name: "ours on epoll / floor on epoll",
        ours: OURS_EPOLL,
        is_other: |name| name == FLOOR_EPOLL,
    },
    Ratio { name: "ours / uWebSockets", ours: OURS, is_other: |name| name == uwebsockets::NAME },
    Ratio {
        name: "ours on epoll / uWebSockets",
        ours: OURS_EPOLL,
        is_other: |name| name == uwebsockets::NAME,
    },
];

/// One run of one server.
#[derive(Clone, Copy, Default)]
struct Run {
    cpu: f64,
    rate: f64,
}

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut results = Results::default();
    let copies = Copies::new(options.quick)?;
    for (column, load) in LOADS {
        if !options.has_row(&format!("echo/{column}")) {
            continue;
        }
        let servers: Vec<&str> =
            serve::names().filter(|&name| name != BARE && options.has_peer(name)).collect();
        let (mut cpu, mut rate) = (Vec::new(), Vec::new());
        // One after the other, and over again: what the machine does beside this hits all.
        let programs = copies.files().iter().cycle().take(options.repetitions());
        for (round, program) in programs.enumerate() {
            let mut runs = vec![Run::default(); servers.len()];
            for at in order(servers.len(), round) {
                let run = measure(servers[at], program, load, options.quick);
                runs[at] = run.map_err(|error| format!("{}: {error}", servers[at]))?;
            }
            cpu.push(runs.iter().map(|run| run.cpu).collect());
            rate.push(runs.iter().map(|run| run.rate).collect());
        }
        let (cpu, rate) = (medians(&cpu), medians(&rate));
        for (at, &server) in servers.iter().enumerate() {
            let mut push = |table: &str, (value, noisy), unequal| {
                results.push(Figure {
                    table: table.to_owned(),
                    column: column.to_owned(),
                    peer: server.to_owned(),
                    value,
                    noisy,
                    unequal,
                });
            };
            push(CPU, cpu[at], false);
            push(RATE, rate[at], false);
            if let Some(calls) = count_calls(server, load)? {
                push(CALLS, (calls, false), false);
            }
            // Not of those that differ from one of these in the number of connections only.
            if load.size < 1024
                && (load.connections == 1 || load.depth > 1)
                && let Some(count) = count_instructions(server, load, options.quick)?
            {
                push(INSTRUCTIONS, (count.each, false), !count.is_repeatable);
            }
        }
    }
    for (table, better, needs) in [
        (CPU, Better::Less, ""),
        (RATE, Better::More, ""),
        (CALLS, Better::Less, "strace is not there or may not look"),
        (INSTRUCTIONS, Better::Less, "there is no valgrind, or no small message"),
    ] {
        if results.figures.iter().any(|it| it.table == table) {
            println!("{}", results.table(table, better, &RATIOS));
        } else {
            println!("{table}: not counted, {needs}\n");
        }
    }
    println!("Connections x messages under way on each x payload. `~`: half of the runs are more");
    println!("than 10 % off. System calls are counted in runs of their own, under strace, and");
    println!(
        "instructions of small messages under callgrind; `*`: not the same each time, and so not"
    );
    println!("called the best.");
    copies.print_unordered();
    uwebsockets::print_left_out();
    results.save("echo", options)?;
    Ok(())
}

fn measure(server: &str, program: &Path, load: Load, quick: bool) -> Result<Run, Box<dyn Error>> {
    let process = Process::start_of(server, program)?;
    process.keep_apart()?;
    let mut generator = Generator::open(process.port, load)?;
    // The kernel finds its windows anew for each connection: many short runs rather than few.
    let (warm, time) = if quick { (50, 150) } else { (100, 350) };
    generator.run(Goal::After(Duration::from_millis(warm)))?;
    let (cpu, start) = (process.cpu()?, Instant::now());
    let messages = float(generator.run(Goal::After(Duration::from_millis(time)))?);
    let (elapsed, cpu) = (start.elapsed(), process.cpu()?.saturating_sub(cpu));
    Ok(Run {
        cpu: cpu.as_secs_f64() * 1e6 / messages,
        rate: messages / elapsed.as_secs_f64() / 1e3,
    })
}

fn count_calls(server: &str, load: Load) -> Result<Option<f64>, Box<dyn Error>> {
    let process = Process::start(server)?;
    let mut generator = Generator::open(process.port, load)?;
    let batch = load.connections * load.depth;
    generator.run(Goal::Messages(4 * batch))?;
    let Some(trace) = Trace::start(&process) else { return Ok(None) };
    let goal = if load.size > 64 * 1024 { 64 } else { 4096 };
    let messages = generator.run(Goal::Messages(goal))?;
    let calls = trace.stop()?.into_iter().map(|(_, calls)| calls).sum();
    Ok(Some(float(calls) / float(messages)))
}

struct Count {
    /// Instructions for each message.
    each: f64,
    /// Whether other runs gave the same, to a fifth.
    is_repeatable: bool,
}

/// The difference between a short and a longer run: what comes before the messages is in both. The
/// least of three, because some servers do something at random, or as time goes by.
fn count_instructions(
    server: &str,
    load: Load,
    quick: bool,
) -> Result<Option<Count>, Box<dyn Error>> {
    let batch = load.connections * load.depth;
    let mut runs = [(0.0, f64::INFINITY, 0.0); 2];
    for ((messages, least, most), batches) in runs.iter_mut().zip([1, 4]) {
        for _ in 0..if quick { 1 } else { 3 } {
            let Some(process) = Process::start_counted(server)? else { return Ok(None) };
            let mut generator = Generator::open(process.port, load)?;
            *messages = float(generator.run(Goal::Messages(batches * batch.max(512)))?);
            // What a server does when its connections end is none of it.
            let instructions = process.instructions()? as f64;
            drop(generator);
            (*least, *most) = (instructions.min(*least), instructions.max(*most));
        }
    }
    let [(few, less, less_at_most), (many, more, more_at_most)] = runs;
    let spread = (less_at_most - less) + (more_at_most - more);
    let is_repeatable = spread < 0.2 * (more - less);
    Ok(Some(Count { each: (more - less) / (many - few), is_repeatable }))
}
