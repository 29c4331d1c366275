//! Medians with their spread, and ratios that are shown only where they say more than the spread.

use super::tables::median;

/// A median, and the values around it: the quartiles of at least five values, or else the extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    values: usize,
}

impl Spread {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Of five values the second and the fourth.
        let cut = last / 4;
        let (low, high) = (sorted[cut], sorted[last - cut]);
        Some(Self { median: median(&sorted)?, low, high, values: sorted.len() })
    }

    /// Returns the ratios of values to others that were measured in the same repetitions.
    pub(super) fn of_ratios(values: &[Measured], to: &[Measured]) -> Option<Self> {
        Self::of(values.iter().filter_map(|value| {
            let same = to.iter().find(|other| other.repetition == value.repetition)?;
            (same.value > 0.0).then(|| value.value / same.value)
        }))
    }

    /// Returns `true` if these ratios differ from 1 by more than they do from each other. Of a single
    /// ratio nobody knows.
    pub(super) fn shows_difference(&self) -> bool {
        self.values > 1 && (self.median - 1.0).abs() > self.high - self.low
    }

    /// Returns `true` if there are several values, so that the spread is known.
    pub(super) fn is_known(&self) -> bool {
        self.values > 1
    }
}

/// A figure of one repetition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) repetition: u32,
    pub(super) value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: &[(u32, f64)]) -> Vec<Measured> {
        values.iter().map(|&(repetition, value)| Measured { repetition, value }).collect()
    }

    fn shown(ratios: &[f64]) -> bool {
        Spread::of(ratios.iter().copied()).expect("some").shows_difference()
    }

    #[test]
    fn of_five_the_outer_two_are_left_out() {
        let spread = Spread::of([9.0, 1.0, 3.0, 2.0, 4.0]).expect("five");
        assert_eq!(spread, Spread { median: 3.0, low: 2.0, high: 4.0, values: 5 });
        let two = Spread::of([2.0, 1.0]).expect("two");
        assert_eq!(two, Spread { median: 1.5, low: 1.0, high: 2.0, values: 2 });
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_difference_is_shown_when_it_is_larger_than_the_spread() {
        assert!(shown(&[1.25, 1.20, 1.30, 1.24, 1.26]));
        assert!(shown(&[0.8, 0.85, 0.82]));
        assert!(!shown(&[1.10, 1.0, 1.25, 1.15, 0.95]));
        assert!(!shown(&[1.02, 0.98]));
        assert!(!shown(&[3.0]), "one repetition has no spread");
    }

    #[test]
    fn ratios_are_of_the_same_repetition() {
        let (hub, raw) =
            (measured(&[(1, 6.0), (3, 9.0)]), measured(&[(1, 4.0), (2, 1.0), (3, 6.0)]));
        let ratios = Spread::of_ratios(&hub, &raw).expect("two");
        assert_eq!(ratios, Spread { median: 1.5, low: 1.5, high: 1.5, values: 2 });
        assert_eq!(Spread::of_ratios(&hub, &measured(&[(1, 0.0)])), None);
    }
}
