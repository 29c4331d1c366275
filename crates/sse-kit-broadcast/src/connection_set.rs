//! A set of connections, by their ids.

use sse_kit_event::ConnectionId;

/// The ids of some connections, such as those that an event leaves out: sorted, each once, and at
/// most [`ConnectionSet::MAX_LEN`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSet(Box<[ConnectionId]>);

impl ConnectionSet {
    /// The most connections in one set.
    pub const MAX_LEN: usize = 1024;

    /// Puts ids together, in any order; an id that stands there twice counts once.
    ///
    /// # Errors
    ///
    /// [`ConnectionSetError`] when there are more than [`ConnectionSet::MAX_LEN`].
    pub fn new(
        connections: impl IntoIterator<Item = ConnectionId>,
    ) -> Result<Self, ConnectionSetError> {
        // Looks at one id too many and no further: the source may be endless.
        let mut ids: Vec<_> = connections.into_iter().take(Self::MAX_LEN + 1).collect();
        if ids.len() > Self::MAX_LEN {
            return Err(ConnectionSetError);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Self(ids.into()))
    }

    /// Returns `true` if the connection is in the set.
    #[inline]
    pub fn contains(&self, connection: &ConnectionId) -> bool {
        !self.0.is_empty() && self.0.binary_search(connection).is_ok()
    }

    /// The ids, in order.
    pub fn as_slice(&self) -> &[ConnectionId] {
        &self.0
    }

    /// Returns `true` if the set has no connection.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// There are more than [`ConnectionSet::MAX_LEN`] connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event leaves out at most {max} connections", max = ConnectionSet::MAX_LEN)]
pub struct ConnectionSetError;

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
        assert!(ConnectionSet::new(ids(ConnectionSet::MAX_LEN)).is_ok());
        let endless = std::iter::repeat("a".parse().unwrap());
        assert_eq!(ConnectionSet::new(endless), Err(ConnectionSetError));
    }
}
