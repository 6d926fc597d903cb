//! Keeping the journal up with the registry.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use flyball_log::StoredFile;
use flyball_model::series::{LabelView, RegistryView};
use flyball_model::{MetricRef, SeriesRef, SeriesRegistry};
use hashbrown::HashMap;
use tracing::warn;

use super::archive::JournalArchive;
use super::reader::{Loaded, load};
use super::record::{encode_metric, encode_series};
use super::{FRAME_BYTES_TARGET, FRAME_HEADER_BYTES, JOURNAL, MAGIC, VERSION};
use crate::error::StoreError;
use crate::folder::Folder;

/// Series looked at under one hold of the registry's lock.
const SERIES_AT_ONCE: usize = 4096;

/// Bytes of a removed journal that are copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// The open journal, and how much of the registry stands in it.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Box<dyn StoredFile>,
    folder: Folder,
    path: PathBuf,
    /// What could not be read when it was opened.
    torn: Option<Torn>,
    /// Where the next frame goes; everything before it is synced.
    end: u64,
    extent: Extent,
    /// The version of each metric's information that was written.
    infos: Vec<u64>,
    /// What reads series back.
    archive: Arc<JournalArchive>,
}

/// An end of the journal that could not be read. A write that was cut off leaves one, of which nothing else speaks; so does damage, which shows
/// where the log or the history speaks of series that are missing. Until then it is kept: it goes when the next frame takes its place.
#[derive(Debug, Clone)]
pub(crate) struct Torn {
    path: PathBuf,
    offset: u64,
    bytes: u64,
}

impl Torn {
    /// The error for what speaks of a series that stood there: it was damage.
    pub(crate) fn needed(&self, by: &str, series: usize) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            offset: self.offset,
            detail: format!(
                "its last {} bytes can't be read, {by}, and the good part has {series}; restore the file from a backup: nothing of it was cut",
                self.bytes
            ),
        }
    }
}

/// How much of a registry there is: with the same extent there is nothing new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    pub(crate) series: u64,
    /// Of the names and descriptions of metrics. The shape, which a metric gets with its first series, is not in it.
    pub(crate) names: u64,
}

impl Extent {
    pub(crate) fn of(view: &RegistryView<'_>) -> Self {
        Self { series: view.series_count() as u64, names: view.names_version() }
    }
}

/// What a frame adds.
#[derive(Debug, Default)]
struct Addition {
    body: Vec<u8>,
    records: u64,
    /// Metrics and the versions of their information.
    infos: HashMap<usize, u64>,
    /// Where in the body each series is.
    series: Vec<usize>,
    extent: Extent,
}

impl Journal {
    /// Opens the journal of a data folder, or makes an empty one; a torn tail stays until the next frame takes its place.
    ///
    /// # Errors
    /// When it can't be read or made, is of a newer format, or is damaged elsewhere than at its torn tail.
    pub(crate) fn open(folder: &Folder, cap: usize) -> Result<(Self, SeriesRegistry), StoreError> {
        let path = folder.path.join(JOURNAL);
        let opened = match folder.storage.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let header = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
                folder.write(&path.with_extension("journal.tmp"), &path, &header)?;
                folder.storage.open(&path)
            }
            opened => opened,
        };
        let mut file = opened.map_err(StoreError::io("open", &path))?;
        let Loaded { registry, places, end } = load(&*file, &path, cap)?;
        let length = file.len().map_err(StoreError::io("read", &path))?;
        let torn = (length > end).then(|| Torn { path: path.clone(), offset: end, bytes: length - end });
        if let Some(Torn { path, offset, bytes }) = &torn {
            warn!(path = %path.display(), offset, bytes, "torn tail of the series journal; the next new series take its place");
        }
        // What was read may be in the page cache only, when the last process died between a write and its sync.
        file.sync().map_err(StoreError::io("sync", &path))?;
        let view = registry.read();
        let infos = view.metrics().map(|metric| view.info_version(metric)).collect();
        let extent = Extent::of(&view);
        drop(view);
        let to_read = folder.storage.open(&path).map_err(StoreError::io("open", &path))?;
        let archive = Arc::new(JournalArchive::new(path.clone(), to_read, places));
        registry.set_archive(Arc::<JournalArchive>::clone(&archive));
        Ok((Self { file, folder: folder.clone(), path, torn, end, extent, infos, archive }, registry))
    }

    /// Where it stands.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What could not be read when it was opened.
    pub(crate) fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Whether the file still has a name.
    ///
    /// # Errors
    /// When the disk says no.
    pub(crate) fn is_there(&self) -> Result<bool, StoreError> {
        self.file.has_name().map_err(StoreError::io("look at", &self.path))
    }

    /// Puts it back where somebody removed it: an open file can be read without its name, and labels of idle series are nowhere else.
    ///
    /// # Errors
    /// When the disk says no, or another journal stands there. The next call tries again.
    pub(crate) fn put_back(&mut self) -> Result<(), StoreError> {
        let found = match self.folder.storage.open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.map_err(StoreError::io("open", &self.path))?),
        };
        // What a try before has put there, or a backup, is a beginning of this one.
        if let Some(found) = found
            && !self.begins_with(&*found).map_err(StoreError::io("read", &self.path))?
        {
            let other = "it was removed while in use, and another one stands there now; move that one away";
            let other = io::Error::new(ErrorKind::AlreadyExists, other);
            return Err(StoreError::io("put back", &self.path)(other));
        }
        let temporary = self.path.with_extension("journal.tmp");
        let mut copy = self.folder.storage.create(&temporary).map_err(StoreError::io("create", &temporary))?;
        self.each_piece(|piece, offset| copy.write_at(piece, offset).map(|()| true))
            .map_err(StoreError::io("write", &temporary))?;
        copy.sync().map_err(StoreError::io("sync", &temporary))?;
        self.folder.rename(&temporary, &self.path)?;
        let to_read = self.folder.storage.open(&self.path).map_err(StoreError::io("open", &self.path))?;
        self.archive.read_from(to_read);
        self.file = copy;
        warn!(path = %self.path.display(), bytes = self.end, "the series journal was removed while in use; it was put back");
        Ok(())
    }

    /// Whether all that another file holds stands at the start of this one.
    fn begins_with(&self, other: &dyn StoredFile) -> io::Result<bool> {
        if other.len()? > self.end {
            return Ok(false);
        }
        let mut theirs = vec![0; COPY_BYTES];
        self.each_piece(|ours, offset| {
            let read = other.read_at(&mut theirs[..ours.len()], offset)?;
            Ok(theirs[..read] == ours[..read])
        })
    }

    /// Calls `each` with piece after piece of what is synced, and with its place, until it says false; false then.
    fn each_piece(&self, mut each: impl FnMut(&[u8], u64) -> io::Result<bool>) -> io::Result<bool> {
        let mut piece = vec![0; COPY_BYTES];
        let mut offset = 0;
        while offset < self.end {
            let wanted = usize::try_from(self.end - offset).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            let read = self.file.read_at(&mut piece[..wanted], offset)?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if !each(&piece[..read], offset)? {
                return Ok(false);
            }
            offset += read as u64;
        }
        Ok(true)
    }

    /// Writes and syncs what the registry has and the journal does not; returns how many records that was.
    ///
    /// # Errors
    /// When the disk says no. What was not synced is written again the next time.
    pub(crate) fn catch_up(&mut self, registry: &SeriesRegistry) -> Result<u64, StoreError> {
        let mut written = 0;
        loop {
            // What is not in the journal yet has not left the memory.
            let addition = self.addition(&registry.labels_in_memory());
            if !addition.body.is_empty() {
                let frame = self.end;
                self.append(&addition.body).map_err(StoreError::io("write", &self.path))?;
                self.archive.synced(frame, addition.body.len(), &addition.series);
            }
            self.extent = addition.extent;
            for (metric, version) in addition.infos {
                self.infos.resize(self.infos.len().max(metric + 1), 0);
                self.infos[metric] = version;
            }
            written += addition.records;
            if addition.body.is_empty() {
                return Ok(written);
            }
        }
    }

    /// As much as a frame takes of what is new.
    fn addition(&self, view: &LabelView<'_>) -> Addition {
        let mut addition = Addition { extent: self.extent, ..Addition::default() };
        if view.names_version() != self.extent.names {
            for metric in view.metrics() {
                if addition.is_full() {
                    return addition;
                }
                addition.describe(view, metric, &self.infos);
            }
            addition.extent.names = view.names_version();
        }
        let batch_end = view.series_count().min(self.extent.series as usize + SERIES_AT_ONCE);
        for series in self.extent.series as usize..batch_end {
            if addition.is_full() {
                break;
            }
            let series = SeriesRef(series as u32);
            // It may be the metric's first, which says of what shape it is.
            addition.describe(view, view.metric_of(series), &self.infos);
            addition.series.push(addition.body.len());
            encode_series(view, series, &mut addition.body);
            addition.extent.series += 1;
            addition.records += 1;
        }
        addition
    }

    /// How much of the registry stands in it.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    fn append(&mut self, body: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(FRAME_HEADER_BYTES + body.len());
        let length = u32::try_from(body.len()).expect("a frame is far below 4 GiB");
        frame.extend(length.to_le_bytes());
        frame.extend(crc32fast::hash(body).to_le_bytes());
        frame.extend(crc32fast::hash(&frame).to_le_bytes());
        frame.extend(body);
        // Always from the known good end: a write that failed half-way is overwritten, not followed, and what a failed sync may have
        // taken out of the page cache is written again.
        self.file.write_at(&frame, self.end)?;
        self.file.set_len(self.end + frame.len() as u64)?;
        self.file.sync()?;
        self.end += frame.len() as u64;
        Ok(())
    }
}

impl Addition {
    fn is_full(&self) -> bool {
        self.body.len() >= FRAME_BYTES_TARGET
    }

    /// Adds what is known of a metric, if that is not written yet.
    fn describe(&mut self, view: &RegistryView<'_>, metric: MetricRef, written: &[u64]) {
        let (number, version) = (metric.0 as usize, view.info_version(metric));
        if written.get(number) != Some(&version) && self.infos.insert(number, version) != Some(version) {
            encode_metric(view, metric, &mut self.body);
            self.records += 1;
        }
    }
}
