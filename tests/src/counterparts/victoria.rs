//! VictoriaMetrics, single node.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{need, serve};
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::Process;

/// A VictoriaMetrics.
#[derive(Debug)]
pub struct VictoriaMetrics {
    /// Its API.
    pub http: Http,
    _process: Process,
    _dir: TempDir,
}

impl VictoriaMetrics {
    /// Starts it.
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let program = need("victoria-metrics", "apt-get install victoria-metrics")?;
        let dir = temp_dir();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .arg(format!("-storageDataPath={}", dir.path().display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-memory.allowedBytes=128MB");
        let (process, http) = serve("victoria-metrics", &mut command, &address, "/health");
        Some(Self { http, _process: process, _dir: dir })
    }

    /// All series that a selector finds, with their samples: `[{metric, values, timestamps}]`.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn export(&self, selector: &str) -> Vec<Value> {
        // What came in lately is not yet visible without this.
        self.http.get("/internal/force_flush").expect_status(200);
        let mut url = reqwest::Url::parse("http://localhost").expect("a constant URL");
        url.query_pairs_mut().append_pair("match[]", selector);
        let answer = self.http.get(&format!("/api/v1/export?{}", url.query().unwrap_or_default())).expect_status(200);
        answer.text().lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }
}
