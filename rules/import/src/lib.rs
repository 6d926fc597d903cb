//! `flyball rules import`: rules of other systems as flyball's.
//!
//! ```text
//! file ─► YAML or JSON with places ─► its rules ─► PromQL ─► SQL ─► rule file of flyball
//! ```
//!
//! A rule is translated whole and exactly, or refused with its place and the reason; nothing in here guesses. What is left out without a
//! loss of meaning (an annotation, a limit of the other system) is a note.
//!
//! | file | holds |
//! |---|---|
//! | `prometheus` | alerting and recording rules, templates of annotations |
//! | `icos` | policies of the ICOS policy manager, which state the bad condition |
//! | `class` | QoS definitions and tasks of Rotterdam, agreements of SLALite, which state the good one |
//! | `promql` | PromQL to SQL |
//! | `out` | the rule file that is written |

mod class;
mod icos;
mod out;
mod prometheus;
mod promql;

#[cfg(test)]
mod tests;

use flyball_yaml::{Place, Problem, Source, parse};

/// The largest file that is read, as of rule files.
pub const FILE_BYTES_MAX: usize = 10_000_000;
/// The most rules of one file.
pub const RULES_MAX: usize = 100_000;

/// Whose rules they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Rule files of Prometheus, also as PrometheusRule objects of Kubernetes.
    Prometheus,
    /// Policies of ICOS.
    Icos,
    /// QoS definitions, tasks and agreements of CLASS.
    Class,
}

/// What came of a file.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The rule file, YAML; empty where nothing was translated.
    pub yaml: String,
    /// The rules that were read.
    pub total: usize,
    /// Those of them that `yaml` has.
    pub translated: usize,
    /// One for each of the others: its place, its name and the reason.
    pub refused: Vec<Problem>,
    /// What of translated rules was left out or is to be looked at.
    pub notes: Vec<Problem>,
}

/// Translates a file. `name` is what it is called in places and in the head of what is written.
///
/// # Errors
/// When it is not a file of that system; every problem with its place.
pub fn import(system: System, name: &str, text: &str) -> Result<Imported, Vec<Problem>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {} MB", FILE_BYTES_MAX / 1_000_000);
        return Err(vec![Problem::error(Place::start_of(name), message).hint("split it")]);
    }
    let source = Source::new(name, text);
    let root = parse(&source).map_err(|problem| vec![problem])?;
    let mut file = out::File::new(&source);
    let problems = match system {
        System::Prometheus => prometheus::read(&root, &source, &mut file),
        System::Icos => icos::read(&root, &source, &mut file),
        System::Class => class::read(&root, &source, &mut file),
    };
    if problems.is_empty() { Ok(file.finish(system)) } else { Err(problems) }
}
