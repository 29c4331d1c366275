//! The line of the header `Date`, formatted once a second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// A second since 1970 and its line.
type Formatted = (u64, String);

thread_local! {
    static LAST: RefCell<Formatted> = const { RefCell::new((0, String::new())) };
}

/// Calls a function with the line of the current time.
pub(super) fn with_line<T>(then: impl FnOnce(&[u8]) -> T) -> T {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|last| then(of(last, second, now).as_bytes()))
}

/// Returns the line of a second, formatting it unless it is the last one.
fn of(last: &mut Formatted, second: u64, now: SystemTime) -> &str {
    if last.0 != second || last.1.is_empty() {
        *last = (second, format!("date: {}\r\n", httpdate::HttpDate::from(now)));
    }
    &last.1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_second_has_its_own_line() {
        let mut last = (0, String::new());
        for (millis, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_999, "Thu, 01 Jan 1970 00:00:01 GMT"),
            (1_000, "Thu, 01 Jan 1970 00:00:01 GMT"),
            (2_000, "Thu, 01 Jan 1970 00:00:02 GMT"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(of(&mut last, millis / 1_000, time), format!("date: {text}\r\n"));
        }
    }
}
