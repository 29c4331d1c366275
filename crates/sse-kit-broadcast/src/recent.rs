//! Keys of publishes, for as long as they may be tried again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sse_kit_event::IdempotencyKey;
use tokio::time::Instant;

/// For how long a key is known.
const KNOWN_FOR: Duration = Duration::from_secs(120);

/// How many are, at most; then the oldest is forgotten.
const MOST: usize = 10_000;

/// The offsets that were given under recent keys.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    offsets: HashMap<IdempotencyKey, u64>,
    by_age: VecDeque<(Instant, IdempotencyKey)>,
}

impl Recent {
    /// The offset that was given under this key.
    pub(crate) fn find(&mut self, key: &IdempotencyKey) -> Option<u64> {
        let now = Instant::now();
        while let Some((since, _)) = self.by_age.front() {
            if self.by_age.len() <= MOST && now.duration_since(*since) < KNOWN_FOR {
                break;
            }
            if let Some((_, old)) = self.by_age.pop_front() {
                self.offsets.remove(&old);
            }
        }
        self.offsets.get(key).copied()
    }

    /// Remembers a key that is not known.
    pub(crate) fn remember(&mut self, key: IdempotencyKey, offset: u64) {
        self.offsets.insert(key.clone(), offset);
        self.by_age.push_back((Instant::now(), key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> IdempotencyKey {
        IdempotencyKey::new(&n.to_string()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_for_two_minutes() {
        let mut recent = Recent::default();
        recent.remember(key(1), 7);
        tokio::time::advance(KNOWN_FOR.mul_f64(0.999)).await;
        assert_eq!(recent.find(&key(1)), Some(7));
        tokio::time::advance(KNOWN_FOR.mul_f64(0.001)).await;
        assert_eq!(recent.find(&key(1)), None);
        assert!(recent.offsets.is_empty());
    }

    #[tokio::test]
    async fn there_are_only_so_many() {
        let mut recent = Recent::default();
        for n in 0..MOST + 5 {
            assert_eq!(recent.find(&key(n)), None);
            recent.remember(key(n), n as u64);
        }
        assert_eq!(recent.find(&key(0)), None);
        assert_eq!(recent.find(&key(MOST)), Some(MOST as u64));
        assert!(recent.offsets.len() <= MOST + 1);
    }
}
