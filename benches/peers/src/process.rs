//! Servers as child processes: started, asked for what they have used, ended.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::serve;

pub struct Process {
    child: Child,
    pub port: u16,
}

impl Process {
    /// A server of this program.
    pub fn start(server: &str) -> Result<Self, Box<dyn Error>> {
        Self::start_of(server, &std::env::current_exe()?)
    }

    /// A server of a copy of it.
    pub fn start_of(server: &str, program: &Path) -> Result<Self, Box<dyn Error>> {
        Self::spawn(server, serve::command(server, program))
    }

    /// A server whose instructions are counted. `None` if there is no valgrind.
    pub fn start_counted(server: &str) -> Result<Option<Self>, Box<dyn Error>> {
        let plain = serve::command(server, &std::env::current_exe()?);
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(plain.get_program()).args(plain.get_args()).stderr(Stdio::piped());
        match Command::new("valgrind").arg("--version").stdout(Stdio::null()).status() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            status => status?,
        };
        Self::spawn(server, command).map(Some)
    }

    /// Ends one whose instructions are counted, and says how many there were, outside of the kernel.
    pub fn instructions(mut self) -> Result<u64, Box<dyn Error>> {
        let pid = i32::try_from(self.child.id())?;
        kill_process(Pid::from_raw(pid).ok_or("no process")?, Signal::TERM)?;
        let mut report = String::new();
        self.child.stderr.take().ok_or("no report")?.read_to_string(&mut report)?;
        collected(&report).ok_or_else(|| format!("no count in {report}").into())
    }

    fn spawn(server: &str, mut command: Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().map_err(|_| format!("{server} did not start"))?;
        Ok(Self { child, port })
    }

    /// Keeps it and this thread on processors of their own, if there are two: on one and the same a
    /// message takes two thirds of the time, and the scheduler sometimes has both there.
    pub fn keep_apart(&self) -> Result<(), Box<dyn Error>> {
        /// The first and the last that there are, before this has changed it.
        static TWO: OnceLock<Option<[usize; 2]>> = OnceLock::new();
        let allowed = sched_getaffinity(None)?;
        let two = TWO.get_or_init(|| {
            let mut all = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
            Some([all.next()?, all.next_back()?])
        });
        if let Some([ours, its]) = *two {
            let only = |cpu| {
                let mut set = CpuSet::new();
                set.set(cpu);
                set
            };
            let pid = Pid::from_raw(i32::try_from(self.child.id())?);
            sched_setaffinity(pid, &only(its))?;
            sched_setaffinity(None, &only(ours))?;
        }
        Ok(())
    }

    /// CPU time on all its threads. Exact while it sleeps.
    pub fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> Result<usize, Box<dyn Error>> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kib = line.split_whitespace().nth(1).ok_or("no figure")?;
        Ok(kib.parse::<usize>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts the system calls of a process.
pub struct Trace {
    strace: Child,
    report: PathBuf,
}

impl Trace {
    /// `None` if there is no strace, or it may not look.
    pub fn start(process: &Process) -> Option<Self> {
        let pid = process.child.id();
        let report = std::env::temp_dir().join(format!("peers-strace-{pid}"));
        let mut strace = Command::new("strace")
            .args(["-c", "-f", "-o"])
            .arg(&report)
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut errors = BufReader::new(strace.stderr.take()?);
        let mut line = String::new();
        // Servers in Rust have two threads; the other one waits for its parent to end.
        errors.read_line(&mut line).ok()?;
        if line.contains("attached") {
            std::thread::sleep(Duration::from_millis(100));
            // Kept open: a report to a closed pipe would end it early.
            strace.stderr = Some(errors.into_inner());
            Some(Self { strace, report })
        } else {
            let _ = strace.wait();
            None
        }
    }

    /// The calls by name, most frequent first.
    pub fn stop(mut self) -> Result<Vec<(String, usize)>, Box<dyn Error>> {
        let pid = i32::try_from(self.strace.id())?;
        kill_process(Pid::from_raw(pid).ok_or("no process")?, Signal::INT)?;
        self.strace.wait()?;
        let text = fs::read_to_string(&self.report)?;
        fs::remove_file(&self.report)?;
        let mut calls: Vec<_> = text.lines().filter_map(parse).collect();
        calls.sort_by_key(|(_, count)| usize::MAX - count);
        Ok(calls)
    }
}

/// What callgrind says at its end.
fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

/// `% time, seconds, usecs/call, calls, errors if any, name`.
fn parse(line: &str) -> Option<(String, usize)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let name = *fields.last()?;
    let calls = fields.get(3)?.parse().ok()?;
    let is_call = fields.len() >= 5 && name != "total" && name != "syscall";
    is_call.then(|| (name.to_owned(), calls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        let report = "==7== Events    : Ir\n==7== Collected : 12345\n==7== \n";
        assert_eq!(collected(report), Some(12_345));
        assert_eq!(collected("==7== Events    : Ir"), None);
    }

    #[test]
    fn calls_are_read_with_and_without_errors() {
        let with = " 10.00    0.000100          1       100        20 recvfrom";
        assert_eq!(parse(with), Some(("recvfrom".to_owned(), 100)));
        let without = " 90.00    0.000900          9       100           sendto";
        assert_eq!(parse(without), Some(("sendto".to_owned(), 100)));
        assert_eq!(parse("100.00    0.001000          5       200        20 total"), None);
        assert_eq!(parse("% time     seconds  usecs/call     calls    errors syscall"), None);
    }
}
