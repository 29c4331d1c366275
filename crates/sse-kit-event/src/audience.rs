//! The receivers of an event.

use std::fmt;
use std::sync::Arc;

use crate::topic::Topic;
use crate::topics::TopicsError;

/// The receivers of an event: the subscribers of one topic, of several topics, or every connection.
///
/// A subscriber of several of the topics receives the event once. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Audience, Topic};
///
/// let user: Topic = "users:17".parse()?;
/// let room: Topic = "rooms:1".parse()?;
/// let both = Audience::several([user.clone(), room, user])?;
/// assert_eq!(both.topics().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Audience {
    /// The subscribers of one topic.
    Topic(Topic),
    /// The subscribers of at least one of several topics. Create it with [`Audience::several`].
    Topics(SeveralTopics),
    /// Every connection, independent of its subscription.
    Everyone,
}

/// Two to [`Audience::MAX_TOPICS`] different topics, sorted: part of an [`Audience`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeveralTopics(Arc<[Topic]>);

impl Audience {
    /// The maximum number of topics of one event.
    pub const MAX_TOPICS: usize = 32;

    /// Creates the audience of all these topics. Duplicates are removed; if one topic remains, the
    /// result is [`Audience::Topic`].
    ///
    /// # Errors
    ///
    /// [`TopicsError`] if there is no topic, or more than [`Audience::MAX_TOPICS`].
    pub fn several(topics: impl IntoIterator<Item = Topic>) -> Result<Self, TopicsError> {
        // Takes one topic too many and stops: the iterator may be endless.
        let mut topics: Vec<_> = topics.into_iter().take(Self::MAX_TOPICS + 1).collect();
        if topics.len() > Self::MAX_TOPICS {
            return Err(TopicsError::TooMany { max: Self::MAX_TOPICS });
        }
        topics.sort_unstable();
        topics.dedup();
        match topics.len() {
            0 => Err(TopicsError::Empty),
            1 => Ok(Self::Topic(topics.remove(0))),
            _ => Ok(Self::Topics(SeveralTopics(topics.into()))),
        }
    }

    /// Returns the topics, sorted; empty if the event is for everyone.
    pub fn topics(&self) -> &[Topic] {
        match self {
            Self::Topic(topic) => std::slice::from_ref(topic),
            Self::Topics(topics) => topics.as_slice(),
            Self::Everyone => &[],
        }
    }

    /// Returns the topic if there is exactly one.
    pub fn topic(&self) -> Option<&Topic> {
        match self {
            Self::Topic(topic) => Some(topic),
            Self::Topics(_) | Self::Everyone => None,
        }
    }

    /// Returns `true` if the event is for every connection.
    pub fn is_everyone(&self) -> bool {
        matches!(self, Self::Everyone)
    }
}

impl SeveralTopics {
    /// Returns the topics, sorted.
    pub fn as_slice(&self) -> &[Topic] {
        &self.0
    }
}

impl From<Topic> for Audience {
    fn from(topic: Topic) -> Self {
        Self::Topic(topic)
    }
}

impl From<&Topic> for Audience {
    fn from(topic: &Topic) -> Self {
        Self::Topic(topic.clone())
    }
}

impl From<&Audience> for Audience {
    fn from(audience: &Audience) -> Self {
        audience.clone()
    }
}

/// Writes the topics separated by commas, or `everyone`.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, others @ ..] = self.topics() else { return f.write_str("everyone") };
        write!(f, "{first}")?;
        others.iter().try_for_each(|topic| write!(f, ", {topic}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(count: usize) -> impl Iterator<Item = Topic> {
        (0..count).map(|n| n.to_string().parse().unwrap())
    }

    #[test]
    fn several_topics_are_sorted_and_different() {
        let [a, b]: [Topic; 2] = ["a", "b"].map(|text| text.parse().unwrap());
        let both = Audience::several([b.clone(), a.clone(), b.clone()]).unwrap();
        assert_eq!(both.topics(), [a.clone(), b.clone()]);
        assert_eq!((both.topic(), both.to_string()), (None, "a, b".to_owned()));
        let one = Audience::several([a.clone(), a.clone()]).unwrap();
        assert_eq!((one.clone(), one.topic()), (Audience::from(&a), Some(&a)));
        assert_eq!(Audience::Everyone.to_string(), "everyone");
        assert_eq!(Audience::Everyone.topics(), []);
    }

    #[test]
    fn an_audience_has_some_topics_and_not_too_many() {
        assert_eq!(Audience::several([]), Err(TopicsError::Empty));
        assert!(Audience::several(topics(Audience::MAX_TOPICS)).is_ok());
        let too_many = Audience::several(topics(Audience::MAX_TOPICS + 1));
        assert_eq!(too_many, Err(TopicsError::TooMany { max: Audience::MAX_TOPICS }));
        let endless = Audience::several(std::iter::repeat("a".parse().unwrap()));
        assert_eq!(endless, Err(TopicsError::TooMany { max: Audience::MAX_TOPICS }));
    }
}
