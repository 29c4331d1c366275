//! The endurance of a hub whose streams hyper serves.

#[expect(dead_code, reason = "not everything of it is used by both")]
#[path = "../contract/server.rs"]
mod server;

#[path = "../endurance/client.rs"]
mod client;
#[path = "../endurance/endurance.rs"]
mod endurance;
#[path = "../endurance/fleet.rs"]
mod fleet;
#[path = "../endurance/process.rs"]
mod process;
#[path = "../endurance/scale.rs"]
mod scale;

/// Options of every hub.
const LANE: &[&str] = &["--hyper-streams"];
