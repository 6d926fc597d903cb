//! A program that a test started: its output is kept, and it never outlives the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::time::wait_until;

/// How much of a program's output a failing test shows.
const TAIL_BYTES: usize = 8_000;

/// How long a program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts a program and keeps reading both of its outputs.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start ({command:?}): {error}"));
        let stdout = Arc::default();
        let stderr = Arc::default();
        let readers = vec![
            keep(child.stdout.take().expect("stdout is a pipe"), Arc::clone(&stdout)),
            keep(child.stderr.take().expect("stderr is a pipe"), Arc::clone(&stderr)),
        ];
        Self { name: name.to_owned(), child, stdout, stderr, readers }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for a line on stdout that starts with `prefix`, and gives the whole line.
    ///
    /// # Panics
    /// When the program ends or the time is over before the line is there.
    #[track_caller]
    pub fn wait_for_line(&mut self, prefix: &str, timeout: Duration) -> String {
        wait_until(&format!("{} to print '{prefix}'", self.name), timeout, || {
            let found = self
                .stdout()
                .split_inclusive('\n')
                .find(|line| line.starts_with(prefix) && line.ends_with('\n'))
                .map(str::to_owned);
            match found {
                Some(line) => Ok(line.trim_end().to_owned()),
                None => {
                    self.still_runs();
                    Err(format!("stdout '{}', stderr '{}'", self.stdout(), tail(&self.stderr())))
                }
            }
        })
    }

    /// # Panics
    /// When the program has ended.
    #[track_caller]
    pub fn still_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the child can be asked") {
            panic!("{} ended by itself: {status}\n{}", self.name, tail(&self.stderr()));
        }
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system can't be asked.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_some()
    }

    /// Sends a signal by name (`TERM`, `HUP`, `KILL`).
    ///
    /// # Panics
    /// When there is no `sh`, or the process is gone.
    #[track_caller]
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("sh runs");
        assert!(status.success(), "{kill}: {status}");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after `timeout`.
    #[track_caller]
    pub fn wait_for_end(&mut self, timeout: Duration) -> ExitStatus {
        let name = self.name.clone();
        let status = wait_until(&format!("the end of {name}"), timeout, || {
            self.child.try_wait().expect("the child can be asked").ok_or_else(|| "it still runs".to_owned())
        });
        for reader in self.readers.drain(..) {
            reader.join().expect("readers do not panic");
        }
        status
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let kill = format!("kill -TERM {}", self.child.id());
            let _ = Command::new("sh").args(["-c", &kill]).status();
            let start = crate::time::instant();
            while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < GRACE {
                thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            let shown = format!("--- stderr of {} (its end)\n{}\n---\n", self.name, tail(&self.stderr()));
            // The test harness shows what a failing test prints, and so this stands beside the failure.
            #[expect(clippy::print_stderr, reason = "this is where a failing test says why")]
            {
                eprint!("{shown}");
            }
        }
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Finished {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program that ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

fn keep(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut lines = BufReader::new(&mut pipe);
        let mut line = Vec::new();
        while let Ok(1..) = lines.read_until(b'\n', &mut line) {
            into.lock().expect("nobody panics with it").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

fn text(of: &Mutex<String>) -> String {
    of.lock().expect("nobody panics with it").clone()
}

/// The last part of a text, from the start of a line.
fn tail(text: &str) -> &str {
    let from = text.ceil_char_boundary(text.len().saturating_sub(TAIL_BYTES));
    &text[from..]
}
