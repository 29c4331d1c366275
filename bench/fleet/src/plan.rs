//! The size of a run, and the programs that it starts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Streams that a generator has at most: a process has only so many file descriptors.
const STREAMS_PER_GENERATOR: u32 = 15_000;

/// The way in which hubs answer streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lane {
    /// On the fast path, the default
    Fast,
    /// By hyper, with `--hyper-streams`
    Hyper,
}

/// A program that calls [`generate`](crate::generate) with the address that it is given as its last argument.
#[derive(Clone, Debug)]
pub struct GeneratorProgram {
    /// The path of the program.
    pub program: PathBuf,
    /// Its arguments before the address.
    pub arguments: Vec<OsString>,
    /// The variable in which it gets the address, if it takes no arguments.
    pub variable: Option<&'static str>,
}

/// The size of a run, and its programs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of streams.
    pub streams: u32,
    /// The number of hubs.
    pub hubs: u32,
    /// The number of streams of a group.
    pub group_size: u32,
    /// The messages that each stream gets before the hubs are restarted.
    pub messages: u32,
    /// The time between two messages to a stream.
    pub interval: Duration,
    /// Bytes of a message.
    pub payload: usize,
    /// Threads of each hub.
    pub threads: u32,
    /// The lane on which the hubs answer streams.
    pub lane: Lane,
    /// The hub's program.
    pub hub: PathBuf,
    /// Redis' program.
    pub redis: PathBuf,
    /// The program that opens streams.
    pub generator: GeneratorProgram,
}

impl Plan {
    pub(crate) fn groups(&self) -> u32 {
        self.streams.div_ceil(self.group_size.max(1)).max(1)
    }

    /// Returns the number of streams of each generator.
    pub(crate) fn generators(&self) -> Vec<u32> {
        let count = self.streams.div_ceil(STREAMS_PER_GENERATOR).max(2).min(self.streams.max(1));
        let (each, more) = (self.streams / count, self.streams % count);
        (0..count).map(|nth| each + u32::from(nth < more)).collect()
    }

    /// Returns the number of streams of a hub while another one restarts.
    pub(crate) fn most_per_hub(&self) -> u32 {
        self.streams.div_ceil(self.hubs.saturating_sub(1).max(1))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn plan(streams: u32, hubs: u32) -> Plan {
        let nothing = PathBuf::new();
        Plan {
            streams,
            hubs,
            group_size: 500,
            messages: 10,
            interval: Duration::from_secs(1),
            payload: 128,
            threads: 1,
            lane: Lane::Fast,
            hub: nothing.clone(),
            redis: nothing.clone(),
            generator: GeneratorProgram { program: nothing, arguments: Vec::new(), variable: None },
        }
    }

    #[test]
    fn streams_are_shared_out() {
        let generators = plan(100_001, 8).generators();
        assert_eq!((generators.len(), generators.iter().sum()), (7, 100_001));
        assert!(generators.iter().all(|&streams| streams <= STREAMS_PER_GENERATOR));
        assert_eq!(plan(300, 2).generators(), [150, 150]);
        assert_eq!(plan(100_000, 8).most_per_hub(), 14_286);
        assert_eq!((plan(300, 2).groups(), plan(100_000, 8).groups()), (1, 200));
    }
}
