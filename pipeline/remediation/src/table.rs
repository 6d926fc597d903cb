//! `flyball.remediations` as Arrow columns.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use flyball_model::batch::time_type;
use flyball_model::time::UnixNanos;

use crate::log::RemediationLog;
use crate::row::RemediationRow;

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("violation", DataType::Utf8, false),
        Field::new("rule", DataType::Utf8, false),
        Field::new("step", DataType::UInt32, true),
        Field::new("attempt", DataType::UInt32, true),
        Field::new("backend", DataType::Utf8, false),
        Field::new("action", DataType::Utf8, false),
        Field::new("target", DataType::Utf8, true),
        Field::new("state", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, true),
        Field::new("proposed_at", time_type(), false),
        Field::new("executed_at", time_type(), true),
        Field::new("settled_at", time_type(), true),
        Field::new("event", DataType::Utf8, false),
    ]))
});

impl RemediationLog {
    /// The schema of `flyball.remediations`. `target` is a JSON object, `event` the event's type.
    pub fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    /// All rows, the newest first.
    pub fn batch(&self) -> RecordBatch {
        let rows = self.rows();
        let columns: Vec<ArrayRef> = vec![
            texts(&rows, |row| Some(row.id.clone())),
            texts(&rows, |row| Some(row.violation.clone())),
            texts(&rows, |row| Some(row.rule.clone())),
            Arc::new(rows.iter().map(|row| row.step).collect::<UInt32Array>()),
            Arc::new(rows.iter().map(|row| row.attempt).collect::<UInt32Array>()),
            texts(&rows, |row| Some(row.backend.clone())),
            texts(&rows, |row| Some(row.action.as_str().to_owned())),
            texts(&rows, target_json),
            texts(&rows, |row| Some(row.state.as_str().to_owned())),
            texts(&rows, |row| row.reason.clone()),
            times(&rows, |row| Some(row.proposed_at)),
            times(&rows, |row| row.executed_at),
            times(&rows, |row| row.settled_at),
            texts(&rows, |row| Some(row.event.to_string())),
        ];
        RecordBatch::try_new(Self::schema(), columns).expect("the columns are made for this schema, with one length")
    }
}

fn texts(rows: &[RemediationRow], column: impl Fn(&RemediationRow) -> Option<String>) -> ArrayRef {
    Arc::new(rows.iter().map(column).collect::<StringArray>())
}

fn times(rows: &[RemediationRow], column: impl Fn(&RemediationRow) -> Option<UnixNanos>) -> ArrayRef {
    let nanos = rows.iter().map(|row| column(row).map(|time| time.0));
    Arc::new(nanos.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}

fn target_json(row: &RemediationRow) -> Option<String> {
    (!row.target.is_empty()).then(|| serde_json::json!(row.target).to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flyball_model::action::ActionKind;
    use flyball_model::event::{EventKind, State};
    use flyball_model::ports::Delivery;

    use super::*;
    use crate::row::RemediationState;

    #[test]
    fn rows_become_a_table() {
        let log = RemediationLog::default();
        assert_eq!((log.batch().num_rows(), log.batch().schema()), (0, RemediationLog::schema()));
        let told = RemediationRow {
            id: "a".into(),
            violation: "v".into(),
            rule: "r".into(),
            event: EventKind::Violation(State::Firing),
            step: None,
            attempt: None,
            backend: "ops".into(),
            action: ActionKind::Notify,
            target: BTreeMap::new(),
            state: RemediationState::Queued,
            reason: None,
            proposed_at: UnixNanos::from_secs(1),
            executed_at: None,
            settled_at: None,
        };
        log.record(told.clone());
        log.record(RemediationRow {
            id: "b".into(),
            event: EventKind::RemediationRequested,
            step: Some(0),
            attempt: Some(1),
            action: ActionKind::ScaleOut,
            target: BTreeMap::from([("kind".into(), "Deployment".into()), ("name".into(), "we\"b".into())]),
            ..told
        });
        log.settle("b", &Delivery::Accepted { attempts: 1 }, UnixNanos::from_secs(2));
        let mut csv = Vec::new();
        arrow::csv::Writer::new(&mut csv).write(&log.batch()).expect("plain columns");
        let expected = r#"id,violation,rule,step,attempt,backend,action,target,state,reason,proposed_at,executed_at,settled_at,event
b,v,r,0,1,ops,scale_out,"{""kind"":""Deployment"",""name"":""we\""b""}",delivered,,1970-01-01T00:00:01Z,1970-01-01T00:00:02Z,1970-01-01T00:00:02Z,flyball.remediation.requested
a,v,r,,,ops,notify,,queued,,1970-01-01T00:00:01Z,,,flyball.violation.firing
"#;
        assert_eq!(String::from_utf8_lossy(&csv), expected);
    }
}
