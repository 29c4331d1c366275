//! The options of what the topics keep and take, in general and by topic.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sse_kit::broadcast::HubBuilder;
use sse_kit::event::{Topic, Topics};

use crate::options::{none_if_zero, seconds};

/// The maximum size of the data of an event, in bytes.
pub(crate) const MAX_DATA: usize = 1 << 20;

/// The limits of the topics.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LimitOptions {
    /// Events kept for each topic, for clients that come back; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) history: usize,
    /// Events kept for a topic, or for each topic that matches a pattern, in place of `--history`:
    /// `rooms:*=500`; may be repeated. The first that covers a topic counts, as for all options that end
    /// with `-for`.
    #[arg(long, value_name = "PATTERN=N", value_parser = Rule::parse::<usize>)]
    history_for: Vec<Rule<usize>>,
    /// Seconds for which events are kept; 0 for no limit.
    #[arg(long, value_name = "SECS", default_value_t = 0.0, value_parser = seconds)]
    history_age: f64,
    /// Seconds for which the events of some topics are kept, in place of `--history-age`; may be repeated.
    #[arg(long, value_name = "PATTERN=SECS", value_parser = Rule::parse::<Age>)]
    history_age_for: Vec<Rule<Age>>,
    /// Bytes of data that an event may have, at most 1048576.
    #[arg(long, value_name = "BYTES", default_value_t = DataSize(MAX_DATA))]
    max_data: DataSize,
    /// Bytes of data that an event for some topics may have, in place of `--max-data`; may be repeated. Of
    /// several topics of an event the smallest limit counts.
    #[arg(long, value_name = "PATTERN=BYTES", value_parser = Rule::parse::<DataSize>)]
    max_data_for: Vec<Rule<DataSize>>,
    /// Events that one publisher (the `sub` of its token, or its address) may publish in a second, and twice
    /// as many at once; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    publish_rate: u32,
    /// Events that one publisher may publish in a second to all topics that match a pattern; these do not
    /// count for `--publish-rate`; may be repeated.
    #[arg(long, value_name = "PATTERN=N", value_parser = Rule::parse::<u32>)]
    publish_rate_for: Vec<Rule<u32>>,
}

/// A limit for a topic, or for each topic that matches a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule<T> {
    /// The topic or the pattern, as it was given.
    pub(crate) text: Arc<str>,
    topics: Topics,
    pub(crate) limit: T,
}

/// A limit with exceptions, of which the first that covers a topic counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ByTopic<T> {
    pub(crate) general: T,
    pub(crate) rules: Vec<Rule<T>>,
}

/// A number of seconds; none for no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Age(Option<Duration>);

/// The size of the data of an event, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DataSize(pub(crate) usize);

impl LimitOptions {
    /// Sets what the topics of a hub keep.
    pub(crate) fn retain(&self, mut hub: HubBuilder) -> HubBuilder {
        hub = hub.history(self.history);
        if let Some(age) = none_if_zero(self.history_age) {
            hub = hub.history_age(age);
        }
        for Rule { topics, limit, .. } in &self.history_for {
            hub = hub.history_for(topics.clone(), *limit);
        }
        for Rule { topics, limit, .. } in &self.history_age_for {
            hub = hub.history_age_for(topics.clone(), limit.0);
        }
        hub
    }

    pub(crate) fn max_data(&self) -> ByTopic<DataSize> {
        ByTopic { general: self.max_data, rules: self.max_data_for.clone() }
    }

    pub(crate) fn publish_rate(&self) -> ByTopic<u32> {
        ByTopic { general: self.publish_rate, rules: self.publish_rate_for.clone() }
    }

    /// Warns of rules that never count.
    pub(crate) fn warn(&self) {
        for (option, rule, earlier) in self.useless() {
            tracing::warn!(
                "--{option}: `{rule}` never counts, because `{earlier}` comes before it"
            );
        }
    }

    /// Returns the rules that never count, each with its option and the earlier rule that counts instead.
    fn useless(&self) -> Vec<(&'static str, &str, &str)> {
        let named = |option, pairs: Vec<(_, _)>| {
            pairs.into_iter().map(move |(rule, earlier)| (option, rule, earlier))
        };
        named("history-for", useless(&self.history_for))
            .chain(named("history-age-for", useless(&self.history_age_for)))
            .chain(named("max-data-for", useless(&self.max_data_for)))
            .chain(named("publish-rate-for", useless(&self.publish_rate_for)))
            .collect()
    }
}

impl<T> ByTopic<T> {
    /// Returns the place of the rule that covers a topic.
    pub(crate) fn place(&self, topic: &Topic) -> Option<usize> {
        self.rules.iter().position(|rule| rule.topics.cover(topic))
    }

    /// Returns the limit of a topic.
    pub(crate) fn of(&self, topic: &Topic) -> &T {
        self.place(topic).map_or(&self.general, |place| &self.rules[place].limit)
    }
}

impl Rule<()> {
    /// Parses a topic or pattern and its limit. A topic may contain `=`, so the last one counts.
    fn parse<T: FromStr<Err: ToString>>(text: &str) -> Result<Rule<T>, String> {
        let (topic, limit) = text
            .rsplit_once('=')
            .ok_or("write a topic or pattern, `=` and the limit: `rooms:*=500`")?;
        let topics = Topics::parse([topic]).map_err(|error| error.to_string())?;
        let limit =
            limit.parse().map_err(|error: T::Err| format!("`{limit}`: {}", error.to_string()))?;
        Ok(Rule { text: topic.into(), topics, limit })
    }
}

impl<T> Rule<T> {
    /// Returns `true` if each topic of another rule is one of this rule.
    fn covers(&self, other: &Rule<T>) -> bool {
        other.topics.topics().iter().all(|topic| self.topics.cover(topic))
            && other.topics.patterns().iter().all(|pattern| self.topics.cover_pattern(pattern))
    }
}

fn useless<T>(rules: &[Rule<T>]) -> Vec<(&str, &str)> {
    let pairs = rules.iter().enumerate().filter_map(|(place, rule)| {
        let earlier = rules[..place].iter().find(|earlier| earlier.covers(rule))?;
        Some((&*rule.text, &*earlier.text))
    });
    pairs.collect()
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        seconds(text).map(none_if_zero).map(Self)
    }
}

impl FromStr for DataSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(bytes) if bytes <= MAX_DATA => Ok(Self(bytes)),
            _ => Err(format!("write a number of bytes, at most {MAX_DATA}")),
        }
    }
}

impl std::fmt::Display for DataSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::Options;

    fn parse(arguments: &[&str]) -> Result<LimitOptions, String> {
        let parsed = Options::try_parse_from(["hub"].iter().chain(arguments));
        parsed.map(|options| options.limits).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_rule_that_covers_a_topic_counts() {
        let limits = parse(&[
            "--publish-rate-for=rooms:vip=9",
            "--publish-rate-for=rooms:*=5",
            "--publish-rate-for=a=b=1",
            "--publish-rate-for=**=2",
            "--publish-rate=7",
        ]);
        let rate = limits.unwrap().publish_rate();
        for (topic, expected) in [("rooms:vip", 9), ("rooms:a", 5), ("a=b", 1), ("other", 2)] {
            assert_eq!(rate.of(&topic.parse().unwrap()), &expected, "{topic}");
        }
        let rate = parse(&["--publish-rate=7"]).unwrap().publish_rate();
        assert_eq!(rate.of(&"other".parse().unwrap()), &7);
    }

    #[test]
    fn rules_that_never_count_are_found() {
        let limits = parse(&[
            "--history-for=rooms:vip=9",
            "--history-for=rooms:**=5",
            "--history-for=rooms:a=1",
            "--history-for=rooms:*=1",
            "--history-for=rooms:**=1",
            "--history-for=*:a=1",
            "--max-data-for=a=1",
            "--max-data-for=a=2",
        ]);
        let expected = [
            ("history-for", "rooms:a", "rooms:**"),
            ("history-for", "rooms:*", "rooms:**"),
            ("history-for", "rooms:**", "rooms:**"),
            ("max-data-for", "a", "a"),
        ];
        assert_eq!(limits.unwrap().useless(), expected);
    }

    #[test]
    fn mistakes_are_named() {
        for (argument, part) in [
            ("--history-for=rooms", "`rooms:*=500`"),
            ("--history-for=rooms:*=many", "`many`: invalid digit"),
            ("--history-for=rooms::a=1", "a segment is empty"),
            ("--history-age-for=rooms:*=-1", "`-1`: out of range"),
            ("--history-age-for=rooms:*=soon", "`soon`: not a number of seconds"),
            ("--max-data=1048577", "at most 1048576"),
            ("--max-data-for=a=1048577", "`1048577`: write a number of bytes, at most 1048576"),
            ("--publish-rate-for=a=-1", "`-1`: invalid digit"),
        ] {
            let error = parse(&[argument]).expect_err(argument);
            assert!(error.contains(part), "{argument}: {error}");
        }
    }
}
