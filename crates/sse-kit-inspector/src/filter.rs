//! The selection that a page shows, by its query.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use sse_kit_event::{Audience, TextError, Topic, TopicPattern, Topics};
use sse_kit_htmx::Endpoint;
use sse_kit_http::{QueryError, query_parameters};

use crate::client_info::ClientInfo;
use crate::overlap::Overlaps;
use crate::recorder::SeenConnectionEvent;
use crate::seen_event::SeenEvent;
use crate::text::beginning;

/// The maximum length of a filter or a search, in bytes; the rest is cut off. A topic and a
/// sign before it have room.
const MAX_LEN: usize = Topic::MAX_LEN + 1;

/// The sign before a topic that is to be shown alone.
const EXACTLY: char = '=';

/// The selection that a page shows, by its query: `?topic=jobs:*&q=error&paused=1`.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The filter of topics, as the viewer wrote it.
    pub(crate) topic: String,
    wanted: Wanted,
    /// The reason why the filter is no pattern although it looks like one.
    pub(crate) problem: Option<String>,
    /// The search, as the viewer wrote it.
    pub(crate) search: String,
    needle: Option<Needle>,
    pub(crate) is_paused: bool,
    /// The number of the notice that the page shows.
    pub(crate) notice: Option<u64>,
}

/// The topics that a viewer wants to see.
#[derive(Clone, Debug, Default)]
enum Wanted {
    #[default]
    All,
    Exactly(Topic),
    /// The topics that contain a text; for connections also those that cover the topic.
    Containing(Needle, Option<Topic>),
    Matching(Arc<Overlaps>),
}

/// A text to search for, letters of ASCII in either case. A search takes time in proportion to the
/// text that it goes through, whatever it searches for.
#[derive(Clone, Debug)]
struct Needle(AhoCorasick);

impl Needle {
    fn new(text: &str) -> Self {
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build([text]);
        Self(automaton.expect("an automaton for a few hundred bytes"))
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
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
                "notice" => view.notice = value.parse().ok(),
                _ => {}
            }
        }
        (view.wanted, view.problem) = Wanted::of(&view.topic);
        view.needle = (!view.search.is_empty()).then(|| Needle::new(&view.search));
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

    /// Returns this view of one topic alone.
    pub(crate) fn of_topic(&self, topic: &str) -> Self {
        let topic = format!("{EXACTLY}{topic}");
        let (wanted, problem) = Wanted::of(&topic);
        Self { topic, wanted, problem, ..self.clone() }
    }

    /// Returns `true` if the page shows one topic alone.
    pub(crate) fn is_of_one_topic(&self) -> bool {
        matches!(self.wanted, Wanted::Exactly(_))
    }

    /// Returns the topic that the filter names, alone or beside others.
    pub(crate) fn named_topic(&self) -> Option<&Topic> {
        match &self.wanted {
            Wanted::Exactly(topic) | Wanted::Containing(_, Some(topic)) => Some(topic),
            _ => None,
        }
    }

    /// Returns the text that all topics of the page begin with.
    pub(crate) fn topic_prefix(&self) -> &str {
        match &self.wanted {
            Wanted::Matching(overlaps) => overlaps.wanted().literal_prefix(),
            _ => "",
        }
    }

    /// Returns this view without a filter.
    pub(crate) fn unfiltered(&self) -> Self {
        Self { is_paused: self.is_paused, ..Self::default() }
    }

    pub(crate) fn paused(&self) -> Self {
        Self { is_paused: true, ..self.clone() }
    }

    /// Allows the work of another render.
    pub(crate) fn begin_render(&self) {
        if let Wanted::Matching(overlaps) = &self.wanted {
            overlaps.begin_render();
        }
    }

    pub(crate) fn is_filtered(&self) -> bool {
        !(self.topic.is_empty() && self.search.is_empty())
    }

    /// Returns whether the search finds something in one of these texts.
    pub(crate) fn finds<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let Some(needle) = &self.needle else { return true };
        texts.into_iter().any(|text| needle.is_in(text))
    }

    pub(crate) fn shows(&self, event: &SeenEvent) -> bool {
        if !self.wants_audience(&event.audience) {
            return false;
        }
        let SeenEvent { data, name, key, audience, id, .. } = event;
        let key = key.as_deref().unwrap_or_default();
        self.needle.is_none()
            || self.finds([&**data, &**name, key, &*audience.to_string(), &*id.to_string()])
    }

    pub(crate) fn shows_connection_event(&self, connection_event: &SeenConnectionEvent) -> bool {
        let SeenConnectionEvent { connection, client, detail, kind, topics, .. } = connection_event;
        self.wants_subscriber_of(topics)
            && (self.finds_client(connection, client) || self.finds([&**detail, kind.as_str()]))
    }

    #[cfg(feature = "dispatch")]
    pub(crate) fn shows_trace(&self, trace: &crate::dispatch::Traced) -> bool {
        self.finds([&*trace.event_type, &*trace.data, &*trace.outcome])
    }

    /// Returns `true` if the page filters for topics.
    pub(crate) fn has_topic(&self) -> bool {
        !matches!(self.wanted, Wanted::All)
    }

    pub(crate) fn finds_client(&self, id: &str, client: &ClientInfo) -> bool {
        self.finds([id, &client.name, &client.address])
    }

    pub(crate) fn wants_topic(&self, topic: &Topic) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Exactly(one) => one == topic,
            Wanted::Containing(text, _) => text.is_in(topic.as_str()),
            Wanted::Matching(overlaps) => overlaps.wanted().matches(topic),
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
            Wanted::Exactly(topic) => topics.cover(topic),
            Wanted::Containing(_, Some(topic)) if topics.cover(topic) => true,
            _ => topics.topics().iter().any(|topic| self.wants_topic(topic)) || by_pattern(),
        }
    }

    fn wants_pattern(&self, pattern: &TopicPattern) -> bool {
        match &self.wanted {
            Wanted::All => true,
            Wanted::Exactly(topic) => pattern.matches(topic),
            Wanted::Containing(text, _) => text.is_in(pattern.as_str()),
            Wanted::Matching(overlaps) => overlaps.include(pattern),
        }
    }
}

impl Wanted {
    /// Reads a filter. Returns also the reason why it is no pattern, if it looks like one.
    fn of(text: &str) -> (Self, Option<String>) {
        if text.is_empty() {
            return (Self::All, None);
        }
        if let Some(Ok(topic)) = text.strip_prefix(EXACTLY).map(str::parse) {
            return (Self::Exactly(topic), None);
        }
        let containing = || Self::Containing(Needle::new(text), text.parse().ok());
        if !text.contains('*') {
            return (containing(), None);
        }
        match text.parse() {
            Ok(pattern) => (Self::Matching(Overlaps::new(pattern).into()), None),
            Err(error) => (containing(), Some(TextError::to_string(&error))),
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
        assert!(subscriber("topic=jobs:*", "**") && subscriber("topic=*:17", "jobs:**"));
        assert!(wants("topic==jobs", "jobs") && !wants("topic==jobs", "jobs:1"));
        assert!(subscriber("topic==jobs:1", "jobs:*") && !subscriber("topic==jobs", "jobs:*"));
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
    fn a_search_does_not_mind_the_case() {
        let finds = |needle: &str, text: &str| Needle::new(needle).is_in(text);
        assert!(finds("<b>", "Hello <B>") && finds("L", "hello") && finds("é", "é"));
        assert!(!finds("hello!", "Hello") && !finds("a", ""));
    }

    #[test]
    fn filters_are_short_and_utf8() {
        let long = format!("topic={0}&q={0}", "%C3%A9".repeat(1_000));
        let view = view(&long);
        assert_eq!((view.topic.len(), view.search.len()), (MAX_LEN - 1, MAX_LEN - 1));
        assert!(!view.at("/i", true).is_empty());
        assert!(View::of(Some("q=%FF")).is_err());
    }
}
