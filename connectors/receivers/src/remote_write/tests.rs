//! Remote write over real sockets: what the two specifications say of requests and answers, a row a rule.
//!
//! What they say of the messages' contents is tested where bodies become points (`normalize`).

mod answers;
mod requests;

use flyball_model::{Receipt, Refusal};

use super::*;
use crate::testing::{Answer, FakeIntake, clock, post, send, serve};

const PATH: &str = "/api/v1/write";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const VERSION_1: (&str, &str) = ("content-type", "application/x-protobuf;proto=prometheus.WriteRequest");
const VERSION_2: (&str, &str) = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
const SNAPPY: (&str, &str) = ("content-encoding", "snappy");

/// The counts of an answer: samples, histograms, exemplars; empty where a header is missing.
fn written(answer: &Answer) -> [&str; 3] {
    ["samples", "histograms", "exemplars"]
        .map(|kind| answer.header(&format!("x-prometheus-remote-write-{kind}-written")))
}

/// The answer to a body that comes out like this.
async fn answer_to(outcome: Result<Receipt, Refusal>, headers: &[(&str, &str)]) -> Answer {
    let address = serve(router(FakeIntake::new(outcome), clock())).await;
    send(address, post(PATH, headers, "x")).await
}
