//! InfluxDB 1.6 (Debian's) and 2.7.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{need, serve};
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::Process;

/// An InfluxDB 1.x without authentication.
#[derive(Debug)]
pub struct Influxdb1 {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Influxdb1 {
    /// Starts it.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Self::start_on(&format!("127.0.0.1:{}", free_port()))
    }

    /// Starts it on an address that the test chose.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_on(address: &str) -> Option<Self> {
        let program = need("influxd", "apt-get install influxdb")?;
        let dir = temp_dir();
        let path = dir.path().display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{path}/meta\"\n[data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\n[monitor]\nstore-enabled = false\n[http]\nbind-address = \"{address}\"\nlog-enabled = false\n",
            free_port()
        );
        let file = dir.path().join("influxdb.conf");
        std::fs::write(&file, config).expect("the folder can be written");
        let mut command = Command::new(program);
        command.arg("-config").arg(&file);
        let (process, http) = serve("influxd", &mut command, address, "/ping");
        Some(Self { http, _process: process, _dir: dir })
    }

    /// The series of an InfluxQL query: `[{name, columns, values}]`, times in nanoseconds; empty while there is no such
    /// database.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn query(&self, database: &str, query: &str) -> Vec<Value> {
        let mut url = reqwest::Url::parse("http://localhost/query").expect("a constant URL");
        url.query_pairs_mut().extend_pairs([("db", database), ("q", query), ("epoch", "ns")]);
        let answer = self.http.get(&format!("/query?{}", url.query().unwrap_or_default())).json();
        answer["results"][0]["series"].as_array().cloned().unwrap_or_default()
    }
}

/// An InfluxDB 2.x that has been set up.
#[derive(Debug)]
pub struct Influxdb2 {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Influxdb2 {
    /// The organisation.
    pub const ORG: &str = "flyball";
    /// A bucket that is there.
    pub const BUCKET: &str = "estate";
    /// A token that may do everything.
    pub const TOKEN: &str = "a-token-for-tests";

    /// Starts it and sets it up.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = need("influxd2", "InfluxDB 2.7's influxd, on PATH under the name influxd2")?;
        let dir = temp_dir();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        for (option, file) in [("--bolt-path", "bolt"), ("--engine-path", "engine"), ("--sqlite-path", "sqlite")] {
            command.arg(option).arg(dir.path().join(file));
        }
        command.args(["--http-bind-address", &address, "--reporting-disabled"]);
        // It writes its command line's configuration below HOME otherwise.
        command.env("HOME", dir.path()).env("INFLUX_CONFIGS_PATH", dir.path().join("configs"));
        let (process, http) = serve("influxd2", &mut command, &address, "/health");
        let setup = json!({"username": "test", "password": "password-of-test", "org": Self::ORG, "bucket": Self::BUCKET, "token": Self::TOKEN});
        http.post("/api/v2/setup", &[("content-type", "application/json")], setup.to_string()).expect_status(201);
        Some(Self { http, _process: process, _dir: dir })
    }
}
