//! The databases and buckets that were written to: what is a place to store in InfluxDB is a label here.

use std::collections::BTreeMap;
use std::sync::Arc;

use flyball_model::intake::Context;
use parking_lot::Mutex;

/// The label with the database's name, as VictoriaMetrics calls it too.
const LABEL: &str = "db";

/// Names that are remembered. More can be written to; they are only not listed.
const NAMES_MAX: usize = 1000;

/// Bytes of a name that is remembered.
const NAME_BYTES_MAX: usize = 256;

/// The names seen since the start, and what is known of a body that was written to one.
#[derive(Debug, Default)]
pub(super) struct Databases(Mutex<BTreeMap<String, Arc<Context>>>);

impl Databases {
    /// What is known of a body that was written to this database.
    pub(super) fn context(&self, name: &str) -> Arc<Context> {
        let mut known = self.0.lock();
        if let Some(context) = known.get(name) {
            return Arc::clone(context);
        }
        let context = Arc::new(Context {
            labels: vec![(LABEL.to_owned(), name.to_owned())],
            // A tag of that name is the sender's own word.
            honor_labels: true,
            ..Context::default()
        });
        if known.len() < NAMES_MAX && name.len() <= NAME_BYTES_MAX {
            known.insert(name.to_owned(), Arc::clone(&context));
        }
        context
    }

    /// The names that were written to since the start, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_label_and_its_context_is_made_once() {
        let databases = Databases::default();
        let context = databases.context("telegraf");
        assert_eq!(context.labels, [("db".to_owned(), "telegraf".to_owned())]);
        assert!(context.honor_labels && Arc::ptr_eq(&context, &databases.context("telegraf")));
        for number in 0..2 * NAMES_MAX {
            assert_eq!(databases.context(&number.to_string()).labels[0].1, number.to_string());
        }
        assert_eq!(databases.names().len(), NAMES_MAX);
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(Databases::default().context(&long).labels[0].1, long);
    }
}
