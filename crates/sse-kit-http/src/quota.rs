//! Limits on the number of open streams.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::ClientKey;

/// A limit on the number of open streams, in total and per client.
///
/// A client is an address, a user, a tenant or an API key: anything that converts to a
/// [`ClientKey`]. All IPv6 addresses of a /64 network are one client. Cloning is cheap; all clones
/// count together.
///
/// ```
/// use sse_kit_http::{Quota, QuotaError};
///
/// let quota = Quota::new().total(1000).per_client(1);
/// let permit = quota.admit("alice")?;
/// assert_eq!(quota.admit("alice").unwrap_err(), QuotaError::PerClient);
/// assert!(quota.admit("bob").is_ok());
/// drop(permit);
/// assert!(quota.admit("alice").is_ok());
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Quota {
    total: Option<usize>,
    per_client: Option<usize>,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
    refused: u64,
}

impl Quota {
    /// Creates a quota that only counts, until a limit is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of open streams in total. Default: no limit.
    pub fn total(self, streams: usize) -> Self {
        Self { total: Some(streams), ..self }
    }

    /// Sets the maximum number of open streams per client. Default: no limit.
    pub fn per_client(self, streams: usize) -> Self {
        Self { per_client: Some(streams), ..self }
    }

    /// Counts a stream of a client until the permit is dropped. Keep the permit with the stream:
    /// [`SseResponse::keep`](crate::SseResponse::keep).
    ///
    /// # Errors
    ///
    /// [`QuotaError`] if a limit is reached.
    pub fn admit(&self, client: impl Into<ClientKey>) -> Result<Permit, QuotaError> {
        let client = client.into();
        let mut open = self.open.lock();
        let of_client = open.by_client.get(&client).copied().unwrap_or(0);
        let reached = if self.total.is_some_and(|limit| open.total >= limit) {
            Some(QuotaError::Total)
        } else {
            let is_full = self.per_client.is_some_and(|limit| of_client >= limit);
            is_full.then_some(QuotaError::PerClient)
        };
        if let Some(reached) = reached {
            open.refused += 1;
            return Err(reached);
        }
        open.by_client.insert(client.clone(), of_client + 1);
        open.total += 1;
        Ok(Permit { client, open: Arc::clone(&self.open) })
    }

    /// Returns the number of open streams.
    pub fn open(&self) -> usize {
        self.open.lock().total
    }

    /// Returns the number of streams refused so far.
    pub fn refused(&self) -> u64 {
        self.open.lock().refused
    }
}

/// A permit for one open stream, which counts until it is dropped; see [`Quota::admit`].
#[derive(Debug)]
#[must_use = "the stream counts only as long as its permit lives"]
pub struct Permit {
    client: ClientKey,
    open: Arc<Mutex<Open>>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.total -= 1;
        if let Some(of_client) = open.by_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                open.by_client.remove(&self.client);
            }
        }
    }
}

/// The limit of a [`Quota`] that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The total limit is reached.
    #[error("the limit on open streams is reached; retry later")]
    Total,
    /// The limit of the client is reached.
    #[error("this client has reached its limit on open streams; close one first")]
    PerClient,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn permits_are_given_back_when_dropped() {
        let quota = Quota::new().total(2).per_client(2);
        let permits = [quota.admit("alice"), quota.clone().admit("bob")];
        assert_eq!(quota.admit("carol").unwrap_err(), QuotaError::Total);
        assert_eq!((quota.open(), quota.refused()), (2, 1));
        drop(permits);
        assert!(quota.open.lock().by_client.is_empty(), "clients without streams are forgotten");
        assert!(quota.admit("carol").is_ok());
    }

    #[test]
    fn each_limit_holds_by_itself() {
        let each = Quota::new().per_client(1);
        let _permits = ["a", "b", "c"].map(|client| each.admit(client).unwrap());
        assert_eq!(each.admit("a").unwrap_err(), QuotaError::PerClient);
        let total = Quota::new().total(2);
        let _permits = ["a", "a"].map(|client| total.admit(client).unwrap());
        assert_eq!(total.admit("a").unwrap_err(), QuotaError::Total);
        assert_eq!(Quota::new().total(0).admit("a").unwrap_err(), QuotaError::Total);
        assert_eq!(Quota::new().per_client(0).admit("a").unwrap_err(), QuotaError::PerClient);
    }

    #[test]
    fn addresses_of_one_line_are_one_client() {
        let quota = Quota::new().per_client(1);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _kept = quota.admit(address("2001:db8::1")).unwrap();
        assert_eq!(quota.admit(address("2001:db8::2")).unwrap_err(), QuotaError::PerClient);
        assert!(quota.admit(address("2001:db8:0:1::1")).is_ok());
        let _kept = quota.admit(address("::ffff:1.2.3.4")).unwrap();
        assert_eq!(quota.admit(address("1.2.3.4")).unwrap_err(), QuotaError::PerClient);
        assert_eq!(quota.refused(), 2);
    }
}
