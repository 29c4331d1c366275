//! Topics from segments that may come from users.

use crate::rules::BrokenRule;
use crate::text::{TextError, TextErrorKind};
use crate::topic::{Topic, WHAT};

impl Topic {
    /// Joins segments by `:`, and refuses a `:` within one of them.
    ///
    /// A topic that is formatted from a user's name, `format!("users:{name}")`, has another segment
    /// for each `:` in that name: the user `bob:admin` gets a topic of somebody else. Segments
    /// cannot be left that way. Encode texts that may hold `:`, `*` or control characters, or use
    /// the user's number.
    ///
    /// ```
    /// use sse_kit_event::{TextError, Topic};
    ///
    /// assert_eq!(Topic::from_segments(["users", "bob"])?.as_str(), "users:bob");
    /// assert!(Topic::from_segments(["users", "bob:admin"]).is_err());
    /// assert!(Topic::from_segments(["users", ""]).is_err());
    /// # Ok::<(), TextError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TextError`] if a segment contains `:` or is empty, or by the rules of [`Topic::new`].
    pub fn from_segments<S: AsRef<str>>(
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Self, TextError> {
        let mut topic = String::new();
        for (at, segment) in segments.into_iter().enumerate() {
            let segment = segment.as_ref();
            if segment.contains(':') {
                let rule = "it contains `:`, which separates segments; encode it";
                return Err(TextError::new(
                    segment,
                    "a segment of a topic",
                    TextErrorKind::Character,
                    rule,
                ));
            }
            if segment.is_empty() {
                return Err(BrokenRule::EmptySegment.error(&topic, WHAT));
            }
            if at > 0 {
                topic.push(':');
            }
            topic.push_str(segment);
            // Segments without end cost no more memory than the longest topic and one of them.
            if topic.len() > Self::MAX_LEN {
                return Err(BrokenRule::TooLong(Topic::MAX_LEN).error(&topic, WHAT));
            }
        }
        Self::new(&topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(sse_kit_test_support::cases(256))]

        #[test]
        fn a_topic_has_the_segments_that_it_was_made_of(
            segments in proptest::collection::vec("[a-c:*\\x00\u{85}é -]{0,4}", 0..5),
        ) {
            let is_right = |segment: &String| {
                !segment.is_empty() && !segment.contains(|c: char| ":*".contains(c) || c.is_control())
            };
            let topic = Topic::from_segments(&segments);
            let is_topic = !segments.is_empty() && segments.iter().all(is_right);
            proptest::prop_assert_eq!(topic.is_ok(), is_topic);
            if let Ok(topic) = topic {
                proptest::prop_assert_eq!(topic.segments().collect::<Vec<_>>(), segments);
            }
        }
    }

    #[test]
    fn segments_obey_the_rules_of_topics() {
        let kind = |topic: Result<Topic, TextError>| topic.err().map(|error| error.kind());
        assert_eq!(kind(Topic::from_segments::<&str>([])), Some(TextErrorKind::Empty));
        assert_eq!(kind(Topic::from_segments(["a", "*"])), Some(TextErrorKind::Character));
        assert_eq!(kind(Topic::from_segments(["a", "b:c"])), Some(TextErrorKind::Character));
        assert_eq!(kind(Topic::from_segments(["a", ""])), Some(TextErrorKind::Form));
        assert_eq!(kind(Topic::from_segments(["sse-kit", "a"])), Some(TextErrorKind::Reserved));
        let endless = Topic::from_segments(std::iter::repeat("a"));
        assert_eq!(kind(endless), Some(TextErrorKind::TooLong));
    }
}
