//! What a page shows: its filter, by its query.

use sse_kit_event::{Audience, Topic, TopicPattern, Topics};
use sse_kit_htmx::Endpoint;
use sse_kit_http::{QueryError, query_parameters};

use crate::described::Described;
use crate::seen_event::SeenEvent;
use crate::text::{beginning, contains};

/// The maximum length of a filter or a search, in bytes; the rest is cut off.
const MAX_LEN: usize = 200;

/// The selection that a page shows, by its query: `?topic=jobs:*&q=error&paused=1`.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The filter of topics, as the viewer wrote it.
    pub(crate) topic: String,
    wanted: Wanted,
    /// The search, as the viewer wrote it.
    pub(crate) search: String,
    /// The search in lower case.
    needle: String,
    pub(crate) is_paused: bool,
}

/// The topics that a viewer wants to see.
#[derive(Clone, Debug, Default)]
enum Wanted {
    #[default]
    All,
    /// Those that contain this text, in lower case; for connections also those that cover the topic.
    Containing(String, Option<Topic>),
    Matching(TopicPattern),
}

impl View {
    pub(crate) fn of(query: Option<&str>) -> Result<Self, QueryError> {
        let mut view = Self::default();
        for parameter in query_parameters(query.unwrap_or_default()) {
            let (name, value) = parameter?;
            let text = || beginning(value.trim(), MAX_LEN).0.to_owned();
            match &*name {
                "topic" => view.topic = text(),
                "q" => view.search = text(),
                "paused" => view.is_paused = value == "1",
                _ => {}
            }
        }
        view.wanted = Wanted::of(&view.topic);
        view.needle = view.search.to_ascii_lowercase();
        Ok(view)
    }

    /// Returns this view at another URL of the inspector.
    pub(crate) fn at(&self, url: &str, is_paused: bool) -> String {
        let mut endpoint = Endpoint::new(url).expect("a URL of the inspector");
        let paused = if is_paused { "1" } else { "" };
        for (name, value) in [("topic", &*self.topic), ("q", &*self.search), ("paused", paused)] {
            if !value.is_empty() {
                endpoint = endpoint.query(name, value).expect("filters are short");
            }
        }
        endpoint.as_str().to_owned()
    }

    /// Returns this view of one topic.
    pub(crate) fn of_topic(&self, topic: &str) -> Self {
        Self { topic: topic.to_owned(), wanted: Wanted::of(topic), ..self.clone() }
    }

    /// Returns this view without a filter.
    pub(crate) fn unfiltered(&self) -> Self {
        Self { is_paused: self.is_paused, ..Self::default() }
    }

    pub(crate) fn paused(&self) -> Self {
        Self { is_paused: true, ..self.clone() }
    }

    pub(crate) fn is_filtered(&self) -> bool {
        !(self.topic.is_empty() && self.search.is_empty())
    }

    /// Returns whether the search finds something in one of these texts.
    pub(crate) fn finds<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        self.needle.is_empty() || texts.into_iter().any(|text| contains(text, &self.needle))
    }

    pub(crate) fn shows(&self, event: &SeenEvent) -> bool {
        let SeenEvent { data, name, audience, id, .. } = event;
        self.wants_audience(audience)
            && self.finds([&**data, &**name, &*audience.to_string(), &*id.to_string()])
    }

    /// Returns `true` if the page filters for topics.
    pub(crate) fn has_topic(&self) -> bool {
        !matches!(self.wanted, Wanted::All)
    }

    pub(crate) fn finds_client(&self, id: &str, described: &Described) -> bool {
        self.finds([id, &described.who, &described.from])
    }

    pub(crate) fn wants_topic(&self, topic: &Topic) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Containing(text, _) => contains(topic.as_str(), text),
            Wanted::Matching(pattern) => pattern.matches(topic),
        }
    }

    pub(crate) fn wants_audience(&self, audience: &Audience) -> bool {
        audience.is_everyone()
            || matches!(self.wanted, Wanted::All)
            || audience.topics().iter().any(|topic| self.wants_topic(topic))
    }

    /// Returns whether a connection subscribes to something that the viewer wants to see.
    pub(crate) fn wants_subscriber_of(&self, topics: &Topics) -> bool {
        let by_pattern = || topics.patterns().iter().any(|pattern| self.wants_pattern(pattern));
        match &self.wanted {
            Wanted::All => true,
            Wanted::Containing(_, Some(topic)) if topics.cover(topic) => true,
            _ => topics.topics().iter().any(|topic| self.wants_topic(topic)) || by_pattern(),
        }
    }

    fn wants_pattern(&self, pattern: &TopicPattern) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Containing(text, _) => contains(pattern.as_str(), text),
            Wanted::Matching(wanted) => pattern == wanted,
        }
    }
}

impl Wanted {
    fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self::All;
        }
        match text.parse::<TopicPattern>() {
            Ok(pattern) if text.contains('*') => Self::Matching(pattern),
            _ => Self::Containing(text.to_ascii_lowercase(), text.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(query: &str) -> View {
        View::of(Some(query)).unwrap()
    }

    #[test]
    fn a_text_filters_by_what_topics_contain_and_a_pattern_by_what_it_matches() {
        let topic = |text: &str| text.parse().unwrap();
        let wants = |query: &str, text: &str| view(query).wants_topic(&topic(text));
        assert!(wants("", "a") && wants("topic=JOB", "jobs:1") && wants("topic=jobs:*", "jobs:1"));
        assert!(!wants("topic=job", "users:1") && !wants("topic=job*", "jobs:1"));
        let subscriber = |query: &str, text: &str| {
            view(query).wants_subscriber_of(&Topics::parse([text]).unwrap())
        };
        assert!(subscriber("topic=jobs:17", "jobs:*"), "it gets the events of the topic");
        assert!(subscriber("topic=jobs:*", "jobs:17") && subscriber("topic=jobs:*", "jobs:*"));
        assert!(!subscriber("topic=jobs:17", "users:*"));
        let audience = |text: &str| Audience::from(&topic(text));
        assert!(view("topic=a").wants_audience(&audience("ab")));
        assert!(!view("topic=a").wants_audience(&audience("b")));
        assert!(view("topic=a").wants_audience(&Audience::Everyone));
    }

    #[test]
    fn a_view_is_written_into_urls_encoded() {
        let view = view("topic=a%26b&q=%22%3E%3Cb%3E&paused=1&other=x");
        assert!(view.is_paused);
        assert_eq!(view.at("/i/live", false), "/i/live?topic=a%26b&q=%22%3E%3Cb%3E");
        assert_eq!(View::default().at("/i", true), "/i?paused=1");
    }

    #[test]
    fn filters_are_short_and_utf8() {
        let long = format!("topic={0}&q={0}", "%C3%A9".repeat(1_000));
        let view = view(&long);
        assert_eq!((view.topic.len(), view.search.len()), (MAX_LEN, MAX_LEN));
        assert!(!view.at("/i", true).is_empty());
        assert!(View::of(Some("q=%FF")).is_err());
    }
}
