//! The broadcast core in many orders of its threads: what must hold in every one of them.
//!
//! Wherever a thread takes a lock or a task waits, shuttle decides which one goes on; so a wake-up
//! that is lost in one of 1,000 orders is found in seconds, as a deadlock, and the order that led
//! there can be tried again.

mod delivery;
mod endings;
mod epochs;
mod explore;
mod leaving;
mod waking;
