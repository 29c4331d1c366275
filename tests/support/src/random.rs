//! Random inputs that can be had again.

use std::env::{self, VarError};

use fastrand::Rng;
use proptest::test_runner::{Config, RngSeed};

/// The environment variable with a seed of random inputs.
const SEED: &str = "SSE_KIT_TEST_SEED";

/// The seed of a test run that is given none.
const USUAL: u64 = 0x5eed;

/// The factor by which `cargo xtask soak` tries more.
const MORE: u32 = 20;

/// Returns the seed of all random inputs: what `SSE_KIT_TEST_SEED` says, or else always the same.
///
/// It also writes the seed to the test's output, which a test runner shows when the test fails.
///
/// # Panics
///
/// If the variable holds anything but a number of 64 bits.
pub fn seed() -> u64 {
    let seed = match env::var(SEED) {
        Ok(text) => text.parse().expect("SSE_KIT_TEST_SEED is a number"),
        Err(VarError::NotPresent) => USUAL,
        Err(error) => panic!("{SEED}: {error}"),
    };
    eprintln!("random inputs by {SEED}={seed}");
    seed
}

/// Returns a generator of random numbers that begins at the [`seed()`].
pub fn rng() -> Rng {
    Rng::with_seed(seed())
}

/// Returns the settings of a property test that tries so many cases from the [`seed()`], and
/// [more of them](scaled) in a soak.
pub fn cases(cases: u32) -> Config {
    Config {
        cases: scaled(cases),
        rng_seed: RngSeed::Fixed(seed()),
        // The seed says it all.
        failure_persistence: None,
        ..Config::default()
    }
}

/// Returns the count, or 20 times as much in `cargo xtask soak`, which sets `SSE_KIT_SOAK`.
pub fn scaled(count: u32) -> u32 {
    if env::var_os("SSE_KIT_SOAK").is_some() { count.saturating_mul(MORE) } else { count }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn random_inputs_are_the_same_each_time() {
        let numbers = || {
            let mut runner = TestRunner::new(cases(1));
            let tree = proptest::num::u64::ANY.new_tree(&mut runner).expect("any number does");
            (rng().u64(..), tree.current())
        };
        assert_eq!(numbers(), numbers());
    }
}
