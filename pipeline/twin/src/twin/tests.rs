use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use flyball_model::batch::STALE_NAN_BITS;
use flyball_model::ports::FieldValue;
use flyball_model::series::{Archive, ColdError, EachLabels};
use flyball_model::{SeriesRef, SeriesRegistry};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{ATTRIBUTES_MAX, ENTITIES_MAX};

/// A twin with a registry, fed with text in the form of an exposition.
struct Fed {
    registry: SeriesRegistry,
    twin: Twin,
}

impl Fed {
    fn new() -> Self {
        static BUILTIN: LazyLock<Mapping> = LazyLock::new(Mapping::builtin);
        Self::with(BUILTIN.clone())
    }

    fn with(mapping: Mapping) -> Self {
        Self { registry: SeriesRegistry::new(10_000), twin: Twin::new(mapping) }
    }

    /// Feeds samples (`name{a="b"} value`) as a scraper would, with its own labels added where the sample has none.
    fn scrape(&self, second: i64, own: &[(&str, &str)], text: &str) -> &Self {
        let points = self.points(second, own, text);
        self.observe(&points);
        self
    }

    fn points(&self, second: i64, own: &[(&str, &str)], text: &str) -> Vec<(SeriesRef, UnixNanos, f64)> {
        let time = UnixNanos::from_secs(second);
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        samples
            .map(|line| {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let (metric, labels) = series.split_once('{').unwrap_or((series, "}"));
                let mut labels: Vec<(&str, &str)> = labels
                    .trim_end_matches('}')
                    .split("\",")
                    .filter_map(|label| label.split_once("=\""))
                    .map(|(name, value)| (name, value.trim_end_matches('"')))
                    .collect();
                labels.extend(
                    own.iter()
                        .filter(|(name, _)| !labels.iter().any(|label| label.0 == *name))
                        .copied()
                        .collect::<Vec<_>>(),
                );
                labels.sort_unstable();
                let series =
                    self.registry.resolve(metric, flyball_model::Shape::Numbers, &labels, time).expect("below the cap");
                (series, time, value.parse().expect("a number"))
            })
            .collect()
    }

    fn observe(&self, points: &[(SeriesRef, UnixNanos, f64)]) {
        let mut batch = PointBatch::with_capacity(points.len());
        points.iter().for_each(|&(series, time, value)| batch.push(series, time, value));
        self.twin.observe(&self.registry, &batch).expect("labels are in memory");
    }

    fn document(&self) -> serde_json::Value {
        self.twin.document(UnixNanos::from_secs(1000))
    }

    fn ids(&self, kind: EntityKind) -> Vec<String> {
        let document = self.document();
        let entities = document[kind.plural()].as_array().expect("a list of entities");
        entities.iter().map(|entity| entity["id"].as_str().expect("an id").to_owned()).collect()
    }

    fn attribute(&self, kind: EntityKind, id: &str, name: &str) -> serde_json::Value {
        self.twin.entity(kind, id).expect("the entity is known")["attributes"][name]["value"].clone()
    }
}

const SCAPHANDRE: &str = include_str!("../../fixtures/scaphandre.prom");
const KEPLER: &str = include_str!("../../fixtures/kepler.prom");
const NODE_EXPORTER: &str = include_str!("../../fixtures/node_exporter.prom");
const KUBE_STATE_METRICS: &str = include_str!("../../fixtures/kube_state_metrics.prom");
const SCRAPED: &[(&str, &str)] = &[("instance", "edge-1:8080"), ("job", "power")];

#[test]
fn scaphandre_gives_a_node_its_processes_and_a_pod() {
    let fed = Fed::new();
    fed.scrape(10, SCRAPED, SCAPHANDRE);
    insta::assert_json_snapshot!(fed.document());
}

#[test]
fn kepler_gives_nodes_and_pods_without_adding_zones_up() {
    let fed = Fed::new();
    fed.scrape(10, &[("instance", "edge-2:28282")], KEPLER);
    insta::assert_json_snapshot!(fed.document());
}

#[test]
fn node_exporter_gives_a_node_that_keeps_its_id_and_learns_its_name() {
    let fed = Fed::new();
    let own = &[("instance", "10.0.0.11:9100"), ("job", "node")];
    fed.scrape(10, own, NODE_EXPORTER);
    let later = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1005\nnode_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 1110\n\
                 node_network_receive_bytes_total{device=\"eth0\"} 6000";
    fed.scrape(20, own, later);
    insta::assert_json_snapshot!(fed.document());
}

#[test]
fn kube_state_metrics_gives_nodes_pods_deployments_and_their_parents() {
    let fed = Fed::new();
    fed.scrape(10, &[("instance", "10.1.0.9:8080"), ("cluster", "a")], KUBE_STATE_METRICS);
    insta::assert_json_snapshot!(fed.document());
}

#[test]
fn opentelemetry_resources_give_every_kind_from_one_series() {
    let fed = Fed::new();
    fed.scrape(
        10,
        &[],
        r#"http_request_latency_seconds{host_name="edge-1",k8s_cluster_name="a",k8s_deployment_name="web",k8s_namespace_name="shop",k8s_node_name="edge-1",k8s_pod_name="web-7f9c-x2",process_pid="7",process_executable_name="web",service_name="web",os_type="linux"} 0.4
system_memory_limit{host_name="edge-1"} 1024
k8s_pod_phase{k8s_namespace_name="shop",k8s_pod_name="web-7f9c-x2"} 2"#,
    );
    insta::assert_json_snapshot!(fed.document());
}

#[test]
fn icos_labels_are_carried_and_series_without_identity_are_passed_over() {
    let fed = Fed::new();
    fed.scrape(
        10,
        &[],
        r#"tlum_host_info{hostname="edge-1",icos_agent_id="agent",icos_host_name="0a1b2c3d:edge-1",latitude="41.4",longitude="2.1",os="linux"} 1
up{instance="10.0.0.9:9090",job="x"} 1"#,
    );
    assert_eq!(fed.ids(EntityKind::Node), ["edge-1"]);
    let labels = fed.twin.entity(EntityKind::Node, "edge-1").expect("known")["labels"].clone();
    let expected = json!({"icos_agent_id": "agent", "icos_host_name": "0a1b2c3d:edge-1", "latitude": "41.4", "longitude": "2.1", "os": "linux"});
    assert_eq!(labels, expected);
}

#[test]
fn a_pod_that_moved_is_where_the_latest_point_says() {
    let fed = Fed::new();
    let on = |node| format!("kube_pod_info{{namespace=\"shop\",pod=\"web\",node=\"{node}\"}} 1");
    fed.scrape(20, &[], &on("edge-2")).scrape(10, &[], &on("edge-1"));
    let pod = fed.twin.entity(EntityKind::Pod, "shop/web").expect("known");
    assert_eq!(pod["parents"], json!({"namespace": "shop", "node": "edge-2"}));
    assert_eq!(pod["first_seen_at"], "1970-01-01T00:00:10Z");
}

#[test]
fn a_series_that_ended_gives_no_attribute_and_no_sign_of_life() {
    let fed = Fed::new();
    let points = fed.points(10, SCRAPED, "node_load1 0.5\nnode_load5 0.4");
    fed.observe(&points);
    fed.observe(&[(points[0].0, UnixNanos::from_secs(30), f64::from_bits(STALE_NAN_BITS))]);
    let node = fed.twin.entity(EntityKind::Node, "edge-1").expect("known");
    assert_eq!(node["updated_at"], "1970-01-01T00:00:10Z");
    assert_eq!(
        (node["attributes"].get("load1"), fed.attribute(EntityKind::Node, "edge-1", "load5")),
        (None, json!(0.4))
    );
}

#[test]
fn the_first_rule_wins_while_its_series_are_alive() {
    let fed = Fed::new();
    fed.scrape(10, &[], "scaph_host_power_microwatts{instance=\"edge-2\"} 30000000");
    fed.scrape(20, &[], "kepler_node_cpu_watts{node_name=\"edge-2\",zone=\"package\"} 22");
    assert_eq!(fed.attribute(EntityKind::Node, "edge-2", "power_watts"), json!(30.0));
    fed.scrape(500, &[], "kepler_node_cpu_watts{node_name=\"edge-2\",zone=\"package\"} 23");
    assert_eq!(fed.attribute(EntityKind::Node, "edge-2", "power_watts"), json!(23.0));
}

#[test]
fn what_is_not_a_number_is_null_in_the_document_and_absent_from_snapshots() {
    let fed = Fed::new();
    fed.scrape(10, SCRAPED, "node_load1 NaN\nnode_load5 +Inf\nnode_load15 1");
    assert_eq!(fed.attribute(EntityKind::Node, "edge-1", "load1"), json!(null));
    let records = fed.twin.records(UnixNanos::from_secs(12));
    let expected =
        [("age_seconds", 2.0), ("load15", 1.0)].map(|(name, value)| (name.to_owned(), FieldValue::Float(value)));
    assert_eq!(records[0].fields, expected);
}

#[test]
fn a_snapshot_has_one_record_an_entity_and_leaves_out_what_is_old() {
    let fed = Fed::new();
    fed.scrape(1000, &[("cluster", "a")], KUBE_STATE_METRICS);
    fed.scrape(600, SCRAPED, "node_load1 0.5").scrape(600, &[("instance", "gone")], "node_load1 0.5");
    insta::assert_debug_snapshot!(fed.twin.records(UnixNanos::from_secs(1002)));
}

#[test]
fn tables_have_main_columns_and_maps() {
    let fed = Fed::new();
    fed.scrape(10, SCRAPED, SCAPHANDRE).scrape(10, &[("cluster", "a")], KUBE_STATE_METRICS);
    for kind in EntityKind::ALL {
        let batch = fed.twin.batch(kind);
        assert_eq!((batch.schema(), batch.num_rows()), (Twin::schema(kind), fed.twin.len(kind)), "{kind}");
    }
    for kind in EntityKind::ALL {
        let all = fed.twin.batch(kind);
        for place in 0..all.num_columns() {
            let some = [place, 0];
            assert_eq!(fed.twin.columns(kind, &some), all.project(&some).expect("columns"), "{kind} {place}");
        }
        assert_eq!(fed.twin.columns(kind, &[]).num_rows(), all.num_rows());
    }
    let nodes = fed.twin.batch(EntityKind::Node);
    let watts = nodes.column_by_name("power_watts").expect("a column").as_primitive::<Float64Type>();
    assert_eq!((watts.value(0), watts.is_null(1)), (41.25, true));
    let pods = fed.twin.batch(EntityKind::Pod);
    let text = |name: &str| pods.column_by_name(name).expect("a column").as_string::<i32>().value(0).to_owned();
    assert_eq!(["id", "phase", "node", "deployment"].map(text), ["shop/web-7f9c-x2", "Running", "edge-1", "shop/web"]);
    let schema = Twin::schema(EntityKind::Node);
    assert_eq!(
        schema.field_with_name("power_watts").expect("a field").metadata().get("unit").map(String::as_str),
        Some("W")
    );
}

#[test]
fn a_users_rules_name_entities_and_attributes_of_their_own() {
    let yaml = "\
- {entity: device, metrics: [plc_*], id: '{site}/{unit}', parents: {node: '{host}'}, labels: [maker]}
- {attribute: '{__name__}', of: device, metrics: [plc_*], scale: 0.1}
";
    let fed = Fed::with(Mapping::builtin().extend("user.yaml", yaml).expect("a good mapping"));
    fed.scrape(
        10,
        &[],
        "plc_temp{site=\"s\",unit=\"7\",maker=\"m\",host=\"edge-1\"} 215\nplc_id{site=\"s\",unit=\"7\"} 1",
    );
    let device = fed.twin.entity(EntityKind::Device, "s/7").expect("known");
    assert_eq!((&device["labels"], &device["parents"]), (&json!({"maker": "m"}), &json!({"node": "edge-1"})));
    assert_eq!(fed.attribute(EntityKind::Device, "s/7", "plc_temp"), json!(21.5));
}

#[test]
fn attributes_beyond_the_bound_and_bad_names_are_refused_and_counted() {
    let yaml = "- {attribute: '{name}', of: node, metrics: [node_any]}\n";
    let fed = Fed::with(Mapping::builtin().extend("user.yaml", yaml).expect("a good mapping"));
    for number in 0..ATTRIBUTES_MAX + 3 {
        fed.scrape(10, SCRAPED, &format!("node_any{{name=\"a{number}\"}} 1"));
    }
    fed.scrape(10, SCRAPED, "node_any{name=\"id\"} 1");
    let node = fed.twin.entity(EntityKind::Node, "edge-1").expect("known");
    assert_eq!(node["attributes"].as_object().map(serde_json::Map::len), Some(ATTRIBUTES_MAX));
    assert_eq!(fed.twin.attributes_refused(), 4);
}

#[test]
fn entities_beyond_the_bound_are_refused_and_counted_and_known_ones_go_on() {
    let registry = SeriesRegistry::new(ENTITIES_MAX + 10);
    let mut batch = PointBatch::with_capacity(ENTITIES_MAX + 2);
    for number in 0..ENTITIES_MAX + 2 {
        let series = registry.resolve(
            "node_load1",
            flyball_model::Shape::Numbers,
            &[("instance", &number.to_string())],
            UnixNanos(1),
        );
        batch.push(series.expect("below the cap"), UnixNanos(1), 1.0);
    }
    let twin = Twin::new(Mapping::builtin());
    twin.observe(&registry, &batch).expect("labels are in memory");
    twin.observe(&registry, &batch).expect("labels are in memory");
    assert_eq!((twin.len(EntityKind::Node), twin.entities_refused()), (ENTITIES_MAX, 2));
    let of_known = registry
        .resolve("node_load5", flyball_model::Shape::Numbers, &[("instance", "0")], UnixNanos(2))
        .expect("below the cap");
    batch.clear();
    batch.push(of_known, UnixNanos(2), 0.5);
    twin.observe(&registry, &batch).expect("labels are in memory");
    assert_eq!(twin.entity(EntityKind::Node, "0").expect("known")["attributes"]["load5"]["value"], 0.5);
}

#[test]
fn only_batches_that_speak_of_entities_change_the_revision() {
    let fed = Fed::new();
    fed.scrape(10, &[], "up 1");
    assert_eq!(fed.twin.revision(), 0);
    fed.scrape(10, SCRAPED, "node_load1 1");
    assert_eq!(fed.twin.revision(), 1);
    assert!(fed.twin.entity(EntityKind::Pod, "edge-1").is_none());
}

/// Series of several sorts: latest, sums, rates, words, and labels that contradict each other.
static SERIES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    vec![
        r#"node_load1{instance="a"}"#,
        r#"node_cpu_seconds_total{instance="a",cpu="0",mode="idle"}"#,
        r#"node_cpu_seconds_total{instance="a",cpu="1",mode="idle"}"#,
        r#"kube_pod_info{namespace="n",pod="p",node="a",pod_ip="1"}"#,
        r#"kube_pod_info{namespace="n",pod="p",node="b",pod_ip="2"}"#,
        r#"kube_pod_status_phase{namespace="n",pod="p",phase="Pending"}"#,
        r#"kube_pod_status_phase{namespace="n",pod="p",phase="Running"}"#,
        r#"scaph_process_power_consumption_microwatts{instance="a",pid="1",kubernetes_pod_namespace="n",kubernetes_pod_name="p"}"#,
        r#"scaph_process_power_consumption_microwatts{instance="a",pid="2",kubernetes_pod_namespace="n",kubernetes_pod_name="p"}"#,
        r#"kepler_node_cpu_watts{node_name="a",zone="package"}"#,
        r#"scaph_host_power_microwatts{instance="a"}"#,
    ]
});

proptest! {
    #[test]
    fn the_same_points_in_any_order_and_in_any_batches_give_the_same_twin(
        (sorted, shuffled) in prop::collection::btree_map(0_i64..2000, (0..SERIES.len(), -5_i32..1000), 1..60)
            .prop_map(|points| points.into_iter().map(|(second, (series, value))| (second, series, value)).collect::<Vec<_>>())
            .prop_flat_map(|points| (Just(points.clone()), Just(points).prop_shuffle())),
        size in 1_usize..10,
    ) {
        let (one, other) = (Fed::new(), Fed::new());
        for (fed, points, size) in [(&one, &sorted, sorted.len()), (&other, &shuffled, size)] {
            for batch in points.chunks(size) {
                let points: Vec<_> = batch
                    .iter()
                    .flat_map(|&(second, series, value)| fed.points(second, &[], &format!("{} {value}", SERIES[series])))
                    .collect();
                fed.observe(&points);
            }
        }
        prop_assert_eq!(one.document(), other.document());
        let now = UnixNanos::from_secs(1500);
        prop_assert_eq!(one.twin.records(now), other.twin.records(now));
    }
}

/// The labels of a registry, for another one that has none in memory.
#[derive(Debug)]
struct Shelf {
    labels: Vec<Vec<(String, String)>>,
    fails: AtomicBool,
}

impl Archive for Shelf {
    fn end(&self) -> u32 {
        self.labels.len() as u32
    }

    fn read(&self, series: &[SeriesRef], each: &mut EachLabels<'_>) -> Result<(), ColdError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(ColdError("the disk is gone".to_owned()));
        }
        for &series in series {
            let labels = &self.labels[series.0 as usize];
            each(series, &labels.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>());
        }
        Ok(())
    }
}

#[test]
fn series_whose_labels_are_not_in_memory_are_met_all_the_same() {
    let fed = Fed::new();
    let text = "node_load1 1.5\nnode_memory_MemTotal_bytes 8e9\nnode_cpu_seconds_total{mode=\"idle\"} 3";
    let points =
        [fed.points(10, &[("instance", "a:1"), ("job", "n")], text), fed.points(10, &[("instance", "b:1")], text)];
    let points: Vec<_> = points.concat();
    fed.observe(&points);

    // Another process: the first series has its labels in memory, the others have them on the shelf.
    let (registry, mut labels) = (SeriesRegistry::new(100), Vec::new());
    let view = fed.registry.labels_in_memory();
    for number in 0..view.series_count() as u32 {
        let (series, name) = (SeriesRef(number), view.metric_name(view.metric_of(SeriesRef(number))));
        let pairs: Vec<_> = view.labels(series).collect();
        let same = registry.remember(name, flyball_model::Shape::Numbers, &pairs, view.first_at(series), number == 0);
        assert_eq!(same, Ok(series));
        labels.push(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    }
    let shelf = Arc::new(Shelf { labels, fails: AtomicBool::new(true) });
    registry.set_archive(Arc::<Shelf>::clone(&shelf));
    let again = Fed { registry, twin: Twin::new(Mapping::builtin()) };
    let mut batch = PointBatch::default();
    points.iter().for_each(|&(series, time, value)| batch.push(series, time, value));

    assert!(again.twin.observe(&again.registry, &batch).is_err());
    assert_eq!(again.twin.len(EntityKind::Node), 1, "what is in memory was taken in");
    shelf.fails.store(false, Ordering::Relaxed);
    again.twin.observe(&again.registry, &batch).expect("a good archive");
    assert_eq!(again.document(), fed.document());

    let restored = Twin::new(Mapping::builtin());
    let mut pieces = Vec::new();
    let gather = |piece: &[u8]| {
        pieces.push(piece.to_vec());
        Ok::<_, ()>(())
    };
    fed.twin.export(gather).expect("gathering never fails");
    pieces.iter().for_each(|piece| restored.restore(&again.registry, piece).expect("a good piece"));
    let restored = Fed { registry: SeriesRegistry::new(1), twin: restored };
    assert_eq!(restored.document(), fed.document());
    assert_eq!(again.registry.in_memory(), 1);
}
