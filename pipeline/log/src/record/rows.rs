//! Records other than numbers as bytes: an Arrow IPC stream, which says itself what its columns are.

use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamEncoder;
use flyball_model::{RowKind, Rows};

use super::{BadRecord, Cursor};

/// Rows as they are written: `kind u8 · ordinal u64 · length u32 · Arrow IPC stream of one batch`; `ordinal` is that of the first record.
pub(super) struct EncodedRows {
    pub(super) head: Vec<u8>,
    /// The columns in it are those of the rows.
    pub(super) stream: Vec<Buffer>,
}

impl EncodedRows {
    pub(super) fn new(rows: &Rows, ordinal: u64) -> Self {
        let stream = stream(rows).expect("rows have the schema of their kind");
        let length = u32::try_from(stream.iter().map(Buffer::len).sum::<usize>());
        let mut head = vec![rows.kind() as u8];
        head.extend(ordinal.to_le_bytes());
        head.extend(length.expect("a record is capped far below 4 GiB").to_le_bytes());
        Self { head, stream }
    }

    pub(super) fn len(&self) -> usize {
        self.head.len() + self.stream.iter().map(Buffer::len).sum::<usize>()
    }
}

fn stream(rows: &Rows) -> Result<Vec<Buffer>, ArrowError> {
    let mut encoder = StreamEncoder::try_new(&rows.kind().schema())?;
    let mut stream = encoder.encode(rows.batch())?;
    stream.extend(encoder.finish()?);
    Ok(stream)
}

pub(super) fn decode(from: &mut Cursor<'_>) -> Result<(Rows, u64), BadRecord> {
    let kind = *RowKind::ALL.get(usize::from(from.byte()?)).ok_or("its kind of rows is unknown")?;
    let ordinal = from.u64()?;
    let length = from.u32()? as usize;
    let stream = from.bytes(length)?;
    let bad = |error: ArrowError| BadRecord(format!("its {}: {error}", kind.as_str()));
    let mut reader = StreamReader::try_new(stream, None).map_err(bad)?;
    let batch = reader.next().ok_or("it has no rows")?.map_err(bad)?;
    let rows = Rows::try_new(kind, batch);
    let rows = rows.map_err(|_| BadRecord(format!("its {} have the columns of another version", kind.as_str())))?;
    Ok((rows, ordinal))
}
