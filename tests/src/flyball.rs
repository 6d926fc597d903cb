//! The program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::counterparts;
use crate::http::{Answer, Http};
use crate::process::Process;
use crate::rows::Rows;
use crate::time::wait_until;

const READY: Duration = Duration::from_secs(30);

/// A running `flyball serve` on free ports of loopback.
#[derive(Debug)]
pub struct Flyball {
    /// The main port.
    pub http: Http,
    /// OTLP over gRPC, `host:port`.
    pub otlp_grpc: String,
    /// OTLP over HTTP.
    pub otlp_http: Http,
    process: Process,
    // After the process, so that the folder goes last.
    dir: Dir,
}

#[derive(Debug)]
enum Dir {
    Own(TempDir),
    Given(PathBuf),
}

impl Flyball {
    /// Starts it on a new folder. `config` is laid over the quiet configuration of [`quiet_config`].
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start(config: Value) -> Self {
        Self::launch(Dir::Own(temp_dir()), config)
    }

    /// Starts it on a folder of the test, as after a restart.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_in(dir: &Path, config: Value) -> Self {
        Self::launch(Dir::Given(dir.to_owned()), config)
    }

    /// The same, with another filter of what is logged than `info`.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_in_with_log(dir: &Path, config: Value, log: &str) -> Self {
        Self::launch_with(Dir::Given(dir.to_owned()), config, &["--log", log])
    }

    #[track_caller]
    fn launch(dir: Dir, config: Value) -> Self {
        Self::launch_with(dir, config, &[])
    }

    #[track_caller]
    fn launch_with(dir: Dir, config: Value, arguments: &[&str]) -> Self {
        let path = dir.path();
        let file = write_config(path, config);
        let mut process = Process::start(
            "flyball",
            command().arg("serve").arg("--config").arg(&file).args(arguments).current_dir(path),
        );
        let line = process.wait_for_line("flyball ready ", READY);
        let address = |name: &str| {
            let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("no {name} in '{line}'")).to_owned()
        };
        Self {
            http: Http::at(&address("http")),
            otlp_grpc: address("otlp_grpc"),
            otlp_http: Http::at(&address("otlp_http")),
            process,
            dir,
        }
    }

    /// The folder of its configuration and its data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process, for signals and output.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it to end and waits.
    ///
    /// # Panics
    /// When it takes longer than it promises.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait_for_end(Duration::from_secs(11))
    }

    /// Asks for rows.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> Rows {
        match self.try_sql(sql) {
            Ok(rows) => rows,
            Err(answer) => panic!("{sql}\n{} {}", answer.status, answer.text()),
        }
    }

    /// Asks for rows.
    ///
    /// # Errors
    /// The answer, when it is another than 200.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn try_sql(&self, sql: &str) -> Result<Rows, Box<Answer>> {
        Rows::ask(&self.http, sql)
    }

    /// Asks for an answer in one of the formats.
    ///
    /// # Panics
    /// When no answer comes.
    #[track_caller]
    pub fn sql_as(&self, sql: &str, format: &str) -> Answer {
        let body = json!({"sql": sql, "format": format}).to_string();
        self.http.post("/api/v1/sql", &[("content-type", "application/json")], body)
    }

    /// Asks again until there are rows that `enough` accepts.
    ///
    /// # Panics
    /// When that takes more than half a minute.
    #[track_caller]
    pub fn wait_for_rows(&self, sql: &str, enough: impl Fn(&Rows) -> bool) -> Rows {
        wait_until(sql, Duration::from_secs(30), || match self.try_sql(sql) {
            Ok(rows) if enough(&rows) => Ok(rows),
            Ok(rows) => Err(format!("{} rows {:?}", rows.len(), rows.rows.iter().take(20).collect::<Vec<_>>())),
            Err(answer) => Err(format!("{} {}", answer.status, answer.text())),
        })
    }

    /// Points in the ledger under an outcome and a reason, over all sources.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn ledger(&self, outcome: &str, reason: &str) -> u64 {
        let rows = self.sql(&format!(
            "SELECT CAST(coalesce(sum(points), 0) AS BIGINT) AS points FROM flyball.ledger WHERE outcome = '{outcome}' AND reason = '{reason}'"
        ));
        rows.get(0, "points").as_u64().unwrap_or_else(|| panic!("{rows:?}"))
    }
}

impl Dir {
    fn path(&self) -> &Path {
        match self {
            Dir::Own(dir) => dir.path(),
            Dir::Given(dir) => dir,
        }
    }
}

/// A configuration for tests: free ports, no host metrics, no rules. What a test lays over it wins.
pub fn quiet_config(dir: &Path) -> Value {
    json!({
        "data_dir": dir.join("data"),
        "http": {"listen": "127.0.0.1:0"},
        "receivers": {"otlp": {"grpc": "127.0.0.1:0", "http": "127.0.0.1:0"}, "host": {"enabled": false}},
        "rules": [],
    })
}

/// Writes `flyball.yaml` (JSON is YAML) with `config` over [`quiet_config`].
///
/// # Panics
/// When the folder cannot be written.
#[track_caller]
pub fn write_config(dir: &Path, config: Value) -> PathBuf {
    let mut whole = quiet_config(dir);
    lay_over(&mut whole, config);
    let file = dir.join("flyball.yaml");
    std::fs::write(&file, format!("{whole:#}\n")).expect("the folder can be written");
    file
}

/// Lays one configuration over another: maps are merged, all else is replaced.
pub fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// A folder that goes away with its value.
///
/// # Panics
/// When none can be made.
#[track_caller]
pub fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("flyball-test-").tempdir().expect("a temporary folder")
}

/// The `flyball` program, ready for arguments.
///
/// # Panics
/// When it has not been built.
#[track_caller]
pub fn command() -> Command {
    let mut command = Command::new(program());
    command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "1").env("NO_COLOR", "1");
    command
}

/// The program of `FLYBALL`, else where cargo put it: beside the folder of the test that runs.
#[track_caller]
fn program() -> PathBuf {
    if let Some(program) = counterparts::env("FLYBALL") {
        return program.into();
    }
    let test = std::env::current_exe().expect("the running program has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let program = folder.join("flyball");
    assert!(
        program.is_file(),
        "{} is not there; cargo builds it for its own package only: run `cargo build --workspace --all-targets` first, as scripts/test does",
        program.display()
    );
    if let Some(source) = newer_source(&program) {
        #[expect(clippy::print_stderr, reason = "shown beside the failure that it may explain")]
        {
            eprintln!(
                "note: {source} is newer than {}; `cargo build --workspace --all-targets` makes them agree",
                program.display()
            );
        }
    }
    program
}

/// A source that changed after the program was linked, found by the list that cargo leaves beside it.
fn newer_source(program: &Path) -> Option<String> {
    let modified = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let built = modified(program)?;
    let list = std::fs::read_to_string(program.with_extension("d")).ok()?;
    let sources = list.split_once(": ")?.1.split_whitespace();
    sources.map(str::to_owned).find(|source| modified(Path::new(source)).is_some_and(|changed| changed > built))
}
