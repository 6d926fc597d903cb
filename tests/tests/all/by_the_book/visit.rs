//! The table from its first row to its last, at each pace.

use std::time::{Duration, Instant};

use flyball_tests::time::instant;
use flyball_tests::wait_until;

use super::account::{Account, Tally};
use super::case::{Case, Expected, Protocol, Signal, Verdict};
use super::content::Content;
use super::crowd::{self, Crowd};
use super::server::{Road, Server};
use super::{otlp_grpc, otlp_http, remote_write};

/// What a sender may send, where it is limited. All that one row holds is paid back within a second.
pub(super) const POINTS_A_SECOND: u64 = 10;

/// Points of the request before, which overdraws a sender's budget by three seconds: more than it takes to send the next.
const TOO_MANY: u64 = 4 * POINTS_A_SECOND;

/// Nobody is in the way: the rule holds, and it holds again when the same is sent again.
#[track_caller]
pub(super) fn at_ease(server: &Server, table: Vec<Case>) {
    let mut account = Account::default();
    for case in &table {
        answer(server, &mut account, case, &case.id, &case.tally);
        if matches!(case.expected, Expected::Refused(_)) {
            continue;
        }
        // A remark is made once.
        let is_remark = matches!(case.expected, Expected::Warned(_));
        let expected = if is_remark { Expected::Whole } else { case.expected.clone() };
        let again = Case { expected, ..case.clone() };
        again.check(&again.send(server, &case.id));
        account.add(case.protocol.account(), &case.tally.again());
        account.check(server, &format!("{}, sent again", case.name()));
        check_rows(server, case);
    }
    check_all_rows(server, &account);
}

/// Each sender has sent too much when it comes with its request.
#[track_caller]
pub(super) fn over_the_limit(server: &Server, table: Vec<Case>) {
    let mut account = Account::default();
    let mut waiting = Vec::new();
    for (number, case) in table.iter().enumerate() {
        let sender = format!("sender-{number}");
        let before = overdraft(case.protocol, number);
        before.check(&before.send(server, &sender));
        account.add(before.protocol.account(), &before.tally);
        let asked = ("throttled", case.protocol.throttled());
        waiting.extend(not_now(server, &mut account, case, &sender, asked).map(|due| (due, case, sender)));
    }
    come_again(server, &mut account, waiting);
    check_all_rows(server, &account);
}

/// Others fill the memory for bodies.
#[track_caller]
pub(super) fn memory_full(server: &Server, table: Vec<Case>) {
    let mut account = Account::default();
    let crowd = Crowd::fill(server);
    let mut waiting = Vec::new();
    for (number, case) in table.iter().enumerate() {
        let sender = format!("sender-{number}");
        let asked = ("unavailable", case.protocol.unavailable());
        waiting.extend(not_now(server, &mut account, case, &sender, asked).map(|due| (due, case, sender)));
    }
    crowd.leave(server);
    account.add(("otlp_http", "metrics"), &Tally::default().and_rejected("interrupted", crowd::SENDERS));
    come_again(server, &mut account, waiting);
    check_all_rows(server, &account);
}

/// Sends a request that gets its final answer.
#[track_caller]
fn answer(server: &Server, account: &mut Account, case: &Case, sender: &str, tally: &Tally) {
    let verdict = case.send(server, sender);
    case.check(&verdict);
    account.add(case.protocol.account(), tally);
    account.check(server, &case.name());
    check_rows(server, case);
}

/// Sends a request that can't be taken now. Whoever is told so is told when to come again; a sender may be told at once what a retry
/// can't cure, and nothing else.
#[track_caller]
fn not_now(
    server: &Server,
    account: &mut Account,
    case: &Case,
    sender: &str,
    (reason, code): (&'static str, u16),
) -> Option<Instant> {
    let what = case.name();
    let due = match case.send(server, sender) {
        Verdict::NotNow { code: found, after } => {
            assert_eq!(found, code, "{what}: {reason}");
            assert!(after > Duration::ZERO && after <= Duration::from_secs(60), "{what}: {after:?}");
            account.add(case.protocol.account(), &Tally::refused(reason));
            Some(instant() + after)
        }
        verdict => {
            assert!(matches!(case.expected, Expected::Refused(_)), "{what}: {verdict:?}, and there is no room for it");
            case.check(&verdict);
            account.add(case.protocol.account(), &case.tally);
            None
        }
    };
    account.check(server, &format!("{what}, {reason}"));
    due
}

/// Those who were told to come again come when they were told to, and get their answers.
#[track_caller]
fn come_again(server: &Server, account: &mut Account, waiting: Vec<(Instant, &Case, String)>) {
    assert!(waiting.iter().any(|(_, case, _)| case.expected == Expected::Whole));
    for (due, case, sender) in waiting {
        wait_until("the time that the server asked for", Duration::from_secs(70), || {
            due.checked_duration_since(instant())
                .filter(|left| !left.is_zero())
                .map_or(Ok(()), |left| Err(format!("{left:?}")))
        });
        answer(server, account, case, &sender, &case.tally);
    }
}

/// A request of the same protocol that is taken, and more than its sender may send.
fn overdraft(protocol: Protocol, number: usize) -> Case {
    let id = format!("overdraft-{number}");
    let content = Content { good: TOO_MANY, ..Content::default() };
    match protocol {
        Protocol::OtlpHttp { .. } => otlp_http::case("before", Road::PLAIN, protocol, content, &id),
        Protocol::OtlpGrpc { .. } => otlp_grpc::case("before", Road::PLAIN, protocol, content, &id),
        Protocol::RemoteWrite1 | Protocol::RemoteWrite2 => remote_write::case_1("before", &id, TOO_MANY, 0),
    }
}

/// What was accepted of a request is there once.
#[track_caller]
fn check_rows(server: &Server, case: &Case) {
    let Case { id, rows, .. } = case;
    if *rows == 0 {
        return;
    }
    let table = case.protocol.signal().table();
    let place = if table == "metrics" { "labels['service_name']" } else { "service_name" };
    let found = server.flyball.sql(&format!("SELECT count(*) AS n FROM {table} WHERE {place} = '{id}'"));
    assert_eq!(found.get(0, "n").as_u64(), Some(*rows), "{}: rows", case.name());
}

/// All that is stored is what was counted, and no more.
#[track_caller]
fn check_all_rows(server: &Server, account: &Account) {
    let count = |table: &str| server.flyball.sql(&format!("SELECT count(*) AS n FROM {table}")).get(0, "n").as_u64();
    for signal in Signal::ALL {
        let histograms = if signal == Signal::Metrics { count(remote_write::HISTOGRAM) } else { Some(0) };
        let rows = count(signal.table()).zip(histograms).map(|(rows, histograms)| rows + histograms);
        assert_eq!(rows, Some(account.stored(signal.word())), "rows of {}", signal.word());
    }
}
