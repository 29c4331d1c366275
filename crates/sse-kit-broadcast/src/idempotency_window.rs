//! The idempotency keys of recent publishes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use sse_kit_event::{Audience, IdempotencyKey};
use tokio::time::Instant;

use crate::record::Once;

/// The maximum number of remembered keys; beyond it the oldest is evicted.
const MAX_KEYS: usize = 10_000;

/// The recent publishes with an idempotency key, for a log that decides about repeats itself.
#[derive(Debug, Default)]
pub struct IdempotencyWindow {
    publishes: HashMap<ScopedKey, Taken>,
    by_age: VecDeque<(Instant, ScopedKey)>,
}

/// A key, scoped to one audience.
type ScopedKey = (Audience, IdempotencyKey);

/// A publish that was accepted: its offset and a digest of its content.
#[derive(Clone, Copy, Debug)]
struct Taken {
    offset: u64,
    digest: u64,
}

/// The result of a look-up in an [`IdempotencyWindow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedBefore {
    /// The key is not known.
    No,
    /// The same publish was appended at this offset.
    At(u64),
    /// The key was used with other content.
    WithOtherContent,
}

impl IdempotencyWindow {
    /// The time for which a key is remembered: 120 s.
    pub const KNOWN_FOR: Duration = Duration::from_secs(120);

    /// Looks a publish up.
    pub fn find(&mut self, once: &Once, now: Instant) -> PublishedBefore {
        self.forget_old(now);
        match self.publishes.get(&(once.scope.clone(), once.key.clone())) {
            None => PublishedBefore::No,
            Some(taken) if taken.digest == once.digest => PublishedBefore::At(taken.offset),
            Some(_) => PublishedBefore::WithOtherContent,
        }
    }

    /// Stores a publish whose key is unknown. Publishes are stored in the order of their times.
    pub fn remember(&mut self, once: Once, offset: u64, now: Instant) {
        let Once { scope, key, digest } = once;
        self.publishes.insert((scope.clone(), key.clone()), Taken { offset, digest });
        self.by_age.push_back((now, (scope, key)));
    }

    /// Removes a publish that was stored and then not appended.
    pub fn forget(&mut self, once: &Once) {
        let key = (once.scope.clone(), once.key.clone());
        if self.publishes.remove(&key).is_some()
            && let Some(at) = self.by_age.iter().rposition(|(_, other)| *other == key)
        {
            self.by_age.remove(at);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((since, _)) = self.by_age.front() {
            if self.by_age.len() <= MAX_KEYS && now.duration_since(*since) < Self::KNOWN_FOR {
                break;
            }
            if let Some((_, old)) = self.by_age.pop_front() {
                self.publishes.remove(&old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(topic: &str, key: usize, digest: u64) -> Once {
        let scope = topic.parse::<sse_kit_event::Topic>().unwrap().into();
        Once { scope, key: IdempotencyKey::new(&key.to_string()).unwrap(), digest }
    }

    #[test]
    fn a_key_is_known_for_two_minutes() {
        let (mut window, now) = (IdempotencyWindow::default(), Instant::now());
        window.remember(once("a", 1, 0), 7, now);
        let known_for = IdempotencyWindow::KNOWN_FOR;
        let nearly = now + known_for.mul_f64(0.999);
        assert_eq!(window.find(&once("a", 1, 0), nearly), PublishedBefore::At(7));
        assert_eq!(window.find(&once("a", 1, 0), now + known_for), PublishedBefore::No);
        assert!(window.publishes.is_empty());
    }

    #[test]
    fn a_key_belongs_to_one_topic_and_one_payload() {
        let (mut window, now) = (IdempotencyWindow::default(), Instant::now());
        window.remember(once("orders", 1, 5), 7, now);
        assert_eq!(window.find(&once("invoices", 1, 5), now), PublishedBefore::No);
        assert_eq!(window.find(&once("orders", 1, 6), now), PublishedBefore::WithOtherContent);
    }

    #[test]
    fn a_publish_that_failed_is_new_again() {
        let (mut window, now) = (IdempotencyWindow::default(), Instant::now());
        window.remember(once("a", 1, 0), 7, now);
        window.forget(&once("a", 1, 0));
        assert_eq!(window.find(&once("a", 1, 5), now), PublishedBefore::No);
        window.remember(once("a", 1, 5), 8, now + Duration::from_secs(1));
        let later = now + IdempotencyWindow::KNOWN_FOR;
        assert_eq!(window.find(&once("a", 1, 5), later), PublishedBefore::At(8));
    }

    #[test]
    fn there_are_only_so_many() {
        let (mut window, now) = (IdempotencyWindow::default(), Instant::now());
        for n in 0..MAX_KEYS + 5 {
            assert_eq!(window.find(&once("a", n, 0), now), PublishedBefore::No);
            window.remember(once("a", n, 0), n as u64, now);
        }
        assert_eq!(window.find(&once("a", 0, 0), now), PublishedBefore::No);
        assert_eq!(window.find(&once("a", MAX_KEYS, 0), now), PublishedBefore::At(MAX_KEYS as u64));
        assert!(window.publishes.len() <= MAX_KEYS + 1);
    }
}
