//! Remote write over real sockets.

use flyball_model::intake::RefusalKind::{Malformed, TooLarge, Unavailable, Unsupported};
use flyball_model::ledger::{Reason, Signal};
use flyball_model::{Receipt, Refusal};

use super::*;
use crate::testing::{
    BODY_BYTES_MAX, FakeIntake, NOW, SOME_REJECTED, all_stored, clock, post, refusal, send, serve, some_rejected,
};

const PATH: &str = "/api/v1/write";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const SNAPPY: (&str, &str) = ("content-encoding", "snappy");

#[tokio::test]
async fn a_body_is_handed_over_as_it_came() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let cases = [
        vec![PROTOBUF, SNAPPY, ("x-prometheus-remote-write-version", "0.1.0")],
        vec![("content-type", "application/x-protobuf;proto=prometheus.WriteRequest"), SNAPPY],
        vec![PROTOBUF],
        vec![SNAPPY],
        vec![],
    ];
    for headers in cases {
        let answer = send(address, post(PATH, &headers, "not even snappy")).await;
        assert_eq!((answer.status, answer.text()), (204, ""), "{headers:?}");
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (Format::RemoteWrite1, Encoding::Snappy));
        assert_eq!((submission.receiver, submission.peer.as_str()), ("remote_write", "127.0.0.1"));
        assert_eq!((&submission.body[..], submission.received_at), (&b"not even snappy"[..], NOW));
    }
    assert_eq!(*intake.refused.lock(), []);
}

#[tokio::test]
async fn every_outcome_has_its_status_and_text() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let table: [(Result<Receipt, Refusal>, u16, &str, &str); 6] = [
        (all_stored(), 204, "", ""),
        (some_rejected(), 400, SOME_REJECTED, ""),
        (refusal(Malformed), 400, "the reason", ""),
        (refusal(TooLarge), 413, "the reason", ""),
        (refusal(Unsupported), 415, "the reason", ""),
        (refusal(Unavailable), 503, "the reason", "2"),
    ];
    for (outcome, status, text, retry_after) in table {
        intake.answers(outcome.clone());
        let answer = send(address, post(PATH, &[PROTOBUF, SNAPPY], "x")).await;
        assert_eq!((answer.status, answer.text().trim_end()), (status, text), "{outcome:?}");
        assert_eq!(answer.header("retry-after"), retry_after, "{outcome:?}");
    }
}

#[tokio::test]
async fn bad_requests_get_their_answer_and_a_line_in_the_ledger() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let version_2 = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let cases = [
        (vec![version_2, SNAPPY], "x", 415, Reason::ContentType, "protobuf_message: prometheus.WriteRequest"),
        (vec![("content-type", "application/json"), SNAPPY], "x", 415, Reason::ContentType, "'application/json'"),
        (vec![PROTOBUF, ("content-encoding", "gzip")], "x", 415, Reason::ContentEncoding, "'gzip'; send snappy"),
        (vec![PROTOBUF, ("content-encoding", "identity")], "x", 415, Reason::ContentEncoding, "'identity'"),
        (vec![PROTOBUF, SNAPPY], &large, 413, Reason::BodyTooLarge, "1000 bytes"),
    ];
    for (headers, body, status, reason, word) in cases {
        let answer = send(address, post(PATH, &headers, body.to_owned())).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.text().contains(word), "{}", answer.text());
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("remote_write", "127.0.0.1".to_owned(), Some(Signal::Metrics), reason)]);
    }
    assert!(intake.submissions.lock().is_empty());
}
