use flyball_model::batch::is_stale;

use super::*;

/// The values as text, `_` where there is none.
fn written(text: &str) -> String {
    match Values::parse(text) {
        Ok(values) => {
            let each = values.iter().map(|value| match value {
                None => "_".to_owned(),
                Some(value) if is_stale(value) => "stale".to_owned(),
                Some(value) => value.to_string(),
            });
            each.collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("{}: {error}", error.offset),
    }
}

#[test]
fn the_notation_means_what_promtool_makes_of_it() {
    for (text, expected) in [
        ("1", "1"),
        ("1 2  3", "1 2 3"),
        ("1x4", "1 1 1 1 1"),
        ("-2+4x3", "-2 2 6 10"),
        ("1-2x4", "1 -1 -3 -5 -7"),
        ("1 _x3 stale", "1 _ _ _ stale"),
        ("_", "_"),
        ("0x3", "0 0 0 0"),
        ("1x0", "1"),
        ("_x0 5", "5"),
        ("0+0.1x10", "0 0.1 0.2 0.30000000000000004 0.4 0.5 0.6000000000000001 0.7000000000000001 0.8 0.9 1"),
        ("1e3 1.5e-3x1 1e2+1e1x2", "1000 0.0015 0.0015 100 110 120"),
        ("+1 -.5 2.", "1 -0.5 2"),
        ("Inf -inf +Inf", "inf -inf inf"),
        ("NaNx1", "NaN NaN"),
        ("1+-1x2", "1: '+-1x2' after the value is neither a count (x3) nor a step with a count (+2x3)"),
        ("1\n  2x1\n", "1 2 2"),
    ] {
        assert_eq!(written(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_no_notation_says_where_and_how_to_write_it() {
    for (text, expected) in [
        ("1 2+3", "5: '2+3' has a step and no count; write 2+3x3 for the value and three more"),
        ("1x", "2: after x stands a whole number, like x3, not ''"),
        ("1x-3", "2: after x stands a whole number, like x3, not '-3'"),
        ("1 1+2x3.5", "6: after x stands a whole number, like x3, not '3.5'"),
        ("x3", "0: 'x3' is no value; write 1, 1x3, 1+2x3, _, _x3 or stale, with spaces between them"),
        ("1,2", "1: ',2' after the value is neither a count (x3) nor a step with a count (+2x3)"),
        ("0x1f", "2: after x stands a whole number, like x3, not '1f'"),
        ("__", "1: '_' stands alone, or with a count: write _ or _x3, not '__'"),
        ("stalex2", "5: 'stale' stands alone, not 'stalex2'; a series ends once"),
        ("ü", "0: 'ü' is no value; write 1, 1x3, 1+2x3, _, _x3 or stale, with spaces between them"),
        ("  ", "0: there is no value here"),
        ("1x99999999999999999999999", "2: x99999999999999999999999 is more than 1000000 values"),
        ("1x999999 2", "9: these are more than 1000000 values"),
        (
            "1 {{schema:0}}",
            "2: native histograms ({{…}}) are not supported in tests yet; test with the classic series (…_bucket)",
        ),
    ] {
        assert_eq!(written(text), expected, "{text:?}");
    }
}

#[test]
fn long_series_cost_nothing_until_they_are_played() {
    let values = Values::parse("0+1x999999").expect("good");
    assert_eq!((values.runs.len(), values.steps(), values.iter().last()), (1, 1_000_000, Some(Some(999_999.0))));
}
