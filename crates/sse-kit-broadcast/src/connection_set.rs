//! Sets of connections, by id.

use sse_kit_event::ConnectionId;

/// A set of connection ids, such as those that an event excludes: sorted, without duplicates, at
/// most [`ConnectionSet::MAX_LEN`].
///
/// ```
/// use sse_kit_broadcast::{ConnectionId, ConnectionSet};
///
/// let (one, other): (ConnectionId, ConnectionId) = ("1".parse()?, "2".parse()?);
/// let senders = ConnectionSet::new([one.clone()]).expect("one id");
/// assert!(senders.contains(&one) && !senders.contains(&other));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSet(Box<[ConnectionId]>);

impl ConnectionSet {
    /// The maximum number of connections in one set.
    pub const MAX_LEN: usize = 1024;

    /// Creates a set of ids in any order; duplicates are removed. `None` if there are more than
    /// [`ConnectionSet::MAX_LEN`] ids.
    pub fn new(connections: impl IntoIterator<Item = ConnectionId>) -> Option<Self> {
        // Takes one id too many and stops: the iterator may be endless.
        let mut ids: Vec<_> = connections.into_iter().take(Self::MAX_LEN + 1).collect();
        if ids.len() > Self::MAX_LEN {
            return None;
        }
        ids.sort_unstable();
        ids.dedup();
        Some(Self(ids.into()))
    }

    /// Returns `true` if the connection is in the set.
    #[inline]
    pub fn contains(&self, connection: &ConnectionId) -> bool {
        !self.0.is_empty() && self.0.binary_search(connection).is_ok()
    }

    /// Returns the ids, sorted.
    pub fn as_slice(&self) -> &[ConnectionId] {
        &self.0
    }

    /// Returns `true` if the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> impl Iterator<Item = ConnectionId> {
        (0..count).rev().map(|n| n.to_string().parse().unwrap())
    }

    #[test]
    fn a_set_is_sorted_and_has_each_id_once() {
        let set = ConnectionSet::new(ids(20).chain(ids(20))).unwrap();
        assert_eq!(set.as_slice().len(), 20);
        assert!(ids(20).all(|id| set.contains(&id)));
        assert!(!set.contains(&"20".parse().unwrap()));
        assert!(ConnectionSet::default().is_empty());
    }

    #[test]
    fn a_set_has_a_limit() {
        assert!(ConnectionSet::new(ids(ConnectionSet::MAX_LEN)).is_some());
        let endless = std::iter::repeat("a".parse().unwrap());
        assert_eq!(ConnectionSet::new(endless), None);
    }
}
