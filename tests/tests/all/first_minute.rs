//! `scripts/try` shows a new user something real within the first minute.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flyball_tests::flyball;
use flyball_tests::process::{Process, run};
use flyball_tests::time::instant;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").join("scripts/try")
}

#[test]
fn the_first_command_shows_metrics_the_node_and_a_rule() {
    let dir = flyball::temp_dir();
    let program = PathBuf::from(flyball::command().get_program());
    let start = instant();
    let mut process = Process::start(
        "scripts/try",
        Command::new(script())
            .args(["--once", "--http", "127.0.0.1:0", "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"])
            .env("FLYBALL", program)
            .current_dir(dir.path()),
    );
    let status = process.wait_for_end(Duration::from_secs(90));
    let shown = process.stdout();
    assert!(status.success(), "{status}\n{shown}\n{}", process.stderr());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());

    let host = run(&mut Command::new("hostname")).stdout;
    for word in ["node_memory_MemAvailable_bytes", "twin.node", host.trim(), "flyball.rules"] {
        assert!(shown.contains(word), "no '{word}' in\n{shown}");
    }
    assert!(dir.path().join("flyball-data").is_dir(), "data stays where the command ran");
}
