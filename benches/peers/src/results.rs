//! What was measured: one table after the other to standard output, one line a figure to a file
//! that `plot` reads.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{fs, io};

use crate::options::Options;

/// The crate that is compared with the others.
pub const OURS: &str = "websocket-proto";

/// The same through its adapters, in memory.
pub const OURS_TOKIO: &str = "websocket-proto (tokio)";
pub const OURS_BLOCKING: &str = "websocket-proto (blocking)";
pub const OURS_STREAM: &str = "websocket-proto (Stream)";

/// One figure of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub table: String,
    pub column: String,
    pub peer: String,
    pub value: f64,
    /// Half of the samples are more than 10 % off.
    pub noisy: bool,
    /// Not the same work as the others did: shown, but never the best.
    pub unequal: bool,
}

#[derive(Default)]
pub struct Results {
    pub figures: Vec<Figure>,
}

/// What a good figure is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
}

/// A line of ratios: one of ours to the best of some others.
pub struct Ratio {
    pub name: &'static str,
    pub ours: &'static str,
    pub is_other: fn(&str) -> bool,
}

/// Floors are no peers, nor are we. Floors are in parentheses.
pub fn is_peer(name: &str) -> bool {
    !name.starts_with(OURS) && !name.starts_with('(')
}

impl Results {
    pub fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// The table in Markdown, peers in the order in which they came, and at its end the ratios that
    /// are asked for.
    pub fn table(&self, table: &str, better: Better, ratios: &[Ratio]) -> String {
        let figures: Vec<_> = self.figures.iter().filter(|it| it.table == table).collect();
        let (mut columns, mut peers) = (Vec::new(), Vec::new());
        for figure in &figures {
            push_new(&mut columns, figure.column.as_str());
            push_new(&mut peers, figure.peer.as_str());
        }
        let cells: HashMap<_, _> =
            figures.iter().map(|it| ((it.peer.as_str(), it.column.as_str()), *it)).collect();

        let mut lines = vec![vec![table.to_owned()]];
        lines[0].extend(columns.iter().map(|&column| column.to_owned()));
        for &peer in &peers {
            let mut line = vec![peer.to_owned()];
            let show = |&column: &&str| cells.get(&(peer, column)).map_or("".into(), |it| cell(it));
            line.extend(columns.iter().map(show));
            lines.push(line);
        }
        for ratio in ratios {
            let Ratio { ours, is_other, .. } = ratio;
            let mut line = vec![format!("**{}**", ratio.name)];
            line.extend(columns.iter().map(|&column| {
                let others = figures.iter().filter(|it| {
                    it.column == column && is_other(&it.peer) && !it.unequal && it.value > 0.0
                });
                let best = match better {
                    Better::Less => others.min_by(|a, b| a.value.total_cmp(&b.value)),
                    Better::More => others.max_by(|a, b| a.value.total_cmp(&b.value)),
                };
                match (cells.get(&(*ours, column)), best) {
                    (Some(ours), Some(best)) => {
                        let name = if peers.iter().filter(|it| is_other(it)).count() > 1 {
                            format!(" {}", best.peer)
                        } else {
                            String::new()
                        };
                        format!("**{:.2}**{name}", ours.value / best.value)
                    }
                    _ => String::new(),
                }
            }));
            lines.push(line);
        }
        markdown(&lines)
    }

    /// Replaces what the file of this bench held, unless rows or peers were left out.
    pub fn save(&self, bench: &str, options: &Options) -> io::Result<()> {
        if !options.is_everything() {
            return Ok(());
        }
        let path = file(bench);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, format!("table;column;peer;value;noisy;unequal\n{}", self.lines()))
    }

    /// One line a figure.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        for Figure { table, column, peer, value, noisy, unequal } in &self.figures {
            let _ = writeln!(text, "{table};{column};{peer};{value:.4};{noisy};{unequal}");
        }
        text
    }

    /// Reads them back.
    pub fn parse(lines: &str) -> Self {
        Self { figures: lines.lines().filter_map(parse).collect() }
    }

    pub fn load(bench: &str) -> io::Result<Self> {
        let text = fs::read_to_string(file(bench))?;
        Ok(Self::parse(&text))
    }
}

fn file(bench: &str) -> PathBuf {
    crate::folder().join("results").join(format!("{bench}.csv"))
}

fn parse(line: &str) -> Option<Figure> {
    let fields: Vec<&str> = line.split(';').collect();
    let &[table, column, peer, value, noisy, unequal] = fields.as_slice() else { return None };
    Some(Figure {
        table: table.to_owned(),
        column: column.to_owned(),
        peer: peer.to_owned(),
        value: value.parse().ok()?,
        noisy: noisy == "true",
        unequal: unequal == "true",
    })
}

fn push_new<'a>(list: &mut Vec<&'a str>, name: &'a str) {
    if !list.contains(&name) {
        list.push(name);
    }
}

fn cell(figure: &Figure) -> String {
    let value = figure.value;
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let before = if figure.noisy { "~" } else { "" };
    let after = if figure.unequal { "*" } else { "" };
    format!("{before}{value:.digits$}{after}")
}

/// A table whose first line is its head: names to the left, figures to the right.
pub fn markdown(lines: &[Vec<String>]) -> String {
    let width = |at: usize| {
        lines.iter().filter_map(|line| line.get(at)).map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let mut out = String::new();
    for (row, line) in lines.iter().enumerate() {
        for (at, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = match at {
                0 => write!(out, "| {cell:<width$} |"),
                _ => write!(out, " {cell:>width$} |"),
            };
        }
        out.push('\n');
        if row == 0 {
            for (at, &width) in widths.iter().enumerate() {
                let _ = match at {
                    0 => write!(out, "| {} |", "-".repeat(width)),
                    _ => write!(out, " {}: |", "-".repeat(width.saturating_sub(1))),
                };
            }
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(peer: &str, value: f64) -> Figure {
        let (table, column) = ("t".to_owned(), "c".to_owned());
        Figure { table, column, peer: peer.to_owned(), value, noisy: false, unequal: false }
    }

    #[test]
    fn ratios_are_to_the_best_peer_that_did_the_same_work() {
        let mut results = Results::default();
        results.push(figure("(floor)", 10.0));
        results.push(figure(OURS, 12.0));
        results.push(figure("slow", 24.0));
        results.push(figure("slower", 48.0));
        results.push(Figure { unequal: true, ..figure("cheat", 1.0) });
        let ratio = Ratio { name: "ours / best", ours: OURS, is_other: is_peer };
        let table = results.table("t", Better::Less, &[ratio]);
        assert!(table.contains("**0.50** slow "), "{table}");
    }

    #[test]
    fn a_line_of_the_file_is_read_back() {
        let line = "decode, server;1 KiB;(floor);12.5000;true;false";
        let figure = parse(line).expect("six fields");
        assert_eq!((figure.value, figure.noisy, figure.unequal), (12.5, true, false));
    }
}
