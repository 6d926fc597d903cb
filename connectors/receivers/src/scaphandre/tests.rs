//! The import over real sockets.

use flyball_model::intake::RefusalKind::{Malformed, Throttled, TooLarge, Unavailable, Unsupported};
use flyball_model::intake::{Encoding, LineFault, Rejection};
use flyball_model::ledger::Reason;
use flyball_model::{Receipt, Refusal};

use super::*;
use crate::testing::{FakeIntake, clock, post, refusal, send, serve};

const PATH: &str = "/api/v1/import/scaphandre";

fn receipt(stored: u64, torn: bool) -> Result<Receipt, Refusal> {
    let mut receipt = Receipt { stored, ..Receipt::default() };
    if torn {
        receipt.rejections.push(Rejection { reason: Reason::BadReport, points: 1, detail: "report 2: torn".into() });
        receipt.lines.push(LineFault { number: 2, line: String::new(), message: "torn".into() });
    }
    Ok(receipt)
}

#[tokio::test]
async fn a_stream_is_handed_over_as_it_came_with_its_host() {
    let intake = FakeIntake::new(receipt(5, false));
    let address = serve(router(intake.clone(), clock())).await;
    for (query, labels) in
        [("", None), ("?host=", None), ("?host=edge%201", Some(vec![("host".to_owned(), "edge 1".to_owned())]))]
    {
        let answer = send(address, post(&format!("{PATH}{query}"), &[("content-encoding", "gzip")], "[")).await;
        assert_eq!(answer.status, 200);
        let submission = intake.only_submission();
        assert_eq!((submission.receiver, submission.format), ("scaphandre", Format::Scaphandre));
        assert_eq!((submission.encoding, &submission.body[..]), (Encoding::Gzip, &b"["[..]));
        assert_eq!(submission.context.map(|context| context.labels.clone()), labels);
    }
}

#[tokio::test]
async fn every_outcome_has_its_status_and_body() {
    let intake = FakeIntake::new(receipt(5, false));
    let address = serve(router(intake.clone(), clock())).await;
    let torn = r#""rejected":1,"reasons":[{"reason":"bad_report","points":1,"detail":"report 2: torn"}],"faults":[{"report":2,"message":"torn"}]"#;
    for (outcome, status, text) in [
        (receipt(5, false), 200, r#"{"stored":5,"rejected":0,"reasons":[],"faults":[]}"#.to_owned()),
        (receipt(0, false), 200, r#"{"stored":0,"rejected":0,"reasons":[],"faults":[]}"#.to_owned()),
        (receipt(5, true), 200, format!(r#"{{"stored":5,{torn}}}"#)),
        (
            receipt(0, true),
            400,
            format!(
                r#"{{"stored":0,{torn},"error":{{"code":"nothing_taken","message":"1 point: bad_report: report 2: torn","hint":"send what `scaphandre json` writes"}}}}"#
            ),
        ),
        (refusal(Malformed), 400, r#"{"error":{"code":"malformed","message":"the reason","hint":""}}"#.to_owned()),
        (
            refusal(TooLarge),
            413,
            r#"{"error":{"code":"too_large","message":"the reason","hint":"flyball import scaphandre sends pieces"}}"#
                .to_owned(),
        ),
        (refusal(Unsupported), 415, r#"{"error":{"code":"unsupported","message":"the reason","hint":""}}"#.to_owned()),
        (
            refusal(Unavailable),
            503,
            r#"{"error":{"code":"unavailable","message":"the reason","hint":"send it again later"}}"#.to_owned(),
        ),
        (
            refusal(Throttled),
            429,
            r#"{"error":{"code":"throttled","message":"the reason","hint":"send it again later, or raise limits.per_source"}}"#
                .to_owned(),
        ),
    ] {
        intake.answers(outcome.clone());
        let answer = send(address, post(PATH, &[], "[")).await;
        assert_eq!((answer.status, answer.text()), (status, &*text), "{outcome:?}");
        assert_eq!(answer.header("retry-after"), if matches!(status, 429 | 503) { "2" } else { "" });
    }
}
