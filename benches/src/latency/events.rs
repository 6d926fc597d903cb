//! What an event tells of, and how long after its sample it came.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;
use serde_json::Value;

use super::schedule::{Schedule, Way};

/// Latencies above this are recorded as this: a minute, in microseconds.
const MICROS_MAX: u64 = 60_000_000;

/// The latencies of one way, in microseconds, and what is missing.
pub(super) struct Latencies {
    pub(super) way: Way,
    pub(super) histogram: Histogram<u64>,
    pub(super) expected: usize,
}

impl Latencies {
    /// None yet, of so many that are expected.
    pub(super) fn new(way: Way, expected: usize) -> Self {
        let histogram =
            Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds are constants that hdrhistogram takes");
        Self { way, histogram, expected }
    }

    /// A quantile in milliseconds.
    pub(super) fn millis(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Events that came.
    pub(super) fn seen(&self) -> usize {
        self.histogram.len() as usize
    }
}

/// Holds what was posted against the schedule: of each change the first event that tells of it.
pub(super) fn compare(schedule: Schedule, start: Instant, posted: &[(Instant, Bytes)]) -> [Latencies; 2] {
    let mut first = HashMap::new();
    for (at, body) in posted {
        for told in told(body) {
            first.entry(told).or_insert(*at);
        }
    }
    [Way::Over, Way::Under].map(|way| {
        let mut latencies = Latencies::new(way, schedule.probes * schedule.spells);
        for change in schedule.changes().filter(|change| change.way == way) {
            if let Some(at) = first.get(&(change.way, change.number)) {
                let late = at.saturating_duration_since(start + change.at);
                latencies.histogram.saturating_record(late.as_micros() as u64);
            }
        }
        latencies
    })
}

/// The changes that an event of flyball, or a notification of Alertmanager, tells of.
fn told(body: &[u8]) -> Vec<(Way, u64)> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let way = |state: &Value| match state.as_str() {
        Some("firing") => Some(Way::Over),
        Some("resolved") => Some(Way::Under),
        _ => None,
    };
    let event = &document["data"];
    let flyball = || Some((way(&event["state"])?, event["values"]["number"].as_f64()? as u64));
    let alerts = document["alerts"].as_array().into_iter().flatten();
    let alertmanager = alerts
        .filter_map(|alert| Some((way(&alert["status"])?, alert["annotations"]["number"].as_str()?.parse().ok()?)));
    flyball().into_iter().chain(alertmanager).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn events_of_both_are_read() {
        let event = br#"{"type":"flyball.violation.firing","data":{"state":"firing","values":{"number":7.0}}}"#;
        assert_eq!(told(event), [(Way::Over, 7)]);
        let notification = br#"{"status":"firing","alerts":[
            {"status":"firing","annotations":{"number":"7"}},{"status":"resolved","annotations":{"number":"5"}}]}"#;
        assert_eq!(told(notification), [(Way::Over, 7), (Way::Under, 5)]);
        assert_eq!(told(br#"{"data":{"state":"pending","values":{"number":7}}}"#), []);
        assert_eq!(told(b"not json"), []);
    }

    #[test]
    fn a_latency_counts_from_when_the_sample_was_to_be_sent_to_the_first_event() {
        let schedule = Schedule { probes: 2, hold: Duration::from_secs(1), spells: 1 };
        let start = clock::now();
        let event = |millis, state: &str, number| {
            let body = format!(r#"{{"data":{{"state":"{state}","values":{{"number":{number}}}}}}}"#);
            (start + Duration::from_millis(millis), Bytes::from(body))
        };
        // The second probe goes over after half a second; its end is never told.
        let posted =
            [event(4, "firing", 1), event(510, "firing", 2), event(900, "firing", 2), event(1_002, "resolved", 1)];
        let [over, under] = compare(schedule, start, &posted);
        assert_eq!((over.seen(), over.expected, under.seen(), under.expected), (2, 2, 1, 2));
        let near = |is: f64, wanted: f64| (is - wanted).abs() < wanted * 0.001;
        assert!(near(over.millis(0.5), 4.0) && near(over.millis(1.0), 10.0) && near(under.millis(0.99), 2.0));
    }
}
