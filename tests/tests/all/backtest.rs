//! Rules over the history of a server, of the folder that it left, and of one that it could not leave in order.

use std::time::Duration;

use flyball_tests::process::{Finished, run};
use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, flyball};
use serde_json::{Value, json};

const RULES: &str = "groups:
- name: g
  rules:
  - rule: Hot
    sql: SELECT host, max(value) AS celsius FROM room_celsius WHERE time > now() - INTERVAL '20 seconds' GROUP BY host HAVING max(value) > 30
    for: 20s
    remediate: [{backend: k8s, action: scale_out, target: {kind: Deployment, name: fan}, by: 1}]
  - rule: Errors
    sql: SELECT job, count(*) AS n FROM texts WHERE time > now() - INTERVAL '20 seconds' AND name = 'door_state' AND value = 'open' GROUP BY job
";

fn backtest(arguments: &[&str]) -> Finished {
    run(flyball::command().args(["rules", "backtest"]).args(arguments))
}

/// Half an hour ago it was hot in `a` for two minutes, and a door was open for a moment. The time at which the heat began.
fn send(flyball: &Flyball) -> u64 {
    let start = now_nanos() / 1_000_000_000 - 3600;
    let mut lines = String::new();
    for step in 0..180 {
        let time = start + 20 * step;
        let celsius = if (90..96).contains(&step) { 35.5 } else { 20.0 };
        let state = if step == 100 { "open" } else { "shut" };
        lines.push_str(&format!("room,host=a celsius={celsius} {time}\nroom,host=b celsius=21 {time}\n"));
        lines.push_str(&format!("door,job=front state=\"{state}\" {time}\n"));
    }
    flyball.http.post("/write?db=estate&precision=s", &[], lines).expect_status(204);
    start + 20 * 90
}

/// Each spell as `rule labels fired for`, seconds counted from `hot`.
fn spells(document: &Value, hot: u64) -> Vec<String> {
    let second = |time: &Value| {
        let time: &str = time.as_str().expect("a time");
        let seconds = |text: &str| text.parse::<i64>().expect("a number");
        // Both times are within a day of each other.
        let of_day = seconds(&time[11..13]) * 3600 + seconds(&time[14..16]) * 60 + seconds(&time[17..19]);
        (of_day - (hot % 86_400) as i64).rem_euclid(86_400)
    };
    let rules = document["rules"].as_array().expect("rules");
    let all =
        rules.iter().flat_map(|rule| rule["spells"].as_array().into_iter().flatten().map(move |spell| (rule, spell)));
    all.map(|(rule, spell)| {
        let (fired, lasted) = (second(&spell["fired_at"]), spell["seconds"].as_f64().unwrap_or_default());
        format!("{} {} {fired} {lasted}", rule["rule"], spell["labels"])
    })
    .collect()
}

#[test]
fn a_server_and_its_folder_give_the_same_also_after_a_kill() {
    let dir = flyball::temp_dir();
    let rules = dir.path().join("rules.yaml");
    std::fs::write(&rules, RULES).expect("written");
    let rules = rules.display().to_string();
    let home = flyball::temp_dir();
    let mut flyball = Flyball::start_in(home.path(), json!({}));
    let hot = send(&flyball);
    let data = flyball.dir().join("data").display().to_string();
    let (from, to) = ((hot - 600).to_string(), (hot + 900).to_string());
    let range = ["--from", from.as_str(), "--to", to.as_str(), "--every", "10s"];
    let asked = |more: &[&str]| backtest(&[&[rules.as_str()], &range[..], more].concat());
    let document = |finished: &Finished| -> Value {
        assert_eq!(finished.status.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
        serde_json::from_str(&finished.stdout).expect("JSON")
    };

    let url = flyball.http.base().to_owned();
    let picture = dir.path().join("picture.svg");
    let by_url = asked(&["--url", &url, "--format", "json", "--svg", &picture.display().to_string()]);
    let by_url = document(&by_url);
    let expected = [r#""Hot" {"host":"a"} 20 100"#, r#""Errors" {"job":"front"} 200 20"#];
    assert_eq!(spells(&by_url, hot), expected, "{by_url:#}");
    assert_eq!(by_url["rules"][0]["spells"][0]["would_ask"][0]["action"], "scale_out");
    assert!(std::fs::read_to_string(&picture).expect("a picture").contains("class=\"firing\""));

    let locked = asked(&["--data-dir", &data]);
    assert_eq!(locked.status.code(), Some(1));
    assert!(locked.stderr.contains("--url in place of --data-dir"), "{}", locked.stderr);

    // Nothing has left the memory yet: what a kill leaves is the log.
    flyball.process().signal("KILL");
    flyball.process().wait_for_end(Duration::from_secs(10));
    let left = || -> Vec<_> {
        let files = ["", "log", "history"].map(|folder| std::fs::read_dir(home.path().join("data").join(folder)));
        let files = files.into_iter().flatten().flatten().filter_map(Result::ok);
        files.map(|file| (file.path(), file.metadata().map(|data| data.len()).ok())).collect()
    };
    let before = left();
    let killed = document(&asked(&["--data-dir", &data, "--format", "json"]));
    assert_eq!(spells(&killed, hot), expected);
    assert_eq!(left(), before, "a folder that is read stays as it is");

    let mut again = Flyball::start_in(home.path(), json!({}));
    again.stop();
    let stopped = document(&asked(&["--data-dir", &data, "--format", "json"]));
    assert_eq!((spells(&stopped, hot), &stopped["points"]), (spells(&killed, hot), &killed["points"]));

    // A week ago there was nothing; the answer says what there is.
    let often = backtest(&[&rules, "--data-dir", &data, "--from", "-7d", "--every", "0s"]);
    assert!(often.status.code() == Some(2) && often.stderr.contains("100ms"), "{}", often.stderr);
    let nothing = backtest(&[&rules, "--data-dir", &data, "--from", "-7d", "--to", "-6d", "--every", "1h"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(nothing.stderr.contains("set --from and --to within that"), "{}", nothing.stderr);
    let firing = asked(&["--data-dir", &data, "--fail-on", "firing", "--format", "junit"]);
    assert_eq!(firing.status.code(), Some(1));
    assert!(
        firing.stdout.contains("<failure message=\"it fired, 1 instance once, for 1m40s in all\">"),
        "{}",
        firing.stdout
    );
    let later = dir.path().join("later.yaml");
    std::fs::write(&later, RULES.replace("for: 20s", "for: 40s")).expect("written");
    let against = asked(&["--data-dir", &data, "--against", &later.display().to_string()]);
    assert_eq!(against.status.code(), Some(0), "{}{}", against.stdout, against.stderr);
    assert!(
        against.stdout.contains("  ! host=a  ") && against.stdout.contains("1 rule the same"),
        "{}",
        against.stdout
    );

    for (wrong, code) in [
        (&["--from", "yesterday"][..], 2),
        (&["--from", "-1h", "--to", "-2h"], 2),
        (&["--from", "-1h", "--data-dir", "nowhere"], 1),
    ] {
        let wrong = backtest(&[&[rules.as_str()], wrong].concat());
        assert_eq!(wrong.status.code(), Some(code), "{}", wrong.stderr);
    }
    assert_eq!(backtest(&[&rules]).status.code(), Some(2), "--from is missing");
}
