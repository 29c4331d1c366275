//! Many hubs on one Redis, under as many streams as a machine can hold.
//!
//! [`run`] starts a Redis, hubs on it, and generators, each a process: a process has only so many file
//! descriptors, and a stream takes one at either end. Every stream listens to two topics: `all`, and that of its
//! group. It gets one message in each round: nine rounds of ten are a message to each group, spread evenly over the
//! round, and the tenth is one message to `all`. The messages of a topic are numbered, so each stream knows whether
//! one is missing, came twice, or came late.
//!
//! After the steady rounds, the hubs are restarted in turn, and publishing goes on. A hub gets SIGTERM and its
//! replacement is started; its clients wait for as long as it told them to, and continue after their last event
//! on the hub with the fewest streams, as a balancer would choose it.
//!
//! A message's time begins when it was due, so a publisher that waits for an answer is part of it.
#![cfg(unix)]

mod body;
mod clock;
mod control;
mod fleet;
mod generator;
mod generators;
mod hub_process;
mod latencies;
mod machine;
mod outcome;
mod plan;
mod publisher;
mod redis_process;
mod restart;
mod stream;
mod stream_events;
mod tally;
mod usage;

pub use self::fleet::run;
pub use self::generator::generate;
pub use self::outcome::{Outcome, Phase};
pub use self::plan::{GeneratorProgram, Lane, Plan};
