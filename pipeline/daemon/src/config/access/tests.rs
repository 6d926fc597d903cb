use super::super::read::read;
use super::*;

/// 64 hexadecimal digits, of the text `secret`.
const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn check(text: &str, expected: &[&str]) -> Http {
    let loaded = read("f.yaml", text, |name| (name == "TOKEN").then(|| "tok-from-the-environment".to_owned()));
    let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{text}");
    loaded.config.http
}

#[test]
fn tokens_are_kept_as_digests_or_as_files() {
    let http = check(
        &format!(
            "http:\n  tokens:\n  - {{name: a, token: \"${{TOKEN}}\", scopes: [read]}}\n  - {{name: b, token_file: /run/b, scopes: [write, act]}}\n  - {{name: c, token_sha256: {DIGEST}, scopes: admin}}\n"
        ),
        &[],
    );
    let expected = [
        ("a", TokenSecret::Digest(Digest::of("tok-from-the-environment")), vec![Scope::Read]),
        ("b", TokenSecret::File("/run/b".into()), vec![Scope::Write, Scope::Act]),
        ("c", TokenSecret::Digest(Digest::of("secret")), vec![Scope::Admin]),
    ]
    .map(|(name, secret, scopes)| Token { name: name.to_owned(), secret, scopes: scopes.into_iter().collect() });
    assert_eq!(http.tokens, expected);
    let shown = format!("{http:?}");
    assert!(!shown.contains("tok-from") && !shown.contains(&DIGEST[..8]), "{shown}");
}

#[test]
fn tokens_that_can_not_be_used_are_told_without_being_repeated() {
    check(
        &format!(
            "http:\n  tokens:\n  - {{token: tok-0123456789abcdef, scopes: [read, root]}}\n  - {{name: b, scopes: [read]}}\n  - {{name: c, token: tok-short, token_file: f, scopes: [read]}}\n  - {{name: d, token: tok-d, scopes: [read]}}\n  - {{name: d, token_sha256: {}, scopes: []}}\n  - {{name: f, token: \"tok with blanks\", scopes: [read]}}\n  - {{name: g, token: \"${{OTHER}}\", scopes: [read]}}\n",
            &DIGEST[1..]
        ),
        &[
            "f.yaml:3:5: http.tokens[0] needs 'name'",
            "f.yaml:3:50: scopes: 'root' is not one of write, read, act, admin",
            "f.yaml:4:5: http.tokens[1] needs one of 'token', 'token_file' and 'token_sha256'",
            "f.yaml:5:5: http.tokens[2] needs one of 'token', 'token_file' and 'token_sha256'",
            "f.yaml:6:22: warning: http.tokens[3] is shorter than 16 characters and can be guessed; openssl rand -hex 32 makes one",
            "f.yaml:7:5: http.tokens[4] has the name of another token; give each its own",
            "f.yaml:7:5: http.tokens[4] has no scopes, so it would allow nothing",
            "f.yaml:7:29: token_sha256: it is not 64 hexadecimal digits; printf %s TOKEN | sha256sum prints them",
            "f.yaml:8:22: token: a token is of visible ASCII characters, as headers are",
            "f.yaml:9:22: 'token' needs the environment variable OTHER, which is not set (export it, or write the value itself)",
        ],
    );
    check(
        &format!(
            "http:\n  tokens:\n  - {{name: a, token_sha256: {DIGEST}, scopes: [read]}}\n  - {{name: b, token_sha256: {DIGEST}, scopes: [admin]}}\n"
        ),
        &["f.yaml:4:5: http.tokens[1] is the same token as another one; what it allows would be unclear"],
    );
}

#[test]
fn tls_is_a_pair_of_files_and_perhaps_an_authority() {
    let files = |client_ca: Option<&str>| {
        Some(TlsFiles { cert: "c.pem".into(), key: "k.pem".into(), client_ca: client_ca.map(PathBuf::from) })
    };
    assert_eq!(check("http: {tls: {cert: c.pem, key: k.pem}}\n", &[]).tls, files(None));
    assert_eq!(check("http: {tls: {cert: c.pem, key: k.pem, client_ca: ca.pem}}\n", &[]).tls, files(Some("ca.pem")));
    assert_eq!(check("http: {tls: {cert: , key: , client_ca: }}\n", &[]).tls, None);
    for half in ["cert: c.pem", "key: k.pem", "client_ca: ca.pem"] {
        check(&format!("http: {{tls: {{{half}}}}}\n"), &["f.yaml:1:13: http.tls needs both 'cert' and 'key'"]);
    }
}

#[test]
fn an_issuer_has_an_audience_and_is_asked_over_tls() {
    let http = check("http:\n  oidc: {issuer: \"https://id.example/r\", audience: flyball}\n", &[]);
    let expected = Oidc {
        issuer: "https://id.example/r".to_owned(),
        audience: vec!["flyball".to_owned()],
        jwks_url: None,
        scopes_claim: "scope".to_owned(),
        scope_prefix: String::new(),
        ca: None,
    };
    assert_eq!(http.oidc, Some(expected));
    let far = "an issuer beyond this machine is asked over https only, unless http.insecure: true";
    check(
        "http:\n  oidc: {issuer: \"http://id.example\", jwks_url: \"http://127.0.0.1:1/keys\", audience: []}\n",
        &[
            "f.yaml:2:9: http.oidc needs an 'audience': without it a token for any other service would do",
            &format!("f.yaml:2:18: issuer: {far}"),
        ],
    );
    check("http: {insecure: true, oidc: {issuer: \"http://id.example\", audience: a}}\n", &[]);
    check(
        "http:\n  oidc: {issuer: \"https://u:sekret@id.example\", audience: a}\n",
        &["f.yaml:2:18: issuer: must not have a user in it"],
    );
}

#[test]
fn who_must_show_something_may_come_from_anywhere() {
    let open = "goes beyond loopback and is open to everyone who reaches it";
    for (more, expected) in [
        ("", vec![open]),
        ("tls: {cert: c, key: k}", vec![open]),
        ("tls: {cert: c, key: k, client_ca: a}", vec![]),
        ("insecure: true", vec![]),
        ("tokens: [{name: a, token: tok-0123456789abcdef, scopes: [read]}]", vec!["unencrypted"]),
        ("tls: {cert: c, key: k}, tokens: [{name: a, token: tok-0123456789abcdef, scopes: [read]}]", vec![]),
        ("oidc: {issuer: \"https://id.example\", audience: a}", vec!["unencrypted"]),
        ("tokens: []", vec![open]),
    ] {
        let text = format!("http: {{listen: \"0.0.0.0:8480\", {more}}}\n");
        let loaded = read("f.yaml", &text, |_| None);
        let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
        assert!(found.iter().zip(&expected).all(|(found, words)| found.contains(words)), "{text}: {found:?}");
    }
}
