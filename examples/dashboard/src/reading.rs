//! Measurements.

/// A source of readings. The dashboard reads this machine; tests feed what they like.
pub(crate) trait Source: Send + 'static {
    /// Measures everything. Rates and shares are those since the call before.
    fn read(&mut self) -> Reading;
}

/// A measurement, as the source has it: nothing in it is certain to make sense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// The load of each core, in percent.
    pub(crate) cores: Vec<f32>,
    pub(crate) memory: Space,
    pub(crate) swap: Space,
    /// The load averages of the last 1, 5 and 15 minutes.
    pub(crate) load: [f64; 3],
    /// Bytes per second.
    pub(crate) received: f64,
    /// Bytes per second.
    pub(crate) sent: f64,
    pub(crate) disks: Vec<DiskReading>,
}

/// Some of which a part is used, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Space {
    pub(crate) used: u64,
    pub(crate) total: u64,
}

/// A disk, by the folder where it is mounted.
#[derive(Clone, Debug)]
pub(crate) struct DiskReading {
    pub(crate) mounted_at: String,
    pub(crate) space: Space,
}
