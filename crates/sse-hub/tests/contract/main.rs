//! The contract of the hub against the real process, with streams that hyper serves.

mod configured;
mod contract;
mod described;
mod encrypted;
mod health;
mod hostile;
mod inspecting;
mod limits;
mod metrics;
mod packaged;
mod publishers;
mod restarts;
mod server;
mod signing;
mod tokens;

/// Options of every hub.
const LANE: &[&str] = &[];
