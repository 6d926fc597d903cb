//! Where the tests' processes keep their state, and what of it outlives them.

use std::path::Path;
use std::sync::Arc;

use flyball_log::simulation::PowerCutDisk;
use flyball_log::{Durability, Log, Recovery};
use flyball_model::WallClock;
use flyball_model::state::{MemoryLog, State, StateLog};

const DIR: &str = "/data";

/// A log of state that ends with a crash.
pub(super) enum Ground {
    /// A list, cut off wherever the test says.
    Memory(Arc<MemoryLog>),
    /// The log itself, on a disk that loses power.
    Disk(PowerCutDisk, Arc<Log>),
}

impl Ground {
    /// A list that begins with this.
    pub(super) fn memory(state: State) -> (Self, State) {
        let memory = MemoryLog::with(state.clone());
        memory.hold(true);
        (Self::Memory(Arc::new(memory)), state)
    }

    /// What a disk holds.
    pub(super) fn disk(disk: PowerCutDisk) -> (Self, State) {
        let recovery = Recovery::open(Path::new(DIR), Arc::new(disk.clone())).expect("the power is on");
        let recovered = recovery.replay(Durability::Fsync, |_| Ok(()), |_| ()).expect("the power is on");
        assert!(recovered.damages.is_empty());
        let (log, state) = Log::start(recovered, Box::new(|| Ok(())), Arc::new(WallClock::default()));
        (Self::Disk(disk, Arc::new(log)), state)
    }

    pub(super) fn log(&self) -> Arc<dyn StateLog> {
        match self {
            Self::Memory(memory) => Arc::<MemoryLog>::clone(memory),
            Self::Disk(_, log) => Arc::<Log>::clone(log),
        }
    }

    /// Waits until all that was put is durable.
    pub(super) fn settle(&self) {
        if let Self::Memory(memory) = self {
            memory.hold(false);
        }
        let log = self.log();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a thread can wait");
        runtime.block_on(log.settled()).expect("the power is on");
        if let Self::Memory(memory) = self {
            memory.hold(true);
        }
    }

    /// The process ends. Of what nobody waited for, the first so many calls survive; or the power goes after so many operations of the disk.
    pub(super) fn crash(self, kept: usize) -> (Self, State) {
        match self {
            Self::Memory(memory) => Self::memory(memory.after_crash(kept)),
            Self::Disk(disk, log) => {
                disk.cut_after(kept as u64);
                log.stop();
                disk.power_back();
                Self::disk(disk)
            }
        }
    }
}
