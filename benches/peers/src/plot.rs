//! `plot`: pictures of what `decode`, `encode` and `echo` have measured, into `plots/`.

use std::error::Error;
use std::fs;

use crate::echo::{CALLS, CPU};
use crate::peers::FLOOR;
use crate::race::float;
use crate::results::{Figure, OURS, Results};
use crate::svg::{Anchor, Mark, Paint, Svg};

/// Peers keep their looks from plot to plot. Mid tones, to be seen on white and on black.
const LOOKS: [(&str, &str, Mark); 9] = [
    ("fastwebsockets", "#1f83d6", Mark::Circle),
    ("nexus-web", "#2aa14f", Mark::Diamond),
    ("sockudo-ws", "#d98a00", Mark::Square),
    ("sockudo-ws (sans-IO)", "#d98a00", Mark::Circle),
    ("soketto", "#8d6bd8", Mark::Triangle),
    ("tokio-websockets", "#0fa3a3", Mark::Square),
    ("tungstenite", "#b5623c", Mark::Triangle),
    ("wtx", "#c850a8", Mark::Diamond),
    ("yawc", "#7f8c2a", Mark::Circle),
];

pub fn run() -> Result<(), Box<dyn Error>> {
    let folder = crate::folder().join("plots");
    fs::create_dir_all(&folder)?;
    let mut count = 0;
    let mut write = |name: &str, svg: String| {
        count += 1;
        fs::write(folder.join(format!("{name}.svg")), svg)
    };
    for bench in ["decode", "encode"] {
        let Ok(results) = Results::load(bench) else {
            eprintln!("no results of {bench}: run it first");
            continue;
        };
        for table in tables(&results) {
            let figures: Vec<_> = results.figures.iter().filter(|it| it.table == table).collect();
            // Tables of something else than time have no floor of their own.
            if !table.contains(':') && figures.iter().any(|it| it.peer == FLOOR) {
                let name = table.replace(", ", "-").replace(' ', "-").to_lowercase();
                write(&name, strips(&table, &figures))?;
            }
        }
    }
    match Results::load("echo") {
        Ok(results) => {
            for (name, table) in [("echo-cpu", CPU), ("echo-calls", CALLS)] {
                let figures: Vec<_> =
                    results.figures.iter().filter(|it| it.table == table).collect();
                if !figures.is_empty() {
                    write(name, bars(table, &figures))?;
                }
            }
        }
        Err(_) => eprintln!("no results of echo: run it first"),
    }
    println!("{count} plots in {}", folder.display());
    Ok(())
}

fn tables(results: &Results) -> Vec<String> {
    unique(results.figures.iter().map(|it| it.table.as_str()))
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for name in names {
        if !list.iter().any(|it| it == name) {
            list.push(name.to_owned());
        }
    }
    list
}

/// The times of the floor that are marked; what is beyond lies at the edge.
const TICKS: [f64; 8] = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// A strip for each column: everybody's time as a multiple of the floor's.
fn strips(table: &str, figures: &[&Figure]) -> String {
    const LEFT: f64 = 170.0;
    const TOP: f64 = 58.0;
    const STRIP: f64 = 30.0;
    const WIDTH: f64 = 860.0;
    const LEGEND: f64 = 58.0;
    let columns = unique(figures.iter().map(|it| it.column.as_str()));
    let bottom = TOP + STRIP * float(columns.len());
    let mut svg = Svg::new(WIDTH, bottom + LEGEND);
    let (low, high) = (TICKS[0].ln(), TICKS[TICKS.len() - 1].ln());
    let place = |ratio: f64| {
        let at = ratio.max(TICKS[0]).ln().clamp(low, high);
        LEFT + (at - low) / (high - low) * (WIDTH - LEFT - 30.0)
    };

    svg.text(16.0, 22.0, Anchor::Start, "title", table);
    let unit = "CPU time per message, as a multiple of the floor (log scale; less is better)";
    svg.text(WIDTH - 16.0, 22.0, Anchor::End, "small", unit);
    for tick in TICKS {
        let class = if tick == 1.0 { "floor" } else { "grid" };
        svg.line((place(tick), TOP - 8.0), (place(tick), bottom), class);
        let label =
            if tick == TICKS[TICKS.len() - 1] { format!("≥{tick}") } else { tick.to_string() };
        svg.text(place(tick), TOP - 14.0, Anchor::Middle, "small", &label);
    }
    for (row, column) in columns.iter().enumerate() {
        let y = TOP + STRIP * (float(row) + 0.5);
        let in_row = || figures.iter().filter(|it| it.column == *column);
        let Some(floor) = in_row().find(|it| it.peer == FLOOR) else { continue };
        svg.text(16.0, y + 4.0, Anchor::Start, "", column);
        svg.text(LEFT - 18.0, y + 4.0, Anchor::End, "small", &time(floor.value));
        for figure in in_row().filter(|it| it.peer != FLOOR) {
            let ratio = figure.value / floor.value;
            let title = format!("{}: {}, {ratio:.2} x floor", figure.peer, time(figure.value));
            let at = (place(ratio), y);
            if figure.peer == OURS {
                continue;
            }
            if let Some(&(_, colour, mark)) = LOOKS.iter().find(|it| it.0 == figure.peer) {
                let paint = Paint { class: "", colour, is_hollow: figure.unequal };
                svg.mark(at, mark, 4.0, paint, &title);
            }
        }
        // On top of the others.
        if let Some(ours) = in_row().find(|it| it.peer == OURS) {
            let ratio = ours.value / floor.value;
            let title = format!("{OURS}: {}, {ratio:.2} x floor", time(ours.value));
            let paint = Paint { class: "ours", colour: "", is_hollow: false };
            svg.mark((place(ratio), y), Mark::Circle, 6.5, paint, &title);
        }
    }
    legend(&mut svg, figures, bottom + 24.0);
    svg.finish()
}

fn legend(svg: &mut Svg, figures: &[&Figure], y: f64) {
    let paint = Paint { class: "ours", colour: "", is_hollow: false };
    svg.mark((22.0, y - 4.0), Mark::Circle, 6.5, paint, OURS);
    svg.text(34.0, y, Anchor::Start, "ours-text", OURS);
    let mut at = (170.0, y);
    for (name, colour, mark) in LOOKS {
        if !figures.iter().any(|it| it.peer == name) {
            continue;
        }
        let paint = Paint { class: "", colour, is_hollow: false };
        svg.mark((at.0, at.1 - 4.0), mark, 4.0, paint, name);
        svg.text(at.0 + 10.0, at.1, Anchor::Start, "small", name);
        at.0 += 142.0;
        if at.0 > 760.0 {
            at = (170.0, at.1 + 20.0);
        }
    }
    if figures.iter().any(|it| it.unequal) {
        svg.text(16.0, y + 20.0, Anchor::Start, "small", "hollow: unequal work");
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        1e6.. => format!("{:.2} ms", nanos / 1e6),
        1e4.. => format!("{:.0} µs", nanos / 1e3),
        1e3.. => format!("{:.1} µs", nanos / 1e3),
        100.0.. => format!("{nanos:.0} ns"),
        _ => format!("{nanos:.1} ns"),
    }
}

/// A panel for each column, with a bar for each server, the best on top.
fn bars(table: &str, figures: &[&Figure]) -> String {
    const WIDTH: f64 = 860.0;
    const PANELS: usize = 3;
    const BAR: f64 = 17.0;
    const NAMES: f64 = 150.0;
    let columns = unique(figures.iter().map(|it| it.column.as_str()));
    let servers = unique(figures.iter().map(|it| it.peer.as_str())).len();
    let width = (WIDTH - 16.0) / float(PANELS);
    let height = 34.0 + BAR * float(servers);
    let rows = columns.len().div_ceil(PANELS);
    let mut svg = Svg::new(WIDTH, 36.0 + (height + 14.0) * float(rows));
    svg.text(16.0, 22.0, Anchor::Start, "title", &format!("{table} (less is better)"));
    for (at, column) in columns.iter().enumerate() {
        let (x, y) =
            (16.0 + width * float(at % PANELS), 44.0 + (height + 14.0) * float(at / PANELS));
        let mut sorted: Vec<_> = figures.iter().filter(|it| it.column == *column).collect();
        sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
        let most = sorted.last().map_or(1.0, |it| it.value);
        let room = width - NAMES - 56.0;
        svg.text(x, y + 12.0, Anchor::Start, "title", column);
        for (row, figure) in sorted.into_iter().enumerate() {
            let y = y + 24.0 + BAR * float(row);
            let ours = figure.peer.starts_with(OURS);
            let class = match (ours, figure.peer.starts_with('(')) {
                (true, _) => "ours",
                (_, true) => "bar floor-bar",
                _ => "bar",
            };
            let label = if ours { "small ours-text" } else { "small" };
            svg.text(x, y + 10.0, Anchor::Start, label, &figure.peer);
            let length = (figure.value / most * room).max(1.0);
            svg.bar(x + NAMES, y, length, BAR - 5.0, class);
            let digits = if figure.value < 10.0 { 2 } else { usize::from(figure.value < 100.0) };
            let value = format!("{:.digits$}", figure.value);
            svg.text(x + NAMES + length + 4.0, y + 10.0, Anchor::Start, "small", &value);
        }
    }
    svg.finish()
}
