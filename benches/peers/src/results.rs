//! What was measured: one table after the other to standard output, one line a figure to a file
//! that `plot` reads.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{fs, io};

use crate::options::Options;

/// The crate that is compared with the others.
pub const OURS: &str = "websocket-proto";

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

/// What is to be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
    Neither,
}

impl Results {
    pub fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// The table in Markdown, peers in the order in which they came, and at its end our ratios to
    /// the best of the peers and to each of `floors`. Names in `floors` are no peers. Figures of
    /// which neither less nor more is better get no ratios.
    pub fn table(&self, table: &str, better: Better, floors: &[&str]) -> String {
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
            line.extend(
                columns
                    .iter()
                    .map(|&it| cells.get(&(peer, it)).map_or(String::new(), |it| cell(it))),
            );
            lines.push(line);
        }
        if better == Better::Neither {
            return markdown(&lines);
        }
        let ours = |column| cells.get(&(OURS, column)).map(|it| it.value);
        let is_peer = |name: &str| !name.starts_with(OURS) && !floors.contains(&name);
        let best = |column: &str| {
            let peers = figures.iter().filter(|it| {
                it.column == column && is_peer(&it.peer) && !it.unequal && it.value > 0.0
            });
            match better {
                Better::Less => peers.min_by(|a, b| a.value.total_cmp(&b.value)),
                Better::More | Better::Neither => peers.max_by(|a, b| a.value.total_cmp(&b.value)),
            }
        };
        let mut line = vec!["**ours / best peer**".to_owned()];
        line.extend(columns.iter().map(|&column| match (ours(column), best(column)) {
            (Some(ours), Some(best)) => format!("**{:.2}** {}", ours / best.value, best.peer),
            _ => String::new(),
        }));
        lines.push(line);
        for floor in floors.iter().filter(|floor| peers.contains(floor)) {
            let mut line = vec![format!("**ours / {floor}**")];
            line.extend(columns.iter().map(|&column| {
                match (ours(column), cells.get(&(floor, column))) {
                    (Some(ours), Some(floor)) => format!("**{:.2}**", ours / floor.value),
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
        let mut text = "table;column;peer;value;noisy;unequal\n".to_owned();
        for Figure { table, column, peer, value, noisy, unequal } in &self.figures {
            let _ = writeln!(text, "{table};{column};{peer};{value:.4};{noisy};{unequal}");
        }
        fs::write(path, text)
    }

    pub fn load(bench: &str) -> io::Result<Self> {
        let text = fs::read_to_string(file(bench))?;
        let figures = text.lines().skip(1).filter_map(parse).collect();
        Ok(Self { figures })
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
        results.push(Figure { unequal: true, ..figure("cheat", 1.0) });
        let table = results.table("t", Better::Less, &["(floor)"]);
        assert!(table.contains("**0.50** slow"), "{table}");
        assert!(table.contains("**1.20**"), "{table}");
    }

    #[test]
    fn a_line_of_the_file_is_read_back() {
        let line = "decode, server;1 KiB;(floor);12.5000;true;false";
        let figure = parse(line).expect("six fields");
        assert_eq!((figure.value, figure.noisy, figure.unequal), (12.5, true, false));
    }
}
