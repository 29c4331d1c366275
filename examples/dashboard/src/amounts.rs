//! Numbers as people read them.

use std::fmt;

/// Bytes: `812 B`, `3.1 GiB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) f64);

/// A share in percent: `37 %`; a dash if it is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Percent(pub(crate) Option<f64>);

/// A rate in bytes per second: `1.2 MiB/s`; a dash if it is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) Option<f64>);

/// A number with two decimal places: `0.42`; a dash if it is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal(pub(crate) Option<f64>);

/// Returns a count as a number to reckon with. It is exact up to 2⁵³, and close beyond.
#[expect(clippy::cast_precision_loss, reason = "what is shown has three digits")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// The units of bytes, each 1,024 times the one before.
const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut value, mut units) = (self.0, UNITS.iter());
        let mut unit = units.next().copied().unwrap_or_default();
        // 1,023.96 KiB would read as 1,024.0 KiB.
        for larger in units {
            if value < 1023.95 {
                break;
            }
            (value, unit) = (value / 1024.0, larger);
        }
        let places = usize::from(unit != "B" && value < 99.95);
        write!(f, "{value:.places$}\u{a0}{unit}")
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(percent) => write!(f, "{percent:.0}\u{a0}%"),
            None => f.write_str("–"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{}/s", Bytes(bytes)),
            None => f.write_str("–"),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{value:.2}"),
            None => f.write_str("–"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_makes_them_short() {
        for (bytes, read) in [
            (0.0, "0 B"),
            (1_023.0, "1023 B"),
            (1_024.0, "1.0 KiB"),
            (1_048_575.0, "1.0 MiB"),
            (3.1 * 1_073_741_824.0, "3.1 GiB"),
            (500.0 * 1_048_576.0, "500 MiB"),
            (1e30, "867361737988 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string().replace('\u{a0}', " "), read);
        }
    }

    #[test]
    fn what_is_unknown_is_a_dash() {
        let unknown =
            [Percent(None).to_string(), Rate(None).to_string(), Decimal(None).to_string()];
        assert_eq!(unknown, ["–", "–", "–"]);
        assert_eq!(Percent(Some(36.6)).to_string(), "37\u{a0}%");
        assert_eq!(Rate(Some(2_048.0)).to_string(), "2.0\u{a0}KiB/s");
        assert_eq!(Decimal(Some(0.416)).to_string(), "0.42");
    }
}
