//! A disk without room.

use flyball_tests::meter::{Kind, Victim};
use flyball_tests::{Python, otlp};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::json;

use super::disk::{Disk, fill};
use super::sender::Sender;

/// Requests that no disk of these tests can hold: each is some 80 KB.
const TOO_MANY: u64 = 2_000;

fn start(disk: &Disk, dir: &std::path::Path) -> Victim {
    let mut victim = Victim::new(dir, json!({"data_dir": disk.path().join("data")}));
    victim.start_ready();
    victim
}

#[test]
fn a_full_disk_refuses_for_now_keeps_what_was_acknowledged_and_recovers_without_a_restart() {
    let Some(disk) = Disk::in_memory(80) else { return };
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = start(&disk, dir.path());
    let mut logs = Sender::new(&victim, Kind::Logs);
    logs.send(20);
    let filler = fill(&disk.path());

    let reason = logs.send_until_refused(TOO_MANY);
    assert!(reason.contains("No space left on device"), "the reason does not name the disk: {reason}");
    victim.http.get("/healthz").expect_status(200);
    logs.check(&victim);
    // The other way in says the same in its own words.
    if let Some(python) = Python::need() {
        let (code, details) = export_over_grpc(&python, &victim, dir.path());
        assert_eq!(code, "UNAVAILABLE", "{details}");
        assert!(details.contains("No space left on device"), "{details}");
    }

    std::fs::remove_file(filler).expect("the filler is there");
    logs.send_when_possible();
    logs.send(20);
    logs.check_all(&victim);
    victim.kill();
    victim.start_ready();
    logs.check_all(&victim);
    victim.kill();
}

/// One call with one record that is never stored: the disk is full.
fn export_over_grpc(python: &Python, victim: &Victim, dir: &std::path::Path) -> (String, String) {
    let body = otlp::logs(&[], vec![LogRecord { time_unix_nano: 1, ..LogRecord::default() }]).encode_to_vec();
    let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
    let method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let file = dir.join("calls.json");
    std::fs::write(&file, json!([{"method": method, "body": hex, "compression": "none"}]).to_string())
        .expect("the folder can be written");
    let answers = python.run("grpc_raw.py", &[&victim.otlp_grpc, &file.display().to_string()]);
    let answers: serde_json::Value = serde_json::from_str(&answers).expect("JSON");
    let text = |name: &str| answers[0][name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("details"))
}

#[test]
fn a_disk_that_was_full_when_flyball_died_is_read_back_whole() {
    let Some(disk) = Disk::in_memory(80) else { return };
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = start(&disk, dir.path());
    let mut logs = Sender::new(&victim, Kind::Logs);
    logs.send(5);
    let filler = fill(&disk.path());
    logs.send_until_refused(TOO_MANY);
    victim.kill();
    std::fs::remove_file(filler).expect("the filler is there");

    victim.start_ready();
    logs.check(&victim);
    logs.send_when_possible();
    logs.check_all(&victim);
    victim.kill();
}
