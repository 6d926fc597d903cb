//! How each column of records is encoded.
//!
//! Measured on a million log records of 285 bytes (a 120-byte body, six attributes, random ids), seconds of one core and bytes a
//! record: as here 0.45 and 130; with zstd level 1 for everything 0.75 and 70; statistics of texts would add 0.1. Most of it is the
//! map of attributes (0.2) and the body (0.2).

use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Rows of a page: what must be unpacked to read one record.
const PAGE_ROWS: usize = 8 * 1024;

/// Encoded rows wait in memory until there are this many.
const ROW_GROUP_ROWS: usize = 64 * 1024;

/// Random digits: what a compressor finds in them is not worth its time.
const IDS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];

/// Text columns whose values seldom repeat, or repeat in too many ways (`value` is the values of a map): a dictionary of them
/// costs a look-up a value.
const UNIQUE_TEXTS: [&str; 2] = ["body", "value"];

/// The properties of a file of records with this schema.
pub(in crate::history) fn properties(schema: &Schema) -> WriterPropertiesBuilder {
    let all = WriterProperties::builder()
        .set_created_by(concat!("flyball ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::LZ4_RAW)
        // What a query skips it skips by the file's own index; statistics of texts cost a comparison a value.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("time"), EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS);
    schema.fields().iter().fold(all, |properties, field| of_field(properties, Vec::new(), field))
}

/// Sets the encodings of a column, or of those inside a nested one.
fn of_field(properties: WriterPropertiesBuilder, mut path: Vec<String>, field: &Field) -> WriterPropertiesBuilder {
    path.push(field.name().clone());
    match field.data_type() {
        DataType::Struct(fields) => {
            fields.iter().fold(properties, |properties, field| of_field(properties, path.clone(), field))
        }
        DataType::Map(entries, _) => of_field(properties, path, entries),
        DataType::List(item) | DataType::LargeList(item) => {
            path.push("list".to_owned());
            of_field(properties, path, item)
        }
        leaf => of_leaf(properties, ColumnPath::new(path), field.name(), leaf),
    }
}

/// A column that is not mentioned gets a dictionary, which falls back to plain values when it grows too large.
fn of_leaf(
    properties: WriterPropertiesBuilder,
    column: ColumnPath,
    name: &str,
    leaf: &DataType,
) -> WriterPropertiesBuilder {
    let encoding = match leaf {
        DataType::Timestamp(..) => Encoding::DELTA_BINARY_PACKED,
        // The bounds and counts of histograms repeat.
        DataType::Float64 if !column.parts().iter().any(|part| part == "list") => Encoding::BYTE_STREAM_SPLIT,
        DataType::Utf8 if IDS.contains(&name) || UNIQUE_TEXTS.contains(&name) => Encoding::PLAIN,
        _ => return properties,
    };
    let properties = if IDS.contains(&name) {
        properties.set_column_compression(column.clone(), Compression::UNCOMPRESSED)
    } else {
        properties
    };
    properties.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding)
}
