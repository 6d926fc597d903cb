//! Lines in, points, texts and the account out.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use flyball_model::intake::{Context, Format, LINE_FAULTS_MAX};
use flyball_model::ledger::Reason;
use flyball_model::{Limits, RowKind, SeriesRegistry};

use super::*;
use crate::{Normalized, Normalizer};

const NOW: UnixNanos = UnixNanos::from_secs(1_767_225_610);

struct Fed {
    registry: Arc<SeriesRegistry>,
    normalizer: Normalizer,
}

impl Fed {
    fn new(limits: Limits) -> Self {
        let registry = Arc::new(SeriesRegistry::new(limits.series));
        Self { normalizer: Normalizer::new(Arc::clone(&registry), limits), registry }
    }

    fn send(&self, body: &[u8], precision: Precision, whole: bool, context: Option<&Context>) -> Normalized {
        let format = Format::LineProtocol { precision, whole };
        self.normalizer.normalize(format, body, context, NOW).expect("no line spoils the body")
    }

    /// `metric{label=value,…} value @seconds after NOW` of every point, then of every text.
    fn words(&self, normalized: &Normalized) -> Vec<String> {
        let view = self.registry.labels_in_memory();
        let series = |series: SeriesRef| {
            let labels: Vec<_> = view.labels(series).map(|(name, value)| format!("{name}={value}")).collect();
            format!("{}{{{}}}", view.metric_name(view.metric_of(series)), labels.join(","))
        };
        let after = |time: i64| (time - NOW.0) as f64 / 1e9;
        let mut words: Vec<_> = normalized
            .points
            .iter()
            .map(|(number, time, value)| format!("{} {value} @{}", series(number), after(time.0)))
            .collect();
        if let Some(rows) = normalized.of(RowKind::Texts) {
            let numbers = rows.batch().column(0).as_primitive::<UInt32Type>();
            let times = rows.batch().column(1).as_primitive::<TimestampNanosecondType>();
            let values = rows.batch().column(2).as_string::<i32>();
            words.extend((0..rows.len()).map(|row| {
                let number = SeriesRef(numbers.value(row));
                format!("{} {:?} @{}", series(number), values.value(row), after(times.value(row)))
            }));
        }
        words
    }
}

/// Sends twice: the second time every series is known by its bytes, and what comes out is the same.
fn check(body: &str, expected: &[&str]) {
    let fed = Fed::new(Limits::default());
    for round in ["first", "second"] {
        let normalized = fed.send(body.as_bytes(), Precision::Seconds, false, None);
        assert_eq!(fed.words(&normalized), expected, "{round} time: {body}");
        assert_eq!(normalized.rejections, []);
    }
}

#[test]
fn fields_become_points_of_measurement_and_field() {
    check(
        "cpu,host=a,cpu=cpu0 usage_idle=99.5,n=3i 1767225600",
        &["cpu_usage_idle{cpu=cpu0,host=a} 99.5 @-10", "cpu_n{cpu=cpu0,host=a} 3 @-10"],
    );
    check("m value=1", &["m_value{} 1 @0"]);
    check("m a=t,b=False,c=7u,d=-2i", &["m_a{} 1 @0", "m_b{} 0 @0", "m_c{} 7 @0", "m_d{} -2 @0"]);
    check(r"my\ disk,mount\ point=/a\,b read.bytes=1", &["my_disk_read_bytes{mount_point=/a,b} 1 @0"]);
    check("m,b=2,a=1 f=1\nm,a=1,b=2 f=2", &["m_f{a=1,b=2} 1 @0", "m_f{a=1,b=2} 2 @0"]);
}

#[test]
fn texts_become_rows_under_the_name_of_their_metric() {
    check(
        r#"docker,name=web,host=a status="say \"hi\"",n=1i 1767225611"#,
        &["docker_n{host=a,name=web} 1 @1", r#"texts{exported_name=web,host=a,name=docker_status} "say \"hi\"" @1"#],
    );
    // A field may be text today and a number tomorrow.
    check("m f=\"1\"\nm f=1", &["m_f{} 1 @0", "texts{name=m_f} \"1\" @0"]);
}

#[test]
fn the_original_name_is_remembered() {
    let fed = Fed::new(Limits::default());
    fed.send(b"net.io,if=eth0 rx-bytes=1", Precision::Seconds, false, None);
    let view = fed.registry.read();
    let metric = view.metric("net_io_rx_bytes").expect("one series");
    assert_eq!(view.info(metric).original, "net.io_rx-bytes");
}

#[test]
fn the_database_is_a_label_unless_a_tag_says_otherwise() {
    let fed = Fed::new(Limits::default());
    let context =
        |db: &str| Context { labels: vec![("db".to_owned(), db.to_owned())], honor_labels: true, ..Context::default() };
    for _ in 0..2 {
        for (db, expected) in [("one", "m_f{db=one} 1 @0"), ("two", "m_f{db=two} 1 @0")] {
            assert_eq!(fed.words(&fed.send(b"m f=1", Precision::Seconds, false, Some(&context(db)))), [expected]);
        }
        assert_eq!(fed.words(&fed.send(b"m f=1", Precision::Seconds, false, None)), ["m_f{} 1 @0"]);
        let tagged = fed.send(b"m,db=own f=1", Precision::Seconds, false, Some(&context("one")));
        assert_eq!(fed.words(&tagged), ["m_f{db=own} 1 @0"]);
    }
}

#[test]
fn times_are_read_in_the_unit_of_the_request() {
    use Precision::{Auto, Hours, Microseconds, Milliseconds, Minutes, Nanoseconds, Seconds};
    let fed = Fed::new(Limits::default());
    for (precision, timestamp, expected) in [
        (Nanoseconds, "1767225609500000000", -0.5),
        (Microseconds, "1767225609500000", -0.5),
        (Milliseconds, "1767225609500", -0.5),
        (Seconds, "1767225609", -1.0),
        (Minutes, "29453760", -10.0),
        (Hours, "490896", -10.0),
        (Auto, "1767225609", -1.0),
        (Auto, "1767225609500", -0.5),
        (Auto, "1767225609500000", -0.5),
        (Auto, "1767225609500000000", -0.5),
        (Nanoseconds, "", 0.0),
        (Auto, "", 0.0),
    ] {
        let normalized = fed.send(format!("m f=1 {timestamp}").as_bytes(), precision, false, None);
        assert_eq!(fed.words(&normalized), [format!("m_f{{}} 1 @{expected}")], "{precision:?} {timestamp}");
    }
}

#[test]
fn integers_beyond_2_to_the_53_are_stored_rounded_and_told() {
    let fed = Fed::new(Limits::default());
    let body = "m a=9007199254740992i,b=9007199254740993i,c=18446744073709551615u,d=-9223372036854775808i";
    let normalized = fed.send(body.as_bytes(), Precision::Seconds, false, None);
    assert_eq!(
        normalized.points.values(),
        [9_007_199_254_740_992.0, 9_007_199_254_740_992.0, 18_446_744_073_709_551_616.0, -9_223_372_036_854_775_808.0]
    );
    let [warning] = &normalized.warnings[..] else { panic!("{:?}", normalized.warnings) };
    assert_eq!((warning.reason, warning.points), (Reason::Rounded, 2));
    assert!(warning.detail.starts_with("line 1, \"m\": the integer 9007199254740993 "), "{}", warning.detail);
    assert_eq!(normalized.rejections, []);
}

#[test]
fn a_bad_line_counts_as_one_or_as_its_fields_and_the_others_are_kept() {
    let fed = Fed::new(Limits::default());
    let body = "m f=1\nbad\nm,a=1,,b=2 f=1,g=2\nm f=NaN,g=1\nm f=2\n";
    let normalized = fed.send(body.as_bytes(), Precision::Seconds, false, None);
    assert_eq!(fed.words(&normalized), ["m_f{} 1 @0", "m_f{} 2 @0"]);
    let [rejection] = &normalized.rejections[..] else { panic!("{:?}", normalized.rejections) };
    assert_eq!((rejection.reason, rejection.points), (Reason::BadLine, 1 + 2 + 1));
    assert_eq!(normalized.received, 6);
    assert!(rejection.detail.starts_with("unable to parse \"bad\": missing fields"), "{}", rejection.detail);
    let lines: Vec<_> = normalized.lines.iter().map(|fault| (fault.number, fault.line.as_str())).collect();
    assert_eq!(lines, [(2, "bad"), (3, "m,a=1,,b=2 f=1,g=2"), (4, "m f=NaN,g=1")]);
    assert!(normalized.lines[1].message.starts_with("missing tag key"), "{}", normalized.lines[1].message);
    assert!(normalized.lines[1].message.ends_with("(line 3, column 7)"), "{}", normalized.lines[1].message);
}

#[test]
fn one_bad_line_refuses_the_whole_body_where_that_is_asked_for() {
    let fed = Fed::new(Limits::default());
    let good = "m f=1,g=9007199254740993i\nm s=\"text\"\n";
    for body in
        [format!("{good}bad\n"), format!("bad\n{good}"), "m f=1,g=9007199254740993i\nbad\nm s=\"text\"\n".to_owned()]
    {
        let normalized = fed.send(body.as_bytes(), Precision::Seconds, true, None);
        assert_eq!((normalized.count(), normalized.lines.len()), (0, 1));
        let [rejection] = &normalized.rejections[..] else { panic!("{:?}", normalized.rejections) };
        assert_eq!((rejection.reason, rejection.points), (Reason::BadLine, 1 + 3), "{body}");
        assert_eq!(normalized.warnings, []);
    }
    assert_eq!(fed.send(good.as_bytes(), Precision::Seconds, true, None).count(), 3);
}

#[test]
fn refused_points_are_counted_by_field_and_told_by_line() {
    let fed = Fed::new(Limits { series: 2, label_bytes: 20, ..Limits::default() });
    let long = "x".repeat(21);
    let body = format!(
        "m a=1,b=2\nm a=1,b=2 99999999999\nm a=1 1\nm c=1,d=2\nm,t={long} a=1,b=2\nm,t=1,t=2 a=1\nm {long}=1\n"
    );
    let normalized = fed.send(body.as_bytes(), Precision::Seconds, false, None);
    assert_eq!(normalized.count(), 2);
    let mut refused: Vec<_> =
        normalized.rejections.iter().map(|refused| (refused.reason.as_str(), refused.points)).collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [("duplicate_label", 1), ("label_too_long", 3), ("series_cap", 2), ("too_far_in_future", 2), ("too_old", 1)]
    );
    let numbers: Vec<_> = normalized.lines.iter().map(|fault| fault.number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);
}

#[test]
fn what_is_not_utf_8_costs_its_field() {
    let fed = Fed::new(Limits::default());
    let normalized = fed.send(b"m s=\"\xff\",a=1\nm\xff f=1\nm,t=\xff f=1\n", Precision::Seconds, false, None);
    assert_eq!(fed.words(&normalized), ["m_a{} 1 @0"]);
    let [rejection] = &normalized.rejections[..] else { panic!("{:?}", normalized.rejections) };
    assert_eq!((rejection.reason, rejection.points), (Reason::NotUtf8, 3));
}

#[test]
fn only_the_first_bad_lines_are_told_and_all_are_counted() {
    let fed = Fed::new(Limits::default());
    let long = format!("{}ä", "x".repeat(99));
    let body = format!("{long}\n").repeat(1000);
    let normalized = fed.send(body.as_bytes(), Precision::Seconds, false, None);
    assert_eq!((normalized.lines.len(), normalized.rejections[0].points), (LINE_FAULTS_MAX, 1000));
    assert_eq!(normalized.lines[0].line, "x".repeat(99));
}
