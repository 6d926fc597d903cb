//! Recording rules of a test: what an evaluation gives goes into the store, past the twin, and wakes the rules that read it.

use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::{PointBatch, Shape, UnixNanos};
use flyball_rules::definition::Record;
use flyball_rules::evaluate::{Look, Outcome, Reads, Row};
use flyball_rules::recording::{RecordedPoint, moments, newest};

use super::Stage;

impl Stage {
    /// One evaluation of the recording rule at this place, as of each moment that is due.
    pub(super) async fn record(&mut self, place: usize, record: &Record, now: UnixNanos) -> Look {
        let mut outcome = Outcome::Rows(Vec::new());
        let slot = &self.slots[place];
        for at in moments(&slot.rule, slot.recorder.at(), now) {
            outcome = match self.slots[place].evaluator.look(&self.database, at).await.outcome {
                Outcome::Rows(rows) => match self.take(place, record, &rows, at) {
                    Ok(()) => Outcome::Rows(Vec::new()),
                    Err(error) => Outcome::Error(error),
                },
                other => other,
            };
        }
        Look { outcome, reads: Reads::nothing(), sample_at: None }
    }

    fn take(&mut self, place: usize, record: &Record, rows: &[Row], at: UnixNanos) -> Result<(), String> {
        let slot = &mut self.slots[place];
        let (metric, store) = (record.metric.as_str(), self.database.store());
        let taken = slot.recorder.take(&slot.rule, record, rows, at, |series| newest(store, metric, series))?;
        self.owners.claim(&slot.rule.name.as_str().into(), metric, taken.begun())?;
        self.owners.release(metric, taken.ended());
        let points = taken.points.clone();
        slot.recorder.commit(taken);
        self.store(metric, &points)
    }

    fn store(&mut self, metric: &str, points: &[RecordedPoint]) -> Result<(), String> {
        if points.is_empty() {
            return Ok(());
        }
        let store = self.database.store();
        let mut batch = PointBatch::default();
        for RecordedPoint { labels, time, value } in points {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let series = store.registry().resolve(metric, Shape::Numbers, &labels, *time);
            let series = series.map_err(|error| format!("{metric}: {error}"))?;
            batch.push(series, *time, value.unwrap_or(f64::from_bits(STALE_NAN_BITS)));
        }
        self.twin.observe(store.registry(), &batch).map_err(|error| error.to_string())?;
        let touched = store.append_unlogged(batch);
        let now = self.now;
        self.wake(&touched.into_iter().map(|metric| (metric, now)).collect());
        Ok(())
    }
}
