//! Groups that several rules look at, kept up to date with the points of a metric.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use flyball_model::{MetricRef, RowKind, UnixNanos};
use flyball_store::Store;
use hashbrown::HashMap;

use super::accumulate::Layout;
use super::arrived::Following;
use super::grouping::{GROUPS_MORE, Grouping};
use super::incoming::{Incoming, News, Part};
use super::lookers::Lookers;
use super::member::{Finish, Member};
use super::ranges::{RangeFunction, range_function};
use super::sliding::Sliding;
use super::slots::Slots;
use super::texts::Conditions;
use super::views::View;
use crate::evaluate::EVALUATION_LIMITS;
use crate::functions::call::RangeWindow;
use crate::query::diagnose::while_running;

/// What did not fit into memory is not tried again for so many nanoseconds, by the time of evaluations.
const TOO_LARGE_FOR: i64 = 60_000_000_000;

/// Groups that are looked at together.
pub(super) const BATCH_GROUPS: usize = 8192;

/// Why a table can't go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The engine or the disk says no; it may be better next time.
    Failed(String),
    /// It takes more memory than there is for it.
    TooLarge { bytes: usize },
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Stop::Failed(in_words(error))
    }
}

/// What went wrong in an expression, for the author of the rule.
pub(super) fn in_words(error: DataFusionError) -> String {
    while_running(error, &EVALUATION_LIMITS).to_string()
}

/// What a table is made from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) metric: MetricRef,
    pub(super) window: Sliding,
    pub(super) layout: Layout,
    /// Of records: of what kind they are.
    pub(super) records: Option<RowKind>,
    /// Predicates on columns that are no labels.
    pub(super) points: Vec<Arc<dyn PhysicalExpr>>,
    /// Of a range function: how far it looks back.
    pub(super) range: Option<RangeWindow>,
    /// The columns that are no labels, and behind them `labels` and `conditions`.
    pub(super) point_schema: SchemaRef,
    /// Labels that aggregates ask for beside values.
    pub(super) labels: Vec<Arc<str>>,
    /// What is asked of texts, the last columns of `point_schema`.
    pub(super) conditions: Conditions,
    /// Which of the columns that records are stored in are read, sorted.
    pub(super) read: Vec<usize>,
    /// Keys and aggregates.
    pub(super) group_schema: SchemaRef,
}

/// The groups of one signature, and the rules that look at them.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) parts: Parts,
    pub(super) follower: Option<Following>,
    /// The first pane in the window.
    pub(super) first: i64,
    /// Of a range function: the samples of each series. Its figures are what goes into the groups.
    pub(super) ranges: Option<Box<dyn RangeFunction>>,
    /// Which group a series belongs to.
    pub(super) grouping: Arc<Grouping>,
    /// Whether it has begun since it has this grouping.
    has_begun: bool,
    /// What it keeps of each group.
    pub(super) slots: Slots,
    /// What rules over joins look at, by signature.
    pub(super) views: HashMap<Arc<str>, View>,
    /// The members of each partition.
    pub(super) lookers: Vec<Lookers>,
    pub(super) members: Vec<Option<Member>>,
    /// The place of each member by its token.
    pub(super) places: HashMap<u64, usize>,
    pub(super) points_seen: u64,
    /// Whether points had left memory before it took them, since this was asked last.
    pub(super) fell_behind: bool,
    /// Until when it is not tried again, since it took so many bytes.
    pub(super) too_large: Option<(UnixNanos, usize)>,
}

/// What a table holds, for those who explain a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableSize {
    /// Rules that look at it.
    pub rules: usize,
    /// Series that have been met.
    pub series: usize,
    /// Groups with points in the window.
    pub groups: usize,
    /// Memory, near enough, with what it shares with other tables that group alike.
    pub bytes: usize,
    /// Points that it was brought up to date with since it was made.
    pub points: u64,
    /// What that took, as far as it was done as they arrived.
    pub spent: Duration,
}

impl Table {
    pub(super) fn new(parts: Parts, grouping: Arc<Grouping>) -> Self {
        Self {
            ranges: parts.range.and_then(|range| range_function(range, parts.window, parts.records.is_some())),
            slots: Slots::new(&parts.layout),
            parts,
            follower: None,
            first: i64::MIN,
            grouping,
            has_begun: false,
            views: HashMap::new(),
            lookers: Vec::new(),
            members: Vec::new(),
            places: HashMap::new(),
            points_seen: 0,
            fell_behind: false,
            too_large: None,
        }
    }

    /// Whether the next [`Table::advance`] may read what is stored, which blocks on files, or the twin.
    pub(crate) fn may_read(&self, now: UnixNanos) -> bool {
        self.ranges.is_some() || self.starts_anew(now) || self.has_garbage() || self.has_outdated_view()
    }

    /// Whether the next [`Table::advance`] begins with what is stored.
    fn starts_anew(&self, now: UnixNanos) -> bool {
        self.follower.is_none() || self.parts.window.first_pane(now) < self.first
    }

    /// Whether most groups have no point any longer, so that it had better move on and begin anew without them.
    pub(super) fn has_garbage(&self) -> bool {
        self.grouping.has_grown() && self.slots.wanted() > 2 * self.slots.held() + GROUPS_MORE
    }

    /// Takes a rule in that asks for labels with these values, and looks at a view, given by its signature, or at the table.
    pub(super) fn join(
        &mut self,
        token: u64,
        partition: &[(String, datafusion::common::ScalarValue)],
        mut finish: Finish,
        view: Option<(Arc<str>, View)>,
    ) -> Result<()> {
        let by = self.grouping.by();
        let partition = by.partition(by.classifier.partition_of(partition)?);
        if self.lookers.len() <= partition as usize {
            self.lookers.resize_with(partition as usize + 1, Lookers::default);
        }
        if !self.is_asked(partition) {
            // Groups that nobody looked at may be this rule's.
            self.forget();
        }
        let threshold = finish.take_threshold();
        let signature = view.as_ref().map(|(signature, _)| Arc::clone(signature));
        let member = Member {
            token,
            partition,
            view: signature,
            finish,
            found: Default::default(),
            anew: true,
            touched: true,
            error: None,
        };
        let place = match self.members.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.members.push(None);
                self.members.len() - 1
            }
        };
        self.members[place] = Some(member);
        let lookers = &mut self.lookers[partition as usize];
        match view {
            Some((signature, view)) => {
                lookers.ask(place);
                self.views.entry(signature).or_insert(view).join(partition, place, threshold);
            }
            None => lookers.join(place, threshold),
        }
        self.places.insert(token, place);
        Ok(())
    }

    /// Whether a rule asks for a partition.
    pub(super) fn is_asked(&self, partition: u32) -> bool {
        self.lookers.get(partition as usize).is_some_and(|lookers| !lookers.is_empty())
    }

    /// A rule is gone.
    pub(super) fn leave(&mut self, token: u64) {
        if let Some(place) = self.places.remove(&token)
            && let Some(member) = self.members[place].take()
        {
            self.lookers[member.partition as usize].leave(place);
            if let Some(signature) = member.view
                && self.views.get_mut(&signature).is_some_and(|view| view.leave(place))
            {
                self.views.remove(&signature);
            }
        }
    }

    /// Forgets everything but the rules; the next [`Table::advance`] begins with what is stored.
    fn forget(&mut self) {
        self.follower = None;
        if let Some(ranges) = &mut self.ranges {
            ranges.forget(self.first);
        }
        // What is replaced as a whole has no time.
        self.slots.forget(if self.ranges.is_some() { 0 } else { self.first });
        self.views.values_mut().for_each(View::forget);
        self.lookers.iter_mut().for_each(Lookers::find_nothing);
        for member in self.members.iter_mut().flatten() {
            member.touched |= !member.found.is_empty();
            member.found.clear();
            member.anew = true;
        }
    }

    /// Has another grouping by the same, where no series was met yet.
    pub(super) fn move_on(&mut self, grouping: Arc<Grouping>) {
        (self.grouping, self.has_begun) = (grouping, false);
        self.forget();
    }

    /// Brings the groups up to date with the points that have arrived, as of `now`, and looks for each rule whether it finds others.
    ///
    /// # Errors
    /// [`Stop`]; the table begins anew then.
    pub(crate) fn advance(
        &mut self,
        incoming: &mut Incoming,
        store: &Store,
        now: UnixNanos,
        bytes_max: usize,
    ) -> Result<(), Stop> {
        if let Some((until, bytes)) = self.too_large
            && now < until
        {
            return Err(Stop::TooLarge { bytes });
        }
        let advanced = self.try_advance(incoming, store, now, bytes_max);
        if let Err(stop) = &advanced {
            self.forget();
            self.too_large = match stop {
                Stop::TooLarge { bytes } => Some((UnixNanos(now.0.saturating_add(TOO_LARGE_FOR)), *bytes)),
                Stop::Failed(_) => None,
            };
        }
        advanced
    }

    fn try_advance(
        &mut self,
        incoming: &mut Incoming,
        store: &Store,
        now: UnixNanos,
        bytes_max: usize,
    ) -> Result<(), Stop> {
        let first = self.parts.window.first_pane(now);
        if self.starts_anew(now) {
            self.begin(store, first, bytes_max)?;
        } else {
            self.expire(first);
            match self.follower.as_ref().and_then(|follower| incoming.since(follower, store)) {
                Some(News { parts, mut skip, after }) => {
                    for part in parts {
                        let of_part = skip.min(part.len());
                        self.take(store, part, of_part)?;
                        skip -= of_part;
                    }
                    self.follower = Some(after);
                    self.check_size(bytes_max)?;
                }
                None => {
                    self.fell_behind = true;
                    self.begin(store, first, bytes_max)?;
                }
            }
        }
        self.take_figures(store, now)?;
        self.settle(now).map_err(Stop::from)
    }

    /// Begins with what is stored.
    fn begin(&mut self, store: &Store, first: i64, bytes_max: usize) -> Result<(), Stop> {
        self.first = first;
        self.forget();
        if self.grouping.classifier().is_global() {
            let groups: Vec<u32> =
                (0..self.lookers.len() as u32).map(|partition| self.grouping.global(partition)).collect();
            self.know_groups();
            groups.into_iter().for_each(|group| self.slots.mark(group));
        }
        let from = self.parts.window.start_of(first);
        let mut stopped = Ok(());
        let columns = self.parts.read.clone();
        let records = self.parts.records.map(|kind| (kind, columns.as_slice()));
        let follower = Following::start(store, self.parts.metric, records, from, |arrived| {
            if stopped.is_ok() {
                let taken = self.take(store, &Part::new(arrived), 0).map_err(Stop::from);
                stopped = taken.and_then(|()| self.check_size(bytes_max));
            }
        });
        stopped?;
        self.follower = Some(follower.map_err(|error| Stop::Failed(error.to_string()))?);
        if !std::mem::replace(&mut self.has_begun, true) {
            self.grouping.begun();
        }
        Ok(())
    }

    fn check_size(&self, bytes_max: usize) -> Result<(), Stop> {
        let bytes = self.bytes();
        if bytes > bytes_max { Err(Stop::TooLarge { bytes }) } else { Ok(()) }
    }

    /// Memory with that of its grouping, near enough.
    pub(crate) fn bytes(&self) -> usize {
        self.own_bytes() + self.grouping.bytes()
    }

    /// Memory, near enough.
    pub(super) fn own_bytes(&self) -> usize {
        let views: usize = self.views.values().map(View::bytes).sum();
        let ranges = self.ranges.as_ref().map_or(0, |ranges| ranges.bytes());
        self.slots.bytes() + self.parts.layout.bytes() + ranges + views
    }

    pub(crate) fn size(&self) -> TableSize {
        let met = self.grouping.met();
        let asked = (0..self.lookers.len() as u32).filter(|&partition| self.is_asked(partition));
        TableSize {
            rules: self.members.iter().flatten().count(),
            series: asked.map(|partition| met.series_of(partition)).sum(),
            groups: self.slots.held(),
            bytes: self.own_bytes() + met.bytes(),
            points: self.points_seen,
            spent: Duration::ZERO,
        }
    }

    /// The window moves on to `first`.
    fn expire(&mut self, first: i64) {
        if let Some(ranges) = &mut self.ranges
            && self.first != first
        {
            ranges.move_to(first);
        }
        self.first = first;
        self.slots.expire(first);
    }
}
