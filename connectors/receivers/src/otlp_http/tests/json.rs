//! Requests in JSON: handed over as such, and answered in JSON, whatever becomes of them.
//!
//! Specification: "OTLP/HTTP Response": the same `Content-Type` in the response as in the request.

use serde_json::{Value, json};

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");

fn value_of(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), "application/json");
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_body_in_json_is_handed_over_as_it_came() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let gzip = ("content-encoding", "gzip");
    let with_charset = ("content-type", "Application/JSON; charset=UTF-8");
    let cases = [
        ("/v1/metrics", vec![JSON], Signal::Metrics, Encoding::Identity),
        ("/v1/metrics", vec![with_charset, gzip], Signal::Metrics, Encoding::Gzip),
        ("/v1/logs", vec![with_charset], Signal::Logs, Encoding::Identity),
        ("/v1/traces", vec![JSON, gzip], Signal::Traces, Encoding::Gzip),
    ];
    for (path, headers, signal, encoding) in cases {
        let answer = send(address, post(path, &headers, "not even JSON")).await;
        assert_eq!((answer.status, value_of(&answer)), (200, json!({})), "partial_success is unset");
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (Format::OtlpJson(signal), encoding));
        assert_eq!(&submission.body[..], b"not even JSON");
    }
    assert_eq!(*intake.refused.lock(), []);
}

#[tokio::test]
async fn what_was_refused_is_counted_under_the_name_of_its_signal() {
    let address = serve(router(FakeIntake::new(some_rejected()), clock())).await;
    for (path, field) in
        [("/v1/metrics", "rejectedDataPoints"), ("/v1/logs", "rejectedLogRecords"), ("/v1/traces", "rejectedSpans")]
    {
        let answer = send(address, post(path, &[JSON], "{}")).await;
        let expected = json!({ "partialSuccess": { field: "3", "errorMessage": SOME_REJECTED } });
        assert_eq!((answer.status, value_of(&answer)), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn a_warning_comes_with_nothing_refused() {
    let warning = Rejection { reason: Reason::Rounded, points: 1, detail: "why".to_owned() };
    let outcome = Ok(Receipt { stored: 1, warnings: vec![warning], ..Receipt::default() });
    let address = serve(router(FakeIntake::new(outcome), clock())).await;
    let answer = send(address, post("/v1/metrics", &[JSON], "{}")).await;
    let partial = json!({ "rejectedDataPoints": "0", "errorMessage": "1 point: rounded: why" });
    assert_eq!((answer.status, value_of(&answer)), (200, json!({ "partialSuccess": partial })));
}

#[tokio::test]
async fn a_refusal_is_a_status_in_json() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let retry = json!([{ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s" }]);
    let table = [
        // kind, status, code, details, retry-after
        (Malformed, 400, 3, None, ""),
        (TooLarge, 413, 8, None, ""),
        (Unsupported, 415, 12, None, ""),
        (Unavailable, 503, 14, Some(retry.clone()), "2"),
        (Throttled, 429, 8, Some(retry), "2"),
    ];
    for (kind, status, code, details, retry_after) in table {
        intake.answers(refusal(kind));
        let answer = send(address, post("/v1/logs", &[JSON], "{}")).await;
        let mut expected = json!({ "code": code, "message": "the reason" });
        if let Some(details) = details {
            expected["details"] = details;
        }
        assert_eq!((answer.status, value_of(&answer)), (status, expected), "{kind:?}");
        assert_eq!(answer.header("retry-after"), retry_after, "{kind:?}");
    }
}

#[tokio::test]
async fn a_bad_request_in_json_is_answered_in_json() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let cases = [
        (vec![JSON, ("content-encoding", "br")], "{}", 415, Reason::ContentEncoding, "'br'"),
        (vec![JSON], &large, 413, Reason::BodyTooLarge, "1000 bytes"),
    ];
    for (headers, body, status, reason, word) in cases {
        let answer = send(address, post("/v1/traces", &headers, body.to_owned())).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let said = value_of(&answer);
        assert!(said["message"].as_str().is_some_and(|message| message.contains(word)), "{said}");
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("otlp_http", "127.0.0.1".to_owned(), Some(Signal::Traces), reason)]);
    }
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn what_is_taken_is_told_to_those_who_send_something_else() {
    let address = serve(router(FakeIntake::new(all_stored()), clock())).await;
    let answer = send(address, post("/v1/traces", &[("content-type", "application/yaml")], "x")).await;
    assert_eq!((answer.status, answer.header("accept")), (415, "application/x-protobuf, application/json"));
}
