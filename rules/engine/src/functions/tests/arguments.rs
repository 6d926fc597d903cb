//! What is said of arguments that do not fit.

use super::fixture;

#[tokio::test]
async fn wrong_arguments_are_named_with_how_the_function_is_called() {
    let fixture = fixture();
    for (call, expected) in [
        ("deriv(requests)", "an interval is missing: deriv(metric, INTERVAL '5 minutes')"),
        ("deriv(requests, 5)", "the second argument is an interval: deriv(metric, INTERVAL '5 minutes')"),
        (
            "deriv(requests, INTERVAL '1 minute', 2)",
            "there are too many arguments: deriv(metric, INTERVAL '5 minutes')",
        ),
        (
            "predict_linear(requests, INTERVAL '1 minute')",
            "how far to look ahead is missing: predict_linear(metric, INTERVAL '1 hour', INTERVAL '4 hours')",
        ),
        (
            "predict_linear(requests, INTERVAL '1 minute', 3600)",
            "how far to look ahead is an interval: predict_linear(metric, INTERVAL '1 hour', INTERVAL '4 hours')",
        ),
        (
            "ewma(requests, INTERVAL '1 minute', INTERVAL '0 seconds')",
            "the interval must be longer than zero: ewma(metric, INTERVAL '1 hour', INTERVAL '10 minutes')",
        ),
        (
            "holt_winters(requests, INTERVAL '1 minute', 0.5)",
            "the smoothing factors of level and trend are missing: holt_winters(metric, INTERVAL '5 minutes', 0.5, 0.1)",
        ),
        (
            "double_exponential_smoothing(requests, INTERVAL '1 minute', 0.5, 1.0)",
            "the smoothing factors of level and trend are numbers above 0 and below 1: double_exponential_smoothing(metric, INTERVAL '5 minutes', 0.5, 0.1)",
        ),
        (
            "seasonal_baseline(requests, INTERVAL '1 day', 1)",
            "the number of periods is a whole number from 2 to 100: seasonal_baseline(metric, INTERVAL '1 day') or seasonal_baseline(metric, INTERVAL '1 day', 7)",
        ),
        (
            "seasonal_baseline(requests, INTERVAL '1 month')",
            "months differ in length; write the interval in days or less: seasonal_baseline(metric, INTERVAL '1 day') or seasonal_baseline(metric, INTERVAL '1 day', 7)",
        ),
        (
            "quantile_over(requests, INTERVAL '1 minute', 2)",
            "the quantile is a number from 0 to 1: quantile_over(metric, INTERVAL '5 minutes', 0.95)",
        ),
    ] {
        let (function, rest) = call.split_once('(').expect("a call");
        let column = "SELECT value FROM ".len() + function.len() + 2;
        assert!(rest.starts_with("requests"), "the place is that of the metric");
        fixture.check_error(&format!("SELECT value FROM {call}"), &format!("1:{column}: {function}: {expected}")).await;
    }
}
