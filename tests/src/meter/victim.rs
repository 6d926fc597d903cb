//! A flyball that is killed and started again on the same folder and ports.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::flyball::{command, write_config};
use crate::http::{Answer, Http};
use crate::ports::free_port;
use crate::process::Process;
use crate::rows::Rows;
use crate::time::{instant, wait_until};

/// How long it may take to be ready, replay included: a debug build on a machine that does much else.
const READY: Duration = Duration::from_secs(120);

/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(15);

/// Lines of its log that say that somebody must act.
const ALARMING: [&str; 2] = [" ERROR ", "panicked at"];

/// A flyball with fixed ports, running or not.
#[derive(Debug)]
pub struct Victim {
    /// The main port.
    pub http: Http,
    /// OTLP over gRPC, `host:port`.
    pub otlp_grpc: String,
    /// Lives so far; the one that runs is the last.
    pub lives: u32,
    /// How long the last start took that was waited for.
    pub start_took: Duration,
    /// Lines of ended lives that say that somebody must act.
    pub alarming: Vec<String>,
    dir: PathBuf,
    config: PathBuf,
    running: Option<(Process, Instant)>,
}

impl Victim {
    /// Prepares one; it is not started yet. `config` is laid over [`crate::flyball::quiet_config`].
    ///
    /// # Panics
    /// When its folder can't be written.
    #[track_caller]
    pub fn new(dir: &Path, config: Value) -> Self {
        let address = || format!("127.0.0.1:{}", free_port());
        let (http, otlp_grpc, otlp_http) = (address(), address(), address());
        let ports = json!({"http": {"listen": http}, "receivers": {"otlp": {"grpc": otlp_grpc, "http": otlp_http}}});
        let mut whole = config;
        crate::flyball::lay_over(&mut whole, ports);
        Self {
            http: Http::at(&http),
            otlp_grpc,
            lives: 0,
            start_took: Duration::from_secs(1),
            alarming: Vec::new(),
            dir: dir.to_owned(),
            config: write_config(dir, whole),
            running: None,
        }
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Starts it, and does not wait.
    ///
    /// # Panics
    /// When it runs already or can't be started.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let process =
            Process::start("flyball", command().arg("serve").arg("--config").arg(&self.config).current_dir(&self.dir));
        self.running = Some((process, instant()));
        self.lives += 1;
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it does not run, ends by itself or takes too long.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        let (process, started) = self.running.as_mut().expect("it runs");
        process.wait_for_line("flyball ready ", READY);
        self.start_took = started.elapsed();
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn start_ready(&mut self) {
        self.start();
        self.wait_ready();
    }

    /// The process that runs.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn process(&mut self) -> &mut Process {
        &mut self.running.as_mut().expect("it runs").0
    }

    /// Kills it, as a power button does that leaves the disk alone.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill(&mut self) {
        self.process().signal("KILL");
        self.ended();
    }

    /// Asks it to end, lets it drain for a while and kills it if it has not ended. Whether it had.
    ///
    /// # Panics
    /// When it does not run.
    #[track_caller]
    pub fn kill_while_draining(&mut self, after: Duration) -> bool {
        self.process().signal("TERM");
        std::thread::sleep(after);
        let drained = self.process().has_ended();
        if drained {
            self.ended()
        } else {
            self.kill()
        }
        drained
    }

    /// Asks it to end and waits.
    ///
    /// # Panics
    /// When it does not, or with an error.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process().signal("TERM");
        let status = self.process().wait_for_end(DRAIN);
        assert!(status.success(), "{status}: {}", self.process().stderr());
        self.ended();
    }

    #[track_caller]
    fn ended(&mut self) {
        let (mut process, _) = self.running.take().expect("it ran");
        process.wait_for_end(DRAIN);
        let log = process.stderr();
        let alarming = log.lines().filter(|line| ALARMING.iter().any(|mark| line.contains(mark)));
        self.alarming.extend(alarming.map(|line| format!("life {}: {line}", self.lives)));
    }

    /// Asks for rows.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> Rows {
        Rows::ask(&self.http, sql).unwrap_or_else(|answer| panic!("{sql}\n{} {}", answer.status, answer.text()))
    }

    /// Asks again until there are rows that `enough` accepts.
    ///
    /// # Panics
    /// When that takes more than half a minute.
    #[track_caller]
    pub fn wait_for_rows(&self, sql: &str, enough: impl Fn(&Rows) -> bool) -> Rows {
        let failed = |answer: Box<Answer>| format!("{} {}", answer.status, answer.text());
        wait_until(sql, Duration::from_secs(30), || match Rows::ask(&self.http, sql) {
            Ok(rows) if enough(&rows) => Ok(rows),
            Ok(rows) => Err(format!("{:?}", rows.rows.iter().take(20).collect::<Vec<_>>())),
            Err(answer) => Err(failed(answer)),
        })
    }
}
