//! What the tests of several packages share.
//!
//! Random inputs come from one [`seed()`], which is the same in each run of the test command;
//! `cargo xtask soak` sets a fresh one, and [more cases](scaled). A test that waits does so for a fact,
//! with [`until`] and [`in_time`], which end a test that would hang.

mod random;
mod waiting;

pub use crate::random::{cases, rng, scaled, seed};
pub use crate::waiting::{PATIENCE, in_time, until};

/// The result of a test that ends at its first error.
pub type TestResult = Result<(), Box<dyn std::error::Error>>;
