//! Real senders over TLS with tokens, and without them.

use std::process::Command;
use std::time::Duration;

use flyball_tests::counterparts::{Exposition, Prometheus, Vmagent};
use flyball_tests::time::now_nanos;
use flyball_tests::{Python, need, wait_until};
use serde_json::json;

use super::{READER, Secured, WRITER, start};

/// The OpenTelemetry SDK with the variables that its specification has for certificates and headers.
fn otel(
    python: &Python,
    secured: &Secured,
    protocol: &str,
    token: &str,
    cert: Option<&flyball_tests::pki::Pair>,
) -> Command {
    let endpoint = match protocol {
        "grpc" => format!("https://{}", secured.flyball.otlp_grpc),
        _ => secured.flyball.otlp_http.base().to_owned(),
    };
    let mut command = python.command("otel_export.py");
    command.args([protocol, &endpoint, "cumulative", &now_nanos().to_string()]);
    command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", secured.authority.ca());
    // Whatever the machine has in these would win over it.
    command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{token}"));
    if let Some(pair) = cert {
        command.env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &pair.cert);
        command.env("OTEL_EXPORTER_OTLP_CLIENT_KEY", &pair.key);
    }
    command
}

#[test]
fn the_python_sdk_exports_over_tls_with_a_token() {
    let Some(python) = Python::need() else { return };
    for mutual in [false, true] {
        let secured = start(mutual);
        let pair = mutual.then(|| secured.authority.certify("agent"));
        for protocol in ["grpc", "http/protobuf"] {
            let finished = flyball_tests::process::run(&mut otel(&python, &secured, protocol, WRITER, pair.as_ref()));
            assert!(finished.status.success(), "{protocol}, mutual: {mutual}: {}{}", finished.stdout, finished.stderr);
        }
        let rows = secured.flyball.sql("SELECT count(*) AS n FROM logs");
        assert!(rows.number(0, "n") >= 6.0, "{rows:?}");
        assert_eq!(secured.flyball.ledger("rejected", "unauthorized"), 0);
    }
}

#[test]
fn a_sender_whose_token_may_not_write_is_told_and_not_asked_to_try_again() {
    let Some(python) = Python::need() else { return };
    let secured = start(false);
    for (protocol, words) in [("grpc", "PERMISSION_DENIED"), ("http/protobuf", "403")] {
        let finished = flyball_tests::process::run(&mut otel(&python, &secured, protocol, READER, None));
        let output = format!("{}{}", finished.stdout, finished.stderr);
        assert!(output.contains(words) && !output.contains("retrying"), "{protocol}: {output}");
    }
    let finished = flyball_tests::process::run(&mut otel(&python, &secured, "grpc", "wrong", None));
    assert!(finished.stderr.contains("UNAUTHENTICATED"), "{}", finished.stderr);
    assert!(secured.flyball.ledger("rejected", "unauthorized") >= 3);
    let sources = secured.flyball.sql(
        "SELECT DISTINCT split_part(source, '/', 1) AS receiver FROM flyball.ledger WHERE reason = 'unauthorized' ORDER BY receiver",
    );
    assert_eq!(sources.rows, [[json!("otlp_grpc")], [json!("otlp_http")]]);
}

#[test]
fn vmagent_writes_over_tls_with_a_token() {
    let target = Exposition::serve_as("requests.om", Some("text/plain; version=0.0.4"));
    let Secured { flyball, authority, .. } = start(false);
    let remote_write = format!("{}/api/v1/write", flyball.http.base());
    let arguments =
        [format!("-remoteWrite.tlsCAFile={}", authority.ca().display()), format!("-remoteWrite.bearerToken={WRITER}")];
    let Some(_vmagent) = Vmagent::start_with("classic", &target.address, &remote_write, &arguments) else { return };
    flyball.wait_for_rows("SELECT DISTINCT job FROM up WHERE value = 1", |rows| rows.rows == [[json!("classic")]]);
    assert_eq!(flyball.ledger("rejected", "unauthorized"), 0);
}

#[test]
fn prometheus_writes_and_scrapes_over_tls_with_tokens() {
    let Secured { flyball, authority, .. } = start(false);
    let tls = format!("tls_config: {{ca_file: '{}'}}", authority.ca().display());
    let address = flyball.http.address().to_owned();
    let jobs = |_: &str| {
        format!(
            "- job_name: flyball\n  scheme: https\n  {tls}\n  authorization: {{credentials: {READER}}}\n  static_configs: [{{targets: ['{address}']}}]\n"
        )
    };
    let remote_write =
        format!("url: '{}/api/v1/write', {tls}, authorization: {{credentials: {WRITER}}}", flyball.http.base());
    let Some(_prometheus) = Prometheus::start_3(jobs, &remote_write) else { return };
    flyball.wait_for_rows("SELECT DISTINCT job FROM up WHERE value = 1", |rows| rows.rows == [[json!("flyball")]]);
    flyball.wait_for_rows("SELECT DISTINCT port FROM flyball_connections_max ORDER BY port", |rows| rows.len() == 3);
}

#[test]
fn clients_of_influxdb_write_over_tls_with_a_token() {
    let Some(python) = Python::need() else { return };
    let Secured { flyball, authority, .. } = start(false);
    for (version, token, good) in
        [("2", WRITER, true), ("3", WRITER, true), ("2", READER, false), ("3", "wrong", false)]
    {
        let mut command = python.command("influx_write.py");
        command.args([version, flyball.http.base(), "db", &now_nanos().to_string()]);
        command.env("FLYBALL_TEST_TOKEN", token).env("FLYBALL_TEST_CA", authority.ca());
        let finished = flyball_tests::process::run(&mut command);
        assert_eq!(finished.status.success(), good, "{version} {token}: {}{}", finished.stdout, finished.stderr);
    }
}

#[test]
fn certificates_that_openssl_checks_are_complete() {
    let Some(openssl) = need("openssl", "apt-get install openssl") else { return };
    let Secured { flyball, authority, .. } = start(false);
    wait_until("openssl", Duration::from_secs(20), || {
        let finished = flyball_tests::process::run(
            Command::new(&openssl)
                .args(["s_client", "-brief", "-verify_return_error", "-alpn", "h2", "-CAfile"])
                .arg(authority.ca())
                .args(["-connect", &flyball.otlp_grpc]),
        );
        let output = format!("{}{}", finished.stdout, finished.stderr);
        if output.contains("Verification: OK") && output.contains("TLSv1.3") { Ok(()) } else { Err(output) }
    });
}
