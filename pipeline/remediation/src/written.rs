//! What of the events and their fates is written down.

use std::collections::BTreeMap;

use flyball_model::event::Event;
use flyball_model::state::{Piece, Section};
use serde::{Deserialize, Serialize};

use crate::log::Counts;
use crate::row::{RemediationRow, RemediationState};

/// A piece of [`Section::Remediations`]; its key is the event's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenRow {
    /// Its place in the order in which events were made.
    pub number: u64,
    /// The row.
    pub row: RemediationRow,
    /// All that is needed to deliver it, as long as it is not settled.
    pub event: Option<Event>,
}

/// A piece of [`Section::Accounts`]: how many events of a backend came to each state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenAccount {
    /// The backend's name.
    pub backend: String,
    /// [`RemediationState::Queued`] counts every event that set out.
    pub events: BTreeMap<RemediationState, u64>,
}

/// The same as [`WrittenRow`], borrowed.
#[derive(Serialize)]
struct RowToWrite<'a> {
    number: u64,
    row: &'a RemediationRow,
    event: Option<&'a Event>,
}

impl WrittenAccount {
    pub(crate) fn counts(accounts: impl IntoIterator<Item = Self>) -> Counts {
        let of = |account: Self| {
            let backend = account.backend;
            account.events.into_iter().map(move |(state, events)| ((backend.clone(), state), events))
        };
        accounts.into_iter().flat_map(of).collect()
    }
}

pub(crate) fn row_piece(number: u64, row: &RemediationRow, event: Option<&Event>) -> Piece {
    Piece::json(Section::Remediations, row.id.as_str(), &RowToWrite { number, row, event })
}

pub(crate) fn forget_row(id: &str) -> Piece {
    Piece::forget(Section::Remediations, id)
}

pub(crate) fn account_piece(backend: &str, counts: &Counts) -> Piece {
    let mine = counts.iter().filter(|((of, _), _)| of == backend);
    let events = mine.map(|((_, state), &events)| (*state, events)).collect();
    let account = WrittenAccount { backend: backend.to_owned(), events };
    Piece::json(Section::Accounts, format!("backend:{backend}"), &account)
}
