//! A row for each thing that Prometheus' reference says of a rule.

use super::*;

fn options(text: &str) -> RelabelOptions {
    let mut options = RelabelOptions::default();
    for pair in text.split(" | ").filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').expect("key=value");
        let some = || Some(value.to_owned());
        match key {
            "source" => options.source_labels = value.split(',').map(str::to_owned).collect(),
            "separator" => options.separator = some(),
            "regex" => options.regex = some(),
            "modulus" => options.modulus = Some(value.parse().expect("a number")),
            "target" => options.target_label = some(),
            "replacement" => options.replacement = some(),
            "action" => options.action = Action::from_word(value).expect("an action"),
            other => panic!("{other}"),
        }
    }
    options
}

/// `labels` and `expected` are `a=1 b=2`; `dropped` where nothing is left.
fn check(rules: &[&str], labels: &str, expected: &str) {
    let rules: Vec<_> = rules.iter().map(|rule| Relabel::new(options(rule)).expect("a good rule")).collect();
    let mut set: LabelSet = labels
        .split_whitespace()
        .map(|pair| pair.split_once('=').expect("name=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let kept = Relabel::apply(&rules, &mut set);
    let found: Vec<_> = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let found = if kept { found.join(" ") } else { "dropped".to_owned() };
    assert_eq!(found, expected, "{rules:?} on {labels}");
}

#[test]
fn replace_sets_the_target_where_all_of_the_source_matches() {
    for (rule, labels, expected) in [
        ("source=a | regex=f(.*) | target=d | replacement=ch${1}-ch${1}", "a=foo", "a=foo d=choo-choo"),
        ("source=a,b | regex=f(.*);(.*)r | target=a | replacement=b${1}${2}m", "a=foo b=bar", "a=boobam b=bar"),
        ("source=a,b | separator=+ | regex=(.*)\\+(.*) | target=c | replacement=$2$1", "a=x b=y", "a=x b=y c=yx"),
        // Anchored at both ends.
        ("source=a | regex=o | target=b | replacement=x", "a=foo", "a=foo"),
        ("source=a | regex=a|b | target=b | replacement=x", "a=ab", "a=ab"),
        // The defaults: all of the source into the target.
        ("source=a | target=b", "a=foo", "a=foo b=foo"),
        // Nothing takes the label away, and so does a source that is not there.
        ("source=a | target=b | replacement=", "a=foo b=bar", "a=foo"),
        ("source=none | target=b", "a=foo b=bar", "a=foo"),
        ("target=b | replacement=x", "a=foo", "a=foo b=x"),
        // Groups in the target; a target that is no name changes nothing.
        (
            "source=a | regex=some-([^-]+)-(.*) | target=${1} | replacement=$2",
            "a=some-name-value",
            "a=some-name-value name=value",
        ),
        ("source=a | regex=some-([^-]+)-(.*) | target=${3} | replacement=$2", "a=some-name-value", "a=some-name-value"),
        (
            "source=a | regex=some-([^-]+)-(.*) | target=0${1} | replacement=$2",
            "a=some-name-value",
            "a=some-name-value",
        ),
        // A name after the dollar is as long as it can be, and a group that is not there is nothing.
        ("source=a | regex=(.)(.*) | target=b | replacement=$1x", "a=foo", "a=foo"),
        ("source=a | regex=(?P<first>.)(.*) | target=b | replacement=${first}$$", "a=foo", "a=foo b=f$"),
        (
            "source=__address__ | regex=([^:]+)(?::\\d+)?;? | target=__address__ | replacement=$1:80",
            "__address__=h:1",
            "__address__=h:80",
        ),
    ] {
        check(&[rule], labels, expected);
    }
}

#[test]
fn keep_and_drop_decide_by_the_source() {
    for (rule, labels, expected) in [
        ("source=a | regex=foo | action=keep", "a=foo", "a=foo"),
        ("source=a | regex=fo | action=keep", "a=foo", "dropped"),
        ("source=a | regex=.*o.* | action=drop", "a=foo", "dropped"),
        ("source=a | regex=o | action=drop", "a=foo", "a=foo"),
        ("source=none | regex= | action=drop", "a=foo", "dropped"),
        ("source=a | target=b | action=keepequal", "a=1 b=1", "a=1 b=1"),
        ("source=a | target=b | action=keepequal", "a=1 b=2", "dropped"),
        ("source=a | target=b | action=dropequal", "a=1 b=1", "dropped"),
        ("source=a | target=b | action=dropequal", "a=1 b=2", "a=1 b=2"),
    ] {
        check(&[rule], labels, expected);
    }
}

#[test]
fn hashes_are_those_of_prometheus() {
    for (rule, labels, expected) in [
        ("source=c | target=d | modulus=1000 | action=hashmod", "a=foo b=bar c=baz", "a=foo b=bar c=baz d=976"),
        ("source=a | target=d | modulus=1000 | action=hashmod", "a=foo", "a=foo d=696"),
        ("source=a | target=d | modulus=1 | action=hashmod", "a=foo", "a=foo d=0"),
    ] {
        check(&[rule], labels, expected);
    }
}

#[test]
fn names_are_mapped_dropped_and_kept() {
    for (rule, labels, expected) in [
        (
            "regex=(b.*) | replacement=bar_${1} | action=labelmap",
            "a=foo b1=bar b2=baz",
            "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz",
        ),
        ("regex=__meta_(.+) | action=labelmap", "__meta_pod=web a=1", "__meta_pod=web a=1 pod=web"),
        ("regex=(b.*) | action=labeldrop", "a=foo b1=bar b2=baz", "a=foo"),
        ("regex=(b.*) | action=labelkeep", "a=foo b1=bar b2=baz", "b1=bar b2=baz"),
        ("regex=b | action=labeldrop", "a=foo b1=bar", "a=foo b1=bar"),
    ] {
        check(&[rule], labels, expected);
    }
}

#[test]
fn cases_are_changed() {
    check(
        &["source=foo | target=up | action=uppercase", "source=foo | target=low | action=Lowercase"],
        "foo=bAr123Foo",
        "foo=bAr123Foo low=bar123foo up=BAR123FOO",
    );
}

#[test]
fn rules_run_in_their_order_and_stop_at_a_drop() {
    check(
        &["source=a | target=b", "source=b | regex=x | action=drop", "source=b | target=c | replacement=never"],
        "a=x",
        "dropped",
    );
    check(&["source=a | target=__tmp", "source=__tmp | target=b", "regex=__tmp | action=labeldrop"], "a=x", "a=x b=x");
}

#[test]
fn set_takes_its_value_as_it_is() {
    let mut labels = LabelSet::from([("job".to_owned(), "own".to_owned()), ("x".to_owned(), "1".to_owned())]);
    let rules = [("job", "a$1${b}"), ("x", "")].map(|(name, value)| Relabel::set(name, value).expect("a name"));
    assert!(Relabel::apply(&rules, &mut labels));
    assert_eq!(labels, LabelSet::from([("job".to_owned(), "a$1${b}".to_owned())]));
}

#[test]
fn what_prometheus_would_refuse_is_refused_and_says_how_to_mend_it() {
    for (rule, expected) in [
        ("source=a", "the action replace needs 'target_label'"),
        ("source=a | target=b | action=hashmod", "the action hashmod needs 'modulus'"),
        ("source=a | target=0b", "target_label: '0b' is not a label's name"),
        ("source=a | target=${1}x | action=lowercase", "target_label: '${1}x' is not a label's name"),
        ("regex=a | replacement=x y | action=labelmap", "replacement: 'x y' is not a label's name"),
        ("source=a | regex=b | action=labeldrop", "the action labeldrop does not look at 'source_labels'"),
        ("source=a | target=b | regex=c | action=keepequal", "the action keepequal does not look at 'regex'"),
        (
            "source=a | target=b | replacement=c | action=uppercase",
            "the action uppercase does not look at 'replacement'",
        ),
        ("source=a | regex=( | action=keep", "regex: '(' is not a pattern: unclosed group"),
        ("source=a | regex=a)|(b | action=keep", "regex: 'a)|(b' is not a pattern: unopened group"),
        ("source=a | regex=(?:.{1000}){1000} | action=keep", "is not a pattern: Compiled regex exceeds size limit"),
    ] {
        let error = Relabel::new(options(rule)).expect_err(rule).to_string();
        assert!(error.contains(expected), "{rule}: {error}");
    }
}
