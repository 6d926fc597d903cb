//! The series about a scrape, under Prometheus' names.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;

/// What a scrape was like.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Report {
    pub(super) up: bool,
    pub(super) duration: Duration,
    /// Samples in the body.
    pub(super) scraped: u64,
    /// Those that relabelling left.
    pub(super) kept: u64,
    /// Series that were not in the body before.
    pub(super) added: u64,
}

impl Report {
    /// As text 0.0.4.
    pub(super) fn body(&self) -> Bytes {
        let series = [
            ("up", "1 where the last scrape of the target succeeded, else 0", f64::from(u8::from(self.up))),
            ("scrape_duration_seconds", "How long the scrape took", self.duration.as_secs_f64()),
            ("scrape_samples_scraped", "Samples that the target exposed", self.scraped as f64),
            ("scrape_samples_post_metric_relabeling", "Samples that relabelling left", self.kept as f64),
            ("scrape_series_added", "Series that were not in the scrape before", self.added as f64),
        ];
        let mut text = String::new();
        for (name, help, value) in series {
            let written = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
            debug_assert!(written.is_ok(), "a String takes all");
        }
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_five_gauges() {
        let report = Report { up: true, duration: Duration::from_millis(12), scraped: 7, kept: 5, added: 2 };
        let body = String::from_utf8(report.body().to_vec()).expect("UTF-8");
        let samples: Vec<_> = body.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "up 1",
                "scrape_duration_seconds 0.012",
                "scrape_samples_scraped 7",
                "scrape_samples_post_metric_relabeling 5",
                "scrape_series_added 2"
            ]
        );
    }
}
