//! `flyball import`: what another program recorded.

use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, flyball, process};
use serde_json::{Value, json};

#[test]
fn a_recording_that_scaphandre_still_writes_to_is_imported() {
    let flyball = Flyball::start(json!({}));
    let base = now_nanos() / 1_000_000_000 - 60;
    let at = |seconds: u64| (base + seconds) * 1_000_000_000 + 500_000_000;
    // Its times are a minute ago: `@n` in the file is n seconds later.
    let stream =
        [0, 1, 3].into_iter().fold(include_str!("../../data/scaphandre.json").to_owned(), |stream, seconds| {
            stream.replace(&format!("@{seconds}."), &format!("{}.", base + seconds))
        });
    let file = flyball.dir().join("scaphandre.json");
    std::fs::write(&file, stream).expect("the folder can be written");
    let mut command = flyball::command();
    command.args(["import", "scaphandre", "--host", "edge-7", "--url", flyball.http.base()]).arg(&file);
    let finished = process::run(&mut command);
    assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
    let told = format!("{}{}", finished.stdout, finished.stderr);
    assert!(told.contains("3 reports, 14 points stored"), "{told}");

    for (sql, expected) in [
        (
            "SELECT CAST(time AS BIGINT) AS nanos, host, watts FROM power WHERE scope = 'host' ORDER BY time",
            vec![vec![json!(at(1)), json!("edge-7"), json!(41.25)], vec![json!(at(3)), json!("edge-7"), json!(42.0)]],
        ),
        (
            "SELECT CAST(time AS BIGINT) AS nanos, host, watts FROM power WHERE scope = 'socket' ORDER BY time",
            vec![vec![json!(at(1)), json!("edge-7"), json!(30.0)], vec![json!(at(3)), json!("edge-7"), json!(31.0)]],
        ),
        ("SELECT domain, watts FROM power WHERE scope = 'domain'", vec![vec![json!("dram"), json!(2.0)]]),
        (
            "SELECT pid, exe, cmdline, container_id, container_names, value FROM scaph_process_power_consumption_microwatts ORDER BY pid",
            vec![
                vec![json!("41"), json!("nginx"), json!("nginx -g x"), json!("ab12"), json!("web"), json!(1_500.0)],
                vec![json!("42"), json!("größer"), json!("größer \"q\""), Value::Null, Value::Null, json!(250_000.0)],
            ],
        ),
        (
            "SELECT disk_name, disk_type, disk_mount_point, disk_file_system, disk_is_removable, value FROM scaph_host_disk_total_bytes",
            vec![vec![json!("sda"), json!("SSD"), json!("/"), json!("ext4"), json!("false"), json!(100.0)]],
        ),
        ("SELECT value FROM scaph_host_disk_available_bytes", vec![vec![json!(40.0)]]),
        ("SELECT pid, value FROM scaph_process_cpu_usage_percentage", vec![vec![json!("42"), json!(12.5)]]),
        ("SELECT value FROM scaph_process_memory_bytes", vec![vec![json!(4_096.0)]]),
        ("SELECT value FROM scaph_process_memory_virtual_bytes", vec![vec![json!(8_192.0)]]),
        ("SELECT value FROM scaph_process_disk_write_bytes", vec![vec![json!(7.0)]]),
        ("SELECT value FROM scaph_process_disk_read_bytes", vec![vec![json!(9.0)]]),
        ("SELECT outcome, reason, points FROM flyball.ledger", vec![vec![json!("stored"), json!(""), json!(14)]]),
    ] {
        assert_eq!(flyball.sql(sql).rows, expected, "{sql}");
    }
}

#[test]
fn a_recording_with_a_bad_report_is_imported_but_for_that_one() {
    let flyball = Flyball::start(json!({}));
    let good = |consumption: u32| {
        format!(
            r#"{{"host":{{"consumption":{consumption}.0,"timestamp":{}.0}},"consumers":[],"sockets":[]}}"#,
            now_nanos() / 1_000_000_000
        )
    };
    let file = flyball.dir().join("scaphandre.json");
    std::fs::write(&file, format!("[{},{{\"host\":7}},{}", good(1), good(2))).expect("the folder can be written");
    let mut command = flyball::command();
    command.args(["import", "scaphandre", "--url", flyball.http.base()]).arg(&file);
    let finished = process::run(&mut command);
    assert_eq!(finished.status.code(), Some(1), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("scaphandre.json"), "the place is named: {}", finished.stderr);
    let watts = flyball.sql("SELECT DISTINCT value FROM scaph_host_power_microwatts");
    assert!(!watts.is_empty(), "{}", finished.stderr);
    assert_eq!(flyball.ledger("rejected", "bad_report"), 1);
}

#[test]
fn rules_of_prometheus_are_translated_and_what_is_not_is_told_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (theirs, ours) = (folder.path().join("theirs.yaml"), folder.path().join("ours.yaml"));
    let text = "groups:\n- name: g\n  rules:\n  - {alert: Down, expr: up == 0, for: 1m}\n  - {alert: Later, expr: up offset 5m == 0}\n";
    std::fs::write(&theirs, text).expect("the folder can be written");
    let import = |out: &[&std::ffi::OsStr]| {
        let mut command = flyball::command();
        command.args(["rules", "import", "--from", "prometheus"]).arg(&theirs).args(out);
        process::run(&mut command)
    };
    let finished = import(&["--out".as_ref(), ours.as_os_str()]);
    assert_eq!(finished.status.code(), Some(1), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stderr.contains("theirs.yaml:5:5: Later: 'offset'"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("1 of 2 rules translated, 1 not\n"), "{}", finished.stderr);
    let check = process::run(flyball::command().args(["rules", "check"]).arg(&ours));
    assert!(check.status.success() && check.stdout.contains("1 rule in 1 file: 0 errors"), "{}", check.stdout);
    let printed = import(&[]);
    assert_eq!(printed.stdout, std::fs::read_to_string(&ours).expect("it was written"));
    // A file that is there is not written over.
    let again = import(&["--out".as_ref(), ours.as_os_str()]);
    assert!(again.stderr.contains("ours.yaml can't be written"), "{}", again.stderr);
}
