//! A twin for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, MapBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use flyball_model::UnixNanos;
use flyball_model::rows::{map_field_names, string_map_type};
use parking_lot::Mutex;

use crate::catalog::SystemTable;

/// Of the ids of nodes.
const IDS: [&str; 4] = ["a", "b", "c", "lab"];

/// What is known of a node.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Node {
    pub(in super::super) site: Option<&'static str>,
    pub(in super::super) cores: Option<i8>,
    /// The label `rack`.
    pub(in super::super) rack: Option<&'static str>,
}

/// `twin.node`
#[derive(Debug, Default)]
pub(in super::super) struct Nodes {
    nodes: Mutex<(u64, BTreeMap<&'static str, Node>)>,
}

impl Nodes {
    /// A node changes, or goes.
    pub(in super::super) fn put(&self, at: usize, node: Option<Node>) {
        let mut nodes = self.nodes.lock();
        let id = IDS[at % IDS.len()];
        match node {
            Some(node) => nodes.1.insert(id, node),
            None => nodes.1.remove(id),
        };
        nodes.0 += 1;
    }
}

impl SystemTable for Nodes {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("site", DataType::Utf8, true),
            Field::new("cores", DataType::Float64, true),
            Field::new("labels", string_map_type(), false),
        ]))
    }

    fn rows(&self, _: UnixNanos) -> Result<RecordBatch, ArrowError> {
        let nodes = self.nodes.lock();
        let mut labels = MapBuilder::new(Some(map_field_names()), StringBuilder::new(), StringBuilder::new());
        for node in nodes.1.values() {
            if let Some(rack) = node.rack {
                labels.keys().append_value("rack");
                labels.values().append_value(rack);
            }
            labels.append(true)?;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(nodes.1.keys().copied().map(Some).collect::<StringArray>()),
            Arc::new(nodes.1.values().map(|node| node.site).collect::<StringArray>()),
            Arc::new(nodes.1.values().map(|node| node.cores.map(f64::from)).collect::<Float64Array>()),
            Arc::new(labels.finish()),
        ];
        RecordBatch::try_new(self.schema(), columns)
    }

    fn key(&self) -> Option<&str> {
        Some("id")
    }

    fn revision(&self) -> Option<u64> {
        Some(self.nodes.lock().0)
    }
}
