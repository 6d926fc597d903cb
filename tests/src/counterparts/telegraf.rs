//! Telegraf, as a program that sends what it reads and ends.

use std::process::Command;

use super::need;
use crate::flyball::temp_dir;
use crate::process::run;

/// Lets a Telegraf read line protocol and send it through an output, with the name and the TOML of its options. `None` where
/// there is no Telegraf.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn send_with_telegraf(lines: &str, output: &str, options: &str) -> Option<()> {
    let program =
        need("telegraf", "Telegraf 1.37 with its file input, and influxdb, influxdb_v2 and opentelemetry outputs")?;
    let dir = temp_dir();
    let (input, file) = (dir.path().join("input.lp"), dir.path().join("telegraf.conf"));
    std::fs::write(&input, lines).expect("the folder can be written");
    // It would round times to its interval, and add its host.
    let config = format!(
        "[agent]\nprecision = \"1ns\"\nomit_hostname = true\n\
         [[inputs.file]]\nfiles = [\"{}\"]\ndata_format = \"influx\"\n\
         [[outputs.{output}]]\n{options}\n",
        input.display()
    );
    std::fs::write(&file, config).expect("the folder can be written");
    let finished = run(Command::new(program).arg("--once").arg("--config").arg(&file).env("HOME", dir.path()));
    assert!(finished.status.success(), "telegraf: {}\n{}{}", finished.status, finished.stdout, finished.stderr);
    let complaints: Vec<_> = finished.stderr.lines().filter(|line| line.contains(" E! ")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    Some(())
}
