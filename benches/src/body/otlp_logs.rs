//! OTLP logs: a resource a host, a hundred records in it.

use super::Tick;
use super::otlp_metrics::attributes;
use super::wire::{self, fixed64, message, text};
use crate::records::{Attribute, LogRecord};
use crate::series::{PER_HOST, Series};

/// One record of each of these numbers. Consecutive ones share their host.
pub(super) fn body(numbers: &[usize], tick: &Tick) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len() * 400);
    for host in numbers.chunk_by(|a, b| a / PER_HOST == b / PER_HOST) {
        message(&mut out, 1, |out| {
            let series = Series::new(host[0]);
            message(out, 1, |out| attributes(out, 1, &series.resource, host[0] / PER_HOST, tick));
            message(out, 2, |out| {
                for &number in host {
                    message(out, 2, |out| record(out, number, tick));
                }
            });
        });
    }
    out
}

fn record(out: &mut Vec<u8>, number: usize, tick: &Tick) {
    let LogRecord { severity, body, attributes } = LogRecord::new(number, tick.round);
    // A microsecond between the records of a host.
    let time = tick.nanos() + (number % PER_HOST) as u64 * 1_000;
    fixed64(out, 1, time);
    wire::number(out, 2, severity.0);
    text(out, 3, severity.1);
    message(out, 5, |out| text(out, 1, &body));
    let mut attributes: Vec<_> = attributes.iter().collect();
    tick.arrange(number, &mut attributes);
    for (key, value) in attributes {
        message(out, 6, |out| {
            text(out, 1, key);
            message(out, 2, |out| match value {
                Attribute::Word(word) => text(out, 1, word),
                Attribute::Text(value) => text(out, 1, value),
                Attribute::Number(number) => wire::number(out, 3, *number),
            });
        });
    }
    fixed64(out, 11, time);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use prost::Message;

    use super::*;
    use crate::records::{ATTRIBUTES, BODY_BYTES};

    #[test]
    fn records_share_their_host_and_have_six_attributes() {
        let tick = Tick { round: 2, at_millis: 1_000, shuffle_labels: false };
        let numbers: Vec<_> = (95..115).collect();
        let request = ExportLogsServiceRequest::decode(body(&numbers, &tick).as_slice()).expect("protobuf");
        let hosts: Vec<_> = request.resource_logs.iter().map(|host| &host.scope_logs[0].log_records).collect();
        assert_eq!(hosts.iter().map(|records| records.len()).collect::<Vec<_>>(), [5, 15]);
        let record = &hosts[1][14];
        assert_eq!((record.time_unix_nano, record.attributes.len()), (1_000_014_000, ATTRIBUTES));
        assert!(format!("{:?}", record.body).len() > BODY_BYTES);
        assert_eq!(request.encode_to_vec(), body(&numbers, &tick), "as short as the generated encoder makes it");
    }
}
