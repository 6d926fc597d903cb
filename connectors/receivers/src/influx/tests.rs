//! InfluxDB's APIs over real sockets.

use flyball_model::intake::RefusalKind::{Malformed, Throttled, TooLarge, Unavailable, Unsupported};
use flyball_model::intake::{Encoding, Format, LineFault, Precision, Rejection};
use flyball_model::ledger::Reason;
use flyball_model::{Receipt, Refusal};
use http_body_util::Empty;

use super::*;
use crate::gate::MayRead;
use crate::testing::{Answer, BODY_BYTES_MAX, FakeIntake, NOW, clock, post, refusal, send, serve};

const V1: &str = "/write?db=b";
const V2: &str = "/api/v2/write?org=o&bucket=b";
const V3: &str = "/api/v3/write_lp?db=b";
const V3_WHOLE: &str = "/api/v3/write_lp?db=b&accept_partial=false";

fn stored() -> Result<Receipt, Refusal> {
    Ok(Receipt { stored: 2, ..Receipt::default() })
}

fn line(number: u64, line: &str, message: &str) -> LineFault {
    LineFault { number, line: line.to_owned(), message: message.to_owned() }
}

fn rejected(reason: Reason, points: u64, detail: &str) -> Rejection {
    Rejection { reason, points, detail: detail.to_owned() }
}

/// Two lines that can't be read, and so many points beside them.
fn bad_lines(stored: u64) -> Result<Receipt, Refusal> {
    Ok(Receipt {
        stored,
        rejections: vec![rejected(Reason::BadLine, 2, "unable to parse \"bad\": missing fields (line 2, column 4)")],
        lines: vec![
            line(2, "bad", "missing fields (line 2, column 4)"),
            line(3, "a measurement,of=long f=x", "invalid field value (line 3, column 25)"),
        ],
        ..Receipt::default()
    })
}

/// A line that was read and not taken.
fn refused_points(reason: Reason) -> Result<Receipt, Refusal> {
    Ok(Receipt {
        stored: 1,
        rejections: vec![rejected(reason, 3, "line 1, \"m\": the detail")],
        lines: vec![line(1, "m f=1 1", "the detail")],
        ..Receipt::default()
    })
}

async fn ask(path: &str, outcome: Result<Receipt, Refusal>) -> Answer {
    let address = serve(router(FakeIntake::new(outcome), clock())).await;
    send(address, post(path, &[], "m f=1")).await
}

#[tokio::test]
async fn a_body_is_handed_over_as_it_came_with_its_database() {
    let intake = FakeIntake::new(stored());
    let address = serve(router(intake.clone(), clock())).await;
    let cases = [
        ("/write?db=b&precision=s&rp=r&u=x&p=y", vec![], Precision::Seconds, false, Encoding::Identity),
        (V1, vec![("content-encoding", "gzip")], Precision::Nanoseconds, false, Encoding::Gzip),
        (
            V2,
            vec![("content-type", "text/plain; charset=utf-8"), ("authorization", "Token t")],
            Precision::Nanoseconds,
            true,
            Encoding::Identity,
        ),
        (V3, vec![], Precision::Auto, false, Encoding::Identity),
        (V3_WHOLE, vec![("content-encoding", "identity")], Precision::Auto, true, Encoding::Identity),
    ];
    for (path, headers, precision, whole, encoding) in cases {
        let answer = send(address, post(path, &headers, "m f=1")).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("x-influxdb-version")),
            (204, "", answer::VERSION),
            "{path}"
        );
        let submission = intake.only_submission();
        assert_eq!((submission.format, submission.encoding), (Format::LineProtocol { precision, whole }, encoding));
        assert_eq!((submission.receiver, submission.peer.as_str()), ("influx", "127.0.0.1"));
        assert_eq!((&submission.body[..], submission.received_at), (&b"m f=1"[..], NOW));
        let context = submission.context.expect("a database");
        assert_eq!(context.labels, [("db".to_owned(), "b".to_owned())]);
        assert!(context.honor_labels);
    }
    assert_eq!(*intake.refused.lock(), []);
}

#[tokio::test]
async fn every_outcome_has_its_status_and_text_in_each_version() {
    let both = "unable to parse 'bad': missing fields (line 2, column 4)\\nunable to parse 'a measurement,of=long f=x': invalid field value (line 3, column 25)";
    let v3_lines = r#"[{"original_line":"bad","line_number":2,"error_message":"missing fields (line 2, column 4)"},{"original_line":"a measurement,of=lon","line_number":3,"error_message":"invalid field value (line 3, column 25)"}]"#;
    let partial_3 = |data: &str| format!(r#"{{"error":"partial write of line protocol occurred","data":{data}}}"#);
    let refused_3 = r#"[{"original_line":"m f=1 1","line_number":1,"error_message":"the detail"}]"#;
    let table: Vec<(&str, Result<Receipt, Refusal>, u16, String)> = vec![
        (V1, stored(), 204, String::new()),
        (V1, Ok(Receipt::default()), 204, String::new()),
        (V1, bad_lines(5), 400, format!(r#"{{"error":"partial write: {both} dropped=0"}}"#)),
        (V1, bad_lines(0), 400, format!(r#"{{"error":"{both}"}}"#)),
        (V1, refused_points(Reason::TooOld), 400, r#"{"error":"partial write: too_old: line 1, \"m\": the detail dropped=3"}"#.into()),
        (V1, refusal(Malformed), 400, r#"{"error":"the reason"}"#.into()),
        (V1, refusal(TooLarge), 413, r#"{"error":"the reason"}"#.into()),
        (V1, refusal(Unsupported), 415, r#"{"error":"the reason"}"#.into()),
        (V1, refusal(Unavailable), 503, r#"{"error":"the reason"}"#.into()),
        (V1, refusal(Throttled), 429, r#"{"error":"the reason"}"#.into()),
        (V2, stored(), 204, String::new()),
        (V2, Ok(Receipt::default()), 204, String::new()),
        (V2, bad_lines(0), 400, format!(r#"{{"code":"invalid","message":"{both}"}}"#)),
        (
            V2,
            refused_points(Reason::TooOld),
            422,
            r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: too_old: line 1, \"m\": the detail dropped=3"}"#.into(),
        ),
        (V2, refusal(Malformed), 400, r#"{"code":"invalid","message":"the reason"}"#.into()),
        (V2, refusal(TooLarge), 413, r#"{"code":"request too large","message":"the reason"}"#.into()),
        (V2, refusal(Unsupported), 415, r#"{"code":"unsupported media type","message":"the reason"}"#.into()),
        (V2, refusal(Unavailable), 503, r#"{"code":"unavailable","message":"the reason"}"#.into()),
        (V2, refusal(Throttled), 429, r#"{"code":"too many requests","message":"the reason"}"#.into()),
        (V3, stored(), 204, String::new()),
        (V3, bad_lines(5), 400, partial_3(v3_lines)),
        (V3, bad_lines(0), 400, partial_3(v3_lines)),
        (V3, refused_points(Reason::TooOld), 400, partial_3(refused_3)),
        (V3, refused_points(Reason::SeriesCap), 422, partial_3(refused_3)),
        (
            V3_WHOLE,
            bad_lines(0),
            400,
            r#"{"error":"parsing failed for write_lp endpoint","data":{"original_line":"bad","line_number":2,"error_message":"missing fields (line 2, column 4)"}}"#.into(),
        ),
        (V3_WHOLE, refused_points(Reason::TooOld), 400, partial_3(refused_3)),
        (V3, refusal(Malformed), 400, r#"{"error":"the reason"}"#.into()),
        (V3, refusal(TooLarge), 413, r#"{"error":"the reason"}"#.into()),
        (V3, refusal(Unavailable), 503, r#"{"error":"the reason"}"#.into()),
        (V3, refusal(Throttled), 429, r#"{"error":"the reason"}"#.into()),
    ];
    for (path, outcome, status, body) in table {
        let answer = ask(path, outcome.clone()).await;
        assert_eq!((answer.status, answer.text()), (status, &*body), "{path} {outcome:?}");
        assert_eq!(answer.header("retry-after"), if matches!(status, 429 | 503) { "2" } else { "" }, "{path}");
        let json = if status == 204 { "" } else { "application/json" };
        assert_eq!(answer.header("content-type"), json, "{path}");
    }
}

#[tokio::test]
async fn errors_stand_in_the_headers_that_clients_read() {
    let answer = ask(V1, bad_lines(5)).await;
    let header = answer.header("x-influxdb-error");
    assert!(
        header.starts_with("partial write: unable to parse 'bad': missing fields (line 2, column 4) unable to"),
        "{header}"
    );
    assert_eq!(ask(V2, bad_lines(0)).await.header("x-platform-error-code"), "invalid");
    let long = Err(Refusal::new(Malformed, "ä".repeat(5000)));
    assert_eq!(ask(V1, long).await.headers["x-influxdb-error"].len(), 1024);
}

#[tokio::test]
async fn bad_requests_get_their_answer_and_a_line_in_the_ledger() {
    let intake = FakeIntake::new(stored());
    let address = serve(router(intake.clone(), clock())).await;
    let large = "x".repeat(BODY_BYTES_MAX + 1);
    for (path, headers, body, status, reason, text) in [
        ("/write", vec![], "m f=1", 400, Reason::Malformed, r#"{"error":"database is required"}"#),
        (
            "/api/v2/write?org=o",
            vec![],
            "m f=1",
            404,
            Reason::Malformed,
            r#"{"code":"not found","message":"bucket not found"}"#,
        ),
        ("/api/v3/write_lp", vec![], "m f=1", 400, Reason::Malformed, r#"{"error":"missing query parameter 'db'"}"#),
        (V1, vec![("content-encoding", "br")], "m f=1", 415, Reason::ContentEncoding, "'br'; send gzip"),
        (V2, vec![], &large, 413, Reason::BodyTooLarge, "request too large"),
    ] {
        let answer = send(address, post(path, &headers, body.to_owned())).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(text), "{}", answer.text());
        let refused = intake.refused.lock().drain(..).collect::<Vec<_>>();
        assert_eq!(refused, [("influx", "127.0.0.1".to_owned(), Some(Signal::Metrics), reason)]);
    }
    assert!(intake.submissions.lock().is_empty());
}

#[tokio::test]
async fn clients_that_knock_first_find_what_they_look_for() {
    let address = serve(router(FakeIntake::new(stored()), clock())).await;
    let get = |path: &str, method: http::Method| {
        http::Request::builder().method(method).uri(path).header("host", "flyball").body(Empty::<bytes::Bytes>::new())
    };
    for (method, path, status, text) in [
        (http::Method::GET, "/ping", 204, ""),
        (http::Method::HEAD, "/ping", 204, ""),
        (http::Method::GET, "/ping?verbose=false", 204, ""),
        (http::Method::GET, "/ping?verbose=true", 200, r#"{"version":"1.8.10"}"#),
        (
            http::Method::GET,
            "/health",
            200,
            r#"{"name":"influxdb","message":"ready for queries and writes","status":"pass","checks":[],"version":"1.8.10"}"#,
        ),
        (http::Method::GET, "/write", 405, "this path takes telemetry by POST\n"),
    ] {
        let answer = send(address, get(path, method).expect("a valid request")).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{path}");
        assert_eq!(answer.header("x-influxdb-version"), if status == 405 { "" } else { "1.8.10" }, "{path}");
    }
}

#[tokio::test]
async fn databases_are_listed_once_written_to_in_a_form_or_in_the_url_for_who_may_read() {
    let open = router(FakeIntake::new(stored()), clock());
    let (address, reader) = (serve(open.clone()).await, serve(open.layer(axum::Extension(MayRead))).await);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let created = r#"{"results":[{"statement_id":0}]}"#;
    let none = r#"{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"]}]}]}"#;
    let listed =
        r#"{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["b"]]}]}]}"#;
    let denied = r#"{"error":"SHOW DATABASES needs the scope read"}"#;
    for (to, path, body, status, text) in [
        (reader, "/query?q=SHOW+DATABASES", "", 200, none),
        (address, "/query", "q=CREATE+DATABASE+%22telegraf%22", 200, created),
        (address, "/query?q=CREATE%20DATABASE%20%22a%20b%22&db=x", "", 200, created),
        (reader, "/query", "q=show%20databases", 200, none),
        (address, V1, "m f=1", 204, ""),
        (reader, "/query", "q=SHOW%20DATABASES", 200, listed),
        (address, "/query", "q=SHOW%20DATABASES", 403, denied),
        (address, "/query", "q=CREATE+DATABASE+x;SHOW+DATABASES", 403, denied),
        (address, "/query", "", 400, r#"{"error":"missing required parameter \"q\""}"#),
        (
            address,
            "/query?q=SELECT+1",
            "",
            400,
            r#"{"error":"error parsing query: found SELECT, expected CREATE DATABASE or SHOW DATABASES; flyball is queried in SQL, at POST /api/v1/sql"}"#,
        ),
    ] {
        let answer = send(to, post(path, &[form], body)).await;
        assert_eq!((answer.status, answer.text()), (status, text), "{path} {body}");
    }
}
