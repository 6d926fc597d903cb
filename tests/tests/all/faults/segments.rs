//! Files of the log as a test sees them: a header of 24 bytes, frames, then zeros.
//!
//! A header is the magic, the version and the start of the segment; a frame begins with the length of its body and has 28 bytes before it.

use std::path::{Path, PathBuf};

const HEADER: usize = 24;
const FRAME_HEADER: usize = 28;

/// Where the version stands.
pub(super) const VERSION: std::ops::Range<usize> = 8..12;

/// The segments of a data folder, the oldest first.
#[track_caller]
pub(super) fn paths(data: &Path) -> Vec<PathBuf> {
    let folder = data.join("log");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment-"));
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).filter(name).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no segments", folder.display());
    paths
}

/// A segment's bytes and where its frames begin; the last place is where the last frame ends.
#[track_caller]
pub(super) fn read(path: &Path) -> (Vec<u8>, Vec<usize>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..8], b"flyblog\n", "{}", path.display());
    let mut places = vec![HEADER];
    let mut at = HEADER;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        if length == 0 {
            break;
        }
        at += FRAME_HEADER + length;
        places.push(at);
    }
    (bytes, places)
}

/// The frame in the middle of a segment, from its first byte to its last.
#[track_caller]
pub(super) fn middle(places: &[usize]) -> std::ops::Range<usize> {
    assert!(places.len() > 6, "too few frames for a middle: {places:?}");
    let middle = places.len() / 2;
    places[middle]..places[middle + 1]
}

/// Writes a segment back.
#[track_caller]
pub(super) fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
