//! Rows in processes of their own, and in copies of the program.
//!
//! What a process has done before decides where its heap puts buffers, and the system where in
//! memory the program lies: the latter alone made one file take 1.2 of the time of another that has
//! the same bytes. Such luck is the same in all rounds of a process, so a figure is the median over
//! several.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

use crate::options::Options;
use crate::race::median;
use crate::results::{Figure, Results};

/// How many copies there are.
const COPIES: usize = 5;

/// Copies of this program, as long as this is kept.
pub struct Fresh {
    folder: PathBuf,
    copies: Vec<PathBuf>,
}

impl Fresh {
    /// `None` if this is such a process, or is asked to be one.
    pub fn new(options: &Options) -> io::Result<Option<Self>> {
        if options.row.is_some() {
            return Ok(None);
        }
        let program = std::env::current_exe()?;
        let folder = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut fresh = Self { folder, copies: Vec::new() };
        for copy in 0..if options.quick { 1 } else { COPIES } {
            let path = fresh.folder.join(copy.to_string());
            fs::copy(&program, &path)?;
            fresh.copies.push(path);
        }
        Ok(Some(fresh))
    }

    /// The medians of a row.
    pub fn measure(
        &self,
        bench: &str,
        row: &str,
        options: &Options,
    ) -> Result<Vec<Figure>, Box<dyn Error>> {
        let mut runs = Vec::new();
        for program in &self.copies {
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
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
