//! What is found in one pass is what DataFusion finds for each condition by itself.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use datafusion::functions::{string, unicode};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::{Expr, Like, Operator, col, lit};
use datafusion::prelude::SessionContext;
use flyball_model::rows::LogRecord;
use flyball_model::series::LOGS;
use flyball_model::{LogBuilder, Shape};
use proptest::prelude::*;
use tokio::time::Instant;

use super::super::Incoming;
use super::super::testing::Bench;
use super::matcher::Matcher;
use super::*;

const METRIC: MetricRef = MetricRef(0);

/// Enough to have anything compiled.
const MANY: usize = 1_000_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("body", DataType::Utf8, true)]))
}

fn conditions(exprs: &[Expr], texts: &Arc<Texts>, state: &SessionState) -> Conditions {
    let mut asked = Asked::new(schema());
    for expr in exprs {
        asked.take(expr).expect("an expression");
    }
    asked.conditions(METRIC, texts, state).expect("conditions")
}

/// What each condition is for some texts, by itself and in one pass.
fn both(exprs: &[Expr], bodies: &[Option<String>]) -> (Vec<ArrayRef>, Vec<ArrayRef>) {
    let (texts, state) = (Arc::<Texts>::default(), SessionContext::new().state());
    let conditions = conditions(exprs, &texts, &state);
    let columns: [ArrayRef; 1] = [Arc::new(StringArray::from_iter(bodies))];
    texts.read_alone((METRIC, 0), MANY);
    let alone = conditions.evaluate(&columns, |_, _| Asking::First).expect("a column each");
    let known = |_, read: &dyn Fn() -> Option<Found>| Asking::Known(Rc::new(read().expect("enough was asked for")));
    (alone, conditions.evaluate(&columns, known).expect("a column each"))
}

fn text() -> impl Strategy<Value = String> {
    let char = prop::sample::select(vec!['a', 'A', 'k', 'K', '\u{212a}', 's', 'ſ', 'é', 'É', '.', '\n', '%', '\\']);
    prop::collection::vec(char, 0..6).prop_map(String::from_iter)
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => text(), 1 => Just("_".to_owned()), 3 => Just("%".to_owned())];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn condition() -> impl Strategy<Value = Expr> {
    let like = (pattern(), any::<bool>(), any::<bool>()).prop_map(|(pattern, negated, case_insensitive)| {
        Expr::Like(Like::new(negated, Box::new(col("body")), Box::new(lit(pattern)), None, case_insensitive))
    });
    let regexes =
        vec!["", "a|k", "^a", "A$", "(?i)k.", "[^a]", r"\w+\.", "(?x) a # b", "a.{0,3}s", r"\bk\b", "(?-u:a)"];
    let ops = vec![Operator::RegexMatch, Operator::RegexIMatch, Operator::RegexNotMatch, Operator::RegexNotIMatch];
    let regex = (prop::sample::select(ops), prop::sample::select(regexes))
        .prop_map(|(op, regex)| binary(col("body"), op, lit(regex)));
    let equal = (any::<bool>(), text())
        .prop_map(|(is_equal, text)| if is_equal { col("body").eq(lit(text)) } else { col("body").not_eq(lit(text)) });
    let functions = vec![string::contains(), string::starts_with(), string::ends_with()];
    let call = (prop::sample::select(functions), text())
        .prop_map(|(function, text)| function.call(vec![col("body"), lit(text)]));
    let compared = vec![
        (Operator::Gt, 0),
        (Operator::NotEq, 0),
        (Operator::GtEq, 1),
        (Operator::Eq, 0),
        (Operator::LtEq, 0),
        (Operator::Lt, 1),
    ];
    let position = (prop::sample::select(compared), text()).prop_map(|((op, than), text)| {
        binary(unicode::strpos().call(vec![col("body"), lit(text)]), op, lit(ScalarValue::Int32(Some(than))))
    });
    prop_oneof![4 => like, 2 => regex, 2 => equal, 2 => call, 1 => position]
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(500), ..ProptestConfig::default() })]

    #[test]
    fn one_pass_finds_what_each_condition_finds_by_itself(
        exprs in prop::collection::vec(condition(), 1..12),
        // Longer than a byte of bits.
        bodies in prop::collection::vec(prop::option::weighted(0.9, text()), 1..20),
    ) {
        let (alone, together) = both(&exprs, &bodies);
        for (place, (alone, together)) in alone.iter().zip(&together).enumerate() {
            prop_assert_eq!(alone.as_boolean(), together.as_boolean(), "{}: {:?} of {:?}", place, exprs, bodies);
        }
    }
}

#[test]
fn expressions_keep_all_but_their_conditions() {
    let mut asked = Asked::new(schema());
    let like = |pattern: &str| col("body").like(lit(pattern));
    let taken = |asked: &mut Asked, expr: Expr| asked.take(&expr).expect("an expression").to_string();
    let both = like("%a%").and(col("severity").gt(lit(3)).or(like("b%").is_null()));
    assert_eq!(taken(&mut asked, both), "condition#0 AND (severity > Int32(3) OR condition#1 IS NULL)");
    assert_eq!(taken(&mut asked, like("%a%")), "condition#0", "it is known");
    let large = binary(col("body"), Operator::RegexMatch, lit(r"\w{200}"));
    for other in [like("%"), col("other").like(lit("a")), col("body").like(col("body")), large] {
        assert_eq!(taken(&mut asked, other.clone()), other.to_string());
    }
    assert_eq!(asked.fields().count(), 2);
}

#[test]
fn conditions_are_compiled_when_they_were_read_often_enough_by_themselves() {
    let (texts, state, of) = (Arc::<Texts>::default(), SessionContext::new().state(), (METRIC, 0));
    let bodies = StringArray::from(vec!["a", "b"]);
    let one = conditions(&[col("body").like(lit("%a%"))], &texts, &state);
    assert!(texts.read(of, &bodies).is_none(), "nothing was read yet");
    texts.read_alone(of, ALONE_MAX);
    let compiled = |found: Option<Found>| found.map(|found| found.compiled.matcher.len());
    assert_eq!(compiled(texts.read(of, &bodies)), Some(1));
    let same = conditions(&[col("body").like(lit("%a%"))], &texts, &state);
    let others: Vec<_> =
        (0..9).map(|other| conditions(&[col("body").eq(lit(other.to_string()))], &texts, &state)).collect();
    assert_eq!(compiled(texts.read(of, &bodies)), Some(1), "the others are not worth it yet");
    texts.read_alone(of, 10 * ALONE_MAX);
    assert_eq!(compiled(texts.read(of, &bodies)), Some(10));
    drop((one, others));
    assert_eq!(compiled(texts.read(of, &bodies)), Some(1), "most are gone");
    drop(same);
    assert_eq!(compiled(texts.read(of, &bodies)), None);
}

#[test]
fn what_finds_no_room_is_left_out_and_the_others_are_found() {
    let long = |at: usize| Test::Contains(format!("{at:0>1000}"));
    let large = |at: usize| Test::Regex(format!("{at}\\w{{20}}"));
    let tests: Vec<_> = (0..300).map(long).chain([Test::Is("a".into())]).chain((0..600).map(large)).collect();
    let matcher = Matcher::new(tests.iter());
    let left_out = |tests: std::ops::Range<usize>| tests.filter(|&place| matcher.is_left_out(place)).count();
    assert_eq!(left_out(0..301), 300 - 256 * 1024 / 1000);
    assert!((1..600).contains(&left_out(301..901)), "{} of 600", left_out(301..901));
    let passed = matcher.read(&StringArray::from(vec![Some("a"), None, Some(&format!("x{:0>1000}", 7))]));
    assert_eq!(passed.of(300).iter().collect::<Vec<_>>(), [Some(true), None, Some(false)]);
    assert_eq!(passed.of(7).iter().collect::<Vec<_>>(), [Some(false), None, Some(true)]);
}

/// CPU of a thousand rules over 100,000 lines of 120 bytes, where each table reads them by itself and where all are read at once; to be run optimised:
/// `cargo test --release -p flyball-rules --lib -- --ignored --nocapture a_thousand_rules`.
#[tokio::test]
#[ignore = "a measurement, which nothing depends on"]
async fn a_thousand_rules_read_a_line_once() {
    const RULES: usize = 1000;
    const BATCHES: usize = 100;
    let bench = Bench::new();
    let store = bench.database.store();
    let stream = store.registry().resolve(LOGS, Shape::Streams, &[], bench.now).expect("room for a series");
    let send = |batch: usize| {
        let mut logs = LogBuilder::default();
        for line in 0..1000 {
            let number = (batch * 7919 + line * 104_729) % 100_000;
            let body = format!(
                "GET /orders/{number:05}/items from 10.0.{}.{} took {number} us: upstream answered",
                batch,
                line % 256
            );
            let body = Some(format!("{body:-<120}"));
            logs.push(LogRecord { body: body.as_deref(), ..LogRecord::new(stream, bench.now) }, None);
        }
        store.append_rows_unlogged(logs.finish());
    };
    let mut places = Vec::new();
    for rule in 0..RULES {
        let sql = format!(
            "SELECT count(*) AS v FROM logs WHERE time > now() - INTERVAL '5 minutes' AND body LIKE '%/{:05}/%'",
            rule * 97
        );
        places.push(bench.keep(&sql).await);
    }
    let advance = |is_shared: bool| {
        let mut incoming = Incoming::default();
        for place in &places {
            let mut own = Incoming::default();
            let incoming = if is_shared { &mut incoming } else { &mut own };
            place.shared().advance(incoming, store, bench.now).expect("it is kept up to date");
        }
    };
    send(BATCHES);
    advance(true);
    let mut took = [Duration::ZERO; 2];
    for batch in 0..BATCHES {
        for (is_shared, took) in [false, true].into_iter().zip(&mut took) {
            send(batch);
            let before = Instant::now();
            advance(is_shared);
            *took += before.elapsed();
        }
    }
    let [by_itself, at_once] = took;
    println!(
        "each by itself {by_itself:?}, at once {at_once:?}: {:.3}",
        at_once.as_secs_f64() / by_itself.as_secs_f64()
    );
    assert!(at_once < by_itself);
}
