//! Waiting that ends.

use sse_kit_test_support::in_time;

/// Awaits a future. A wake that is lost makes the test fail here, and not wait for ever: on a paused clock
/// this is no time at all.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    in_time("somebody wakes it", future).await
}
