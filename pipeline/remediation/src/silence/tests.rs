use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::{State, Transition};
use flyball_model::state::{MemoryLog, Section};
use flyball_model::time::UnixNanos;

use super::*;

const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_600);

fn matcher(text: &str) -> Matcher {
    text.parse().expect("a matcher")
}

fn violation(labels: &[(&str, &str)]) -> Transition {
    Transition {
        labels: labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        severity: "critical".into(),
        fired_at: Some(NOW),
        ..Transition::bare("v", "HighLatency", State::Firing, NOW)
    }
}

fn draft(matchers: &[&str], from_s: i64, to_s: i64) -> Draft {
    Draft {
        id: None,
        matchers: matchers.iter().map(|text| matcher(text)).collect(),
        starts_at: UnixNanos(NOW.0 + from_s * 1_000_000_000),
        ends_at: UnixNanos(NOW.0 + to_s * 1_000_000_000),
        created_by: "ada".into(),
        comment: "disks are replaced".into(),
    }
}

fn at(seconds: u64) -> UnixNanos {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn matchers_are_read_as_alertmanager_writes_them() {
    for (text, shown) in [
        ("host=a", r#"host="a""#),
        (r#" host = "a b" "#, r#"host="a b""#),
        ("host!=a", r#"host!="a""#),
        (r#"host=~"edge-.*""#, r#"host=~"edge-.*""#),
        ("host!~edge-[0-9]+", r#"host!~"edge-[0-9]+""#),
        (r#"path="C:\\\"x""#, r#"path="C:\\\"x""#),
        ("host=", r#"host="""#),
        ("q=a=b", r#"q="a=b""#),
    ] {
        let read = matcher(text);
        assert_eq!(read.to_string(), shown, "{text}");
        assert_eq!(read.to_string().parse(), Ok(read.clone()));
        let json = serde_json::to_string(&read).expect("plain");
        assert_eq!(serde_json::from_str::<Matcher>(&json).expect("what was written"), read);
    }
    for text in [
        "",
        "host",
        "=a",
        "1a=b",
        "ho-st=a",
        r#"host="a"#,
        r#"host="a"b"#,
        "host~a",
        "host=~(",
        "host=~a)|(b",
        "h=~(a{1000}){1000}",
    ] {
        assert!(text.parse::<Matcher>().is_err(), "{text}");
    }
    let long = format!("host={}", "x".repeat(2000));
    assert!(matches!(long.parse::<Matcher>(), Err(MatcherError::TooLong { .. })));
    assert!(r"host=~\w+-\d{1,3}".parse::<Matcher>().is_ok(), "words of any script fit");
}

#[test]
fn a_violation_is_silenced_when_it_meets_every_matcher() {
    let web = violation(&[("host", "edge-1"), ("team", "shop")]);
    for (matchers, silenced) in [
        (&["host=edge-1"][..], true),
        (&["host=edge"], false),
        (&["host=~edge"], false),
        (&["host=~edge-."], true),
        (&["host=~EDGE-.|other"], false),
        (&["host=edge-1", "team!=shop"], false),
        (&["alertname=HighLatency", "severity=~warning|critical"], true),
        (&["host=edge-1", "zone="], true),
        (&["host=edge-1", "zone!="], false),
        (&["host!~web.*"], true),
    ] {
        let silences = Silences::default();
        let id = silences.set(draft(matchers, 0, 60), NOW).expect("a good draft");
        let expected = if silenced { vec![id] } else { vec![] };
        assert_eq!(silences.silenced_by(&web, NOW), expected, "{matchers:?}");
        assert_eq!(silences.silences(&web, NOW), silenced);
        assert!(!silences.silences(&web, at(60)), "it is over");
    }
}

#[test]
fn what_can_not_be_a_silence_is_refused() {
    let silences = Silences::default();
    let many: Vec<String> = (0..40).map(|n| format!("l{n}=a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let unknown = Some("x".to_owned());
    for (draft, error) in [
        (draft(&[], 0, 60), SilenceError::MatchesEverything),
        (draft(&["host=", "zone=~.*"], 0, 60), SilenceError::MatchesEverything),
        (draft(&many, 0, 60), SilenceError::TooManyMatchers { found: 40 }),
        (draft(&["host=a"], 60, 60), SilenceError::EndsBeforeItStarts),
        (draft(&["host=a"], -60, -1), SilenceError::EndsInThePast),
        (Draft { comment: "x".repeat(5000), ..draft(&["host=a"], 0, 60) }, SilenceError::TextTooLong),
        (Draft { id: unknown, ..draft(&["host=a"], 0, 60) }, SilenceError::NotFound { id: "x".into() }),
    ] {
        assert_eq!(silences.set(draft, NOW), Err(error));
    }
    assert_eq!(silences.expire("x", NOW), Err(SilenceError::NotFound { id: "x".into() }));
    assert_eq!(silences.all(NOW), []);
}

#[test]
fn a_silence_that_changes_in_more_than_its_end_is_a_new_one() {
    let silences = Silences::default();
    let id = silences.set(draft(&["host=a"], -30, 60), NOW).expect("good");
    let made = silences.get(&id, NOW).expect("it is there");
    assert_eq!((made.starts_at, made.state(NOW)), (NOW, SilenceState::Active), "the past means now");
    let change =
        |draft: Draft, id: &str| silences.set(Draft { id: Some(id.to_owned()), ..draft }, at(1)).expect("good");

    assert_eq!(change(draft(&["host=a"], 0, 90), &id), id);
    let other = change(draft(&["host=b"], 0, 90), &id);
    assert_ne!(other, id);
    let states: Vec<_> =
        silences.all(at(1)).into_iter().map(|silence| (silence.id.clone(), silence.state(at(1)))).collect();
    assert_eq!(states, [(other.clone(), SilenceState::Active), (id, SilenceState::Expired)]);

    let later = silences.set(draft(&["host=c"], 100, 200), at(1)).expect("good");
    assert_eq!(silences.get(&later, at(1)).map(|silence| silence.state(at(1))), Some(SilenceState::Pending));
    assert_eq!(change(draft(&["host=c"], 50, 300), &later), later, "what has not begun may move");
    silences.expire(&later, at(2)).expect("it is there");
    silences.expire(&later, at(3)).expect("and stays expired");
    assert_eq!(silences.get(&later, at(3)).map(|silence| silence.ends_at), Some(at(2)));
}

#[test]
fn silences_survive_a_restart_and_expired_ones_are_forgotten_after_days() {
    let memory = Arc::new(MemoryLog::default());
    let restart = || {
        let (found, faults) = memory.after_crash(usize::MAX).take_json::<Silence>(Section::Silences);
        assert_eq!(faults, [] as [String; 0]);
        Silences::recover(Arc::<MemoryLog>::clone(&memory), found.into_iter().map(|(_, silence)| silence))
    };
    let silences = restart();
    silences.set(draft(&["host=~a.*"], 0, 60), NOW).expect("good");
    silences.set(draft(&["host=b"], 0, 700_000), NOW).expect("good");
    assert_eq!(restart().all(NOW), silences.all(NOW));
    let restarted = restart();
    assert!(
        !restarted.all(NOW).iter().flat_map(|silence| &silence.matchers).any(Matcher::is_armed),
        "not before it is used"
    );
    assert!(restarted.silences(&violation(&[("host", "a1")]), NOW), "and then it is");
    silences.tidy(at(60));
    assert!(!silences.all(at(60)).iter().flat_map(|silence| &silence.matchers).any(Matcher::is_armed), "given back");
    assert!(!silences.silences(&violation(&[("host", "a1")]), at(60)));
    assert_eq!(restart().all(at(60)).len(), 2, "shown for a while");
    silences.tidy(at(60 + 5 * 24 * 3600));
    assert_eq!((silences.all(at(60)).len(), restart().all(at(60)).len()), (1, 1));
}

#[test]
fn there_are_only_so_many_silences_and_patterns() {
    let silences = Silences::default();
    for n in 0..SILENCES_MAX {
        let text = format!("host=h{n}");
        silences.set(draft(&[&text], 0, 60), NOW).expect("there is room");
    }
    assert_eq!(silences.set(draft(&["host=x"], 0, 60), NOW), Err(SilenceError::TooMany));
    for n in 0..SILENCES_MAX {
        let text = format!("host=h{n}");
        silences.set(draft(&[&text], 100, 160), at(100)).expect("the others have expired");
    }
    assert_eq!(silences.all(at(100)).len(), 2 * SILENCES_MAX);
    silences.set(draft(&["host=x"], 200, 260), at(200)).expect("good");
    assert_eq!(silences.all(at(200)).len(), SILENCES_MAX + 1, "the oldest expired ones made room");

    let silences = Silences::default();
    let patterns: Vec<String> = (0..32).map(|n| format!("l{n}=~a")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    for _ in 0..8 {
        silences.set(draft(&patterns, 0, 60), NOW).expect("there is room");
    }
    assert_eq!(silences.set(draft(&["host=~x"], 0, 60), NOW), Err(SilenceError::TooManyRegexes));
    silences.set(draft(&["host=~x"], 60, 90), at(60)).expect("the others have expired");
}

fn options(cron: &str, time_zone: &str, hours: u64) -> WindowOptions {
    WindowOptions {
        name: "backup".into(),
        matchers: vec![matcher("host=~db-.*")],
        cron: cron.into(),
        time_zone: time_zone.into(),
        duration: Duration::from_secs(hours * 3600),
        comment: "nightly backup".into(),
    }
}

#[test]
fn a_window_is_a_silence_that_comes_again() {
    // NOW is Thursday, 2026-01-01T00:00:00Z.
    for (cron, zone, hours, starts, ends) in [
        ("0 2 * * *", "UTC", 3, "2026-01-01T02:00:00Z", "2026-01-01T05:00:00Z"),
        ("0 22 * * *", "UTC", 3, "2025-12-31T22:00:00Z", "2026-01-01T01:00:00Z"),
        ("0 0 * * *", "UTC", 1, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"),
        ("0 23 * * *", "UTC", 1, "2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"),
        ("30 2 * * 6", "Europe/Berlin", 1, "2026-01-03T01:30:00Z", "2026-01-03T02:30:00Z"),
    ] {
        let window = Window::new(options(cron, zone, hours)).expect(cron);
        let occurrence = window.occurrence(NOW).expect("it comes");
        assert_eq!(
            (occurrence.starts_at.to_string(), occurrence.ends_at.to_string()),
            (starts.into(), ends.into()),
            "{cron}"
        );
        let over = window.occurrence(occurrence.ends_at).expect("it comes again");
        assert!(over.starts_at >= occurrence.ends_at && over.id != occurrence.id, "{cron}");
        assert_eq!(window.occurrence(NOW), Some(occurrence), "also when the clock is set back");
    }
}

#[test]
fn a_windows_violations_are_silenced_while_it_holds_and_it_can_not_be_expired() {
    let window = Window::new(options("0 2 * * *", "UTC", 1)).expect("good");
    let silences = Silences::default();
    silences.set_windows(vec![window]);
    let (db, web) = (violation(&[("host", "db-1")]), violation(&[("host", "web-1")]));
    for (seconds, silenced) in [(0, false), (7200, true), (10_799, true), (10_800, false), (7200 + 86_400, true)] {
        assert_eq!(silences.silences(&db, at(seconds)), silenced, "{seconds}");
        assert!(!silences.silences(&web, at(seconds)));
    }
    let shown = silences.all(at(7200)).remove(0);
    assert_eq!((shown.comment.as_str(), shown.state(at(7200))), ("nightly backup", SilenceState::Active));
    assert_eq!(silences.silenced_by(&db, at(7200)), std::slice::from_ref(&shown.id));
    assert!(matches!(silences.expire(&shown.id, at(7200)), Err(SilenceError::OfTheConfiguration { .. })));
}

#[test]
fn a_schedule_that_can_not_be_followed_is_refused_in_words() {
    for (cron, zone, words) in [
        ("0 2 * *", "UTC", "4 fields"),
        ("0 25 * * *", "UTC", "0 25 * * *"),
        ("0 2 30 2 *", "UTC", "never comes"),
        ("0 2 * * *", "Europe/Nowhere", "Europe/Nowhere"),
        ("@daily", "UTC", "1 fields"),
    ] {
        let error = Window::new(options(cron, zone, 1)).expect_err(cron).to_string();
        assert!(error.contains(words), "{cron}: {error}");
    }
}
