//! Rows in processes of their own: what a process has done before decides where its heap puts
//! buffers, which made 1 MiB take up to twice as long for some peers and not for others.

use std::error::Error;
use std::io;
use std::process::Command;

use crate::copies::Copies;
use crate::options::Options;
use crate::race::median;
use crate::results::{Figure, Results};

/// Who starts them.
pub struct Fresh {
    copies: Copies,
}

impl Fresh {
    /// `None` if this is such a process, or is asked to be one.
    pub fn new(options: &Options) -> io::Result<Option<Self>> {
        if options.row.is_some() {
            return Ok(None);
        }
        Ok(Some(Self { copies: Copies::new(options.quick)? }))
    }

    /// The medians of a row.
    pub fn measure(
        &self,
        bench: &str,
        row: &str,
        options: &Options,
    ) -> Result<Vec<Figure>, Box<dyn Error>> {
        let mut runs = Vec::new();
        for program in self.copies.files() {
            let output = Command::new(program)
                .args([bench, "--row", row])
                .args(options.for_row())
                .stderr(std::process::Stdio::inherit())
                .output()?;
            if !output.status.success() {
                return Err(format!("{row}: {}", output.status).into());
            }
            runs.push(Results::parse(&String::from_utf8(output.stdout)?).figures);
        }
        let Some(first) = runs.first().cloned() else { return Ok(Vec::new()) };
        if first.is_empty() || runs.iter().any(|run| run.len() != first.len()) {
            return Err(format!("{row}: not the same figures from each process").into());
        }
        let of_all = |(at, figure): (usize, Figure)| {
            let (value, noisy) = median(runs.iter().map(|run| run[at].value).collect());
            Figure { value, noisy: figure.noisy || noisy, ..figure }
        };
        Ok(first.into_iter().enumerate().map(of_all).collect())
    }

    /// See [`Copies::print_unordered`].
    pub fn print_unordered(&self) {
        self.copies.print_unordered();
    }
}
