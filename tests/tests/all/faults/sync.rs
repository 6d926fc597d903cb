//! A disk that takes what it is given and fails when it is asked to keep it.

use std::path::Path;

use flyball_tests::meter::{Kind, Victim};
use serde_json::json;

use super::disk::Disk;
use super::sender::Sender;

fn start(disk: &Disk, dir: &Path) -> Victim {
    let mut victim = Victim::new(dir, json!({"data_dir": disk.path().join("data")}));
    victim.start_ready();
    victim
}

#[test]
fn after_a_failed_sync_the_page_cache_is_not_trusted() {
    let Some(disk) = Disk::failing(300, "errors=continue") else { return };
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = start(&disk, dir.path());
    let mut logs = Sender::new(&victim, Kind::Logs);
    logs.send(20);
    disk.refuse_writes(true);

    for _ in 0..3 {
        let reason = logs.send_until_refused(1);
        assert!(reason.contains("Input/output error"), "the reason does not name the disk: {reason}");
    }
    logs.check(&victim);

    disk.refuse_writes(false);
    logs.send_when_possible();
    logs.send(20);
    logs.check_all(&victim);
    victim.kill();
    disk.mount_again();
    victim.start_ready();
    logs.check_all(&victim);
    victim.kill();
    let damage: Vec<_> = victim.alarming.iter().filter(|line| line.contains("damaged")).collect();
    assert!(damage.is_empty(), "a write that failed is no damage: {damage:?}");
}

#[test]
fn a_disk_that_became_read_only_refuses_for_now_and_keeps_what_was_acknowledged() {
    let Some(disk) = Disk::failing(300, "errors=remount-ro") else { return };
    let dir = flyball_tests::flyball::temp_dir();
    let mut victim = start(&disk, dir.path());
    let mut points = Sender::new(&victim, Kind::Deltas);
    points.send(20);
    disk.find_error();

    let reason = points.send_until_refused(2);
    assert!(reason.contains("Read-only file system"), "the reason does not name the disk: {reason}");
    points.check(&victim);
    victim.kill();

    // No way leads back but a repair and a new mount.
    disk.mount_again();
    victim.start_ready();
    points.check(&victim);
    points.send_when_possible();
    points.check_all(&victim);
    victim.kill();
}
