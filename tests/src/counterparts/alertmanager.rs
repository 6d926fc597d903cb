//! Prometheus' Alertmanager, and its command line.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{need, serve};
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::{Process, run};

const HOW_TO_GET_IT: &str = "apt-get install prometheus-alertmanager";

/// An Alertmanager that tells nobody.
#[derive(Debug)]
pub struct Alertmanager {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Alertmanager {
    /// Starts it.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = need("prometheus-alertmanager", HOW_TO_GET_IT)?;
        let dir = temp_dir();
        let file = dir.path().join("alertmanager.yml");
        std::fs::write(&file, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
            .expect("the folder can be written");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        let (process, http) = serve("alertmanager", &mut command, &address, "/-/ready");
        Some(Self { http, _process: process, _dir: dir })
    }

    /// The alerts that it has.
    ///
    /// # Panics
    /// When it does not say.
    #[track_caller]
    pub fn alerts(&self) -> Vec<Value> {
        let answer = self.http.get("/api/v2/alerts").expect_status(200).json();
        answer.as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// One of its own metrics, with labels as it writes them.
    ///
    /// # Panics
    /// When it does not say.
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.http.get("/metrics").expect_status(200).text();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {text}"))
    }
}

/// `amtool`, for whatever speaks Alertmanager's API.
#[derive(Debug)]
pub struct Amtool {
    program: PathBuf,
    url: String,
}

impl Amtool {
    /// For a server.
    #[track_caller]
    pub fn at(http: &Http) -> Option<Self> {
        Some(Self { program: need("amtool", HOW_TO_GET_IT)?, url: http.base().to_owned() })
    }

    /// Runs it; what it prints, and an error when it fails.
    ///
    /// # Errors
    /// What it prints to stderr, when it fails.
    ///
    /// # Panics
    /// When it can't be run.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let url = format!("--alertmanager.url={}", self.url);
        let finished = run(Command::new(&self.program).args(arguments).arg(url));
        if finished.status.success() { Ok(finished.stdout) } else { Err(finished.stderr) }
    }

    /// What it prints as JSON.
    ///
    /// # Panics
    /// When it fails, or prints none.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.run(&[arguments, &["--output=json"]].concat()).unwrap_or_else(|error| panic!("{error}"));
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}
