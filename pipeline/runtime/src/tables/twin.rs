//! The tables `twin.*`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use flyball_model::UnixNanos;
use flyball_rules::catalog::SystemTable;
use flyball_twin::{EntityKind, Twin};

/// The entities of one kind.
#[derive(Debug)]
pub(super) struct TwinTable {
    pub(super) kind: EntityKind,
    pub(super) twin: Arc<Twin>,
}

impl SystemTable for TwinTable {
    fn schema(&self) -> SchemaRef {
        Twin::schema(self.kind)
    }

    fn rows(&self, _: UnixNanos) -> Result<RecordBatch, ArrowError> {
        Ok(self.twin.batch(self.kind))
    }

    fn columns(&self, _: UnixNanos, places: &[usize]) -> Result<RecordBatch, ArrowError> {
        Ok(self.twin.columns(self.kind, places))
    }

    fn key(&self) -> Option<&str> {
        Some("id")
    }

    fn revision(&self) -> Option<u64> {
        Some(self.twin.revision())
    }
}
