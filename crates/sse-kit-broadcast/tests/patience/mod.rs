//! Waiting that ends.

use std::time::Duration;

/// What the future comes to. A wake that is lost makes the test fail here, and not wait for ever: on
/// a paused clock this is no time at all.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("somebody wakes it")
}
