//! The Arrow IPC stream format.

use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;

use crate::query::QueryResult;

/// The media type of [`arrow_ipc`].
pub const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

/// A result as an Arrow IPC stream; label columns stay dictionaries, units stay in the fields' metadata.
///
/// # Errors
/// When a column has a type that the format does not know; none that a query can give.
pub fn arrow_ipc(result: &QueryResult) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &result.schema)?;
    for batch in &result.batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    writer.into_inner()
}
