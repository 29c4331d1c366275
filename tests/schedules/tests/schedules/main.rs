//! The broadcast core in many orders of its threads: what must hold in every one of them.
//!
//! Wherever a thread takes a lock or a task waits, shuttle decides which one goes on. A wake-up that is
//! lost in one of a thousand orders is found in seconds, as a deadlock, and comes again with the same seed.

// The source of the crate is built anew here, and so is the log that its own tests use.
extern crate sse_kit_schedules as sse_kit_broadcast;

mod delivery;
#[path = "../../../../crates/sse-kit-broadcast/tests/driven_log/mod.rs"]
mod driven_log;
mod endings;
mod epochs;
mod explore;
mod leaving;
mod waking;
