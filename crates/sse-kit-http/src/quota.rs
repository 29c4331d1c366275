//! How many streams one principal may have.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts streams per principal: a user, a tenant, an API key, whatever the app tells them apart by.
///
/// Beside [`Limits`](crate::Limits), which counts in all and per address. Cheap to clone; all clones
/// count together.
///
/// ```
/// use sse_kit_http::{OverQuota, Quota};
///
/// let quota = Quota::new(1);
/// let share = quota.admit("alice")?;
/// assert_eq!(quota.admit("alice").unwrap_err(), OverQuota);
/// assert!(quota.admit("bob").is_ok());
/// drop(share);
/// assert!(quota.admit("alice").is_ok());
/// # Ok::<(), OverQuota>(())
/// ```
#[derive(Debug)]
pub struct Quota<K> {
    each: usize,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Clone + Eq + Hash> Quota<K> {
    /// At most `each` streams for one principal.
    pub fn new(each: usize) -> Self {
        Self { each, open: Arc::default() }
    }

    /// Counts one more stream of a principal, until the share is dropped. Keep it with the stream:
    /// [`SseResponse::keep`](crate::SseResponse::keep).
    ///
    /// # Errors
    ///
    /// [`OverQuota`] when it has as many as it may have.
    pub fn admit(&self, principal: K) -> Result<Share<K>, OverQuota> {
        let mut open = self.open.lock();
        let has = open.get(&principal).copied().unwrap_or(0);
        if has >= self.each {
            return Err(OverQuota);
        }
        open.insert(principal.clone(), has + 1);
        Ok(Share { principal, open: Arc::clone(&self.open) })
    }
}

impl<K> Clone for Quota<K> {
    fn clone(&self) -> Self {
        Self { each: self.each, open: Arc::clone(&self.open) }
    }
}

/// One stream that counts; see [`Quota::admit`].
#[derive(Debug)]
#[must_use = "it counts only as long as it lives"]
pub struct Share<K: Eq + Hash> {
    principal: K,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(has) = open.get_mut(&self.principal) {
            *has -= 1;
            if *has == 0 {
                open.remove(&self.principal);
            }
        }
    }
}

/// The principal has as many streams as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no more streams can be opened by this principal")]
pub struct OverQuota;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_without_streams_is_forgotten() {
        let quota = Quota::new(2);
        let shares = [quota.admit(7), quota.clone().admit(7)];
        assert_eq!(quota.admit(7).unwrap_err(), OverQuota);
        drop(shares);
        assert!(quota.open.lock().is_empty());
        assert_eq!(Quota::new(0).admit(7).unwrap_err(), OverQuota);
    }
}
