//! All silences: those that people made, and those of maintenance windows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flyball_model::event::Transition;
use flyball_model::state::{ForgetfulLog, Piece, Section, StateLog};
use flyball_model::time::UnixNanos;
use parking_lot::RwLock;

use super::error::SilenceError;
use super::matcher::Matcher;
use super::silence::{Draft, Silence, SilenceState};
use super::window::Window;

/// Silences that have not expired. Each violation that changes is compared with all of them.
pub const SILENCES_MAX: usize = 1_000;

/// Patterns of all silences that have not expired; each takes up to some hundred kilobytes.
pub(super) const REGEXES_MAX: usize = 256;

/// Silences that have expired and are still shown; the oldest make room.
const EXPIRED_MAX: usize = 1_000;

/// How long an expired silence is still shown.
const EXPIRED_KEPT: Duration = Duration::from_secs(5 * 24 * 3600);

/// All silences. Shared by who decides what is told, and by the API.
pub struct Silences {
    /// Held while pieces are put, so that they are in the log in the order in which they came about.
    made: RwLock<BTreeMap<String, Silence>>,
    windows: RwLock<Vec<Window>>,
    state: Arc<dyn StateLog>,
}

impl Default for Silences {
    /// None, and forgotten with the process.
    fn default() -> Self {
        Self::recover(Arc::new(ForgetfulLog), [])
    }
}

impl fmt::Debug for Silences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silences")
            .field("made", &self.made.read().len())
            .field("windows", &self.windows.read().len())
            .finish()
    }
}

impl Silences {
    /// Goes on from what the process before wrote down.
    pub fn recover(state: Arc<dyn StateLog>, written: impl IntoIterator<Item = Silence>) -> Self {
        let made = written.into_iter().map(|silence| (silence.id.clone(), silence)).collect();
        Self { made: RwLock::new(made), windows: RwLock::default(), state }
    }

    /// Has the maintenance windows of a configuration in the place of those before.
    pub fn set_windows(&self, windows: Vec<Window>) {
        *self.windows.write() = windows;
    }

    /// The silences, and windows, that hold a violation back at `now`; nothing for nearly all violations.
    pub fn silenced_by(&self, transition: &Transition, now: UnixNanos) -> Vec<String> {
        let made = self.made.read();
        let made = made.values().filter(|silence| silence.silences(transition, now)).map(|silence| silence.id.clone());
        let windows = self.windows.read();
        let windows = windows.iter().filter_map(|window| {
            let silence = window.occurrence(now)?;
            silence.silences(transition, now).then(|| silence.id.clone())
        });
        made.chain(windows).collect()
    }

    /// The same as a question.
    pub fn silences(&self, transition: &Transition, now: UnixNanos) -> bool {
        self.made.read().values().any(|silence| silence.silences(transition, now))
            || self
                .windows
                .read()
                .iter()
                .any(|window| window.occurrence(now).is_some_and(|occurrence| occurrence.silences(transition, now)))
    }

    /// All of them, in Alertmanager's order: active ones, the first to end first; pending ones, the first to begin first; expired ones, the
    /// last to end first. Of a window the occurrence that holds, or else the next one.
    pub fn all(&self, now: UnixNanos) -> Vec<Silence> {
        let mut all: Vec<Silence> = self.made.read().values().cloned().collect();
        all.extend(
            self.windows
                .read()
                .iter()
                .filter_map(|window| window.occurrence(now))
                .map(|silence| Silence::clone(&silence)),
        );
        all.sort_by_cached_key(|silence| {
            let state = silence.state(now);
            let time = match state {
                SilenceState::Active => silence.ends_at.0,
                SilenceState::Pending => silence.starts_at.0,
                SilenceState::Expired => silence.ends_at.0.saturating_neg(),
            };
            (state, time, silence.id.clone())
        });
        all
    }

    /// One of them.
    pub fn get(&self, id: &str, now: UnixNanos) -> Option<Silence> {
        let made = self.made.read().get(id).cloned();
        made.or_else(|| {
            let windows = self.windows.read();
            let mut of_windows = windows.iter().filter_map(|window| window.occurrence(now));
            of_windows.find(|silence| silence.id == id).map(|silence| Silence::clone(&silence))
        })
    }

    /// Makes a silence or changes one; its id. As in Alertmanager one that is changed in more than its end (or, before it begins, its
    /// times) expires, and a new one takes its place. It holds at once, and survives a restart once the log of state has settled.
    ///
    /// # Errors
    /// When the draft can't be used, what is to be changed is not there, or there are too many.
    pub fn set(&self, draft: Draft, now: UnixNanos) -> Result<String, SilenceError> {
        let now = to_millis(now);
        let Draft { id, matchers, starts_at, ends_at, created_by, comment } =
            Draft { starts_at: to_millis(draft.starts_at), ends_at: to_millis(draft.ends_at), ..draft };
        let draft = Draft { id: None, matchers, starts_at, ends_at, created_by, comment };
        draft.check(now)?;
        let mut made = self.made.write();
        let before = match &id {
            None => None,
            Some(id) => Some(made.get(id).cloned().ok_or_else(|| self.unknown(id, now))?),
        };
        let mut pieces = Vec::new();
        let stays = before.as_ref().is_some_and(|before| may_change(before, &draft, now));
        let ends = before.as_ref().filter(|before| !stays && before.state(now) != SilenceState::Expired);
        check_room(&made, &draft, before.as_ref(), now)?;
        if let Some(before) = ends {
            let ended = ended(before.clone(), now);
            pieces.push(piece(&ended));
            made.insert(ended.id.clone(), ended);
        }
        let id = if stays { before.map(|before| before.id) } else { None }.unwrap_or_else(new_id);
        let starts_at = if stays { draft.starts_at } else { draft.starts_at.max(now) };
        let Draft { matchers, ends_at, created_by, comment, .. } = draft;
        let silence = Silence { id: id.clone(), matchers, starts_at, ends_at, updated_at: now, created_by, comment };
        pieces.push(piece(&silence));
        made.insert(id.clone(), silence);
        pieces.extend(forget_old(&mut made, now));
        self.state.put_all(pieces);
        Ok(id)
    }

    /// Ends a silence now. One that has expired stays as it is.
    ///
    /// # Errors
    /// When there is none of this id, or it is a maintenance window's.
    pub fn expire(&self, id: &str, now: UnixNanos) -> Result<(), SilenceError> {
        let now = to_millis(now);
        let mut made = self.made.write();
        let silence = made.get_mut(id).ok_or_else(|| self.unknown(id, now))?;
        if silence.state(now) == SilenceState::Expired {
            return Ok(());
        }
        *silence = ended(silence.clone(), now);
        let put = piece(silence);
        self.state.put_all(vec![put]);
        Ok(())
    }

    /// Forgets silences that have expired long ago; from time to time.
    pub fn tidy(&self, now: UnixNanos) {
        let is_old = |silence: &Silence| {
            silence.state(now) == SilenceState::Expired
                && (silence.matchers.iter().any(Matcher::is_armed) || silence.ends_at.plus(EXPIRED_KEPT) <= now)
        };
        if !self.made.read().values().any(is_old) {
            return;
        }
        let mut made = self.made.write();
        let forgotten = forget_old(&mut made, now);
        if !forgotten.is_empty() {
            self.state.put_all(forgotten);
        }
    }

    fn unknown(&self, id: &str, now: UnixNanos) -> SilenceError {
        let id = id.to_owned();
        let of = |window: &&Window| window.occurrence(now).is_some_and(|occurrence| occurrence.id == id);
        match self.windows.read().iter().find(of) {
            Some(window) => SilenceError::OfTheConfiguration { window: window.name().to_owned(), id },
            None => SilenceError::NotFound { id },
        }
    }
}

/// Whether a silence may become what the draft says without becoming another one.
fn may_change(before: &Silence, draft: &Draft, now: UnixNanos) -> bool {
    before.matchers == draft.matchers
        && match before.state(now) {
            SilenceState::Active => before.starts_at.as_millis() / 1000 == draft.starts_at.as_millis() / 1000,
            SilenceState::Pending => draft.starts_at >= now,
            SilenceState::Expired => false,
        }
}

/// Whether there is room for what the draft says, `before` leaving.
fn check_room(
    made: &BTreeMap<String, Silence>,
    draft: &Draft,
    before: Option<&Silence>,
    now: UnixNanos,
) -> Result<(), SilenceError> {
    let others = || {
        made.values().filter(|silence| {
            silence.state(now) != SilenceState::Expired && before.is_none_or(|before| before.id != silence.id)
        })
    };
    if others().count() >= SILENCES_MAX {
        return Err(SilenceError::TooMany);
    }
    let regexes = draft.matchers.iter().filter(|matcher| matcher.is_regex()).count();
    if regexes > 0 && others().map(Silence::regexes).sum::<usize>() + regexes > REGEXES_MAX {
        return Err(SilenceError::TooManyRegexes);
    }
    Ok(())
}

fn ended(mut silence: Silence, now: UnixNanos) -> Silence {
    silence.starts_at = silence.starts_at.min(now);
    silence.ends_at = now;
    silence.updated_at = now;
    silence
}

/// Takes away what has expired long ago, and the compiled patterns of what expired just now.
fn forget_old(made: &mut BTreeMap<String, Silence>, now: UnixNanos) -> Vec<Piece> {
    let mut expired = Vec::new();
    for silence in made.values_mut().filter(|silence| silence.state(now) == SilenceState::Expired) {
        silence.matchers.iter_mut().for_each(Matcher::disarm);
        expired.push((silence.ends_at, silence.id.clone()));
    }
    expired.sort_unstable();
    let surplus = expired.len().saturating_sub(EXPIRED_MAX);
    let old = expired.into_iter().enumerate();
    let old = old.filter(|(place, (ends_at, _))| *place < surplus || ends_at.plus(EXPIRED_KEPT) <= now);
    let old: Vec<String> = old.map(|(_, (_, id))| id).collect();
    old.into_iter()
        .map(|id| {
            made.remove(&id);
            Piece::forget(Section::Silences, id)
        })
        .collect()
}

fn piece(silence: &Silence) -> Piece {
    Piece::json(Section::Silences, silence.id.as_str(), silence)
}

fn to_millis(at: UnixNanos) -> UnixNanos {
    UnixNanos::from_millis(at.as_millis())
}

/// A random UUID, version 4.
fn new_id() -> String {
    uuid(rand::random(), 4)
}

/// 128 bits as a UUID of a version.
pub(super) fn uuid(bits: u128, version: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | version << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
