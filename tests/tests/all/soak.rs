//! Half an hour of half load with all that goes on in an estate meanwhile: memory does not grow, and every point is accounted for.
//!
//! `scripts/soak` runs it.

use std::path::Path;
use std::time::Duration;

use flyball_tests::counterparts::Influxdb1;
use flyball_tests::meter::alarms::Alarms;
use flyball_tests::meter::trend::Trend;
use flyball_tests::meter::{Author, Chance, Fleet, Kind, Victim, account, audit, settings};
use flyball_tests::time::instant;
use serde_json::json;

/// Connections of each kind.
const CONNECTIONS: usize = 2;

/// Points of a series in a request.
const SAMPLES: u64 = 60;

/// How long the senders try what can be taken at all.
const TRIAL: Duration = Duration::from_secs(15);

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(10);

/// How long the store is there, and how long it is not.
const STORE_STAYS: std::ops::Range<Duration> = Duration::from_secs(30)..Duration::from_secs(120);

/// Rules beside the alarm, over the minute of what is sent.
const RULES: usize = 30;

/// The memory that flyball may take.
const MEMORY_MEGABYTES: f64 = 1024.0;

#[test]
#[ignore = "takes half an hour; scripts/soak runs it"]
fn memory_stays_and_the_ledger_balances_while_a_store_comes_and_goes_and_rules_are_reloaded() {
    let (minutes, seed) = (settings::number("FLYBALL_MINUTES", 30_u64), settings::seed());
    let Some(_) = flyball_tests::need("influxd", "apt-get install influxdb") else { return };
    let own = flyball_tests::flyball::temp_dir();
    let dir = settings::folder().unwrap_or_else(|| own.path().to_owned());
    eprintln!("{minutes} minutes, FLYBALL_SEED={seed}, in {}", dir.display());
    let mut chance = Chance::new(seed);

    let store_address = format!("127.0.0.1:{}", flyball_tests::ports::free_port());
    let store = json!({"url": format!("http://{store_address}"), "version": 1, "bucket": "estate", "write": ["twin", "violations"]});
    let (hook, mut config) = Alarms::start(&dir);
    write_rules(&dir, 0);
    let rules = json!([dir.join("alarms.yaml"), dir.join("soak.yaml")]);
    let more = json!({"rules": rules, "store": {"influxdb": [store]}, "twin": {"snapshot_every": "1s"}});
    flyball_tests::flyball::lay_over(&mut config, more);
    let mut victim = Victim::new(&dir, config);
    victim.start_ready();

    let (trial, authors) = try_out(&victim);
    let mut fleet = Fleet::of(&victim.http, authors);
    let mut alarms = Alarms::new(hook, &victim.http);
    alarms.change(0);
    let (start, mut figures, mut looks, mut reloads) = (instant(), Vec::new(), 0_u32, 0);
    let mut influxdb = Influxdb1::start_on(&store_address);
    let mut change = chance.within(STORE_STAYS);
    let before = fleet.acked_points();
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        std::thread::sleep((LOOK * (looks + 1)).saturating_sub(start.elapsed()));
        looks += 1;
        if looks.is_multiple_of(6) {
            reloads += 1;
            write_rules(&dir, reloads);
            victim.http.post("/api/v1/reload", &[], "").expect_status(200);
        }
        if start.elapsed() > change {
            influxdb = if influxdb.is_none() { Influxdb1::start_on(&store_address) } else { None };
            change += chance.within(STORE_STAYS);
        }
        alarms.disturb(&mut chance);
        victim.process().still_runs();
        let megabytes = resident_megabytes(victim.process().id());
        figures.push(megabytes);
        let rate = (fleet.acked_points() - before) as f64 / start.elapsed().as_secs_f64();
        let up = if influxdb.is_some() { "up" } else { "down" };
        eprintln!(
            "{:6.0} s: RSS {megabytes:7.1} MB, {rate:9.0} points/s, store {up}, {reloads} reloads",
            start.elapsed().as_secs_f64()
        );
    }

    fleet.finish(Duration::from_secs(60));
    alarms.end();
    let mut books = trial.books();
    books.extend(fleet.books());
    let mut problems = audit::complete(&victim.http, &books);
    let mut sent = account::of(&books);
    alarms.add_to(&mut sent);
    problems.extend(account::check(&victim.http, &sent));
    problems.extend(alarms.problems());
    problems.extend(judge(&figures));
    let points: u64 = sent.values().map(|sent| sent.points).sum();
    victim.stop();
    let panicked = victim.alarming.iter().filter(|line| line.contains("panicked")).cloned();
    problems.extend(panicked);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    eprintln!("{points} points, each stored once; the ledger balances");
}

/// Lets senders send as fast as they can, and gives authors that send half as much.
#[track_caller]
fn try_out(victim: &Victim) -> (Fleet, Vec<Author>) {
    // An hour ago: what is sent faster than time goes by must not come from the future.
    let hour = 3_600_000;
    let author = |kind, number, lanes| {
        let author = Author::new(kind, number, lanes, SAMPLES);
        Author { epoch_millis: author.epoch_millis - hour, ..author }
    };
    let kinds = || Kind::ALL.into_iter().flat_map(|kind| (0..CONNECTIONS).map(move |number| (kind, number)));
    let mut fleet = Fleet::of(&victim.http, kinds().map(|(kind, number)| author(kind, 100 + number, 20)).collect());
    std::thread::sleep(TRIAL);
    fleet.finish(Duration::from_secs(30));
    let rates: Vec<f64> = fleet
        .books()
        .iter()
        .map(|(author, book)| (book.acked() * author.points()) as f64 / TRIAL.as_secs_f64())
        .collect();
    eprintln!(
        "as fast as the senders can on this machine: {:.0} points/s; half of it from here on",
        rates.iter().sum::<f64>()
    );
    let half = |((kind, number), rate): ((Kind, usize), &f64)| {
        let per_milli = rate / 2.0 / 1_000.0;
        // A series has at most a point a millisecond; of one alone it is fewer.
        let lanes = if kind == Kind::Logs { 1 } else { (per_milli.round() as u64).max(1) };
        let every_millis = ((lanes as f64 / per_milli).round() as u64).max(1);
        Author { every_millis, ..Author::new(kind, number, lanes, SAMPLES) }
    };
    let authors = kinds().zip(&rates).map(half).collect();
    (fleet, authors)
}

/// The rules of a version: all of them, one of which is another each time.
fn write_rules(dir: &Path, version: u32) {
    let rules = (0..RULES).map(|rule| {
        let table = [Kind::RemoteWrite, Kind::Gauges, Kind::Deltas][rule % 3].table();
        let bound = if rule == 0 { version } else { 0 };
        format!(
            "  - {{rule: Soak{rule}, sql: \"SELECT sender, min(value) AS least FROM {table} WHERE time > now() - INTERVAL '1 minute' GROUP BY sender HAVING min(value) < -{bound}.5\"}}\n"
        )
    });
    let text = format!("groups:\n- name: soak\n  every: 1s\n  rules:\n{}", rules.collect::<String>());
    std::fs::write(dir.join("soak.yaml"), text).expect("the folder can be written");
}

/// Figures of the first minutes, at least a third of all: until then buffers, caches and the hot store fill up to their budgets.
const WARM_UP: usize = 60;

/// What is wrong with the figures of memory.
fn judge(figures: &[f64]) -> Vec<String> {
    let mut problems = Vec::new();
    let most = figures.iter().copied().fold(0.0, f64::max);
    if most > MEMORY_MEGABYTES {
        problems.push(format!("{most:.0} MB at most, beyond limits.memory"));
    }
    let minute = 60.0 / LOOK.as_secs_f64();
    let warm = figures.get((figures.len() / 3).max(WARM_UP)..).unwrap_or_default();
    match Trend::of(warm) {
        None => eprintln!("too short a run to say how the memory grows"),
        Some(trend) => {
            let (slope, margin) = (trend.slope * minute, trend.margin * minute);
            eprintln!("RSS: at most {most:.1} MB; slope {slope:+.3} ± {margin:.3} MB a minute (95 %), once warm");
            if trend.grows() {
                problems.push(format!("memory grows by {slope:.3} ± {margin:.3} MB a minute"));
            }
        }
    }
    problems
}

#[track_caller]
fn resident_megabytes(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kibibytes * 1024.0 / 1e6
}
