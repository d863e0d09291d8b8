//! Copies of this program, which measure in turn.
//!
//! Where code lies decides over a third at sizes that take some nanoseconds, and where in memory the
//! system keeps the file over a fifth; both are the same in all rounds of a process, and have
//! nothing to do with what is measured. So each copy has its functions in another order (`link-cc`
//! links them) and lies elsewhere, and figures are medians over them.

use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// How many there are.
const COUNT: usize = 5;

/// Files in a folder of their own, as long as this is kept.
pub struct Copies {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Whether each has its own order.
    ordered: bool,
}

impl Copies {
    /// Makes them, or but one where speed does not matter.
    pub fn new(quick: bool) -> io::Result<Self> {
        let program = env::current_exe()?;
        let orders = orders(&program)?;
        let ordered = orders.len() == COUNT;
        let sources = if ordered { orders } else { vec![program; COUNT] };
        let folder = env::temp_dir().join(format!("peers-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut copies = Self { folder, files: Vec::new(), ordered };
        for (at, source) in sources.iter().enumerate().take(if quick { 1 } else { COUNT }) {
            let file = copies.folder.join(at.to_string());
            fs::copy(source, &file)?;
            copies.files.push(file);
        }
        Ok(copies)
    }

    /// Their paths, at least one.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What has to be known of the figures if they could not be ordered.
    pub fn print_unordered(&self) {
        if !self.ordered {
            println!("The linker could not order functions: small sizes may be off by a third.");
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What was linked together with this program: Cargo has put it beside `deps`, under another name,
/// and what lies there of earlier builds is not the same as it.
fn orders(program: &Path) -> io::Result<Vec<PathBuf>> {
    let bytes = fs::read(program)?;
    let Ok(folder) = fs::read_dir(program.with_file_name("deps")) else { return Ok(Vec::new()) };
    for entry in folder {
        let path = entry?.path();
        let first = path.with_extension("order-1");
        if path.extension().is_none() && first.exists() && fs::read(&path)? == bytes {
            let orders = (1..=COUNT).map(|order| path.with_extension(format!("order-{order}")));
            return Ok(orders.filter(|path| path.exists()).collect());
        }
    }
    Ok(Vec::new())
}
