//! Prometheus remote write 2.0: a table of strings, and series that refer to it.

use std::collections::HashMap;

use super::Tick;
use super::wire::{self, double, message, text, varint};
use crate::series::{Series, metric, value};

/// `METRIC_TYPE_GAUGE`.
const GAUGE: u64 = 2;

const HELP: &str = "What a node reads.";

/// One sample of each of these series, with the metadata that Prometheus sends along.
pub(super) fn body(numbers: &[usize], tick: &Tick) -> Vec<u8> {
    let mut symbols = Symbols::default();
    let help = symbols.number(HELP);
    let mut series = Vec::with_capacity(numbers.len() * 64);
    for &number in numbers {
        message(&mut series, 5, |out| time_series(out, number, tick, &mut symbols, help));
    }
    let mut out = Vec::new();
    if !numbers.is_empty() {
        for symbol in &symbols.texts {
            text(&mut out, 4, symbol);
        }
    }
    out.extend(series);
    out
}

fn time_series(out: &mut Vec<u8>, number: usize, tick: &Tick, symbols: &mut Symbols, help: u64) {
    let series = Series::new(number);
    let name = metric(series.metric);
    let mut labels: Vec<_> = [("__name__", name.as_str())].into_iter().chain(series.labels()).collect();
    tick.arrange(number, &mut labels);
    message(out, 1, |out| {
        for (name, value) in labels {
            varint(out, symbols.number(name));
            varint(out, symbols.number(value));
        }
    });
    message(out, 2, |out| {
        double(out, 1, value(number, tick.round));
        wire::number(out, 2, tick.at_millis as u64);
    });
    message(out, 5, |out| {
        wire::number(out, 1, GAUGE);
        wire::number(out, 3, help);
    });
}

/// The strings of a request; the first is empty, as the specification wants it.
struct Symbols {
    texts: Vec<String>,
    numbers: HashMap<String, u64>,
}

impl Default for Symbols {
    fn default() -> Self {
        Self { texts: vec![String::new()], numbers: HashMap::from([(String::new(), 0)]) }
    }
}

impl Symbols {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use flyball_prompb::v2::{Request, Sample, TimeSeries};
    use prost::Message;

    use super::*;

    #[test]
    fn a_body_decodes_to_its_samples() {
        let tick = Tick { round: 2, at_millis: 1_700_000_000_000, shuffle_labels: false };
        let request = Request::decode(body(&[5, 6, 7], &tick).as_slice()).expect("protobuf");
        assert_eq!(request.symbols[0], b"");
        assert_eq!(request.timeseries.len(), 3);
        let TimeSeries { labels_refs, samples, metadata, .. } = &request.timeseries[1];
        let word = |symbol: u32| str::from_utf8(&request.symbols[symbol as usize]).expect("texts");
        let words: Vec<_> = labels_refs.iter().map(|&symbol| word(symbol)).collect();
        assert_eq!(words[..4], ["__name__", "bench_node_reading_0", "core", "6"]);
        assert_eq!(words.len(), 16);
        assert_eq!(samples, &[Sample { value: value(6, 2), timestamp: 1_700_000_000_000, start_timestamp: 0 }]);
        assert_eq!(metadata.map(|metadata| word(metadata.help_ref)), Some(HELP));
    }

    #[test]
    fn a_body_without_series_has_no_symbols() {
        assert!(body(&[], &Tick { round: 0, at_millis: 0, shuffle_labels: false }).is_empty());
    }
}
