//! Influx line protocol: a line a point, one field each, times in nanoseconds.

use std::io::Write;

use super::Tick;
use crate::series::{MEASUREMENT, Series, field, value};

/// One line of each of these series. No name or value of theirs needs an escape.
pub(super) fn body(numbers: &[usize], tick: &Tick) -> Vec<u8> {
    let mut out = Vec::with_capacity(numbers.len() * 224);
    for &number in numbers {
        line(&mut out, number, tick).expect("memory takes all bytes");
    }
    out
}

fn line(out: &mut Vec<u8>, number: usize, tick: &Tick) -> std::io::Result<()> {
    let series = Series::new(number);
    let mut labels = series.labels();
    tick.arrange(number, &mut labels);
    out.extend(MEASUREMENT.as_bytes());
    for (name, value) in labels {
        write!(out, ",{name}={value}")?;
    }
    writeln!(out, " {}={} {}", field(series.metric), value(number, tick.round), tick.nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_line_a_series() {
        let tick = Tick { round: 2, at_millis: 1_000, shuffle_labels: false };
        let text = String::from_utf8(body(&[0, 11], &tick)).expect("text");
        assert_eq!(text.lines().count(), 2);
        assert_eq!(
            text.lines().next(),
            Some(
                format!(
                    "bench_node,core=0,env=staging,host_name=edge-00000.site-00.example.org,mode=user,rack=rack-000,\
                     region=region-0,service_name=node-agent reading_0={} 1000000000",
                    value(0, 2)
                )
                .as_str()
            )
        );
    }
}
