use std::time::Duration;

use crate::query::testing::{Fixture, NOW};
use crate::query::{QueryError, QueryLimits};

const ENDLESS: [&str; 4] = [
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "SELECT count(*) FROM generate_series(1, 1000) a CROSS JOIN generate_series(1, 1000) b CROSS JOIN generate_series(1, 1000000) c CROSS JOIN generate_series(1, 1000000) d",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT approx_distinct(a.value) FROM generate_series(1, 100000) a JOIN generate_series(1, 100000) b ON a.value % 2 = b.value % 2",
];

async fn limited(sql: &str, limits: QueryLimits) -> Result<usize, QueryError> {
    let fixture = Fixture::new().series("m", &[("host", "a")], &[(990, 1.0), (991, 2.0), (992, 3.0)]);
    fixture.database.query_limited(sql, NOW, &limits).await.map(|result| result.rows())
}

#[tokio::test]
async fn one_row_over_the_limit_is_an_error_and_not_a_shorter_result() {
    let limits = |rows| QueryLimits { rows, ..QueryLimits::default() };
    assert_eq!(limited("SELECT * FROM m", limits(3)).await, Ok(3));
    assert_eq!(limited("SELECT * FROM m", limits(2)).await, Err(QueryError::RowLimit { limit: 2 }));
    let many = "SELECT * FROM generate_series(1, 1000000000000)";
    assert_eq!(limited(many, limits(100_000)).await, Err(QueryError::RowLimit { limit: 100_000 }));
}

#[tokio::test]
async fn a_query_that_never_ends_is_stopped_in_time() {
    let limit = Duration::from_millis(300);
    for sql in ENDLESS {
        let start = tokio::time::Instant::now();
        let limits = QueryLimits { time: limit, ..QueryLimits::default() };
        assert_eq!(limited(sql, limits).await, Err(QueryError::TimeLimit { limit }), "{sql}");
        // Generous, for a machine that does much else; without yield points it would be minutes.
        assert!(start.elapsed() < limit * 20, "{sql}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn hash_tables_sorts_samples_and_results_count_against_the_memory_limit() {
    let limits = QueryLimits { memory_bytes: 1 << 20, ..QueryLimits::default() };
    for sql in [
        "SELECT value, count(*) FROM generate_series(1, 10000000) GROUP BY value",
        "SELECT value FROM generate_series(1, 10000000) ORDER BY value DESC",
        "SELECT value FROM generate_series(1, 900000)",
    ] {
        let expected = Err(QueryError::MemoryLimit { limit_bytes: 1 << 20 });
        assert_eq!(limited(sql, limits.clone()).await, expected, "{sql}");
    }
    let tiny = QueryLimits { memory_bytes: 16, ..QueryLimits::default() };
    let samples = "SELECT count(*) FROM max_over(m, INTERVAL '1 minute')";
    assert_eq!(limited(samples, tiny).await, Err(QueryError::MemoryLimit { limit_bytes: 16 }));
}

#[tokio::test]
async fn the_errors_say_which_limit_it_was() {
    let rows = QueryError::RowLimit { limit: 10 }.to_string();
    assert_eq!(rows, "the query was stopped: it gives more than 10 rows; aggregate, add LIMIT, or narrow WHERE");
    let time = QueryError::TimeLimit { limit: Duration::from_secs(30) }.to_string();
    assert_eq!(time, "the query was stopped: it took longer than 30s; narrow the time in WHERE, or join fewer rows");
    let memory = QueryError::MemoryLimit { limit_bytes: 256 << 20 }.to_string();
    assert_eq!(
        memory,
        "the query was stopped: it needed more than 256 MiB of memory; narrow the time in WHERE, or group by fewer columns"
    );
}

#[tokio::test]
async fn the_largest_texts_that_are_taken_fit_on_the_stack() {
    let or = format!("SELECT value FROM m WHERE {}", vec!["value = 1.5"; 195].join(" OR "));
    let sum = format!("SELECT {} FROM m", vec!["value"; 195].join(" + "));
    let list = format!("SELECT value FROM m WHERE value IN ({})", vec!["1.5"; 5000].join(","));
    let union = vec!["SELECT value, 1 FROM m"; 33].join(" UNION ALL ");
    let except = vec!["SELECT value, 1 FROM m"; 33].join(" EXCEPT ");
    let joins = format!(
        "SELECT count(*) FROM m t0 {}",
        (1..32).map(|at| format!("JOIN m t{at} ON t0.time = t{at}.time ")).collect::<String>()
    );
    let from = format!("SELECT count(*) FROM m t0 {}", (1..64).map(|at| format!(", m t{at}")).collect::<String>());
    // Six steps a level: name, filter, group, projection, order, limit.
    let levels = |count: usize, terms: usize| {
        let table = |level: usize| if level == 0 { "m".to_owned() } else { format!("t{}", level - 1) };
        let column = format!("max(value){}", " + 1".repeat(terms));
        let ctes = (0..count).map(|at| {
            let from = table(at);
            format!("t{at} AS (SELECT time, {column} AS value FROM {from} WHERE value <> {at}.5 GROUP BY time ORDER BY time LIMIT 5)")
        });
        format!("WITH {} SELECT value FROM {}", ctes.collect::<Vec<_>>().join(", "), table(count))
    };
    let (steps, both, terms) = (levels(30, 0), levels(20, 4), levels(8, 20));
    for (sql, rows) in
        [(or, 0), (sum, 3), (list, 0), (union, 99), (except, 0), (joins, 1), (steps, 3), (both, 3), (terms, 3)]
    {
        assert_eq!(limited(&sql, QueryLimits::default()).await, Ok(rows), "{sql:.60}");
    }
    let limit = Duration::from_millis(500);
    let stopped = limited(&from, QueryLimits { time: limit, ..QueryLimits::default() }).await;
    assert_eq!(stopped, Err(QueryError::TimeLimit { limit }));
}

#[tokio::test]
async fn functions_without_a_bound_on_their_result_are_not_offered() {
    for sql in ["SELECT repeat('x', 2000000000)", "SELECT range(0, 1000000000000)", "SELECT lpad('x', 2000000000)"] {
        let error = limited(sql, QueryLimits::default()).await.expect_err(sql);
        assert!(matches!(error, QueryError::UnknownFunction { .. }), "{sql}: {error}");
    }
}
