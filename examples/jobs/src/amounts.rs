//! Numbers as people read them.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

/// `1,204`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count<T>(pub(crate) T);

/// `3.2 s`, `2 min 5 s`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time<T>(pub(crate) T);

// Templates hold some of these by reference.
impl<T: Borrow<u64>> fmt::Display for Count<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.borrow() / 1000, self.0.borrow() % 1000) {
            (0, rest) => write!(f, "{rest}"),
            (thousands, rest) => write!(f, "{},{rest:03}", Count(thousands)),
        }
    }
}

impl<T: Borrow<Duration>> fmt::Display for Time<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = self.0.borrow();
        match duration.as_secs() {
            0 if duration.as_millis() < 100 => write!(f, "{} ms", duration.as_millis()),
            seconds @ 0..60 => write!(f, "{seconds}.{} s", duration.subsec_millis() / 100),
            seconds @ 60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            seconds => write!(f, "{} h {} min", seconds / 3600, seconds / 60 % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (count, read) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_007, "1,234,007")] {
            assert_eq!(Count(count).to_string(), read);
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (millis, read) in [
            (99, "99 ms"),
            (100, "0.1 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 5 s"),
            (3_725_000, "1 h 2 min"),
        ] {
            assert_eq!(Time(Duration::from_millis(millis)).to_string(), read);
        }
    }
}
