//! The state that pages show: what was read, made sense of, and the last two minutes of it.

use serde::{Deserialize, Serialize};

use crate::amounts::{Bytes, number};
use crate::reading::{DiskReading, Reading, Space};
use crate::series::Series;

/// The most disks that are shown.
pub(crate) const MAX_DISKS: usize = 12;

/// All figures that the pages show. Unknown figures are `None`, as after a reading that makes no
/// sense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dashboard {
    pub(crate) figures: Figures,
    pub(crate) disks: Vec<Disk>,
}

/// The figures that change every second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// The load of each core, in percent.
    pub(crate) cores: Vec<Option<f64>>,
    /// The load of all cores together, in percent.
    pub(crate) cpu: Series,
    /// The used part of the memory, in percent.
    pub(crate) memory: Series,
    pub(crate) memory_amount: Option<Amount>,
    pub(crate) swap_amount: Option<Amount>,
    /// The load average of a minute.
    pub(crate) load: Series,
    /// The load averages of 5 and of 15 minutes.
    pub(crate) longer_loads: [Option<f64>; 2],
    /// Bytes per second.
    pub(crate) received: Series,
    /// Bytes per second.
    pub(crate) sent: Series,
}

/// A disk, as it is shown: it is another one only when it would look different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) mounted_at: String,
    pub(crate) space: Option<Amount>,
}

/// Some of which a part is used, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) used: String,
    pub(crate) total: String,
    /// In whole percent.
    pub(crate) percent: u8,
}

impl Dashboard {
    /// Adds what was read, `missed` seconds after it would have been due. Returns whether the disks look different.
    pub(crate) fn add(&mut self, reading: &Reading, missed: u64) -> bool {
        self.figures.skip(missed);
        self.figures.add(reading);
        let disks: Vec<Disk> = reading.disks.iter().take(MAX_DISKS).map(Disk::of).collect();
        let have_changed = disks != self.disks;
        self.disks = disks;
        have_changed
    }
}

impl Figures {
    fn add(&mut self, reading: &Reading) {
        self.cores = reading.cores.iter().map(|core| percent(f64::from(*core))).collect();
        self.cpu.push(mean(&self.cores));
        self.memory.push(share(reading.memory));
        self.memory_amount = Amount::of(reading.memory);
        self.swap_amount = Amount::of(reading.swap);
        let [load, longer @ ..] = reading.load.map(known);
        self.load.push(load);
        self.longer_loads = longer;
        self.received.push(known(reading.received));
        self.sent.push(known(reading.sent));
    }

    /// Notes that nothing is known of some seconds.
    pub(crate) fn skip(&mut self, seconds: u64) {
        if seconds == 0 {
            return;
        }
        let Self { cpu, memory, load, received, sent, .. } = std::mem::take(self);
        let [cpu, memory, load, received, sent] =
            [cpu, memory, load, received, sent].map(|mut series| {
                (0..seconds).take(Series::LENGTH).for_each(|_| series.push(None));
                series
            });
        *self = Self { cpu, memory, load, received, sent, ..Self::default() };
    }
}

impl Disk {
    fn of(reading: &DiskReading) -> Self {
        let (mounted_at, space) = (reading.mounted_at.clone(), Amount::of(reading.space));
        Self { mounted_at, space }
    }
}

impl Amount {
    /// Returns none if there is nothing of which a part could be used.
    fn of(space: Space) -> Option<Self> {
        let share = share(space)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is 0 to 100"
        )]
        let percent = share.round() as u8;
        let [used, total] = [space.used.min(space.total), space.total].map(number);
        Some(Self { used: Bytes(used).to_string(), total: Bytes(total).to_string(), percent })
    }
}

/// Returns the used part in percent; `None` if there is nothing.
fn share(space: Space) -> Option<f64> {
    percent(number(space.used) / number(space.total) * 100.0)
}

/// Returns the mean of all that is known.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let count = u32::try_from(known.len()).ok().filter(|count| *count > 0)?;
    Some(known.iter().sum::<f64>() / f64::from(count))
}

/// Returns a share that makes sense: cores may be said to be busy for 100.3 %, and no longer than always.
fn percent(value: f64) -> Option<f64> {
    known(value).map(|value| value.min(100.0))
}

/// Returns an amount that makes sense, which is neither infinite nor less than nothing.
fn known(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(used: u64, total: u64) -> Space {
        Space { used, total }
    }

    #[test]
    fn what_makes_no_sense_is_unknown() {
        let reading = Reading {
            cores: vec![f32::NAN, f32::INFINITY, -1.0, 100.4, 50.0],
            memory: space(0, 0),
            load: [f64::NAN, f64::NEG_INFINITY, 0.5],
            received: f64::INFINITY,
            sent: -3.0,
            disks: vec![DiskReading { mounted_at: "/".into(), space: space(7, 0) }],
            ..Reading::default()
        };
        let mut dashboard = Dashboard::default();
        assert!(dashboard.add(&reading, 0));
        let Dashboard { figures, disks } = dashboard;
        assert_eq!(figures.cores, [None, None, None, Some(100.0), Some(50.0)]);
        assert_eq!(figures.cpu.newest(), Some(75.0), "the mean of what is known");
        let unknown = [figures.memory, figures.load, figures.received, figures.sent];
        assert!(unknown.iter().all(|series| series.newest().is_none()));
        assert_eq!((figures.memory_amount, figures.longer_loads), (None, [None, Some(0.5)]));
        assert_eq!(disks, [Disk { mounted_at: "/".into(), space: None }]);
    }

    #[test]
    fn no_cores_are_no_figure() {
        let mut dashboard = Dashboard::default();
        dashboard.add(&Reading::default(), 0);
        assert_eq!((dashboard.figures.cpu.newest(), dashboard.figures.cores.len()), (None, 0));
    }

    #[test]
    fn more_than_all_is_all() {
        let amount = Amount::of(space(u64::MAX, 1 << 30)).expect("there is something");
        assert_eq!(
            (&*amount.used, &*amount.total, amount.percent),
            ("1.0\u{a0}GiB", "1.0\u{a0}GiB", 100)
        );
    }

    #[test]
    fn disks_have_changed_only_when_they_look_different() {
        let disk = |used| DiskReading { mounted_at: "/".into(), space: space(used, 100 << 30) };
        let reading = |disks: Vec<_>| Reading { disks, ..Reading::default() };
        let mut dashboard = Dashboard::default();
        assert!(!dashboard.add(&reading(vec![]), 0));
        assert!(dashboard.add(&reading(vec![disk(10 << 30)]), 0));
        assert!(
            !dashboard.add(&reading(vec![disk((10 << 30) + 4_096)]), 0),
            "of 4 KiB nobody is told"
        );
        assert!(dashboard.add(&reading(vec![disk(11 << 30)]), 0));
        assert!(dashboard.add(&reading(vec![]), 0), "it has vanished");
        assert!(dashboard.disks.is_empty());
    }

    #[test]
    fn missed_seconds_are_holes_however_many() {
        let reading = Reading { cores: vec![10.0], ..Reading::default() };
        let mut dashboard = Dashboard::default();
        dashboard.add(&reading, 0);
        dashboard.add(&reading, 2);
        let newest: Vec<_> = dashboard.figures.cpu.values().skip(Series::LENGTH - 4).collect();
        assert_eq!(newest, [Some(10.0), None, None, Some(10.0)]);
        dashboard.add(&reading, u64::MAX);
        assert_eq!(dashboard.figures.cpu.values().flatten().count(), 1);
        dashboard.figures.skip(1);
        assert_eq!((dashboard.figures.cpu.newest(), dashboard.figures.cores.len()), (None, 0));
    }
}
