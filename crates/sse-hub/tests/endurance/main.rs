//! The endurance of a hub whose streams are on the server's fast path, which is the default.

#[expect(dead_code, reason = "not everything of it is used by both")]
#[path = "../contract/server.rs"]
mod server;

mod client;
mod endurance;
mod fleet;
mod process;
mod scale;

/// Options of every hub.
const LANE: &[&str] = &[];
