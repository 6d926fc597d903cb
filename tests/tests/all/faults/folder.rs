//! A data folder that goes away, is someone else's, or is of another time.

use std::time::Duration;

use flyball_tests::flyball;
use flyball_tests::meter::courier::Outcome;
use flyball_tests::meter::{Kind, Victim};
use flyball_tests::process::Process;
use flyball_tests::time::instant;
use serde_json::json;

use super::segments;
use super::sender::Sender;

#[test]
fn a_log_folder_removed_under_it_loses_nothing_that_is_acknowledged_from_then_on() {
    let dir = flyball::temp_dir();
    let mut victim = Victim::new(dir.path(), json!({}));
    victim.start_ready();
    let mut points = Sender::new(&victim, Kind::Deltas);
    points.send(20);
    std::fs::remove_dir_all(victim.data().join("log")).expect("the folder of the log");

    // Refused with the reason until there is a log again, or taken into a new one: both are right, to acknowledge into nothing is not.
    let start = instant();
    loop {
        match points.try_next() {
            Outcome::Acked => break,
            Outcome::Refused { status: 503, hint: true, text } => {
                assert!(text.contains("log"), "the reason does not name the folder: {text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nothing is taken any more");
        std::thread::sleep(Duration::from_millis(100));
    }
    points.send(20);
    points.check_all(&victim);
    victim.kill();
    victim.start_ready();
    // What was acknowledged before stays, too: it was in memory, and a log without it would not be a log of it.
    points.check_all(&victim);
    victim.kill();
}

#[test]
fn a_second_process_is_refused_and_the_first_one_goes_on() {
    let dir = flyball::temp_dir();
    let mut victim = Victim::new(dir.path(), json!({}));
    victim.start_ready();
    let mut points = Sender::new(&victim, Kind::Gauges);
    points.send(10);
    let other = flyball::temp_dir();
    let config = flyball::write_config(other.path(), json!({"data_dir": victim.data()}));
    refused(&config, &[&victim.data().display().to_string(), "use"]);
    points.send(10);
    victim.kill();
    victim.start_ready();
    points.check_all(&victim);
    victim.kill();
}

#[test]
fn a_newer_format_is_refused_with_its_version_and_left_as_it_is() {
    let dir = flyball::temp_dir();
    let mut victim = Victim::new(dir.path(), json!({}));
    victim.start_ready();
    let mut points = Sender::new(&victim, Kind::Gauges);
    points.send(10);
    victim.kill();
    let path = segments::paths(&victim.data()).pop().expect("there is one");
    let (original, _) = segments::read(&path);
    let mut newer = original.clone();
    newer[segments::VERSION].copy_from_slice(&4711_u32.to_le_bytes());
    segments::write(&path, &newer);

    let config = dir.path().join("flyball.yaml");
    refused(&config, &["4711", &path.display().to_string()]);
    assert!(segments::read(&path).0 == newer, "a file of a newer version was changed");

    segments::write(&path, &original);
    victim.start_ready();
    points.check_all(&victim);
    victim.kill();
}

/// Starts a `serve` that must fail with one clear line.
#[track_caller]
fn refused(config: &std::path::Path, words: &[&str]) {
    let mut second =
        Process::start("second flyball", flyball::command().args(["--log", "off", "serve", "--config"]).arg(config));
    let status = second.wait_for_end(Duration::from_secs(20));
    let stderr = second.stderr();
    assert_eq!((status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert_eq!(second.stdout(), "");
    for word in words {
        assert!(stderr.contains(word), "no '{word}' in {stderr}");
    }
}
