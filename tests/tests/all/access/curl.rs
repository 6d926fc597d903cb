//! curl, as people try things out.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flyball_tests::pki::Authority;
use flyball_tests::process::{Finished, run};
use flyball_tests::{need, wait_until};

use super::{READER, Secured, start};

struct Curl {
    program: std::path::PathBuf,
}

impl Curl {
    #[track_caller]
    fn need() -> Option<Self> {
        Some(Self { program: need("curl", "apt-get install curl")? })
    }

    fn ask(&self, url: &str, arguments: &[&str]) -> Finished {
        run(Command::new(&self.program).args(["-sS", "--max-time", "20", "--noproxy", "*"]).args(arguments).arg(url))
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_http_1_and_2_and_nothing_older() {
    let Some(curl) = Curl::need() else { return };
    let Secured { flyball, authority, .. } = start(false);
    let (ca, token) = (text(&authority.ca()), format!("Authorization: Bearer {READER}"));
    let ask = |arguments: &[&str]| {
        let url = format!("{}/metrics", flyball.http.base());
        let told = ["--cacert", &ca, "-H", &token, "-o", "/dev/null", "-w", "%{http_code} %{http_version}"];
        curl.ask(&url, &[arguments, &told].concat())
    };
    for (arguments, expected) in [
        (&["--tlsv1.2", "--tls-max", "1.2", "--http1.1"][..], "200 1.1"),
        (&["--tlsv1.3", "--http1.1"], "200 1.1"),
        (&["--tlsv1.3", "--http2"], "200 2"),
    ] {
        let finished = ask(arguments);
        assert_eq!(finished.stdout, expected, "{arguments:?}: {}", finished.stderr);
    }
    for version in ["1.0", "1.1"] {
        let finished = ask(&["--ciphers", "DEFAULT@SECLEVEL=0", &format!("--tlsv{version}"), "--tls-max", version]);
        assert!(!finished.status.success() && finished.stdout.starts_with("000"), "TLS {version}: {finished:?}");
    }
    let unknown = curl.ask(&format!("{}/healthz", flyball.http.base()), &[]);
    assert!(!unknown.status.success(), "the certificate is not one of the system's: {unknown:?}");
    let plain = curl.ask(&flyball.http.base().replace("https", "http"), &["-i"]);
    assert!(plain.stdout.contains("400 Bad Request") && plain.stdout.contains("https"), "{plain:?}");
}

#[test]
fn with_an_authority_of_clients_only_their_certificates_open_a_port() {
    let Some(curl) = Curl::need() else { return };
    let Secured { flyball, authority, .. } = start(true);
    let other = Authority::new("somebody's");
    let (ours, theirs) = (authority.certify("agent"), other.certify("agent"));
    let ca = text(&authority.ca());
    for (pair, status) in [(Some(ours), "200"), (Some(theirs), "000"), (None, "000")] {
        for port in [&flyball.http, &flyball.otlp_http] {
            let mut arguments = vec!["--cacert".to_owned(), ca.clone()];
            if let Some(pair) = &pair {
                arguments.extend(["--cert".to_owned(), text(&pair.cert), "--key".to_owned(), text(&pair.key)]);
            }
            let token = format!("Authorization: Bearer {}", super::ALL);
            let told = [
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-H",
                &token,
                "-d",
                "{}",
                "-H",
                "Content-Type: application/json",
            ];
            let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(told).collect();
            let finished = curl.ask(&format!("{}/v1/metrics", port.base()), &arguments);
            assert_eq!(finished.stdout, status, "{pair:?}: {finished:?}");
        }
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let Some(curl) = Curl::need() else { return };
    let Secured { mut flyball, authority, server } = start(false);
    let url = format!("{}/healthz", flyball.http.base());
    let trusts = |authority: &Authority| curl.ask(&url, &["--cacert", &text(&authority.ca())]).status.success();
    assert!(trusts(&authority));

    std::fs::write(&server.key, "no key").expect("written");
    wait_until("the broken key is told of", Duration::from_secs(20), || {
        let told = flyball.process().stderr().contains("the new certificates can't be used");
        if told { Ok(()) } else { Err("not yet".to_owned()) }
    });
    assert!(trusts(&authority), "the old pair stays");

    let other = Authority::new("the next one's");
    let renewed = other.certify("server");
    std::fs::copy(renewed.cert, &server.cert).expect("copied");
    std::fs::copy(renewed.key, &server.key).expect("copied");
    wait_until("the new certificate", Duration::from_secs(20), || {
        if trusts(&other) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    assert!(!trusts(&authority));
}
