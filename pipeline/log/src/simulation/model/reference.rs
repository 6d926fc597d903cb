//! The naive model: a list of records and of values that were put, with what must have become of each.

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest_state_machine::ReferenceStateMachine;

use super::bodies::Spec;
use crate::Durability;

/// Keys of state that are put.
pub(super) const KEYS: usize = 2;

/// What happens to a log.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A record is submitted.
    Append(What),
    /// A piece of state is put, or its key forgotten.
    Put { key: usize, is_forgotten: bool },
    /// The log's thread writes what waits.
    Sync,
    /// It tries to, while one operation of the disk in so many fails.
    Refused { one_in: u64 },
    /// So many more records need the log no longer. A body may be under way meanwhile.
    Checkpoint { release: usize, meanwhile: Option<Spec> },
    /// The process ends, and another one begins.
    Restart(End),
}

/// What is submitted.
#[derive(Debug, Clone)]
pub(super) enum What {
    Body(Spec),
    /// A line of the ledger about a body that was refused; nobody waits for it if it is a note.
    Refusal {
        is_note: bool,
    },
}

/// How a process ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// It is told to.
    Stop,
    /// `kill -9`: what was handed to the operating system stays.
    Kill,
    /// The power goes after so many operations of what it does; maybe once more in the recovery.
    PowerCut { doing: Doing, after: u64, again: Option<u64> },
}

/// What a process does when the power goes.
#[derive(Debug, Clone)]
pub(super) enum Doing {
    Nothing,
    Sync,
    Checkpoint { release: usize },
}

/// What became of a record or a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits in memory.
    Waits,
    /// It was given to a disk that failed, and is tried again as long as the process lives.
    Tried,
    /// It must be there, from now on.
    Durable,
    /// It can't be there: it was in memory only.
    Lost,
    /// It was being written when the process ended: the restart decided, once and for all.
    Either,
}

/// What its submitter was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    Durable,
    Refused,
    /// One of the three.
    Any,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) what: What,
    pub(super) fate: Fate,
    pub(super) answer: Answer,
}

/// Whether the log says that it can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    No,
    Yes,
    Any,
}

/// The model.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) durability: Durability,
    /// Seed of what the disk does.
    pub(super) seed: u64,
    /// In the order in which they were submitted; a body's place is its number.
    pub(super) records: Vec<Record>,
    /// Records before this one are in the history.
    pub(super) released: usize,
    /// Values by key, the oldest first.
    pub(super) puts: [Vec<(Option<usize>, Fate)>; KEYS],
    pub(super) trouble: Trouble,
    /// The power went while acknowledged records were with the operating system only: any of them may be gone.
    pub(super) is_loose: bool,
}

impl Reference {
    /// What may stand under a key.
    pub(super) fn may_stand(&self, key: usize) -> Vec<Option<usize>> {
        let puts = &self.puts[key];
        let durable = puts.iter().rposition(|(_, fate)| *fate == Fate::Durable).unwrap_or_default();
        puts[durable..].iter().filter(|(_, fate)| *fate != Fate::Lost).map(|(value, _)| *value).collect()
    }

    fn fates(&mut self) -> impl Iterator<Item = &mut Fate> {
        let records = self.records.iter_mut().map(|record| &mut record.fate);
        records.chain(self.puts.iter_mut().flatten().map(|(_, fate)| fate))
    }

    fn become_of(&mut self, change: impl Fn(Fate) -> Fate) {
        self.fates().for_each(|fate| *fate = change(*fate));
    }

    fn answer(&mut self, answer: Answer) {
        let waiting = |record: &&mut Record| record.answer == Answer::None && record.what.has_waiter();
        self.records.iter_mut().filter(waiting).for_each(|record| record.answer = answer);
    }

    /// All is written. Who came while the disk refused is told so, although it is durable now.
    fn written(&mut self) {
        self.answer(match self.trouble {
            Trouble::No => Answer::Durable,
            Trouble::Yes => Answer::Refused,
            Trouble::Any => Answer::Any,
        });
        self.become_of(|fate| if matches!(fate, Fate::Waits | Fate::Tried) { Fate::Durable } else { fate });
        self.trouble = Trouble::No;
    }

    /// The disk fails once in so many operations.
    fn refused(&mut self, one_in: u64) {
        let waits = self.fates().any(|fate| *fate == Fate::Waits);
        let was_in = self.trouble;
        if !waits && was_in == Trouble::No {
            return;
        }
        let is_certain = one_in == 1 && (waits || was_in == Trouble::Yes);
        self.answer(if is_certain || was_in == Trouble::Yes { Answer::Refused } else { Answer::Any });
        self.trouble = if is_certain { Trouble::Yes } else { Trouble::Any };
        self.become_of(|fate| if fate == Fate::Waits { Fate::Tried } else { fate });
    }

    /// The oldest records that were decided are in the history now.
    fn release(&mut self, count: usize) {
        let decided = |record: &&Record| !matches!(record.fate, Fate::Waits | Fate::Tried);
        self.released += self.records[self.released..].iter().take(count).take_while(decided).count();
    }

    fn ended(&mut self, end: &End) {
        let is_writing = match end {
            End::Stop => return self.written_and_restarted(),
            End::Kill | End::PowerCut { doing: Doing::Nothing, .. } => false,
            End::PowerCut { doing: Doing::Sync, .. } => true,
            End::PowerCut { doing: Doing::Checkpoint { release }, .. } => {
                self.release(*release);
                true
            }
        };
        self.is_loose |= self.durability == Durability::Flush && matches!(end, End::PowerCut { .. });
        self.answer(Answer::Any);
        let is_loose = self.is_loose && matches!(end, End::PowerCut { .. });
        self.become_of(|fate| match fate {
            Fate::Waits if is_writing => Fate::Either,
            Fate::Waits => Fate::Lost,
            Fate::Tried => Fate::Either,
            Fate::Durable if is_loose => Fate::Either,
            decided => decided,
        });
        self.trouble = Trouble::No;
    }

    fn written_and_restarted(&mut self) {
        self.written();
        self.answer(Answer::Any);
    }
}

impl What {
    /// Whether anybody waits for it.
    pub(super) fn has_waiter(&self) -> bool {
        !matches!(self, What::Refusal { is_note: true })
    }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let durability = prop_oneof![3 => Just(Durability::Fsync), 1 => Just(Durability::Flush)];
        (durability, any::<u64>())
            .prop_map(|(durability, seed)| Self {
                durability,
                seed,
                records: Vec::new(),
                released: 0,
                // Before the first put there is nothing, and that is certain.
                puts: std::array::from_fn(|_| vec![(None, Fate::Durable)]),
                trouble: Trouble::No,
                is_loose: false,
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let what = prop_oneof![4 => Spec::any().prop_map(What::Body), 1 => any::<bool>().prop_map(|is_note| What::Refusal { is_note })];
        let doing = prop_oneof![
            1 => Just(Doing::Nothing),
            2 => Just(Doing::Sync),
            2 => (0..6_usize).prop_map(|release| Doing::Checkpoint { release }),
        ];
        let power_cut = (doing, 0..14_u64, prop::option::of(0..8_u64));
        let end = prop_oneof![
            1 => Just(End::Stop),
            2 => Just(End::Kill),
            3 => power_cut.prop_map(|(doing, after, again)| End::PowerCut { doing, after, again }),
        ];
        prop_oneof![
            8 => what.prop_map(Step::Append),
            1 => (0..KEYS, prop::bool::weighted(0.2)).prop_map(|(key, is_forgotten)| Step::Put { key, is_forgotten }),
            4 => Just(Step::Sync),
            2 => (1..8_u64).prop_map(|one_in| Step::Refused { one_in }),
            2 => (0..6_usize, prop::option::of(Spec::any())).prop_map(|(release, meanwhile)| Step::Checkpoint { release, meanwhile }),
            4 => end.prop_map(Step::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Append(what) => state.append(what.clone()),
            Step::Put { key, is_forgotten } => {
                let number = state.puts[*key].len();
                state.puts[*key].push(((!is_forgotten).then_some(number), Fate::Waits));
            }
            Step::Sync => state.written(),
            Step::Refused { one_in } => state.refused(*one_in),
            Step::Checkpoint { release, meanwhile } => {
                state.release(*release);
                if let Some(spec) = meanwhile {
                    state.append(What::Body(spec.clone()));
                }
            }
            Step::Restart(end) => state.ended(end),
        }
        state
    }
}

impl Reference {
    fn append(&mut self, what: What) {
        self.records.push(Record { what, fate: Fate::Waits, answer: Answer::None });
    }
}
