//! The contract of the hub against the real process, with streams that hyper serves.

mod contract;
mod restarts;
mod server;

/// Options of every hub.
const LANE: &[&str] = &[];
