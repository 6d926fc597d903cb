//! The series registry and its journal against a map from label sets to numbers.
//!
//! | module | is |
//! |---|---|
//! | `reference` | the naive model, and what may happen to a registry |
//! | `system` | the same done to the real one, whose journal stands on a disk that loses power and refuses |
//!
//! After each step everything that the registry shows is compared, the labels of idle series too, which stand in the journal alone.

mod reference;
mod system;

use proptest::test_runner::Config;
use proptest_state_machine::prop_state_machine;

use self::system::RegistryTest;

prop_state_machine! {
    // The default of 256 cases, or as many as PROPTEST_CASES says.
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_registry_does_what_a_map_would_and_comes_back_from_its_journal(sequential 1..30 => RegistryTest);
}
