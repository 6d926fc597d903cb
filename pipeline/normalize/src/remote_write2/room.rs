//! Memory that is kept from body to body.

use std::cell::Cell;

use flyball_decode::remote_write2::SymbolPlaces;

use crate::aliases::AliasKey;

/// Rooms for more symbols than this are given back: a usual request has some thousand.
const SYMBOLS_KEPT_MAX: usize = 1 << 16;

/// What a request's symbols need beside their text.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) places: SymbolPlaces,
    /// The key of each symbol.
    pub(super) keys: Vec<AliasKey>,
    /// What was said of the metric that a symbol names, as one number; 0 is nothing.
    pub(super) said: Vec<u64>,
}

thread_local! {
    static ROOM: Cell<Option<Box<Room>>> = const { Cell::new(None) };
}

impl Room {
    /// Lends this thread's room for one body.
    pub(super) fn lend<T>(with: impl FnOnce(&mut Room) -> T) -> T {
        let mut room = ROOM.take().unwrap_or_default();
        let result = with(&mut room);
        if room.keys.capacity() <= SYMBOLS_KEPT_MAX {
            ROOM.set(Some(room));
        }
        result
    }
}
