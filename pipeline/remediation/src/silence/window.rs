//! Maintenance windows: silences that come again by a schedule.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cronexpr::{Crontab, MakeTimestamp};
use flyball_model::time::UnixNanos;
use parking_lot::Mutex;
use twox_hash::XxHash3_128;

use super::error::WindowError;
use super::matcher::Matcher;
use super::registry::uuid;
use super::silence::{Silence, check_matchers};

/// Windows of a configuration. Each violation that changes is compared with all of them.
pub const WINDOWS_MAX: usize = 100;

/// A schedule that does not come in the four years from here, of which one has a 29 February, never comes.
const SOME_TIME: UnixNanos = UnixNanos::from_secs(1_767_225_600);

/// What a configuration says of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowOptions {
    /// What it is called; unique among the windows.
    pub name: String,
    /// A violation must meet all of them.
    pub matchers: Vec<Matcher>,
    /// When it begins: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// The time zone of `cron` by its IANA name. Default `UTC`.
    pub time_zone: String,
    /// How long it lasts each time.
    pub duration: Duration,
    /// Why.
    pub comment: String,
}

/// A maintenance window.
pub struct Window {
    options: WindowOptions,
    schedule: Crontab,
    /// The one that was looked at last: the schedule is followed once an occurrence, not once a violation.
    latest: Mutex<Option<Latest>>,
}

struct Latest {
    /// It is the answer for every instant from here to the end of the silence.
    from: UnixNanos,
    silence: Arc<Silence>,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Window").field(&self.options).finish()
    }
}

impl Window {
    /// A window as a configuration has it.
    ///
    /// # Errors
    /// When its matchers say nothing, or the schedule can't be read or never comes.
    pub fn new(options: WindowOptions) -> Result<Self, WindowError> {
        check_matchers(&options.matchers)?;
        let WindowOptions { cron, time_zone, .. } = &options;
        let words: Vec<&str> = cron.split_whitespace().collect();
        let schedule = if words.len() == 5 {
            cronexpr::parse_crontab(&format!("{} {}", words.join(" "), time_zone.trim()))
                .map_err(|error| first_line(&error.to_string()))
        } else {
            Err(format!("it has {} fields and needs 5", words.len()))
        };
        let schedule = schedule.map_err(|reason| WindowError::Schedule {
            cron: cron.clone(),
            time_zone: time_zone.clone(),
            reason,
        })?;
        let window = Self { options, schedule, latest: Mutex::default() };
        match window.occurrence(SOME_TIME) {
            Some(_) => Ok(window),
            None => Err(WindowError::Never { cron: window.options.cron }),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// The occurrence that holds at `now`, or else the next one. `None` when none comes within years.
    pub fn occurrence(&self, now: UnixNanos) -> Option<Arc<Silence>> {
        let mut latest = self.latest.lock();
        if let Some(Latest { from, silence }) = &*latest
            && (*from..silence.ends_at).contains(&now)
        {
            return Some(Arc::clone(silence));
        }
        // One that began before this is over by now.
        let from = now.minus(self.options.duration);
        let after = MakeTimestamp::from_nanosecond(i128::from(from.0)).ok()?;
        let begins = self.schedule.find_next(after).ok()?;
        let starts_at = UnixNanos(i64::try_from(begins.timestamp().as_nanosecond()).ok()?);
        let silence = Arc::new(self.silence(starts_at));
        *latest = Some(Latest { from: now, silence: Arc::clone(&silence) });
        Some(silence)
    }

    fn silence(&self, starts_at: UnixNanos) -> Silence {
        let WindowOptions { name, matchers, comment, duration, .. } = &self.options;
        let mut hasher = XxHash3_128::new();
        hasher.write(name.as_bytes());
        hasher.write(&starts_at.0.to_le_bytes());
        Silence {
            id: uuid(hasher.finish_128(), 8),
            matchers: matchers.clone(),
            starts_at,
            ends_at: starts_at.plus(*duration),
            updated_at: starts_at,
            created_by: format!("maintenance window {name}"),
            comment: comment.clone(),
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default()
        .trim_start_matches(['^', ' '])
        .to_owned()
}
