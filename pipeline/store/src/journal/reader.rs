//! Rebuilding the registry from the journal.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flyball_log::StoredFile;
use flyball_model::series::is_stream_table;
use flyball_model::{MetricInfo, MetricRef, SeriesRegistry, Shape};

use super::archive::Places;
use super::record::{Record, Records};
use super::{FILE_HEADER_BYTES, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, MAGIC, VERSION, frame_header};
use crate::error::StoreError;

/// What was found.
pub(super) struct Loaded {
    pub(super) registry: SeriesRegistry,
    /// Where its series stand.
    pub(super) places: Places,
    /// Where the good part ends; what follows is a torn tail.
    pub(super) end: u64,
}

/// Reads a journal. The registry takes `cap` active series, and has the labels of as many in memory: so a small estate, and a tool that reads
/// a folder, find all of them there, and a large one no more than it may have active.
///
/// # Errors
/// When the file can't be read, is of a newer format, or is damaged elsewhere than at its torn tail.
pub(super) fn load(file: &dyn StoredFile, path: &Path, cap: usize) -> Result<Loaded, StoreError> {
    check_header(file, path)?;
    let registry = SeriesRegistry::new(cap);
    let (mut metrics, mut places) = (Vec::new(), Places::default());
    let end = each_frame(file, path, |offset, body| {
        replay(&registry, &mut metrics, body, |at| places.note(offset, body.len(), at))
    })?;
    Ok(Loaded { registry, places, end })
}

/// A metric of the journal, and what its points are made of.
struct Named {
    name: String,
    shape: Shape,
}

/// Takes a frame's records back; `note` is told where in the body each series is.
fn replay(
    registry: &SeriesRegistry,
    metrics: &mut Vec<Named>,
    body: &[u8],
    mut note: impl FnMut(usize),
) -> Result<(), String> {
    let mut records = Records::new(body);
    loop {
        let at = body.len() - records.left();
        let Some(record) = records.next()? else { return Ok(()) };
        match record {
            Record::Metric { number: MetricRef(number), name, info } => {
                let known = metrics.len();
                let shape = shape(name, &info);
                match metrics.get_mut(number as usize) {
                    Some(metric) if metric.name != name => {
                        return Err(format!("metric {number} is called '{}' and '{name}'", metric.name));
                    }
                    Some(metric) => metric.shape = shape,
                    None if number as usize == known => metrics.push(Named { name: name.to_owned(), shape }),
                    None => return Err(format!("metric {number} comes after {known}")),
                }
                registry.describe(name, &info);
            }
            Record::Series { metric, first_at, labels } => {
                let metric =
                    metrics.get(metric.0 as usize).ok_or_else(|| format!("metric {} is not known", metric.0))?;
                let Named { name, shape } = metric;
                if !labels.is_sorted_by(|a, b| a.0 < b.0) {
                    return Err(format!("the labels of a series of '{name}' are not sorted"));
                }
                let expected = registry.len();
                let series = registry.remember(name, *shape, &labels, first_at, expected < registry.cap());
                if series.map_err(|error| error.to_string())?.0 as usize != expected {
                    return Err(format!("a series of '{name}' stands twice"));
                }
                note(at);
            }
        }
    }
}

/// What the metric's record says; one that is older than shapes says nothing.
fn shape(name: &str, info: &MetricInfo) -> Shape {
    let unsaid = if is_stream_table(name) { Shape::Streams } else { Shape::Numbers };
    info.shape.unwrap_or(unsaid)
}

fn check_header(file: &dyn StoredFile, path: &Path) -> Result<(), StoreError> {
    let length = file.len().map_err(StoreError::io("read", path))?;
    if length < FILE_HEADER_BYTES as u64 {
        return Err(StoreError::Corrupt {
            path: path.to_owned(),
            offset: length,
            detail: format!(
                "the file ends within its header of {FILE_HEADER_BYTES} bytes; restore it from a backup, or start with a new data folder"
            ),
        });
    }
    let mut header = [0; FILE_HEADER_BYTES];
    ReadFrom { file, offset: 0 }.read_exact(&mut header).map_err(StoreError::io("read", path))?;
    let (magic, version) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(StoreError::Corrupt {
            path: path.to_owned(),
            offset: 0,
            detail: "this is not a series journal; check --data-dir".into(),
        });
    }
    let found = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
    if found > VERSION {
        return Err(StoreError::NewerFormat { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

/// A file from a place on.
struct ReadFrom<'f> {
    file: &'f dyn StoredFile,
    offset: u64,
}

impl Read for ReadFrom<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Calls `each` with every good frame, its offset and its body; returns where the last one ends.
fn each_frame(
    file: &dyn StoredFile,
    path: &Path,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<u64, StoreError> {
    let length = file.len().map_err(StoreError::io("read", path))?;
    let mut offset = FILE_HEADER_BYTES as u64;
    let mut reader = BufReader::new(ReadFrom { file, offset });
    let mut body = Vec::new();
    while offset < length {
        if !read_frame(&mut reader, length - offset, &mut body).map_err(StoreError::io("read", path))? {
            check_torn(file, path, offset, length)?;
            return Ok(offset);
        }
        each(offset, &body).map_err(|detail| StoreError::Corrupt {
            path: path.to_owned(),
            offset,
            detail: format!("{detail}; restore the file from a backup, or start with a new data folder"),
        })?;
        offset += (FRAME_HEADER_BYTES + body.len()) as u64;
    }
    Ok(offset)
}

/// Reads a frame's body; false when the frame is damaged or cut off.
fn read_frame(reader: &mut impl Read, left: u64, body: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; FRAME_HEADER_BYTES];
    if left < FRAME_HEADER_BYTES as u64 {
        return Ok(false);
    }
    reader.read_exact(&mut header)?;
    let Some((length, checksum)) = frame_header(&header) else { return Ok(false) };
    if left - (FRAME_HEADER_BYTES as u64) < length as u64 {
        return Ok(false);
    }
    body.resize(length, 0);
    reader.read_exact(body)?;
    Ok(crc32fast::hash(body) == checksum)
}

/// A frame at `bad` is damaged: fine at the end of the file, an error before it.
fn check_torn(file: &dyn StoredFile, path: &Path, bad: u64, length: u64) -> Result<(), StoreError> {
    let corrupt = |detail: &str| StoreError::Corrupt {
        path: path.to_owned(),
        offset: bad,
        detail: format!("{detail}; restore the file from a backup, or start with a new data folder"),
    };
    // One frame is synced at a time, so a torn tail is at most one frame long.
    if length - bad > (FRAME_HEADER_BYTES + FRAME_BYTES_MAX) as u64 {
        return Err(corrupt("a bad checksum, and much data behind it"));
    }
    let mut tail = Vec::new();
    ReadFrom { file, offset: bad }.read_to_end(&mut tail).map_err(StoreError::io("read", path))?;
    for start in 1..tail.len() {
        let frame = &tail[start..];
        if let Some((header, rest)) = frame.split_first_chunk()
            && let Some((length, checksum)) = frame_header(header)
            && rest.get(..length).is_some_and(|body| crc32fast::hash(body) == checksum)
        {
            return Err(corrupt("a bad checksum, and good data behind it"));
        }
    }
    Ok(())
}
