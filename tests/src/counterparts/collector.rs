//! An OpenTelemetry Collector.

use std::process::Command;

use tempfile::TempDir;

use super::need;
use crate::flyball::temp_dir;
use crate::http::Http;
use crate::ports::free_port;
use crate::process::Process;

/// A collector that takes OTLP over HTTP and sends it on: metrics, logs and traces.
#[derive(Debug)]
pub struct Collector {
    /// Where it takes OTLP.
    pub otlp_http: Http,
    _process: Process,
    _dir: TempDir,
}

impl Collector {
    /// Starts it. `exporter` is the configuration of its exporter, named in `kind` (`otlp`, `otlphttp`).
    ///
    /// # Panics
    /// When it is not ready in time.
    #[track_caller]
    pub fn start(kind: &str, exporter: &str) -> Option<Self> {
        let program = need("otelcol", "OpenTelemetry Collector 0.155 with the otlp receiver and exporters")?;
        let dir = temp_dir();
        let address = format!("127.0.0.1:{}", free_port());
        let pipeline = format!("{{receivers: [otlp], processors: [batch], exporters: [{kind}]}}");
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}}}\nprocessors: {{batch: {{timeout: 200ms}}}}\nexporters: {{{kind}: {exporter}}}\nservice:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines: {{metrics: {pipeline}, logs: {pipeline}, traces: {pipeline}}}\n"
        );
        let file = dir.path().join("otelcol.yaml");
        std::fs::write(&file, config).expect("the folder can be written");
        let mut command = Command::new(program);
        command.arg("--config").arg(&file);
        let (process, otlp_http) = serve_otlp(&mut command, &address);
        Some(Self { otlp_http, _process: process, _dir: dir })
    }
}

// An OTLP port has no page for a health check; an empty request is taken and tells the same.
#[track_caller]
fn serve_otlp(command: &mut Command, address: &str) -> (Process, Http) {
    let mut process = Process::start("otelcol", command);
    let http = Http::at(address);
    crate::time::wait_until("otelcol", std::time::Duration::from_secs(30), || {
        process.still_runs();
        http.try_post("/v1/metrics", crate::otlp::PROTOBUF, Vec::new()).map(|_| ())
    });
    (process, http)
}
