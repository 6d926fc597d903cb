//! Records other than numbers as bytes: an Arrow IPC stream, which says itself what its columns are.

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use flyball_model::{RowKind, Rows};

use super::{BadRecord, Cursor, with_length};

/// `kind u8 · ordinal u64 · length u32 · Arrow IPC stream of one batch`; `ordinal` is that of the first record.
pub(super) fn encode(rows: &Rows, ordinal: u64, out: &mut Vec<u8>) {
    out.push(rows.kind() as u8);
    out.extend(ordinal.to_le_bytes());
    let schema = rows.kind().schema();
    with_length(out, |out| {
        let written = StreamWriter::try_new(&mut *out, &schema).and_then(|mut writer| {
            writer.write(rows.batch())?;
            writer.finish()
        });
        written.expect("rows have the schema of their kind, and memory takes every byte");
    });
}

pub(super) fn decode(from: &mut Cursor<'_>) -> Result<(Rows, u64), BadRecord> {
    let kind = *RowKind::ALL.get(usize::from(from.byte()?)).ok_or("its kind of rows is unknown")?;
    let ordinal = from.u64()?;
    let length = from.u32()? as usize;
    let stream = from.bytes(length)?;
    let bad = |error: arrow::error::ArrowError| BadRecord(format!("its {}: {error}", kind.as_str()));
    let mut reader = StreamReader::try_new(stream, None).map_err(bad)?;
    let batch = reader.next().ok_or("it has no rows")?.map_err(bad)?;
    let rows = Rows::try_new(kind, batch);
    let rows = rows.map_err(|_| BadRecord(format!("its {} have the columns of another version", kind.as_str())))?;
    Ok((rows, ordinal))
}
