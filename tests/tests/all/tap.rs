//! Points as they arrive.

use std::time::Duration;

use flyball_tests::process::{Process, run};
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, flyball, wait_until};
use serde_json::{Value, json};

#[test]
fn points_are_shown_as_they_arrive_and_only_those_that_are_asked_for() {
    let flyball = Flyball::start(json!({}));
    let url = flyball.http.base().to_owned();
    let send = |lines: &str| drop(flyball.http.post("/write?db=estate", &[], lines.to_owned()).expect_status(204));
    let now = now_nanos();
    send(&format!("room,host=a celsius=20 {now}\n"));
    let start = |name: &str, arguments: &[&str]| {
        Process::start(name, flyball::command().args(["tap", "--url", &url]).args(arguments))
    };
    let mut hot =
        start("tap hot", &["--table", "room_celsius", "--where", "value > 30 AND host = 'b'", "--limit", "2"]);
    let all = start("tap all", &["--format", "json"]);
    // Until both look on, what is sent may be seen by neither.
    let mut sent = 0;
    wait_until("both see points", Duration::from_secs(30), || {
        sent += 1;
        let at = now + sent;
        send(&format!(
            "room,host=b celsius=35.5 {at}\nroom,host=c celsius=36 {at}\nroom,host=b celsius=2 {}\n",
            at + 1_000_000
        ));
        let seen = hot.has_ended() && all.stdout().lines().count() >= 3;
        if seen { Ok(()) } else { Err(format!("{} {}", hot.stdout(), all.stdout())) }
    });
    let lines = hot.stdout();
    assert!(lines.lines().all(|line| line.contains(" 35.5 ") && line.ends_with(" host=\"b\"")), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let row: Value = serde_json::from_str(all.stdout().lines().next().expect("a line")).expect("JSON");
    assert_eq!(row["name"], "room_celsius");
    assert!(row["labels"]["host"].is_string() && row["value"].is_number() && row["time"].is_string(), "{row}");
    all.signal("TERM");

    for (wrong, words) in [
        (&["--table", "nowhere"][..], "'nowhere' can't be tapped"),
        (&["--table", "room_celsius", "--where", "hots = 'a'"], "hots"),
        (&["--where", "value >"], "the condition is no SQL expression"),
    ] {
        let refused = run(flyball::command().args(["tap", "--url", &url]).args(wrong));
        assert_eq!(refused.status.code(), Some(1), "{wrong:?}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}
