//! What real senders send and what fuzzing once found, through everything that the fuzz targets check.

#[path = "../../../tests/fuzz/src/lib.rs"]
pub mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flyball_model::intake::{Format, Precision};
use flyball_model::ledger::Signal;
use flyball_model::{Limits, SeriesRegistry, UnixNanos};
use flyball_normalize::Normalizer;

/// The files of a target, in an order that does not depend on the machine. None where there is no such folder.
fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).expect("the file can be read")
}

#[test]
fn corpora_and_regressions_keep_what_the_fuzz_targets_check() {
    for (name, target) in fuzz::TARGETS {
        let corpus = files("corpus", name);
        assert!(!corpus.is_empty(), "{name} has no corpus; tests/fuzz/README.md says how to record one");
        for file in corpus.iter().chain(&files("regressions", name)) {
            let body = read(file);
            assert!(catch_unwind(|| target(&body)).is_ok(), "{name} with {}", file.display());
        }
    }
}

#[test]
fn what_real_senders_send_is_taken_whole() {
    let now = UnixNanos::from_secs(1_893_456_000);
    let limits = Limits { past: Duration::from_secs(20 * 365 * 24 * 3600), ..Limits::default() };
    let normalizer = Normalizer::new(Arc::new(SeriesRegistry::new(limits.series)), limits);
    for (name, _) in fuzz::TARGETS {
        let mut points = 0;
        for file in files("corpus", name) {
            let input = read(&file);
            let Some((format, body)) = format_of(name, &input) else { continue };
            let normalized = normalizer
                .normalize(format, body, None, now)
                .unwrap_or_else(|error| panic!("{name} with {}: {error}", file.display()));
            assert_eq!(normalized.rejections, [], "{name} with {}", file.display());
            assert_eq!(normalized.received, normalized.count(), "{name} with {}", file.display());
            points += normalized.count();
        }
        assert!(points > 0 || name == "decompress", "{name}: there is something in its corpus");
    }
}

/// The format of a target's input, and the body in it. `None` for what is no telemetry.
fn format_of<'i>(target: &str, input: &'i [u8]) -> Option<(Format, &'i [u8])> {
    let format = match target {
        "otlp_metrics" => Format::Otlp(Signal::Metrics),
        "otlp_logs" => Format::Otlp(Signal::Logs),
        "otlp_traces" => Format::Otlp(Signal::Traces),
        "otlp_json" => {
            let signal = match input.first()? {
                b'm' => Signal::Metrics,
                b'l' => Signal::Logs,
                _ => Signal::Traces,
            };
            return Some((Format::OtlpJson(signal), &input[1..]));
        }
        "remote_write_1" => Format::RemoteWrite1,
        "remote_write_2" => Format::RemoteWrite2,
        "prometheus_text" => Format::PrometheusText,
        "open_metrics" => Format::OpenMetrics,
        "line_protocol" => Format::LineProtocol { precision: Precision::Nanoseconds, whole: true },
        "scaphandre" => Format::Scaphandre,
        _ => return None,
    };
    Some((format, input))
}
