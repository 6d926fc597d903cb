//! Streams as Scaphandre writes them, and as they look after an accident.

use super::*;

const FIRST: &str =
    r#"{"host":{"consumption":0.0,"timestamp":1760000000.5,"components":{"disks":null}},"consumers":[],"sockets":[]}"#;
const SECOND: &str = r#"{"host":{"consumption":41250000.0,"timestamp":1760000002.5,"components":{"disks":[{"disk_type":"SSD","disk_mount_point":"/","disk_is_removable":false,"disk_file_system":"ext4","disk_total_bytes":"100","disk_available_bytes":"","disk_name":"sda"}]}},"consumers":[{"exe":"nginx","cmdline":"nginx -g \"{x}\" \\","pid":41,"resources_usage":{"cpu_usage":"3.25","cpu_usage_unit":"%","memory_usage":"19632128","memory_usage_unit":"Bytes","memory_virtual_usage":"0","memory_virtual_usage_unit":"Bytes","disk_usage_write":"0","disk_usage_write_unit":"Bytes","disk_usage_read":"7","disk_usage_read_unit":"Bytes"},"consumption":1500.0,"timestamp":1760000002.5,"container":{"name":"web","id":"ab12","runtime":"containerd","scheduler":"kubernetes"}}],"sockets":[{"id":0,"consumption":30000000.0,"timestamp":1760000002.5,"domains":[{"name":"dram","consumption":2000000.0,"timestamp":1760000002.5}]}]}"#;
/// As old versions wrote them.
const OLD: &str = r#"{"host":{"consumption":5.5,"timestamp":1},"consumers":[{"exe":"a","pid":1,"consumption":null,"timestamp":1}],"sockets":[]}"#;

/// `good`, or the number, the byte and a word of the problem.
fn check(stream: &str, expected: &[Result<(), (u64, usize, &str)>]) {
    let found: Vec<_> = reports(stream.as_bytes()).collect();
    assert_eq!(found.len(), expected.len(), "{stream}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (Ok(_), Ok(())) => {}
            (Err(bad), Err((number, offset, word))) => {
                assert_eq!((bad.number, bad.offset), (*number, *offset), "{bad}");
                assert!(bad.problem.contains(word), "{bad}");
            }
            _ => panic!("{stream}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn arrays_without_end_and_reports_without_anything_between_are_streams() {
    let good = [Ok(()), Ok(()), Ok(())];
    for stream in [
        format!("[{FIRST},{SECOND},{OLD}]"),
        format!("[{FIRST},{SECOND},{OLD}"),
        format!("[{FIRST},{SECOND},{OLD},"),
        format!("{FIRST}{SECOND}{OLD}"),
        format!("{FIRST}\n{SECOND}\r\n{OLD}\n"),
        format!("[\n  {FIRST} ,\n {SECOND},\t{OLD}\n]\n"),
        format!("[{FIRST}][{SECOND},{OLD}]"),
    ] {
        check(&stream, &good);
    }
    check("", &[]);
    check("[", &[]);
    check("[]", &[]);
}

#[test]
fn a_report_is_read_with_its_quirks() {
    let report = reports(SECOND.as_bytes()).next().expect("one").expect("a good one");
    assert_eq!((report.host.consumption, report.host.timestamp), (Some(41_250_000.0), Some(1_760_000_002.5)));
    let disk = &report.host.components.as_ref().expect("disks").disks[0];
    assert_eq!((&*disk.disk_total_bytes, &*disk.disk_available_bytes, disk.disk_is_removable), ("100", "", false));
    let process = &report.consumers[0];
    assert_eq!((&*process.cmdline, process.pid), (r#"nginx -g "{x}" \"#, 41));
    assert_eq!(process.resources_usage.as_ref().map(|usage| &*usage.cpu_usage), Some("3.25"));
    assert_eq!(process.container.as_ref().map(|container| &*container.id), Some("ab12"));
    assert!(matches!(process.exe, Cow::Borrowed("nginx")), "a text without escapes is not copied");
    assert_eq!(report.sockets[0].domains[0].name, "dram");

    let old = reports(OLD.as_bytes()).next().expect("one").expect("a good one");
    assert_eq!((old.consumers[0].consumption, &*old.consumers[0].cmdline), (None, ""));
}

#[test]
fn a_torn_report_costs_itself_wherever_it_is_torn() {
    let at = |stream: &str| stream.find("{\"host\"").expect("a report") + FIRST.len() + 1;
    for cut in 9..SECOND.len() {
        if !SECOND.is_char_boundary(cut) {
            continue;
        }
        let stream = format!("[{FIRST},{}", &SECOND[..cut]);
        check(&stream, &[Ok(()), Err((2, at(&stream), "torn"))]);
        // Another run appended to the file.
        let appended = format!("{stream}{FIRST}{OLD}");
        check(&appended, &[Ok(()), Err((2, at(&stream), "torn")), Ok(()), Ok(())]);
    }
}

#[test]
fn a_bad_report_is_named_and_those_after_it_are_read() {
    check(
        &format!("{{\"host\":5}}{OLD}{{\"consumers\":[]}}{OLD}"),
        &[Err((1, 0, "invalid type: integer `5`")), Ok(()), Err((3, 10 + OLD.len(), "missing field `host`")), Ok(())],
    );
    check(&format!("scaphandre json exporter\n{OLD}"), &[Err((1, 0, "no report")), Ok(())]);
    check("<html>", &[Err((1, 0, "no report"))]);
    let many = format!("{{\"host\":{{}},\"sockets\":[{}{{\"id\":1}}]}}", "{\"id\":1},".repeat(SOCKETS_MAX));
    check(&many, &[Err((1, 0, "a list of at most 1024"))]);
    let long = format!("{{\"host\":\"{}\"}}", "x".repeat(10_000));
    let told = reports(long.as_bytes()).next().expect("a report").expect_err("a text is no host");
    assert!(told.problem.len() < 1000 && told.problem.ends_with("xxx…"), "{told}");
    let deep = format!("{{\"host\":{{}},\"x\":{}}}{OLD}", "[".repeat(10_000));
    check(&deep, &[Err((1, 0, "expected value")), Ok(())]);
}

#[test]
fn a_frame_waits_for_its_end_unless_the_stream_has_ended() {
    let stream = format!("[{FIRST},{}", &SECOND[..100]).into_bytes();
    let first = frame::next(&stream, 0, false).expect("whole");
    assert_eq!((first.start, first.end, first.kind), (1, 1 + FIRST.len(), FrameKind::Whole));
    assert_eq!(frame::next(&stream, first.end, false), None);
    let torn = frame::next(&stream, first.end, true).expect("torn");
    assert_eq!((torn.kind, torn.end), (FrameKind::Torn, stream.len()));
    assert_eq!(frame::next(b"  ,]\n", 0, true), None);
}
