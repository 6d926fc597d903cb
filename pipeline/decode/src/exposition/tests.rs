//! A row for each rule of the two formats.

use proptest::prelude::*;

use super::*;
use crate::error::DecodeError;

/// What a body says, a line an entry; the error in its place.
fn told(body: &[u8], dialect: Dialect) -> Vec<String> {
    let mut lines = Vec::new();
    let entries = match entries(body, dialect) {
        Ok(entries) => entries,
        Err(error) => return vec![error.to_string()],
    };
    for entry in entries {
        lines.push(match entry {
            Ok(Entry::Help { family, text }) => format!("help {family}: {text}"),
            Ok(Entry::Type { family, kind }) => format!("type {family}: {kind:?}"),
            Ok(Entry::Unit { family, unit }) => format!("unit {family}: {unit}"),
            Ok(Entry::Sample(sample)) => match sample_line(&sample) {
                Ok(line) => line,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        });
    }
    lines
}

fn sample_line(sample: &Sample<'_>) -> Result<String, DecodeError> {
    let mut line = String::new();
    for label in sample.labels() {
        let label = label?;
        line.push_str(&format!("{}={} ", label.name, label.value));
    }
    line.push_str(&format!("-> {}", sample.value));
    if let Some(time) = sample.time {
        line.push_str(&format!(" @{}", time.0));
    }
    if let Some(exemplar) = sample.exemplar {
        line.push_str(" e.g. ");
        for label in exemplar.labels() {
            let label = label?;
            line.push_str(&format!("{}={} ", label.name, label.value));
        }
        line.push_str(&format!("-> {}", exemplar.value));
        if let Some(time) = exemplar.time {
            line.push_str(&format!(" @{}", time.0));
        }
    }
    Ok(line)
}

#[track_caller]
fn text(body: &str, expected: &[&str]) {
    assert_eq!(told(body.as_bytes(), Dialect::Text), expected, "{body:?}");
}

/// An OpenMetrics body, to which the end is added.
#[track_caller]
fn open(body: &str, expected: &[&str]) {
    assert_eq!(told(format!("{body}# EOF\n").as_bytes(), Dialect::OpenMetrics), expected, "{body:?}");
}

#[test]
fn samples_of_the_text_format() {
    for (body, expected) in [
        ("a 1\n", "__name__=a -> 1"),
        ("a 1", "__name__=a -> 1"),
        ("a{} 1", "__name__=a -> 1"),
        ("a:b_C9 -2.5e3 1395066363000\n", "__name__=a:b_C9 -> -2500 @1395066363000000000"),
        (" \ta\t{ x = \"1\" , y=\"2\" , } \t 3 \t 4 \t\n", "__name__=a x=1 y=2 -> 3 @4000000"),
        ("a{x=\"1\"}2\n", "__name__=a x=1 -> 2"),
        ("a{x=\"1\" y=\"2\"} 3\n", "__name__=a x=1 y=2 -> 3"),
        ("a{x=\"\"} NaN\n", "__name__=a x= -> NaN"),
        ("a +Inf -1\n", "__name__=a -> inf @-1000000"),
        ("a{x=\"}{,= # \"} 1\n", "__name__=a x=}{,= #  -> 1"),
        (r#"a{x="q\"b\\n\nt\t"} 1"#, "__name__=a x=q\"b\\n\nt\\t -> 1"),
        ("a{x=\"two\nlines\"} 1\n", "__name__=a x=two\nlines -> 1"),
        ("a{x=\"ü\u{0}\"} 1\n", "__name__=a x=ü\u{0} -> 1"),
        ("{\"my.metric\"} 1\n", "__name__=my.metric -> 1"),
        ("{\"my.metric\",a=\"b\"} 1\n", "__name__=my.metric a=b -> 1"),
        ("{ \"my \\\"metric\\\"\" , \"a label\" = \"b\" } 1\n", "__name__=my \"metric\" a label=b -> 1"),
        ("{a=\"b\",\"my.metric\"} 1\n", "a=b __name__=my.metric -> 1"),
        ("a{x=\"1\",x=\"2\"} 1\n", "__name__=a x=1 x=2 -> 1"),
    ] {
        text(body, &[expected]);
    }
    text("\n \n# just words\n#\n#HELP a b\n# HELPFUL a\n# EOF\na 1\n\n", &["__name__=a -> 1"]);
}

#[test]
fn what_is_said_of_families() {
    text(
        "# HELP a all \\\\ is \\\"well\\\"\\n now\n#  TYPE \t a \t counter \n# HELP b\n# HELP b \n# TYPE \"c.d\" untyped\n",
        &["help a: all \\ is \\\"well\\\"\n now", "type a: Counter", "help b: ", "help b: ", "type c.d: Unknown"],
    );
    open(
        "# HELP a_s all \\\"well\\\"\n# UNIT a_s s\n# TYPE a_s gaugehistogram\n# UNIT b \n# TYPE \"c.d\" stateset\n",
        &["help a_s: all \"well\"", "unit a_s: s", "type a_s: GaugeHistogram", "unit b: ", "type c.d: StateSet"],
    );
    for (word, kind) in [("counter", "Counter"), ("gauge", "Gauge"), ("histogram", "Histogram"), ("summary", "Summary")]
    {
        text(&format!("# TYPE a {word}"), &[&format!("type a: {kind}")]);
        open(&format!("# TYPE a {word}\n"), &[&format!("type a: {kind}")]);
    }
    open("# TYPE a info\n# TYPE b unknown\n", &["type a: Info", "type b: Unknown"]);
}

#[test]
fn families_need_not_stand_together() {
    text(
        "a 1\n# TYPE b gauge\nb 2\n# HELP a late\na{x=\"1\"} 3\n",
        &["__name__=a -> 1", "type b: Gauge", "__name__=b -> 2", "help a: late", "__name__=a x=1 -> 3"],
    );
}

#[test]
fn samples_of_open_metrics() {
    for (body, expected) in [
        ("a 1\n", "__name__=a -> 1"),
        ("a{x=\"1\",y=\"2\",} 3 1520879607.789\n", "__name__=a x=1 y=2 -> 3 @1520879607789000000"),
        ("{\"my.metric\",\"a b\"=\"c\"} 1\n", "__name__=my.metric a b=c -> 1"),
        ("a_bucket{le=\"1\"} 3 # {} 0.5\n", "__name__=a_bucket le=1 -> 3 e.g. -> 0.5"),
        (
            "a_bucket{le=\"1\"} 3 4 # {trace_id=\"K\",s=\"#\"} 0.5 1.25\n",
            "__name__=a_bucket le=1 -> 3 @4000000000 e.g. trace_id=K s=# -> 0.5 @1250000000",
        ),
        ("a_created 1605281325.0\n", "__name__=a_created -> 1605281325"),
    ] {
        open(body, &[expected]);
    }
    // The last line break may be missing.
    assert_eq!(told(b"a 1\n# EOF", Dialect::OpenMetrics), ["__name__=a -> 1"]);
}

#[test]
fn bad_lines_of_the_text_format_are_named_with_their_place() {
    for (body, expected) in [
        ("a 1\n9a 1\n", "line 2, column 1: a line begins with a metric's name, '{' or '#', not '9a 1'"),
        ("<html>", "line 1, column 1: a line begins with a metric's name, '{' or '#', not '<html>'"),
        ("a", "line 1, column 2: a value is expected after the series, not the end of the line"),
        ("ü 1", "line 1, column 1: a line begins with a metric's name, '{' or '#', not 'ü 1'"),
        ("a.b 1", "line 1, column 2: '.b' is not a value; write a decimal number, NaN, +Inf or -Inf"),
        ("a one", "line 1, column 3: 'one' is not a value; write a decimal number, NaN, +Inf or -Inf"),
        ("a 1\r\n", "line 1, column 3: '1\\r' is not a value; write a decimal number, NaN, +Inf or -Inf"),
        ("a 1 1.5", "line 1, column 5: '1.5' is not a time; write whole milliseconds since 1970"),
        ("a 1 2 3", "line 1, column 7: the line should end here, not '3'"),
        ("a 1 2 # {x=\"1\"} 1", "line 1, column 7: the line should end here, not '# {x=\"1\"} 1'"),
        ("a{ü=\"1\"} 1", "line 1, column 3: a label's name is expected, not 'ü=\"1\"} 1'"),
        (
            "a{x:y=\"1\"} 1",
            "line 1, column 4: '=' and a quoted value are expected after a label's name, not ':y=\"1\"} 1'",
        ),
        ("a{x=1} 1", "line 1, column 5: '=' and a quoted value are expected after a label's name, not '1} 1'"),
        ("a{x} 1", "line 1, column 4: '=' and a quoted value are expected after a label's name, not '} 1'"),
        ("a{,} 1", "line 1, column 3: a label's name is expected, not ',} 1'"),
        ("a{x=\"1\",,} 1", "line 1, column 9: a label's name is expected, not ',} 1'"),
        ("a{x=\"ü\",\ny=\"2\"} 1", "line 1, column 2: the labels are not closed with '}'"),
        ("a{x=\"1", "line 1, column 5: a quoted text is not closed"),
        ("a{x=\"1\\\"} 1\n", "line 1, column 5: a quoted text is not closed"),
        ("{} 1", "line 1, column 3: the sample has no metric name; write it before the braces or quoted inside them"),
        (
            "{x=\"1\"} 1",
            "line 1, column 8: the sample has no metric name; write it before the braces or quoted inside them",
        ),
        ("a{\"b\"} 1", "line 1, column 3: the sample has two metric names"),
        ("# HELP 1a x", "line 1, column 8: a metric's name is expected after HELP, not '1a x'"),
        ("# TYPE a-b counter", "line 1, column 8: a metric's name is expected after TYPE, not 'a-b counter'"),
        ("# TYPE a", "line 1, column 9: a text is expected after TYPE and the name"),
        (
            "# TYPE a info",
            "line 1, column 10: 'info' is not a type; write counter, gauge, histogram, summary or untyped",
        ),
    ] {
        let found = told(body.as_bytes(), Dialect::Text);
        assert_eq!(found.last().map(String::as_str), Some(expected), "{body:?}");
    }
    let found = told(b"a 1\n# caf\xe9\n", Dialect::Text);
    assert_eq!(found, ["line 2, column 6: these bytes are not UTF-8"]);
}

#[test]
fn bad_lines_of_open_metrics_are_named_with_their_place() {
    for (body, expected) in [
        ("", "line 1, column 1: the body does not end with '# EOF'; it was cut off, or is not OpenMetrics"),
        ("a 1\n", "line 2, column 1: the body does not end with '# EOF'; it was cut off, or is not OpenMetrics"),
        ("# EOF\na 1\n", "line 2, column 1: nothing may follow '# EOF'"),
        ("# EOF\n\n", "line 2, column 1: nothing may follow '# EOF'"),
        (
            "\na 1\n# EOF\n",
            "line 1, column 1: OpenMetrics has no blank lines and no comments; send text/plain; version=0.0.4, or leave it out",
        ),
        (
            "# words\n# EOF\n",
            "line 1, column 1: OpenMetrics has no blank lines and no comments; send text/plain; version=0.0.4, or leave it out",
        ),
        ("a  1\n# EOF\n", "line 1, column 3: a value is expected after the series, not ' 1'"),
        ("a{x=\"1\"}1\n# EOF\n", "line 1, column 9: one space is expected, not '1'"),
        ("a 1 \n# EOF\n", "line 1, column 5: the end of the line is not a time; write seconds since 1970"),
        ("a 1 NaN\n# EOF\n", "line 1, column 5: 'NaN' is not a time; write seconds since 1970"),
        ("a{x=\"1\" y=\"2\"} 1\n# EOF\n", "line 1, column 8: ',' or '}' is expected after a label, not ' y=\"2\"} 1'"),
        ("a{x=\"1\n2\"} 1\n# EOF\n", "line 1, column 5: a quoted text is not closed"),
        ("a 1 # {x=\"1\"}\n# EOF\n", "line 1, column 14: one space is expected, not the end of the line"),
        (
            "a 1 # {\"x\"} 1\n# EOF\n",
            "line 1, column 11: '=' and a quoted value are expected after a label's name, not '} 1'",
        ),
        ("a 1 # {x=\"1\"} 1 2 3\n# EOF\n", "line 1, column 18: the line should end here, not ' 3'"),
        ("a 1 # {x=\"1\"} 1 +Inf\n# EOF\n", "line 1, column 17: '+Inf' is not a time; write seconds since 1970"),
        ("# UNIT a_b s\n# EOF\n", "line 1, column 12: the name of a metric ends with its unit: _s"),
        ("# UNIT as s\n# EOF\n", "line 1, column 11: the name of a metric ends with its unit: _s"),
        ("# UNIT as \u{7f}\n# EOF\n", r"line 1, column 11: the name of a metric ends with its unit: _\u{7f}"),
        ("# HELP a\n# EOF\n", "line 1, column 9: a text is expected after HELP and the name"),
        (
            "# TYPE a untyped\n# EOF\n",
            "line 1, column 10: 'untyped' is not a type; write counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown",
        ),
    ] {
        let found = told(body.as_bytes(), Dialect::OpenMetrics);
        assert_eq!(found.last().map(String::as_str), Some(expected), "{body:?}");
    }
}

#[test]
fn the_span_of_a_series_is_all_that_tells_it_from_others() {
    let body = "a 1\na{} 1\na{x=\"1\"} 2\na{x=\"1\"} 3 4\n{\"a\"} 5\n";
    let series: Vec<_> = entries(body.as_bytes(), Dialect::Text)
        .expect("UTF-8")
        .map(|entry| match entry.expect("good lines") {
            Entry::Sample(sample) => sample.series,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(series, ["a", "a{}", "a{x=\"1\"}", "a{x=\"1\"}", "{\"a\"}"]);
}

#[test]
fn a_long_hostile_body_takes_time_in_proportion_to_its_length() {
    // Nothing in here may be looked at more than a few times: quadratic reading of a megabyte would take minutes.
    for piece in ["a{x=\"", "\\", "{", "# HELP ", "a 1\n", "\"", "\n", "a{", "a 1 # {"] {
        let body = piece.repeat(1_000_000 / piece.len());
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let _ = told(body.as_bytes(), dialect);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_end_in_entries_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let _ = told(&body, dialect);
        }
    }

    #[test]
    fn anything_made_of_the_formats_parts_ends_in_entries_or_an_error(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("a"), Just("{"), Just("}"), Just("\""), Just("="), Just(","), Just(" "), Just("\n"), Just("\\"),
                Just("# "), Just("HELP "), Just("TYPE "), Just("UNIT "), Just("EOF"), Just("1"), Just(" # {"), Just("ü"),
                Just("a{x=\"1\"} 1\n"), Just("counter"),
            ],
            0..40,
        )
    ) {
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let _ = told(parts.concat().as_bytes(), dialect);
        }
    }

    #[test]
    fn any_label_values_come_back(values in proptest::collection::vec(any::<String>(), 1..4), number in any::<f64>()) {
        prop_assume!(number.is_finite());
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> =
            values.iter().enumerate().map(|(index, value)| format!("l{index}=\"{}\"", escaped(value))).collect();
        let body = format!("m{{{}}} {number}\n# EOF\n", labels.join(","));
        for dialect in [Dialect::Text, Dialect::OpenMetrics] {
            let entry = entries(body.as_bytes(), dialect).expect("UTF-8").next().expect("a line").expect("a good one");
            let Entry::Sample(sample) = entry else { panic!("{entry:?}") };
            let read: Vec<_> =
                sample.labels().skip(1).map(|label| label.expect("a good one").value.into_owned()).collect();
            prop_assert_eq!(&read, &values);
            prop_assert_eq!(sample.value, number);
        }
    }
}
