//! How many streams there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::ClientKey;

/// Counts streams, in all and per client address.
///
/// An IPv6 client is known by its /64 network, which is what one subscriber line is given. Cheap to
/// clone; all clones count together.
///
/// ```
/// use sse_kit_http::{LimitError, Limits};
///
/// let limits = Limits::new(1000, 1);
/// let permit = limits.admit([127, 0, 0, 1].into())?;
/// assert_eq!(limits.admit([127, 0, 0, 1].into()).unwrap_err(), LimitError::PerClient);
/// drop(permit);
/// assert!(limits.admit([127, 0, 0, 1].into()).is_ok());
/// # Ok::<(), LimitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    total: usize,
    per_client: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
    refused: u64,
}

impl Limits {
    /// At most `total` streams, and at most `per_client` from one address.
    pub fn new(total: usize, per_client: usize) -> Self {
        Self { total, per_client, open: Arc::default() }
    }

    /// Counts one more stream, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// [`LimitError`] says which limit is reached.
    pub fn admit(&self, client: IpAddr) -> Result<Permit, LimitError> {
        let client = ClientKey::from(client);
        let mut open = self.open.lock();
        let of_client = open.by_client.get(&client).copied().unwrap_or(0);
        let limit = if open.total >= self.total {
            Some(LimitError::Total)
        } else {
            (of_client >= self.per_client).then_some(LimitError::PerClient)
        };
        if let Some(limit) = limit {
            open.refused += 1;
            return Err(limit);
        }
        open.by_client.insert(client.clone(), of_client + 1);
        open.total += 1;
        Ok(Permit { client, open: Arc::clone(&self.open) })
    }

    /// How many streams were refused so far.
    pub fn refused(&self) -> u64 {
        self.open.lock().refused
    }
}

/// One stream that counts; see [`Limits::admit`].
#[derive(Debug)]
#[must_use = "it counts only as long as it lives"]
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

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// There are as many streams as there may be.
    #[error("no more streams can be opened")]
    Total,
    /// This client has as many as it may have.
    #[error("no more streams can be opened from this address")]
    PerClient,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_given_back_when_dropped() {
        let limits = Limits::new(2, 2);
        let permits = [limits.admit([1; 4].into()), limits.admit([2; 4].into())];
        assert_eq!(limits.admit([3; 4].into()).unwrap_err(), LimitError::Total);
        assert_eq!(limits.refused(), 1);
        drop(permits);
        assert!(limits.open.lock().by_client.is_empty());
        assert!(limits.admit([3; 4].into()).is_ok());
    }

    #[test]
    fn addresses_of_one_line_count_together() {
        let limits = Limits::new(10, 1);
        let address = |text: &str| text.parse().unwrap();
        let _kept = limits.admit(address("2001:db8::1")).unwrap();
        assert_eq!(limits.admit(address("2001:db8::2")).unwrap_err(), LimitError::PerClient);
        assert!(limits.admit(address("2001:db8:0:1::1")).is_ok());
        let _kept = limits.admit(address("::ffff:1.2.3.4")).unwrap();
        assert_eq!(limits.admit(address("1.2.3.4")).unwrap_err(), LimitError::PerClient);
        assert_eq!(limits.refused(), 2);
    }
}
