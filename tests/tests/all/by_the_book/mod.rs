//! What the OTLP and remote-write specifications ask of a server, as one table of rules, kept on every road and at every pace.
//!
//! | road | bodies travel |
//! |---|---|
//! | plain, over TLS | as they are (remote write: in snappy, as it always does) |
//! | gzipped, gzipped over TLS | OTLP: in gzip |
//!
//! | pace | the server |
//! |---|---|
//! | at ease | takes everything; each request that is taken is sent a second time, as after a lost answer |
//! | over its limit | has had too much of each sender (`limits.per_source`) |
//! | memory full | has no room for bodies left (`limits.memory`) |
//!
//! A sender that is told to come again comes again when it was told to, and then the rule of the request must hold. After every answer
//! the ledger is compared with what the sender counted itself.
//!
//! | file | holds |
//! |---|---|
//! | `account` | what the sender counted, and the comparison |
//! | `case` | a row of the table, and what answers mean |
//! | `content` | what is in a request of OTLP |
//! | `crowd` | senders that fill the memory for bodies |
//! | `otlp` | the messages of OTLP's answers |
//! | `otlp_http`, `otlp_grpc`, `remote_write` | the rules, and the shapes of answers |
//! | `server` | flyball on each of the roads |
//! | `visit` | the table from its first row to its last |

mod account;
mod case;
mod content;
mod crowd;
mod otlp;
mod otlp_grpc;
mod otlp_http;
mod remote_write;
mod server;
mod visit;

use serde_json::json;

use self::case::Case;
use self::server::{Road, Server};

/// Every rule, with requests as they travel on this road. A body of more than `body_bytes_max` is too large.
fn table(road: Road, body_bytes_max: usize) -> Vec<Case> {
    let mut table = otlp_http::cases(road, body_bytes_max);
    table.extend(otlp_grpc::cases(road, body_bytes_max));
    table.extend(remote_write::cases(body_bytes_max));
    table
}

#[track_caller]
fn check_at_ease(road: Road) {
    let server = Server::start(road, json!({"receivers": {"otlp": {"max_body": "64KiB"}}}));
    visit::at_ease(&server, table(road, 64 << 10));
}

#[test]
fn the_rules_hold_at_ease() {
    check_at_ease(Road::PLAIN);
}

#[test]
fn the_rules_hold_over_tls() {
    check_at_ease(Road::TLS);
}

#[test]
fn the_rules_hold_for_gzipped_bodies() {
    check_at_ease(Road::GZIP);
}

#[test]
fn the_rules_hold_for_gzipped_bodies_over_tls() {
    check_at_ease(Road::GZIP_TLS);
}

#[test]
fn the_rules_hold_for_a_sender_over_its_limit() {
    for road in [Road::PLAIN, Road::GZIP_TLS] {
        let limits =
            json!({"tenant_header": server::TENANT, "per_source": {"points_per_second": visit::POINTS_A_SECOND}});
        let server = Server::start(road, json!({"receivers": {"otlp": {"max_body": "64KiB"}}, "limits": limits}));
        visit::over_the_limit(&server, table(road, 64 << 10));
    }
}

#[test]
fn the_rules_hold_when_memory_for_bodies_is_full() {
    for road in [Road::PLAIN, Road::GZIP_TLS] {
        let limits = json!({"tenant_header": server::TENANT, "memory": "24MiB"});
        let server = Server::start(road, json!({"limits": limits}));
        visit::memory_full(&server, table(road, crowd::BODY_BYTES));
    }
}
