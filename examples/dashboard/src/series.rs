//! The values of the last two minutes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// One value a second, the newest last, as many as a line shows. A value that is unknown is a hole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series(VecDeque<Option<f64>>);

impl Series {
    /// The number of values.
    pub(crate) const LENGTH: usize = 120;

    /// Adds a value; the oldest gives way.
    pub(crate) fn push(&mut self, value: Option<f64>) {
        self.0.pop_front();
        self.0.push_back(value);
    }

    /// Returns the newest value.
    pub(crate) fn newest(&self) -> Option<f64> {
        self.0.back().copied().flatten()
    }

    /// Returns all of them, the oldest first.
    pub(crate) fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.0.iter().copied()
    }

    /// Returns the lowest and the highest value; `None` if none is known.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let mut known = self.values().flatten();
        let first = known.next()?;
        Some(known.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
    }

    /// Returns the highest value; `None` if none is known.
    pub(crate) fn highest(&self) -> Option<f64> {
        self.range().map(|(_, high)| high)
    }
}

/// Nothing is known yet.
impl Default for Series {
    fn default() -> Self {
        Self(VecDeque::from([None; Self::LENGTH]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_value_gives_way() {
        let mut series = Series::default();
        assert_eq!((series.newest(), series.range(), series.highest()), (None, None, None));
        for value in 0..130_u8 {
            series.push(Some(f64::from(value)));
        }
        assert_eq!(series.values().count(), Series::LENGTH);
        assert_eq!((series.newest(), series.range()), (Some(129.0), Some((10.0, 129.0))));
        series.push(None);
        assert_eq!((series.newest(), series.highest()), (None, Some(129.0)));
    }
}
