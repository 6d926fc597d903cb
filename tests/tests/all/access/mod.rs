//! Who may come in: certificates, tokens, signed tokens, and connections that only cost. Each with the clients that people have.

mod curl;
mod idle;
mod oidc;
mod paths;
mod secrets;
mod senders;
mod tokens;

use flyball_tests::Flyball;
use flyball_tests::pki::{Authority, Pair};
use serde_json::{Value, json};

/// One token for each job, long enough that nothing warns of them.
const WRITER: &str = "tok-writer-0123456789abcdef";
const READER: &str = "tok-reader-0123456789abcdef";
const ADMIN: &str = "tok-admin-0123456789abcdef";
const ALL: &str = "tok-all-0123456789abcdef";

fn tokens() -> Value {
    let token = |token: &str, scopes: &[&str]| json!({"name": token, "token": token, "scopes": scopes});
    json!([
        token(WRITER, &["write"]),
        token(READER, &["read"]),
        token(ADMIN, &["admin"]),
        token(ALL, &["write", "read", "act", "admin"]),
    ])
}

/// A flyball that speaks TLS and asks for tokens, and the authority that certified it.
struct Secured {
    flyball: Flyball,
    authority: Authority,
    server: Pair,
}

/// Starts it; the ports that the test asks itself are shown the token that may do everything.
#[track_caller]
fn start(mutual: bool) -> Secured {
    let authority = Authority::new("flyball's");
    let server = authority.certify("server");
    let mut tls = json!({"cert": server.cert, "key": server.key});
    if mutual {
        tls["client_ca"] = json!(authority.ca());
    }
    let mut flyball = Flyball::start(json!({"http": {"tls": tls, "tokens": tokens()}}));
    let identity = mutual.then(|| authority.certify("test").pem());
    let ca = Authority::read(&authority.ca());
    flyball.http = flyball.http.over_tls(&ca, identity.as_deref()).with_token(ALL);
    flyball.otlp_http = flyball.otlp_http.over_tls(&ca, identity.as_deref()).with_token(ALL);
    Secured { flyball, authority, server }
}
