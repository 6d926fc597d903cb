//! The OpenTelemetry SDKs of Python, Node and Rust export metrics, logs and traces; everything arrives as rows, exact.
//!
//! Each tells the same story (`greenhouse`), so that one set of expectations holds for all SDKs, protocols and temporalities.

mod greenhouse;
mod rust;

use flyball_tests::time::now_nanos;
use flyball_tests::{Flyball, Node, Python};
use serde_json::json;

use self::greenhouse::Sender;

/// How an SDK is told to export.
#[derive(Debug, Clone, Copy)]
struct Export {
    protocol: &'static str,
    temporality: &'static str,
    /// To the port that queries and everything else go to.
    main_port: bool,
}

const fn export(protocol: &'static str, temporality: &'static str) -> Export {
    Export { protocol, temporality, main_port: false }
}

#[test]
fn what_the_python_sdk_exports_arrives_exactly() {
    let Some(python) = Python::need() else { return };
    for how in [
        export("grpc", "cumulative"),
        export("grpc", "delta"),
        export("http/protobuf", "delta"),
        Export { main_port: true, ..export("http/protobuf", "cumulative") },
    ] {
        check(Sender::Python, how, |arguments| {
            python.run("otel_export.py", arguments);
        });
    }
}

#[test]
fn what_the_node_sdk_exports_arrives_exactly() {
    let Some(node) = Node::need() else { return };
    for how in [
        export("grpc", "delta"),
        export("http/protobuf", "cumulative"),
        export("http/json", "delta"),
        Export { main_port: true, ..export("http/json", "cumulative") },
    ] {
        check(Sender::Node, how, |arguments| {
            node.run("otel_export.mjs", arguments);
        });
    }
}

#[test]
fn what_the_rust_sdk_exports_arrives_exactly() {
    for how in [
        export("grpc", "cumulative"),
        export("grpc", "delta"),
        export("http/protobuf", "delta"),
        export("http/json", "cumulative"),
        Export { main_port: true, ..export("http/json", "delta") },
    ] {
        check(Sender::Rust, how, rust::export);
    }
}

/// Starts a flyball, lets an SDK tell the story, and looks for all of it. The arguments are protocol, endpoint, temporality, and the time.
#[track_caller]
fn check(sender: Sender, how: Export, run: impl FnOnce(&[&str])) {
    let flyball = Flyball::start(json!({}));
    let endpoint = match how.protocol {
        "grpc" => &flyball.otlp_grpc,
        _ if how.main_port => flyball.http.base(),
        _ => flyball.otlp_http.base(),
    };
    // A time of the sender's own, not when it arrives.
    let at = now_nanos() - 5_000_000_000;
    run(&[how.protocol, endpoint, how.temporality, &at.to_string()]);
    greenhouse::check(&flyball, sender, how.temporality, at);
}
