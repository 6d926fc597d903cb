//! Python clients and consumers in `tests/python`, run with the packages of `tests/requirements.txt`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::counterparts;
use crate::process::{self, Process};

/// The modules that the scripts import.
const MODULES: &str = "import cryptography, grpc, influxdb_client, influxdb_client_3, jwt, opentelemetry.sdk, standardwebhooks, \
    opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http";

/// A Python that has what the scripts need.
#[derive(Debug)]
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// The Python of `FLYBALL_TEST_PYTHON`, else the one on PATH; `None` where it lacks the packages.
    ///
    /// # Panics
    /// As [`counterparts::missing`] does.
    #[track_caller]
    pub fn need() -> Option<Self> {
        let program = counterparts::env("FLYBALL_TEST_PYTHON").unwrap_or_else(|| "python3".to_owned());
        match Command::new(&program).args(["-c", MODULES]).output() {
            Ok(output) if output.status.success() => Some(Self { program: program.into() }),
            _ => {
                counterparts::missing(
                    "Python with the packages of tests/requirements.txt",
                    "eval \"$(scripts/counterparts)\" makes an environment with them",
                );
                None
            }
        }
    }

    /// A script of `tests/python`, ready for arguments.
    pub fn command(&self, script: &str) -> Command {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
        let mut command = Command::new(&self.program);
        // Nothing may wait in Python's buffers, and no folder of compiled modules may appear in the checkout.
        command.args(["-B", "-u"]).arg(path).env_remove("PYTHONPATH");
        command
    }

    /// Runs a script to its end and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[&str]) -> String {
        let finished = process::run(self.command(script).args(arguments));
        assert!(finished.status.success(), "{script}: {}\n{}{}", finished.status, finished.stdout, finished.stderr);
        finished.stdout
    }

    /// Starts a script that stays.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(&self, script: &str, arguments: &[&str]) -> Process {
        Process::start(script, self.command(script).args(arguments))
    }
}
