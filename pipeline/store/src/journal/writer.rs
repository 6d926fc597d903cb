//! Keeping the journal up with the registry.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flyball_model::{SeriesRef, SeriesRegistry};
use tracing::warn;

use super::reader::{Loaded, load};
use super::record::{encode_metric, encode_series};
use super::{FRAME_BYTES_TARGET, FRAME_HEADER_BYTES, MAGIC, VERSION};
use crate::error::StoreError;
use crate::folder;

/// Series looked at under one hold of the registry's lock.
const SERIES_AT_ONCE: usize = 4096;

/// The open journal, and how much of the registry stands in it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Where the next frame goes; everything before it is synced.
    end: u64,
    series: usize,
    /// The version of each metric's information that was written.
    infos: Vec<u64>,
}

impl Journal {
    /// Opens the journal of a data folder, or makes an empty one; a torn tail is cut.
    ///
    /// # Errors
    /// When it can't be read or made, is of a newer format, or is damaged elsewhere than at its torn tail.
    pub(crate) fn open(dir: &Path, cap: usize) -> Result<(Self, SeriesRegistry), StoreError> {
        let path = dir.join("series.journal");
        if !path.exists() {
            create(dir, &path)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(StoreError::io("open", &path))?;
        let Loaded { registry, end } = load(&mut file, &path, cap)?;
        let length = file.metadata().map_err(StoreError::io("read", &path))?.len();
        if length > end {
            warn!(path = %path.display(), offset = end, bytes = length - end, "torn tail of the series journal cut");
            file.set_len(end).map_err(StoreError::io("cut", &path))?;
            file.sync_all().map_err(StoreError::io("sync", &path))?;
        }
        let view = registry.read();
        let infos = view.metrics().map(|metric| view.info_version(metric)).collect();
        let series = view.series_count();
        drop(view);
        Ok((Self { file, path, end, series, infos }, registry))
    }

    /// Writes and syncs what the registry has and the journal does not; returns how many records that was.
    ///
    /// # Errors
    /// When the disk says no. What was not synced is written again the next time.
    pub(crate) fn catch_up(&mut self, registry: &SeriesRegistry) -> Result<u64, StoreError> {
        let mut written = 0;
        loop {
            let mut body = Vec::new();
            let (mut series, mut infos, mut records) = (self.series, self.infos.clone(), 0);
            let view = registry.read();
            let full = |body: &[u8]| body.len() >= FRAME_BYTES_TARGET;
            for metric in view.metrics() {
                let version = view.info_version(metric);
                let number = metric.0 as usize;
                if !full(&body) && infos.get(number).is_none_or(|written| *written != version) {
                    encode_metric(&view, metric, &mut body);
                    infos.resize(infos.len().max(number + 1), version);
                    infos[number] = version;
                    records += 1;
                }
            }
            let batch_end = view.series_count().min(series + SERIES_AT_ONCE);
            while series < batch_end && !full(&body) {
                encode_series(&view, SeriesRef(series as u32), &mut body);
                series += 1;
                records += 1;
            }
            drop(view);
            if body.is_empty() {
                return Ok(written);
            }
            self.append(&body)?;
            (self.series, self.infos) = (series, infos);
            written += records;
        }
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    fn append(&mut self, body: &[u8]) -> Result<(), StoreError> {
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + body.len());
        let length = u32::try_from(body.len()).expect("a frame is far below 4 GiB");
        frame.extend(length.to_le_bytes());
        frame.extend(crc32fast::hash(body).to_le_bytes());
        frame.extend(crc32fast::hash(&frame).to_le_bytes());
        frame.extend(body);
        // Always from the known good end: a write that failed half-way is overwritten, not followed.
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(self.end))?;
            file.write_all(&frame)?;
            file.set_len(self.end + frame.len() as u64)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(StoreError::io("write", &self.path))?;
        self.end += frame.len() as u64;
        Ok(())
    }
}

fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let temporary = dir.join("series.journal.tmp");
    let mut file = File::create(&temporary).map_err(StoreError::io("create", &temporary))?;
    let header = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
    file.write_all(&header).map_err(StoreError::io("write", &temporary))?;
    file.sync_all().map_err(StoreError::io("sync", &temporary))?;
    folder::rename(&temporary, path)
}
