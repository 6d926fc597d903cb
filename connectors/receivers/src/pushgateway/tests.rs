//! Pushes over real sockets.

use flyball_model::intake::RefusalKind::{Malformed, TooLarge, Unavailable, Unsupported};
use flyball_model::ledger::Reason;
use flyball_model::relabel::LabelSet;

use super::*;
use crate::testing::{FakeIntake, NOW, SOME_REJECTED, all_stored, clock, post, refusal, send, serve, some_rejected};

/// What the path makes of the labels that a series has by itself.
fn labels_of(path: &str, own: &[(&str, &str)]) -> Result<String, String> {
    let mut labels: LabelSet = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert!(Relabel::apply(&grouping(path)?, &mut labels), "no rule drops anything");
    Ok(labels.iter().map(|(name, value)| format!("{name}={value} ")).collect())
}

#[test]
fn labels_of_the_path_override_those_of_the_body() {
    for (path, own, expected) in [
        ("/metrics/job/scaphandre/instance/edge-1", &[][..], "instance=edge-1 job=scaphandre "),
        ("/metrics/job/compss/", &[("job", "own"), ("x", "1")], "job=compss x=1 "),
        ("/metrics/job/a%20b/path@base64/L3Zhci90bXA", &[], "job=a b path=/var/tmp "),
        ("/metrics/job@base64/L3Zhci90bXA=/x/$1", &[], "job=/var/tmp x=$1 "),
        ("/metrics/job/a/instance@base64/=", &[("instance", "own")], "job=a "),
        ("/metrics/job/a/my.label/%C3%BC", &[], "job=a my_label=ü "),
        // URL-safe: `-` and `_`.
        ("/metrics/job/a/x@base64/Pz8_Pj4-", &[], "job=a x=???>>> "),
    ] {
        assert_eq!(labels_of(path, own).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn bad_paths_say_what_is_wrong() {
    for (path, expected) in [
        ("/metrics/job/a/instance", "the path names a label without its value after 'instance'"),
        ("/metrics/job//x/y", "the job's name is empty"),
        ("/metrics/job/a/x/1/x/2", "the path names the label 'x' twice"),
        ("/metrics/job/a/job/b", "the path names the label 'job' twice"),
        ("/metrics/job/a/__name__/b", "'__name__' can't be a label of a path"),
        ("/metrics/job/a/x@base64/!", "'!' in the path is not base64"),
        ("/metrics/job/a/x/%zz", "'%zz' in the path is not UTF-8"),
        ("/metrics/job/a/x/%ff", "'%ff' in the path is not UTF-8"),
    ] {
        let problem = labels_of(path, &[]).expect_err(path);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[tokio::test]
async fn a_push_is_handed_over_as_it_came() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    for (method, headers, format, encoding) in [
        ("POST", &[][..], Format::PrometheusText, Encoding::Identity),
        ("PUT", &[("content-type", "text/plain; version=0.0.4")], Format::PrometheusText, Encoding::Identity),
        ("POST", &[("content-type", "application/x-www-form-urlencoded")], Format::PrometheusText, Encoding::Identity),
        (
            "POST",
            &[("content-type", "application/openmetrics-text; version=1.0.0")],
            Format::OpenMetrics,
            Encoding::Identity,
        ),
        ("POST", &[("content-encoding", "gzip")], Format::PrometheusText, Encoding::Gzip),
    ] {
        let mut request = post("/metrics/job/a/instance/b", headers, "up 1\n");
        *request.method_mut() = method.parse().expect("a method");
        let answer = send(address, request).await;
        assert_eq!((answer.status, answer.text()), (202, ""), "{method} {headers:?}");
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (format, encoding));
        assert_eq!((submission.receiver, submission.peer.as_str()), ("pushgateway", "127.0.0.1"));
        assert_eq!((&submission.body[..], submission.received_at), (&b"up 1\n"[..], NOW));
        let context = submission.context.expect("the path's labels");
        assert_eq!(context.relabel.len(), 2);
        assert!(!context.complete, "what is not in a push has not ended");
    }
}

#[tokio::test]
async fn every_outcome_has_its_status_and_text() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    for (outcome, status, text) in [
        (some_rejected(), 400, SOME_REJECTED),
        (refusal(Malformed), 400, "the reason"),
        (refusal(TooLarge), 413, "the reason"),
        (refusal(Unsupported), 415, "the reason"),
        (refusal(Unavailable), 503, "the reason"),
    ] {
        intake.answers(outcome.clone());
        let answer = send(address, post("/metrics/job/a", &[], "x")).await;
        assert_eq!((answer.status, answer.text().trim_end()), (status, text), "{outcome:?}");
    }
}

#[tokio::test]
async fn bad_requests_get_their_answer_and_a_line_in_the_ledger() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let protobuf = (
        "content-type",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    );
    for (path, headers, status, reason, word) in [
        ("/metrics/job/a/b", vec![], 400, Reason::Malformed, "without its value"),
        ("/metrics/job/a", vec![protobuf], 415, Reason::ContentType, "TypeTextPlain"),
        ("/metrics/job/a", vec![("content-encoding", "br")], 415, Reason::ContentEncoding, "'br'"),
    ] {
        let answer = send(address, post(path, &headers, "x")).await;
        assert_eq!(answer.status, status, "{path} {headers:?}");
        assert!(answer.text().contains(word), "{}", answer.text());
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("pushgateway", "127.0.0.1".to_owned(), Some(Signal::Metrics), reason)]);
    }
    let get =
        http::Request::get("/metrics/job/a").header("host", "f").body(http_body_util::Empty::<bytes::Bytes>::new());
    let answer = send(address, get.expect("a request")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST, PUT"));
    assert!(intake.submissions.lock().is_empty());
}
