//! Real programs that flyball talks with. Each starts on a free port of loopback and ends with its value.

mod alertmanager;
mod collector;
mod exposition;
mod influxdb;
mod kubernetes;
mod prometheus;
mod telegraf;
mod victoria;
mod vmagent;

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub use alertmanager::{Alertmanager, Amtool};
pub use collector::Collector;
pub use exposition::Exposition;
pub use influxdb::{Influxdb1, Influxdb2};
pub use kubernetes::Kubernetes;
pub use prometheus::{NodeExporter, Prometheus};
pub use telegraf::send_with_telegraf;
pub use victoria::VictoriaMetrics;
pub use vmagent::Vmagent;

use crate::http::Http;
use crate::process::Process;
use crate::time::wait_until;

/// A program on PATH; `None` where it is missing, and then the test must return.
///
/// # Panics
/// As [`missing`] does.
#[track_caller]
pub fn need(program: &str, how_to_get_it: &str) -> Option<PathBuf> {
    let path = env("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        missing(program, how_to_get_it);
    }
    found
}

/// Says that a test is skipped for want of `what`.
///
/// # Panics
/// When `FLYBALL_TEST_REQUIRE_ALL` is 1: where everything is meant to be there, a skip is a failure.
#[track_caller]
pub fn missing(what: &str, how_to_get_it: &str) {
    let message = format!("skipped: needs {what} ({how_to_get_it})");
    assert!(env("FLYBALL_TEST_REQUIRE_ALL").as_deref() != Some("1"), "{message}");
    // Not `eprintln`, which is shown for failing tests only; a stderr that is gone is nobody's loss.
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// An environment variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests stand outside of the daemon, and the environment tells them what is installed"
)]
pub(crate) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Starts a server and waits until `path` answers below 400.
#[track_caller]
fn serve(name: &str, command: &mut Command, address: &str, path: &str) -> (Process, Http) {
    let mut process = Process::start(name, command);
    let http = Http::at(address);
    wait_until(&format!("{name} on {address}"), Duration::from_secs(30), || {
        process.still_runs();
        match http.try_get(path) {
            Ok(answer) if answer.status < 400 => Ok(()),
            Ok(answer) => Err(answer.status.to_string()),
            Err(error) => Err(error),
        }
    });
    (process, http)
}
