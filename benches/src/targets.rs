//! How each target is started.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::args::{Args, Load, Target};
use crate::process::{Process, free_address};
use crate::series::METRICS;

/// Starts a target on a free port; `None` where its program is not installed.
pub(crate) fn start(target: Target, load: Load, args: &Args) -> Result<Option<(Process, SocketAddr)>> {
    let dir = tempfile::Builder::new().prefix("flyball-bench-").tempdir()?;
    let address = free_address()?;
    let folder = dir.path().display();
    let command = match target {
        Target::Flyball => {
            let program = std::path::absolute(&args.flyball)?;
            program.is_file().then_some(()).with_context(|| {
                format!("{} is not there: cargo build --release -p flyball, or give --flyball", program.display())
            })?;
            let mut command = Command::new(program);
            command.args(["serve", "--config"]).arg(flyball_config(dir.path(), load, address, args.rules)?);
            Some(command)
        }
        Target::VictoriaMetrics => on_path("victoria-metrics").map(|mut command| {
            command.arg(format!("-storageDataPath={folder}/data")).arg(format!("-httpListenAddr={address}"));
            command
        }),
        Target::Prometheus => prometheus(on_path("prometheus"), dir.path(), address)?,
        Target::Prometheus3 => prometheus(on_path("prometheus3"), dir.path(), address)?,
        Target::Otelcol => match on_path("otelcol") {
            None => None,
            Some(mut command) => {
                let config = format!(
                    "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{address}', max_recv_msg_size_mib: 64}}}}}}}}\n\
                     exporters: {{nop: {{}}}}\n\
                     service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines: {{metrics: {{receivers: [otlp], exporters: [nop]}}}}\n"
                );
                command.arg("--config").arg(write(dir.path(), "otelcol.yaml", &config)?);
                Some(command)
            }
        },
    };
    command.map(|command| Ok((Process::start(command, dir, address)?, address))).transpose()
}

fn prometheus(command: Option<Command>, dir: &Path, address: SocketAddr) -> Result<Option<Command>> {
    let Some(mut command) = command else { return Ok(None) };
    command
        .arg(format!("--config.file={}", write(dir, "prometheus.yml", "{}\n")?.display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--web.enable-remote-write-receiver");
    Ok(Some(command))
}

/// Flyball listens on `address` for this load and on free ports for all else; its own host metrics stay out of it.
fn flyball_config(dir: &Path, load: Load, address: SocketAddr, rules: usize) -> Result<PathBuf> {
    let (http, grpc) = match load {
        Load::RemoteWrite => (address.to_string(), "127.0.0.1:0".to_owned()),
        Load::OtlpGrpc => ("127.0.0.1:0".to_owned(), address.to_string()),
    };
    let rules =
        if rules == 0 { String::new() } else { write(dir, "rules.yaml", &rule_file(rules))?.display().to_string() };
    let config = format!(
        "data_dir: '{}'\nhttp: {{listen: '{http}'}}\nreceivers: {{otlp: {{grpc: '{grpc}', http: '127.0.0.1:0'}}, host: {{enabled: false}}}}\nrules: [{rules}]\n",
        dir.join("data").display()
    );
    write(dir, "flyball.yaml", &config)
}

/// Rules over a minute of one metric and one region each; none of them ever fires.
fn rule_file(rules: usize) -> String {
    let mut text = "groups:\n- name: bench\n  every: 1s\n  rules:\n".to_owned();
    for rule in 0..rules {
        let (metric, region) = (rule % METRICS, rule % 5);
        write!(
            text,
            "  - rule: Bench{rule}\n    sql: >\n      SELECT host_name, avg(value) AS mean FROM bench_node_reading_{metric}\n      \
             WHERE time > now() - INTERVAL '1 minute' AND region = 'region-{region}'\n      \
             GROUP BY host_name HAVING avg(value) > {}\n",
            1e12 + rule as f64
        )
        .expect("a string grows without errors");
    }
    text
}

fn write(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

#[expect(clippy::disallowed_methods, reason = "PATH is how the peers are found; no part of flyball runs here")]
fn on_path(program: &str) -> Option<Command> {
    let path = std::env::var("PATH").ok()?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file()).map(Command::new)
}
