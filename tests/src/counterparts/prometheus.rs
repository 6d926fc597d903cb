//! Prometheus and its node exporter.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{need, serve};
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::Process;

/// A Prometheus that scrapes every second.
#[derive(Debug)]
pub struct Prometheus {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts it with targets by job, each `host:port`, and a remote-write receiver.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start(targets: &[(&str, &str)], remote_write: &str) -> Option<Self> {
        let program = need("prometheus", "apt-get install prometheus")?;
        let jobs: String = targets
            .iter()
            .map(|(job, target)| format!("- job_name: {job}\n  static_configs: [{{targets: ['{target}']}}]\n"))
            .collect();
        let address = format!("127.0.0.1:{}", free_port());
        let global = "{scrape_interval: 1s, scrape_timeout: 1s}";
        let remote_write = format!("{{url: '{remote_write}', queue_config: {{batch_send_deadline: 200ms}}}}");
        Some(Self::launch(program, &address, &config(global, &remote_write, &jobs), &[]))
    }

    /// Starts a Prometheus 3 that keeps all it can: native histograms, exemplars, metadata, start times. `jobs` are YAML, and
    /// get their own address for those who scrape Prometheus itself; `remote_write` is YAML, too, beside the queue.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_3(jobs: impl Fn(&str) -> String, remote_write: &str) -> Option<Self> {
        let program = need("prometheus3", "Prometheus 3.14 or newer, on PATH under the name prometheus3")?;
        let address = format!("127.0.0.1:{}", free_port());
        let global = "{scrape_interval: 1s, scrape_timeout: 1s, scrape_native_histograms: true}";
        let remote_write = format!(
            "{{{remote_write}, send_exemplars: true, send_native_histograms: true, metadata_config: {{send_interval: 500ms}}, queue_config: {{batch_send_deadline: 200ms}}}}"
        );
        let features = [
            "--enable-feature=exemplar-storage,metadata-wal-records,st-storage,xor2-encoding,promql-experimental-functions",
            "--web.enable-remote-write-receiver",
        ];
        Some(Self::launch(program, &address, &config(global, &remote_write, &jobs(&address)), &features))
    }

    /// Starts one that does nothing but evaluate the rules of this file every second.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_with_rules(file: &Path) -> Option<Self> {
        let program = need("prometheus", "apt-get install prometheus")?;
        let address = format!("127.0.0.1:{}", free_port());
        let config = format!("global: {{evaluation_interval: 1s}}\nrule_files: ['{}']\n", file.display());
        Some(Self::launch(program, &address, &config, &[]))
    }

    #[track_caller]
    fn launch(program: PathBuf, address: &str, config: &str, arguments: &[&str]) -> Self {
        let dir = temp_dir();
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder can be written");
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(arguments);
        let (process, http) = serve("prometheus", &mut command, address, "/-/ready");
        Self { http, _process: process, _dir: dir }
    }

    /// The result of an instant query.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn query(&self, query: &str) -> Vec<Value> {
        self.query_form(&[("query", query)])
    }

    /// The result of an instant query as of a time, in milliseconds since the epoch.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn query_at(&self, query: &str, millis: i64) -> Vec<Value> {
        self.query_form(&[("query", query), ("time", &format!("{}.{:03}", millis / 1000, millis % 1000))])
    }

    #[track_caller]
    fn query_form(&self, pairs: &[(&str, &str)]) -> Vec<Value> {
        let body = form(pairs);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.http.post("/api/v1/query", &headers, body).expect_status(200).json();
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }
}

/// `jobs` are items of a list in YAML, the others maps.
fn config(global: &str, remote_write: &str, jobs: &str) -> String {
    format!("global: {global}\nremote_write:\n- {remote_write}\nscrape_configs:\n{jobs}")
}

/// A form's body.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://localhost").expect("a constant URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// A node exporter.
#[derive(Debug)]
pub struct NodeExporter {
    /// `host:port`.
    pub address: String,
    _process: Process,
}

impl NodeExporter {
    /// Starts it.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = need("prometheus-node-exporter", "apt-get install prometheus-node-exporter")?;
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address={address}"));
        let (process, _) = serve("node exporter", &mut command, &address, "/metrics");
        Some(Self { address, _process: process })
    }
}
