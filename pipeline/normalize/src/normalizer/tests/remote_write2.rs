//! Remote write 2.0: what the specification says of the message, and what the compliance suite sends, a row a case.

mod compliance;
mod exemplars;
pub(super) mod messages;
mod symbols;

use flyball_model::RowKind;
use flyball_model::intake::Written;

use super::*;
use messages::{Sent, request};

const NOW_MS: i64 = NOW.as_millis();

impl Bench {
    fn remote_write2(&self, series: &[Sent]) -> Normalized {
        self.take(Format::RemoteWrite2, &request(series))
    }
}

/// Samples, histograms and exemplars that were taken.
fn written(normalized: &Normalized) -> [u64; 3] {
    let Written { samples, histograms, exemplars } = normalized.written;
    [samples, histograms, exemplars]
}

/// What stands in the warnings, by reason.
fn warned(normalized: &Normalized) -> BTreeMap<Reason, u64> {
    normalized.warnings.iter().map(|warning| (warning.reason, warning.points)).collect()
}
