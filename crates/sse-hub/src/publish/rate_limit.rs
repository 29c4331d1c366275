//! A limit on the events that one publisher may publish in a second.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sse_kit::broadcast::ClientKey;
use sse_kit::event::Audience;
use tokio::time::Instant;

use crate::limit_options::ByTopic;

/// The number of seconds whose events a publisher may publish at once.
const BURST_SECONDS: u32 = 2;

/// The number of paces at which those of publishers that have been quiet are forgotten.
const SWEEP_AT: usize = 10_000;

/// The maximum number of paces, which take some 20 MB. A stranger with many addresses, each of which sends a large
/// batch, would fill the memory with paces that last for minutes.
const MAX_PACES: usize = 200_000;

/// A limit by the generic cell rate algorithm: for each publisher it keeps the time at which all that was
/// published would have been, at an even pace; one for each rule, and one for the topics without a rule.
#[derive(Debug)]
pub(crate) struct RateLimit {
    limits: ByTopic<u32>,
    publishers: Mutex<Publishers>,
}

#[derive(Debug, Default)]
struct Publishers {
    /// By the publisher and the place of the rule.
    paced_until: HashMap<(ClientKey, Option<usize>), Instant>,
    sweep_at: usize,
}

/// The refusal of events that come too fast.
#[derive(Debug, PartialEq)]
pub(super) struct TooFast {
    /// The time after which the events fit.
    pub(super) wait: Duration,
    /// The topic or pattern of the rule.
    pub(super) rule: Option<Arc<str>>,
}

impl RateLimit {
    /// Allows so many events a second, and twice as many at once; 0 is no limit.
    pub(crate) fn new(limits: ByTopic<u32>) -> Self {
        let publishers = Publishers { sweep_at: SWEEP_AT, ..Publishers::default() };
        Self { limits, publishers: Mutex::new(publishers) }
    }

    pub(super) fn limits(&self) -> &ByTopic<u32> {
        &self.limits
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.limits.general == 0 && self.limits.rules.iter().all(|rule| rule.limit == 0)
    }

    /// Counts the events of a publisher: all of them, or none if some come too fast.
    pub(super) fn admit<'a>(
        &self,
        publisher: &ClientKey,
        events: impl Iterator<Item = &'a Audience>,
    ) -> Result<(), TooFast> {
        let now = Instant::now();
        let counts = self.count(events);
        let mut publishers = self.publishers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paced_until = Vec::new();
        let mut longest: Option<TooFast> = None;
        for (place, events) in counts {
            let Some(pace) = self.pace(place) else { continue };
            let key = (publisher.clone(), place);
            let paced = publishers.paced_until.get(&key).map_or(now, |until| (*until).max(now));
            match wait(paced.duration_since(now), pace * events) {
                Some(wait) if longest.as_ref().is_none_or(|longest| longest.wait < wait) => {
                    longest = Some(TooFast { wait, rule: self.rule(place) });
                }
                Some(_) => {}
                None => paced_until.push((key, paced + pace * events)),
            }
        }
        if let Some(longest) = longest {
            return Err(longest);
        }
        publishers.paced_until.extend(paced_until);
        publishers.forget(now);
        Ok(())
    }

    /// Returns the number of events for each rule, and for the topics without one. An event counts once,
    /// however many of its topics have the same rule.
    fn count<'a>(
        &self,
        events: impl Iterator<Item = &'a Audience>,
    ) -> BTreeMap<Option<usize>, u32> {
        let mut counts = BTreeMap::new();
        for audience in events {
            let topics = audience.topics().iter();
            let places: BTreeSet<_> = topics.map(|topic| self.limits.place(topic)).collect();
            for place in places {
                *counts.entry(place).or_default() += 1;
            }
        }
        counts
    }

    /// Returns the time between two events; none without a limit.
    fn pace(&self, place: Option<usize>) -> Option<Duration> {
        let per_second = place.map_or(self.limits.general, |place| self.limits.rules[place].limit);
        (per_second > 0).then(|| Duration::from_secs(1) / per_second)
    }

    fn rule(&self, place: Option<usize>) -> Option<Arc<str>> {
        place.map(|place| Arc::clone(&self.limits.rules[place].text))
    }
}

/// Returns the time after which events fit that take so long at an even pace, after those that are paced
/// already; `None` if they fit now. A batch larger than the burst fits only after a pause, and then slows its
/// publisher.
fn wait(paced: Duration, takes: Duration) -> Option<Duration> {
    let burst = Duration::from_secs(BURST_SECONDS.into());
    let needs = takes.min(burst);
    (paced + needs).checked_sub(burst).filter(|wait| !wait.is_zero())
}

impl Publishers {
    /// Forgets publishers that have been quiet, and if there are too many others, the half of them that will be
    /// quiet first. So each look at all of them follows as many that are new.
    fn forget(&mut self, now: Instant) {
        if self.paced_until.len() <= self.sweep_at {
            return;
        }
        self.paced_until.retain(|_, until| *until > now);
        if self.paced_until.len() > MAX_PACES / 2 {
            let mut untils: Vec<_> = self.paced_until.values().copied().collect();
            let half = untils.len() / 2;
            let (_, &mut median, _) = untils.select_nth_unstable(half);
            self.paced_until.retain(|_, until| *until > median);
        }
        self.sweep_at = SWEEP_AT.max(self.paced_until.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use clap::Parser;

    use super::*;
    use crate::options::Options;

    fn address(last: u8) -> ClientKey {
        IpAddr::from([10, 0, 0, last]).into()
    }

    fn limit(arguments: &[&str]) -> RateLimit {
        let options = Options::try_parse_from(["hub"].iter().chain(arguments)).unwrap();
        RateLimit::new(options.limits.publish_rate())
    }

    fn admit(limit: &RateLimit, from: u8, topics: &[&str], events: usize) -> Result<(), TooFast> {
        let topics = topics.iter().map(|topic| topic.parse().unwrap());
        let audience = Audience::several(topics.collect::<Vec<_>>()).unwrap();
        limit.admit(&address(from), std::iter::repeat_n(&audience, events))
    }

    fn wait_of(millis: u64, rule: Option<&str>) -> Result<(), TooFast> {
        Err(TooFast { wait: Duration::from_millis(millis), rule: rule.map(Into::into) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_is_held_to_its_pace_and_others_are_not() {
        let limit = limit(&["--publish-rate=10"]);
        for _ in 0..20 {
            admit(&limit, 1, &["a"], 1).unwrap();
        }
        assert_eq!(admit(&limit, 1, &["a"], 1), wait_of(100, None));
        admit(&limit, 2, &["a"], 20).unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
        admit(&limit, 1, &["a"], 1).unwrap();
        assert!(admit(&limit, 1, &["a"], 1).is_err());
        // As many as ever fit at once.
        tokio::time::advance(Duration::from_secs(2)).await;
        admit(&limit, 1, &["a"], 100).unwrap();
        assert_eq!(admit(&limit, 1, &["a"], 1), wait_of(8100, None));
    }

    #[tokio::test(start_paused = true)]
    async fn each_rule_counts_for_itself_and_an_event_is_admitted_by_all_or_by_none() {
        let limit = limit(&[
            "--publish-rate=10",
            "--publish-rate-for=rooms:*=1",
            "--publish-rate-for=jobs:*=2",
            "--publish-rate-for=free:*=0",
        ]);
        // All rooms together, and no matter what else is published; several topics of a rule count once.
        admit(&limit, 1, &["rooms:a", "rooms:b"], 1).unwrap();
        admit(&limit, 1, &["rooms:b"], 1).unwrap();
        assert_eq!(admit(&limit, 1, &["rooms:c"], 1), wait_of(1000, Some("rooms:*")));
        admit(&limit, 1, &["free:a"], 1_000_000).unwrap();
        admit(&limit, 1, &["other"], 19).unwrap();
        // What one rule refuses counts for no other.
        for _ in 0..10 {
            let refused = admit(&limit, 1, &["jobs:1", "other", "rooms:a"], 1);
            assert_eq!(refused, wait_of(1000, Some("rooms:*")));
        }
        admit(&limit, 1, &["jobs:1", "other"], 1).unwrap();
        assert_eq!(admit(&limit, 1, &["jobs:1", "other"], 1), wait_of(100, None));
        admit(&limit, 1, &["jobs:1"], 3).unwrap();
        assert_eq!(admit(&limit, 1, &["jobs:1"], 1), wait_of(500, Some("jobs:*")));
        admit(&limit, 2, &["rooms:a"], 2).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn quiet_publishers_are_forgotten() {
        let limit = limit(&["--publish-rate-for=rooms:*=10"]);
        let many = u32::try_from(SWEEP_AT).unwrap();
        let room = Audience::several(["rooms:a".parse().unwrap()]).unwrap();
        for number in 0..=many * 3 {
            let publisher = IpAddr::V4(number.into()).into();
            limit.admit(&publisher, std::iter::once(&room)).unwrap();
            if number % many == 0 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
        assert!(limit.publishers.lock().unwrap().paced_until.len() <= SWEEP_AT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_with_very_many_addresses_take_a_bounded_memory() {
        let limit = limit(&["--publish-rate=1"]);
        let room = Audience::several(["rooms:a".parse().unwrap()]).unwrap();
        let slowest = address(1);
        limit.admit(&slowest, std::iter::repeat_n(&room, 1_000)).unwrap();
        let mut most = 0;
        for number in 0..u32::try_from(MAX_PACES * 2).unwrap() {
            let publisher = IpAddr::V4(number.into()).into();
            limit.admit(&publisher, std::iter::repeat_n(&room, 1 + number as usize % 4)).unwrap();
            most = most.max(limit.publishers.lock().unwrap().paced_until.len());
        }
        assert!((MAX_PACES / 2..=MAX_PACES + 1).contains(&most), "{most}");
        assert!(
            limit.admit(&slowest, std::iter::once(&room)).is_err(),
            "the slowest is remembered"
        );
    }
}
