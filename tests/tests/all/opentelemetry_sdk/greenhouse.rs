//! What every SDK tells of a greenhouse, in two collections, and the rows that must come of it.

use flyball_tests::Flyball;
use serde_json::{Value, json};

/// What was recorded in the exponential histogram before the first collection, and all of it before the second.
const SIZES: [&[f64]; 2] = [&[0.0, 1.0, 2.0, 3.5, 1_024.0], &[0.0, 1.0, 2.0, 3.5, 1_024.0, 0.125, 2.0]];

/// Who tells it: not every SDK can say everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Python,
    Node,
    Rust,
}

/// Looks for every value of it. `at` is when its records and spans begin.
#[track_caller]
pub(super) fn check(flyball: &Flyball, sender: Sender, temporality: &str, at: u64) {
    check_numbers(flyball);
    check_histogram(flyball);
    check_exponential_histogram(flyball);
    check_descriptions(flyball, temporality);
    let request = check_spans(flyball, at);
    check_logs(flyball, at, &request);
    if sender == Sender::Python {
        check_exemplars(flyball, &request);
    }
    let odd = flyball.sql("SELECT * FROM flyball.ledger WHERE outcome <> 'stored' OR reason <> ''");
    assert!(odd.is_empty(), "{odd:?}");
}

/// An instrument without news is collected again, or not: both are the same distinct values.
fn check_numbers(flyball: &Flyball) {
    for (sql, expected) in [
        (
            "SELECT DISTINCT room, value, host_name, service_name, run FROM room_temperature ORDER BY room, value",
            vec![
                vec![json!("cold store"), json!(-3.0e-7), json!("edge-7"), json!("greenhouse"), json!("r1")],
                vec![json!("north"), json!(21.53125), json!("edge-7"), json!("greenhouse"), json!("r1")],
                vec![json!("north"), json!(21.75), json!("edge-7"), json!("greenhouse"), json!("r1")],
            ],
        ),
        // Cast, because a reader of JSON may round what is at the limit of a double.
        (
            "SELECT DISTINCT door, CAST(value AS BIGINT) AS value FROM door_opened ORDER BY door, value",
            vec![
                vec![json!("main"), json!(7)],
                vec![json!("main"), json!(12)],
                vec![json!("revolving"), json!(9_007_199_254_740_991_i64)],
            ],
        ),
        ("SELECT DISTINCT value FROM water_used ORDER BY value", vec![vec![json!(0.75)], vec![json!(1.875)]]),
        ("SELECT DISTINCT value FROM people_inside ORDER BY value", vec![vec![json!(-2.0)], vec![json!(-1.0)]]),
        ("SELECT DISTINCT value FROM sun_height", vec![vec![json!(12.5)]]),
        (
            "SELECT DISTINCT phase, value FROM energy_used ORDER BY value",
            vec![vec![json!("L1"), json!(100.0)], vec![json!("L1"), json!(250.0)]],
        ),
    ] {
        assert_eq!(flyball.sql(sql).rows, expected, "{sql}");
    }
}

fn check_histogram(flyball: &Flyball) {
    let sql = "SELECT DISTINCT http_route, count, sum, min, max, histogram['bounds'] AS bounds, histogram['counts'] AS counts \
        FROM request_duration ORDER BY count";
    let bounds = json!([0.25, 1.0, 10.0]);
    let row = |count: f64, sum: f64, counts: Value| {
        vec![json!("/cart"), json!(count), json!(sum), json!(0.25), json!(12.5), bounds.clone(), counts]
    };
    let expected = [row(4.0, 13.75, json!([1.0, 2.0, 0.0, 1.0])), row(5.0, 14.5, json!([1.0, 3.0, 0.0, 1.0]))];
    assert_eq!(flyball.sql(sql).rows, expected, "a bucket has what is at its upper bound");
}

/// The scale is the sender's choice; each value must lie in its bucket of that scale.
fn check_exponential_histogram(flyball: &Flyball) {
    let rows = flyball.sql("SELECT count, sum, min, max, histogram FROM payload_size ORDER BY time");
    assert!(rows.len() >= SIZES.len(), "{rows:?}");
    for row in 0..rows.len() {
        let sizes = SIZES[row.min(1)];
        let (least, most) = (sizes.iter().copied().fold(f64::MAX, f64::min), sizes.iter().copied().fold(0.0, f64::max));
        for (column, expected) in
            [("count", sizes.len() as f64), ("sum", sizes.iter().sum()), ("min", least), ("max", most)]
        {
            assert_eq!(rows.number(row, column), expected, "{column} of row {row}: {rows:?}");
        }
        let histogram = rows.get(row, "histogram");
        let scale = histogram["scale"].as_i64().expect("an exponential histogram has a scale");
        assert_eq!(histogram["zero_count"], 1.0, "{histogram}");
        assert_eq!(buckets(histogram, "positive"), buckets_of(sizes, scale), "{histogram}");
        assert_eq!(buckets(histogram, "negative"), [], "{histogram}");
    }
    let quantile = flyball.sql("SELECT quantile(histogram, 1.0) AS most FROM payload_size ORDER BY time LIMIT 1");
    assert_eq!(quantile.number(0, "most"), 1_024.0, "no quantile lies beyond the greatest value");
}

/// Buckets that are not empty, by index.
fn buckets(histogram: &Value, side: &str) -> Vec<(i64, f64)> {
    let offset = histogram[format!("{side}_offset")].as_i64().expect("an offset");
    let counts = histogram[side].as_array().expect("counts");
    let counts = counts.iter().map(|count| count.as_f64().expect("a count"));
    (offset..).zip(counts).filter(|&(_, count)| count > 0.0).collect()
}

/// Bucket `i` of a scale has what is above `2^(i / 2^scale)` and not above the next such bound.
fn buckets_of(sizes: &[f64], scale: i64) -> Vec<(i64, f64)> {
    let mut buckets = std::collections::BTreeMap::new();
    for size in sizes.iter().filter(|&&size| size > 0.0) {
        let index = (size.log2() * (scale as f64).exp2()).ceil() as i64 - 1;
        *buckets.entry(index).or_insert(0.0) += 1.0;
    }
    buckets.into_iter().collect()
}

fn check_descriptions(flyball: &Flyball, temporality: &str) {
    let sql = "SELECT original, kind, unit, monotonic, temporality, help FROM flyball.metric_info \
        WHERE original IN ('room.temperature', 'door.opened', 'people.inside', 'request.duration', 'payload.size') ORDER BY original";
    let null = Value::Null;
    let expected = [
        [json!("door.opened"), json!("counter"), json!("1"), json!(true), json!(temporality), null.clone()],
        [json!("payload.size"), json!("histogram"), json!("By"), null.clone(), json!(temporality), null.clone()],
        // A total that goes up and down is cumulative under every preference.
        [
            json!("people.inside"),
            json!("up_down_counter"),
            null.clone(),
            json!(false),
            json!("cumulative"),
            null.clone(),
        ],
        [json!("request.duration"), json!("histogram"), json!("s"), null.clone(), json!(temporality), null.clone()],
        [json!("room.temperature"), json!("gauge"), json!("Cel"), null.clone(), null, json!("air in a room")],
    ];
    assert_eq!(flyball.sql(sql).rows, expected);
}

/// Gives trace id and span id of the request.
fn check_spans(flyball: &Flyball, at: u64) -> [Value; 2] {
    let spans = flyball.sql(
        "SELECT name, service_name, run, kind, status, status_message, CAST(time AS BIGINT) AS nanos, duration, parent_span_id, \
         trace_id, span_id, attributes['otel.scope.name'] AS scope, attributes['otel.scope.version'] AS version FROM spans ORDER BY time",
    );
    assert_eq!(spans.len(), 2, "{spans:?}");
    let request = [spans.get(0, "trace_id").clone(), spans.get(0, "span_id").clone()];
    for (row, mut expected) in [
        (
            0,
            vec![
                json!("GET /cart"),
                json!("server"),
                json!("error"),
                json!("timed out"),
                json!(at),
                json!(0.25),
                Value::Null,
            ],
        ),
        (
            1,
            vec![
                json!("SELECT"),
                json!("client"),
                json!("unset"),
                Value::Null,
                json!(at + 1_000_000),
                json!(0.2),
                request[1].clone(),
            ],
        ),
    ] {
        expected.splice(1..1, [json!("greenhouse"), json!("r1")]);
        expected.extend([request[0].clone(), spans.get(row, "span_id").clone(), json!("tests"), json!("1.2.3")]);
        assert_eq!(spans.rows[row], expected);
    }
    let parts = "SELECT attributes['http.route'], attributes['http.response.status_code'], events[1]['name'], \
        CAST(events[1]['time'] AS BIGINT), events[1]['attributes']['exception.type'], links[1]['trace_id'], links[1]['span_id'], \
        links[1]['attributes']['why'], array_length(events), array_length(links) FROM spans WHERE kind = 'server'";
    let expected = [
        json!("/cart"),
        json!("504"),
        json!("exception"),
        json!(at + 100_000),
        json!("Timeout"),
        json!("b2".repeat(16)),
        json!("02".repeat(8)),
        json!("retry"),
        json!(1),
        json!(1),
    ];
    assert_eq!(flyball.sql(parts).rows, [expected]);
    request
}

fn check_logs(flyball: &Flyball, at: u64, request: &[Value; 2]) {
    let logs = flyball.sql(
        "SELECT CAST(time AS BIGINT) AS nanos, severity, severity_number, event_name, trace_id, span_id, service_name, run, body, attributes \
         FROM logs ORDER BY time",
    );
    assert_eq!(logs.len(), 3, "{logs:?}");
    let scope = json!({"otel.scope.name": "tests", "otel.scope.version": "1.2.3"});
    let mut attributes = json!({"door": "main", "minutes": "6", "alarm": "true", "share": "0.5", "by": "[\"ada\",\"ben\"]", "raw": "AP8="});
    attributes.as_object_mut().expect("an object").extend(scope.as_object().expect("an object").clone());
    let null = || Value::Null;
    let of = |nanos, severity, number, event, trace, span, body, attributes| {
        [json!(nanos), severity, json!(number), event, trace, span, json!("greenhouse"), json!("r1"), body, attributes]
    };
    let text = json!("door left open: größer als 5 min");
    assert_eq!(logs.rows[0], of(at, json!("WARN"), 13, null(), null(), null(), text, attributes));
    let body = logs.get(1, "body").clone();
    assert_eq!(logs.rows[1], of(at + 1, json!("INFO"), 9, null(), null(), null(), body.clone(), scope.clone()));
    let body: Value = serde_json::from_str(body.as_str().expect("a text")).expect("what is not text is JSON");
    assert_eq!(body, json!({"state": "closed", "by": ["ada", "ben"], "deep": {"a": [1, 2.5, true]}}));
    let [trace, span] = request.clone();
    assert_eq!(logs.rows[2], of(at + 2, null(), 9, json!("door.closed"), trace, span, null(), scope));
}

/// An exemplar is an observation that was made within a sampled span.
fn check_exemplars(flyball: &Flyball, request: &[Value; 2]) {
    let exemplars = flyball.sql(
        "SELECT DISTINCT name, value, trace_id, span_id, labels['http_route'] AS route FROM exemplars ORDER BY value",
    );
    let [trace, span] = request;
    let seen = |value: f64| [json!("request_duration"), json!(value), trace.clone(), span.clone(), json!("/cart")];
    assert_eq!(exemplars.rows, [seen(0.25), seen(0.5), seen(12.5)], "the last one of each bucket");
}
