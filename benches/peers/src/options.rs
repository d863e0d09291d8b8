//! The command line.

use std::time::Duration;

use crate::peers::{self, Peer};
use crate::race::{Pace, order};
use crate::shape::Column;

/// What every bench understands.
#[derive(Debug, Default)]
pub struct Options {
    rows: Vec<String>,
    peers: Vec<String>,
    rounds: Option<usize>,
    pub quick: bool,
    /// What is to be measured in place of the columns of a bench.
    pub shapes: Vec<String>,
    /// The one row that is to be measured, in this process.
    pub row: Option<String>,
    /// Which of the processes for that row this is.
    process: usize,
}

impl Options {
    /// Reads `--rows A,B`, `--row A`, `--peers A,B`, `--rounds N`, `--shapes A,B` and `--quick`; and
    /// `--process N`, which a bench gives to those that measure a row for it.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--rows" => options.rows = list(value()?),
                "--row" => options.row = Some(value()?.clone()),
                "--peers" => options.peers = list(value()?),
                "--rounds" => {
                    options.rounds = Some(value()?.parse().map_err(|_| "--rounds needs a number")?);
                }
                "--process" => {
                    options.process = value()?.parse().map_err(|_| "--process needs a number")?;
                }
                "--shapes" => options.shapes = list(value()?),
                "--quick" => options.quick = true,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }

    /// Whether a row is asked for: one of the given texts is part of its name, `TABLE/COLUMN` with
    /// `/` for the commas of the table.
    pub fn has_row(&self, name: &str) -> bool {
        let name = name.replace(", ", "/");
        if let Some(row) = &self.row {
            return *row == name;
        }
        self.rows.is_empty() || self.rows.iter().any(|part| name.contains(part.as_str()))
    }

    /// Whether a peer is asked for.
    pub fn has_peer(&self, name: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|part| name.contains(part.as_str()))
    }

    /// Those that were asked for, in the order in which they are to make their buffers: another one
    /// in each process for a row.
    pub fn peers(&self) -> Vec<&'static Peer> {
        let order = order(peers::ALL.len(), self.process);
        order.into_iter().map(|at| peers::ALL[at]).filter(|it| self.has_peer(it.name)).collect()
    }

    /// Whether nothing was left out.
    pub fn is_everything(&self) -> bool {
        let all = [&self.rows, &self.peers, &self.shapes];
        all.into_iter().all(Vec::is_empty) && self.row.is_none()
    }

    /// What a process that measures one row has to be told besides its name.
    pub fn for_row(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if !self.peers.is_empty() {
            arguments.extend(["--peers".to_owned(), self.peers.join(",")]);
        }
        if !self.shapes.is_empty() {
            arguments.extend(["--shapes".to_owned(), self.shapes.join(",")]);
        }
        if let Some(rounds) = self.rounds {
            arguments.extend(["--rounds".to_owned(), rounds.to_string()]);
        }
        if self.quick {
            arguments.push("--quick".to_owned());
        }
        arguments
    }

    /// The columns of a table: what was asked for, or else its own.
    pub fn columns(&self, own: &[&str]) -> Result<Vec<Column>, String> {
        if self.shapes.is_empty() {
            own.iter().map(|it| Column::parse(it)).collect()
        } else {
            self.shapes.iter().map(|it| Column::parse(it)).collect()
        }
    }

    /// Rounds and their length in the benches that run in memory.
    pub fn pace(&self) -> Pace {
        let (rounds, turn) = if self.quick { (5, 200) } else { (21, 1000) };
        let rounds = self.rounds.unwrap_or(rounds).max(1);
        Pace { rounds, turn: Duration::from_micros(turn) }
    }

    /// How often a bench over sockets is repeated.
    pub fn repetitions(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 10 }).max(1)
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}
