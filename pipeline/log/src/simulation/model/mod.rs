//! The log against a naive model of it: a list of records, each with what must have become of it.
//!
//! | module | is |
//! |---|---|
//! | `bodies` | bodies of any kind and size, made anew from a few numbers |
//! | `reference` | the naive model, and what may happen to a log |
//! | `system` | the same done to the real log, on a disk that loses power and refuses |
//! | `verdict` | what a restart brought back, against the model |
//!
//! Where [`super::tests`] lets chance decide everything and asks only that nothing is lost, here the model says beforehand who is told what,
//! and what must, may and can't be there; a case that fails is shrunk to the few steps that it needs.

mod bodies;
mod reference;
mod system;
mod verdict;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;

use self::system::LogTest;

prop_state_machine! {
    // The default of 256 cases, or as many as PROPTEST_CASES says.
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_log_does_what_a_list_of_records_would(sequential 1..20 => LogTest);
}
