//! Settings that cannot all hold are named.

use std::time::Duration;

use sse_kit_shutdown::{SettingsError, Shutdown};

#[test]
fn what_does_not_fit_into_the_deadline_is_named() {
    let s = Duration::from_secs;
    let too_long = |delay, deadline| Err(SettingsError::Delay { delay, deadline });
    let no_time =
        |pre_drain, delay, deadline| Err(SettingsError::PreDrain { pre_drain, delay, deadline });
    let table = [
        ((s(0), s(1), s(25)), Ok(())),
        ((s(0), s(25), s(25)), Ok(())),
        ((s(24), s(1), s(25)), Ok(())),
        ((s(0), Duration::MAX, Duration::MAX), Ok(())),
        ((s(0), s(26), s(25)), too_long(s(26), s(25))),
        ((s(5), s(26), s(25)), too_long(s(26), s(25))),
        ((s(0), Duration::MAX, s(25)), too_long(Duration::MAX, s(25))),
        ((s(5), s(21), s(25)), no_time(s(5), s(21), s(25))),
        ((s(1), s(25), s(25)), no_time(s(1), s(25), s(25))),
        ((Duration::MAX, s(1), s(25)), no_time(Duration::MAX, s(1), s(25))),
    ];
    for ((pre_drain, delay, deadline), expected) in table {
        let settings = Shutdown::builder().pre_drain(pre_drain);
        let settings = settings.shutdown_delay(delay).deadline(deadline);
        assert_eq!(settings.check(), expected, "{pre_drain:?} {delay:?} {deadline:?}");
    }
    assert_eq!(Shutdown::builder().check(), Ok(()), "the defaults fit");
}

#[test]
fn the_message_says_what_to_do() {
    let settings = Shutdown::builder().shutdown_delay(Duration::from_secs(60));
    let message = settings.check().expect_err("it does not fit").to_string();
    let expected = "a `shutdown_delay` of 60s does not fit into a `deadline` of 25s; \
                    make the deadline longer or the delay shorter";
    assert_eq!(message, expected);
}
