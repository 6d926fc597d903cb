//! Files of the log that are not as they were written.

use flyball_tests::flyball;
use flyball_tests::meter::{Chance, Kind, Victim, account};
use serde_json::json;

use super::segments;
use super::sender::Sender;

const REQUESTS: u64 = 40;

/// A flyball that was killed after some requests, each of which had a frame of the log to itself.
fn killed(dir: &std::path::Path) -> (Victim, Sender) {
    let mut victim = Victim::new(dir, json!({}));
    victim.start_ready();
    let mut points = Sender::new(&victim, Kind::Gauges);
    points.send(REQUESTS);
    victim.kill();
    (victim, points)
}

#[test]
fn a_flipped_byte_in_the_middle_is_told_with_its_place_and_costs_its_frame_alone() {
    let dir = flyball::temp_dir();
    let (mut victim, mut points) = killed(dir.path());
    let path = segments::paths(&victim.data()).pop().expect("there is one");
    let (mut bytes, places) = segments::read(&path);
    let frame = segments::middle(&places);
    bytes[(frame.start + frame.end) / 2] ^= 0x10;
    segments::write(&path, &bytes);

    victim.start_ready();
    let log = victim.process().stderr();
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let told = log.lines().find(|line| line.contains(" ERROR ") && line.contains(&name));
    let told = told.unwrap_or_else(|| panic!("no error names {name}:\n{log}"));
    assert!(told.contains(&frame.start.to_string()), "the frame begins at {}: {told}", frame.start);
    // The good rest is there: one request is lost, as every one had its own frame.
    let lost = points.problems(&victim);
    assert!(lost.len() <= 1, "{}", lost.join("\n"));
    let rows = victim.sql("SELECT CAST(coalesce(sum(points), 0) AS BIGINT) AS lost FROM flyball.ledger WHERE outcome = 'dropped' AND reason = 'log_damaged'");
    assert_eq!(rows.get(0, "lost"), &json!(1));
    let (balanced, accounts) = account::read(&victim.http).expect("the ledger");
    assert!(balanced && accounts.values().all(account::Account::is_even), "{accounts:?}");
    // It goes on, and the damage is told once.
    points.send(5);
    victim.kill();
    victim.start_ready();
    assert!(points.problems(&victim).len() <= 1);
    let rows =
        victim.sql("SELECT CAST(sum(points) AS BIGINT) AS lost FROM flyball.ledger WHERE reason = 'log_damaged'");
    assert_eq!(rows.get(0, "lost"), &json!(1), "the same damage counts once");
    victim.kill();
}

#[test]
fn a_torn_tail_is_cut_silently_and_nothing_acknowledged_is_lost() {
    // A frame that was begun: part of its header, all of it with nothing behind it, half a body, noise.
    for (name, tail) in [("a part of a header", 11), ("a header", 28), ("half a frame", 400), ("noise", 5_000)] {
        let dir = flyball::temp_dir();
        let (mut victim, mut points) = killed(dir.path());
        let path = segments::paths(&victim.data()).pop().expect("there is one");
        let (mut bytes, places) = segments::read(&path);
        let end = *places.last().expect("an end");
        let torn: Vec<u8> = if name == "noise" {
            let mut chance = Chance::new(7);
            (0..tail).map(|_| chance.below(256) as u8).collect()
        } else {
            let frame = segments::middle(&places);
            bytes[frame].iter().copied().cycle().take(tail).collect()
        };
        if bytes.len() < end + tail {
            bytes.resize(end + tail, 0);
        }
        bytes[end..end + tail].copy_from_slice(&torn);
        segments::write(&path, &bytes);

        victim.start_ready();
        let log = victim.process().stderr();
        assert!(!log.contains(" ERROR "), "{name}: {log}");
        let cut = log.lines().any(|line| line.contains(" INFO ") && line.contains("torn"));
        assert!(cut, "{name}: nobody was told: {log}");
        points.check_all(&victim);
        // What comes next stands where the tail was.
        points.send(5);
        victim.kill();
        victim.start_ready();
        points.check_all(&victim);
        assert_eq!(points.acked() * points.points(), (REQUESTS + 5) * points.points());
        victim.kill();
        assert!(victim.alarming.is_empty(), "{name}: {:?}", victim.alarming);
    }
}
