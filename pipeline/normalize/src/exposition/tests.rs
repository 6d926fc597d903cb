//! Bodies as exporters write them in, points and the account out.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::batch::is_stale;
use flyball_model::intake::Format;
use flyball_model::ledger::Reason;
use flyball_model::relabel::RelabelOptions;
use flyball_model::{Kind, RowKind};

use super::*;
use crate::{Normalized, Normalizer};

/// When all bodies are received: 2026-01-01T00:00:10Z.
const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_610);

struct Bench {
    registry: Arc<SeriesRegistry>,
    normalizer: Normalizer,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let registry = Arc::new(SeriesRegistry::new(limits.series));
        Self { normalizer: Normalizer::new(Arc::clone(&registry), limits), registry }
    }

    fn take(&self, format: Format, body: &str, context: Option<&Context>) -> Normalized {
        self.normalizer.normalize(format, body.as_bytes(), context, NOW).expect("a good body")
    }

    fn text(&self, body: &str, context: &Context) -> Normalized {
        self.take(Format::PrometheusText, body, Some(context))
    }

    /// Points as `name{label="value"} value`, with ` @nanos` where the time is not that of receipt; sorted.
    fn points(&self, normalized: &Normalized) -> Vec<String> {
        let view = self.registry.labels_in_memory();
        let mut points: Vec<_> = normalized
            .points
            .iter()
            .map(|(series, time, value)| {
                let labels: Vec<_> = view.labels(series).map(|(name, value)| format!("{name}={value}")).collect();
                let value = if is_stale(value) { "stale".to_owned() } else { value.to_string() };
                let time = if time == NOW { String::new() } else { format!(" @{}", time.0) };
                format!("{}{{{}}} {value}{time}", view.metric_name(view.metric_of(series)), labels.join(","))
            })
            .collect();
        points.sort();
        points
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

fn target(labels: &[(&str, &str)]) -> Context {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Context { labels, complete: true, ..Context::default() }
}

fn rule(regex: &str, action: &str) -> Relabel {
    let mut options = RelabelOptions {
        regex: Some(regex.to_owned()),
        action: flyball_model::relabel::Action::from_word(action).expect("an action"),
        ..RelabelOptions::default()
    };
    if action == "drop" {
        options.source_labels = vec!["__name__".to_owned()];
    }
    Relabel::new(options).expect("a good rule")
}

#[test]
fn samples_become_points_of_their_time_or_that_of_receipt() {
    let bench = Bench::default();
    let body = "a 1\na{x=\"2\",\"my.label\"=\"y\"} 2 1767225600500\n{\"my.metric\"} NaN\nb_bucket{le=\"+Inf\"} 3\n";
    let taken = bench.take(Format::PrometheusText, body, None);
    assert_eq!(
        bench.points(&taken),
        ["a{my_label=y,x=2} 2 @1767225600500000000", "a{} 1", "b_bucket{le=+Inf} 3", "my_metric{} NaN"]
    );
    assert_eq!((taken.not_finite, taken.written.samples, taken.rejections.len()), (1, 4, 0));
    let taken = bench.take(Format::OpenMetrics, "a 1 1767225600.123456789\n# EOF\n", None);
    assert_eq!(bench.points(&taken), ["a{} 1 @1767225600123456789"]);
}

#[test]
fn a_bad_line_refuses_the_whole_body_and_leaves_no_trace() {
    let bench = Bench::default();
    let context = target(&[]);
    bench.text("a 1\n", &context);
    for body in ["a 1\nb one\n", "b{x=\"1\" 2\na 1\n", "a 1\nc{x=\"1\" y} 2\n"] {
        let error = bench.normalizer.normalize(Format::PrometheusText, body.as_bytes(), Some(&context), NOW);
        assert!(matches!(error, Err(DecodeError::Exposition { .. })), "{error:?}");
    }
    assert_eq!(context.seen.lock().len(), 1, "what was there is still there");
    // A line that is known by its bytes was good when it was learned; one like it that is not is looked at.
    let cut = bench.normalizer.normalize(Format::OpenMetrics, b"a 1\n", Some(&context), NOW).expect_err("cut off");
    assert_eq!(
        cut.to_string(),
        "line 2, column 1: the body does not end with '# EOF'; it was cut off, or is not OpenMetrics"
    );
}

#[test]
fn what_one_dialect_takes_is_not_known_in_the_other() {
    let bench = Bench::default();
    let line = "a{x=\"1\" y=\"2\"} 1\n";
    assert_eq!(bench.points(&bench.take(Format::PrometheusText, line, None)), ["a{x=1,y=2} 1"]);
    let open = format!("{line}# EOF\n");
    let error = bench.normalizer.normalize(Format::OpenMetrics, open.as_bytes(), None, NOW).expect_err("no comma");
    assert!(error.to_string().contains("',' or '}' is expected after a label"), "{error}");
}

#[test]
fn lines_about_families_are_not_all_kept() {
    let bench = Bench::default();
    let lines = "# TYPE a gauge\n".repeat(FAMILY_LINES_MAX);
    assert!(bench.take(Format::PrometheusText, &lines, None).points.is_empty());
    let error = bench.normalizer.normalize(Format::PrometheusText, (lines + "# HELP a b\n").as_bytes(), None, NOW);
    assert_eq!(
        error.expect_err("too many"),
        DecodeError::TooMany { what: "lines about families", max: FAMILY_LINES_MAX }
    );
}

#[test]
fn a_targets_labels_are_added_and_conflicts_settled() {
    for (honor_labels, own, expected) in [
        (false, "x=\"1\"", "m{instance=h:1,job=j,x=1} 1"),
        (false, "job=\"own\"", "m{exported_job=own,instance=h:1,job=j} 1"),
        (false, "job=\"own\",exported_job=\"x\"", "m{exported_exported_job=own,exported_job=x,instance=h:1,job=j} 1"),
        (false, "instance=\"\"", "m{instance=h:1,job=j} 1"),
        (true, "job=\"own\"", "m{instance=h:1,job=own} 1"),
        (true, "instance=\"\"", "m{job=j} 1"),
    ] {
        let bench = Bench::default();
        let context = Context { honor_labels, ..target(&[("instance", "h:1"), ("job", "j")]) };
        let taken = bench.text(&format!("m{{{own}}} 1\n"), &context);
        assert_eq!(bench.points(&taken), [expected], "{own}");
    }
}

#[test]
fn the_same_bytes_of_two_targets_are_two_series() {
    let bench = Bench::default();
    let (one, two) = (target(&[("instance", "1")]), target(&[("instance", "2")]));
    for _ in 0..2 {
        assert_eq!(bench.points(&bench.text("m 1\n", &one)), ["m{instance=1} 1"]);
        assert_eq!(bench.points(&bench.text("m 1\n", &two)), ["m{instance=2} 1"]);
        assert_eq!(bench.points(&bench.take(Format::PrometheusText, "m 1\n", None)), ["m{} 1"]);
    }
    assert_eq!(bench.registry.len(), 3);
}

#[test]
fn rules_are_applied_and_what_they_drop_is_counted() {
    let bench = Bench::default();
    let context = Context {
        relabel: vec![rule("go_.*", "drop"), rule("pid", "labeldrop"), Relabel::set("job", "set$1").expect("a name")],
        ..target(&[("job", "j")])
    };
    for _ in 0..2 {
        let taken = bench.text("go_threads 5\ngo_info{v=\"1\"} 1\nm{pid=\"7\",x=\"1\"} 2\n", &context);
        assert_eq!(bench.points(&taken), ["m{job=set$1,x=1} 2"]);
        assert_eq!((taken.rejections[0].reason, taken.rejections[0].points), (Reason::Relabelled, 2));
        assert_eq!(taken.written.samples, 1);
    }
    assert_eq!(bench.registry.len(), 1, "what is dropped makes no series");
}

#[test]
fn a_series_that_is_gone_ends_once() {
    let bench = Bench::default();
    let context = target(&[]);
    bench.text("a 1\nb 2\nc 3 1767225600000\n", &context);
    let taken = bench.text("a 1\n", &context);
    assert_eq!(bench.points(&taken), ["a{} 1", "b{} stale"], "c has times of its own, so its silence says nothing");
    assert_eq!((taken.written.samples, taken.not_finite), (1, 0));
    assert_eq!(taken.count(), 1, "the marker is nothing that was sent");
    assert_eq!(bench.points(&bench.text("a 1\n", &context)), ["a{} 1"]);
    assert_eq!(bench.points(&bench.text("", &context)), ["a{} stale"]);
    assert_eq!(bench.points(&bench.text("b 1\n", &context)), ["b{} 1"]);
    // A push is not all there is.
    let push = Context::default();
    bench.text("p 1\n", &push);
    assert!(bench.text("", &push).points.is_empty());
}

#[test]
fn times_can_be_overlooked() {
    let bench = Bench::default();
    let context = Context { ignore_times: true, ..target(&[]) };
    assert_eq!(bench.points(&bench.text("a 1 1\n", &context)), ["a{} 1"]);
    assert_eq!(bench.points(&bench.text("", &context)), ["a{} stale"]);
}

#[test]
fn single_bad_points_are_refused_and_the_others_kept() {
    let bench = Bench::new(Limits { labels: 2, label_bytes: 20, series: 2, ..Limits::default() });
    let body = "a 1\nb{x=\"1\",y=\"2\",z=\"3\"} 1\nc{x=\"123456789012345678901\"} 1\nd 1 1\ne 1 9999999999999\n\
                f{x=\"1\",x=\"2\"} 1\ng 1\nh 1\n";
    let taken = bench.take(Format::PrometheusText, body, None);
    assert_eq!(bench.points(&taken), ["a{} 1", "g{} 1"]);
    let rejected: BTreeMap<_, _> =
        taken.rejections.iter().map(|rejection| (rejection.reason.as_str(), rejection.points)).collect();
    let expected = [
        ("duplicate_label", 1),
        ("label_too_long", 1),
        ("series_cap", 1),
        ("too_far_in_future", 1),
        ("too_many_labels", 1),
        ("too_old", 1),
    ];
    assert_eq!(rejected, expected.into());
    let detail = &taken.rejections[0].detail;
    assert!(detail.starts_with("metric \"b{x=\\\"1\\\""), "{detail}");
}

#[test]
fn what_is_said_of_families_is_known_of_their_metrics() {
    let bench = Bench::default();
    let body = "# HELP up_s how long\n# UNIT up_s s\nup_s 1\n# TYPE up_s gauge\n# TYPE req counter\n# HELP req asked\n\
                req_total 1\n# TYPE lat histogram\nlat_bucket{le=\"+Inf\"} 1\nlat_sum 1\nlat_count 1\n# TYPE \"my.sum\" summary\n\
                {\"my.sum\",quantile=\"0.5\"} 1\n# TYPE b info\nb_info{v=\"1\"} 1\n# EOF\n";
    bench.take(Format::OpenMetrics, body, Some(&target(&[])));
    let view = bench.registry.read();
    for (metric, original, kind, unit, help) in [
        ("up_s", "up_s", Kind::Gauge, "s", "how long"),
        ("req_total", "req_total", Kind::Counter, "", "asked"),
        ("lat_bucket", "lat_bucket", Kind::Histogram, "", ""),
        ("my_sum", "my.sum", Kind::Summary, "", ""),
        ("b_info", "b_info", Kind::Info, "", ""),
    ] {
        let info = view.info(view.metric(metric).expect(metric));
        assert_eq!(
            (info.original.as_str(), info.kind, info.unit.as_str(), info.help.as_str()),
            (original, kind, unit, help),
            "{metric}"
        );
    }
}

#[test]
fn what_is_said_again_is_told_when_it_or_its_series_are_new() {
    let bench = Bench::default();
    let context = target(&[]);
    let kind = |bench: &Bench, metric: &str| {
        let view = bench.registry.read();
        let info = view.info(view.metric(metric).expect("a metric"));
        (info.kind, info.help.clone())
    };
    bench.text("# TYPE a counter\n# HELP a one\na 1\n", &context);
    assert_eq!(kind(&bench, "a"), (Kind::Counter, "one".to_owned()));
    bench.text("# TYPE a counter\n# HELP a two\na 1\n", &context);
    assert_eq!(kind(&bench, "a"), (Kind::Counter, "two".to_owned()));
    bench.text("# TYPE h histogram\na 1\n", &context);
    bench.text("# TYPE h histogram\nh_sum 1\n", &context);
    assert_eq!(kind(&bench, "h_sum").0, Kind::Histogram);
}

#[test]
fn exemplars_become_rows_once() {
    let bench = Bench::default();
    let context = target(&[]);
    let trace = "0123456789abcdef0123456789abcdef";
    let body = |value: &str| {
        format!(
            "h_bucket{{le=\"1\"}} 1 # {{trace_id=\"{trace}\",user=\"a\"}} {value} 1767225609.5\nh_sum 1 # {{}} 2\n# EOF\n"
        )
    };
    let taken = bench.take(Format::OpenMetrics, &body("0.5"), Some(&context));
    assert_eq!((taken.of(RowKind::Exemplars).map(|rows| rows.len()), taken.written.exemplars), (Some(2), 2));
    assert!(bench.take(Format::OpenMetrics, &body("0.5"), Some(&context)).rows.is_empty(), "it is the same one");
    let taken = bench.take(Format::OpenMetrics, &body("0.7"), Some(&context));
    assert_eq!(taken.of(RowKind::Exemplars).map(|rows| rows.len()), Some(1));
    let old = format!("h_sum 1 # {{trace_id=\"{trace}\"}} 1 5\n# EOF\n");
    let taken = bench.take(Format::OpenMetrics, &old, Some(&context));
    assert_eq!((taken.warnings[0].reason, taken.warnings[0].points, taken.points.len()), (Reason::BadExemplar, 1, 2));
}

#[test]
fn any_order_and_writing_of_the_same_labels_is_one_series() {
    let bench = Bench::default();
    for line in [
        "m{a=\"1\",b=\"2\"} 1",
        "m{b=\"2\",a=\"1\"} 1",
        "m{ a = \"1\", b=\"2\", } 1",
        "{\"m\",a=\"1\",b=\"2\",c=\"\"} 1",
    ] {
        bench.take(Format::PrometheusText, line, None);
    }
    assert_eq!(bench.registry.len(), 1);
}
