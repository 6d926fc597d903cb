//! Walking bodies: how long it takes to look at every byte of every label, value and time, and to do nothing with them.

mod bodies;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use flyball_bench::load::Protocol;
use flyball_decode::line_protocol::Lines;
use flyball_decode::otlp::logs::resource_logs;
use flyball_decode::otlp::metrics::{Data, resource_metrics};
use flyball_decode::{DecodeError, remote_write, remote_write2};

use crate::bodies::Case;

fn main() {
    divan::main();
}

/// Benches `walk`, which returns how many points it saw.
fn walk(bencher: Bencher<'_, '_>, protocol: Protocol, walk: fn(&[u8]) -> Result<usize, DecodeError>) {
    let body = Case::steady(protocol).bodies(1).swap_remove(0);
    assert_eq!(walk(&body).expect("a good body"), protocol.batch(), "the whole body is walked");
    bencher
        .counter(ItemsCount::new(protocol.batch()))
        .counter(BytesCount::new(body.len()))
        .bench_local(|| walk(black_box(&body)));
}

#[divan::bench]
fn remote_write_1(bencher: Bencher<'_, '_>) {
    walk(bencher, Protocol::RemoteWrite1, |body| {
        let mut points = 0;
        for series in remote_write::time_series(body) {
            let series = series?;
            for label in series.labels.iter() {
                black_box(label?);
            }
            for sample in series.samples.iter() {
                black_box(sample?);
                points += 1;
            }
        }
        Ok(points)
    });
}

#[divan::bench]
fn remote_write_2(bencher: Bencher<'_, '_>) {
    walk(bencher, Protocol::RemoteWrite2, |body| {
        let mut points = 0;
        for series in remote_write2::time_series(body) {
            let series = series?;
            for reference in series.labels.iter() {
                black_box(reference?);
            }
            for sample in series.samples.iter() {
                black_box(sample?);
                points += 1;
            }
        }
        Ok(points)
    });
}

#[divan::bench]
fn otlp_metrics(bencher: Bencher<'_, '_>) {
    walk(bencher, Protocol::OtlpMetrics, |body| {
        let mut points = 0;
        for resource in resource_metrics(body) {
            for metric in resource?.metrics() {
                let Data::Gauge(gauge) = metric?.data else { continue };
                for point in gauge {
                    let point = point?;
                    for attribute in point.attributes.iter() {
                        black_box(attribute?);
                    }
                    black_box(point.value);
                    points += 1;
                }
            }
        }
        Ok(points)
    });
}

#[divan::bench]
fn otlp_logs(bencher: Bencher<'_, '_>) {
    walk(bencher, Protocol::OtlpLogs, |body| {
        let mut records = 0;
        for resource in resource_logs(body) {
            for scope in resource?.scopes() {
                for record in scope?.records() {
                    let record = record?;
                    for attribute in record.attributes.iter() {
                        black_box(attribute?);
                    }
                    black_box(record.body);
                    records += 1;
                }
            }
        }
        Ok(records)
    });
}

#[divan::bench]
fn line_protocol(bencher: Bencher<'_, '_>) {
    walk(bencher, Protocol::LineProtocol, |body| {
        let mut lines = Lines::new(body);
        let mut fields = Vec::new();
        let mut points = 0;
        while let Some(line) = lines.next(&mut fields) {
            black_box(line.expect("a good line"));
            points += fields.len();
        }
        Ok(points)
    });
}
