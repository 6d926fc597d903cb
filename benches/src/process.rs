//! A target's process: started, watched through `/proc`, ended.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tempfile::TempDir;

use crate::clock;

/// Ticks of the CPU counters in `/proc` a second: a constant of Linux' interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Lines of a target's log that are shown when it fails.
const LOG_LINES: usize = 5;

/// How long a program may take until it listens.
const READY: Duration = Duration::from_secs(30);

/// How long it may take to end.
const ENDED: Duration = Duration::from_secs(60);

/// A running target. Its folder goes with it.
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu_seconds: f64,
    /// The most memory it ever held.
    pub(crate) peak_megabytes: f64,
}

impl Process {
    /// Starts a program whose output goes to a file in `dir`, and waits until it listens.
    pub(crate) fn start(mut command: Command, dir: TempDir, address: SocketAddr) -> Result<Self> {
        let log = File::create(dir.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(dir.path());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut process = Self { child, dir };
        let start = clock::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                bail!("{command:?} ended: {status}\n{}", process.end_of_log());
            }
            if start.elapsed() > READY {
                bail!("{command:?} does not listen on {address}\n{}", process.end_of_log());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        ensure!(asked.success(), "kill: {asked}");
        let start = clock::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("it ended with {status}\n{}", self.end_of_log()),
                None => ensure!(start.elapsed() < ENDED, "it does not end\n{}", self.end_of_log()),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last lines that it wrote.
    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// What was done with it; an error together with the last lines that it wrote.
    pub(crate) fn explain<T>(&self, done: Result<T>) -> Result<T> {
        done.map_err(|error| anyhow!("{error:#}\nthe end of its log:\n{}", self.end_of_log()))
    }

    /// The memory that it holds now.
    pub(crate) fn resident_megabytes(&self) -> Result<f64> {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        megabytes(&std::fs::read_to_string(proc.join("status"))?, "VmRSS:").context("/proc/PID/status")
    }

    /// What it has used until now.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let proc = Path::new("/proc").join(self.child.id().to_string());
        let stat = std::fs::read_to_string(proc.join("stat"))?;
        let status = std::fs::read_to_string(proc.join("status"))?;
        Ok(Usage {
            cpu_seconds: cpu_seconds(&stat).context("/proc/PID/stat")?,
            peak_megabytes: megabytes(&status, "VmHWM:").context("/proc/PID/status")?,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing of it is kept: the folder goes too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this program has used until now.
pub(crate) fn cpu_seconds_of_self() -> Result<f64> {
    cpu_seconds(&std::fs::read_to_string("/proc/self/stat")?).context("/proc/self/stat")
}

/// proc(5): after the program's name in parentheses, which may hold spaces, field 14 is user time and 15 system time.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn megabytes(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes as f64 * 1024.0 / 1e6)
}

/// An address of loopback that is free now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_and_peak_memory_are_read_as_proc_writes_them() {
        let stat = "17 (a b) c) S 1 17 17 0 -1 4194304 900 0 0 0 250 50 0 0 20 0 8 0 100 1000 10";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(megabytes("VmPeak:\t 9 kB\nVmHWM:\t    2000 kB\n", "VmHWM:"), Some(2.048));
        assert_eq!((cpu_seconds("17 (a"), megabytes("", "VmRSS:")), (None, None));
    }
}
