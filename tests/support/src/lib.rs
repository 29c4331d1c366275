//! The parts that tests of several packages share.
//!
//! Random inputs come from one [`seed()`], which is the same in each run of the test command;
//! `cargo xtask soak` sets a fresh one, and [more cases](scaled). A test that waits does so for a fact,
//! with [`until`] and [`in_time`], which end a test that would hang. A server that needs a port beforehand
//! [claims](Port) it.

#[cfg(unix)]
pub mod postgres;
#[cfg(feature = "proxy")]
pub mod proxy;
mod random;
mod waiting;

pub use crate::random::{cases, rng, scaled, seed};
pub use crate::waiting::{PATIENCE, in_time, until};
pub use port::Port;

/// Does not compile unless all these types can be sent to, and shared with, other threads.
#[macro_export]
macro_rules! assert_send_and_sync {
    ($($name:ty),+ $(,)?) => {
        const _: () = {
            const fn is_send_and_sync<T: Send + Sync>() {}
            $(is_send_and_sync::<$name>();)+
        };
    };
}

/// The result of a test that ends at its first error.
pub type TestResult = Result<(), Box<dyn std::error::Error>>;
