//! Which rule records which series.

use std::collections::HashMap;
use std::sync::Arc;

use flyball_model::series::series_id;

use super::Labels;

/// The series that have a row at the moment, each with its rule. Two rules may record one metric as long as they never mean the same series:
/// else its points would be now of the one and now of the other.
#[derive(Debug, Default)]
pub struct Owners(HashMap<u128, Arc<str>>);

impl Owners {
    /// Makes `rule` the owner of these series, of all or of none.
    ///
    /// # Errors
    /// A sentence that names the first series that is another rule's.
    pub fn claim<'a>(
        &mut self,
        rule: &Arc<str>,
        metric: &str,
        series: impl Iterator<Item = &'a Labels> + Clone,
    ) -> Result<(), String> {
        for labels in series.clone() {
            if let Some(owner) = self.0.get(&id(metric, labels)).filter(|owner| *owner != rule) {
                return Err(format!(
                    "the series {metric}{} is recorded by '{owner}' already; set a label that tells the two rules apart",
                    braced(labels)
                ));
            }
        }
        self.0.extend(series.map(|labels| (id(metric, labels), Arc::clone(rule))));
        Ok(())
    }

    /// These series have ended.
    pub fn release<'a>(&mut self, metric: &str, series: impl Iterator<Item = &'a Labels>) {
        for labels in series {
            self.0.remove(&id(metric, labels));
        }
    }
}

fn id(metric: &str, labels: &Labels) -> u128 {
    let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    series_id(metric, &labels)
}

/// `{a="b"}`
pub(super) fn braced(labels: &Labels) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", labels.join(","))
}
