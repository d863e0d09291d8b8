//! Rows in processes of their own: what a process has done before decides where its heap puts
//! buffers, which made 1 MiB take up to twice as long for some peers and not for others. In each of
//! them peers make their buffers in another order.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::process::Command;

use crate::copies::Copies;
use crate::options::Options;
use crate::peers;
use crate::race::medians;
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
        for (process, program) in self.copies.files().iter().enumerate() {
            let output = Command::new(program)
                .args([bench, "--row", row, "--process", &process.to_string()])
                .args(options.for_row())
                .stderr(std::process::Stdio::inherit())
                .output()?;
            if !output.status.success() {
                return Err(format!("{row}: {}", output.status).into());
            }
            let mut figures = Results::parse(&String::from_utf8(output.stdout)?).figures;
            // In one order again, for all processes.
            let place = |figure: &Figure| peers::ALL.iter().position(|it| it.name == figure.peer);
            figures.sort_by_key(place);
            runs.push(figures);
        }
        let Some(first) = runs.first().cloned() else { return Ok(Vec::new()) };
        if first.is_empty() || runs.iter().any(|run| run.len() != first.len()) {
            return Err(format!("{row}: not the same figures from each process").into());
        }
        // Tables have units of their own.
        let mut figures = first;
        for table in figures.iter().map(|it| it.table.clone()).collect::<BTreeSet<_>>() {
            let (places, of_table): (Vec<_>, Vec<_>) =
                figures.iter_mut().enumerate().filter(|(_, it)| it.table == table).unzip();
            let values = |run: &Vec<Figure>| places.iter().map(|&at| run[at].value).collect();
            let rounds: Vec<Vec<f64>> = runs.iter().map(values).collect();
            for (figure, (value, noisy)) in of_table.into_iter().zip(medians(&rounds)) {
                figure.value = value;
                figure.noisy |= noisy;
            }
        }
        Ok(figures)
    }

    /// See [`Copies::print_unordered`].
    pub fn print_unordered(&self) {
        self.copies.print_unordered();
    }
}
