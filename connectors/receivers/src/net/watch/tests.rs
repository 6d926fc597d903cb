use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::net::House;

const SHORT: Duration = Duration::from_millis(30);
/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

const TIMES: Times = Times { first: LONG, head: LONG, idle: LONG, idle_crowded: SHORT, stalled: LONG };

fn watch(http2: bool, times: Times) -> Watch {
    Watch::new(&House::new(100).seats("test"), http2, times)
}

async fn check(watch: &Watch, expected: &str) {
    let why = tokio::time::timeout(LONG, watch.expired()).await.expect("it expires");
    assert_eq!(why, expected);
}

/// Looks for as long as it takes to expire several times over, and sees that it does not.
async fn check_lives(watch: &Watch) {
    let lived = tokio::time::timeout(SHORT * 4, watch.expired()).await;
    assert!(lived.is_err(), "{lived:?}");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    for http2 in [false, true] {
        check(&watch(http2, Times { first: SHORT, ..TIMES }), "its first request did not come").await;
    }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_given_up() {
    let times = Times { head: SHORT, ..TIMES };
    let slow = watch(false, times);
    let (mut client, server) = duplex(64);
    let mut server = slow.over(server);
    drop(slow.call());
    check_lives(&slow).await;
    let dribble = async {
        loop {
            client.write_all(b"x").await.expect("the server reads");
            server.read_exact(&mut [0]).await.expect("a byte");
            tokio::time::sleep(SHORT / 4).await;
        }
    };
    tokio::select! {
        () = dribble => {}
        () = check(&slow, "the head of its request did not come to an end") => {}
    }

    // Frames that are no request are no head.
    let shared = watch(true, times);
    let mut server = shared.over(&b"ping"[..]);
    drop(shared.call());
    server.read_exact(&mut [0; 4]).await.expect("four bytes");
    check_lives(&shared).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_late_and_in_a_crowd_early() {
    let idle = watch(false, Times { idle: SHORT, ..TIMES });
    let call = idle.call();
    check_lives(&idle).await;
    drop(call);
    check(&idle, "it was idle").await;

    let seats = House::new(4).seats("test");
    let few = Watch::new(&seats, true, TIMES);
    drop(few.call());
    check_lives(&few).await;
    let _crowd: Vec<_> = (0..3).filter_map(|_| seats.take()).collect();
    check(&few, "it was idle").await;
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_given_up() {
    let times = Times { stalled: SHORT, ..TIMES };
    for http2 in [false, true] {
        let stalled = watch(http2, times);
        let (mut client, server) = duplex(4);
        let mut server = stalled.over(server);
        let call = stalled.call();
        let answer = async { server.write_all(b"12345678").await.expect("taken in the end") };
        tokio::select! {
            () = answer => panic!("nobody reads"),
            () = check(&stalled, "it does not take its answer") => {}
        }
        // Once it takes it, all is well.
        let mut taken = [0; 8];
        let (_, read) = tokio::join!(server.write_all(b"5678"), client.read_exact(&mut taken));
        read.expect("eight bytes");
        check_lives(&stalled).await;
        drop(call);
    }
}
