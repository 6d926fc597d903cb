use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use flyball_model::{ManualClock, UnixNanos};

use super::*;

const KIB: usize = 1024;

fn gate(wait_max: Duration) -> (Arc<Gate>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(UnixNanos(0)));
    (Gate::with_wait(2, wait_max, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn sender(name: &str, connection: u64) -> Sender {
    Sender { name: name.into(), connection }
}

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Turn, Busy>> + 'a>>;

/// Looks twice: at the first time it may step back.
fn poll(entering: &mut Entering<'_>) -> Poll<Result<Turn, Busy>> {
    let mut look = || entering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    match look() {
        Poll::Pending => look(),
        ready => ready,
    }
}

fn now(entering: &mut Entering<'_>) -> Turn {
    match poll(entering) {
        Poll::Ready(Ok(turn)) => turn,
        other => panic!("{other:?}"),
    }
}

/// Somebody who asks for a turn, once asked.
fn enter<'a>(gate: &'a Arc<Gate>, sender: &'a Sender, bytes: usize) -> Entering<'a> {
    Box::pin(gate.enter(sender, bytes))
}

#[tokio::test]
async fn so_many_work_at_once_and_the_next_one_comes_when_one_is_done() {
    let (gate, _) = gate(WAIT_MAX);
    let a = sender("a", 1);
    let first = now(&mut enter(&gate, &a, KIB));
    let _second = now(&mut enter(&gate, &a, KIB));
    let mut third = enter(&gate, &a, KIB);
    assert!(poll(&mut third).is_pending());
    assert_eq!((gate.status().working, gate.status().waiting, gate.status().waiting_bytes), (2, 1, KIB));
    drop(first);
    let _third = now(&mut third);
    assert_eq!((gate.status().working, gate.status().waiting), (2, 0));
}

#[tokio::test]
async fn who_goes_away_gives_up_its_place_or_its_turn() {
    let (gate, _) = gate(WAIT_MAX);
    let a = sender("a", 1);
    let first = now(&mut enter(&gate, &a, KIB));
    let second = now(&mut enter(&gate, &a, KIB));
    let [mut third, mut fourth, mut fifth] = [(); 3].map(|()| enter(&gate, &a, KIB));
    for waiting in [&mut third, &mut fourth, &mut fifth] {
        assert!(poll(waiting).is_pending());
    }
    drop(third);
    assert_eq!(gate.status().waiting, 2);
    // The fourth has its turn now, and goes without having looked.
    drop(first);
    assert_eq!((gate.status().working, gate.status().waiting), (2, 1));
    drop(fourth);
    assert_eq!((gate.status().working, gate.status().waiting), (2, 0));
    drop(now(&mut fifth));
    drop(second);
    assert_eq!(gate.status().working, 0);
}

#[tokio::test]
async fn one_that_waited_too_long_is_told_so() {
    let (gate, _) = gate(Duration::from_millis(1));
    let a = sender("a", 1);
    let _held = [now(&mut enter(&gate, &a, KIB)), now(&mut enter(&gate, &a, KIB))];
    assert_eq!(gate.enter(&a, KIB).await.err(), Some(Busy { wait: Duration::ZERO }));
    assert_eq!((gate.status().working, gate.status().waiting), (2, 0));
}

#[tokio::test]
async fn the_queue_is_as_long_as_the_time_it_takes_and_the_greediest_gives_way() {
    let (gate, clock) = gate(WAIT_MAX);
    let (noisy, quiet) = (sender("noisy", 1), sender("quiet", 1));
    let _held = [now(&mut enter(&gate, &noisy, KIB)), now(&mut enter(&gate, &noisy, KIB))];
    // A byte takes a microsecond of both cores: 100 KB are the bound.
    gate.state.lock().nanos_per_byte = 2_000.0;
    let mut noisies: Vec<_> = (0..5).map(|_| enter(&gate, &noisy, 32_000)).collect();
    let refused: Vec<_> = noisies.iter_mut().map(|waiting| poll(waiting).is_ready()).collect();
    assert_eq!(refused, [false, false, false, true, true], "its newest gives way");
    let mut one = enter(&gate, &quiet, 32_000);
    assert!(poll(&mut one).is_pending(), "whoever had less finds a place");
    assert!(matches!(poll(&mut noisies[2]), Poll::Ready(Err(Busy { .. }))), "and takes it from who had most");
    assert_eq!(gate.status().wait, Duration::from_millis(96));
    clock.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn while_it_is_crowded_a_connection_that_had_its_part_is_told_before_it_is_read() {
    let (gate, clock) = gate(WAIT_MAX);
    let (greedy, modest) = (sender("greedy", 1), sender("modest", 1));
    let _held = [now(&mut enter(&gate, &modest, KIB)), now(&mut enter(&gate, &modest, KIB))];
    // A byte takes a microsecond of both cores, and a usual body 10 ms.
    gate.state.lock().nanos_per_byte = 2_000.0;
    gate.state.lock().mean_bytes = 10_000.0;
    assert_eq!(gate.look(&modest, 1_024), Ok(()));
    assert_eq!(gate.look(&greedy, 10_000), Ok(()));
    assert_eq!(gate.look(&greedy, 10_000), Ok(()), "it is not crowded yet");
    // 90 ms of work.
    let other = sender("other", 1);
    let mut waiting = enter(&gate, &other, 90_000);
    assert!(poll(&mut waiting).is_pending());
    // Two bodies of 10 ms, at half of the machine.
    assert_eq!(gate.look(&greedy, 1_024), Err(Busy { wait: Duration::from_millis(40) }));
    assert_eq!(gate.look(&sender("greedy", 2), 1_024), Ok(()), "another connection had nothing");
    clock.advance(Duration::from_millis(160));
    assert_eq!((gate.look(&modest, 1_024), gate.look(&greedy, 1_024)), (Ok(()), Ok(())));
}

#[tokio::test]
async fn who_announces_much_counts_as_a_usual_body_until_one_of_its_bodies_came() {
    let (gate, _) = gate(WAIT_MAX);
    gate.state.lock().mean_bytes = 10_000.0;
    let a = sender("a", 1);
    let arriving = || gate.state.lock().shares.arriving(Duration::ZERO);
    assert_eq!((gate.look(&a, 60_000_000), arriving()), (Ok(()), 10_000));
    drop(now(&mut enter(&gate, &a, 10_000)));
    assert_eq!((gate.look(&a, 60_000_000), arriving()), (Ok(()), 40_000));
}

#[tokio::test]
async fn bodies_meet_on_one_thread_too() {
    let clock = Arc::new(ManualClock::new(UnixNanos(0)));
    let gate = Gate::new(1, Arc::clone(&clock) as Arc<dyn Clock>);
    let (noisy, quiet) = (sender("noisy", 1), sender("quiet", 1));
    let once = |entering: &mut Entering<'_>| entering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(gate.look(&noisy, 200_000), Ok(()));
    assert!(once(&mut enter(&gate, &noisy, 200_000)).is_ready(), "nobody else is on the way");
    assert_eq!((gate.look(&noisy, 200_000), gate.look(&quiet, 2_000)), (Ok(()), Ok(())));
    let mut first = enter(&gate, &noisy, 200_000);
    assert!(once(&mut first).is_pending(), "it steps back for the other");
    let mut second = enter(&gate, &quiet, 2_000);
    assert!(once(&mut second).is_pending());
    assert_eq!((gate.status().working, gate.status().waiting), (0, 2));
    // The step took 40 ms, which everybody waits.
    clock.advance(Duration::from_millis(40));
    drop(now(&mut first));
    drop(now(&mut second));
    let wait = gate.status().wait;
    assert!((Duration::from_millis(8)..Duration::from_millis(40)).contains(&wait), "{wait:?}");
    clock.advance(Duration::from_secs(2));
    assert!(gate.status().wait < Duration::from_micros(10), "nobody steps back any more");
}

#[tokio::test]
async fn who_waited_too_long_gives_way_once_somebody_can_work_again() {
    let (gate, clock) = gate(WAIT_MAX);
    let a = sender("a", 1);
    let held = [now(&mut enter(&gate, &a, KIB)), now(&mut enter(&gate, &a, KIB))];
    let mut early = [(); 2].map(|()| enter(&gate, &a, KIB));
    assert!(early.iter_mut().all(|waiting| poll(waiting).is_pending()));
    clock.advance(WAIT_MAX + Duration::from_millis(1));
    let mut late = enter(&gate, &a, KIB);
    assert!(poll(&mut late).is_pending());
    drop(held);
    for waiting in &mut early {
        assert!(matches!(poll(waiting), Poll::Ready(Err(Busy { .. }))));
    }
    drop(now(&mut late));
    // One that is alone has its turn, however late.
    let held = [now(&mut enter(&gate, &a, KIB)), now(&mut enter(&gate, &a, KIB))];
    let mut alone = enter(&gate, &a, KIB);
    assert!(poll(&mut alone).is_pending());
    clock.advance(2 * WAIT_MAX);
    drop(held);
    drop(now(&mut alone));
}

#[tokio::test]
async fn while_the_log_is_behind_nobody_works() {
    let (gate, clock) = gate(WAIT_MAX);
    let a = sender("a", 1);
    let [first, second] = [(); 2].map(|()| now(&mut enter(&gate, &a, KIB)).done(Duration::ZERO));
    assert_eq!(gate.status().working, 0, "they only wait for the log");
    clock.advance(LOG_PATIENCE - Duration::from_millis(1));
    drop(now(&mut enter(&gate, &a, KIB)));
    clock.advance(Duration::from_millis(1));
    let mut third = enter(&gate, &a, KIB);
    assert!(poll(&mut third).is_pending());
    assert_eq!((gate.status().working, gate.status().waiting), (0, 1));
    assert!(gate.status().wait >= LOG_PATIENCE, "and whoever comes hears of it");
    // It has one of them: it works.
    drop(first);
    let third = now(&mut third);
    clock.advance(LOG_PATIENCE);
    drop(second);
    drop((third.done(Duration::ZERO), now(&mut enter(&gate, &a, KIB))));
    let state = gate.state.lock();
    assert_eq!((state.working, state.unanswered, state.queue.len()), (0, 0, 0));
}

#[tokio::test]
async fn a_slow_disk_keeps_nobody_out() {
    let (gate, clock) = gate(WAIT_MAX);
    let (a, write) = (sender("a", 1), Duration::from_millis(500));
    for _ in 0..20 {
        // Each waits for the write under way and for its own.
        let [first, second] = [(); 2].map(|()| now(&mut enter(&gate, &a, KIB)).done(write));
        clock.advance(2 * write);
        gate.look(&a, KIB).expect("its turn comes at once");
        drop((now(&mut enter(&gate, &a, KIB)), first, second));
    }
    assert!(gate.status().wait < LOG_PATIENCE, "{:?}", gate.status());
}

#[tokio::test]
async fn while_bodies_wait_all_that_is_done_between_two_of_them_is_what_they_cost() {
    let clock = Arc::new(ManualClock::new(UnixNanos(0)));
    let gate = Gate::with_wait(1, Duration::from_secs(10), Arc::clone(&clock) as Arc<dyn Clock>);
    let a = sender("a", 1);
    let mut turn = now(&mut enter(&gate, &a, 100_000));
    let mut waiting = enter(&gate, &a, 100_000);
    assert!(poll(&mut waiting).is_pending());
    for _ in 0..200 {
        // Or tokio takes this for a task that never rests.
        tokio::task::yield_now().await;
        let mut next = enter(&gate, &a, 100_000);
        assert!(poll(&mut next).is_pending());
        // Half a millisecond of work, and one and a half for other things.
        clock.advance(Duration::from_micros(500));
        drop(turn);
        clock.advance(Duration::from_micros(1_500));
        turn = now(&mut waiting);
        waiting = next;
    }
    let nanos = gate.state.lock().nanos_per_byte;
    assert!((19.0..20.1).contains(&nanos), "{nanos}");
}

#[tokio::test]
async fn many_fresh_connections_at_once_are_not_all_let_in() {
    let (gate, clock) = gate(WAIT_MAX);
    gate.state.lock().nanos_per_byte = 2_000.0;
    // 10 ms each.
    let look = |name, connection| gate.look(&sender(name, connection), 10_000);
    let let_in = (0..256).filter(|&connection| look("noisy", connection).is_ok()).count();
    assert_eq!(let_in, 15, "as much as is done in time");
    assert_eq!(look("quiet", 1), Ok(()), "and whoever had nothing");
    // They arrive, and others may come.
    for connection in 0..15 {
        let _ = poll(&mut enter(&gate, &sender("noisy", connection), 10_000));
    }
    assert_eq!(look("noisy", 300), Ok(()));
    // What does not arrive keeps nobody out for long.
    while look("noisy", 301).is_ok() {}
    clock.advance(Duration::from_secs(2));
    assert_eq!(look("noisy", 302), Ok(()));
}

#[tokio::test]
async fn the_time_that_a_byte_takes_is_learned() {
    let (gate, clock) = gate(WAIT_MAX);
    let a = sender("a", 1);
    for _ in 0..200 {
        let turn = now(&mut enter(&gate, &a, 1_000_000));
        clock.advance(Duration::from_millis(3));
        drop(turn);
    }
    let nanos = gate.state.lock().nanos_per_byte;
    assert!((2.9..3.1).contains(&nanos), "{nanos}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_comes_and_goes_no_turn_is_lost() {
    let gate = Gate::with_wait(2, Duration::from_millis(2), Arc::new(flyball_model::WallClock::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64_u64 {
        let gate = Arc::clone(&gate);
        tasks.spawn(async move {
            let sender = sender(["a", "b", "c"][task as usize % 3], task);
            for round in 0..200_u64 {
                let mut entering = pin!(gate.enter(&sender, 1 + (task * round) as usize % 300_000));
                if (task + round) % 5 == 0 {
                    // Looks once, and goes.
                    let once = std::future::poll_fn(|context| Poll::Ready(entering.as_mut().poll(context)));
                    drop(once.await);
                } else {
                    drop(entering.await);
                }
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no task panics");
    }
    let status = gate.status();
    assert_eq!((status.working, status.waiting, status.waiting_bytes), (0, 0, 0));
}
