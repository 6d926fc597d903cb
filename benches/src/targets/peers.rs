//! The peers, each with its defaults on an empty folder; Prometheus with what it is given.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Setup, write};

pub(super) fn victoria_metrics(dir: &Path, address: SocketAddr) -> Option<Command> {
    let mut command = on_path("victoria-metrics")?;
    command.arg(format!("-storageDataPath={}", dir.join("data").display())).arg(format!("-httpListenAddr={address}"));
    Some(command)
}

/// Prometheus 2 or 3: the receiver of 3 takes both versions of remote write.
pub(super) fn prometheus(program: &str, dir: &Path, address: SocketAddr, setup: &Setup) -> Result<Option<Command>> {
    let Some(mut command) = on_path(program) else { return Ok(None) };
    let mut config = setup.config.clone();
    if setup.rules.rules > 0 {
        config.push_str(&format!("rule_files: ['{}']\n", write(dir, "rules.yaml", &setup.rules.text)?.display()));
    }
    command
        .arg(format!("--config.file={}", write(dir, "prometheus.yml", &config)?.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--web.enable-remote-write-receiver");
    Ok(Some(command))
}

/// Alertmanager, alone.
pub(super) fn alertmanager(dir: &Path, address: SocketAddr, config: &str) -> Result<Option<Command>> {
    let Some(mut command) = on_path("prometheus-alertmanager") else { return Ok(None) };
    command
        .arg(format!("--config.file={}", write(dir, "alertmanager.yml", config)?.display()))
        .arg(format!("--storage.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=");
    Ok(Some(command))
}

/// What evaluates the rules of VictoriaMetrics. It wants to know whom to tell; none of these rules fires, so nobody is.
pub(super) fn vmalert(
    dir: &Path,
    address: SocketAddr,
    rules: &str,
    victoria_metrics: SocketAddr,
    every_seconds: i64,
) -> Result<Option<Command>> {
    let Some(mut command) = on_path("vmalert") else { return Ok(None) };
    command
        .arg(format!("-rule={}", write(dir, "rules.yaml", rules)?.display()))
        .arg(format!("-datasource.url=http://{victoria_metrics}"))
        .arg(format!("-notifier.url=http://{victoria_metrics}"))
        .arg(format!("-evaluationInterval={every_seconds}s"))
        .arg(format!("-httpListenAddr={address}"));
    Ok(Some(command))
}

/// The Collector, which decodes metrics and logs and drops them.
pub(super) fn otelcol(dir: &Path, address: SocketAddr, grpc: bool) -> Result<Option<Command>> {
    let Some(mut command) = on_path("otelcol") else { return Ok(None) };
    let protocol = if grpc {
        format!("grpc: {{endpoint: '{address}', max_recv_msg_size_mib: 64}}")
    } else {
        format!("http: {{endpoint: '{address}'}}")
    };
    let config = format!(
        "receivers: {{otlp: {{protocols: {{{protocol}}}}}}}\n\
         exporters: {{nop: {{}}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
         metrics: {{receivers: [otlp], exporters: [nop]}}\n    \
         logs: {{receivers: [otlp], exporters: [nop]}}\n"
    );
    command.arg("--config").arg(write(dir, "otelcol.yaml", &config)?);
    Ok(Some(command))
}

/// InfluxDB 2; it takes nothing until it was set up, see [`crate::client::set_up_influxdb`].
pub(super) fn influxd2(dir: &Path, address: SocketAddr) -> Option<Command> {
    let mut command = on_path("influxd2")?;
    command
        .arg("--bolt-path")
        .arg(dir.join("bolt"))
        .arg("--engine-path")
        .arg(dir.join("engine"))
        .arg("--sqlite-path")
        .arg(dir.join("sqlite"))
        .args(["--http-bind-address", &address.to_string(), "--reporting-disabled"]);
    Some(command)
}

#[expect(clippy::disallowed_methods, reason = "PATH is how the peers are found; no part of flyball runs here")]
fn on_path(program: &str) -> Option<Command> {
    let path = std::env::var("PATH").ok()?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()).map(Command::new)
}
