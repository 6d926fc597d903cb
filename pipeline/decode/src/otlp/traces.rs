//! `ExportTraceServiceRequest`: spans are counted, so that the sender and the ledger are told how many were refused.

use crate::error::DecodeError;
use crate::wire::{self, Nested, Slice, Step};

/// How many spans a request has.
///
/// # Errors
/// When the bytes are not such a message.
pub fn count_spans(body: &[u8]) -> Result<u64, DecodeError> {
    let path = [Step::new("ExportTraceServiceRequest", 1), Step::new("ResourceSpans", 2), Step::new("ScopeSpans", 2)];
    wire::count(Nested::<Slice<'_>, 3>::new(Slice::body(body), path))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    #[test]
    fn spans_of_all_resources_and_scopes_are_counted() {
        let scope = |spans| ScopeSpans {
            spans: vec![Span { name: "s".into(), ..Span::default() }; spans],
            ..ScopeSpans::default()
        };
        let resource = |scopes: &[usize]| ResourceSpans {
            scope_spans: scopes.iter().map(|&spans| scope(spans)).collect(),
            ..ResourceSpans::default()
        };
        let request =
            ExportTraceServiceRequest { resource_spans: vec![resource(&[2, 0, 1]), resource(&[]), resource(&[4])] };
        assert_eq!(count_spans(&request.encode_to_vec()), Ok(7));
        assert_eq!(count_spans(&[]), Ok(0));
        assert!(count_spans(&[10, 200]).is_err());
    }
}
