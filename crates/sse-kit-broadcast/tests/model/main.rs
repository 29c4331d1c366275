//! Joins, leaves, publishes, lags, trims, ends, new epochs and resumes in random orders: what each
//! subscriber is given is checked against a plain model of the log.
//!
//! A subscriber is polled by hand, so that it lags when the test wants it to, and the fan-out tasks
//! run when the test lets them. So does the log: it delivers, answers publishers and is read for
//! clients that resume, at once or when the test says so.
//!
//! The rules for a subscriber are in `client.rs` (what is due to it), `taking.rs` (what it may take) and
//! `gaps.rs`; those for history in `chronicle.rs`, for presence by key in `people.rs`. `epochs.rs` says
//! which event an id names, after all the epochs that there were.

mod actions;
mod chronicle;
mod circumstances;
mod client;
mod comings;
mod comparing;
mod costs;
mod endings;
mod epochs;
mod gaps;
mod joining;
mod log;
mod people;
mod publishing;
mod stream;
mod taking;
mod world;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sse_kit_test_support::cases;

use crate::world::World;

/// Failing cases are kept here, and tried first from then on.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/model/regressions.txt");

fn config() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 20_000,
        max_shrink_time: 30_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        ..cases(350)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_sequence_is_as_the_model_says(
        (settings, actions) in actions::stories(),
        shutting_down in any::<bool>(),
    ) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new(settings).await?;
            for action in &actions {
                world.act(action).await?;
            }
            world.end(shutting_down).await
        })?;
    }
}
