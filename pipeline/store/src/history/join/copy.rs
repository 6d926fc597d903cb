//! Files of records in the order of time: one behind the other. What is large is copied as it is encoded; what is small, or was written by
//! an older flyball, is encoded anew.

use std::sync::Arc;

use flyball_model::RowKind;
use parquet::arrow::ArrowWriter;
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::writer::SerializedFileWriter;

use super::{Join, check};
use crate::error::StoreError;
use crate::history::checksums::Source;
use crate::history::rows::{properties, read_all};
use crate::history::sink::FileSink;

/// The key under which the Arrow library keeps the schema: which names the entries of a map have.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// Rows that are read at a time where they must be encoded anew.
const BATCH_ROWS: usize = 8192;

/// Puts the inputs one behind the other.
pub(super) fn copy(join: Join<'_>, kind: RowKind) -> Result<FileSink, StoreError> {
    let inputs = join.inputs.iter().map(|input| {
        let source = input.source()?;
        let metadata = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = metadata.parse_and_finish(&source).map_err(StoreError::parquet(&input.path))?;
        Ok((source, metadata))
    });
    let inputs = inputs.collect::<Result<Vec<_>, StoreError>>()?;
    let like_the_first = |(_, metadata): &(Source, ParquetMetaData)| {
        metadata.file_metadata().schema() == inputs[0].1.file_metadata().schema()
            && arrow_schema(metadata) == arrow_schema(&inputs[0].1)
    };
    let groups: usize = inputs.iter().map(|(_, metadata)| metadata.num_row_groups()).sum();
    let has_large_groups = join.index.rows >= groups as u64 * join.group_rows_min;
    if has_large_groups && inputs.iter().all(like_the_first) {
        as_they_are(join, kind, &inputs)
    } else {
        anew(join, kind)
    }
}

fn arrow_schema(metadata: &ParquetMetaData) -> Option<&parquet::file::metadata::KeyValue> {
    metadata.file_metadata().key_value_metadata()?.iter().find(|entry| entry.key == ARROW_SCHEMA)
}

/// Copies the columns' bytes.
fn as_they_are(join: Join<'_>, kind: RowKind, inputs: &[(Source, ParquetMetaData)]) -> Result<FileSink, StoreError> {
    let written = |error| StoreError::parquet(join.path)(error);
    let schema = inputs[0].1.file_metadata().schema_descr().root_schema_ptr();
    let properties = Arc::new(properties(&kind.schema()).build());
    let mut writer = SerializedFileWriter::new(join.sink, schema, properties).map_err(written)?;
    for ((source, metadata), input) in inputs.iter().zip(join.inputs) {
        for (number, group) in metadata.row_groups().iter().enumerate() {
            check(join.stop)?;
            let mut out = writer.next_row_group().map_err(written)?;
            for (at, column) in group.columns().iter().enumerate() {
                let closed = ColumnCloseResult {
                    bytes_written: column.compressed_size().unsigned_abs(),
                    rows_written: group.num_rows().unsigned_abs(),
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: None,
                    offset_index: metadata.offset_index().and_then(|of| of.get(number)?.get(at).cloned()),
                };
                out.append_column(source, closed).map_err(StoreError::parquet(&input.path))?;
            }
            out.close().map_err(written)?;
        }
    }
    let entries = join.index.to_metadata().into_iter().chain(arrow_schema(&inputs[0].1).cloned());
    entries.for_each(|entry| writer.append_key_value_metadata(entry));
    writer.into_inner().map_err(written)
}

/// Encodes them anew, in the columns of today.
fn anew(join: Join<'_>, kind: RowKind) -> Result<FileSink, StoreError> {
    let written = |error| StoreError::parquet(join.path)(error);
    let schema = kind.schema();
    let properties = properties(&schema).build();
    let mut writer = ArrowWriter::try_new(join.sink, schema, Some(properties)).map_err(written)?;
    for input in join.inputs {
        for batch in read_all(input, kind, BATCH_ROWS)? {
            check(join.stop)?;
            writer.write(&batch?).map_err(written)?;
        }
    }
    join.index.to_metadata().into_iter().for_each(|entry| writer.append_key_value_metadata(entry));
    writer.into_inner().map_err(written)
}
