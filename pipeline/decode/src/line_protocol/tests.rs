//! Lines as they are written, and as they go wrong.

use proptest::prelude::*;

use super::*;

/// A line as words: `measurement|tag=value…|field=value…|timestamp`, or `number:column:problem`.
fn words(body: &str) -> Vec<String> {
    let (mut lines, mut fields, mut found) = (Lines::new(body.as_bytes()), Vec::new(), Vec::new());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while let Some(line) = lines.next(&mut fields) {
        let bad = |bad: BadLine<'_>| {
            let problem = bad.problem.to_string();
            format!("{}:{}:{}", bad.number, bad.column, problem.split(':').next().unwrap_or_default())
        };
        found.push(match line.and_then(|line| Ok((line, line.tags().collect::<Result<Vec<_>, _>>()?))) {
            Err(error) => bad(error),
            Ok((line, tags)) => {
                let tags: Vec<_> = tags.iter().map(|tag| format!("{}={}", text(&tag.key), text(&tag.value))).collect();
                let fields: Vec<_> = fields
                    .iter()
                    .map(|field| {
                        let value = match field.value {
                            FieldValue::Text(raw) => format!("{:?}", text(&unescape_text(raw))),
                            other => format!("{other:?}"),
                        };
                        format!("{}={value}", text(&unescape_name(field.key)))
                    })
                    .collect();
                let time = line.timestamp.map(|time| time.to_string()).unwrap_or_default();
                format!("{}|{}|{}|{time}", text(&line.measurement()), tags.join(","), fields.join(","))
            }
        });
    }
    found
}

fn check(body: &str, expected: &[&str]) {
    assert_eq!(words(body), expected, "{body:?}");
}

#[test]
fn lines_have_measurement_tags_fields_and_time() {
    check("m f=1", &["m||f=Float(1.0)|"]);
    check(
        "cpu,host=a,cpu=0 usage=0.5,load=1i 1760000000",
        &["cpu|host=a,cpu=0|usage=Float(0.5),load=Integer(1)|1760000000"],
    );
    check("m f=1 -5\nm  f=2   7  \n", &["m||f=Float(1.0)|-5", "m||f=Float(2.0)|7"]);
    check("m f=1\r\nm f=2 3\r\n\r\n  m f=3 \r\n", &["m||f=Float(1.0)|", "m||f=Float(2.0)|3", "m||f=Float(3.0)|"]);
    check("# a comment\n\n   # another\nm f=1\n#last", &["m||f=Float(1.0)|"]);
    check("", &[]);
    check("\n\n  \n", &[]);
    check(
        "m f=1 9223372036854775807\nm f=1 -9223372036854775808",
        &["m||f=Float(1.0)|9223372036854775807", "m||f=Float(1.0)|-9223372036854775808"],
    );
}

#[test]
fn backslashes_quotes_and_newlines_inside_texts_are_understood() {
    check(r"my\ m\,x,tag\ key=a\=b\,c f\ 1\=x=2", &[r"my m,x|tag key=a=b,c|f 1=x=Float(2.0)|"]);
    check(r#"m f="say \"hi\", a=b" 5"#, &[r#"m||f="say \"hi\", a=b"|5"#]);
    check(r#"m f="C:\dir\\",g=1"#, &[r#"m||f="C:\\dir\\",g=Float(1.0)|"#]);
    check("m f=\"two\nlines\" 1\nm f=x", &["m||f=\"two\\nlines\"|1", "3:5:invalid field value"]);
    check("m f=\"\",g=\"# no comment\"", &["m||f=\"\",g=\"# no comment\"|"]);
    check("m,t=\"quoted\" f=1", &["m|t=\"quoted\"|f=Float(1.0)|"]);
    check("größe,ort=Köln wärme=1", &["größe|ort=Köln|wärme=Float(1.0)|"]);
    check("m,path=C:\\dir f=1", &["m|path=C:\\dir|f=Float(1.0)|"]);
}

#[test]
fn every_type_in_every_spelling() {
    for (value, expected) in [
        ("1", "Float(1.0)"),
        ("-1.25", "Float(-1.25)"),
        ("-0", "Float(-0.0)"),
        ("1.", "Float(1.0)"),
        (".5", "Float(0.5)"),
        ("+1.5", "Float(1.5)"),
        ("1e3", "Float(1000.0)"),
        ("1.5E-3", "Float(0.0015)"),
        ("1e-400", "Float(0.0)"),
        ("123456789012345", "Float(123456789012345.0)"),
        ("1234567890123456789", "Float(1.2345678901234568e18)"),
        ("0.30000000000000004", "Float(0.30000000000000004)"),
        ("000000000000000000001", "Float(1.0)"),
        ("0i", "Integer(0)"),
        ("-12i", "Integer(-12)"),
        ("9223372036854775807i", "Integer(9223372036854775807)"),
        ("-9223372036854775808i", "Integer(-9223372036854775808)"),
        ("18446744073709551615u", "Unsigned(18446744073709551615)"),
        ("t", "Boolean(true)"),
        ("T", "Boolean(true)"),
        ("true", "Boolean(true)"),
        ("True", "Boolean(true)"),
        ("TRUE", "Boolean(true)"),
        ("f", "Boolean(false)"),
        ("F", "Boolean(false)"),
        ("false", "Boolean(false)"),
        ("False", "Boolean(false)"),
        ("FALSE", "Boolean(false)"),
    ] {
        check(&format!("m f={value} 1"), &[&format!("m||f={expected}|1")]);
    }
}

#[test]
fn bad_lines_are_told_with_their_place_and_the_next_one_goes_on() {
    for (line, expected) in [
        (",a=b f=1", "1:1:missing measurement"),
        ("m", "1:2:missing fields"),
        ("m ", "1:3:missing fields"),
        ("m,a=b", "1:6:missing fields"),
        ("m, f=1", "1:3:missing tag key"),
        ("m,=1 f=1", "1:3:missing tag key"),
        ("m,a f=1", "1:4:missing tag value"),
        ("m,a= f=1", "1:5:missing tag value"),
        ("m,a=b,,c=d f=1", "1:7:missing tag key"),
        ("m,a=b=c f=1", "1:6:an '=' in a tag's value is written \\="),
        ("m =1", "1:3:missing field key"),
        ("m f", "1:4:missing field value"),
        ("m f=", "1:5:missing field value"),
        ("m f= 1", "1:5:missing field value"),
        ("m f=1,", "1:7:missing field key"),
        ("m f=1,,g=1", "1:7:missing field key"),
        ("m f=1,g 5", "1:8:missing field value"),
        ("m f=\"abc", "1:5:unbalanced quotes"),
        ("m f=\"abc\\", "1:5:unbalanced quotes"),
        ("m f=\"abc\"x", "1:10:the text ends before this; write a quote inside a text as \\\""),
        ("m f=x", "1:5:invalid field value"),
        ("m f=1x", "1:5:invalid field value"),
        ("m f=1.5i", "1:5:invalid field value"),
        ("m f=-1u", "1:5:invalid integer"),
        ("m f=--1", "1:5:invalid field value"),
        ("m f=1.2.3", "1:5:invalid field value"),
        ("m f=tRUE", "1:5:invalid field value"),
        ("m f='text'", "1:5:invalid field value"),
        ("m f=NaN", "1:5:invalid number"),
        ("m f=-inf", "1:5:invalid number"),
        ("m f=1e999", "1:5:invalid number"),
        ("m f=9223372036854775808i", "1:5:invalid integer"),
        ("m f=18446744073709551616u", "1:5:invalid integer"),
        ("m f=1 12x", "1:9:bad timestamp"),
        ("m f=1 x", "1:7:bad timestamp"),
        ("m f=1 1.5", "1:8:bad timestamp"),
        ("m f=1 -", "1:7:bad timestamp"),
        ("m f=1 9223372036854775808", "1:7:bad timestamp"),
        ("m f=1 5 6", "1:8:bad timestamp"),
        ("m f=1\rx", "1:6:bad timestamp"),
    ] {
        check(line, &[expected]);
        check(&format!("{line}\nn f=2 3\n"), &[expected, "n||f=Float(2.0)|3"]);
    }
}

#[test]
fn a_lost_quote_costs_one_line() {
    check("a f=\"lost\nb f=\"found\"\nc f=1", &["1:5:unbalanced quotes", "b||f=\"found\"|", "c||f=Float(1.0)|"]);
    let mut many = "a f=\"x\n".repeat(3);
    many.push_str("b f=1\n");
    assert_eq!(words(&many).last().map(String::as_str), Some("b||f=Float(1.0)|"));
}

#[test]
fn a_line_of_too_many_fields_is_refused() {
    let fields = |count: usize| format!("m {}\nn f=1", vec!["a=1"; count].join(","));
    assert_eq!(words(&fields(FIELDS_MAX)).len(), 2);
    let found = words(&fields(FIELDS_MAX + 1));
    assert_eq!(
        found,
        [
            format!("1:{}:more than {FIELDS_MAX} fields in one line; split it", 3 + 4 * FIELDS_MAX),
            "n||f=Float(1.0)|".to_owned()
        ]
    );
}

#[test]
fn the_message_says_what_to_do_and_where() {
    let (mut lines, mut fields) = (Lines::new(b"m f=1\nm f=NaN\n"), Vec::new());
    lines.next(&mut fields);
    let bad = lines.next(&mut fields).expect("a line").expect_err("a bad one");
    assert_eq!(bad.text, b"m f=NaN");
    assert_eq!(
        bad.to_string(),
        "invalid number: NaN, infinities and numbers beyond 1.8e308 can't be sent; leave the field out (line 2, column 5)"
    );
}

proptest! {
    #[test]
    fn a_float_is_read_as_rust_reads_it(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?") {
        let body = format!("m f={text} 1");
        let (mut lines, mut fields) = (Lines::new(body.as_bytes()), Vec::new());
        let read = lines.next(&mut fields).expect("a line");
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                prop_assert!(read.is_ok(), "{}", body);
                let FieldValue::Float(found) = fields[0].value else { panic!("{:?}", fields) };
                prop_assert_eq!(found.to_bits(), value.to_bits());
            }
            _ => prop_assert!(read.is_err(), "{}", body),
        }
    }

    #[test]
    fn any_bytes_end_in_lines_or_errors(body in prop::collection::vec(prop::sample::select(b"am,=\\\" \n\r#1.-ietTf\xff".to_vec()), 0..200)) {
        let (mut lines, mut fields, mut numbers) = (Lines::new(&body), Vec::new(), vec![0]);
        while let Some(line) = lines.next(&mut fields) {
            match line {
                Ok(line) => {
                    prop_assert!(!fields.is_empty());
                    numbers.push(line.number);
                    prop_assert!(line.tags().count() <= line.key.len());
                }
                Err(bad) => {
                    prop_assert!(bad.column <= bad.text.len() + 2, "{:?}", bad);
                    numbers.push(bad.number);
                }
            }
        }
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{:?}", numbers);
    }
}
