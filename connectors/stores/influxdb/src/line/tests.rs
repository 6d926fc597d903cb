use std::collections::BTreeMap;

use flyball_model::UnixNanos;
use proptest::prelude::*;

use super::*;

fn record(measurement: &str, tags: &[(&str, &str)], fields: &[(&str, FieldValue)]) -> Record {
    Record {
        measurement: measurement.into(),
        tags: tags.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
        fields: fields.iter().map(|(key, value)| ((*key).into(), value.clone())).collect(),
        time: UnixNanos(7),
    }
}

fn line(record: &Record) -> Option<String> {
    let mut lines = String::from("before\n");
    let written = write_line(record, &mut lines);
    let line = lines.strip_prefix("before\n").expect("what stood before stays");
    assert_eq!(written, !line.is_empty());
    written.then(|| line.to_owned())
}

fn float(value: f64) -> FieldValue {
    FieldValue::Float(value)
}

fn text(value: &str) -> FieldValue {
    FieldValue::Text(value.into())
}

#[test]
fn every_type_and_every_escape_is_written_as_all_versions_read_it() {
    let one = &[("v", float(1.0))];
    for (record, expected) in [
        (record("m", &[], one), "m v=1.0 7\n"),
        (
            record("m", &[], &[("v", float(-1.5e300)), ("w", float(f64::MIN_POSITIVE))]),
            "m v=-1.5e300,w=2.2250738585072014e-308 7\n",
        ),
        (record("m", &[], &[("v", FieldValue::Integer(i64::MIN))]), "m v=-9223372036854775808i 7\n"),
        (record("m", &[], &[("v", FieldValue::Boolean(true))]), "m v=true 7\n"),
        (record("m", &[], &[("v", text(r#"say "a\b""#))]), "m v=\"say \\\"a\\\\b\\\"\" 7\n"),
        (record("m", &[], &[("v", text("two\nlines"))]), "m v=\"two lines\" 7\n"),
        (record("m", &[], &[("v", text("")), ("a b", text("x"))]), "m v=\"\",a\\ b=\"x\" 7\n"),
        (record("a,b c=d", &[], one), "a\\,b\\ c=d v=1.0 7\n"),
        (record("m", &[("k=1", "a,b c=d")], one), "m,k\\=1=a\\,b\\ c\\=d v=1.0 7\n"),
        (record("m", &[("b", "2"), ("a", "1"), ("c", ""), ("", "x")], one), "m,a=1,b=2 v=1.0 7\n"),
        (record("m", &[("a", "1"), ("a", "2")], one), "m,a=1 v=1.0 7\n"),
        (
            record("m", &[("a", r"C:\x"), ("b", r"end\"), ("c", r"a\ b"), ("d", r"a\\b")], one),
            "m,a=C:\\x,b=end/,c=a/\\ b,d=a/\\b v=1.0 7\n",
        ),
        (record("m", &[("a", "x\r\ny")], one), "m,a=x\\ \\ y v=1.0 7\n"),
        (
            record("_m", &[("_t", "1"), ("time", "2")], &[("_f", float(1.0)), ("time", float(2.0))]),
            "x_m,time__tag=2,x_t=1 x_f=1.0,time_=2.0 7\n",
        ),
        (record("#m", &[("time", "2")], one), "x#m,time_=2 v=1.0 7\n"),
        (record("m", &[("v", "1")], one), "m,v_tag=1 v=1.0 7\n"),
        (
            record("m", &[], &[("nan", float(f64::NAN)), ("v", float(0.1)), ("inf", float(f64::INFINITY))]),
            "m v=0.1 7\n",
        ),
    ] {
        assert_eq!(line(&record).as_deref(), Some(expected), "{record:?}");
    }
}

#[test]
fn what_has_nothing_to_say_is_not_written() {
    for record in [
        record("m", &[("a", "1")], &[]),
        record("m", &[], &[("v", float(f64::NAN))]),
        record("m", &[], &[("", float(1.0))]),
        record("", &[], &[("v", float(1.0))]),
        record("m", &[("a", &"x".repeat(KEY_BYTES_MAX))], &[("v", float(1.0))]),
    ] {
        assert_eq!(line(&record), None);
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    let long = format!("x{}", "é".repeat(TEXT_BYTES_MAX));
    let line = line(&record("m", &[], &[("v", text(&long))])).expect("written");
    let read = parse(&line);
    assert!(
        matches!(&read.fields["v"], FieldValue::Text(cut) if cut.len() == TEXT_BYTES_MAX - 1 && long.starts_with(cut))
    );
}

/// What a reader finds in a line.
#[derive(Debug, PartialEq)]
struct Read {
    measurement: String,
    tags: BTreeMap<String, String>,
    fields: BTreeMap<String, FieldValue>,
    time: i64,
}

/// A small reader that shares nothing with the writer: a backslash makes the next of `, = space` plain, and is itself plain
/// before anything else.
fn parse(line: &str) -> Read {
    let line = line.strip_suffix('\n').expect("a line break at the end");
    assert!(!line.contains('\n'), "one line: {line:?}");
    let chars: Vec<char> = line.chars().collect();
    let mut at = 0;
    let measurement = take(&chars, &mut at, &[',', ' '], &[',', ' ']);
    let (mut tags, mut fields) = (BTreeMap::new(), BTreeMap::new());
    while chars[at] == ',' {
        at += 1;
        let key = take(&chars, &mut at, &['='], &[',', '=', ' ']);
        at += 1;
        let value = take(&chars, &mut at, &[',', ' '], &[',', '=', ' ']);
        assert!(!key.is_empty() && !value.is_empty(), "no empty tags: {line:?}");
        assert!(tags.insert(key, value).is_none(), "no tag twice: {line:?}");
    }
    while at == 0 || chars[at] != ' ' || fields.is_empty() {
        at += 1;
        let key = take(&chars, &mut at, &['='], &[',', '=', ' ']);
        at += 1;
        fields.insert(key, value(&chars, &mut at));
    }
    let time = chars[at + 1..].iter().collect::<String>().parse().expect("a time");
    Read { measurement, tags, fields, time }
}

fn take(chars: &[char], at: &mut usize, ends: &[char], escaped: &[char]) -> String {
    let mut taken = String::new();
    while !ends.contains(&chars[*at]) {
        if chars[*at] == '\\' && escaped.contains(&chars[*at + 1]) {
            *at += 1;
        }
        taken.push(chars[*at]);
        *at += 1;
    }
    taken
}

fn value(chars: &[char], at: &mut usize) -> FieldValue {
    if chars[*at] != '"' {
        let word = take(chars, at, &[',', ' '], &[]);
        return match word.as_str() {
            "true" => FieldValue::Boolean(true),
            "false" => FieldValue::Boolean(false),
            word => match word.strip_suffix('i') {
                Some(integer) => FieldValue::Integer(integer.parse().expect("an integer")),
                None => FieldValue::Float(word.parse().expect("a float")),
            },
        };
    }
    let mut text = String::new();
    *at += 1;
    while chars[*at] != '"' {
        if chars[*at] == '\\' && matches!(chars[*at + 1], '"' | '\\') {
            *at += 1;
        }
        text.push(chars[*at]);
        *at += 1;
    }
    *at += 1;
    FieldValue::Text(text)
}

/// Names and values as they are after what the module puts right.
fn righted(text: &str, name: bool, special: &[char]) -> String {
    let chars: Vec<char> = text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).collect();
    let mut right: String = chars
        .iter()
        .enumerate()
        .map(|(place, &c)| match (c, chars.get(place + 1)) {
            ('\\', None | Some('\\')) => '/',
            ('\\', Some(next)) if special.contains(next) => '/',
            _ => c,
        })
        .collect();
    if name && (text.starts_with('_') || text.starts_with('#')) {
        right.insert(0, 'x');
    }
    right
}

fn nasty() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!['a', 'é', ' ', ',', '=', '"', '\\', '_', '#', '\n', '\r', 'i', '7', '\u{0}']),
        1..8,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

fn any_value() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(FieldValue::Float),
        any::<i64>().prop_map(FieldValue::Integer),
        any::<bool>().prop_map(FieldValue::Boolean),
        nasty().prop_map(FieldValue::Text),
    ]
}

proptest! {
    #[test]
    fn an_independent_reader_finds_what_was_written(
        measurement in nasty(),
        tags in prop::collection::btree_map(nasty(), nasty(), 0..4),
        fields in prop::collection::vec(any_value(), 1..4),
        time in any::<i64>(),
    ) {
        // Field names that no tag has: the renaming is in the table above.
        let fields: Vec<_> = fields.into_iter().enumerate().map(|(place, value)| (format!("field,{place} ="), value)).collect();
        let special = [',', '=', ' '];
        let mut expected_tags = BTreeMap::new();
        for (key, value) in &tags {
            expected_tags.entry(righted(key, true, &special)).or_insert_with(|| righted(value, false, &special));
        }
        // Two names that become one are told apart by nobody.
        prop_assume!(expected_tags.len() == tags.len());
        let record = Record {
            measurement: measurement.clone(),
            tags: tags.into_iter().collect(),
            fields: fields.clone(),
            time: UnixNanos(time),
        };
        let read = parse(&line(&record).expect("written"));
        prop_assert_eq!(read.measurement, righted(&measurement, true, &[',', ' ']));
        prop_assert_eq!(read.tags, expected_tags);
        prop_assert_eq!(read.time, time);
        for (key, value) in fields {
            let expected = match value {
                FieldValue::Text(text) => FieldValue::Text(text.replace(['\n', '\r'], " ")),
                value => value,
            };
            prop_assert_eq!(&read.fields[&key], &expected);
        }
    }
}
