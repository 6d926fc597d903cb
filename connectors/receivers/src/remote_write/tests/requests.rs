//! Which requests are taken as what.

use flyball_model::intake::{Encoding, Format};
use flyball_model::ledger::{Reason, Signal};

use super::*;
use crate::testing::{BODY_BYTES_MAX, NOW, all_stored};

#[tokio::test]
async fn a_body_is_handed_over_as_the_message_that_the_content_type_names() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let quoted = ("content-type", "application/x-protobuf; proto=\"io.prometheus.write.v2.Request\"");
    let shouted = ("content-type", "Application/X-Protobuf;Proto=io.prometheus.write.v2.Request");
    let old = ("x-prometheus-remote-write-version", "0.1.0");
    let new = ("x-prometheus-remote-write-version", "2.0.0");
    let agent = ("user-agent", "Prometheus/3.14.0");
    let (one, two) = (Format::RemoteWrite1, Format::RemoteWrite2);
    let cases = [
        ("1.0 Protocol: the four headers", vec![PROTOBUF, SNAPPY, old, agent], one),
        ("2.0 Content-Type: without a parameter it is 1.0", vec![PROTOBUF, SNAPPY, new], one),
        ("2.0 Content-Type: prometheus.WriteRequest", vec![VERSION_1, SNAPPY], one),
        ("2.0 Content-Type: io.prometheus.write.v2.Request", vec![VERSION_2, SNAPPY, new, agent], two),
        ("2.0 Content-Type: it identifies the schema, not the version's header", vec![VERSION_2, SNAPPY, old], two),
        ("2.0 Content-Type: as RFC 9110 has it, quoted", vec![quoted, SNAPPY], two),
        ("2.0 Content-Type: as RFC 9110 has it, in any case", vec![shouted, SNAPPY], two),
        ("2.0 Content-Encoding: as RFC 9110 has it, in any case", vec![VERSION_2, ("content-encoding", "Snappy")], two),
        ("what Prometheus takes: no encoding", vec![VERSION_2], two),
        ("what Prometheus takes: no type", vec![SNAPPY], one),
        ("what Prometheus takes: neither", vec![], one),
    ];
    for (rule, headers, format) in cases {
        let answer = send(address, post(PATH, &headers, "not even snappy")).await;
        assert_eq!((answer.status, answer.text()), (204, ""), "{rule}");
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (format, Encoding::Snappy), "{rule}");
        assert_eq!((submission.receiver, submission.peer.as_str()), ("remote_write", "127.0.0.1"));
        assert_eq!((&submission.body[..], submission.received_at), (&b"not even snappy"[..], NOW));
    }
    assert_eq!(*intake.refused.lock(), []);
}

#[tokio::test]
async fn what_is_not_spoken_gets_415_and_a_line_in_the_ledger() {
    let intake = FakeIntake::new(all_stored());
    let address = serve(router(intake.clone(), clock())).await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    let version_3 = ("content-type", "application/x-protobuf;proto=io.prometheus.write.v3.Request");
    let mixed = vec![VERSION_2, PROTOBUF, SNAPPY];
    let encoded = |coding| vec![VERSION_2, ("content-encoding", coding)];
    let typed = |media| vec![("content-type", media), SNAPPY];
    let (media, coding) = (Reason::ContentType, Reason::ContentEncoding);
    let cases = [
        ("2.0 Unsupported Request Content: message", vec![version_3, SNAPPY], "x", 415, media, "write.v2.Request"),
        ("2.0 Unsupported Request Content: two types", mixed, "x", 415, media, "application/x-protobuf'"),
        (
            "compliance BadContentTypes/application_json",
            typed("application/json"),
            "x",
            415,
            media,
            "'application/json'",
        ),
        ("compliance BadContentTypes/image_png", typed("image/png"), "x", 415, media, "'image/png'"),
        ("compliance BadContentEncodings/gzip", encoded("gzip"), "x", 415, coding, "'gzip'; send snappy"),
        ("compliance BadContentEncodings/deflate", encoded("deflate"), "x", 415, coding, "'deflate'; send snappy"),
        ("2.0 Content-Encoding: always compressed", encoded("identity"), "x", 415, coding, "'identity'"),
        ("2.0 Content-Encoding: zstd is not in 2.0", encoded("zstd"), "x", 415, coding, "'zstd'"),
        ("1.0 Out of Scope: Limits", vec![PROTOBUF, SNAPPY], &large, 413, Reason::BodyTooLarge, "1000 bytes"),
    ];
    for (rule, headers, body, status, reason, word) in cases {
        let answer = send(address, post(PATH, &headers, body.to_owned())).await;
        assert_eq!((answer.status, written(&answer)), (status, ["", "", ""]), "{rule}");
        assert!(answer.text().contains(word), "{rule}: {}", answer.text());
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("remote_write", "127.0.0.1".to_owned(), Some(Signal::Metrics), reason)], "{rule}");
    }
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn only_post_is_taken() {
    let address = serve(router(FakeIntake::new(all_stored()), clock())).await;
    let mut request = post(PATH, &[VERSION_2, SNAPPY], "x");
    *request.method_mut() = http::Method::PUT;
    assert_eq!(send(address, request).await.status, 405, "1.0 and 2.0 Protocol: a HTTP POST request");
}
