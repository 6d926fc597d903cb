//! What Scaphandre and Kepler say, scraped by a Prometheus, is watts and joules in the table `power`.

use flyball_tests::Flyball;
use flyball_tests::counterparts::{Exposition, Prometheus};
use serde_json::json;

#[test]
fn readings_of_scaphandre_and_kepler_become_watts_and_joules() {
    let (scaphandre, kepler) = (Exposition::serve("scaphandre.prom"), Exposition::serve("kepler.prom"));
    let flyball = Flyball::start(json!({}));
    let remote_write = format!("{}/api/v1/write", flyball.http.base());
    let targets = [("scaphandre", scaphandre.address.as_str()), ("kepler", kepler.address.as_str())];
    let Some(_prometheus) = Prometheus::start(&targets, &remote_write) else { return };

    let cases = [
        // Source, what is asked for, column, value.
        ("scaphandre", "scope = 'host'", "watts", 41.25),
        ("scaphandre", "scope = 'host'", "joules", 920_113.377),
        ("scaphandre", "scope = 'socket'", "watts", 30.11),
        ("scaphandre", "scope = 'domain' AND domain = 'dram'", "watts", 2.012),
        ("scaphandre", "scope = 'domain' AND domain = 'uncore'", "watts", 0.31),
        ("scaphandre", "exe = 'nginx' AND pid = '4411' AND pod = 'web-7f9c-x2' AND namespace = 'shop'", "watts", 1.5),
        ("scaphandre", "exe = 'python3.11' AND cmdline = 'python3 train.py --epochs 10'", "watts", 18.4),
        ("kepler", "host = 'edge-2' AND domain = 'package' AND watts IS NOT NULL", "watts", 22.75),
        ("kepler", "host = 'edge-2' AND domain = 'dram'", "watts", 1.5),
        ("kepler", "scope = 'pod' AND pod = 'db-0' AND namespace = 'shop'", "joules", 18_412.5),
        ("kepler", "scope = 'container' AND container_id = 'c0ff' AND pod = 'db-0'", "joules", 17_001.0),
    ];
    for (source, wanted, column, value) in cases {
        let sql = format!(
            "SELECT DISTINCT {column} FROM power WHERE source = '{source}' AND {wanted} AND {column} IS NOT NULL"
        );
        let rows = flyball.wait_for_rows(&sql, |rows| !rows.is_empty());
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        let found = rows.number(0, column);
        assert!((found - value).abs() <= value * 1e-12, "{sql}: {found}, not {value}");
    }

    // A scraped Scaphandre names no host: the target that Prometheus found it at stands in.
    let host = flyball.sql("SELECT DISTINCT host FROM power WHERE source = 'scaphandre' AND scope = 'host'");
    assert_eq!(host.rows, [[json!("127.0.0.1")]]);
}
