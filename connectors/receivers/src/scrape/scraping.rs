//! The loop of one target: wait for its time, ask, hand the body over, report.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flyball_model::admission::{Lease, Sender};
use flyball_model::intake::{Context, Encoding, Format};
use flyball_model::ledger::{Reason, Signal};
use flyball_model::relabel::LabelSet;
use flyball_model::{Receipt, SeriesRef, Submission, UnixNanos};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::client::{Client, authority};
use super::options::JobOptions;
use super::report::Report;
use super::rhythm::{Rhythm, stamp};
use super::status::TargetStatus;
use crate::body;
use crate::error::RequestError;
use crate::headers::{MediaType, gzip_or_none, quoted};

/// OpenMetrics first, with names as they are; then the older format; then whatever there is.
const ACCEPTED: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                        application/openmetrics-text;version=1.0.0;q=0.5,\
                        text/plain;version=0.0.4;q=0.4,*/*;q=0.1";

/// How Prometheus tells a target how long it may take.
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

const RECEIVER: &str = "scrape";

/// A target that is being scraped.
pub(super) struct Scraping {
    shared: Arc<Shared>,
    status: Arc<TargetStatus>,
    client: Client,
    peer: String,
    /// For what the target says.
    context: Arc<Context>,
    /// For what is said about it.
    report_context: Arc<Context>,
}

/// A body and how to read it.
struct Fetched {
    format: Format,
    encoding: Encoding,
    held: body::Held,
}

impl Scraping {
    pub(super) fn new(job: &JobOptions, shared: Arc<Shared>, status: Arc<TargetStatus>, client: Client) -> Self {
        let labels = |labels: &LabelSet| labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let context = Context {
            labels: labels(&status.target.labels),
            honor_labels: job.honor_labels,
            ignore_times: !job.honor_timestamps,
            relabel: job.metric_relabel.clone(),
            complete: true,
            ..Context::default()
        };
        let report_context = Context { labels: labels(&status.target.labels), complete: true, ..Context::default() };
        let peer = authority(&status.target.url);
        Self { shared, status, client, peer, context: Arc::new(context), report_context: Arc::new(report_context) }
    }

    /// Scrapes until `gone`, and then ends the target's series; or until `stop`, and then leaves them as they are.
    pub(super) async fn run(self, gone: CancellationToken, stop: CancellationToken) {
        let target = &self.status.target;
        let rhythm = Rhythm::new(&target.identity(), target.every);
        let mut last = None;
        loop {
            let now = self.shared.clock.now();
            let planned = rhythm.next(now, last);
            last = Some(planned);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = gone.cancelled() => break,
                () = tokio::time::sleep(planned.since(now)) => {}
            }
            // A scrape is not broken off when its target goes: it ends within its timeout.
            if stop.run_until_cancelled(self.scrape(planned)).await.is_none() {
                return;
            }
        }
        let now = self.shared.clock.now();
        for context in [&self.context, &self.report_context] {
            // Refused only while flyball is overloaded or stopping; then the series end by their silence.
            drop(self.submit_text(Bytes::new(), context, now).await);
        }
    }

    async fn scrape(&self, planned: UnixNanos) {
        let Ok(_turn) = self.shared.requests.acquire().await else { return };
        let started = self.shared.clock.monotonic();
        let at = stamp(planned, self.shared.clock.now());
        let timeout = self.status.target.timeout;
        let fetched = match tokio::time::timeout(timeout, self.fetch(timeout)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Failed::Target(format!("no whole answer within {timeout:?}"))),
        };
        let duration = self.shared.clock.monotonic().saturating_sub(started);
        let before = self.seen();
        let taken = match fetched {
            Ok(Fetched { format, encoding, held }) => {
                self.submit(format, encoding, held.bytes, &self.context, at, held.lease).await
            }
            Err(failed) => Err(failed),
        };
        let (report, error) = match taken {
            Ok(receipt) => (self.report(duration, &receipt, &before), None),
            Err(Failed::Target(error)) => {
                // All there is of a target that fails is nothing.
                drop(self.submit_text(Bytes::new(), &self.context, at).await);
                (Report { duration, ..Report::default() }, Some(error))
            }
            Err(Failed::Here(error)) => {
                // It says nothing of the target that flyball could not take what it said.
                self.log(Some(&error));
                return self.status.scraped(at, duration, Some(error));
            }
        };
        let told = self.submit_text(report.body(), &self.report_context, at);
        let error = error.or(told.await.err().map(Failed::into_text));
        self.log(error.as_deref());
        self.status.scraped(at, duration, error);
    }

    /// Says in the log when a target fails and when it is back, not each time.
    fn log(&self, error: Option<&str>) {
        let url = self.status.target.url.as_str();
        match (self.status.failed(), error) {
            (Some(true), None) => tracing::info!(url, "target answers again"),
            (None | Some(false), Some(error)) => tracing::warn!(url, error, "scrape failed; trying on"),
            _ => {}
        }
    }

    fn report(&self, duration: Duration, receipt: &Receipt, before: &[SeriesRef]) -> Report {
        let dropped = receipt.rejections.iter().filter(|rejection| rejection.reason == Reason::Relabelled);
        let kept = receipt.written.samples;
        let dropped: u64 = dropped.map(|rejection| rejection.points).sum();
        let refused = receipt.rejected() - dropped;
        Report {
            up: true,
            duration,
            scraped: kept + refused + dropped,
            kept: kept + refused,
            added: added(before, &self.seen()),
        }
    }

    /// The series of the last body, sorted.
    fn seen(&self) -> Vec<SeriesRef> {
        let mut seen = self.context.seen.lock().clone();
        seen.sort_unstable();
        seen
    }

    /// Says something of the target that it did not say itself.
    async fn submit_text(&self, body: Bytes, context: &Arc<Context>, at: UnixNanos) -> Result<Receipt, Failed> {
        self.submit(Format::PrometheusText, Encoding::Identity, body, context, at, Lease::default()).await
    }

    async fn submit(
        &self,
        format: Format,
        encoding: Encoding,
        body: Bytes,
        context: &Arc<Context>,
        received_at: UnixNanos,
        lease: Lease,
    ) -> Result<Receipt, Failed> {
        let submission = Submission {
            receiver: RECEIVER,
            peer: self.peer.clone(),
            format,
            encoding,
            body,
            received_at,
            context: Some(Arc::clone(context)),
            lease,
        };
        self.shared.intake.take(submission).await.map_err(|refusal| {
            if refusal.kind.is_retryable() { Failed::Here(refusal.message) } else { Failed::Target(refusal.message) }
        })
    }

    async fn fetch(&self, timeout: Duration) -> Result<Fetched, Failed> {
        let seconds = timeout.as_secs_f64().to_string();
        let headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static(ACCEPTED)),
            (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            (TIMEOUT_HEADER, HeaderValue::from_str(&seconds).expect("a number is ASCII")),
        ]);
        let response = self.client.get(&self.status.target.url, headers).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the target answered HTTP status {}", response.status()).into());
        }
        let headers = response.headers().clone();
        let format = format(&headers)?;
        let encoding = gzip_or_none(&headers).map_err(|error| error.to_string())?;
        let mut body: reqwest::Body = http::Response::from(response).into_body();
        let read = async {
            let sender = Sender { name: self.peer.as_str().into(), connection: 0 };
            let lease = self.shared.intake.admit(sender, 0).map_err(RequestError::NotNow)?;
            body::read(&mut body, &self.shared.bounds, lease).await
        };
        match read.await {
            Ok(held) => Ok(Fetched { format, encoding, held }),
            Err(error) => {
                self.shared.intake.refused(RECEIVER, &self.peer, Some(Signal::Metrics), error.reason());
                let text = error.to_string();
                Err(if matches!(error, RequestError::NotNow(_)) { Failed::Here(text) } else { Failed::Target(text) })
            }
        }
    }
}

/// Why a scrape brought nothing.
enum Failed {
    /// The target did not answer, or with what can't be read.
    Target(String),
    /// flyball could not take the answer.
    Here(String),
}

impl Failed {
    fn into_text(self) -> String {
        match self {
            Failed::Target(text) | Failed::Here(text) => text,
        }
    }
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Failed::Target(text)
    }
}

/// What the content type says. One that is missing or says nothing of the matter is the older format: Scaphandre sends none.
fn format(headers: &HeaderMap) -> Result<Format, String> {
    match MediaType::of(headers) {
        Some(media) if media.is("application/openmetrics-text") => Ok(Format::OpenMetrics),
        Some(media) if media.is("application/vnd.google.protobuf") => Err(format!(
            "the content type is {}, which was not asked for; send OpenMetrics or text/plain; version=0.0.4",
            quoted(headers, CONTENT_TYPE)
        )),
        _ => Ok(Format::PrometheusText),
    }
}

/// How many of `now` are not among `before`; both are sorted.
fn added(before: &[SeriesRef], now: &[SeriesRef]) -> u64 {
    let mut before = before.iter().peekable();
    let new = now.iter().filter(|series| {
        while before.next_if(|known| known < series).is_some() {}
        before.peek() != Some(series)
    });
    new.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_the_format() {
        for (content_type, expected) in [
            ("", Some(Format::PrometheusText)),
            ("text/plain; version=0.0.4; charset=utf-8", Some(Format::PrometheusText)),
            ("text/plain", Some(Format::PrometheusText)),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics)),
            ("text/html", Some(Format::PrometheusText)),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", None),
        ] {
            let mut headers = HeaderMap::new();
            if !content_type.is_empty() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            assert_eq!(format(&headers).ok(), expected, "{content_type}");
        }
    }

    #[test]
    fn series_that_were_not_there_before_are_counted() {
        let list = |numbers: &[u32]| numbers.iter().map(|&number| SeriesRef(number)).collect::<Vec<_>>();
        for (before, now, expected) in
            [(&[][..], &[1, 2][..], 2), (&[1, 2], &[1, 2], 0), (&[1, 3, 5], &[2, 3, 4, 5, 6], 3), (&[1, 2, 3], &[], 0)]
        {
            assert_eq!(added(&list(before), &list(now)), expected, "{before:?} {now:?}");
        }
    }
}
