//! Scrapes over real sockets, with a pipeline that records.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::get;
use flyball_model::intake::{Encoding, Format, Refusal, RefusalKind, Written};
use flyball_model::relabel::LabelSet;
use flyball_model::{Receipt, Submission, WallClock};
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};

use super::*;
use crate::testing::{FakeIntake, all_stored, serve};

/// A scraper with one job that is asked often, stopped when it is dropped.
struct Run {
    intake: Arc<FakeIntake>,
    targets: Arc<Targets>,
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Run {
    fn start(jobs: Vec<JobOptions>, intake: &Arc<FakeIntake>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let scraper = Scraper::new(jobs, intake.clone(), Arc::new(WallClock::default()));
        let (targets, cancel) = (scraper.targets(), CancellationToken::new());
        let task = tokio::spawn(scraper.run(cancel.clone()));
        Self { intake: Arc::clone(intake), targets, cancel, task }
    }

    /// The next body that was handed over and that `wanted` accepts.
    async fn body(&self, wanted: impl Fn(&Submission) -> bool) -> Submission {
        loop {
            {
                let mut submissions = self.intake.submissions.lock();
                while !submissions.is_empty() {
                    let first = submissions.remove(0);
                    if wanted(&first) {
                        return first;
                    }
                }
            }
            tokio::time::timeout(Duration::from_secs(10), self.intake.event()).await.expect("a body");
        }
    }

    async fn report(&self) -> String {
        let report = self.body(|submission| submission.body.starts_with(b"# HELP up ")).await;
        String::from_utf8(report.body.to_vec()).expect("UTF-8")
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.expect("no panic");
        assert!(self.targets.is_empty(), "nobody is asked any more");
    }
}

fn job(address: SocketAddr) -> JobOptions {
    let target = LabelSet::from([("__address__".to_owned(), address.to_string())]);
    let often = Duration::from_millis(100);
    JobOptions { every: often, timeout: often * 20, targets: vec![target], ..JobOptions::new("j") }
}

fn is_report(submission: &Submission) -> bool {
    submission.body.starts_with(b"# HELP up ")
}

fn stored(samples: u64) -> Result<Receipt, Refusal> {
    Ok(Receipt { stored: samples, written: Written { samples, ..Written::default() }, ..Receipt::default() })
}

#[tokio::test]
async fn a_target_is_asked_as_prometheus_asks_and_its_body_handed_over_as_it_came() {
    let app = Router::new().route(
        "/probe",
        get(async |request: Request| {
            let header = |name| request.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"));
            assert!(header(ACCEPT).starts_with("application/openmetrics-text;version=1.0.0"), "{}", header(ACCEPT));
            assert_eq!(header(AUTHORIZATION), "Bearer t0ken");
            assert_eq!(header(http::HeaderName::from_static("x-prometheus-scrape-timeout-seconds")), "0.1");
            assert_eq!(request.uri().query(), Some("module=http"));
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0"), (CONTENT_ENCODING, "gzip")], "zipped")
        }),
    );
    let address = serve(app).await;
    let intake = FakeIntake::new(stored(3));
    let run = Run::start(
        vec![JobOptions {
            metrics_path: "/probe".to_owned(),
            params: vec![("module".to_owned(), "http".to_owned())],
            labels: LabelSet::from([("host".to_owned(), "edge-1".to_owned())]),
            http: HttpOptions { auth: Auth::Bearer(Secret::Text("t0ken".to_owned())), ..HttpOptions::default() },
            honor_timestamps: false,
            honor_labels: true,
            ..job(address)
        }],
        &intake,
    );
    let body = run.body(|submission| !is_report(submission)).await;
    assert_eq!((body.receiver, body.peer), ("scrape", address.to_string()));
    assert_eq!((body.format, body.encoding, &body.body[..]), (Format::OpenMetrics, Encoding::Gzip, &b"zipped"[..]));
    let context = body.context.expect("what is known of the target");
    let expected = [("host", "edge-1".to_owned()), ("instance", address.to_string()), ("job", "j".to_owned())];
    assert_eq!(context.labels, expected.map(|(name, value)| (name.to_owned(), value)));
    assert!(context.complete && context.honor_labels && context.ignore_times);
    let report = run.report().await;
    assert!(report.contains("\nup 1\n") && report.contains("\nscrape_samples_scraped 3\n"), "{report}");
    run.stop().await;
}

#[tokio::test]
async fn a_target_that_fails_is_down_and_ends_its_series() {
    let app = Router::new()
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/slow", get(async || std::future::pending::<()>().await))
        .route("/protobuf", get(async || ([(CONTENT_TYPE, "application/vnd.google.protobuf")], "x")))
        .route("/large", get(async || "x".repeat(crate::testing::BODY_BYTES_MAX + 1)));
    let address = serve(app).await;
    let nobody: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    for (address, path, expected) in [
        (address, "/broken", "the target answered HTTP status 500 Internal Server Error"),
        (address, "/slow", "no whole answer within 100ms"),
        (address, "/protobuf", "which was not asked for"),
        (address, "/large", "the body is longer than 1000 bytes"),
        (nobody, "/metrics", "Connection refused"),
    ] {
        let intake = FakeIntake::new(all_stored());
        let run = Run::start(vec![JobOptions { metrics_path: path.to_owned(), ..job(address) }], &intake);
        let end = run.body(|submission| !is_report(submission)).await;
        assert!(end.body.is_empty() && end.context.is_some_and(|context| context.complete), "{path}");
        let report = run.report().await;
        assert!(report.contains("\nup 0\n") && report.contains("\nscrape_samples_scraped 0\n"), "{report}");
        let target = run.targets.document()["data"]["activeTargets"][0].clone();
        let error = target["lastError"].as_str().unwrap_or_default();
        assert!(error.contains(expected), "{path}: {error}");
        assert_eq!(target["health"], "down");
        run.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_the_pipeline_refuses_is_a_failed_scrape() {
    let address = serve(Router::new().route("/metrics", get(async || "not metrics"))).await;
    let intake = FakeIntake::new(Err(Refusal::new(RefusalKind::Malformed, "line 1, column 5: so it is")));
    let run = Run::start(vec![job(address)], &intake);
    assert!(run.report().await.contains("\nup 0\n"));
    run.stop().await;
}

#[tokio::test]
async fn redirects_are_followed_unless_told_otherwise() {
    let app = Router::new()
        .route("/metrics", get(async || (StatusCode::FOUND, [(LOCATION, "/other")]).into_response()))
        .route("/other", get(async || "up_there 1\n"));
    let address = serve(app).await;
    for (follow_redirects, up) in [(true, "\nup 1\n"), (false, "\nup 0\n")] {
        let intake = FakeIntake::new(all_stored());
        let http = HttpOptions { follow_redirects, ..HttpOptions::default() };
        let run = Run::start(vec![JobOptions { http, ..job(address) }], &intake);
        let report = run.report().await;
        assert!(report.contains(up), "{report}");
        run.stop().await;
    }
}

#[tokio::test]
async fn targets_come_and_go_with_their_file() {
    let address = serve(Router::new().route("/metrics", get(async || "m 1\n"))).await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("targets.json");
    let groups = serde_json::json!([{"targets": [address.to_string()], "labels": {"env": "lab"}}]);
    std::fs::write(&file, groups.to_string()).expect("writable");
    let intake = FakeIntake::new(all_stored());
    let discovery = Discovery::Files { files: vec![file.clone()], refresh: Duration::from_millis(100) };
    let run =
        Run::start(vec![JobOptions { targets: Vec::new(), discoveries: vec![discovery], ..job(address) }], &intake);
    let body = run.body(|submission| !is_report(submission)).await;
    assert_eq!(&body.body[..], b"m 1\n");
    let labels = &body.context.expect("its labels").labels;
    assert!(labels.contains(&("env".to_owned(), "lab".to_owned())), "{labels:?}");

    std::fs::write(&file, "[]").expect("writable");
    // One that ends the target's series, one that ends those about it.
    for _ in 0..2 {
        let end = run.body(|submission| submission.body.is_empty()).await;
        assert!(end.context.expect("its labels").complete);
    }
    assert!(run.targets.is_empty());
    run.stop().await;
}

#[tokio::test]
async fn targets_are_asked_for_over_http() {
    let address = serve(Router::new().route("/metrics", get(async || "m 1\n"))).await;
    let groups = serde_json::json!([{"targets": [address.to_string()]}]);
    let directory = serve(Router::new().route("/sd", get(async move || axum::Json(groups)))).await;
    let intake = FakeIntake::new(all_stored());
    let discovery = Discovery::Http {
        url: format!("http://{directory}/sd"),
        refresh: Duration::from_secs(60),
        http: Box::default(),
    };
    let run =
        Run::start(vec![JobOptions { targets: Vec::new(), discoveries: vec![discovery], ..job(address) }], &intake);
    assert_eq!(&run.body(|submission| !is_report(submission)).await.body[..], b"m 1\n");
    let document = run.targets.document();
    let target = &document["data"]["activeTargets"][0];
    assert_eq!(target["discoveredLabels"]["__meta_url"], format!("http://{directory}/sd"));
    assert_eq!((&target["scrapePool"], &target["labels"]["job"]), (&"j".into(), &"j".into()));
    run.stop().await;
}
