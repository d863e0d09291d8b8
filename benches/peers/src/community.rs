//! `community`: the scenario of <https://github.com/nurmohammed840/web-socket-benchmark>, by which
//! several peers advertise. A client sends 100,000 texts into memory, a server echoes them from
//! there, the client receives the echoes; connections are new for each run.

use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::thread_cpu;
use crate::memory::{Capture, Memory};
use crate::options::Options;
use crate::payload::{Content, Seen};
use crate::peers::{self, Peer, Shape};
use crate::race::{medians, nanos, order};
use crate::results::{Better, Figure, Results};
use crate::wire::{Role, TEXT, parse_frame};

const TEXT_SENT: &str = "Hello, World!\n";
const COUNT: usize = 100_000;
const TABLE: &str = "100,000 x \"Hello, World!\", ms";
const PHASES: [&str; 4] = ["send", "echo", "receive", "total"];

pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let peers: Vec<&Peer> =
        peers::ALL.into_iter().filter(|peer| options.has_peer(peer.name)).collect();
    let mut phases = [const { Vec::new() }; PHASES.len()];
    let rounds = options.pace().rounds;
    for round in 0..=rounds {
        let mut times = [(); PHASES.len()].map(|()| vec![0.0; peers.len()]);
        for at in order(peers.len(), round) {
            // The first one is checked, and warms up.
            for (times, time) in times.iter_mut().zip(once(peers[at], round == 0)) {
                times[at] = time;
            }
        }
        if round > 0 {
            phases.iter_mut().zip(times).for_each(|(phase, times)| phase.push(times));
        }
    }
    let mut results = Results::default();
    for (column, rounds) in PHASES.into_iter().zip(&phases) {
        for (peer, (value, noisy)) in peers.iter().zip(medians(rounds)) {
            let (table, column, peer) = (TABLE.to_owned(), column.to_owned(), peer.name.to_owned());
            results.push(Figure { table, column, peer, value, noisy, unequal: false });
        }
    }
    println!("{}", results.table(TABLE, Better::Less, &peers::RATIOS));
    println!(
        "ms of CPU, medians of {rounds}. Who can, queues and flushes at the end or when a buffer"
    );
    println!("is full, as that benchmark does; a write costs no system call here.");
    results.save("community", options)?;
    Ok(())
}

/// Milliseconds of each phase, and of all.
fn once(peer: &Peer, is_checked: bool) -> [f64; 4] {
    let sent = capture();
    let sending = time(|| {
        (peer.scenario.send)(Memory::both(Arc::new([]), sent.clone()), TEXT_SENT, COUNT);
    });
    let sent: Arc<[u8]> = Rc::into_inner(sent).expect("ended").into_inner().bytes.into();
    let echoed = capture();
    let echoing = time(|| (peer.scenario.echo)(Memory::both(sent.clone(), echoed.clone()), COUNT));
    let echoed: Arc<[u8]> = Rc::into_inner(echoed).expect("ended").into_inner().bytes.into();
    if is_checked {
        check(&sent, Role::Client);
        check(&echoed, Role::Server);
    }

    let content = Content::Ascii;
    let (size, fragment, read) = (TEXT_SENT.len(), usize::MAX, usize::MAX);
    let shape = Shape { role: Role::Client, content, size, fragment, read };
    let mut seen = Seen::checking(Arc::new([TEXT_SENT.as_bytes().to_vec()]));
    let receiving = time(|| {
        (peer.decoder)(shape, Memory::reading(echoed.clone(), read)).decode(COUNT, &mut seen);
    });
    assert_eq!(seen.messages, COUNT, "{}", peer.name);
    [sending, echoing, receiving, sending + echoing + receiving]
}

/// Room for all that is sent, which has been written to: new pages are not what is measured.
fn capture() -> Capture {
    let capture = Capture::default();
    let bytes = &mut capture.borrow_mut().bytes;
    bytes.resize((TEXT_SENT.len() + 14) * COUNT, 1);
    bytes.clear();
    capture.clone()
}

fn time(work: impl FnOnce()) -> f64 {
    let before = thread_cpu();
    work();
    nanos(thread_cpu().saturating_sub(before)) / 1e6
}

fn check(mut wire: &[u8], from: Role) {
    for _ in 0..COUNT {
        let frame = parse_frame(wire).expect("a whole frame");
        assert_eq!((frame.first, frame.masked), (0x80 | TEXT, from == Role::Client));
        assert_eq!(frame.payload, TEXT_SENT.as_bytes());
        wire = &wire[frame.len..];
    }
    assert!(wire.is_empty(), "more than was sent");
}
