use bytes::Bytes;
use flyball_model::intake::{Encoding, Format};
use flyball_model::limits::PerSource;
use flyball_model::{ManualClock, UnixNanos};

use super::*;

fn sender(name: &str) -> Sender {
    Sender { name: name.into(), connection: 1 }
}

fn admission(limits: Limits) -> (Admission, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(UnixNanos(0)));
    (Admission::new(&limits, Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

fn submission(bytes: usize, lease: Lease) -> Submission {
    Submission {
        receiver: "otlp_grpc",
        peer: "10.0.0.7".to_owned(),
        format: Format::RemoteWrite1,
        encoding: Encoding::Snappy,
        body: Bytes::from(vec![0; bytes]),
        received_at: UnixNanos(0),
        context: None,
        lease,
    }
}

#[tokio::test]
async fn a_body_holds_its_room_until_it_is_answered() {
    let (admission, _) = admission(Limits::default());
    let lease = admission.admit(sender("10.0.0.7"), 1_000).expect("nothing is under way");
    lease.widen(1_000).expect("there is room");
    let submission = submission(1_000, lease);
    let turn = admission.enter(&submission).await.expect("nobody else is here");
    admission.make_room(&submission, 5_000).expect("there is room");
    assert_eq!((admission.status().working, admission.status().in_flight_bytes), (1, 6_000));
    drop(turn);
    assert_eq!((admission.status().working, admission.status().in_flight_bytes), (0, 6_000));
    drop(submission);
    assert_eq!(admission.status().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_body_that_grows_beyond_memory_is_told_to_come_again() {
    let (admission, _) = admission(Limits { memory_bytes: 40_000, ..Limits::default() });
    let submission = submission(1_000, admission.admit(sender("a"), 1_000).expect("nothing is under way"));
    let not_now = admission.make_room(&submission, 10_001).expect_err("a quarter of the memory is 10 kB");
    assert_eq!((not_now.reason, not_now.refusal.kind), (Reason::Unavailable, RefusalKind::Unavailable));
    assert!(not_now.refusal.retry_after.is_some_and(|after| after >= RETRY_AFTER));
    assert_eq!(admission.status().refused_crowded, 1);
}

#[tokio::test]
async fn a_sender_over_its_limit_is_throttled_before_its_body_is_read() {
    let per_source = PerSource { points_per_second: Some(100), ..PerSource::default() };
    let (admission, clock) = admission(Limits { per_source, ..Limits::default() });
    let submission = submission(10, admission.admit(sender("a"), 0).expect("it sent nothing yet"));
    drop(admission.enter(&submission).await.expect("nobody else is here"));
    admission.charge(&submission, 300, || 3);
    let not_now = admission.admit(sender("a"), 0).expect_err("it is 200 points ahead");
    assert_eq!((not_now.reason, not_now.refusal.kind), (Reason::Throttled, RefusalKind::Throttled));
    assert_eq!(not_now.refusal.retry_after, Some(Duration::from_secs(2)));
    assert!(admission.admit(sender("b"), 0).is_ok(), "and nobody else");
    clock.advance(Duration::from_secs(2));
    assert!(admission.admit(sender("a"), 0).is_ok());
    assert_eq!(admission.status().refused_throttled, 1);
}

#[test]
fn series_that_were_not_known_are_counted_once() {
    for (series, known, expected) in
        [(&[][..], 0, 0), (&[0, 1, 1, 0], 0, 2), (&[3, 9, 4, 9, 9, 7], 7, 2), (&[1, 2], 3, 0)]
    {
        assert_eq!(new_series(series.iter().copied(), known), expected, "{series:?}");
    }
}

#[test]
fn hints_are_spread() {
    assert_eq!([0, 1, 2, 3].map(|count| spread(count).as_secs()), [1, 2, 3, 1]);
}
