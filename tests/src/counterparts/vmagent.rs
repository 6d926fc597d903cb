//! vmagent, VictoriaMetrics' scraper.

use std::process::Command;

use tempfile::TempDir;

use super::{need, serve};
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::Process;

/// A vmagent that scrapes every second.
#[derive(Debug)]
pub struct Vmagent {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Vmagent {
    /// Starts it with a target, `host:port`, and a remote-write receiver.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start(job: &str, target: &str, remote_write: &str) -> Option<Self> {
        Self::start_with(job, target, remote_write, &[])
    }

    /// Starts it with more arguments.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start_with(job: &str, target: &str, remote_write: &str, arguments: &[String]) -> Option<Self> {
        let program = need("vmagent", "apt-get install victoria-metrics")?;
        let dir = temp_dir();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: {job}\n  static_configs: [{{targets: ['{target}']}}]\n"
        );
        let file = dir.path().join("vmagent.yml");
        std::fs::write(&file, config).expect("the folder can be written");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .arg(format!("-promscrape.config={}", file.display()))
            .arg(format!("-remoteWrite.url={remote_write}"))
            .arg(format!("-remoteWrite.tmpDataPath={}", dir.path().join("queue").display()))
            .arg("-remoteWrite.flushInterval=200ms")
            .arg(format!("-httpListenAddr={address}"))
            .args(arguments);
        let (process, http) = serve("vmagent", &mut command, &address, "/health");
        Some(Self { http, _process: process, _dir: dir })
    }
}
