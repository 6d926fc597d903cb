//! Prometheus and its node exporter.

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
        let dir = temp_dir();
        let jobs: String = targets
            .iter()
            .map(|(job, target)| format!("- job_name: {job}\n  static_configs: [{{targets: ['{target}']}}]\n"))
            .collect();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nremote_write:\n- url: {remote_write}\n  queue_config: {{batch_send_deadline: 200ms}}\nscrape_configs:\n{jobs}"
        );
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("the folder can be written");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = std::process::Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"));
        let (process, http) = serve("prometheus", &mut command, &address, "/-/ready");
        Some(Self { http, _process: process, _dir: dir })
    }

    /// The result of an instant query.
    ///
    /// # Panics
    /// When the query fails.
    #[track_caller]
    pub fn query(&self, query: &str) -> Vec<Value> {
        let body = form(&[("query", query)]);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.http.post("/api/v1/query", &headers, body).expect_status(200).json();
        answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }
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
        let mut command = std::process::Command::new(program);
        command.arg(format!("--web.listen-address={address}"));
        let (process, _) = serve("node exporter", &mut command, &address, "/metrics");
        Some(Self { address, _process: process })
    }
}
