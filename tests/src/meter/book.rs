//! The fate of each request of one sender.

use std::collections::BTreeMap;

use super::courier::Outcome;

/// A request's fate so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// How often it was sent.
    pub attempts: u32,
    /// How often the connection died before the answer: whether it was taken then, nobody knows.
    pub unknown: u32,
    /// In which life of the receiver it was acknowledged, from 1.
    pub acked: Option<u32>,
}

/// What one sender knows.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// By number of the request.
    pub fates: Vec<Fate>,
    /// Retryable refusals by status.
    pub refusals: BTreeMap<u16, u64>,
    /// Retryable refusals that did not say when to try again.
    pub without_hint: u64,
    /// Answers that no sound body may get.
    pub faults: Vec<String>,
}

/// More faults than these say nothing new.
const FAULTS_MAX: usize = 20;

impl Book {
    /// Requests that were acknowledged.
    pub fn acked(&self) -> u64 {
        self.fates.iter().filter(|fate| fate.acked.is_some()).count() as u64
    }

    /// Attempts whose answer never came: each may have been taken.
    pub fn unknown(&self) -> u64 {
        self.fates.iter().map(|fate| u64::from(fate.unknown)).sum()
    }

    /// Retryable refusals.
    pub fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }

    /// The first request that is not acknowledged yet: all before it are.
    pub fn settled(&self, from: u64) -> u64 {
        let rest = self.fates.iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
        from + rest.take_while(|fate| fate.acked.is_some()).count() as u64
    }

    /// Writes an attempt down. `life` is that of the receiver, from 1.
    pub fn note(&mut self, request: u64, outcome: &Outcome, life: u32) {
        let index = usize::try_from(request).expect("requests are counted in memory");
        if self.fates.len() <= index {
            self.fates.resize(index + 1, Fate::default());
        }
        let fate = &mut self.fates[index];
        fate.attempts += 1;
        match outcome {
            Outcome::Acked => fate.acked = Some(life),
            Outcome::Unreachable => {}
            Outcome::Unknown => fate.unknown += 1,
            Outcome::Refused { status, hint, .. } => {
                *self.refusals.entry(*status).or_default() += 1;
                self.without_hint += u64::from(!hint);
            }
            Outcome::Fault(fault) if self.faults.len() < FAULTS_MAX => {
                self.faults.push(format!("request {request}: {fault}"))
            }
            Outcome::Fault(_) => {}
        }
    }
}
