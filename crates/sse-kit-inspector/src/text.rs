//! Texts of the page: times, sizes, beginnings.

use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the beginning of a text, at most this many bytes, and whether that is all of it.
pub(crate) fn beginning(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, true);
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
    (&text[..end.unwrap_or_default()], false)
}

/// Returns the beginning of a text, with an ellipsis if that is not all of it.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    match beginning(text, max) {
        (all, true) => all.to_owned(),
        (begun, false) => format!("{begun}…"),
    }
}

/// Returns a time of the day in UTC: `14:03:07`.
pub(crate) fn clock(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns the time since then, in the largest unit that fits.
pub(crate) fn since(at: SystemTime) -> String {
    let seconds = at.elapsed().unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Returns a duration in milliseconds, as precise as it is of use.
#[cfg_attr(
    not(any(feature = "dispatch", test)),
    expect(dead_code, reason = "only traces have durations")
)]
pub(crate) fn milliseconds(time: Duration) -> String {
    let microseconds = time.as_micros();
    match microseconds {
        0..1_000 => format!("0.{microseconds:03} ms"),
        1_000..100_000 => format!("{}.{} ms", microseconds / 1000, microseconds / 100 % 10),
        _ => format!("{} ms", microseconds / 1000),
    }
}

/// Returns a size, such as `1,234 B` or `56 KiB`.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..10_240 => format!("{} B", number(bytes)),
        10_240..10_485_760 => format!("{} KiB", number(bytes >> 10)),
        _ => format!("{} MiB", number(bytes >> 20)),
    }
}

/// Returns a number with its thousands apart.
pub(crate) fn number(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("añb", 2), "a…");
        assert_eq!(shortened("añb", 4), "añb");
        assert_eq!(shortened("añb", 0), "…");
    }

    #[test]
    fn numbers_sizes_and_times_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([12, 10_240, 20 << 20].map(size), ["12 B", "10 KiB", "20 MiB"]);
        assert_eq!(clock(UNIX_EPOCH + Duration::from_secs(86_400 + 3_661)), "01:01:01");
        let ago = |seconds| since(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!([59, 61, 7_200, 200_000].map(ago), ["59 s", "1 min", "2 h", "2 d"]);
        let times = [12, 1_234, 123_456].map(|us| milliseconds(Duration::from_micros(us)));
        assert_eq!(times, ["0.012 ms", "1.2 ms", "123 ms"]);
    }
}
