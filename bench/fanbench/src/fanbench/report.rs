//! The printed result: one JSON object.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) connections: u32,
    /// The growth of the server's memory for each connection, before anything was published. `None`
    /// in the scenario `churn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kib_per_idle_connection: Option<f64>,
    /// Not of the scenarios `idle` and `churn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<Traffic>,
    /// Of the scenario `slow` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slow: Option<Slow>,
    /// Of the scenario `churn` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) churn: Option<Churn>,
}

/// The deliveries, and their cost.
#[derive(Debug, Serialize)]
pub(crate) struct Traffic {
    pub(crate) deliveries: u32,
    pub(crate) seconds: f64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) cpu_micros_per_delivery: f64,
    /// The bytes that a client reads, with all that frames the payload.
    pub(crate) bytes_per_delivery: f64,
    pub(crate) p50_micros: u32,
    pub(crate) p99_micros: u32,
    pub(crate) max_micros: u32,
    /// Deliveries that were not made, or too late to be in order; warm-up included.
    pub(crate) lost: u32,
    /// Deliveries that were made again, or after a later message's; warm-up included.
    pub(crate) twice: u32,
    /// Clients that read, and were cut off all the same.
    pub(crate) cut_off: u32,
    /// Of the time that the CPUs were wanted, how much the hypervisor gave to others.
    pub(crate) steal_percent: f64,
    /// Of the time that the CPUs had, how much other programs took.
    pub(crate) others_percent: f64,
}

/// The outcome for the clients that never read.
#[derive(Debug, Serialize)]
pub(crate) struct Slow {
    pub(crate) clients: u32,
    /// The growth of the server's memory while they did not read.
    pub(crate) memory_growth_kib: f64,
}

/// The outcome for connections that came and went.
#[derive(Debug, Serialize)]
pub(crate) struct Churn {
    pub(crate) connections_per_second: f64,
    pub(crate) cpu_micros_per_connection: f64,
    /// The growth of the server's memory, once all had gone.
    pub(crate) memory_growth_kib: f64,
    /// The number of additional files that the server had open, once all had gone.
    pub(crate) descriptors_left: i32,
    pub(crate) steal_percent: f64,
    pub(crate) others_percent: f64,
}
