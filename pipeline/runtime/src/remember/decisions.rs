//! From transitions to rows and events, and all of it into the log of state.

use std::sync::Arc;

use flyball_model::Reading;
use flyball_model::event::Transition;
use flyball_model::state::Piece;
use flyball_remediation::silence::Silences;
use flyball_remediation::{ActionLimits, BackendInfo, Planned, Planner, RemediationLog};
use flyball_rules::lifecycle::Changes;
use parking_lot::Mutex;

use crate::history::{News, Recorded, ViolationHistory, gist};

/// Pieces that are put as one take at most about this many bytes, unless one transition alone needs more. All that a rule's ten thousand
/// instances can bring about in one evaluation would be fifty megabytes.
const GROUP_BYTES_MAX: usize = 256 << 10;

/// Events in one such group, whose bytes are known only when they are written.
const GROUP_EVENTS_MAX: usize = 64;

/// Takes down what the rules decided.
#[derive(Debug)]
pub struct Decisions {
    planner: Mutex<Planner>,
    backends: Vec<BackendInfo>,
    history: Arc<ViolationHistory>,
    log: Arc<RemediationLog>,
    silences: Arc<Silences>,
    group_bytes_max: usize,
}

impl Decisions {
    /// Decisions are planned for these backends, which are not told of what is silenced.
    pub fn new(
        planner: Planner,
        backends: Vec<BackendInfo>,
        history: Arc<ViolationHistory>,
        log: Arc<RemediationLog>,
        silences: Arc<Silences>,
    ) -> Self {
        Self { planner: Mutex::new(planner), backends, history, log, silences, group_bytes_max: GROUP_BYTES_MAX }
    }

    /// Plans within other limits from here on.
    pub(crate) fn set_limits(&self, limits: ActionLimits) {
        self.planner.lock().set_limits(limits);
    }

    /// Puts less as one, so that a crash has more places to fall between.
    #[cfg(test)]
    pub(crate) fn in_groups_of(self, bytes: usize) -> Self {
        Self { group_bytes_max: bytes, ..self }
    }

    /// Takes down an evaluation of `rule`: its transitions, the changes of its state, and the ids of what is still `active`. What is given
    /// back is to be delivered in this order, once the log of state has settled.
    pub fn take<'a>(
        &self,
        rule: &str,
        transitions: &[Transition],
        changes: Changes,
        active: impl IntoIterator<Item = &'a str>,
        at: Reading,
    ) -> Vec<Planned> {
        let Changes { first, mut violations, last } = changes;
        let mut planner = self.planner.lock();
        let mut group = Group { pieces: first, ..Group::new(self) };
        for transition in transitions {
            group.extend(violations.remove(&transition.violation).unwrap_or_default());
            let silenced = self.silences.silences(transition, at.now);
            let Recorded { pieces, tell, displaced } = self.history.record(transition, silenced);
            group.extend(pieces);
            if let Some(displaced) = &displaced {
                tracing::warn!(
                    rule = displaced.transition.rule,
                    "more violations are silenced than can be remembered; the oldest is told"
                );
            }
            for news in tell.into_iter().chain(displaced) {
                group.plan(&mut planner, news, at);
            }
            group.put_when_large();
        }
        for pieces in violations.into_values() {
            group.extend(pieces);
            group.put_when_large();
        }
        group.extend(self.history.keep_pending(rule, active));
        group.extend(last);
        group.put();
        group.outgoing
    }
}

impl Decisions {
    /// Tells what was held back and is not silenced any more, with today's values where `today` knows them. What is given back is to be
    /// delivered in this order, once the log of state has settled.
    pub(crate) fn release(&self, at: Reading, today: impl Fn(&Transition) -> Option<Transition>) -> Vec<Planned> {
        let mut planner = self.planner.lock();
        let mut group = Group::new(self);
        for held in self.history.held() {
            if self.silences.silences(&held, at.now) {
                continue;
            }
            let Some((piece, mut news)) = self.history.release(&held.violation) else { continue };
            // Who is told of what is as it was hears today's values. Of what changed since, the rules tell when they do.
            let today = today(&held).filter(|today| gist(today) == gist(&held));
            if let Some(today) = today {
                news.transition = Transition { before: news.transition.before, ..today };
            }
            group.extend([piece]);
            group.plan(&mut planner, news, at);
            group.put_when_large();
        }
        group.put();
        group.outgoing
    }
}

/// Pieces and events that are put as one.
struct Group<'a> {
    decisions: &'a Decisions,
    pieces: Vec<Piece>,
    planned: Vec<Planned>,
    bytes: usize,
    outgoing: Vec<Planned>,
}

impl<'a> Group<'a> {
    fn new(decisions: &'a Decisions) -> Self {
        Self { decisions, pieces: Vec::new(), planned: Vec::new(), outgoing: Vec::new(), bytes: 0 }
    }

    /// What backends are told and asked.
    fn plan(&mut self, planner: &mut Planner, news: News, at: Reading) {
        let News { transition, acknowledged } = news;
        let mut planned = planner.plan(&transition, &self.decisions.backends, at);
        planned.iter_mut().for_each(|planned| planned.event.acknowledged.clone_from(&acknowledged));
        self.planned.extend(planned);
        self.extend(planner.take_changes());
    }

    fn extend(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        for piece in pieces {
            self.bytes += piece.bytes();
            self.pieces.push(piece);
        }
    }

    fn put_when_large(&mut self) {
        if self.bytes > self.decisions.group_bytes_max || self.planned.len() > GROUP_EVENTS_MAX {
            self.put();
        }
    }

    fn put(&mut self) {
        self.bytes = 0;
        self.outgoing
            .extend(self.decisions.log.plan(std::mem::take(&mut self.planned), std::mem::take(&mut self.pieces)));
    }
}
